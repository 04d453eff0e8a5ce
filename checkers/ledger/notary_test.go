package ledger

import (
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// stampings makes a small history of a notary that is right, but for one answer
// in noise.
func stampings(rng *rand.Rand, noise int) *history.History {
	s := &sim{Sim: rulestest.Sim{RNG: rng, Noise: noise, Step: 3}}
	height := int64(0)
	at := map[string]history.Value{}
	where := func(doc string) history.Value {
		v, ok := at[doc]
		switch {
		case s.Wrong():
			n := int64(rng.IntN(3))
			return rulestest.Fields("block", history.Int(n), "height", history.Int(n))
		case !ok || s.Wrong():
			return history.Nil
		default:
			return v
		}
	}
	for range 3 + rng.IntN(12) {
		doc := []string{"d", "e", "f"}[rng.IntN(3)]
		switch rng.IntN(4) {
		case 0:
			ends := []history.Type{history.OK, history.OK, history.Info, history.Fail}[rng.IntN(4)]
			s.Start(history.Op{F: "stamp", Value: text(doc)}, func() (history.Type, history.Value) {
				if _, ok := at[doc]; !ok && ends == history.OK || s.Wrong() {
					height += int64(rng.IntN(2))
					at[doc] = rulestest.Fields("block", history.Int(height), "height", history.Int(height))
				}
				if ends != history.OK {
					return ends, text(doc)
				}
				if v := where(doc); !v.IsNil() {
					return ends, v
				}
				return history.Info, text(doc)
			})
		case 1, 2:
			v := history.Value{}
			if rng.IntN(2) == 0 {
				v = where(doc)
			}
			s.Start(history.Op{F: "proof", Value: text(doc)}, func() (history.Type, history.Value) {
				if v.IsAbsent() {
					v = where(doc)
				}
				if s.Wrong() && rng.IntN(4) == 0 {
					v = rulestest.Fields("false", text("of another block"))
				}
				return history.OK, v
			})
		default:
			s.finish()
		}
	}
	for len(s.Open) > 0 && rng.IntN(4) > 0 {
		s.finish()
	}
	return &s.H
}

// notaryByDefinition looks at all pairs of calls.
func notaryByDefinition(h *history.History) map[string]bool {
	calls, _ := h.Calls()
	broken := map[string]bool{}
	proves := func(c history.Call) bool { return c.Complete.Value.Get("false").IsNil() }
	shows := func(c history.Call) bool { return c.Type() == history.OK && !c.Complete.Value.IsNil() && proves(c) }
	same := func(c, d history.Call) bool { return c.Invoke.Value.Equal(d.Invoke.Value) }
	for _, c := range calls {
		if c.Type() == history.OK && !proves(c) {
			broken[FalseProof] = true
		}
		if !shows(c) {
			continue
		}
		stamps, failed, first := 0, 0, history.Call{}
		for _, d := range calls {
			if d.Invoke.F == "stamp" && same(c, d) {
				if stamps++; stamps == 1 {
					first = d
				}
				if d.Type() == history.Fail {
					failed++
				}
			}
			switch {
			case d.Type() == history.OK && same(c, d) && d.Complete.Value.IsNil() && before(c, d):
				broken[LostStamp] = true
			case same(c, d) && shows(d) && !c.Complete.Value.Equal(d.Complete.Value):
				broken[ChangedStamp] = true
			}
		}
		switch {
		case stamps == 0:
			broken[PhantomStamp] = true
			continue
		case failed == stamps:
			broken[AbortedStamp] = true
		case before(c, first):
			broken[PrematureStamp] = true
		}
		for _, d := range calls { // c is of the document that was stamped later
			low, _ := c.Complete.Value.Get("height").Int()
			if shows(d) && !same(c, d) && before(d, first) {
				if high, _ := d.Complete.Value.Get("height").Int(); low < high {
					broken[BackdatedStamp] = true
				}
			}
		}
	}
	return broken
}

func TestNotaryAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	sums, verdicts := map[string]int{}, map[checkers.Verdict]int{}
	for i := range rulestest.Rounds() {
		h := stampings(rng, []int{0, 30, 8}[i%3])
		if len(h.Ops) == 0 {
			continue
		}
		n, err := notarise(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		r := n.result()
		want := notaryByDefinition(h)
		verdicts[r.Verdict]++
		for _, rule := range NotaryAnomalies() {
			sums[rule] += min(1, n.report.Broken[rule])
			if got := n.report.Broken[rule] > 0; got != want[rule] {
				t.Fatalf("%s: we say %v, want %v\n%v", rule, got, want[rule], rulestest.Show(h))
			}
		}
		if i%3 == 0 && r.Verdict == checkers.Invalid {
			t.Fatalf("%+v\n%v", r.Anomalies, rulestest.Show(h))
		}
		if i%500 == 0 {
			if r.Verdict != checkers.Unknown {
				rulestest.Refuse(t, h, r, NotaryAnomalies())
				rulestest.MadeUp(t, rng, h, r, NotaryAnomalies(), []string{"d", "e", "f"})
			}
			continue
		}
		claim := rulestest.Confirm(t, h, r)
		if claim.Evidence = nil; len(want) > 0 {
			if claim.Verdict = checkers.OK; rulestest.Try(t, h, claim) == nil {
				t.Fatalf("confirmed as ok: %v\n%v", want, rulestest.Show(h))
			}
		}
	}
	t.Log(verdicts, sums)
	for _, rule := range NotaryAnomalies() {
		if sums[rule] < 10 && !testing.Short() {
			t.Errorf("%s was seen %d times: the test shows little", rule, sums[rule])
		}
	}
}

// TestNotaryMutations corrupts what a notary that is right answered.
func TestNotaryMutations(t *testing.T) {
	t.Parallel()
	shown := func(op *history.Op) bool { return !op.Value.IsNil() }
	rng := rand.New(rand.NewPCG(4, 4))
	mutate := map[string]corruption{
		LostStamp: func(rng *rand.Rand, h *history.History) bool {
			a := of(rng, h, "stamp", shown)
			if a == nil {
				return false
			}
			b := of(rng, h, "proof", func(op *history.Op) bool {
				in := invoked(h, op)
				return in.Index > a.Index && in.Value.Equal(invoked(h, a).Value)
			})
			if b != nil {
				b.Value = history.Nil
			}
			return b != nil
		},
		ChangedStamp: func(rng *rand.Rand, h *history.History) bool {
			a := of(rng, h, "stamp", shown)
			if a == nil {
				return false
			}
			b := of(rng, h, "proof", func(op *history.Op) bool { return invoked(h, op).Value.Equal(invoked(h, a).Value) })
			if b != nil {
				b.Value = rulestest.Fields("block", text("other"), "height", history.Int(99))
			}
			return b != nil
		},
		FalseProof: func(rng *rand.Rand, h *history.History) bool {
			b := of(rng, h, "proof", func(op *history.Op) bool { return true })
			if b != nil {
				b.Value = rulestest.Fields("false", text("of another block"))
			}
			return b != nil
		},
		PhantomStamp: func(rng *rand.Rand, h *history.History) bool {
			b := of(rng, h, "proof", func(op *history.Op) bool { return true })
			if b != nil {
				invoked(h, b).Value, b.Value = text("nobody's"), rulestest.Fields("block", text("other"), "height", history.Int(99))
			}
			return b != nil
		},
		AbortedStamp: func(rng *rand.Rand, h *history.History) bool {
			b := of(rng, h, "proof", shown)
			if b == nil {
				return false
			}
			doc := invoked(h, b).Value
			calls, _ := h.Calls()
			for _, c := range calls {
				if c.Invoke.F == "stamp" && c.Invoke.Value.Equal(doc) {
					if c.Complete == nil {
						return false
					}
					c.Complete.Type = history.Fail
				}
			}
			return true
		},
		PrematureStamp: func(rng *rand.Rand, h *history.History) bool {
			for i := range h.Ops {
				in := &h.Ops[i]
				if in.F != "stamp" || in.Type != history.Invoke {
					continue
				}
				b := of(rng, h, "proof", func(op *history.Op) bool { return op.Index < in.Index && invoked(h, op).Value.Equal(in.Value) })
				clean := b != nil
				for _, op := range h.Ops[:i] {
					clean = clean && !(op.F == "stamp" && op.Type == history.Invoke && op.Value.Equal(in.Value))
				}
				for _, c := range func() []history.Call { c, _ := h.Calls(); return c }() {
					clean = clean && !(c.Invoke.F == "stamp" && c.Invoke.Value.Equal(in.Value) && c.Complete != nil && c.Complete.Type == history.Fail)
				}
				if clean {
					b.Value = rulestest.Fields("block", text("other"), "height", history.Int(99))
					return true
				}
			}
			return false
		},
		BackdatedStamp: func(rng *rand.Rand, h *history.History) bool {
			a := of(rng, h, "stamp", shown)
			if a == nil {
				return false
			}
			calls, _ := h.Calls()
			for _, c := range calls {
				if c.Invoke.F == "stamp" && !c.Invoke.Value.Equal(invoked(h, a).Value) {
					if c.Invoke.Index < a.Index || c.Type() != history.OK {
						return false
					}
					c.Complete.Value = rulestest.Fields("block", text("low"), "height", history.Int(-5))
					return true
				}
			}
			return false
		},
	}
	for _, rule := range NotaryAnomalies() {
		for done := 0; done < 100; {
			h := stampings(rng, 0)
			if !mutate[rule](rng, h) {
				continue
			}
			n, err := notarise(t.Context(), h)
			if err != nil || n.report.Broken[rule] == 0 {
				t.Fatalf("%s: %v %+v\n%v", rule, err, n, rulestest.Show(h))
			}
			rulestest.Refuse(t, h, n.result(), NotaryAnomalies())
			done++
		}
	}
}
