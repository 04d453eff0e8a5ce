package checkers_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/causal"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/health"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/checkers/perf"
	"github.com/ordeal-dev/ordeal/checkers/set"
	"github.com/ordeal-dev/ordeal/checkers/stats"
	"github.com/ordeal-dev/ordeal/checkers/worth"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// all returns every checker, with options as a run of the register workload has
// them.
func all() []checkers.Checker {
	return []checkers.Checker{
		linear.New(linear.Options{Workers: 1}), causal.New(), converge.New(converge.Options{}), health.New(), perf.New(), stats.New(),
		worth.New(worth.Default(), []string{"read", "write"}, []string{"partition"}), set.New(set.Options{}),
	}
}

// Of many anomalies some are shown, in their order, and one of each name.
func TestSome(t *testing.T) {
	t.Parallel()
	var all []checkers.Anomaly
	for i := range 3 * checkers.MaxAnomalies {
		name := "often"
		if i == 20 || i == 40 {
			name = []string{"once", "late"}[i/40]
		}
		all = append(all, checkers.Anomaly{Name: name, Ops: []int{i}})
	}
	if few := checkers.Some(all[:3]); len(few) != 3 {
		t.Errorf("of 3 there are %d", len(few))
	}
	some := checkers.Some(all)
	if len(some) != checkers.MaxAnomalies || some[len(some)-2].Name != "once" || some[len(some)-1].Name != "late" || some[3].Ops[0] != 3 {
		t.Errorf("%+v", some)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	if v := checkers.Merge(); v != checkers.OK {
		t.Errorf("the verdict of nothing is %v", v)
	}
	if v := checkers.Merge(checkers.Unknown, checkers.Invalid, checkers.HarnessError, checkers.OK); v != checkers.Invalid {
		t.Errorf("the worst is %v", v)
	}
	for v := checkers.OK; v <= checkers.Invalid; v++ {
		text, err := json.Marshal(v)
		var back checkers.Verdict
		if err != nil || json.Unmarshal(text, &back) != nil || back != v {
			t.Errorf("%v became %s, and that %v", v, text, back)
		}
	}
	if json.Unmarshal([]byte(`"fine"`), new(checkers.Verdict)) == nil {
		t.Error("there is no verdict fine")
	}
}

// TestCrash sees a checker that panics judged unknown, with the place.
func TestCrash(t *testing.T) {
	t.Parallel()
	c := checkers.New("broken", func(context.Context, *history.History) checkers.Result { panic("oh no") })
	r := checkers.Run(t.Context(), c, new(history.History))
	if r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, "broken crashed: oh no") || !strings.Contains(r.Reason, "checkers_test.go") {
		t.Errorf("%v %s", r.Verdict, r.Reason)
	}
}

// TestNothing shows empty and impossible histories to every checker: none may
// crash, and only those that look for other things may find nothing wrong.
func TestNothing(t *testing.T) {
	t.Parallel()
	invoke := history.Op{Type: history.Invoke, F: "read"}
	for name, h := range map[string]*history.History{
		"empty":           {},
		"twice invoked":   {Ops: []history.Op{invoke, {Index: 1, Type: history.Invoke, F: "read"}}},
		"never invoked":   {Ops: []history.Op{{Type: history.OK, F: "read"}}},
		"backward":        {Ops: []history.Op{{Index: 5, Type: history.Invoke, F: "read"}, {Index: 4, Type: history.OK, F: "read"}}},
		"only nemesis":    {Ops: []history.Op{{Process: history.Nemesis, Type: history.Info, F: history.FFault}}},
		"strange nemesis": {Ops: []history.Op{{Process: history.Nemesis, Type: history.Info, F: history.FReplicas, Value: history.Ints(1, 2, 3)}}},
	} {
		for _, c := range all() {
			r := checkers.Run(t.Context(), c, h)
			informs := c.Name() == health.Name || c.Name() == stats.Name || c.Name() == perf.Name
			if strings.Contains(r.Reason, "crashed") || r.Verdict == checkers.Invalid || r.Verdict == checkers.OK && !informs {
				t.Errorf("%s: %s says %v %s", name, c.Name(), r.Verdict, r.Reason)
			}
		}
	}
}

