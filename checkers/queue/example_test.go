package queue_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/queue"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"enqueue","value":7}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"enqueue","value":7}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"drain","value":null}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"drain","value":[]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), queue.New(queue.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// lost [0]: process 0 enqueued 7 at 0 ms, acknowledged at 1 ms, and it never came out; process 1 drained the queue at 2 ms and did not get it
}
