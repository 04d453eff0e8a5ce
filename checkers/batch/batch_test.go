package batch

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/batch.txt", func(*datadriven.TestData) checkers.Checker { return New() })
}

// rounds is how many random histories a test looks at.
func rounds() int {
	switch {
	case os.Getenv("ORDEAL_LONG") != "":
		return 2000000
	case testing.Short():
		return 5000
	default:
		return 100000
	}
}

func show(h *history.History) string {
	var b strings.Builder
	for i := range h.Ops {
		op := &h.Ops[i]
		fmt.Fprintln(&b, op.Index, op.Process, op.Type, op.F, op.Value, op.Final)
	}
	return b.String()
}

func fields(kvs ...any) history.Value {
	var list []history.Value
	for i := 0; i < len(kvs); i += 2 {
		v, ok := kvs[i+1].(history.Value)
		if n, number := kvs[i+1].(int64); number {
			v = history.Int(n)
		} else if !ok {
			v = history.String(kvs[i+1].(string))
		}
		list = append(list, history.String(kvs[i].(string)), v)
	}
	return history.Map(list...)
}

// sim is a job that commits what it took in, epoch by epoch. With noise, some of
// it goes wrong.
type sim struct {
	rng       *rand.Rand
	noise     int
	h         history.History
	open      []pending
	next      int64
	epoch     int64
	mark      int64
	waiting   []history.Value // taken in, not committed
	committed []history.Value
	late      []history.Value
}

type pending struct {
	op     history.Op
	effect func() (history.Type, history.Value)
}

func newSim(rng *rand.Rand, noise int) *sim { return &sim{rng: rng, noise: noise} }

func (s *sim) wrong() bool { return s.noise > 0 && s.rng.IntN(s.noise) == 0 }

func (s *sim) record(op history.Op) {
	op.Index, op.Time = len(s.h.Ops), int64(len(s.h.Ops))*1e6
	s.h.Ops = append(s.h.Ops, op)
}

func (s *sim) start(op history.Op, effect func() (history.Type, history.Value)) {
	op.Process = history.Process(len(s.h.Ops))
	s.record(op)
	s.open = append(s.open, pending{op, effect})
}

func (s *sim) finish() {
	if len(s.open) == 0 {
		return
	}
	i := s.rng.IntN(len(s.open))
	op := s.open[i].op
	op.Type, op.Value = s.open[i].effect()
	s.open = slices.Delete(s.open, i, i+1)
	s.record(op)
}

func (s *sim) input() {
	s.next++
	id := s.next
	time := s.mark + int64(s.rng.IntN(4)) - 1
	v := fields("id", id, "value", id*10, "time", time)
	if s.rng.IntN(4) == 0 {
		v = fields("id", id, "value", id*10, "expect", id*10)
	}
	typ := []history.Type{history.OK, history.OK, history.Info, history.Fail}[s.rng.IntN(4)]
	s.start(history.Op{F: "input", Value: v}, func() (history.Type, history.Value) {
		_, timed := v.Get("time").Int()
		switch {
		case typ == history.Fail && !s.wrong() || s.wrong():
		case timed && time < s.mark || s.wrong():
			s.late = append(s.late, history.Int(id))
		case typ == history.OK || s.rng.IntN(2) == 0:
			value := id * 10
			if s.wrong() {
				value++
			}
			s.waiting = append(s.waiting, fields("id", id, "value", value))
		}
		return typ, v
	})
}

// commit makes an epoch visible: a task for each half of it, one attempt each.
func (s *sim) commit() {
	s.epoch++
	for i, r := range s.waiting {
		attempt := s.epoch
		if s.wrong() {
			attempt++
		}
		id, value := r.Get("id"), r.Get("value")
		row := fields("id", id, "value", value, "epoch", s.epoch, "task", fmt.Sprint(s.epoch, "-", i%2), "attempt", attempt)
		if !s.wrong() {
			s.committed = append(s.committed, row)
		}
		if s.wrong() {
			s.committed = append(s.committed, row)
		}
	}
	s.waiting = nil
}

