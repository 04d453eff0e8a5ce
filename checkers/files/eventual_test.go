package files

import (
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// finals marks the operations of the last part of a history as the final phase.
func finals(h *history.History, from int) {
	for i := range h.Ops {
		h.Ops[i].Final = i >= from
	}
}

// What is judged only in the end breaks no rule that it does not break when all of
// it is judged; if all of it is the end there is no difference; and whoever knows
// the rules alone comes to the same verdict.
func TestEventual(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(12, 5))
	milder := map[string]int{}
	for i := range rulestest.Rounds() / 40 {
		fresh := func() *sim { return newSim(rng, []int{0, 20, 6}[i%3]) }
		for name, kind := range map[string]struct {
			h       *history.History
			checker func(eventual bool) checkers.Checker
		}{
			"contents":  {fresh().contents(20), func(e bool) checkers.Checker { return New(Options{Eventual: e}) }},
			"namespace": {fresh().namespace(20), func(e bool) checkers.Checker { return New(Options{Eventual: e}) }},
			"streams":   {fresh().streams(20), func(e bool) checkers.Checker { return NewAppend(AppendOptions{Eventual: e}) }},
		} {
			h := kind.h
			finals(h, rng.IntN(len(h.Ops)+1))
			strong, weak := kind.checker(false).Check(t.Context(), h), kind.checker(true).Check(t.Context(), h)
			rulestest.Confirm(t, h, weak)
			if weak.Verdict == checkers.Invalid && strong.Verdict == checkers.OK {
				t.Fatalf("%s: eventual is stricter: %+v\n%s", name, weak.Anomalies, rulestest.Show(h))
			}
			if weak.Verdict == checkers.OK && strong.Verdict == checkers.Invalid {
				milder[name]++
			}
			finals(h, 0)
			if all := kind.checker(true).Check(t.Context(), h); all.Verdict != strong.Verdict || len(all.Anomalies) != len(strong.Anomalies) {
				t.Fatalf("%s: in the final phase %v, %v\nwant %v, %v\n%s", name, all.Verdict, all.Anomalies, strong.Verdict, strong.Anomalies, rulestest.Show(h))
			}
		}
	}
	t.Log(milder)
	for _, name := range []string{"contents", "namespace", "streams"} {
		if milder[name] == 0 && !testing.Short() {
			t.Errorf("%s: no history is right in the end and not before: the test shows little", name)
		}
	}
}
