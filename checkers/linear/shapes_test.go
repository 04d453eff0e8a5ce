package linear

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
)

func TestShapes(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/shapes.txt", func(d *datadriven.TestData) checkers.Checker {
		opts := Options{Workers: 1}
		if d.HasArg("engine") {
			opts.Engine = Zones
		}
		return New(opts)
	})
}
