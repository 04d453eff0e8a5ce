package rules

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/checkers"
)

func TestBook(t *testing.T) {
	t.Parallel()
	var b Book
	if b.Broken() || len(b.Counts()) != 0 || b.Full("lost") {
		t.Errorf("an empty book says that something is broken: %v", b.Counts())
	}
	b.Add(Finding{Rule: "stale", Ops: []int{4, 2, 4}, Also: []int{3}, Item: "x", Why: "because"})
	for i := range checkers.MaxAnomalies + 5 {
		if full := i >= checkers.MaxAnomalies; b.Full("lost") != full {
			t.Fatalf("full after %d: %v", i, !full)
		} else if !full {
			b.Add(Finding{Rule: "lost", Ops: []int{i}, Why: fmt.Sprint(i)})
		}
	}
	r := b.Result([]string{"stale", "lost"}, "thing", nil, nil)
	if last := b.Result([]string{"lost", "stale"}, "thing", nil, nil).Anomalies[checkers.MaxAnomalies-1]; last.Name != "stale" {
		t.Errorf("what was broken once is hidden by what was broken often: %+v", last)
	}
	if diff := cmp.Diff([]int{2, 3, 4}, r.Anomalies[0].Ops); diff != "" || len(r.Anomalies) != checkers.MaxAnomalies {
		t.Errorf("%d anomalies, -want +got\n%s", len(r.Anomalies), diff)
	}
	if diff := cmp.Diff(map[string]int{"stale": 1, "lost": checkers.MaxAnomalies + 5}, b.Counts()); diff != "" {
		t.Error(diff)
	}
	claim, err := r.Claim()
	if diff := cmp.Diff(Proof{"stale", []int{4, 2, 4}, "x"}, claim.Evidence); diff != "" || err != nil || claim.Verdict != checkers.Invalid {
		t.Errorf("%v %v -want +got\n%s", claim.Verdict, err, diff)
	}
}

func TestProofOfOK(t *testing.T) {
	t.Parallel()
	var b Book
	want := errors.New("too long")
	r := b.Result([]string{"lost"}, "thing", nil, func() (any, error) { return 7, want })
	if claim, err := r.Claim(); r.Verdict != checkers.OK || claim.Evidence != 7 || !errors.Is(err, want) {
		t.Errorf("%v %+v %v", r.Verdict, claim, err)
	}
}
