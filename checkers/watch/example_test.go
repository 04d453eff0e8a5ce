package watch_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/watch"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"put","value":{"key":"a","value":1}}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"put","value":{"revision":1}}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"put","value":{"key":"b","value":2}}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"put","value":{"revision":2}}
{"index":4,"time":4000000,"process":1,"type":"invoke","f":"watch","value":{"from":1}}
{"index":5,"time":5000000,"process":1,"type":"ok","f":"watch","value":{"responses":[{"events":[{"type":"put","key":"a","value":1,"revision":1}]},{"progress":2}]}}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), watch.New(watch.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// missed-event [2 4]: the put of process 0 at 2 ms knows at revision 2 of b that it became 2; the watch of process 1 at 4 ms did not get that, but it got the bookmark 2
}