func (s *sim) output(final bool) {
	s.start(history.Op{F: "output", Final: final}, func() (history.Type, history.Value) {
		list := slices.Clone(s.committed)
		if n := len(list); n > 0 && s.wrong() {
			list = slices.Delete(list, s.rng.IntN(n), n)
		}
		if s.wrong() {
			list = append(list, fields("id", s.next+int64(s.rng.IntN(2)), "value", s.next*10))
		}
		if len(s.late) == 0 && s.rng.IntN(2) == 0 {
			return history.OK, history.List(list...)
		}
		return history.OK, fields("records", history.List(list...), "late", history.List(slices.Clone(s.late)...))
	})
}

func (s *sim) watermark() {
	s.start(history.Op{F: "watermark"}, func() (history.Type, history.Value) {
		if s.mark += int64(s.rng.IntN(2)); s.wrong() {
			s.mark -= 2
		}
		return history.OK, history.Int(s.mark)
	})
}

func (s *sim) run(steps int) *history.History {
	for range steps {
		switch s.rng.IntN(8) {
		case 0, 1:
			s.input()
		case 2:
			s.commit()
		case 3:
			s.output(false)
		case 4:
			s.watermark()
		default:
			s.finish()
		}
	}
	for len(s.open) > 0 && s.rng.IntN(8) > 0 {
		s.finish()
	}
	if s.rng.IntN(2) == 0 {
		s.commit()
		s.output(true)
		s.open = s.open[len(s.open)-1:]
		s.finish()
	}
	return &s.h
}