// TestPairing compares the pairing of calls with that of the history package, on
// random records that pair or do not.
func TestPairing(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	good := 0
	for range 20000 {
		h := new(history.History)
		open := make([]bool, 3)
		for i := range 1 + rng.IntN(12) {
			p := rng.IntN(4) - 1
			op := history.Op{Index: i, Process: history.Process(p), Type: history.Type(rng.IntN(4)), F: "read"}
			if p >= 0 {
				if rng.IntN(20) > 0 && open[p] == (op.Type == history.Invoke) {
					op.Type = (op.Type + 1) % 4
				}
				open[p] = op.Type == history.Invoke
			}
			h.Ops = append(h.Ops, op)
		}
		want, wrong := h.Calls()
		got, err := checkers.Paired(h)
		if (err == nil) != (wrong == nil) || !slices.Equal(got, want) {
			t.Fatalf("%v and %v, want %v and %v, of %v", got, err, want, wrong, h.Ops)
		}
		if err == nil {
			good++
		}
	}
	if good < 1000 {
		t.Errorf("only %d histories pair", good)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for ns, want := range map[int64]string{0: "0 ms", 12400000: "12.4 ms", 1234: "0.001 ms", 5e12: "5000000 ms"} {
		if got := checkers.Millis(ns); got != want {
			t.Errorf("%d ns is %s, want %s", ns, got, want)
		}
	}
	sorted := []int64{10, 20, 30, 40}
	for q, want := range map[float64]int64{0: 10, .25: 10, .5: 20, .51: 30, .99: 40, 1: 40} {
		if got := checkers.Quantile(sorted, q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if checkers.Quantile(nil, .5) != 0 {
		t.Error("quantile of nothing")
	}
}

// run is a history like that of the main job: 6,000 operations of 10 clients on
// 100 keys, with 12 windows of a partition and final reads through 5 nodes.
func run() *history.History {
	h := new(history.History)
	record := func(op history.Op) {
		op.Index, op.Time = len(h.Ops), int64(len(h.Ops))*5e6
		h.Ops = append(h.Ops, op)
	}
	window := func(id int64, step string) {
		record(history.Op{Process: history.Nemesis, Type: history.Info, F: history.FFault, Value: history.Map(
			history.String("id"), history.Int(id), history.String("kind"), history.String("partition"),
			history.String("step"), history.String(step), history.String("witness"), history.String("confirmed"),
			history.String("nodes"), history.List(history.String("n1")))})
	}
	nodes := []string{"n1", "n2", "n3", "n4", "n5"}
	var values [100]history.Value
	for n := range 6000 {
		if n%250 == 0 {
			window(int64(n/500), []string{"injected", "heal"}[n/250%2])
		}
		key := n * 31 % 100
		op := history.Op{Process: history.Process(n % 10), Node: nodes[n%5], Key: history.Int(int64(key)), Type: history.Invoke, F: "read", Value: history.Nil}
		if n%3 == 0 || values[key].IsAbsent() {
			op.F, op.Value = "write", history.Int(int64(n))
			values[key] = op.Value
		}
		record(op)
		op.Type, op.Value = history.OK, values[key]
		record(op)
	}
	for key, v := range values {
		for p, node := range nodes {
			op := history.Op{Process: history.Process(p), Node: node, Key: history.Int(int64(key)), F: "read", Value: history.Nil, Final: true}
			record(op)
			op.Type, op.Value = history.OK, v
			record(op)
		}
	}
	return h
}

// TestRun sees all checkers pass what they should.
func TestRun(t *testing.T) {
	t.Parallel()
	h := run()
	for _, c := range all() {
		if r := checkers.Run(t.Context(), c, h); r.Verdict != checkers.OK && c.Name() != set.Name {
			t.Errorf("%s: %v %s %+v", c.Name(), r.Verdict, r.Reason, r.Anomalies)
		}
	}
}

// BenchmarkAll judges a run of 6,000 operations with every checker, and with
// all of them together.
func BenchmarkAll(b *testing.B) {
	h := run()
	for _, c := range all() {
		b.Run(c.Name(), func(b *testing.B) {
			for b.Loop() {
				c.Check(b.Context(), h)
			}
		})
	}
	b.Run("together", func(b *testing.B) {
		for b.Loop() {
			for _, c := range all() {
				c.Check(b.Context(), h)
			}
		}
	})
}
