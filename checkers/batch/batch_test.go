package batch

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

// sim is a job that commits what it took in, epoch by epoch. With noise, some of
// it goes wrong.
type sim struct {
	rulestest.Sim
	next      int64
	epoch     int64
	mark      int64
	waiting   []history.Value // taken in, not committed
	committed []history.Value
	late      []history.Value
}

func newSim(rng *rand.Rand, noise int) *sim {
	return &sim{Sim: rulestest.Sim{RNG: rng, Noise: noise}}
}

func (s *sim) input() {
	s.next++
	id := s.next
	time := s.mark + int64(s.RNG.IntN(4)) - 1
	v := rulestest.Fields("id", id, "value", id*10, "time", time)
	if s.RNG.IntN(4) == 0 {
		v = rulestest.Fields("id", id, "value", id*10, "expect", id*10)
	}
	typ := []history.Type{history.OK, history.OK, history.Info, history.Fail}[s.RNG.IntN(4)]
	s.Start(history.Op{F: "input", Value: v}, func() (history.Type, history.Value) {
		_, timed := v.Get("time").Int()
		switch {
		case typ == history.Fail && !s.Wrong() || s.Wrong():
		case timed && time < s.mark || s.Wrong():
			s.late = append(s.late, history.Int(id))
		case typ == history.OK || s.RNG.IntN(2) == 0:
			value := id * 10
			if s.Wrong() {
				value++
			}
			s.waiting = append(s.waiting, rulestest.Fields("id", id, "value", value))
		}
		return typ, v
	})
}

// commit makes an epoch visible: a task for each half of it, one attempt each.
func (s *sim) commit() {
	s.epoch++
	for i, r := range s.waiting {
		attempt := s.epoch
		if s.Wrong() {
			attempt++
		}
		id, value := r.Get("id"), r.Get("value")
		row := rulestest.Fields("id", id, "value", value, "epoch", s.epoch, "task", fmt.Sprint(s.epoch, "-", i%2), "attempt", attempt)
		if !s.Wrong() {
			s.committed = append(s.committed, row)
		}
		if s.Wrong() {
			s.committed = append(s.committed, row)
		}
	}
	s.waiting = nil
}

func (s *sim) output(final bool) {
	s.Start(history.Op{F: "output", Final: final}, func() (history.Type, history.Value) {
		list := slices.Clone(s.committed)
		if n := len(list); n > 0 && s.Wrong() {
			list = slices.Delete(list, s.RNG.IntN(n), n)
		}
		if s.Wrong() {
			list = append(list, rulestest.Fields("id", s.next+int64(s.RNG.IntN(2)), "value", s.next*10))
		}
		if len(s.late) == 0 && s.RNG.IntN(2) == 0 {
			return history.OK, history.List(list...)
		}
		return history.OK, rulestest.Fields("records", history.List(list...), "late", history.List(slices.Clone(s.late)...))
	})
}

func (s *sim) watermark() {
	s.Start(history.Op{F: "watermark"}, func() (history.Type, history.Value) {
		if s.mark += int64(s.RNG.IntN(2)); s.Wrong() {
			s.mark -= 2
		}
		return history.OK, history.Int(s.mark)
	})
}

