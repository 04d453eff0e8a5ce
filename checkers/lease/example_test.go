package lease_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/lease"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"acquire","key":"k"}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"acquire","key":"k","value":{"token":1,"ttl":500}}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"acquire","key":"k"}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"acquire","key":"k","value":{"token":2,"ttl":500}}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), lease.New(lease.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// overlap [0 2]: process 0 at 0 ms got lock k by 1 ms, and had it until 500 ms, for 500 ms since it began to ask; process 1 at 2 ms got it by 3 ms, within that time
}
