package txn

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
)

// TestShapes shows each anomaly with its explanation.
func TestShapes(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/shapes.txt", func(d *datadriven.TestData) checkers.Checker {
		var opts Options
		for w, name := range workloadNames {
			if d.Cmd == name {
				opts.Workload = Workload(w)
			}
		}
		for _, arg := range d.CmdArgs {
			switch arg.Key {
			case "level":
				opts.Models = arg.Vals
			case "wfr-keys":
				opts.WFRKeys = true
			case "sequential-keys":
				opts.SequentialKeys = true
			case "linearizable-keys":
				opts.LinearizableKeys = true
			}
		}
		return New(opts)
	})
}

// TestDetails sees what a result says besides its anomalies.
func TestDetails(t *testing.T) {
	t.Parallel()
	r := New(Options{Models: []string{"snapshot-isolation"}}).Check(t.Context(), sketch(planted[4].txns...))
	details := string(r.Details)
	if r.Verdict != checkers.OK || !strings.Contains(details, `"tolerated":[{"name":"G2-item"`) || !strings.Contains(details, `"not":["repeatable-read"]`) {
		t.Errorf("write skew is no violation of snapshot isolation, but it has to be told: %v %s", r.Verdict, details)
	}
}
