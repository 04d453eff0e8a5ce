package weak_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Bob sees the new photo of Alice's, but not that she shut her boss out before.
const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"txn","value":[["w","friends","all"]]}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"txn","value":[["w","friends","all"]]}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"txn","value":[["w","friends","no boss"]]}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"txn","value":[["w","friends","no boss"]]}
{"index":4,"time":4000000,"process":0,"type":"invoke","f":"txn","value":[["w","photo","beach"]]}
{"index":5,"time":5000000,"process":0,"type":"ok","f":"txn","value":[["w","photo","beach"]]}
{"index":6,"time":6000000,"process":1,"type":"invoke","f":"txn","value":[["r","photo",null],["r","friends",null]]}
{"index":7,"time":7000000,"process":1,"type":"ok","f":"txn","value":[["r","photo","beach"],["r","friends","all"]]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	for level := weak.ReadCommitted; level <= weak.Causal; level++ {
		result := checkers.Run(context.Background(), weak.New(weak.Options{Level: level}), h)
		fmt.Println(level, result.Verdict)
		for _, a := range result.Anomalies {
			fmt.Println(a.Name, a.Ops)
			for _, e := range a.Edges {
				fmt.Println(e.Why)
			}
		}
	}
	// Output:
	// read-committed ok
	// read-atomic ok
	// causal invalid
	// COConflictAO [0 2 4 6]
	// T0 came before T2 in the session of process 0
	// T6 read friends = "all" from T0, although it could see T2, which wrote friends too (T2 came before T4 in the session of process 0, and T6 read photo = "beach", which T4 wrote): so T2 came before T0
}
