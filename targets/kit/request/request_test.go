package request_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// node answers a client's requests with one answer, and keeps their names.
type node struct {
	client.Env
	answer []byte
	err    error
	names  [][2]uint64
}

func (n *node) Node() int { return 0 }
func (n *node) Call(_ int, b []byte) ([]byte, error) {
	r, err := request.Parse(b)
	if err != nil {
		panic(err)
	}
	n.names = append(n.names, [2]uint64{r.Client, r.Seq})
	return n.answer, n.err
}

// A client increments a counter. The answer comes, or is Unknown.
func Example() {
	var c request.Caller
	increment := func(n *node, op history.Op) history.Op {
		code, body, err := c.Call(n, op, false, []byte("increment"))
		switch {
		case err != nil:
			return client.Broken(op, err, false)
		case code == request.OK:
			return client.OK(op, history.Int(int64(body[0])))
		default:
			return request.Ended(op, code, false)
		}
	}
	for _, answer := range [][]byte{
		request.Answer(request.OK, []byte{7}),
		request.Answer(request.Unavailable, nil),
		request.Answer(request.Unknown, nil),
	} {
		op := increment(&node{answer: answer}, history.Op{F: "increment"})
		fmt.Printf("%v %v %q\n", op.Type, op.Value, op.Error)
	}
	// Output:
	// ok 7 ""
	// fail - "unavailable"
	// info - "unknown"
}

// Only what is known to be definite ends a change as failed.
func TestEnded(t *testing.T) {
	t.Parallel()
	for code, want := range map[request.Code]history.Type{
		request.Unavailable: history.Fail, request.BadRequest: history.Fail,
		request.Unknown: history.Info, 9: history.Info, request.Own: history.Info,
	} {
		if got := request.Ended(history.Op{}, code, false).Type; got != want {
			t.Errorf("a change that ended in %v is %v, want %v", code, got, want)
		}
		if got := request.Ended(history.Op{}, code, true).Type; got != history.Fail {
			t.Errorf("a read that ended in %v is %v", code, got)
		}
	}
}

// A client that is made anew in the middle of a run uses no name again.
func TestNames(t *testing.T) {
	t.Parallel()
	n := &node{answer: request.Answer(request.OK, nil)}
	call := func(c *request.Caller, index int) {
		if _, _, err := c.Call(n, history.Op{Process: 4, Index: index}, false, nil); err != nil {
			t.Fatal(err)
		}
	}
	var first, second request.Caller
	call(&first, 0)
	call(&first, 0)
	call(&first, 7)
	call(&second, 9)
	last := uint64(0)
	for _, name := range n.names {
		if name[0] != 5 || name[1] <= last {
			t.Errorf("names are %v", n.names)
		}
		last = name[1]
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	var c request.Caller
	for _, answer := range [][]byte{nil, {0}} {
		if _, _, err := c.Call(&node{answer: answer}, history.Op{}, false, nil); err == nil {
			t.Errorf("answer %v is taken for one", answer)
		}
	}
	lost := errors.New("lost")
	if _, _, err := c.Call(&node{err: lost}, history.Op{}, false, nil); !errors.Is(err, lost) {
		t.Errorf("an error of the call became %v", err)
	}
}

func TestTextOfValues(t *testing.T) {
	t.Parallel()
	for _, v := range []history.Value{history.Int(0), history.Int(-7), history.String("a b"), history.String("")} {
		if got := request.Value(request.Text(v)); !got.Equal(v) {
			t.Errorf("%v became %v", v, got)
		}
	}
	if got := request.Text(history.Nil); got != "" {
		t.Errorf("nil is written %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(request.Request{Client: 1, Seq: 300, ReadOnly: true, Body: []byte("body")}.AppendTo(nil))
	f.Add([]byte{2, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := request.Parse(b)
		if err != nil {
			return
		}
		again, err := request.Parse(r.AppendTo(nil))
		if err != nil || again.Client != r.Client || again.Seq != r.Seq || again.ReadOnly != r.ReadOnly || !bytes.Equal(again.Body, r.Body) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}
