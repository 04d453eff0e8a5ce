package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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
	script.Run(t, "testdata/queue.txt", func(d *datadriven.TestData) checkers.Checker {
		if d.Cmd == "plain" {
			return NewPlain()
		}
		most := 0
		d.MaybeScanArgs(t, "max-deliveries", &most)
		return New(Options{ExactlyOnce: d.HasArg("exactly-once"), AtMostOnce: d.HasArg("at-most-once"), Ordered: d.HasArg("ordered"), MaxDeliveries: most, NeverFalselyEmpty: d.HasArg("never-falsely-empty")})
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
		confirm.Result(t, h, r)
		report, err := Check(t.Context(), h, Options{})
		switch {
		case r.Verdict == checkers.Unknown && report.judged == 0 && c.Expect.Valid == true:
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
				confirm.Result(t, h, r)
				r = NewPlain().Check(t.Context(), h)
				if m.name != Lost && (len(r.Anomalies) != 1 || r.Anomalies[0].Name != m.name) || m.name == Lost && r.Verdict == checkers.Invalid {
					t.Fatalf("plain: %+v, want %s\n%v", r.Anomalies, m.name, h.Ops)
				}
				done++
			}
		})
	}
}

// moved counts how often each element went in for certain, may have gone in, and
// came out, by a time.
func moved(h *history.History, by int) (in, maybe, out map[string]int, open int) {
	in, maybe, out = map[string]int{}, map[string]int{}, map[string]int{}
	calls, _ := h.Calls()
	for _, c := range calls {
		enqueues := c.Invoke.F == "enqueue"
		switch v := c.Invoke.Value.String(); {
		case enqueues && c.Type() != history.Fail && c.Invoke.Index < by:
			maybe[v]++
			if c.Type() == history.OK && c.Complete.Index < by {
				in[v]++
			}
		case enqueues || c.Type() == history.Fail || c.Invoke.F == "ack", c.Invoke.F == "nack":
		case c.Type() == history.Info && c.Invoke.F == "drain":
			open += 100
		case c.Type() == history.Info:
			open++
		case c.Complete.Index >= by || c.Value().IsNil():
		case c.Invoke.F == "dequeue":
			out[c.Value().String()]++
		case c.Invoke.F == "receive":
			if m := c.Value().Get("message"); !m.IsNil() {
				out[m.String()]++
			}
		case c.Invoke.F != "drain":
		default:
			for _, e := range c.Value().Elems() {
				out[e.String()]++
			}
		}
	}
	return in, maybe, out, open
}

// plain judges a queue by its definition: at no time more came out than can have
// gone in by then.
func plain(h *history.History) checkers.Verdict {
	some := false
	for by := range len(h.Ops) + 1 {
		_, maybe, out, _ := moved(h, by)
		for v, n := range out {
			some = true
			if n > maybe[v] {
				return checkers.Invalid
			}
		}
	}
	if !some {
		return checkers.Unknown
	}
	return checkers.OK
}

// plainLeased is plain for queues with leases: what comes out under one may come out
// again, but not before it can have gone in.
func plainLeased(h *history.History) checkers.Verdict {
	calls, _ := h.Calls()
	some := false
	for by := range len(h.Ops) + 1 {
		_, maybe, _, _ := moved(h, by)
		for v := range 2 {
			name, taken := history.Int(int64(v)).String(), 0
			for _, c := range calls {
				if !takes(c, name) || c.Complete.Index >= by {
					continue
				}
				some = true
				if !lent(c) {
					taken++
				}
				if maybe[name] == 0 {
					return checkers.Invalid
				}
			}
			if taken > maybe[name] {
				return checkers.Invalid
			}
		}
	}
	if !some {
		return checkers.Unknown
	}
	return checkers.OK
}

// total judges a queue that was emptied by its definition: nothing came out before
// it can have gone in once, and everything that went in for certain came out, but
// for what dequeues of unknown outcome took, if they can.
func total(opts Options) func(h *history.History) checkers.Verdict {
	return func(h *history.History) checkers.Verdict {
		for by := range len(h.Ops) + 1 {
			_, maybe, out, _ := moved(h, by)
			for v := range out {
				if maybe[v] == 0 {
					return checkers.Invalid
				}
			}
		}
		in, maybe, out, open := moved(h, len(h.Ops))
		missing := 0
		for v, n := range in {
			missing += owed(h, v, n, out[v], opts)
		}
		for v, n := range out {
			if opts.ExactlyOnce && n > maybe[v] {
				return checkers.Invalid
			}
		}
		switch {
		case opts.Ordered && overtaken(h), opts.NeverFalselyEmpty && falselyEmpty(h, opts), opts.MaxDeliveries > 0 && miscounted(h, opts.MaxDeliveries):
			return checkers.Invalid
		case missing > 0 && (!opts.AtMostOnce || missing > open):
			if !emptied(h) {
				return checkers.Unknown
			}
			return checkers.Invalid
		case !slices.ContainsFunc(h.Ops, func(op history.Op) bool { return op.Type == history.OK && op.F != "ack" && op.F != "nack" }):
			return checkers.Unknown
		default:
			return checkers.OK
		}
	}
}