// byDefinition looks at all pairs and triples of calls.
func byDefinition(h *history.History) map[string]bool {
	calls, _ := h.Calls()
	broken := map[string]bool{}
	before := func(c, d history.Call) bool { return c.Type() == history.OK && c.Complete.Index < d.Invoke.Index }
	rows := func(c history.Call) []history.Value {
		if c.Complete.Value.Kind() == history.KindMap {
			return c.Complete.Value.Get("records").Elems()
		}
		return c.Complete.Value.Elems()
	}
	has := func(c history.Call, id history.Value) int {
		n := 0
		for _, r := range rows(c) {
			if r.Get("id").Equal(id) {
				n++
			}
		}
		return n
	}
	late := func(c history.Call, id history.Value) bool {
		return slices.ContainsFunc(c.Complete.Value.Get("late").Elems(), id.Equal)
	}
	var outputs, marks []history.Call
	for _, c := range calls {
		if c.Invoke.F == "output" && c.Type() == history.OK {
			outputs = append(outputs, c)
		}
		if c.Invoke.F == "watermark" && c.Type() == history.OK {
			marks = append(marks, c)
		}
	}
	for _, m := range marks {
		for _, n := range marks {
			if before(m, n) && m.Complete.Value.Compare(n.Complete.Value) > 0 {
				broken[WatermarkRegressed] = true
			}
		}
	}
	for _, o := range outputs {
		for _, r := range rows(o) {
			id := r.Get("id")
			if has(o, id) > 1 {
				broken[Duplicate] = true
			}
			if late(o, id) {
				broken[LateTwice] = true
			}
			possible, premature := false, false
			for _, in := range calls {
				if in.Invoke.F != "input" || !in.Invoke.Value.Get("id").Equal(id) {
					continue
				}
				possible = possible || in.Type() != history.Fail
				premature = premature || before(o, in)
				if !in.Invoke.Value.Get("value").Equal(r.Get("value")) {
					broken[WrongValue] = true
				}
			}
			if !possible {
				broken[Phantom] = true
			} else if premature {
				broken[Premature] = true
			}
			for _, p := range outputs {
				if before(o, p) && has(p, id) == 0 {
					broken[Vanished] = true
				}
				for _, q := range rows(p) {
					if q.Get("epoch").Equal(r.Get("epoch")) && !r.Get("epoch").IsNil() && !slices.ContainsFunc(rows(o), func(x history.Value) bool {
						return x.Get("id").Equal(q.Get("id")) && x.Get("epoch").Equal(q.Get("epoch"))
					}) {
						broken[TornEpoch] = true
					}
					if !r.Get("task").IsNil() && q.Get("task").Equal(r.Get("task")) && !q.Get("attempt").Equal(r.Get("attempt")) {
						broken[TwoAttempts] = true
					}
				}
			}
		}
		for _, in := range calls {
			if in.Invoke.F != "input" || in.Type() != history.OK {
				continue
			}
			id := in.Invoke.Value.Get("id")
			if o.Invoke.Final && before(in, o) && has(o, id) == 0 && !late(o, id) {
				broken[Missing] = true
			}
			for _, m := range marks {
				if !in.Invoke.Value.Get("time").IsNil() && late(o, id) && before(in, m) && m.Complete.Value.Compare(in.Invoke.Value.Get("time")) <= 0 {
					broken[WronglyLate] = true
				}
			}
		}
	}
	return broken
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	sums := map[string]int{}
	for i := range rounds() {
		h := newSim(rng, []int{0, 40, 10}[i%3]).run(4 + rng.IntN(20))
		if len(h.Ops) == 0 {
			continue
		}
		r := New().Check(t.Context(), h)
		report, err := Check(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		want := byDefinition(h)
		for _, rule := range Anomalies() {
			sums[rule] += min(1, report.Broken[rule])
			if got := report.Broken[rule] > 0; got != want[rule] {
				t.Fatalf("%s: we say %v, want %v\n%s", rule, got, want[rule], show(h))
			}
		}
		if i%3 == 0 && r.Verdict == checkers.Invalid {
			t.Fatalf("%+v\n%s", r.Anomalies, show(h))
		}
		if i%500 == 0 && r.Verdict != checkers.Unknown {
			rulestest.Refuse(t, h, r, Anomalies())
			rulestest.MadeUp(t, rng, h, r, Anomalies(), []string{"1", "2", "3", "1-0", "2-1"})
			continue
		}
		claim := rulestest.Confirm(t, h, r)
		if claim.Evidence, claim.Verdict = nil, checkers.OK; r.Verdict == checkers.Invalid && rulestest.Try(t, h, claim) == nil {
			t.Fatalf("confirmed as ok: %v\n%s", want, show(h))
		}
	}
	t.Log(sums)
	for _, rule := range Anomalies() {
		if sums[rule] < 10 && !testing.Short() {
			t.Errorf("%s was seen %d times: the test shows little", rule, sums[rule])
		}
	}
}

// steps makes a history of calls one after the other.
type steps struct{ h history.History }

func (l *steps) call(f string, final bool, in, out history.Value) int {
	op := history.Op{Index: len(l.h.Ops), Time: int64(len(l.h.Ops)) * 1e6, F: f, Value: in, Final: final}
	l.h.Ops = append(l.h.Ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, history.OK, out
	l.h.Ops = append(l.h.Ops, op)
	return op.Index - 1
}

func (l *steps) out(call int, v history.Value) { l.h.Ops[call+1].Value = v }

// TestMutations breaks each rule in a history that is right.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	row := func(id int64) history.Value {
		return fields("id", id, "value", id, "epoch", (id+1)/2, "task", (id+1)/2, "attempt", int64(0))
	}
	list := history.List
	late := func(rows history.Value, ids ...int64) history.Value {
		return fields("records", rows, "late", history.Ints(ids...))
	}
	mutations := map[string]func(l *steps, c []int){
		Missing:   func(l *steps, c []int) { l.out(c[6], list(row(1), row(2), row(3))) },
		Vanished:  func(l *steps, c []int) { l.out(c[6], list(row(3), row(4))) },
		Duplicate: func(l *steps, c []int) { l.out(c[6], list(row(1), row(2), row(3), row(4), row(4))) },
		Phantom:   func(l *steps, c []int) { l.out(c[6], list(row(1), row(2), row(3), row(4), fields("id", int64(9)))) },
		Premature: func(l *steps, c []int) { l.out(c[2], list(row(1), row(2), row(4))) },
		WrongValue: func(l *steps, c []int) {
			l.h.Ops[c[3]].Value = fields("id", int64(3), "value", int64(3), "expect", int64(7))
		},
		TornEpoch: func(l *steps, c []int) { l.out(c[2], list(row(1))) },
		TwoAttempts: func(l *steps, c []int) {
			other := fields("id", int64(4), "value", int64(4), "epoch", int64(2), "task", int64(2), "attempt", int64(1))
			l.out(c[6], list(row(1), row(2), row(3), other))
		},
		WronglyLate:        func(l *steps, c []int) { l.out(c[6], late(list(row(1), row(2)), 3, 4)) },
		LateTwice:          func(l *steps, c []int) { l.out(c[6], late(list(row(1), row(2), row(3), row(4)), 4)) },
		WatermarkRegressed: func(l *steps, c []int) { l.out(c[7], history.Int(1)) },
	}
	for _, rule := range Anomalies() {
		for range 50 {
			l := &steps{}
			other := func() {
				for range rng.IntN(3) {
					l.call("watermark", false, history.Nil, history.Int(2))
				}
			}
			in := func(id int64) int {
				v := fields("id", id, "value", id, "time", id+1)
				return l.call("input", false, v, v)
			}
			c := []int{in(1), in(2)}
			other()
			c = append(c, l.call("output", false, history.Nil, list(row(1), row(2))), in(3))
			c = append(c, in(4), l.call("watermark", false, history.Nil, history.Int(2)))
			other()
			c = append(c, l.call("output", true, history.Nil, list(row(1), row(2), row(3), row(4))), l.call("watermark", false, history.Nil, history.Int(3)))
			if r := New().Check(t.Context(), &l.h); r.Verdict != checkers.OK {
				t.Fatalf("flagged before: %+v\n%s", r.Anomalies, show(&l.h))
			}
			mutations[rule](l, c)
			r := New().Check(t.Context(), &l.h)
			if !slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == rule }) {
				t.Fatalf("%s: %+v\n%s", rule, r, show(&l.h))
			}
			rulestest.Refuse(t, &l.h, r, Anomalies())
			core(t, &l.h, r)
		}
	}
}

