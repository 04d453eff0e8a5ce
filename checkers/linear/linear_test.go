package linear

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// check judges with one engine, has the certificate confirmed, and returns the
// report on the only key.
func check(t *testing.T, h *history.History, e Engine) KeyReport {
	t.Helper()
	r := Check(t.Context(), h, Options{Engine: e, Workers: 1})
	if len(r.Keys) != 1 {
		t.Fatalf("%d keys, reason %q", len(r.Keys), r.Reason)
	}
	confirm(t, h, r)
	return r.Keys[0]
}

// show writes a history for a failure message.
func show(h *history.History) string {
	var b strings.Builder
	for _, op := range h.Ops {
		fmt.Fprintf(&b, "%3d %v %-6v %s %v\n", op.Index, op.Process, op.Type, op.F, op.Value)
	}
	return b.String()
}

// TestAgainstDefinition compares both engines with brute force.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		mix    mix
		engine Engine
		n      int
	}{
		{"plain", mix{calls: 7, processes: 3, unique: true}, Zones, 15000},
		{"info", mix{calls: 7, processes: 3, unique: true, info: true, fail: true}, Zones, 15000},
		{"cas", mix{calls: 7, processes: 3, unique: true, cas: true}, Zones, 15000},
		{"cas and info", mix{calls: 8, processes: 4, unique: true, cas: true, info: true, fail: true}, Zones, 25000},
		{"repeated values", mix{calls: 7, processes: 3, values: 2, cas: true, info: true, fail: true}, Auto, 8000},
		{"forced search", mix{calls: 7, processes: 3, unique: true, cas: true, info: true}, Porcupine, 5000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			agree(t, tc.mix, tc.engine, fewer(tc.n))
		})
	}
}

func agree(t *testing.T, m mix, e Engine, n int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var count [2]int
	for range n {
		m.honest = []float64{.7, .9}[rng.IntN(2)]
		h := random(rng, m)
		k := check(t, h, e)
		if k.Verdict == checkers.Unknown && k.Judged == 0 {
			continue
		}
		if k.Verdict == checkers.Unknown {
			t.Fatalf("unknown: %s\n%s", k.Reason, show(h))
		}
		valid := brute(h)
		if valid != (k.Verdict == checkers.OK) {
			t.Fatalf("brute force says %v, %v says %v\n%s%+v", valid, e, k.Verdict, show(h), k.Anomalies)
		}
		if valid {
			count[1]++
			continue
		}
		count[0]++
		for _, a := range k.Anomalies {
			proves(t, h, a)
		}
	}
	t.Logf("%d invalid, %d valid", count[0], count[1])
	if min(count[0], count[1]) < n/20 {
		t.Errorf("one-sided: %d invalid, %d valid", count[0], count[1])
	}
}

// proves fails unless the operations of an anomaly are at most six, in order,
// and not linearizable by themselves.
func proves(t *testing.T, h *history.History, a checkers.Anomaly) {
	t.Helper()
	if a.Name == "" || a.Explanation == "" || len(a.Ops) == 0 || !slices.IsSorted(a.Ops) || len(slices.Compact(slices.Clone(a.Ops))) < len(a.Ops) {
		t.Fatalf("malformed: %+v\n%s", a, show(h))
	}
	if a.Name != "nonlinearizable" && len(a.Ops) > maxOps {
		t.Fatalf("%d operations: %+v\n%s", len(a.Ops), a, show(h))
	}
	if len(a.Ops) < maxOps && brute(only(h, a.Ops)) {
		t.Fatalf("the operations are linearizable: %+v\n%s", a, show(h))
	}
}

// only returns the part of a history that has some of its operations, named by
// the indices of their invocations.
func only(h *history.History, ops []int) *history.History {
	calls, err := h.Calls()
	if err != nil {
		panic(err)
	}
	part := new(history.History)
	for _, c := range calls {
		if slices.Contains(ops, c.Invoke.Index) {
			part.Ops = append(part.Ops, *c.Invoke)
			if c.Complete != nil {
				part.Ops = append(part.Ops, *c.Complete)
			}
		}
	}
	slices.SortFunc(part.Ops, func(a, b history.Op) int { return a.Index - b.Index })
	return part
}

// TestMinimalCore checks for reads and writes that nothing can be left out of
// an explanation: neither a read, nor a write together with its reads.
func TestMinimalCore(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	names := make(map[string]int)
	for range fewer(6000) {
		h := random(rng, mix{calls: 9, processes: 4, unique: true, info: true, fail: true, honest: .8})
		k := check(t, h, Zones)
		for _, a := range k.Anomalies {
			names[a.Name]++
			if a.Name != "dirty-read" && a.Name != "thin-air-read" {
				minimal(t, h, a)
			}
		}
	}
	t.Log(names)
}

func minimal(t *testing.T, h *history.History, a checkers.Anomaly) {
	t.Helper()
	calls, _ := only(h, a.Ops).Calls()
	for _, drop := range calls {
		var rest []int
		for _, c := range calls {
			reads := drop.Invoke.F == "write" && c.Invoke.F == "read" && c.Value().Equal(drop.Invoke.Value)
			if c.Invoke.Index != drop.Invoke.Index && !reads {
				rest = append(rest, c.Invoke.Index)
			}
		}
		if !brute(only(h, rest)) {
			t.Fatalf("%v would do: %+v\n%s", rest, a, show(only(h, a.Ops)))
		}
	}
}

// TestEnginesAgree compares the engines on histories too big for brute force.
func TestEnginesAgree(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range fewer(400) {
		h := random(rng, mix{calls: 20 + i%60, processes: 5, unique: true, cas: i%2 == 0, info: i%3 == 0, fail: true, honest: []float64{1, .99}[rng.IntN(2)]})
		zones, search := check(t, h, Zones), check(t, h, Porcupine)
		if zones.Verdict != search.Verdict {
			t.Fatalf("zones say %v, porcupine says %v\n%s", zones.Verdict, search.Verdict, show(h))
		}
		for _, a := range slices.Concat(zones.Anomalies, search.Anomalies) {
			proves(t, h, a)
		}
	}
}

// TestParallelIsDeterministic judges many keys with one worker and with several.
func TestParallelIsDeterministic(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	var h history.History
	for key := range 40 {
		part := random(rng, mix{calls: 30, processes: 4, unique: true, cas: true, info: true, honest: .98})
		for _, op := range part.Ops {
			op.Key, op.Index = history.Int(int64(key)), len(h.Ops)
			op.Process += history.Process(1000 * key)
			h.Ops = append(h.Ops, op)
		}
	}
	one := fmt.Sprint(Check(t.Context(), &h, Options{Workers: 1}))
	for range 5 {
		if many := fmt.Sprint(Check(t.Context(), &h, Options{Workers: 8})); many != one {
			t.Fatal("the report depends on the number of workers")
		}
	}
}

// TestStops sees a check end with its context.
func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h := random(rand.New(rand.NewPCG(5, 5)), mix{calls: 50, processes: 4, unique: true, honest: 1})
	if r := New(Options{}).Check(ctx, h); r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, "context canceled") {
		t.Fatalf("%v %q", r.Verdict, r.Reason)
	}
}
