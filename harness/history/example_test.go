package history_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

func ExampleRead() {
	h, err := history.Read(strings.NewReader(`
		{:process 0, :type :invoke, :f :write, :value 7}
		{:process 1, :type :invoke, :f :read,  :value nil}
		{:process 1, :type :ok,     :f :read,  :value 7}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	calls, err := h.Calls()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range calls {
		fmt.Printf("process %v: %s %v is %v\n", c.Invoke.Process, c.Invoke.F, c.Value(), c.Type())
	}
	// Output:
	// process 0: write 7 is info
	// process 1: read 7 is ok
}

// A run that was killed leaves a file that ends anywhere.
func ExampleRead_torn() {
	h, err := history.Read(strings.NewReader(`{"index":0,"time":0,"process":0,"type":"invoke","f":"read"}
{"index":1,"time":9,"proc`))
	fmt.Println(len(h.Ops), h.Torn.Offset, h.Torn.Reason, err)
	// Output:
	// 1 60 the file ends in the middle of an operation <nil>
}

func ExampleWriter() {
	var file bytes.Buffer // history.Create(path) for a real one
	w := history.NewWriter(&file)
	ops := []history.Op{
		{Index: 0, Time: 0, Process: 0, Type: history.Invoke, F: "add", Value: history.Int(1)},
		{Index: 1, Time: 5, Process: 0, Type: history.OK, F: "add", Value: history.Int(1)},
	}
	for i := range ops {
		if err := w.Append(&ops[i]); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	h, err := history.Read(&file)
	fmt.Println(len(h.Ops), err)
	// Output:
	// 2 <nil>
}

func ExampleAppendJSON() {
	op := history.Op{Index: 4, Time: 12345, Process: 3, Type: history.OK, F: "read",
		Key: history.String("k1"), Value: history.Ints(1, 2), Node: "n2"}
	fmt.Println(string(history.AppendJSON(nil, &op)))
	// Output:
	// {"index":4,"time":12345,"process":3,"type":"ok","f":"read","key":"k1","value":[1,2],"node":"n2"}
}
