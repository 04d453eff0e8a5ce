package drawing_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/reports/drawing"
)

func ExampleDraw() {
	h, _ := history.Read(strings.NewReader(`
{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":1,"type":"invoke","f":"read"}
{"process":1,"type":"ok","f":"read","value":null}`))
	calls, _ := h.Calls()
	svg := drawing.Draw(calls, checkers.Anomaly{
		Name: "stale-read", Ops: []int{0, 2},
		Explanation: "process 1 read nil, although the write of 1 had finished",
		Edges:       []checkers.Edge{{From: 0, To: 2, Kind: "rt", Why: "the write finished before the read began"}},
	})
	fmt.Println(strings.Count(svg, `class="op ok"`), "operations")
	// Output: 2 operations
}
