package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/lease.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{Redelivery: d.HasArg("redelivery")})
	})
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
		fmt.Fprintln(&b, op.Index, op.Time/1e6, op.Process, op.Node, op.Type, op.F, op.Key, op.Value)
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

// sim is a lock, a message and a leader that three processes and two nodes use.
// With noise, some answers are wrong.
type sim struct {
	rng   *rand.Rand
	noise int
	h     history.History
	time  int64
	open  map[history.Process]*pending

	owner  [2]history.Process // of the lock and of the message, or -1
	until  [2]int64
	token  int64
	seen   int64 // the highest token of a write
	acked  bool
	serial int64 // the last token of the message
	had    map[history.Process]int64
	term   int64
	behind map[string]int64
}

type pending struct {
	op     history.Op
	effect func() (history.Type, history.Value)
}

func newSim(rng *rand.Rand, noise int) *sim {
	return &sim{rng: rng, noise: noise, open: map[history.Process]*pending{}, owner: [2]history.Process{-1, -1}, behind: map[string]int64{}, had: map[history.Process]int64{}}
}

func (s *sim) wrong() bool { return s.noise > 0 && s.rng.IntN(s.noise) == 0 }

func (s *sim) record(op history.Op) {
	s.time += int64(s.rng.IntN(4)) * 1e6
	op.Index, op.Time = len(s.h.Ops), s.time
	s.h.Ops = append(s.h.Ops, op)
}

// free reports whether somebody else can have the lock or the message.
func (s *sim) free(which int) bool { return s.owner[which] < 0 || s.time >= s.until[which] }

const forever = 1 << 60

func (s *sim) take(which int, p history.Process, ttl int64) bool {
	if !s.free(which) && !s.wrong() {
		return false
	}
	s.owner[which], s.until[which] = p, forever
	if ttl > 0 {
		s.until[which] = s.time + ttl*1e6
	}
	return true
}

func (s *sim) run(steps int) *history.History {
	for range steps {
		p := history.Process(s.rng.IntN(3))
		if s.open[p] != nil {
			s.finish(p)
			continue
		}
		op := history.Op{Process: p, Node: []string{"n1", "n2"}[s.rng.IntN(2)]}
		s.choose(&op)
	}
	return &s.h
}

func (s *sim) finish(p history.Process) {
	o := s.open[p]
	delete(s.open, p)
	op := o.op
	if op.Type, op.Value = o.effect(); s.rng.IntN(10) == 0 {
		op.Type, op.Value = history.Info, o.op.Value
	}
	s.record(op)
}

