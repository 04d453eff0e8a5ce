package set_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/set"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"add","value":7}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"add","value":7}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"read","value":null}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"read","value":[]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := set.New(set.Options{})
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// lost [0 2]: process 0 added 7, acknowledged at 1 ms; after that, process 1 read at 2 ms and did not get it; no read that began later got it either
}
