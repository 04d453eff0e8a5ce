package script

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
)

// Run judges the histories of a data-driven test file. Each directive is handed
// to choose, which returns the checker for it, and is answered with the verdict,
// the reason, and the anomalies with the indices of their operations. With the
// argument edges it is answered with the steps of the proofs too, with details
// with what the checker has besides.
func Run(t *testing.T, path string, choose func(d *datadriven.TestData) checkers.Checker) {
	t.Helper()
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		h, err := Parse(d.Input)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return show(checkers.Run(t.Context(), choose(d), h), d)
	})
}

// show writes a result line by line.
func show(r checkers.Result, d *datadriven.TestData) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Verdict)
	if r.Reason != "" {
		fmt.Fprintln(&b, "reason:", r.Reason)
	}
	for _, a := range r.Anomalies {
		fmt.Fprintf(&b, "%s %v", a.Name, a.Ops)
		if a.Key != "" {
			fmt.Fprint(&b, " key ", a.Key)
		}
		fmt.Fprintf(&b, "\n  %s\n", a.Explanation)
		for _, e := range a.Edges {
			if d.HasArg("edges") {
				fmt.Fprintf(&b, "    %d -%s-> %d: %s\n", e.From, e.Kind, e.To, e.Why)
			}
		}
	}
	if d.HasArg("details") {
		fmt.Fprintf(&b, "%s\n", r.Details)
	}
	return b.String()
}