// lent reports whether a call took out an element under a lease.
func lent(c history.Call) bool {
	return c.Invoke.F == "receive" && c.Type() == history.OK && !c.Value().Get("visibility").IsNil()
}

// takes reports whether a call took out an element.
func takes(c history.Call, v string) bool {
	if c.Type() != history.OK {
		return false
	}
	return c.Invoke.F == "dequeue" && c.Value().String() == v || c.Invoke.F == "receive" && c.Value().Get("message").String() == v ||
		c.Invoke.F == "drain" && slices.ContainsFunc(c.Value().Elems(), func(w history.Value) bool { return w.String() == v })
}

// owed is how often an element has to come out yet, which went in and came out so often.
func owed(h *history.History, v string, in, out int, opts Options) int {
	if in > out {
		return in - out
	}
	calls, _ := h.Calls()
	for _, c := range calls {
		if takes(c, v) && !lent(c) || c.Invoke.F == "ack" && c.Type() != history.Fail && c.Invoke.Value.Get("message").String() == v {
			return 0
		}
	}
	if opts.AtMostOnce {
		return 0
	}
	return 1
}

// emptied reports whether the queue was seen empty after all leases, if there can
// be any.
func emptied(h *history.History) bool {
	calls, _ := h.Calls()
	receives := slices.DeleteFunc(slices.Clone(calls), func(c history.Call) bool { return c.Invoke.F != "receive" })
	nothing := func(c history.Call) bool { return c.Type() == history.OK && c.Value().IsNil() }
	longest := int64(0)
	for _, c := range receives {
		if c.Type() == history.OK {
			ms, _ := c.Value().Get("visibility").Int()
			longest = max(longest, ms)
		}
	}
	for _, asked := range receives {
		seen := slices.ContainsFunc(receives, func(empty history.Call) bool {
			return nothing(empty) && empty.Invoke.Value.IsNil() == asked.Invoke.Value.IsNil() &&
				!slices.ContainsFunc(receives, func(c history.Call) bool {
					if c.Type() == history.Fail || nothing(c) {
						return false
					}
					end := c.Invoke.Time
					if c.Complete != nil {
						end = c.Complete.Time
					}
					return empty.Invoke.Time < end+longest*1e6
				})
		})
		if !seen {
			return false
		}
	}
	return true
}

// overtaken looks for four calls of which two put elements in, in one order, and
// the other two took them out in the other.
func overtaken(h *history.History) bool {
	calls, _ := h.Calls()
	before := func(a, b history.Call) bool { return a.Type() == history.OK && a.Complete.Index < b.Invoke.Index }
	once := func(c history.Call) bool {
		n := 0
		for _, d := range calls {
			if d.Invoke.F == "enqueue" && d.Invoke.Value.Equal(c.Invoke.Value) {
				n++
			}
		}
		return c.Invoke.F == "enqueue" && n == 1
	}
	for _, a := range calls {
		for _, b := range calls {
			if !once(a) || !once(b) || !before(a, b) {
				continue
			}
			for _, outB := range calls {
				for _, outA := range calls {
					if takes(outB, b.Invoke.Value.String()) && takes(outA, a.Invoke.Value.String()) && before(outB, outA) &&
						outA.Invoke.Value.IsNil() && outB.Invoke.Value.IsNil() {
						return true
					}
				}
			}
		}
	}
	return false
}

