package perf_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers/perf"
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
	report, err := perf.Measure(h)
	if err != nil {
		panic(err)
	}
	all := report.Phases[0].Sides[0]
	fmt.Printf("%.0f %% ok, half of them within %d ns\n", 100*all.OKShare, all.Latency.P50)
	// Output:
	// 50 % ok, half of them within 2000000 ns
}
