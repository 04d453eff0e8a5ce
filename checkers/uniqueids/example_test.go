package uniqueids_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/uniqueids"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"generate","value":null}
{"index":1,"time":1000000,"process":0,"type":"ok","f":"generate","value":7}
{"index":2,"time":2000000,"process":1,"type":"invoke","f":"generate","value":null}
{"index":3,"time":3000000,"process":1,"type":"ok","f":"generate","value":7}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	result := checkers.Run(context.Background(), uniqueids.New(uniqueids.Options{}), h)
	fmt.Println(result.Verdict)
	for _, a := range result.Anomalies {
		fmt.Printf("%s %v: %s\n", a.Name, a.Ops, a.Explanation)
	}
	// Output:
	// invalid
	// duplicate [0 2]: process 0 at 0 ms got 7, and process 1 at 2 ms got it again
}