func (s *sim) choose(op *history.Op) {
	p, ttl := op.Process, int64(s.rng.IntN(3))*8
	limit := func(name string, more ...any) history.Value {
		if ttl > 0 {
			more = append(more, name, ttl)
		}
		return fields(more...)
	}
	message := fields("message", "m")
	var effect func() (history.Type, history.Value)
	switch s.rng.IntN(9) {
	case 0, 1:
		op.F, op.Key = "acquire", history.String("k")
		effect = func() (history.Type, history.Value) {
			if s.owner[0] == p {
				s.owner[0] = -1
			}
			if !s.take(0, p, ttl) {
				return history.Fail, history.Nil
			}
			if s.token++; s.wrong() {
				s.token -= 1 + int64(s.rng.IntN(2))
			}
			return history.OK, limit("ttl", "token", s.token)
		}
	case 2:
		op.F, op.Key = []string{"release", "renew"}[s.rng.IntN(2)], history.String("k")
		f := op.F
		effect = func() (history.Type, history.Value) {
			switch {
			case s.owner[0] != p || s.time >= s.until[0]:
				return history.Fail, history.Nil
			case f == "release":
				s.owner[0] = -1
			case s.until[0] < forever && ttl > 0:
				s.until[0] = max(s.until[0], s.time+ttl*1e6)
			case s.until[0] < forever:
				return history.Fail, history.Nil
			}
			return history.OK, limit("ttl")
		}
	case 3, 4:
		op.F, op.Key = "receive", history.String("q")
		if ttl == 0 {
			ttl = 4
		}
		effect = func() (history.Type, history.Value) {
			if s.acked && !s.wrong() || !s.take(1, p, ttl) {
				return history.OK, history.Nil
			}
			if s.serial++; s.wrong() {
				s.serial -= 1 + int64(s.rng.IntN(2))
			}
			s.had[p] = s.serial
			return history.OK, limit("visibility", "message", "m", "token", s.serial)
		}
	case 5:
		op.F, op.Key, op.Value = []string{"ack", "nack", "extend"}[s.rng.IntN(3)], history.String("q"), message
		if s.had[p] > 0 {
			op.Value = fields("message", "m", "token", s.had[p])
		}
		f, message := op.F, op.Value
		effect = func() (history.Type, history.Value) {
			switch {
			case f == "extend" && ttl == 0:
				return history.Fail, message
			case (s.owner[1] != p || s.time >= s.until[1]) && !s.wrong():
				return history.Fail, message
			case f == "extend":
				s.until[1] = max(s.until[1], s.time+ttl*1e6)
				return history.OK, limit("visibility")
			}
			s.acked = s.acked || f == "ack"
			s.owner[1] = -1
			return history.OK, message
		}
	case 6:
		t := max(0, s.token-int64(s.rng.IntN(2)))
		op.F, op.Key, op.Value = "write", history.String("k"), fields("token", t)
		effect = func() (history.Type, history.Value) {
			if t < s.seen && !s.wrong() {
				return history.Fail, history.Nil
			}
			s.seen = max(s.seen, t)
			return history.OK, history.Nil
		}
	default:
		op.F = "leader"
		node := op.Node
		effect = func() (history.Type, history.Value) {
			if s.rng.IntN(4) == 0 {
				s.term++
			}
			s.behind[node] += int64(s.rng.IntN(int(s.term-s.behind[node]) + 1))
			said := s.behind[node]
			if s.wrong() {
				said--
			}
			who := history.String(fmt.Sprint("n", said%3))
			if s.wrong() {
				who = history.Nil
			}
			if s.wrong() {
				who = history.String("n7")
			}
			return history.OK, fields("term", said, "leader", who)
		}
	}
	s.open[p] = &pending{*op, effect}
	s.record(*op)
}

