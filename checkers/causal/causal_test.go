package causal

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/causal.txt", func(*datadriven.TestData) checkers.Checker { return New() })
}

// random makes a history of writes and reads of few keys, in which reads find
// anything that was written before, and final reads find anything at all.
func random(rng *rand.Rand, calls int) *history.History {
	h := new(history.History)
	add := func(p history.Process, typ history.Type, f string, key int64, v history.Value, final bool) {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: p, Type: typ, F: f,
			Key: history.Int(key), Value: v, Final: final})
	}
	const keys = 2
	var written [keys][]int64
	next, crashes := int64(0), history.Process(0)
	for range calls {
		p, key := history.Process(rng.IntN(3))+3*crashes, int64(rng.IntN(keys))
		if n := len(written[key]); n > 0 && rng.IntN(2) == 0 {
			add(p, history.Invoke, "read", key, history.Nil, false)
			add(p, history.OK, "read", key, history.Int(written[key][rng.IntN(n)]), false)
			continue
		}
		next++
		written[key] = append(written[key], next)
		add(p, history.Invoke, "write", key, history.Int(next), false)
		typ := history.OK
		if rng.IntN(5) == 0 {
			typ = history.Info
		}
		add(p, typ, "write", key, history.Int(next), false)
		if typ == history.Info {
			crashes++
		}
	}
	for key := range int64(keys) {
		if n := len(written[key]); n > 0 {
			add(1000, history.Invoke, "read", key, history.Nil, true)
			add(1000, history.OK, "read", key, history.Int(written[key][rng.IntN(n)]), true)
		}
	}
	return h
}

// closure judges by the definition: it closes the steps transitively and looks
// at every pair of writes.
func closure(h *history.History) map[string]bool {
	calls, _ := h.Calls()
	before := make([][]bool, len(calls))
	for i, a := range calls {
		before[i] = make([]bool, len(calls))
		for j, b := range calls {
			session := a.Invoke.Process == b.Invoke.Process && i < j
			reads := a.Invoke.F == "write" && b.Invoke.F == "read" && a.Invoke.Value.Equal(b.Value())
			before[i][j] = session || reads
		}
	}
	for k := range calls {
		for i := range calls {
			for j := range calls {
				before[i][j] = before[i][j] || before[i][k] && before[k][j]
			}
		}
	}
	lost := make(map[string]bool)
	for i, f := range calls {
		for j, w := range calls {
			for _, r := range calls {
				if r.Invoke.Final && r.Value().Equal(f.Invoke.Value) && f.Invoke.F == "write" && w.Invoke.F == "write" &&
					w.Type() == history.OK && w.Invoke.Key.Equal(f.Invoke.Key) && i != j && before[i][j] {
					lost[f.Invoke.Key.String()] = true
				}
			}
		}
	}
	return lost
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	var count [3]int
	for range 4000 {
		h := random(rng, 4+rng.IntN(14))
		r, err := Check(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		want := closure(h)
		if len(want) != r.Lost || r.Foreign > 0 {
			t.Fatalf("lost keys %v, found %+v in\n%v", want, r.Anomalies, h.Ops)
		}
		for _, a := range r.Anomalies {
			if !want[a.Key] {
				t.Fatalf("key %s is fine: %+v", a.Key, a)
			}
			proves(t, h, a)
		}
		count[r.Lost]++
	}
	t.Logf("keys lost: %v", count)
}

// proves fails unless the operations of an anomaly are enough to show it.
func proves(t *testing.T, h *history.History, a checkers.Anomaly) {
	t.Helper()
	part := new(history.History)
	calls, _ := h.Calls()
	for _, c := range calls {
		if slices.Contains(a.Ops, c.Invoke.Index) {
			part.Ops = append(part.Ops, *c.Invoke, *c.Complete)
		}
	}
	for _, op := range a.Ops {
		if !slices.IsSorted(a.Ops) || len(closure(part)) != 1 {
			t.Fatalf("%+v does not prove it", a)
		}
		var rest history.History
		for i := 0; i < len(part.Ops); i += 2 {
			if part.Ops[i].Index != op {
				rest.Ops = append(rest.Ops, part.Ops[i], part.Ops[i+1])
			}
		}
		if len(closure(&rest)) > 0 {
			t.Fatalf("%+v does not need %d", a, op)
		}
	}
}

// TestManyWinners judges more winners than fit into one word.
func TestManyWinners(t *testing.T) {
	t.Parallel()
	h := new(history.History)
	add := func(p history.Process, typ history.Type, f string, key, v int64, final bool) {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Process: p, Type: typ, F: f, Key: history.Int(key), Value: history.Int(v), Final: final})
	}
	const keys = 200
	for v := range int64(2) {
		for key := range int64(keys) {
			add(history.Process(key%7), history.Invoke, "write", key, v, false)
			add(history.Process(key%7), history.OK, "write", key, v, false)
		}
	}
	for key := range int64(keys) {
		add(9, history.Invoke, "read", key, 0, true)
		add(9, history.OK, "read", key, (key+1)%2, true)
	}
	r, err := Check(t.Context(), h)
	if err != nil || r.Lost != keys/2 || r.Judged != keys || len(r.Anomalies) != checkers.MaxAnomalies {
		t.Fatalf("%d lost of %d, want %d: %v", r.Lost, r.Judged, keys/2, err)
	}
}
