package stream_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/stream"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"publish","value":[0,1]}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"publish","value":[0,1]}
{"index":2,"time":2000000,"process":0,"type":"invoke","f":"publish","value":[0,2]}
{"index":3,"time":3000000,"process":0,"type":"ok","f":"publish","value":[0,2]}
{"index":4,"time":4000000,"process":1,"type":"invoke","f":"fetch","node":"n2"}
{"index":5,"time":5000000,"process":1,"type":"ok","f":"fetch","node":"n2","value":[[0,2]]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), stream.New(stream.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %q %v: %s\n", a.Name, a.Key, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// lost-prefix "" [0 4]: process 0 published [0 1], and it was acknowledged at 1 ms; nobody ever got it, but process 1, reading on n2 at 4 ms, got [0 2], which is later
	// lost-prefix "n2" [0 4]: process 0 published [0 1], and it was acknowledged at 1 ms; nobody ever got it from n2, but process 1, reading on n2 at 4 ms, got [0 2], which is later
}