// miscounted looks for an element that was received too often, or that was a dead letter
// although no choice of receives without an answer has it received often enough.
func miscounted(h *history.History, most int) bool {
	calls, _ := h.Calls()
	asks := func(c history.Call) bool { return c.Invoke.F == "receive" && !c.Invoke.Value.Get("dead").IsNil() }
	var missing []int // one for each delivery that nobody saw: by when it was
	for v := range 3 {
		name, puts, maybe := history.Int(int64(v)).String(), 0, 0
		var dead, outs []history.Call
		for _, c := range calls {
			switch {
			case c.Invoke.F == "enqueue" && c.Invoke.Value.String() == name:
				puts++
				if c.Type() != history.Fail {
					maybe++
				}
			case c.Invoke.F != "receive" || !takes(c, name):
			case asks(c):
				dead = append(dead, c)
			default:
				outs = append(outs, c)
			}
		}
		if maybe > 0 && len(outs) > most*maybe {
			return true
		}
		if len(dead) == 0 || puts == 0 {
			continue
		}
		first := slices.MinFunc(dead, func(a, b history.Call) int { return a.Complete.Index - b.Complete.Index }).Complete.Index
		seen := 0
		for _, c := range outs {
			if c.Invoke.Index > first && maybe == 1 {
				return true
			}
			if c.Invoke.Index < first {
				seen++
			}
		}
		for ; seen < most; seen++ {
			missing = append(missing, first)
		}
	}
	var open []int
	for _, c := range calls {
		if c.Invoke.F == "receive" && c.Type() == history.Info && !asks(c) {
			open = append(open, c.Invoke.Index)
		}
	}
	return !explained(missing, open)
}

// falselyEmpty looks for a call that got nothing while elements waited, more than there
// are calls without an answer.
func falselyEmpty(h *history.History, opts Options) bool {
	calls, _ := h.Calls()
	takes2 := func(c history.Call) bool { return c.Invoke.F == "receive" || c.Invoke.F == "dequeue" }
	for _, e := range calls {
		if !takes2(e) || e.Type() != history.OK || !e.Value().IsNil() || !e.Invoke.Value.IsNil() {
			continue
		}
		// given reports whether what a call took out had been given back when e began.
		given := func(out history.Call, v string) bool {
			token := out.Value().Get("token")
			return !token.IsNil() && slices.ContainsFunc(calls, func(c history.Call) bool {
				return (c.Invoke.F == "nack" || c.Invoke.F == "ack") && c.Type() == history.OK && c.Invoke.Value.Get("message").String() == v &&
					c.Invoke.Value.Get("token").Equal(token) && c.Complete.Index < e.Invoke.Index
			})
		}
		open, out, waiting := 0, false, 0
		for _, c := range calls {
			if c.Type() == history.Info && c.Invoke.Index < e.Complete.Index && takes2(c) && c.Invoke.Value.Get("dead").IsNil() {
				open++
			}
		}
		for v := range 2 {
			name, puts, sure, free, times := history.Int(int64(v)).String(), 0, false, true, 0
			for _, c := range calls {
				switch {
				case c.Invoke.F == "enqueue" && c.Invoke.Value.String() == name:
					puts++
					sure = c.Type() == history.OK && c.Complete.Index < e.Invoke.Index
				case c.Invoke.Index > e.Complete.Index:
				case c.Invoke.F == "ack" && c.Type() != history.Fail && c.Invoke.Value.Get("message").String() == name:
					free = false
				case takes(c, name):
					times++
					if !given(c, name) {
						free = false
						out = out || c.Invoke.Value.Get("dead").IsNil()
					}
				}
			}
			if puts == 1 && sure && free && times < max(1, opts.MaxDeliveries) {
				waiting++
			}
		}
		if waiting > open && (!opts.Ordered || !out && open == 0) {
			return true
		}
	}
	return false
}

// nacking makes a history of two elements that go in and come out under leases with
// tokens, and are given back or acknowledged.
func nacking(choose confirm.Choose, calls int) *history.History {
	message := func(v int, more ...history.Value) history.Value {
		return history.Map(append([]history.Value{history.String("message"), history.Int(int64(v)), history.String("token"), history.Int(int64(choose(2)))}, more...)...)
	}
	return confirm.History(choose, calls, func() history.Op {
		switch n := choose(6); n {
		case 0, 1:
			return history.Op{F: "enqueue", Value: history.Int(int64(n))}
		case 2, 3:
			return history.Op{F: "nack", Value: message(choose(2))}
		case 4:
			if choose(2) == 0 {
				return history.Op{F: "ack", Value: message(choose(2))}
			}
			return history.Op{F: "receive", Value: history.Map(history.String("dead"), history.Bool(true))}
		default:
			return history.Op{F: []string{"receive", "receive", "dequeue"}[choose(3)]}
		}
	}, func(op history.Op) history.Op {
		op.Type = choose.Outcome()
		if op.F != "receive" && op.F != "dequeue" || op.Type != history.OK {
			return op
		}
		switch n := choose(4); {
		case n > 1:
			op.Value = history.Nil
		case op.F == "dequeue":
			op.Value = history.Int(int64(n))
		default:
			op.Value = message(n, history.String("visibility"), history.Int(2))
		}
		return op
	})
}

