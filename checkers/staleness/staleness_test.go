package staleness

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core/coretest"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

var names = []string{StaleRead, KStaleRead, MissedSLO, SlowRecovery}

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/staleness.txt", func(d *datadriven.TestData) checkers.Checker {
		if d.Cmd == "strong" {
			return NewStrong()
		}
		var opts Options
		duration := func(name string, into *time.Duration) {
			if d.HasArg(name) {
				var text string
				d.ScanArgs(t, name, &text)
				*into, _ = time.ParseDuration(text)
			}
		}
		duration("bound", &opts.Bound)
		duration("recovery", &opts.Recovery)
		if d.HasArg("k") {
			d.ScanArgs(t, "k", &opts.K)
		}
		if d.HasArg("slo") {
			var text string
			d.ScanArgs(t, "slo", &text)
			var err error
			if opts.SLO, err = ParseSLO(text); err != nil {
				d.Fatalf(t, "%v", err)
			}
		}
		opts.CalmOnly = d.HasArg("calm-only")
		return New(opts)
	})
}

// some makes up a small history of one or two registers. Reads return anything that
// was ever written, or nothing.
func some(rng *rand.Rand, most int, numbered bool) *history.History {
	h := new(history.History)
	open := map[history.Process]history.Op{}
	now, fresh := int64(0), int64(0)
	keys := 1 + rng.IntN(2)
	for range 2 + rng.IntN(most) {
		p := history.Process(rng.IntN(3))
		op, busy := open[p]
		now += int64(1 + rng.IntN(5))
		if !busy {
			op = history.Op{Process: p, F: []string{"read", "write"}[rng.IntN(2)], Key: history.Int(int64(rng.IntN(keys)))}
			if op.F == "write" {
				fresh++
				op.Value = history.Int(fresh)
			}
			open[p] = op
		} else {
			delete(open, p)
			op.Type = []history.Type{history.OK, history.OK, history.OK, history.OK, history.Fail, history.Info}[rng.IntN(6)]
			if op.F == "read" && op.Type == history.OK {
				if op.Value = history.Int(int64(rng.IntN(int(fresh) + 1))); op.Value.Equal(history.Int(0)) {
					op.Value = history.Nil
				}
			}
			if n, ok := op.Value.Int(); ok && numbered && op.Type == history.OK {
				op.Value = history.Map(history.String("version"), history.Int(n), history.String("value"), history.Int(7))
			}
		}
		op.Index, op.Time = len(h.Ops), now
		h.Ops = append(h.Ops, op)
	}
	return h
}

// faults puts a fault into a history, from one record to another.
func faults(rng *rand.Rand, h *history.History) {
	if rng.IntN(2) == 0 || len(h.Ops) < 4 {
		return
	}
	for _, step := range []string{"injected", "heal", "healed"} {
		at := rng.IntN(len(h.Ops))
		op := history.Op{Process: history.Nemesis, Type: history.Info, F: history.FFault, Time: h.Ops[at].Time,
			Value: history.Map(history.String("id"), history.Int(1), history.String("step"), history.String(step), history.String("kind"), history.String("partition"))}
		h.Ops = slices.Insert(h.Ops, at+1, op)
	}
	for i := range h.Ops {
		h.Ops[i].Index = i
	}
}

func option(rng *rand.Rand) Options {
	return Options{
		Bound: time.Duration(rng.IntN(3) * rng.IntN(12)), K: rng.IntN(2) * rng.IntN(4), Recovery: time.Duration(rng.IntN(2) * rng.IntN(10)),
		SLO: SLO{float64(rng.IntN(2)) * rng.Float64(), time.Duration(rng.IntN(5))}, CalmOnly: rng.IntN(2) == 0,
	}
}

