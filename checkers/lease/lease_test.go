package lease

import (
	"fmt"
	"math/rand/v2"
	"slices"
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

// sim is a lock, a message and a leader that three processes and two nodes use.
// With noise, some answers are wrong.
type sim struct {
	rulestest.Sim
	open map[history.Process]*rulestest.Pending

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

func newSim(rng *rand.Rand, noise int) *sim {
	return &sim{Sim: rulestest.Sim{RNG: rng, Noise: noise, Step: 4}, open: map[history.Process]*rulestest.Pending{}, owner: [2]history.Process{-1, -1}, behind: map[string]int64{}, had: map[history.Process]int64{}}
}

// free reports whether somebody else can have the lock or the message.
func (s *sim) free(which int) bool { return s.owner[which] < 0 || s.Time >= s.until[which] }

const forever = 1 << 60

func (s *sim) take(which int, p history.Process, ttl int64) bool {
	if !s.free(which) && !s.Wrong() {
		return false
	}
	s.owner[which], s.until[which] = p, forever
	if ttl > 0 {
		s.until[which] = s.Time + ttl*1e6
	}
	return true
}

func (s *sim) run(steps int) *history.History {
	for range steps {
		p := history.Process(s.RNG.IntN(3))
		if s.open[p] != nil {
			s.finish(p)
			continue
		}
		op := history.Op{Process: p, Node: []string{"n1", "n2"}[s.RNG.IntN(2)]}
		s.choose(&op)
	}
	return &s.H
}

func (s *sim) finish(p history.Process) {
	o := s.open[p]
	delete(s.open, p)
	op := o.Op
	if op.Type, op.Value = o.Effect(); s.RNG.IntN(10) == 0 {
		op.Type, op.Value = history.Info, o.Op.Value
	}
	s.Record(op)
}

func (s *sim) choose(op *history.Op) {
	p, ttl := op.Process, int64(s.RNG.IntN(3))*8
	limit := func(name string, more ...any) history.Value {
		if ttl > 0 {
			more = append(more, name, ttl)
		}
		return rulestest.Fields(more...)
	}
	message := rulestest.Fields("message", "m")
	var effect func() (history.Type, history.Value)
	switch s.RNG.IntN(12) {
	case 0, 1:
		op.F, op.Key = "acquire", history.String("k")
		effect = func() (history.Type, history.Value) {
			if s.owner[0] == p {
				s.owner[0] = -1
			}
			if !s.take(0, p, ttl) {
				return history.Fail, history.Nil
			}
			if s.token++; s.Wrong() {
				s.token -= 1 + int64(s.RNG.IntN(2))
			}
			return history.OK, limit("ttl", "token", s.token)
		}
	case 2:
		op.F, op.Key = []string{"release", "renew"}[s.RNG.IntN(2)], history.String("k")
		f := op.F
		effect = func() (history.Type, history.Value) {
			switch {
			case s.owner[0] != p || s.Time >= s.until[0]:
				return history.Fail, history.Nil
			case f == "release":
				s.owner[0] = -1
			case s.until[0] < forever && ttl > 0:
				s.until[0] = max(s.until[0], s.Time+ttl*1e6)
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
			if s.acked && !s.Wrong() || !s.take(1, p, ttl) {
				return history.OK, history.Nil
			}
			if s.serial++; s.Wrong() {
				s.serial -= 1 + int64(s.RNG.IntN(2))
			}
			s.had[p] = s.serial
			return history.OK, limit("visibility", "message", "m", "token", s.serial)
		}
	case 5, 9, 10, 11:
		op.F, op.Key, op.Value = []string{"ack", "nack", "extend"}[s.RNG.IntN(3)], history.String("q"), message
		if s.had[p] > 0 {
			op.Value = rulestest.Fields("message", "m", "token", s.had[p])
		}
		foreign := s.had[p] > 0 && s.RNG.IntN(8) == 0
		if foreign {
			op.Value = rulestest.Fields("message", "other", "token", s.had[p])
		}
		f, message := op.F, op.Value
		effect = func() (history.Type, history.Value) {
			switch {
			case foreign && !s.Wrong():
				return history.Fail, message
			case foreign:
				return history.OK, message
			case f == "extend" && ttl == 0:
				return history.Fail, message
			case (s.owner[1] != p || s.Time >= s.until[1]) && !s.Wrong():
				return history.Fail, message
			case f == "extend":
				s.until[1] = max(s.until[1], s.Time+ttl*1e6)
				return history.OK, limit("visibility")
			}
			s.acked = s.acked || f == "ack"
			s.owner[1] = -1
			return history.OK, message
		}
	case 6:
		t := max(0, s.token-int64(s.RNG.IntN(2)))
		op.F, op.Key, op.Value = "write", history.String("k"), rulestest.Fields("token", t)
		effect = func() (history.Type, history.Value) {
			if t < s.seen && !s.Wrong() {
				return history.Fail, history.Nil
			}
			s.seen = max(s.seen, t)
			return history.OK, history.Nil
		}
	default:
		op.F = "leader"
		node := op.Node
		effect = func() (history.Type, history.Value) {
			if s.RNG.IntN(4) == 0 {
				s.term++
			}
			s.behind[node] += int64(s.RNG.IntN(int(s.term-s.behind[node]) + 1))
			said := s.behind[node]
			if s.Wrong() {
				said--
			}
			who := history.String(fmt.Sprint("n", said%3))
			if s.Wrong() {
				who = history.Nil
			}
			if s.Wrong() {
				who = history.String("n7")
			}
			return history.OK, rulestest.Fields("term", said, "leader", who)
		}
	}
	s.open[p] = &rulestest.Pending{Op: *op, Effect: effect}
	s.Record(*op)
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
	of, shared := map[int64]string{}, false // the message that a token came with
	for _, c := range calls {
		if token, ok := c.Value().Get("token").Int(); ok && got(c) && c.Invoke.F == "receive" {
			shared = shared || of[token] != "" && of[token] != thing(c)
			of[token] = thing(c)
		}
	}
	receipt := func(c history.Call) bool {
		return slices.Contains([]string{"ack", "nack", "extend"}, c.Invoke.F) && !c.Invoke.Value.Get("token").IsNil()
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
			if before && receipt(d) && b > 0 && thing(c) == thing(d) && receipt(c) && a == b && (f == "nack" || f == "ack" && g != "ack") {
				broken[SpentAck] = true
			}
			if before && receipt(d) && f == "receive" && got(c) && thing(c) != thing(d) && !shared {
				token, ok := v.Get("token").Int()
				broken[ForeignAck] = broken[ForeignAck] || ok && token == b
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
	for i := range rulestest.Rounds() {
		h := newSim(rng, []int{0, 30, 8}[i%3]).run(6 + rng.IntN(24))
		opts := Options{Drift: time.Duration(rng.IntN(3)) * time.Millisecond, Redelivery: rng.IntN(2) == 0}
		r := New(opts).Check(t.Context(), h)
		report, err := Check(t.Context(), h, opts)
		if err != nil {
			t.Fatal(err)
		}
		rulestest.Same(t, h, report.Broken, byDefinition(h, opts), Anomalies(), sums, nil)
		if i%3 == 0 && r.Verdict == checkers.Invalid {
			t.Fatalf("%+v\n%s", r.Anomalies, rulestest.Show(h))
		}
		rulestest.Judged(t, rng, h, r, Anomalies(), []string{""}, i%500 == 0)
	}
	rulestest.Enough(t, sums, Anomalies())
}

// call adds a call to a history of calls one after the other.
func call(l *rulestest.Steps, p int, f, key string, in, out history.Value) int {
	return l.Call(history.Op{Process: history.Process(p), F: f, Key: history.String(key), Value: in, Node: "n1"}, out)
}

// TestMutations breaks each rule in a history that is right, at a random place of it.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	mutations := map[string]func(l *rulestest.Steps, c []int){
		Overlap:        func(l *rulestest.Steps, c []int) { l.H.Ops[c[2]].F, l.H.Ops[c[2]+1].F = "noop", "noop" },
		TokenReused:    func(l *rulestest.Steps, c []int) { l.H.Ops[c[3]+1].Value = rulestest.Fields("token", int64(1)) },
		TokenRegressed: func(l *rulestest.Steps, c []int) { l.H.Ops[c[3]+1].Value = rulestest.Fields("token", int64(0)) },
		StaleWrite:     func(l *rulestest.Steps, c []int) { l.H.Ops[c[4]].Value = rulestest.Fields("token", int64(0)) },
		StaleAck: func(l *rulestest.Steps, c []int) {
			l.H.Ops[c[5]+1].Value = rulestest.Fields("message", "m1", "visibility", int64(50), "token", int64(2))
		},
		SpentAck: func(l *rulestest.Steps, c []int) {
			l.H.Ops[c[6]].F, l.H.Ops[c[6]+1].F = "nack", "nack"
			l.H.Ops[c[8]].Value = rulestest.Fields("message", "m1", "token", int64(1))
		},
		ForeignAck: func(l *rulestest.Steps, c []int) {
			l.H.Ops[c[8]].Value = rulestest.Fields("message", "m2", "token", int64(1))
		},
		AckedAgain: func(l *rulestest.Steps, c []int) {
			l.H.Ops[c[7]+1].Value = rulestest.Fields("message", "m1", "visibility", int64(50))
		},
		TwoLeaders: func(l *rulestest.Steps, c []int) {
			l.H.Ops[c[10]+1].Value = rulestest.Fields("term", int64(1), "leader", "n2")
		},
		TermRegressed: func(l *rulestest.Steps, c []int) {
			l.H.Ops[c[10]+1].Value = rulestest.Fields("term", int64(0), "leader", "n2")
		},
	}
	for _, rule := range Anomalies() {
		for range 100 {
			l := &rulestest.Steps{}
			other := func() {
				for i := range rng.IntN(3) {
					call(l, 5, "acquire", fmt.Sprint("other", i), history.Nil, history.Nil)
				}
			}
			c := []int{call(l, 1, "acquire", "k", history.Nil, rulestest.Fields("token", int64(1)))}
			other()
			c = append(c, call(l, 1, "write", "k", rulestest.Fields("token", int64(1)), history.Nil), call(l, 1, "release", "k", history.Nil, history.Nil))
			other()
			c = append(c, call(l, 2, "acquire", "k", history.Nil, rulestest.Fields("token", int64(2))), call(l, 2, "write", "k", rulestest.Fields("token", int64(2)), history.Nil))
			c = append(c, call(l, 1, "receive", "q", history.Nil, rulestest.Fields("message", "m1", "visibility", int64(50), "token", int64(1))), call(l, 1, "ack", "q", rulestest.Fields("message", "m1", "token", int64(1)), history.Nil))
			other()
			c = append(c, call(l, 2, "receive", "q", history.Nil, rulestest.Fields("message", "m2", "visibility", int64(50))))
			c = append(c, call(l, 2, "ack", "q", rulestest.Fields("message", "m2", "token", int64(2)), history.Nil))
			c = append(c, call(l, 2, "leader", "", history.Nil, rulestest.Fields("term", int64(1), "leader", "n1")), call(l, 2, "leader", "", history.Nil, rulestest.Fields("term", int64(2), "leader", "n2")))
			r := rulestest.Broken(t, New(Options{}), &l.H, rule, Anomalies(), func() { mutations[rule](l, c) })
			rulestest.Alone(t, New(Options{}), &l.H, r, false) // without what gives back what was held
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, New(Options{}), []string{"acquire", "acquire", "write", "release"}, []history.Value{rulestest.Fields("token", int64(1)), rulestest.Fields("token", int64(2), "ttl", int64(1)), history.Nil})
	hostile.Feed(t, New(Options{}), []string{"receive", "ack", "leader"}, []history.Value{rulestest.Fields("message", "m", "term", int64(1), "leader", "a"), rulestest.Fields("message", "m", "term", int64(1), "leader", "b")})
}

func TestStops(t *testing.T) {
	t.Parallel()
	rulestest.Stops(t, newSim(rand.New(rand.NewPCG(1, 1)), 0).run(40), New(Options{}))
}

func FuzzLease(f *testing.F) {
	rulestest.Fuzz(f, func(t *testing.T, rng *rand.Rand) {
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