// explained reports whether every delivery can be that of a receive of its own.
func explained(missing, open []int) bool {
	if len(missing) == 0 {
		return true
	}
	for i, o := range open {
		if o < missing[0] && explained(missing[1:], slices.Delete(slices.Clone(open), i, i+1)) {
			return true
		}
	}
	return false
}

// leasing makes a history of two elements that go in and come out under leases, or
// not, and are acknowledged.
func leasing(choose confirm.Choose, calls int) *history.History {
	message := func(v int, more ...history.Value) history.Value {
		return history.Map(append([]history.Value{history.String("message"), history.Int(int64(v))}, more...)...)
	}
	return confirm.History(choose, calls, func() history.Op {
		switch n := choose(6); n {
		case 0, 1:
			return history.Op{F: "enqueue", Value: history.Int(int64(n))}
		case 2:
			return history.Op{F: "ack", Value: message(choose(2))}
		case 3:
			return history.Op{F: "receive", Value: history.Map(history.String("dead"), history.Bool(true))}
		default:
			return history.Op{F: "receive"}
		}
	}, func(op history.Op) history.Op {
		op.Type = choose.Outcome()
		if op.F != "receive" || op.Type != history.OK {
			return op
		}
		switch n := choose(6); n {
		case 0, 1:
			op.Value = message(n, history.String("visibility"), history.Int(2))
		case 2, 3:
			op.Value = message(n - 2)
		default:
			op.Value = history.Nil
		}
		return op
	})
}

// small makes a history of two elements that go in, and of three that come out.
func small(choose confirm.Choose, calls int) *history.History {
	return confirm.History(choose, calls, func() history.Op {
		switch n := choose(5); n {
		case 0, 1:
			return history.Op{F: "enqueue", Value: history.Int(int64(n))}
		case 2:
			return history.Op{F: "drain", Value: history.Nil}
		default:
			return history.Op{F: "dequeue", Value: history.Nil}
		}
	}, func(op history.Op) history.Op {
		op.Type = choose.Outcome()
		switch {
		case op.F == "enqueue" || op.Type != history.OK:
		case op.F == "dequeue":
			op.Value = history.Int(int64([]int{0, 1, 0, 1, 2}[choose(5)]))
		default:
			op.Value = history.Ints([][]int64{{}, {0}, {1}, {0, 1}, {1, 1}}[choose(5)]...)
		}
		return op
	})
}

// oracles are the checkers with their definitions.
func oracles() map[string]confirm.Oracle {
	names := []string{Lost, Unexpected, Aborted, Premature, Duplicated, Reordered, OverDelivered, DeadTooSoon, FalseEmpty}
	all := map[string]confirm.Oracle{
		"plain": {Family: confirm.Family{Definition: PlainName, Anomalies: names}, Checker: NewPlain(), Make: small, Truth: plain,
			Context: []string{Duplicated}}, // which depends on how many enqueues there were in all
		"leased plain": {Family: confirm.Family{Definition: PlainName, Anomalies: names}, Checker: NewPlain(), Make: leasing, Truth: plainLeased,
			Context: []string{Duplicated}},
		"leased ordered": {Family: confirm.Family{Definition: Name, Anomalies: names, Parameters: map[string]string{"ordered": "true"}},
			Checker: New(Options{Ordered: true}), Make: leasing, Truth: total(Options{Ordered: true}), Context: []string{Duplicated, Lost}},
		"leased counted": {Family: confirm.Family{Definition: Name, Anomalies: names, Parameters: map[string]string{"max-deliveries": "2"}},
			Checker: New(Options{MaxDeliveries: 2}), Make: leasing, Truth: total(Options{MaxDeliveries: 2}), Context: []string{Duplicated, Lost, OverDelivered, DeadTooSoon}},
		"leased once": {Family: confirm.Family{Definition: Name, Anomalies: names, Parameters: map[string]string{"max-deliveries": "1"}},
			Checker: New(Options{MaxDeliveries: 1}), Make: leasing, Truth: total(Options{MaxDeliveries: 1}), Context: []string{Duplicated, Lost, OverDelivered, DeadTooSoon}},
		"leased empty": {Family: confirm.Family{Definition: Name, Anomalies: names, Parameters: map[string]string{"max-deliveries": "2", "never-falsely-empty": "true"}},
			Checker: New(Options{MaxDeliveries: 2, NeverFalselyEmpty: true}), Make: nacking, Truth: total(Options{MaxDeliveries: 2, NeverFalselyEmpty: true}), Context: []string{Duplicated, Lost, OverDelivered, DeadTooSoon, FalseEmpty}},
		"leased ordered empty": {Family: confirm.Family{Definition: Name, Anomalies: names, Parameters: map[string]string{"ordered": "true", "never-falsely-empty": "true"}},
			Checker: New(Options{Ordered: true, NeverFalselyEmpty: true}), Make: nacking, Truth: total(Options{Ordered: true, NeverFalselyEmpty: true}), Context: []string{Duplicated, Lost, FalseEmpty}},
		"leased exactly-once": {Family: confirm.Family{Definition: Name, Anomalies: names, Parameters: map[string]string{"exactly-once": "true"}},
			Checker: New(Options{ExactlyOnce: true}), Make: leasing, Truth: total(Options{ExactlyOnce: true}), Context: []string{Duplicated, Lost}},
	}
	for name, opts := range map[string]Options{"": {}, "exactly-once": {ExactlyOnce: true}, "at-most-once": {AtMostOnce: true}} {
		f, context := confirm.Family{Definition: Name, Anomalies: names}, []string{Duplicated}
		if opts.AtMostOnce {
			context = append(context, Lost) // which depends on what the dequeues of unknown outcome can have taken
		}
		if name != "" {
			f.Parameters = map[string]string{name: "true"}
		}
		all["total "+name] = confirm.Oracle{Family: f, Checker: New(opts), Make: small, Truth: total(opts), Context: context}
	}
	return all
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, o := range oracles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rounds := 12_000
			if strings.HasPrefix(name, "leased") {
				rounds = 3_000 // their definitions are slow, and there are many
			}
			o.Agrees(t, rounds, 2, 6)
		})
	}
}