// atomicBy searches all orders of the operations of one register, at the definition:
// reads begin earlier by shift, writes that are unknown may be anywhere after their
// beginning or nowhere.
func atomicBy(calls []history.Call, shift int64) bool {
	type step struct {
		from, to int64
		write    bool
		must     bool
		value    history.Value
	}
	var steps []step
	for _, c := range calls {
		s := step{from: c.Invoke.Time, to: never, write: c.Invoke.F == "write", must: c.Type() == history.OK, value: c.Value()}
		if c.Type() == history.Fail || !s.write && !s.must {
			continue
		}
		if s.must {
			s.to = c.Complete.Time
		}
		if !s.write {
			s.from -= shift
		}
		steps = append(steps, s)
	}
	var search func(done int, value history.Value) bool
	search = func(done int, value history.Value) bool {
		soonest, left := int64(never), false
		for i, s := range steps {
			if done&(1<<i) == 0 && s.must {
				soonest, left = min(soonest, s.to), true
			}
		}
		if !left {
			return true
		}
		for i, s := range steps {
			if done&(1<<i) != 0 || s.from > soonest || !s.write && !s.value.Equal(value) {
				continue
			}
			next := value
			if s.write {
				next = s.value
			}
			if search(done|1<<i, next) {
				return true
			}
		}
		return false
	}
	return search(0, history.Nil)
}

// TestDelta compares the least shift with a search through all orders, which must
// exist with it and not with one nanosecond less.
func TestDelta(t *testing.T) {
	t.Parallel()
	n := 100_000
	if testing.Short() {
		n = 2_000
	}
	rng := rand.New(rand.NewPCG(1, 2))
	stale := 0
	for range n {
		h := some(rng, 12, false)
		r, err := Check(h, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Unexplained > 0 {
			continue
		}
		calls, _ := h.Calls()
		byKey := map[int64][]history.Call{}
		for _, c := range calls {
			k, _ := c.Invoke.Key.Int()
			byKey[k] = append(byKey[k], c)
		}
		with, less := true, true
		for _, list := range byKey {
			with = with && atomicBy(list, r.Delta)
			less = less && atomicBy(list, r.Delta-1)
		}
		if !with || r.Delta > 0 && less {
			t.Fatalf("delta %d: with it %v, with less %v\n%v", r.Delta, with, less, h.Ops)
		}
		if r.Delta > 0 {
			stale++
		}
		if r.Age.Max > r.Delta {
			t.Fatalf("a read is %d old, but delta is %d\n%v", r.Age.Max, r.Delta, h.Ops)
		}
	}
	if stale < n/50 {
		t.Errorf("only %d histories were stale", stale)
	}
}

// TestAgainstVerifier compares the checker with the package verify, and damages some
// certificates.
func TestAgainstVerifier(t *testing.T) {
	t.Parallel()
	coretest.Agrees(t, names, 100, func(rng *rand.Rand, _ int) (*history.History, checkers.Checker, checkers.Result) {
		h := some(rng, 12, rng.IntN(3) == 0)
		faults(rng, h)
		c := New(option(rng))
		return h, c, c.Check(t.Context(), h)
	})
}

// fresh makes a history in which every read returns the newest write.
func fresh(rng *rand.Rand) *history.History {
	h := new(history.History)
	value := history.Nil
	for i := range 20 {
		op := history.Op{Process: history.Process(rng.IntN(3)), F: "read", Time: int64(i) * 1e6, Index: 2 * i, Value: history.Nil}
		if i%2 == 0 {
			op.F, value = "write", history.Int(int64(i+1))
			op.Value = value
		}
		h.Ops = append(h.Ops, op)
		op.Type, op.Index, op.Time, op.Value = history.OK, op.Index+1, op.Time+1e5, value
		h.Ops = append(h.Ops, op)
	}
	return h
}

// TestMutations makes a read of a valid history return an older value.
func TestMutations(t *testing.T) {
	t.Parallel()
	all := Options{Bound: time.Millisecond, K: 2, SLO: SLO{.95, time.Millisecond}}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		h := fresh(rng)
		r := New(all).Check(t.Context(), h)
		if coretest.Confirm(t, h, r); r.Verdict != checkers.OK {
			t.Fatalf("flagged before: %+v", r)
		}
		at := 15 + 4*rng.IntN(7) // the completion of a read after some writes
		back := 2 + rng.IntN(2)
		h.Ops[at].Value = h.Ops[at-4*back-2].Value
		r = New(all).Check(t.Context(), h)
		coretest.Confirm(t, h, r)
		coretest.Refuse(t, h, r, names)
		var got []string
		for _, a := range r.Anomalies {
			got = append(got, a.Name)
		}
		if slices.Sort(got); !slices.Equal(got, []string{KStaleRead, MissedSLO, StaleRead}) {
			t.Fatalf("%v\n%v", got, h.Ops)
		}
	}
}