// core sees that the operations of an anomaly show it alone, and none is too many.
func core(t *testing.T, h *history.History, r checkers.Result) {
	t.Helper()
	only := func(ops []int) checkers.Result {
		small := &history.History{}
		for i := 0; i < len(h.Ops); i += 2 {
			if slices.Contains(ops, i) {
				for _, op := range h.Ops[i : i+2] {
					op.Index = len(small.Ops)
					small.Ops = append(small.Ops, op)
				}
			}
		}
		return New().Check(t.Context(), small)
	}
	for _, a := range r.Anomalies {
		is := func(b checkers.Anomaly) bool { return a.Name == b.Name }
		if again := only(a.Ops); !slices.ContainsFunc(again.Anomalies, is) {
			t.Fatalf("%+v is not there alone: %+v", a, again)
		}
		for i := range a.Ops {
			if less := only(slices.Delete(slices.Clone(a.Ops), i, i+1)); slices.ContainsFunc(less.Anomalies, is) {
				t.Fatalf("%+v is there without %d", a, a.Ops[i])
			}
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	row := fields("id", int64(1), "value", int64(1), "epoch", int64(1), "task", int64(1), "attempt", int64(1))
	hostile.Feed(t, New(), []string{"input", "output", "output", "watermark"}, []history.Value{row, history.List(row), history.List(row, row), history.List(), history.Int(3)})
}

func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := newSim(rand.New(rand.NewPCG(1, 1)), 0).run(40)
	if r := New().Check(ctx, h); r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, "stopped") {
		t.Errorf("%v %s", r.Verdict, r.Reason)
	}
}

func FuzzBatch(f *testing.F) {
	for i := range 8 {
		data := make([]byte, 200)
		rng := rand.New(rand.NewPCG(8, uint64(i)))
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rng := rulestest.Rand(data)
		h := newSim(rng, 1+rng.IntN(30)).run(40)
		rulestest.Confirm(t, h, New().Check(t.Context(), h))
	})
}

func BenchmarkBatch(b *testing.B) {
	l := &steps{}
	var rows []history.Value
	for i := range int64(200000) {
		v := fields("id", i, "value", i)
		l.call("input", false, v, v)
		rows = append(rows, fields("id", i, "value", i, "epoch", i/100, "task", i/10, "attempt", int64(0)))
	}
	l.call("output", true, history.Nil, history.List(rows...))
	for b.Loop() {
		if r := New().Check(b.Context(), &l.h); r.Verdict != checkers.OK {
			b.Fatal(r.Reason)
		}
	}
}
