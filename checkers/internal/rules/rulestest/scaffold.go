package rulestest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Rounds is how many random histories a test looks at.
func Rounds() int {
	switch {
	case os.Getenv("ORDEAL_LONG") != "":
		return 2000000
	case testing.Short():
		return 5000
	default:
		return 70000
	}
}

// Show writes a history for a message, with times in milliseconds.
func Show(h *history.History) string {
	var b strings.Builder
	for i := range h.Ops {
		op := &h.Ops[i]
		fmt.Fprintln(&b, op.Index, op.Time/1e6, op.Process, op.Node, op.Type, op.F, op.Key, op.Value, op.Final)
	}
	return b.String()
}

// Fields makes a map of names and values, which may be numbers and texts.
func Fields(kvs ...any) history.Value {
	list := make([]history.Value, len(kvs))
	for i, v := range kvs {
		switch v := v.(type) {
		case string:
			list[i] = history.String(v)
		case int:
			list[i] = history.Int(int64(v))
		case int64:
			list[i] = history.Int(v)
		case bool:
			list[i] = history.Bool(v)
		default:
			list[i] = v.(history.Value)
		}
	}
	return history.Map(list...)
}

// Same fails unless the rules that are broken are those that should be, and counts
// them. A rule of which only is false need not be said to be broken; nil is none.
func Same(t testing.TB, h *history.History, broken map[string]int, want map[string]bool, names []string, sums map[string]int, only func(rule string) bool) {
	t.Helper()
	for _, rule := range names {
		got := broken[rule] > 0
		sums[rule] += min(1, broken[rule])
		if got != want[rule] && (got || only == nil || only(rule)) {
			t.Fatalf("%s: we say %v, want %v\n%s", rule, got, want[rule], Show(h))
		}
	}
}

// Judged has the certificate of a result confirmed, and sees it refused with another
// verdict. On request it damages it in all ways, and makes up others about items.
func Judged(t testing.TB, rng *rand.Rand, h *history.History, r checkers.Result, names, items []string, damage bool) {
	t.Helper()
	if damage && r.Verdict != checkers.Unknown {
		Refuse(t, h, r, names)
		MadeUp(t, rng, h, r, names, items)
		return
	}
	claim := Confirm(t, h, r)
	claim.Evidence, claim.Verdict = nil, checkers.OK
	if r.Verdict == checkers.Invalid && Try(t, h, claim) == nil {
		t.Fatalf("confirmed as ok: %+v\n%s", r.Anomalies, Show(h))
	}
}

// Enough fails if a rule was broken so seldom that a test shows little.
func Enough(t testing.TB, sums map[string]int, names []string) {
	t.Helper()
	t.Log(sums)
	for _, rule := range names {
		if sums[rule] < 10 && !testing.Short() {
			t.Errorf("%s was seen %d times: the test shows little", rule, sums[rule])
		}
	}
}

// Stops sees checkers that have no time come to no verdict.
func Stops(t *testing.T, h *history.History, all ...checkers.Checker) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range all {
		if r := c.Check(ctx, h); r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, "stopped") {
			t.Errorf("%s: %v %s", c.Name(), r.Verdict, r.Reason)
		}
	}
}

// Fuzz has whatever the fuzzer makes up judged, beginning with random bytes.
func Fuzz(f *testing.F, judge func(t *testing.T, rng *rand.Rand)) {
	for i := range 8 {
		data := make([]byte, 200)
		rng := rand.New(rand.NewPCG(8, uint64(i)))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { judge(t, Rand(data)) })
}

// Sim is what simulations have in common that make up histories: with noise, one
// step in so many goes wrong.
type Sim struct {
	RNG   *rand.Rand
	Noise int // 0 for none
	H     history.History
	Step  int   // records are less than so many ms apart; 0 if all of them are one
	Time  int64 // of the last record
	Open  []Pending
}

// Pending is an operation that has not come back.
type Pending struct {
	Op     history.Op
	Effect func() (history.Type, history.Value)
}

// Wrong reports whether something is to go wrong.
func (s *Sim) Wrong() bool { return s.Noise > 0 && s.RNG.IntN(s.Noise) == 0 }

