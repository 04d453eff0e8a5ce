package converge

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/confirm"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/converge.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{Unordered: d.HasArg("unordered")})
	})
}

// small makes a history of reads of two keys through three nodes, most of them final,
// and sometimes of what two nodes hold.
func small(choose confirm.Choose, calls int) *history.History {
	h := confirm.History(choose, calls, func() history.Op {
		op := history.Op{F: "read", Value: history.Nil, Final: choose(4) > 0, Node: []string{"", "n1", "n2"}[choose(3)]}
		if choose(3) == 0 {
			op.Key = history.String("k")
		}
		return op
	}, func(op history.Op) history.Op {
		op.Type, op.Value = choose.Outcome(), history.Ints([][]int64{{1, 2}, {1, 2}, {2, 1}, {1}}[choose(4)]...)
		return op
	})
	for range choose(5) / 3 {
		held := func() history.Value {
			return history.Map(history.String("s0"), history.Int(1), history.String("s1"), history.Int(int64(choose(2))))
		}
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Process: history.Nemesis, Type: history.Info, F: history.FReplicas,
			Value: history.Map(history.String("n1"), held(), history.String("n2"), held())})
	}
	return h
}

// same reports whether two reads agree.
func same(v, w history.Value, unordered bool) bool {
	if !unordered {
		return v.Equal(w)
	}
	subset := func(v, w history.Value) bool {
		return !slices.ContainsFunc(v.Elems(), func(e history.Value) bool { return !slices.ContainsFunc(w.Elems(), e.Equal) })
	}
	return subset(v, w) && subset(w, v)
}

// truth judges by the definition: it compares every two of the final reads that
// count, and what the two nodes hold.
func truth(unordered bool) func(h *history.History) checkers.Verdict {
	return func(h *history.History) checkers.Verdict {
		calls, _ := h.Calls()
		verdict := checkers.Unknown
		final := func(c history.Call) bool { return c.Invoke.Final && c.Type() == history.OK }
		counts := func(i int) bool {
			return final(calls[i]) && (calls[i].Invoke.Node == "" || !slices.ContainsFunc(calls[i+1:], func(c history.Call) bool {
				return final(c) && c.Invoke.Node == calls[i].Invoke.Node && c.Invoke.Key.Equal(calls[i].Invoke.Key)
			}))
		}
		for i := range calls {
			for k := range i {
				if !counts(i) || !counts(k) || !calls[i].Invoke.Key.Equal(calls[k].Invoke.Key) {
					continue
				}
				if !same(calls[i].Value(), calls[k].Value(), unordered) {
					return checkers.Invalid
				}
				verdict = checkers.OK
			}
		}
		if last := len(h.Ops) - 1; last >= 0 && h.Ops[last].Process == history.Nemesis {
			if nodes := h.Ops[last].Value.Elems(); !nodes[1].Equal(nodes[3]) {
				return checkers.Invalid
			}
			verdict = checkers.OK
		}
		return verdict
	}
}

// oracles are the checker, told more or less, with the definition.
func oracles() map[string]confirm.Oracle {
	family := func(parameters map[string]string) confirm.Family {
		return confirm.Family{Definition: Name, Parameters: parameters, Anomalies: []string{Divergence}}
	}
	return map[string]confirm.Oracle{
		"lists": {Family: family(nil), Checker: New(Options{}), Make: small, Truth: truth(false)},
		"sets":  {Family: family(map[string]string{"unordered": "true"}), Checker: New(Options{Unordered: true}), Make: small, Truth: truth(true)},
	}
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, o := range oracles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Agrees(t, 50_000, 1, 5)
		})
	}
}

func FuzzConverge(f *testing.F) { oracles()["sets"].Fuzz(f) }

// agreed makes a history of final reads of keys through nodes, all of which agree.
func agreed(rng *rand.Rand) *history.History {
	h := new(history.History)
	for key := range int64(1 + rng.IntN(4)) {
		for _, node := range []string{"n1", "n2", "n3"} {
			op := history.Op{Index: len(h.Ops), Process: 1, F: "read", Key: history.Int(key), Value: history.Nil, Node: node, Final: true}
			h.Ops = append(h.Ops, op)
			op.Index, op.Type, op.Value = op.Index+1, history.OK, history.Ints(key, 7)
			h.Ops = append(h.Ops, op)
		}
	}
	held := history.Map(history.String("s0"), history.String("aa"), history.String("s1"), history.String("bb"))
	h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Process: history.Nemesis, Type: history.Info, F: history.FReplicas,
		Value: history.Map(history.String("n1"), held, history.String("n2"), held)})
	return h
}

// TestMutations changes what one node says, of a key or of a shard.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 1000 {
		h := agreed(rng)
		if r := New(Options{}).Check(t.Context(), h); r.Verdict != checkers.OK {
			t.Fatalf("flagged before: %+v", r.Anomalies)
		}
		last := len(h.Ops) - 1
		at := rng.IntN(last/2)*2 + 1
		if n%2 == 0 {
			h.Ops[at].Value = history.Ints(7)
		} else {
			at = last
			other := history.Map(history.String("s0"), history.String("aa"), history.String("s1"), history.String("cc"))
			h.Ops[at].Value = history.Map(history.String("n1"), h.Ops[at].Value.Elems()[1], history.String("n2"), other)
		}
		r := New(Options{}).Check(t.Context(), h)
		if len(r.Anomalies) != 1 || !slices.Contains(r.Anomalies[0].Ops, at-(n+1)%2) {
			t.Fatalf("%v %+v, want %d", r.Verdict, r.Anomalies, at)
		}
		confirm.Result(t, h, r)
	}
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, confirm.Checked(t, New(Options{Unordered: true})), []string{"read"}, []history.Value{history.Int(1), history.Ints(2, 1), history.Ints(1, 2)})
}

// BenchmarkConverge compares half a million keys, read through two nodes each.
func BenchmarkConverge(b *testing.B) {
	h := &history.History{Ops: make([]history.Op, 0, 2_000_000)}
	for n := range 1_000_000 {
		op := history.Op{Index: 2 * n, Process: history.Process(n % 20), F: "read", Key: history.Int(int64(n / 2)), Value: history.Nil,
			Node: []string{"n1", "n2"}[n%2], Final: true}
		h.Ops = append(h.Ops, op)
		op.Index, op.Type, op.Value = op.Index+1, history.OK, history.Int(int64(n/2))
		h.Ops = append(h.Ops, op)
	}
	confirm.Bench(b, Name, New(Options{}), h)
}
