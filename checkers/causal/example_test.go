package causal_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/causal"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"write","value":7}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"write","value":7}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"write","value":8}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"write","value":8}
{"index":4,"time":4000000,"process":1,"type":"invoke","f":"read","value":null,"final":true}
{"index":5,"time":5000000,"process":1,"type":"ok","f":"read","value":7,"final":true}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := causal.New()
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// lost-causal-write [0 2 4]: the final value is 7, as process 1 read at 4 ms; but process 0 wrote 7 at 0 ms, then process 0 wrote 8 at 2 ms, acknowledged at 3 ms: this last write causally follows the first, and was lost to it
}
