package staleness_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/staleness"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"write","key":"x","value":1}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"write","key":"x","value":2}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"write","key":"x","value":2}
{"index":4,"time":9000000,"process":1,"type":"invoke","f":"read","key":"x","value":null}
{"index":5,"time":9500000,"process":1,"type":"ok","f":"read","key":"x","value":1}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := staleness.New(staleness.Options{Bound: 5 * time.Millisecond})
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// stale-read [0 2 4]: process 1 began a read at 9 ms and got 1, but 2 is newer, and process 0 had written it by 3 ms: what it got was at least 6ms old; that is more than 5ms
}
