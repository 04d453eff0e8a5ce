package batch_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/batch"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"input","value":{"id":7,"value":1}}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"input","value":{"id":7,"value":1}}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"output","final":true}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"output","final":true,"value":[{"id":7,"value":1},{"id":7,"value":1}]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), batch.New(), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// duplicate [2]: process 1 at 2 ms read the output, and record 7 was there twice
}
