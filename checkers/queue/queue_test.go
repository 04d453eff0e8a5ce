package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/oracle"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/queue.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{ExactlyOnce: d.HasArg("exactly-once"), AtMostOnce: d.HasArg("at-most-once")})
	})
}

// TestJepsen compares verdicts and results with those of Jepsen. We may find a
// history invalid that Jepsen lets pass only if an element came out before the
// first enqueue of it was invoked. No queue can do that, so Jepsen is wrong: it
// never looks at the order of operations.
func TestJepsen(t *testing.T) {
	t.Parallel()
	var idle, early []string
	cases := append(oracle.Vectors(t, "jepsen-total-queue"), oracle.Jepsen(t, "jepsen-total-queue")...)
	for _, c := range cases {
		h := c.Parse(t)
		r := New(Options{}).Check(t.Context(), h)
		report, err := Check(h, Options{})
		switch {
		case r.Verdict == checkers.Unknown && report.Acknowledged == 0 && report.OK == 0 && c.Expect.Valid == true:
			idle = append(idle, c.ID)
			continue
		case r.Verdict == checkers.Invalid && r.Anomalies[0].Name == Premature && report.Lost+report.Unexpected == 0 && c.Expect.Valid == true:
			early = append(early, c.ID)
		case err != nil || r.Verdict.String() != c.Verdict():
			t.Errorf("%s: %v %v, Jepsen says %v\n%s", c.ID, r.Verdict, err, c.Expect.Valid, c.History)
		}
		v := oracle.Value(t, c.Expect.Result)
		got := fmt.Sprint(report.Attempt, report.Acknowledged, report.OK, report.Unexpected, report.Duplicated, report.Lost, report.Recovered)
		var want []string
		for _, f := range []string{"attempt", "acknowledged", "ok", "unexpected", "duplicated", "lost", "recovered"} {
			want = append(want, v.Get(f+"-count").String())
		}
		if got != strings.Join(want, " ") {
			t.Errorf("%s: %s, Jepsen says %s\n%s", c.ID, got, want, c.History)
		}
		for f, list := range map[string][]string{"lost": report.LostElements, "unexpected": report.UnexpectedElements, "recovered": report.RecoveredElements, "duplicated": report.DuplicatedElements} {
			var theirs []string
			for _, e := range v.Get(f).Elems() {
				theirs = append(theirs, e.String())
			}
			list = slices.Sorted(slices.Values(list))
			slices.Sort(theirs)
			if !slices.Equal(list, slices.Compact(theirs)) {
				t.Errorf("%s: %s is %v, Jepsen says %v\n%s", c.ID, f, list, theirs, c.History)
			}
		}
	}
	t.Logf("%d histories agree; nothing to judge in %v; elements come out too early in %v", len(cases)-len(idle)-len(early), idle, early)
}

// maker simulates a queue that delivers every element once and in any order.
type maker struct {
	rng     *rand.Rand
	ops     []history.Op
	held    []history.Value
	next    int64
	process int
}

