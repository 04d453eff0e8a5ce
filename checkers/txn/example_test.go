package txn_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"txn","value":[["append","x",1],["append","y",1]]}
{"index":1,"time":1000000,"process":1,"type":"invoke","f":"txn","value":[["r","x",null],["r","y",null]]}
{"index":2,"time":2000000,"process":0,"type":"ok","f":"txn","value":[["append","x",1],["append","y",1]]}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"txn","value":[["r","x",[1]],["r","y",[]]]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), txn.New(txn.Options{Models: []string{"snapshot-isolation"}}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, strings.ReplaceAll(a.Explanation, "; ", ";\n  "))
	}
	fmt.Println(txn.Check(context.Background(), h, txn.Options{}).Not)
	// Output:
	// invalid
	// G-single-item [0 1]: T1 is index 0 by process 0, 0 ms to 2 ms;
	//   T2 is index 1 by process 1, 1 ms to 3 ms. T2 read x = [1], whose last element T1 appended;
	//   T2 read y = [], without the 1 that T1 appended. So each of them came before itself
	// [consistent-view repeatable-read]
}
