package coretest

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Mutated corrupts valid histories, so many of them, and sees each found, with a
// certificate. Where a history has no room for it, hurt returns false; count is how
// often the anomaly is found that it should be.
func Mutated(t *testing.T, c checkers.Checker, times int, valid func(rng *rand.Rand) *history.History,
	hurt func(rng *rand.Rand, h *history.History) bool, count func(h *history.History) int, names []string,
) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for done := 0; done < times; {
		h := valid(rng)
		r := c.Check(t.Context(), h)
		if Confirm(t, h, r); r.Verdict != checkers.OK {
			t.Fatalf("flagged before: %+v\n%v", r, h.Ops)
		}
		if !hurt(rng, h) {
			continue
		}
		r = c.Check(t.Context(), h)
		if Confirm(t, h, r); count(h) == 0 || r.Verdict != checkers.Invalid {
			t.Fatalf("%v %+v\n%v", r.Verdict, r.Anomalies, h.Ops)
		}
		Refuse(t, h, r, names)
		done++
	}
}

// Agrees compares checkers with the package verify, which decides from the
// definitions: each finds what the other does. one makes up a history, with a checker
// of it and its result. One certificate of so many is damaged.
func Agrees(t *testing.T, names []string, damage int, one func(rng *rand.Rand, i int) (*history.History, checkers.Checker, checkers.Result)) {
	t.Helper()
	n := 100_000
	if testing.Short() {
		n = 2_000
	}
	rng := rand.New(rand.NewPCG(3, 4))
	found := map[string]int{}
	for i := range n {
		h, c, r := one(rng, i)
		Confirm(t, h, r)
		if i%damage == 0 {
			Refuse(t, h, c.Check(t.Context(), h), names)
		}
		found[r.Verdict.String()]++
		for _, a := range r.Anomalies {
			found[a.Name]++
		}
	}
	for _, name := range append([]string{"ok", "invalid", "unknown"}, names...) {
		if found[name] == 0 {
			t.Errorf("never %s: %v", name, found)
		}
	}
}

// Uncut is a result with anomalies that were not cut down to what they need. The claim
// has yet to get its evidence.
func Uncut(anomalies []checkers.Anomaly, claim checkers.Claim) checkers.Result {
	a := anomalies[0]
	slices.Sort(a.Ops)
	claim.Verdict, claim.Evidence = checkers.Invalid, map[string]any{"anomaly": a.Name, "key": a.Key, "ops": slices.Compact(a.Ops)}
	return checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies, Certify: func() (checkers.Claim, error) { return claim, nil }}
}

// Stops sees a checker that has no time come to no verdict.
func Stops(t *testing.T, c checkers.Checker, h *history.History) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := c.Check(ctx, h); r.Verdict != checkers.Unknown {
		t.Error(r.Verdict)
	}
}

// Fuzz lets a checker judge histories that the fuzzer makes up, and confirms each
// certificate.
func Fuzz(f *testing.F, c checkers.Checker, some, valid func(rng *rand.Rand) *history.History) {
	f.Add([]byte(c.Name()), true)
	f.Add([]byte{7, 0, 255}, false)
	f.Fuzz(func(t *testing.T, seed []byte, correct bool) {
		rng := rand.New(NewTape(seed))
		h := some(rng)
		if correct {
			h = valid(rng)
		}
		Shuffle(rng, h)
		Confirm(t, h, c.Check(t.Context(), h))
	})
}
