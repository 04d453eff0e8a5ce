package linear

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// mutations corrupt a valid history in exactly one way, and say under which
// names that may be found. They report false where the history has no room.
var mutations = []struct {
	name  string
	names []string
	apply func(rng *rand.Rand, calls []history.Call) bool
}{
	{"read an overwritten value", []string{"stale-read", "lost-write", "resurrection", "split-brain"}, stale},
	{"read a value before its write", []string{"future-read"}, early},
	{"read a value that nobody wrote", []string{"thin-air-read"}, thinAir},
	{"fail a write that was read", []string{"dirty-read"}, dirty},
	{"replace a value twice", []string{"double-cas"}, twice},
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(6, 6))
			done := 0
			for done < 300 {
				h := random(rng, mix{calls: 60, processes: 4, unique: true, cas: true, honest: 1})
				if k := check(t, h, Zones); k.Verdict != checkers.OK {
					t.Fatalf("not valid before: %+v\n%s", k.Anomalies, show(h))
				}
				calls, _ := h.Calls()
				if !m.apply(rng, calls) {
					continue
				}
				done++
				k := check(t, h, Zones)
				if k.Verdict != checkers.Invalid {
					t.Fatalf("not found\n%s", show(h))
				}
				if !slices.Contains(m.names, k.Anomalies[0].Name) {
					t.Fatalf("found as %+v\n%s", k.Anomalies[0], show(h))
				}
				proves(t, h, k.Anomalies[0])
			}
		})
	}
}

// some returns a random one of the calls that hold.
func some(rng *rand.Rand, calls []history.Call, holds func(history.Call) bool) (history.Call, bool) {
	var list []history.Call
	for _, c := range calls {
		if c.Type() == history.OK && holds(c) {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return history.Call{}, false
	}
	return list[rng.IntN(len(list))], true
}

func is(f string) func(history.Call) bool {
	return func(c history.Call) bool { return c.Invoke.F == f }
}

func stale(rng *rand.Rand, calls []history.Call) bool {
	r, ok := some(rng, calls, is("read"))
	if !ok {
		return false
	}
	newer, ok := some(rng, calls, func(c history.Call) bool { return c.Invoke.F == "write" && c.Complete.Index < r.Invoke.Index })
	if !ok {
		return false
	}
	older, ok := some(rng, calls, func(c history.Call) bool { return c.Invoke.F == "write" && c.Complete.Index < newer.Invoke.Index })
	if ok {
		r.Complete.Value = older.Invoke.Value
	}
	return ok
}

func early(rng *rand.Rand, calls []history.Call) bool {
	r, _ := some(rng, calls[:len(calls)/2], is("read"))
	w, ok := some(rng, calls, func(c history.Call) bool {
		return c.Invoke.F == "write" && r.Complete != nil && r.Complete.Index < c.Invoke.Index
	})
	if ok {
		r.Complete.Value = w.Invoke.Value
	}
	return ok
}

func thinAir(rng *rand.Rand, calls []history.Call) bool {
	r, ok := some(rng, calls, is("read"))
	if ok {
		r.Complete.Value = history.String("what?")
	}
	return ok
}

func dirty(rng *rand.Rand, calls []history.Call) bool {
	w, ok := some(rng, calls, func(w history.Call) bool {
		return w.Invoke.F == "write" && slices.ContainsFunc(calls, func(c history.Call) bool {
			return c.Type() == history.OK && c.Invoke.F == "read" && c.Value().Equal(w.Invoke.Value)
		})
	})
	if ok {
		w.Complete.Type = history.Fail
	}
	return ok
}

// twice makes a compare-and-set find what another one found. Its own value must
// have no observers, or something else is wrong as well.
func twice(rng *rand.Rand, calls []history.Call) bool {
	a, _ := some(rng, calls, is("cas"))
	b, ok := some(rng, calls, func(c history.Call) bool {
		return a.Invoke != nil && c.Invoke.F == "cas" && c.Invoke.Index > a.Complete.Index
	})
	if ok {
		pair := history.List(a.Invoke.Value.Elems()[0], b.Invoke.Value.Elems()[1])
		b.Invoke.Value, b.Complete.Value = pair, pair
	}
	return ok
}

// hard is a history on which the search takes for ever: 30 writes that never
// came back, of values that were seen once, and at the end a read that comes too
// late. Values repeat, so that zones cannot help.
func hard() *history.History {
	g := &maker{}
	call := func(p history.Process, typ history.Type, f string, v int64) {
		g.record(history.Op{Process: p, Type: typ, F: f, Value: history.Int(v)})
	}
	for n := int64(0); n < 30; n++ {
		call(history.Process(100+n), history.Invoke, "write", n)
	}
	for n := int64(0); n < 200; n++ {
		for p := history.Process(0); p < 12; p++ {
			call(p, history.Invoke, []string{"write", "read"}[p%2], n%30)
		}
		for p := history.Process(0); p < 12; p++ {
			call(p, history.OK, []string{"write", "read"}[p%2], n%30)
		}
	}
	for n := int64(1000); n < 1002; n++ {
		call(0, history.Invoke, "write", n)
		call(0, history.OK, "write", n)
	}
	call(0, history.Invoke, "read", 1000)
	call(0, history.OK, "read", 1000)
	return &history.History{Ops: g.ops}
}

// crowded is 40 clients that add to a counter at the same time, and one that
// meanwhile reads a number that no subset of what they add comes to.
func crowded() *history.History {
	g := &maker{}
	call := func(p history.Process, typ history.Type, f string, v int64) {
		g.record(history.Op{Process: p, Type: typ, F: f, Value: history.Int(v)})
	}
	for _, typ := range []history.Type{history.Invoke, history.OK} {
		for n := int64(0); n < 40; n++ {
			call(history.Process(n), typ, "add", 2+1000*n*n)
		}
		if typ == history.Invoke {
			call(100, history.Invoke, "read", 0)
			call(100, history.OK, "read", 999)
		}
	}
	return &history.History{Ops: g.ops}
}

// TestBudget sees searches end with their time, and with their memory. It is not
// parallel to other tests, whose memory would count.
func TestBudget(t *testing.T) {
	for _, tc := range []struct {
		reason string
		opts   Options
		h      *history.History
	}{
		{"ran out of its time of 50ms", Options{Engine: Porcupine, Timeout: 50 * time.Millisecond}, hard()},
		{"ran out of its memory of 8 Mi", Options{Engine: Porcupine, Memory: 8 << 20}, hard()},
		{"ran out of its time of 50ms", Options{Model: Counter(), Timeout: 50 * time.Millisecond}, crowded()},
		{"ran out of its memory of 8 Mi", Options{Model: Counter(), Memory: 8 << 20}, crowded()},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			runtime.GC()
			start := time.Now()
			r := New(tc.opts).Check(t.Context(), tc.h)
			if r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, tc.reason) {
				t.Fatalf("%v %q %+v", r.Verdict, r.Reason, r.Anomalies)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}
