package converge_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":9000000,"process":"nemesis","type":"info","f":"replicas","value":{"n1":{"s1":"aa"},"n2":{"s1":"bb"}}}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := converge.New(converge.Options{})
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// divergence [0]: after recovery, at 9 ms, the replicas of shard s1 differ: aa on n1; bb on n2
}