func (m *maker) call(f string, typ history.Type, in, out history.Value) {
	m.process++
	op := history.Op{Index: len(m.ops), Time: int64(len(m.ops)) * 1e6, Process: history.Process(m.process), F: f, Value: in}
	m.ops = append(m.ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, typ, out
	m.ops = append(m.ops, op)
}

func (m *maker) enqueue() {
	m.next++
	v := history.Int(m.next)
	typ := []history.Type{history.OK, history.OK, history.OK, history.Info, history.Fail}[m.rng.IntN(5)]
	if typ == history.OK || typ == history.Info && m.rng.IntN(2) == 0 {
		m.held = append(m.held, v)
	}
	m.call("enqueue", typ, v, v)
}

func (m *maker) dequeue(crash bool) {
	if len(m.held) == 0 {
		m.call("dequeue", history.Fail, history.Nil, history.Nil)
		return
	}
	i := m.rng.IntN(len(m.held))
	v := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	if crash && m.rng.IntN(4) == 0 {
		m.call("dequeue", history.Info, history.Nil, history.Nil)
		return
	}
	m.call("dequeue", history.OK, history.Nil, v)
}

// valid makes a history of a queue that is drained in the end. If crash, dequeues
// crash and take what they had with them.
func valid(rng *rand.Rand, crash bool) *history.History {
	m := &maker{rng: rng}
	for range 10 + rng.IntN(20) {
		if rng.IntN(2) == 0 {
			m.enqueue()
		} else {
			m.dequeue(crash)
		}
	}
	m.call("drain", history.OK, history.Nil, history.List(m.held...))
	return &history.History{Ops: m.ops}
}

// some returns a random record that holds.
func some(rng *rand.Rand, h *history.History, holds func(op history.Op) bool) int {
	var list []int
	for i, op := range h.Ops {
		if holds(op) {
			list = append(list, i)
		}
	}
	if len(list) == 0 {
		return -1
	}
	return list[rng.IntN(len(list))]
}

func delivered(op history.Op) bool { return op.F == "dequeue" && op.Type == history.OK }

// mutations corrupt a history and return whether there was room to do it.
var mutations = []struct {
	name  string
	apply func(rng *rand.Rand, h *history.History) bool
}{
	{Lost, func(rng *rand.Rand, h *history.History) bool {
		acked := map[string]bool{}
		for _, op := range h.Ops {
			acked[op.Value.String()] = acked[op.Value.String()] || op.F == "enqueue" && op.Type == history.OK
		}
		i := some(rng, h, func(op history.Op) bool { return delivered(op) && acked[op.Value.String()] })
		if i >= 0 {
			h.Ops[i].Type, h.Ops[i].Value = history.Fail, history.Nil
		}
		return i >= 0
	}},
	{Unexpected, func(rng *rand.Rand, h *history.History) bool {
		i := some(rng, h, func(op history.Op) bool { return op.F == "dequeue" && op.Type == history.Fail })
		if i >= 0 {
			h.Ops[i].Type, h.Ops[i].Value = history.OK, history.Int(-5)
		}
		return i >= 0
	}},
	{Premature, func(rng *rand.Rand, h *history.History) bool {
		i := some(rng, h, func(op history.Op) bool { return op.F == "dequeue" && op.Type == history.Fail })
		k := some(rng, h, func(op history.Op) bool { return delivered(op) && op.Index > i })
		if i < 0 || k < 0 || slices.ContainsFunc(h.Ops[:i], func(op history.Op) bool { return op.F == "enqueue" && op.Value.Equal(h.Ops[k].Value) }) {
			return false
		}
		h.Ops[i].Type, h.Ops[i].Value = history.OK, h.Ops[k].Value
		h.Ops[k].Type, h.Ops[k].Value = history.Fail, history.Nil
		return true
	}},
	{Aborted, func(rng *rand.Rand, h *history.History) bool {
		i := some(rng, h, func(op history.Op) bool {
			return op.F == "enqueue" && op.Type != history.Invoke && slices.ContainsFunc(h.Ops, func(d history.Op) bool { return delivered(d) && d.Value.Equal(op.Value) })
		})
		if i >= 0 {
			h.Ops[i].Type = history.Fail
		}
		return i >= 0
	}},
	{Duplicated, func(rng *rand.Rand, h *history.History) bool {
		i := some(rng, h, func(op history.Op) bool { return op.F == "dequeue" && op.Type == history.Fail })
		k := some(rng, h, func(op history.Op) bool { return delivered(op) && op.Index < i })
		if k >= 0 {
			h.Ops[i].Type, h.Ops[i].Value = history.OK, h.Ops[k].Value
		}
		return k >= 0
	}},
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for n, m := range mutations {
		t.Run(fmt.Sprint(n, m.name), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, uint64(n)))
			for done := 0; done < 500; {
				h := valid(rng, false)
				if r := New(Options{ExactlyOnce: true}).Check(t.Context(), h); r.Verdict == checkers.Invalid {
					t.Fatalf("flagged before: %+v\n%v", r.Anomalies, h.Ops)
				}
				if !m.apply(rng, h) {
					continue
				}
				r := New(Options{ExactlyOnce: true}).Check(t.Context(), h)
				if len(r.Anomalies) != 1 || r.Anomalies[0].Name != m.name {
					t.Fatalf("%+v, want %s\n%v", r.Anomalies, m.name, h.Ops)
				}
				done++
			}
		})
	}
}

// explainable decides by the definition, for a queue of unique elements that
// deletes what it hands out: is there a choice of the enqueues whose outcome is
// unknown that happened, and of the elements that open dequeues took, such that
// every element that went in came out as often?
func explainable(h *history.History) bool {
	in, maybe, out := map[string]int{}, map[string]int{}, map[string]int{}
	open := 0
	calls, _ := h.Calls()
	for _, c := range calls {
		switch v := c.Value().String(); {
		case c.Type() == history.Info && c.Invoke.F == "dequeue":
			open++
		case c.Type() == history.Info && c.Invoke.F == "enqueue":
			maybe[v]++
		case c.Type() != history.OK:
		case c.Invoke.F == "enqueue":
			in[v]++
		case c.Invoke.F == "dequeue":
			out[v]++
		default:
			for _, e := range c.Value().Elems() {
				out[e.String()]++
			}
		}
	}
	for v, n := range out {
		if n > in[v]+maybe[v] {
			return false
		}
	}
	for v, n := range in {
		open -= max(0, n-out[v])
	}
	return open >= 0
}

// TestAgainstDefinition takes records out of valid histories and swaps others.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	verdicts := map[checkers.Verdict]int{}
	for range 10000 {
		h := valid(rng, true)
		for range rng.IntN(3) {
			i, k := some(rng, h, delivered), some(rng, h, delivered)
			switch {
			case i < 0:
			case rng.IntN(2) == 0:
				h.Ops[i].Value = h.Ops[k].Value
			default:
				h.Ops[i].Type, h.Ops[i].Value = history.Info, history.Nil
			}
		}
		r := New(Options{ExactlyOnce: true, AtMostOnce: true}).Check(t.Context(), h)
		// Elements that come out too early are not part of the definition.
		early := slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == Premature })
		if want := explainable(h); !early && want == (r.Verdict == checkers.Invalid) {
			t.Fatalf("%v, explainable %v: %+v\n%v", r.Verdict, want, r.Anomalies, h.Ops)
		}
		verdicts[r.Verdict]++
	}
	t.Log(verdicts)
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{{}, {ExactlyOnce: true}, {AtMostOnce: true}} {
		hostile.Feed(t, New(opts), []string{"enqueue", "dequeue", "drain"}, []history.Value{history.Int(1), history.Int(2), history.Ints(1, 3)})
	}
}
