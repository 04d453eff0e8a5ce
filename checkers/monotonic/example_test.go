package monotonic_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/monotonic"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"add","value":null}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"add","value":{"val":1,"sts":20}}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"add","value":null}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"add","value":{"val":2,"sts":10}}
{"index":4,"time":4000000,"process":0,"type":"invoke","f":"read","value":null}
{"index":5,"time":5000000,"process":0,"type":"ok","f":"read","value":[{"val":2,"sts":10},{"val":1,"sts":20}]}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), monotonic.New(monotonic.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// value-reorder [0 2 4]: process 0 read at 4 ms and got 2 with timestamp 10 before 1 with timestamp 20: by timestamp the greater value comes first
}
