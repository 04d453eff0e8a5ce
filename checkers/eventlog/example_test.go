package eventlog_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/eventlog"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"send","value":[["send","a",7],["send","a",8]]}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"send","value":[["send","a",[0,7]],["send","a",[1,8]]]}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"poll","value":[["poll"]]}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"poll","value":[["poll",{"a":[[1,8]]}]]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := eventlog.New(eventlog.Options{Allow: []string{eventlog.Unseen}})
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// lost-write [0 2]: process 0 sent 7 at 0 ms, and it was acknowledged, at offset 0; process 1 polled 8 at 2 ms, which is at offset 1, but nobody ever polled 7
}