// byDefinition looks at all pairs of calls.
func byDefinition(h *history.History, opts Options) map[string]bool {
	calls, _ := h.Calls()
	broken := map[string]bool{}
	thing := func(c history.Call) string {
		m := c.Invoke.Value.Get("message")
		if c.Invoke.F == "receive" {
			m = c.Value().Get("message")
		}
		return fmt.Sprint(c.Invoke.Key, m)
	}
	got := func(c history.Call) bool {
		return c.Type() == history.OK && (c.Invoke.F == "acquire" || c.Invoke.F == "receive" && !c.Complete.Value.IsNil())
	}
	ttl := func(c history.Call) int64 {
		a, _ := c.Complete.Value.Get("ttl").Int()
		b, _ := c.Complete.Value.Get("visibility").Int()
		return a + b
	}
	// holds reports whether c certainly holds what it got at a record.
	holds := func(c history.Call, at *history.Op) bool {
		end, given := int64(forever), ttl(c)
		if given > 0 {
			end = c.Invoke.Time + given*1e6 - opts.Drift.Nanoseconds()
		}
		for _, d := range calls {
			if d.Invoke.Process != c.Invoke.Process || d.Invoke.Index <= c.Invoke.Index {
				continue
			}
			f := d.Invoke.F
			if f == "receive" && !got(d) || thing(d) != thing(c) {
				continue
			}
			switch {
			case f == "release" || f == "ack" || f == "nack" || f == "acquire" || f == "receive":
				return at.Index < d.Invoke.Index && at.Time < end
			case (f == "renew" || f == "extend") && d.Type() == history.OK && given > 0 && d.Invoke.Time < end:
				n := given
				if ttl(d) > 0 {
					n = ttl(d)
				}
				if longer := d.Invoke.Time + n*1e6 - opts.Drift.Nanoseconds(); longer > end {
					end, given = longer, n
				}
			}
		}
		return at.Time < end
	}
	for _, c := range calls {
		for _, d := range calls {
			if c.Type() != history.OK || d.Type() != history.OK || c.Invoke == d.Invoke {
				continue
			}
			before := c.Complete.Index < d.Invoke.Index
			v, w := c.Complete.Value, d.Complete.Value
			if got(c) && got(d) && thing(c) == thing(d) {
				if c.Complete.Index < d.Complete.Index && holds(c, c.Complete) && holds(c, d.Complete) && holds(d, d.Complete) {
					broken[Overlap] = true
				}
				a, ok1 := v.Get("token").Int()
				b, ok2 := w.Get("token").Int()
				if ok1 && ok2 && a == b {
					broken[TokenReused] = true
				}
				if ok1 && ok2 && before && a > b {
					broken[TokenRegressed] = true
				}
			}
			f, g := c.Invoke.F, d.Invoke.F
			a, _ := c.Invoke.Value.Get("token").Int()
			b, _ := d.Invoke.Value.Get("token").Int()
			if f == "write" && g == "write" && before && a > b {
				broken[StaleWrite] = true
			}
			if got(c) && before && (g == "ack" || g == "nack" || g == "extend") && thing(c) == thing(d) {
				a, ok1 := v.Get("token").Int()
				b, ok2 := d.Invoke.Value.Get("token").Int()
				broken[StaleAck] = broken[StaleAck] || ok1 && ok2 && a > b
			}
			if f == "ack" && got(d) && thing(c) == thing(d) && before && !opts.Redelivery {
				broken[AckedAgain] = true
			}
			if f != "leader" || g != "leader" {
				continue
			}
			if term(op{Call: c}) == term(op{Call: d}) && !v.Get("leader").IsNil() && !w.Get("leader").IsNil() && !v.Get("leader").Equal(w.Get("leader")) {
				broken[TwoLeaders] = true
			}
			if before && c.Invoke.Node == d.Invoke.Node && term(op{Call: c}) > term(op{Call: d}) {
				broken[TermRegressed] = true
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
		h := newSim(rng, []int{0, 30, 8}[i%3]).run(6 + rng.IntN(24))
		opts := Options{Drift: time.Duration(rng.IntN(3)) * time.Millisecond, Redelivery: rng.IntN(2) == 0}
		r := New(opts).Check(t.Context(), h)
		report, err := Check(t.Context(), h, opts)
		if err != nil {
			t.Fatal(err)
		}
		want := byDefinition(h, opts)
		for _, rule := range Anomalies() {
			sums[rule] += min(1, report.Broken[rule])
			if got := report.Broken[rule] > 0; got != want[rule] {
				t.Fatalf("%s: we say %v, want %v, %+v\n%s", rule, got, want[rule], opts, show(h))
			}
		}
		if i%3 == 0 && r.Verdict == checkers.Invalid {
			t.Fatalf("%+v\n%s", r.Anomalies, show(h))
		}
		if i%500 == 0 && r.Verdict != checkers.Unknown {
			rulestest.Refuse(t, h, r, Anomalies())
			rulestest.MadeUp(t, rng, h, r, Anomalies(), []string{""})
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

// calls makes a history of calls one after the other, 2 ms each.
type calls struct{ h history.History }

func (l *calls) call(p int, f, key string, in, out history.Value) int {
	op := history.Op{Index: len(l.h.Ops), Time: int64(len(l.h.Ops)) * 1e6, Process: history.Process(p), F: f, Key: history.String(key), Value: in, Node: "n1"}
	l.h.Ops = append(l.h.Ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, history.OK, out
	l.h.Ops = append(l.h.Ops, op)
	return op.Index - 1
}

// TestMutations breaks each rule in a history that is right, at a random place of it.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	mutations := map[string]func(l *calls, c []int){
		Overlap:        func(l *calls, c []int) { l.h.Ops[c[2]].F, l.h.Ops[c[2]+1].F = "noop", "noop" },
		TokenReused:    func(l *calls, c []int) { l.h.Ops[c[3]+1].Value = fields("token", int64(1)) },
		TokenRegressed: func(l *calls, c []int) { l.h.Ops[c[3]+1].Value = fields("token", int64(0)) },
		StaleWrite:     func(l *calls, c []int) { l.h.Ops[c[4]].Value = fields("token", int64(0)) },
		StaleAck: func(l *calls, c []int) {
			l.h.Ops[c[5]+1].Value = fields("message", "m1", "visibility", int64(50), "token", int64(2))
		},
		AckedAgain: func(l *calls, c []int) { l.h.Ops[c[7]+1].Value = fields("message", "m1", "visibility", int64(50)) },
		TwoLeaders: func(l *calls, c []int) {
			l.h.Ops[c[9]+1].Value = fields("term", int64(1), "leader", "n2")
		},
		TermRegressed: func(l *calls, c []int) { l.h.Ops[c[9]+1].Value = fields("term", int64(0), "leader", "n2") },
	}
	for _, rule := range Anomalies() {
		for range 100 {
			l := &calls{}
			other := func() {
				for i := range rng.IntN(3) {
					l.call(5, "acquire", fmt.Sprint("other", i), history.Nil, history.Nil)
				}
			}
			c := []int{l.call(1, "acquire", "k", history.Nil, fields("token", int64(1)))}
			other()
			c = append(c, l.call(1, "write", "k", fields("token", int64(1)), history.Nil), l.call(1, "release", "k", history.Nil, history.Nil))
			other()
			c = append(c, l.call(2, "acquire", "k", history.Nil, fields("token", int64(2))), l.call(2, "write", "k", fields("token", int64(2)), history.Nil))
			c = append(c, l.call(1, "receive", "q", history.Nil, fields("message", "m1", "visibility", int64(50), "token", int64(1))), l.call(1, "ack", "q", fields("message", "m1", "token", int64(1)), history.Nil))
			other()
			c = append(c, l.call(2, "receive", "q", history.Nil, fields("message", "m2", "visibility", int64(50))))
			c = append(c, l.call(2, "leader", "", history.Nil, fields("term", int64(1), "leader", "n1")), l.call(2, "leader", "", history.Nil, fields("term", int64(2), "leader", "n2")))
			if r := New(Options{}).Check(t.Context(), &l.h); r.Verdict != checkers.OK {
				t.Fatalf("flagged before: %+v\n%s", r.Anomalies, show(&l.h))
			}
			mutations[rule](l, c)
			r := New(Options{}).Check(t.Context(), &l.h)
			if !slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == rule }) {
				t.Fatalf("%s: %+v\n%s", rule, r, show(&l.h))
			}
			rulestest.Refuse(t, &l.h, r, Anomalies())
			core(t, &l.h, r)
		}
	}
}

// core sees that the two operations of an anomaly show it alone, but for what
// gives back what was held.
func core(t *testing.T, h *history.History, r checkers.Result) {
	t.Helper()
	for _, a := range r.Anomalies {
		small := &history.History{}
		for i := 0; i < len(h.Ops); i += 2 {
			if slices.Contains(a.Ops, i) {
				for _, op := range h.Ops[i : i+2] {
					op.Index = len(small.Ops)
					small.Ops = append(small.Ops, op)
				}
			}
		}
		again := New(Options{}).Check(t.Context(), small)
		if !slices.ContainsFunc(again.Anomalies, func(b checkers.Anomaly) bool { return a.Name == b.Name }) {
			t.Fatalf("%+v is not there alone: %+v", a, again)
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, New(Options{}), []string{"acquire", "acquire", "write", "release"}, []history.Value{fields("token", int64(1)), fields("token", int64(2), "ttl", int64(1)), history.Nil})
	hostile.Feed(t, New(Options{}), []string{"receive", "ack", "leader"}, []history.Value{fields("message", "m", "term", int64(1), "leader", "a"), fields("message", "m", "term", int64(1), "leader", "b")})
}

func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := newSim(rand.New(rand.NewPCG(1, 1)), 0).run(40)
	if r := New(Options{}).Check(ctx, h); r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, "stopped") {
		t.Errorf("%v %s", r.Verdict, r.Reason)
	}
}

func FuzzLease(f *testing.F) {
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
		rulestest.Confirm(t, h, New(Options{Drift: time.Duration(rng.IntN(3)) * time.Millisecond}).Check(t.Context(), h))
	})
}

func BenchmarkLease(b *testing.B) {
	h := newSim(rand.New(rand.NewPCG(1, 1)), 0).run(1000000)
	for b.Loop() {
		if r := New(Options{}).Check(b.Context(), h); r.Verdict != checkers.OK {
			b.Fatal(r.Reason, r.Anomalies)
		}
	}
}
