package sets_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/checkers/linear/sets"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// mix says which histories to make.
type mix struct {
	ops, open, elements int
	reads, asks, lost   bool
	honest              float64
}

// pending is an operation that was begun.
type pending struct {
	at   int
	done bool
	saw  []int32
	has  bool
}

// maker simulates a set: an operation takes effect at some time between its
// beginning and its end, or, if it gets no answer, maybe never.
type maker struct {
	mix
	rng  *rand.Rand
	ops  []sets.Op
	open []*pending
	in   []int32
	now  int32
}

func random(rng *rand.Rand, m mix) []sets.Op {
	g := &maker{mix: m, rng: rng}
	for len(g.ops) < m.ops || len(g.open) > 0 {
		if len(g.ops) < m.ops && len(g.open) < m.open && (len(g.open) == 0 || rng.IntN(2) == 0) {
			g.begin()
		} else {
			g.end()
		}
		g.now++
	}
	return slices.DeleteFunc(g.ops, func(o sets.Op) bool { return o.Res == sets.Forever && o.Kind != sets.Add })
}

func (g *maker) begin() {
	o := sets.Op{Kind: sets.Add, Value: g.rng.Int32N(int32(g.elements)), Inv: g.now, Res: sets.Forever}
	switch k := g.rng.IntN(4); {
	case k == 0 && g.reads:
		o.Kind, o.Value = sets.Read, 0
	case k == 1 && g.asks:
		o.Kind = sets.Has
	}
	g.open = append(g.open, &pending{at: len(g.ops)})
	g.ops = append(g.ops, o)
}

func (g *maker) effect(p *pending) {
	if p.done {
		return
	}
	p.done = true
	o := &g.ops[p.at]
	at, in := slices.BinarySearch(g.in, o.Value)
	if p.has = in; o.Kind == sets.Add && !in {
		g.in = slices.Insert(slices.Clone(g.in), at, o.Value)
	}
	p.saw = g.in
}

func (g *maker) end() {
	for _, p := range g.open {
		if g.rng.IntN(3) == 0 {
			g.effect(p)
		}
	}
	i := g.rng.IntN(len(g.open))
	p := g.open[i]
	g.open = slices.Delete(g.open, i, i+1)
	if g.lost && g.rng.IntN(5) == 0 {
		return
	}
	g.effect(p)
	o := &g.ops[p.at]
	o.Res = g.now
	lied := g.rng.Float64() > g.honest
	switch {
	case o.Kind == sets.Has && p.has == lied:
		o.Kind = sets.Lacks
	case o.Kind == sets.Read:
		o.Saw = slices.Clone(p.saw)
		v := g.rng.Int32N(int32(g.elements) + 1)
		if at, in := slices.BinarySearch(o.Saw, v); lied && in {
			o.Saw = slices.Delete(o.Saw, at, at+1)
		} else if lied {
			o.Saw = slices.Insert(o.Saw, at, v)
		}
	}
}

// brute decides by the definition: it tries every order.
func brute(ops []sets.Op) bool {
	dead := make(map[[2]uint32]bool)
	var try func(done, in uint32) bool
	try = func(done, in uint32) bool {
		if dead[[2]uint32{done, in}] {
			return false
		}
		end := sets.Forever
		for i, o := range ops {
			if done&(1<<i) == 0 {
				end = min(end, o.Res)
			}
		}
		if end == sets.Forever {
			return true
		}
		for i, o := range ops {
			if done&(1<<i) != 0 || o.Inv > end {
				continue
			}
			if next, ok := apply(o, in); ok && try(done|1<<i, next) {
				return true
			}
		}
		dead[[2]uint32{done, in}] = true
		return false
	}
	return try(0, 0)
}

func apply(o sets.Op, in uint32) (uint32, bool) {
	switch bit := uint32(1) << o.Value; o.Kind {
	case sets.Add:
		return in | bit, true
	case sets.Has:
		return in, in&bit != 0
	case sets.Lacks:
		return in, in&bit == 0
	}
	saw := uint32(0)
	for _, v := range o.Saw {
		saw |= 1 << v
	}
	return in, in == saw
}

