// Package confirm sees, in the tests of checkers, that certificates hold and that
// wrong ones do not.
package confirm

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// Family is the checkers whose certificates name the operations that show an
// anomaly, with all the anomalies that there are in it.
type Family struct {
	Definition string
	Parameters map[string]string
	Anomalies  []string
}

// Result sees that a result that is ok or invalid has a certificate that holds, and
// returns its claim.
func Result(t testing.TB, h *history.History, r checkers.Result) checkers.Claim {
	t.Helper()
	claim, err := r.Claim()
	if r.Verdict == checkers.Unknown {
		if err == nil {
			t.Fatalf("a certificate for nothing: %+v", claim)
		}
		return claim
	}
	if err != nil {
		t.Fatalf("%v without a certificate: %v\n%v", r.Verdict, err, h.Ops)
	}
	if err := verified(h, claim); err != nil {
		t.Fatalf("%+v is not confirmed: %v\n%v", claim, err, h.Ops)
	}
	return claim
}

// Checked returns a checker that judges as c does, and has every certificate
// confirmed, of whatever history.
func Checked(t testing.TB, c checkers.Checker) checkers.Checker {
	return checkers.New(c.Name(), func(ctx context.Context, h *history.History) checkers.Result {
		t.Helper()
		r := c.Check(ctx, h)
		claim, err := r.Claim()
		if none := (*checkers.NoClaimError)(nil); errors.As(err, &none) {
			return r
		}
		if err == nil {
			err = verified(h, claim)
		}
		if err != nil {
			t.Fatalf("%+v is not confirmed: %v\n%v", claim, err, h.Ops)
		}
		return r
	})
}

// verified has a claim confirmed.
func verified(h *history.History, claim checkers.Claim) error {
	raw, err := json.Marshal(claim)
	if err == nil {
		_, err = verify.Claim(h, raw)
	}
	return err
}

// Refuses sees that no claim is confirmed that contradicts the truth about h: not
// the opposite verdict, and not anomalies of operations that roll draws, if there is
// none.
func (f Family) Refuses(t testing.TB, h *history.History, truth checkers.Verdict, roll func(n int) int) {
	t.Helper()
	if truth == checkers.Invalid {
		f.refused(t, h, checkers.Claim{Verdict: checkers.OK})
		return
	}
	var invoked []int
	for i := range h.Ops {
		if h.Ops[i].Type == history.Invoke {
			invoked = append(invoked, i)
		}
	}
	for range 4 {
		var ops []int
		for n := 1 + roll(3); n > 0 && len(invoked) > 0; n-- {
			ops = append(ops, invoked[roll(len(invoked))])
		}
		slices.Sort(ops)
		evidence := finding.Finding{Anomaly: f.Anomalies[roll(len(f.Anomalies))], Ops: slices.Compact(ops)}
		f.refused(t, h, checkers.Claim{Verdict: checkers.Invalid, Evidence: evidence})
	}
}

func (f Family) refused(t testing.TB, h *history.History, claim checkers.Claim) {
	t.Helper()
	claim.Definition, claim.Parameters = f.Definition, f.Parameters
	if err := verified(h, claim); err == nil {
		t.Fatalf("%+v was confirmed, and is wrong\n%v", claim, h.Ops)
	}
}

// Corrupted sees that a claim that holds does not when it is changed: in its
// verdict, its parameters, its anomaly, or the operations that show it, of which
// each is needed.
func (f Family) Corrupted(t testing.TB, h *history.History, r checkers.Result) {
	t.Helper()
	claim := Result(t, h, r)
	if claim.Definition != f.Definition {
		t.Fatalf("the claim is about %q, not %q", claim.Definition, f.Definition)
	}
	other := claim
	other.Verdict = checkers.OK + checkers.Invalid - claim.Verdict
	f.refused(t, h, other)
	other = claim
	other.Evidence = json.RawMessage(`{"anomaly":"lost","ops":[0],"why":"not"}`)
	f.refused(t, h, other)
	other.Evidence, other.Verdict = claim.Evidence, checkers.Unknown
	f.refused(t, h, other)
	odd := f
	odd.Parameters = map[string]string{"no-such-parameter": "true"}
	odd.refused(t, h, claim)
	if claim.Verdict == checkers.Invalid {
		f.findings(t, h, claim)
	}
}

// findings changes the evidence of an anomaly.
func (f Family) findings(t testing.TB, h *history.History, claim checkers.Claim) {
	t.Helper()
	raw, err := json.Marshal(claim.Evidence)
	var good finding.Finding
	if err != nil || json.Unmarshal(raw, &good) != nil {
		t.Fatalf("%s is no finding: %v", raw, err)
	}
	try := func(name string, ops []int) {
		t.Helper()
		f.refused(t, h, checkers.Claim{Verdict: checkers.Invalid, Evidence: finding.Finding{Anomaly: name, Ops: ops}})
	}
	try(good.Anomaly, nil)
	try("no-such-anomaly", good.Ops)
	try(good.Anomaly, append(slices.Clone(good.Ops), len(h.Ops)))
	completion := slices.IndexFunc(h.Ops, func(op history.Op) bool { return op.Type != history.Invoke })
	for i, op := range good.Ops {
		try(good.Anomaly, slices.Delete(slices.Clone(good.Ops), i, i+1))
		try(good.Anomaly, slices.Insert(slices.Clone(good.Ops), i, op))
		if op != completion { // the record of a nemesis is one
			replaced := slices.Clone(good.Ops)
			replaced[i] = completion
			try(good.Anomaly, replaced)
		}
		if i > 0 {
			swapped := slices.Clone(good.Ops)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			try(good.Anomaly, swapped)
		}
	}
}
