package longfork_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/longfork"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["r","y",null]]}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"txn","value":[["r","x",1],["r","y",null]]}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"txn","value":[["r","x",null],["r","y",null]]}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"txn","value":[["r","x",null],["r","y",1]]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), longfork.New(longfork.Options{}), h)
	fmt.Println(result.Verdict, result.Anomalies[0].Name, result.Anomalies[0].Ops)
	// Output:
	// invalid long-fork [0 2]
}
