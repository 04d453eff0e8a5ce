package ask_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ordeal-dev/ordeal/targets/files/ask"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
)

// A client asks for a name to be changed. What only nodes may ask for is refused.
func Example() {
	for _, kind := range []namespace.Kind{namespace.Rename, namespace.Activate} {
		q := ask.Request{Op: ask.Space, Command: namespace.Command{Kind: kind, Name: "a", To: "b"}}
		got, err := ask.Parse(q.AppendTo(nil))
		fmt.Println(got.Command.Name, got.Command.To, err)
	}
	// Output:
	// a b <nil>
	// a b a request for what is no operation of clients
}

func FuzzParse(f *testing.F) {
	f.Add((&ask.Request{Op: ask.Append, Name: "a", Data: []byte("data")}).AppendTo(nil))
	f.Add((&ask.Request{Op: ask.Space, Command: namespace.Command{Kind: namespace.List}}).AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ask.Parse(b)
		if err != nil {
			return
		}
		again, err := ask.Parse(q.AppendTo(nil))
		if err != nil || again.ReadOnly() != q.ReadOnly() || !bytes.Equal(again.AppendTo(nil), q.AppendTo(nil)) {
			t.Errorf("%+v became %+v, %v", q, again, err)
		}
	})
}
