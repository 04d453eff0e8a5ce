package stats_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers/stats"
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
	report, err := stats.Count(h)
	if err != nil {
		panic(err)
	}
	for _, kind := range report.ByF {
		fmt.Println(kind.F, kind.OK, kind.Fail, kind.Info)
	}
	fmt.Println(report.Errors[0].Name, report.Errors[0].Count)
	// Output:
	// read 0 1 0
	// write 1 0 0
	// no-leader 1
}
