package ledger_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/ledger"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"observe","node":"n1"}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"observe","node":"n1","value":{"tip":"b2","blocks":[{"id":"g","height":0},{"id":"b1","parent":"g","height":1},{"id":"b2","parent":"b1","height":2}]}}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"observe","node":"n1"}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"observe","node":"n1","value":{"tip":"c1","blocks":[{"id":"c1","parent":"g","height":1}]}}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), ledger.New(ledger.Options{Depth: 2}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// deep-reorg [0 2]: process 0 through n1 saw tip b2 at 0 ms, by which block b1 of height 1 was confirmed 2 times, and had that by 1 ms; after that, process 0 through n1 saw tip c1 at 2 ms, of height 1, whose chain does not have it: the last block that both have is g of height 0
}
