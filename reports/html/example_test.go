package html_test

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/reports/html"
)

// A report is drawn from a plan and an outcome, whatever of them there is: here
// a run of which nothing was recorded.
func ExampleRender() {
	p := &plan.Plan{Target: "store", Workload: "register", Seed: 7}
	o := &run.Outcome{
		History: &history.History{},
		Result:  &run.Result{Verdict: checkers.HarnessError, Errors: []string{"n2 answered <nothing>"}},
	}
	page, err := html.Render(p, o)
	if err != nil {
		fmt.Println(err)
	}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "<title>") || strings.Contains(line, "Harness error") {
			fmt.Print(line)
		}
	}
	// Output:
	// <title>harness-error: register on store, seed 7</title>
	// <p class="card lines"><strong>Harness error:</strong> n2 answered &lt;nothing&gt;</p>
}