func TestWilson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		count, n  int
		low, high float64
	}{{0, 0, 0, 1}, {5, 10, .2366, .7634}, {10, 10, .7225, 1}, {999, 1000, .9943, .9998}} {
		if low, high := Wilson(c.count, c.n); low < c.low-1e-4 || low > c.low+1e-4 || high < c.high-1e-4 || high > c.high+1e-4 {
			t.Errorf("%d of %d: %v to %v, want %v to %v", c.count, c.n, low, high, c.low, c.high)
		}
	}
}

func TestSLO(t *testing.T) {
	t.Parallel()
	if s, err := ParseSLO("0.999@500ms"); err != nil || s != (SLO{.999, 500 * time.Millisecond}) || s.String() != "0.999@500ms" {
		t.Error(s, err)
	}
	for _, bad := range []string{"", "0.9", "2@1s", "0@1s", "x@1s", "0.5@-1s", "0.5@x"} {
		if _, err := ParseSLO(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	version := func(n int64) history.Value { return history.Map(history.String("version"), history.Int(n)) }
	values := []history.Value{history.Nil, history.Ints(1, 4), version(1), version(2), version(3), version(4), version(5), version(6)}
	hostile.Feed(t, New(Options{Bound: 1, K: 1, SLO: SLO{.9, 1}}), []string{"read", "read", "read", "write", "cas"}, values)
	clock := func(n, state int64) history.Value {
		return history.Map(history.String("clock"), history.Map(history.String("a"), history.Int(n)), history.String("state"), history.Int(state))
	}
	hostile.Feed(t, NewStrong(), []string{"read"}, []history.Value{clock(1, 1), clock(1, 2)})
}

func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := New(Options{}).Check(ctx, fresh(rand.New(rand.NewPCG(1, 1)))); r.Verdict != checkers.Unknown {
		t.Error(r.Verdict)
	}
}

// TestStrong compares strong eventual consistency with its definition, pair by pair.
func TestStrong(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	found := map[checkers.Verdict]int{}
	for range 5_000 {
		h := replicas(rng)
		r := NewStrong().Check(t.Context(), h)
		coretest.Confirm(t, h, r)
		coretest.Refuse(t, h, r, []string{Diverged})
		want := checkers.Unknown
		for i := range h.Ops {
			for k := range i {
				a, b := h.Ops[i], h.Ops[k]
				if a.Type != history.OK || b.Type != history.OK {
					continue
				}
				want = max(want, checkers.Unknown)
				if a.Value.Get("clock").Equal(b.Value.Get("clock")) && !a.Value.Get("state").Equal(b.Value.Get("state")) {
					want = checkers.Invalid
				}
			}
			if h.Ops[i].Type == history.OK && want == checkers.Unknown {
				want = checkers.OK
			}
		}
		if r.Verdict != want {
			t.Fatalf("%v, want %v\n%v", r.Verdict, want, h.Ops)
		}
		found[want]++
	}
	if found[checkers.OK] == 0 || found[checkers.Invalid] == 0 {
		t.Error(found)
	}
}

// replicas makes up reads of replicas, with what they have taken in.
func replicas(rng *rand.Rand) *history.History {
	h := new(history.History)
	for i := range 1 + rng.IntN(5) {
		op := history.Op{Process: history.Process(i), F: "read", Index: 2 * i, Time: int64(i)}
		h.Ops = append(h.Ops, op)
		a, b := int64(rng.IntN(3)), int64(rng.IntN(2))
		state := history.Ints(a, b)
		if rng.IntN(8) == 0 {
			state = history.Ints(9)
		}
		op.Type, op.Index = []history.Type{history.OK, history.OK, history.Info}[rng.IntN(3)], op.Index+1
		op.Value = history.Map(history.String("clock"), history.Map(history.String("n1"), history.Int(a), history.String("n2"), history.Int(b)), history.String("state"), state)
		h.Ops = append(h.Ops, op)
	}
	return h
}

// FuzzCheck lets the checker measure histories that the fuzzer makes up, and verifies
// each certificate.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("old reads"), true)
	f.Add([]byte{0, 0, 0, 0}, false)
	f.Fuzz(func(t *testing.T, seed []byte, numbered bool) {
		rng := rand.New(coretest.NewTape(seed))
		h := some(rng, 40, numbered)
		faults(rng, h)
		coretest.Confirm(t, h, New(option(rng)).Check(t.Context(), h))
	})
}
