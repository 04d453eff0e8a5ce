package causalreverse_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/causalreverse"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"write","value":1}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"write","value":1}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"write","value":2}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"write","value":2}
{"index":4,"time":4000000,"process":2,"type":"invoke","f":"read","value":null}
{"index":5,"time":5000000,"process":2,"type":"ok","f":"read","value":[2]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), causalreverse.New(causalreverse.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// causal-reverse [0 2 4]: process 0 wrote 1, acknowledged at 1 ms; after that, process 1 wrote 2 at 2 ms; but process 2 read at 4 ms and got 2 without 1
}
