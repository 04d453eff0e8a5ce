package worth_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/worth"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const recorded = `{"index":0,"time":0,"process":0,"type":"invoke","f":"write","value":7}
{"index":1,"time":2000000,"process":0,"type":"ok","f":"write","value":7}
{"index":2,"time":3000000,"process":1,"type":"invoke","f":"read","value":null}
{"index":3,"time":4000000,"process":1,"type":"fail","f":"read","value":null,"error":"no-leader"}
`

func Example() {
	h, err := history.Read(strings.NewReader(recorded))
	if err != nil {
		panic(err)
	}
	checker := worth.New(worth.Default(), []string{"write"}, nil)
	result := checkers.Run(context.Background(), checker, h)
	fmt.Println(result.Verdict)
	fmt.Println(result.Reason)
	// Output:
	// unknown
	// 1 of 1 write operations were ok, at least 20 wanted: see the errors in the statistics, or raise --time or --rate
}