func (s *sim) run(steps int) *history.History {
	for range steps {
		switch s.RNG.IntN(8) {
		case 0, 1:
			s.input()
		case 2:
			s.commit()
		case 3:
			s.output(false)
		case 4:
			s.watermark()
		default:
			s.Finish()
		}
	}
	for len(s.Open) > 0 && s.RNG.IntN(8) > 0 {
		s.Finish()
	}
	if s.RNG.IntN(2) == 0 {
		s.commit()
		s.output(true)
		s.Open = s.Open[len(s.Open)-1:]
		s.Finish()
	}
	return &s.H
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
	for i := range rulestest.Rounds() {
		h := newSim(rng, []int{0, 40, 10}[i%3]).run(4 + rng.IntN(20))
		if len(h.Ops) == 0 {
			continue
		}
		r := New().Check(t.Context(), h)
		report, err := Check(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		rulestest.Same(t, h, report.Broken, byDefinition(h), Anomalies(), sums, nil)
		if i%3 == 0 && r.Verdict == checkers.Invalid {
			t.Fatalf("%+v\n%s", r.Anomalies, rulestest.Show(h))
		}
		rulestest.Judged(t, rng, h, r, Anomalies(), []string{"1", "2", "3", "1-0", "2-1"}, i%500 == 0)
	}
	rulestest.Enough(t, sums, Anomalies())
}

// call adds a call to a history of calls one after the other.
func call(l *rulestest.Steps, f string, final bool, in, out history.Value) int {
	return l.Call(history.Op{F: f, Value: in, Final: final}, out)
}

// TestMutations breaks each rule in a history that is right.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	row := func(id int64) history.Value {
		return rulestest.Fields("id", id, "value", id, "epoch", (id+1)/2, "task", (id+1)/2, "attempt", int64(0))
	}
	list := history.List
	late := func(rows history.Value, ids ...int64) history.Value {
		return rulestest.Fields("records", rows, "late", history.Ints(ids...))
	}
	mutations := map[string]func(l *rulestest.Steps, c []int){
		Missing:   func(l *rulestest.Steps, c []int) { l.Out(c[6], list(row(1), row(2), row(3))) },
		Vanished:  func(l *rulestest.Steps, c []int) { l.Out(c[6], list(row(3), row(4))) },
		Duplicate: func(l *rulestest.Steps, c []int) { l.Out(c[6], list(row(1), row(2), row(3), row(4), row(4))) },
		Phantom: func(l *rulestest.Steps, c []int) {
			l.Out(c[6], list(row(1), row(2), row(3), row(4), rulestest.Fields("id", int64(9))))
		},
		Premature: func(l *rulestest.Steps, c []int) { l.Out(c[2], list(row(1), row(2), row(4))) },
		WrongValue: func(l *rulestest.Steps, c []int) {
			l.H.Ops[c[3]].Value = rulestest.Fields("id", int64(3), "value", int64(3), "expect", int64(7))
		},
		TornEpoch: func(l *rulestest.Steps, c []int) { l.Out(c[2], list(row(1))) },
		TwoAttempts: func(l *rulestest.Steps, c []int) {
			other := rulestest.Fields("id", int64(4), "value", int64(4), "epoch", int64(2), "task", int64(2), "attempt", int64(1))
			l.Out(c[6], list(row(1), row(2), row(3), other))
		},
		WronglyLate:        func(l *rulestest.Steps, c []int) { l.Out(c[6], late(list(row(1), row(2)), 3, 4)) },
		LateTwice:          func(l *rulestest.Steps, c []int) { l.Out(c[6], late(list(row(1), row(2), row(3), row(4)), 4)) },
		WatermarkRegressed: func(l *rulestest.Steps, c []int) { l.Out(c[7], history.Int(1)) },
	}
	for _, rule := range Anomalies() {
		for range 50 {
			l := &rulestest.Steps{}
			other := func() {
				for range rng.IntN(3) {
					call(l, "watermark", false, history.Nil, history.Int(2))
				}
			}
			in := func(id int64) int {
				v := rulestest.Fields("id", id, "value", id, "time", id+1)
				return call(l, "input", false, v, v)
			}
			c := []int{in(1), in(2)}
			other()
			c = append(c, call(l, "output", false, history.Nil, list(row(1), row(2))), in(3))
			c = append(c, in(4), call(l, "watermark", false, history.Nil, history.Int(2)))
			other()
			c = append(c, call(l, "output", true, history.Nil, list(row(1), row(2), row(3), row(4))), call(l, "watermark", false, history.Nil, history.Int(3)))
			r := rulestest.Broken(t, New(), &l.H, rule, Anomalies(), func() { mutations[rule](l, c) })
			rulestest.Alone(t, New(), &l.H, r, true)
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	row := rulestest.Fields("id", int64(1), "value", int64(1), "epoch", int64(1), "task", int64(1), "attempt", int64(1))
	hostile.Feed(t, New(), []string{"input", "output", "output", "watermark"}, []history.Value{row, history.List(row), history.List(row, row), history.List(), history.Int(3)})
}

func TestStops(t *testing.T) {
	t.Parallel()
	rulestest.Stops(t, newSim(rand.New(rand.NewPCG(1, 1)), 0).run(40), New())
}

func FuzzBatch(f *testing.F) {
	rulestest.Fuzz(f, func(t *testing.T, rng *rand.Rand) {
		h := newSim(rng, 1+rng.IntN(30)).run(40)
		rulestest.Confirm(t, h, New().Check(t.Context(), h))
	})
}

func BenchmarkBatch(b *testing.B) {
	l := &rulestest.Steps{}
	var rows []history.Value
	for i := range int64(200000) {
		v := rulestest.Fields("id", i, "value", i)
		call(l, "input", false, v, v)
		rows = append(rows, rulestest.Fields("id", i, "value", i, "epoch", i/100, "task", i/10, "attempt", int64(0)))
	}
	call(l, "output", true, history.Nil, history.List(rows...))
	for b.Loop() {
		if r := New().Check(b.Context(), &l.H); r.Verdict != checkers.OK {
			b.Fatal(r.Reason)
		}
	}
}