func FuzzQueue(f *testing.F) { oracles()["total exactly-once"].Fuzz(f) }

// TestJepsenPlain compares verdicts with those of Jepsen's own tests of queue. What
// has only enqueues, or nothing, is fine with Jepsen, and nothing to judge for us.
// Records of its tests do not pair, so each is taken for what it says alone.
func TestJepsenPlain(t *testing.T) {
	t.Parallel()
	for _, c := range oracle.Jepsen(t, "jepsen-queue") {
		h := new(history.History)
		for i, op := range c.Parse(t).Ops {
			op.Process = history.Process(i)
			in, out := op, op
			in.Type, in.Index, out.Index = history.Invoke, len(h.Ops), len(h.Ops)+1
			if op.F == "enqueue" && op.Type == history.Invoke {
				h.Ops = append(h.Ops, in)
			} else if op.F == "dequeue" && op.Type == history.OK {
				h.Ops = append(h.Ops, in, out)
			}
		}
		r := NewPlain().Check(t.Context(), h)
		want := c.Verdict()
		if !slices.ContainsFunc(h.Ops, func(op history.Op) bool { return op.F == "dequeue" }) {
			want = "unknown"
		}
		if r.Verdict.String() != want {
			t.Errorf("%s: %v %s %+v, want %s\n%s", c.ID, r.Verdict, r.Reason, r.Anomalies, want, c.History)
		}
	}
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{{}, {ExactlyOnce: true}, {AtMostOnce: true}} {
		hostile.Feed(t, confirm.Checked(t, New(opts)), []string{"enqueue", "dequeue", "drain"}, []history.Value{history.Int(1), history.Int(2), history.Ints(1, 3)})
	}
	hostile.Feed(t, confirm.Checked(t, NewPlain()), []string{"enqueue", "dequeue", "drain"}, []history.Value{history.Int(1), history.Int(2), history.Ints(1, 3)})
}

// BenchmarkQueue judges a million operations: elements that go in and come out a
// little later.
func BenchmarkQueue(b *testing.B) {
	h := &history.History{Ops: make([]history.Op, 0, 2_000_000)}
	for n := range 1_000_000 {
		op := history.Op{Index: 2 * n, Time: int64(n) * 1000, Process: history.Process(n % 20), F: "enqueue", Value: history.Int(int64(n / 2))}
		if n%2 == 1 && n > 100 {
			op.F, op.Value = "dequeue", history.Nil
		}
		h.Ops = append(h.Ops, op)
		if op.F == "dequeue" {
			op.Value = history.Int(int64(n/2 - 50))
		}
		op.Index, op.Type = op.Index+1, history.OK
		h.Ops = append(h.Ops, op)
	}
	for name, c := range map[string]checkers.Checker{Name: New(Options{}), PlainName: NewPlain()} {
		confirm.Bench(b, name, c, h)
	}
}