// Record puts an operation behind the history.
func (s *Sim) Record(op history.Op) {
	if s.Time = int64(len(s.H.Ops)) * 1e6; s.Step > 0 {
		s.Time = s.last() + int64(s.RNG.IntN(s.Step))*1e6
	}
	op.Index, op.Time = len(s.H.Ops), s.Time
	s.H.Ops = append(s.H.Ops, op)
}

func (s *Sim) last() int64 {
	if len(s.H.Ops) == 0 {
		return 0
	}
	return s.H.Ops[len(s.H.Ops)-1].Time
}

// Start invokes an operation of a process of its own.
func (s *Sim) Start(op history.Op, effect func() (history.Type, history.Value)) {
	op.Process = history.Process(len(s.H.Ops))
	s.Record(op)
	s.Open = append(s.Open, Pending{op, effect})
}

// Take takes one of the open operations away, if there is any.
func (s *Sim) Take() (Pending, bool) {
	if len(s.Open) == 0 {
		return Pending{}, false
	}
	i := s.RNG.IntN(len(s.Open))
	p := s.Open[i]
	s.Open = slices.Delete(s.Open, i, i+1)
	return p, true
}

// Finish completes one of the open operations.
func (s *Sim) Finish() {
	if p, ok := s.Take(); ok {
		p.Op.Type, p.Op.Value = p.Effect()
		s.Record(p.Op)
	}
}

// Steps is a history of calls one after the other.
type Steps struct{ H history.History }

// Call adds a call that was ok, and returns its index.
func (s *Steps) Call(op history.Op, out history.Value) int {
	op.Index, op.Time = len(s.H.Ops), int64(len(s.H.Ops))*1e6
	s.H.Ops = append(s.H.Ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, history.OK, out
	s.H.Ops = append(s.H.Ops, op)
	return op.Index - 1
}

// Out changes what a call returned.
func (s *Steps) Out(call int, v history.Value) { s.H.Ops[call+1].Value = v }

// End changes how a call ended.
func (s *Steps) End(call int, typ history.Type) { s.H.Ops[call+1].Type = typ }

// Forget takes a call out of what checkers look at.
func (s *Steps) Forget(call int) { s.H.Ops[call].F, s.H.Ops[call+1].F = "noop", "noop" }

// Broken breaks a rule in a history that is right, sees that it is found, and all
// wrong certificates refused.
func Broken(t testing.TB, c checkers.Checker, h *history.History, rule string, names []string, hurt func()) checkers.Result {
	t.Helper()
	if r := c.Check(t.Context(), h); r.Verdict != checkers.OK {
		t.Fatalf("%s: flagged before: %v %s %+v\n%s", rule, r.Verdict, r.Reason, r.Anomalies, Show(h))
	}
	hurt()
	r := c.Check(t.Context(), h)
	if !Has(r, rule) {
		t.Fatalf("%s: %v %s %+v\n%s", rule, r.Verdict, r.Reason, r.Anomalies, Show(h))
	}
	Refuse(t, h, r, names)
	return r
}

// Has reports whether a result has an anomaly.
func Has(r checkers.Result, rule string) bool {
	return slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == rule })
}

// Alone sees that the operations of each anomaly show it without the others, in a
// history of calls one after the other; and, if all of them are needed, that they do
// not without one of them.
func Alone(t testing.TB, c checkers.Checker, h *history.History, r checkers.Result, needed bool) {
	t.Helper()
	only := func(ops []int) checkers.Result {
		small := &Steps{}
		for i := 0; i < len(h.Ops); i += 2 {
			if slices.Contains(ops, i) {
				at := small.Call(h.Ops[i], h.Ops[i+1].Value)
				small.End(at, h.Ops[i+1].Type)
			}
		}
		return c.Check(t.Context(), &small.H)
	}
	for _, a := range r.Anomalies {
		if again := only(a.Ops); !Has(again, a.Name) {
			t.Fatalf("%+v is not there alone: %+v", a, again)
		}
		for i := range a.Ops {
			if needed && Has(only(slices.Delete(slices.Clone(a.Ops), i, i+1)), a.Name) {
				t.Fatalf("%+v is there without %d", a, a.Ops[i])
			}
		}
	}
}
