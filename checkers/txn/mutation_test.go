package txn

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// sketch builds a history of transactions one after the other, each by a process
// of its own; rows are steps such as {"r", key, value}.
func sketch(txns ...[][3]any) *history.History {
	var ops []history.Op
	for i, rows := range txns {
		var steps []history.Value
		for _, r := range rows {
			steps = append(steps, history.List(history.String(r[0].(string)), history.String(r[1].(string)), value(r[2])))
		}
		for _, typ := range []history.Type{history.Invoke, history.OK} {
			ops = append(ops, history.Op{Type: typ, Process: history.Process(i), F: "txn", Value: history.List(steps...)})
		}
	}
	return concurrent(ops)
}

// concurrent puts all invocations before all completions.
func concurrent(ops []history.Op) *history.History {
	slices.SortStableFunc(ops, func(a, b history.Op) int { return min(1, int(a.Type)) - min(1, int(b.Type)) })
	for i := range ops {
		ops[i].Index, ops[i].Time = i, int64(i)*1e6
	}
	return &history.History{Ops: ops}
}

func value(v any) history.Value {
	switch v := v.(type) {
	case int:
		return history.Int(int64(v))
	case []int64:
		return history.Ints(v...)
	case history.Value:
		return v
	default:
		return history.Nil
	}
}

// planted are the anomalies, each as transactions that nothing else is wrong
// with. The keys are of their own, so they can be put into any history.
var planted = []struct {
	name string
	txns [][][3]any
}{
	{"G0", [][][3]any{{{"append", "x", 1}, {"append", "y", 1}}, {{"append", "x", 2}, {"append", "y", 2}}, {{"r", "x", []int64{1, 2}}, {"r", "y", []int64{2, 1}}}}},
	{"G1c", [][][3]any{{{"append", "x", 1}, {"r", "y", []int64{1}}}, {{"append", "y", 1}, {"r", "x", []int64{1}}}}},
	{"G-single-item", [][][3]any{{{"append", "x", 1}, {"append", "y", 1}}, {{"r", "x", []int64{1}}, {"r", "y", nil}}}},
	{"G-nonadjacent-item", [][][3]any{{{"append", "x", 1}}, {{"append", "y", 1}}, {{"r", "x", []int64{1}}, {"r", "y", nil}}, {{"r", "x", nil}, {"r", "y", []int64{1}}}}},
	{"G2-item", [][][3]any{{{"r", "x", nil}, {"append", "y", 1}}, {{"r", "y", nil}, {"append", "x", 1}}}},
	{"lost-update", [][][3]any{{{"r", "x", nil}, {"append", "x", 1}}, {{"r", "x", nil}, {"append", "x", 2}}}},
	{"internal", [][][3]any{{{"append", "x", 1}, {"r", "x", nil}}}},
	{"future-read", [][][3]any{{{"r", "x", []int64{1}}, {"append", "x", 1}}}},
	{"G1b", [][][3]any{{{"append", "x", 1}, {"append", "x", 2}}, {{"r", "x", []int64{1}}}}},
	{"duplicate-elements", [][][3]any{{{"append", "x", 1}}, {{"r", "x", []int64{1, 1}}}}},
	{"incompatible-order", [][][3]any{{{"append", "x", 1}}, {{"append", "x", 2}}, {{"r", "x", []int64{1, 2}}}, {{"r", "x", []int64{2, 1}}}}},
	{"thin-air-read", [][][3]any{{{"r", "x", []int64{9}}}}},
}

// TestPlanted plants each anomaly into histories that nothing is wrong with.
func TestPlanted(t *testing.T) {
	t.Parallel()
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(6, 6))
			for range 20 {
				h := random(rng, mix{workload: ListAppend, txns: 40, clients: 4, steps: 4, keys: 4, writes: 10, info: 0.1, fail: 0.1})
				if r := Check(t.Context(), h, Options{Process: true}); r.Verdict != checkers.OK || len(r.Count) > 0 {
					t.Fatalf("not valid before: %v\n%s", r.Anomalies, show(h))
				}
				r := Check(t.Context(), plant(rng, h, sketch(p.txns...)), Options{Models: []string{"strict-serializable"}})
				if r.Verdict != checkers.Invalid || r.Count[p.name] == 0 {
					t.Fatalf("not found: %v\n%s", r.Count, show(h))
				}
				if not, _ := levels.Boundary([]string{p.name}); !levels.Entailed(p.name).Has(keys(r.Count)...) || len(not) == 0 {
					t.Fatalf("found as %v\n%s", r.Count, show(h))
				}
			}
		})
	}
}

