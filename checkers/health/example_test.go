package health_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/health"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":9000000,"process":"nemesis","type":"info","f":"died","value":{"node":"n2","reason":"exit status 2","lines":["panic: index out of range"]}}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := health.New()
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// node-died [0]: node n2 died at 9 ms, and no fault killed it: exit status 2; its log says: panic: index out of range
}
