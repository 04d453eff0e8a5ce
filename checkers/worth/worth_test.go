package worth

import (
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/worth.txt", func(*datadriven.TestData) checkers.Checker {
		return New(Floors{Completed: 0.5, OKOfEachKind: 2, OKInWindow: 1}, []string{"read", "write"}, []string{"kill"})
	})
}