// plant puts the records of a history between those of another one.
func plant(rng *rand.Rand, h, seed *history.History) *history.History {
	ops := slices.Clone(h.Ops)
	at := rng.IntN(len(ops))
	for _, op := range seed.Ops {
		op.Process += 1000
		ops = slices.Insert(ops, at, op)
		at++
	}
	for i := range ops {
		ops[i].Index, ops[i].Time = i, int64(i)*1e6
	}
	return &history.History{Ops: ops}
}

// TestFailures turns a transaction whose writes were read and built upon into one
// that failed.
func TestFailures(t *testing.T) {
	t.Parallel()
	h := sketch([][3]any{{"append", "x", 1}}, [][3]any{{"append", "x", 2}}, [][3]any{{"r", "x", []int64{1, 2}}})
	for i := range h.Ops {
		if h.Ops[i].Type == history.OK && h.Ops[i].Process == 0 {
			h.Ops[i].Type = history.Fail
		}
	}
	r := Check(t.Context(), h, Options{})
	if r.Count["G1a"] != 1 || r.Count["dirty-update"] != 1 {
		t.Errorf("%v", r.Count)
	}
}

// TestOrders sees processes and real time matter only where they are asked for.
func TestOrders(t *testing.T) {
	t.Parallel()
	h := sketch([][3]any{{"append", "x", 1}}, [][3]any{{"r", "x", nil}})
	h.Ops[1], h.Ops[2] = h.Ops[2], h.Ops[1]
	for i := range h.Ops {
		h.Ops[i].Index, h.Ops[i].Process = i, 0
	}
	for model, want := range map[string]string{"serializable": "", "strong-session-serializable": "G-single-item-process", "strict-serializable": "G-single-item-realtime"} {
		r := Check(t.Context(), h, Options{Models: []string{model}})
		if got := keys(r.Count); want == "" && len(got) > 0 || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %v, want %s", model, got, want)
		}
	}
}

// TestHub sees that many readers before many writers cost a linear number of
// edges, and that none of them is lost or too many.
func TestHub(t *testing.T) {
	t.Parallel()
	var txns [][][3]any
	for i := range 400 {
		txns = append(txns, [][3]any{{"append", "x", i}}, [][3]any{{"r", "x", nil}})
	}
	h := sketch(txns...)
	r := Check(t.Context(), h, Options{})
	if r.Verdict != checkers.OK || r.Edges > 6*len(txns) {
		t.Errorf("%v, %d edges for %d transactions: %v", r.Verdict, r.Edges, len(txns), r.Count)
	}
	txns = append(txns, [][3]any{{"r", "x", nil}, {"append", "x", 1000}, {"append", "y", 1}}, [][3]any{{"r", "y", []int64{1}}, {"r", "x", nil}})
	r = Check(t.Context(), sketch(txns...), Options{})
	if r.Count["G-single-item"] != 1 || r.Count["lost-update"] != 0 {
		t.Errorf("%v", r.Count)
	}
}

// TestSoundRegisters sees that no verdict on registers is against a serial order
// that exists, whatever the options assume, as long as it is true.
func TestSoundRegisters(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	count := make(map[string]int)
	for i := range times(1200) {
		h := random(rng, mix{workload: RWRegister, txns: 2 + rng.IntN(5), clients: 3, steps: 3, keys: 1 + rng.IntN(3), writes: 100, info: 0.1, fail: 0.1})
		scramble(rng, h, []float64{0, 0.1, 0.3}[i%3])
		for _, opts := range []Options{
			{Workload: RWRegister, Models: []string{"serializable"}, WFRKeys: i%2 == 0},
			{Workload: RWRegister, WFRKeys: i%2 == 0, SequentialKeys: i%3 == 0, LinearizableKeys: i%5 < 3},
		} {
			r := Check(t.Context(), h, opts)
			count[r.Verdict.String()]++
			if r.Verdict == checkers.Invalid && serial(h, RWRegister, opts.Models == nil) {
				t.Fatalf("%+v: %v\n%s", opts, r.Anomalies, show(h))
			}
		}
	}
	t.Log(count)
}