// recorded returns operations as a history has them.
func recorded(ops []sets.Op) *history.History {
	last := int32(0)
	for _, o := range ops {
		last = max(last, o.Inv)
		if o.Res != sets.Forever {
			last = max(last, o.Res)
		}
	}
	h := &history.History{Ops: make([]history.Op, last+1)}
	for i := range h.Ops { // some are of operations that were taken out
		h.Ops[i] = history.Op{Index: i, Process: history.Nemesis, Type: history.Info, F: "log"}
	}
	for i, o := range ops {
		f, given := "contains", history.Int(int64(o.Value))
		got := history.Bool(o.Kind == sets.Has)
		switch o.Kind {
		case sets.Add:
			f, got = "add", given
		case sets.Read:
			elems := []history.Value{}
			for _, v := range o.Saw {
				elems = append(elems, history.Int(int64(v)))
			}
			f, given, got = "read", history.Nil, history.Set(elems...)
		}
		h.Ops[o.Inv] = history.Op{Index: int(o.Inv), Process: history.Process(i), F: f, Type: history.Invoke, Value: given}
		if o.Res != sets.Forever {
			h.Ops[o.Res] = history.Op{Index: int(o.Res), Process: history.Process(i), F: f, Type: history.OK, Value: got}
		}
	}
	return h
}

func confirm(t testing.TB, ops []sets.Op, r sets.Result) {
	t.Helper()
	claim := map[string]any{"definition": "linearizable", "parameters": map[string]string{"model": "set"}, "verdict": "ok"}
	if v := r.Violation; v != nil {
		claim["verdict"] = "invalid"
		claim["evidence"] = map[string]any{"proof": "set", "op": ops[v.Op].Inv}
	} else {
		order := []int32{}
		for _, i := range r.Order {
			order = append(order, ops[i].Inv)
		}
		claim["evidence"] = map[string]any{"orders": []any{map[string]any{"order": order}}}
	}
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(recorded(ops), raw); err != nil {
		t.Fatalf("%v\n%s\n%+v", err, raw, ops)
	}
}

// TestAgainstDefinition compares with brute force, and has every certificate
// confirmed.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mix{
		"reads":         {reads: true},
		"reads, lost":   {reads: true, lost: true},
		"asks":          {asks: true, lost: true},
		"all":           {asks: true, reads: true},
		"all, and lost": {asks: true, reads: true, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 20000
			if testing.Short() {
				n = 2000
			}
			agree(t, m, n)
		})
	}
}

func agree(t *testing.T, m mix, n int) {
	rng := rand.New(rand.NewPCG(1, 1))
	var valid, invalid int
	for range n {
		m.ops, m.open, m.elements, m.honest = 3+rng.IntN(8), 2+rng.IntN(4), 1+rng.IntN(4), []float64{1, .9, .7}[rng.IntN(3)]
		ops := random(rng, m)
		r, err := sets.Check(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		want := brute(ops)
		if want != (r.Violation == nil) {
			t.Fatalf("brute force says %v, ours %+v: %+v", want, r.Violation, ops)
		}
		if confirm(t, ops, r); want {
			valid++
			continue
		}
		invalid++
	}
	t.Logf("%d valid, %d invalid", valid, invalid)
	if min(valid, invalid) < n/20 {
		t.Errorf("one-sided")
	}
}

// TestRemoves sees removals left to a search.
func TestRemoves(t *testing.T) {
	t.Parallel()
	if _, err := sets.Check(t.Context(), []sets.Op{{Kind: sets.Remove, Inv: 0, Res: 1}}); !errors.Is(err, sets.ErrUndecided) {
		t.Fatal(err)
	}
}

// BenchmarkMillion is 1,000,000 adds and questions of 50 clients, with reads of
// up to 1,000 elements.
func BenchmarkMillion(b *testing.B) {
	ops := random(rand.New(rand.NewPCG(2, 2)), mix{ops: 1000000, open: 50, elements: 1000, asks: true, lost: true, honest: 1})
	queues.Measure(b, func() {
		if r, err := sets.Check(b.Context(), ops); err != nil || r.Violation != nil {
			b.Fatal(r.Violation, err)
		}
	})
}
