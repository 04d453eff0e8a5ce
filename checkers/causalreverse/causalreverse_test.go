package causalreverse

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/confirm"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/causalreverse.txt", func(*datadriven.TestData) checkers.Checker { return New(Options{}) })
}

// TestJepsen compares verdicts and errors with those of Jepsen's own tests. In two
// of them a process writes before its last write ended, which no process does: we
// say unknown.
func TestJepsen(t *testing.T) {
	t.Parallel()
	overlap := 0
	for _, c := range oracle.Jepsen(t, "jepsen-causal-reverse") {
		h := c.Parse(t)
		if _, err := h.Calls(); err != nil {
			overlap++
			continue
		}
		r := New(Options{}).Check(t.Context(), h)
		confirm.Result(t, h, r)
		report, err := Check(t.Context(), h)
		if err != nil || r.Verdict.String() != c.Verdict() {
			t.Errorf("%s: %v %v, Jepsen says %v\n%s", c.ID, r.Verdict, err, c.Expect.Valid, c.History)
		}
		theirs := oracle.Value(t, c.Expect.Result).Get("errors").Elems()
		if len(theirs) != len(report.Errors) {
			t.Fatalf("%s: %+v, Jepsen says %v", c.ID, report.Errors, theirs)
		}
		for i, e := range theirs {
			ours := report.Errors[i]
			count, _ := e.Get("expected-count").Int()
			if int(count) != ours.ExpectedCount || len(e.Get("missing").Elems()) != ours.MissingCount || e.Get("missing").Elems()[0].String() != ours.Missing[0] {
				t.Errorf("%s: %+v, Jepsen says %v", c.ID, ours, e)
			}
		}
	}
	if overlap != 2 {
		t.Errorf("%d histories that pair wrongly, want 2", overlap)
	}
}

// maker simulates a set in which a write takes effect at some time between its
// beginning and its end, or, if its outcome is unknown, later or never.
type maker struct {
	rng     *rand.Rand
	ops     []history.Op
	open    []history.Op
	pending []history.Value // writes that did not take effect yet
	set     []history.Value
	fresh   int64
	process history.Process
	lies    float64
}

func (m *maker) record(op history.Op) {
	op.Index, op.Time = len(m.ops), int64(len(m.ops))*1e6
	m.ops = append(m.ops, op)
}

func (m *maker) take(v history.Value) {
	if i := slices.IndexFunc(m.pending, v.Equal); i >= 0 {
		m.pending = slices.Delete(m.pending, i, i+1)
		m.set = append(m.set, v)
	}
}

func (m *maker) begin() {
	m.process++
	op := history.Op{Process: m.process, F: "read", Value: history.Nil}
	if m.rng.IntN(3) > 0 {
		m.fresh++
		op.F, op.Value = "write", history.Int(m.fresh)
		m.pending = append(m.pending, op.Value)
	}
	m.record(op)
	m.open = append(m.open, op)
}

func (m *maker) end() {
	i := m.rng.IntN(len(m.open))
	op := m.open[i]
	m.open = slices.Delete(m.open, i, i+1)
	op.Type = history.OK
	switch {
	case op.F == "read":
		seen := slices.Clone(m.set)
		op.Value = history.List(slices.DeleteFunc(seen, func(history.Value) bool { return m.rng.Float64() < m.lies })...)
	case m.rng.IntN(4) == 0:
		op.Type = history.Info
	default:
		m.take(op.Value)
	}
	m.record(op)
}

func random(rng *rand.Rand, lies float64) *history.History {
	m := &maker{rng: rng, lies: lies}
	for range 4 + rng.IntN(12) {
		m.begin()
		for len(m.open) > 0 && rng.IntN(5) < 3 {
			if len(m.pending) > 0 && rng.IntN(2) == 0 {
				m.take(m.pending[rng.IntN(len(m.pending))])
			}
			m.end()
		}
	}
	for len(m.open) > 0 {
		m.end()
	}
	return &history.History{Ops: m.ops}
}

// reversed looks at every two writes for every read.
func reversed(h *history.History) (reads int, wrong []int) {
	calls, _ := h.Calls()
	for _, r := range calls {
		if r.Invoke.F != "read" || r.Type() != history.OK {
			continue
		}
		reads++
		has := func(w history.Call) bool {
			return slices.ContainsFunc(r.Value().Elems(), w.Invoke.Value.Equal)
		}
		bad := false
		for _, a := range calls {
			for _, b := range calls {
				if a.Invoke.F == "write" && b.Invoke.F == "write" && a.Type() == history.OK && a.Complete.Index < b.Invoke.Index && has(b) && !has(a) {
					bad = true
				}
			}
		}
		if bad {
			wrong = append(wrong, r.Complete.Index)
		}
	}
	return reads, wrong
}

func TestCores(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	verdicts := map[checkers.Verdict]int{}
	for range 2000 {
		h := random(rng, 0.1)
		reads, wrong := reversed(h)
		want := checkers.OK
		if len(wrong) > 0 {
			want = checkers.Invalid
		} else if reads == 0 {
			want = checkers.Unknown
		}
		report, err := Check(t.Context(), h)
		r := New(Options{}).Check(t.Context(), h)
		if err != nil || r.Verdict != want || report.ErrorCount != len(wrong) {
			t.Fatalf("%v with %d errors, want %v with %d: %+v\n%v", r.Verdict, report.ErrorCount, want, len(wrong), r.Anomalies, h.Ops)
		}
		for _, a := range r.Anomalies {
			only := &history.History{}
			for _, op := range h.Ops {
				if slices.ContainsFunc(a.Ops, func(i int) bool { return h.Ops[i].Process == op.Process }) {
					only.Ops = append(only.Ops, op)
				}
			}
			if _, wrong := reversed(only); len(wrong) == 0 || len(a.Ops) != 3 {
				t.Fatalf("%+v proves nothing\n%v", a, h.Ops)
			}
		}
		verdicts[want]++
	}
	t.Log(verdicts)
}