// scramble makes some reads of registers return another value that was written.
func scramble(rng *rand.Rand, h *history.History, share float64) {
	written := make(map[string][]history.Value)
	for _, op := range h.Ops {
		for _, st := range op.Value.Elems() {
			if st.Elems()[0].Text() != "r" {
				written[st.Elems()[1].String()] = append(written[st.Elems()[1].String()], st.Elems()[2])
			}
		}
	}
	each(h, func(st []history.Value) history.Value {
		all := slices.Concat(written[st[1].String()], []history.Value{history.Nil})
		if st[0].Text() != "r" || rng.Float64() >= share {
			return history.List(st...)
		}
		return history.List(st[0], st[1], all[rng.IntN(len(all))])
	})
}

// linkedValue is a value of a linked register.
func linkedValue(v int64, previous history.Value) history.Value {
	return history.Map(history.Keyword("value"), history.Int(v), history.Keyword("previous"), previous)
}

// TestLinkedRegister sees the order that values name used.
func TestLinkedRegister(t *testing.T) {
	t.Parallel()
	one, two := linkedValue(1, history.Nil), linkedValue(2, history.Int(1))
	opts := Options{Workload: LinkedRegister, Models: []string{"serializable"}}
	skew := sketch([][3]any{{"w", "x", one}}, [][3]any{{"w", "x", two}, {"w", "y", one}}, [][3]any{{"r", "y", one}, {"r", "x", one}})
	if r := Check(t.Context(), skew, opts); r.Count["G-single-item"] != 1 {
		t.Errorf("%v %s", r.Count, r.Reason)
	}
	if r := Check(t.Context(), skew, Options{Workload: RWRegister, Models: opts.Models}); len(r.Count) > 0 {
		t.Errorf("without links nothing is known, but %v", r.Count)
	}
	fork := sketch([][3]any{{"w", "x", one}}, [][3]any{{"r", "x", one}, {"w", "x", two}}, [][3]any{{"r", "x", one}, {"w", "x", linkedValue(3, history.Int(1))}})
	if r := Check(t.Context(), fork, opts); r.Count["lost-update"] != 1 {
		t.Errorf("%v %s", r.Count, r.Reason)
	}
}

// TestNothing lists histories that nobody can judge.
func TestNothing(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*history.History{
		"twice":      sketch([][3]any{{"append", "x", 1}}, [][3]any{{"append", "x", 1}, {"r", "x", nil}}),
		"not a list": sketch([][3]any{{"r", "x", 7}}),
		"write":      sketch([][3]any{{"w", "x", 7}}),
		"empty":      {},
	} {
		r := New(Options{}).Check(t.Context(), h)
		if r.Verdict != checkers.Unknown || r.Reason == "" {
			t.Errorf("%s: %v %q %v", name, r.Verdict, r.Reason, r.Anomalies)
		}
	}
}

// TestImplied judges by models that forbid nothing that can be looked for.
func TestImplied(t *testing.T) {
	t.Parallel()
	for model, texts := range map[string][2]string{ // a history that keeps it, and one of which nobody knows
		"view-serializable":    {"0 0-1 ok w x 1; 0 2-3 ok r x []", "0 0-9 ok r x [], w y 1; 1 0-9 ok r y [], w x 1"},
		"sequential":           {"0 0-1 ok w x 1; 1 2-3 ok r x []", "0 0-1 ok w x 1; 0 2-3 ok r x []"},
		"session-serializable": {"0 0-1 ok w x 1; 1 2-3 ok r x []", "0 0-1 ok w x 1; 0 2-3 ok r x []"},
		"linearizable":         {"0 0-1 ok w x 1; 1 2-3 ok r x [1]", "0 0-1 ok w x 1; 1 2-3 ok r x []"},
	} {
		c := New(Options{Models: []string{model}})
		h := draft(t, ListAppend, texts[0])
		if r := c.Check(t.Context(), h); r.Verdict != checkers.OK || !certified(t, h, r) {
			t.Errorf("%s: %v %s", model, r.Verdict, r.Reason)
		}
		if r := c.Check(t.Context(), draft(t, ListAppend, texts[1])); r.Verdict != checkers.Unknown || len(r.Anomalies) > 0 {
			t.Errorf("%s: %v %v", model, r.Verdict, r.Anomalies)
		}
	}
}
