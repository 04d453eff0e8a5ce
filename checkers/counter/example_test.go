package counter_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/counter"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"add","value":5}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"add","value":5}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"read","value":null}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"read","value":3}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), counter.New(counter.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// undercount [0 2]: process 1 read 3 at 2 ms; but 5 had been added and acknowledged before that
}