// small makes a history of writes of three values, and reads of these and of one that
// nobody writes.
func small(choose confirm.Choose, calls int) *history.History {
	return confirm.History(choose, calls, func() history.Op {
		if n := choose(6); n < 3 {
			return history.Op{F: "write", Value: history.Int(int64(n))}
		}
		return history.Op{F: "read", Value: history.Nil}
	}, func(op history.Op) history.Op {
		if op.F == "write" {
			op.Type = choose.Outcome()
			return op
		}
		lists := [][]int64{{}, {0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2}, {1, 1}, {0, 7}}
		op.Type, op.Value = history.OK, history.Ints(lists[choose(len(lists))]...)
		return op
	})
}

// truth judges by the definition: what a read has was written by then, and what was
// acknowledged before a value that it has was first written, it has as well.
func truth(h *history.History) checkers.Verdict {
	calls, _ := h.Calls()
	verdict := checkers.Unknown
	for _, r := range calls {
		if r.Invoke.F != "read" || r.Type() != history.OK {
			continue
		}
		verdict = checkers.OK
		for _, v := range r.Value().Elems() {
			first := slices.IndexFunc(calls, func(w history.Call) bool {
				return w.Invoke.F == "write" && w.Type() != history.Fail && w.Invoke.Value.Equal(v)
			})
			if first < 0 || calls[first].Invoke.Index > r.Complete.Index {
				return checkers.Invalid
			}
			for _, a := range calls {
				if a.Invoke.F == "write" && a.Type() == history.OK && a.Complete.Index < calls[first].Invoke.Index &&
					!slices.ContainsFunc(r.Value().Elems(), a.Invoke.Value.Equal) {
					return checkers.Invalid
				}
			}
		}
	}
	return verdict
}

// definition compares the checker with the definition.
var definition = confirm.Oracle{
	Family:  confirm.Family{Definition: Name, Anomalies: []string{CausalReverse, Aborted, Unexpected}},
	Checker: New(Options{}), Make: small, Truth: truth,
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	definition.Agrees(t, 100_000, 2, 8)
}

func FuzzCausalReverse(f *testing.F) { definition.Fuzz(f) }

// TestMutations takes a value out of a read that has a later one, or makes the
// write of a value fail that was read, or has a read return what is not there.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	done := map[string]int{}
	for done[CausalReverse] < 60 || done[Aborted] < 60 || done[Unexpected] < 60 {
		h := random(rng, 0)
		if r := New(Options{}).Check(t.Context(), h); r.Verdict == checkers.Invalid {
			t.Fatalf("flagged before: %+v\n%v", r.Anomalies, h.Ops)
		}
		calls, _ := h.Calls()
		a, b, r := calls[rng.IntN(len(calls))], calls[rng.IntN(len(calls))], calls[rng.IntN(len(calls))]
		elems := r.Value().Elems()
		if r.Invoke.F != "read" || a.Invoke.F != "write" || !slices.ContainsFunc(elems, a.Invoke.Value.Equal) {
			continue
		}
		want := ""
		switch rng.IntN(3) {
		case 0:
			if a.Type() != history.OK || b.Invoke.F != "write" || a.Complete.Index > b.Invoke.Index || !slices.ContainsFunc(elems, b.Invoke.Value.Equal) {
				continue
			}
			want = CausalReverse
			r.Complete.Value = history.List(slices.DeleteFunc(slices.Clone(elems), a.Invoke.Value.Equal)...)
		case 1:
			want = Aborted
			a.Complete.Type = history.Fail
		case 2:
			want = Unexpected
			r.Complete.Value = history.List(append(slices.Clone(elems), history.Int(-5))...)
		}
		got := New(Options{}).Check(t.Context(), h)
		if !slices.ContainsFunc(got.Anomalies, func(x checkers.Anomaly) bool { return x.Name == want }) {
			t.Fatalf("%v %+v, want %s\n%v", got.Verdict, got.Anomalies, want, h.Ops)
		}
		confirm.Result(t, h, got)
		done[want]++
	}
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, confirm.Checked(t, New(Options{})), []string{"write", "read"}, []history.Value{history.Int(1), history.Int(2), history.Ints(1, 3), history.Ints(2, 2)})
}

// BenchmarkCausalReverse judges a million writes, and a read of everything after each
// hundred thousand.
func BenchmarkCausalReverse(b *testing.B) {
	h := &history.History{Ops: make([]history.Op, 0, 2_000_000)}
	var written []history.Value
	for n := range 1_000_000 {
		op := history.Op{Index: 2 * n, Time: int64(n) * 1000, Process: history.Process(n % 20), F: "write", Value: history.Int(int64(n))}
		if n%100_000 == 99_999 {
			op.F, op.Value = "read", history.Nil
		} else {
			written = append(written, op.Value)
		}
		h.Ops = append(h.Ops, op)
		if op.F == "read" {
			op.Value = history.List(written[:len(written):len(written)]...)
		}
		op.Index, op.Type = op.Index+1, history.OK
		h.Ops = append(h.Ops, op)
	}
	confirm.Bench(b, Name, New(Options{}), h)
}
