package timeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/checkers/internal/script"
)

func TestOf(t *testing.T) {
	t.Parallel()
	h, err := script.Parse(`
		0-5  0  a
		1-2  1  b
		3-?  2  c
		4-9  1  d
		8-9.5  0  e
	`)
	if err != nil {
		t.Fatal(err)
	}
	calls, err := h.Calls()
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{{0, false}, {1, false}, {1, true}, {2, false}, {3, false}, {0, true}, {4, false}, {3, true}, {4, true}}
	if diff := cmp.Diff(want, Of(calls)); diff != "" {
		t.Error(diff)
	}
}
