package converge

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/converge.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{Unordered: d.HasArg("unordered")})
	})
}
