package txn

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// show writes a history for a failure message.
func show(h *history.History) string {
	var b strings.Builder
	for _, op := range h.Ops {
		fmt.Fprintf(&b, "%3d %v %-6v %v\n", op.Index, op.Process, op.Type, op.Value)
	}
	return b.String()
}

// distort makes some reads of a list history return another state of the key, or
// one that never was.
func distort(rng *rand.Rand, h *history.History, share float64) {
	states := make(map[string][]history.Value)
	each(h, func(st []history.Value) history.Value {
		if st[2].Kind() == history.KindList && len(st[2].Elems()) > len(states[st[1].String()]) {
			states[st[1].String()] = st[2].Elems()
		}
		return history.List(st...)
	})
	each(h, func(st []history.Value) history.Value {
		all := states[st[1].String()]
		if st[0].Text() != "r" || rng.Float64() >= share {
			return history.List(st...)
		}
		list := slices.Clone(all[:rng.IntN(len(all)+1)])
		if rng.IntN(8) == 0 {
			rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		return history.List(st[0], st[1], history.List(list...))
	})
}

// each rewrites the steps of the transactions that are ok.
func each(h *history.History, rewrite func(st []history.Value) history.Value) {
	for i := range h.Ops {
		if h.Ops[i].Type != history.OK {
			continue
		}
		var steps []history.Value
		for _, st := range h.Ops[i].Value.Elems() {
			steps = append(steps, rewrite(st.Elems()))
		}
		h.Ops[i].Value = history.List(steps...)
	}
}

// serial reports whether some order of transactions that did not fail explains
// all reads: one after the other, on an empty database. Those that are info may
// be left out, as they are if nobody read what they wrote. With strict, the order
// keeps real time.
func serial(h *history.History, w Workload, strict bool) bool {
	all := raws(h)
	var txns []raw
	for _, r := range all {
		if r.typ == history.OK || r.typ == history.Info && observed(all, r) {
			txns = append(txns, r)
		}
	}
	slices.SortFunc(txns, func(a, b raw) int { return a.index - b.index })
	return extend(txns, make([]bool, len(txns)), make(map[string][]string), w, strict)
}

// observed reports whether a read shows something that the transaction wrote.
func observed(all map[int]raw, r raw) bool {
	for _, o := range all {
		for _, st := range o.steps {
			if o.typ == history.OK && st[0].Text() == "r" && slices.ContainsFunc(elements(st[2]), func(e history.Value) bool { return r.writes(st[1].String(), e.String()) }) {
				return true
			}
		}
	}
	return false
}

// extend tries all ways to go on from a state.
func extend(txns []raw, done []bool, state map[string][]string, w Workload, strict bool) bool {
	left := false
	for i, r := range txns {
		if done[i] {
			continue
		}
		left = left || r.typ == history.OK
		if strict && early(txns, done, r) {
			continue
		}
		if next, ok := r.run(state, w); ok {
			done[i] = true
			if extend(txns, done, next, w, strict) {
				return true
			}
			done[i] = false
		}
	}
	return !left
}

// early reports whether another transaction was over before r began, and has not
// had its turn.
func early(txns []raw, done []bool, r raw) bool {
	for i, o := range txns {
		if !done[i] && o.completed < r.invoked {
			return true
		}
	}
	return false
}

// run carries a transaction out, and reports whether its reads are right.
func (r raw) run(state map[string][]string, w Workload) (map[string][]string, bool) {
	next := make(map[string][]string)
	for k, v := range state {
		next[k] = v
	}
	for _, st := range r.steps {
		k := st[1].String()
		if st[0].Text() != "r" {
			next[k] = append(slices.Clone(next[k]), st[2].String())
			continue
		}
		if r.typ != history.OK {
			continue
		}
		if w == ListAppend {
			var got []string
			for _, e := range st[2].Elems() {
				got = append(got, e.String())
			}
			if !slices.Equal(got, next[k]) {
				return nil, false
			}
			continue
		}
		want := "nil"
		if n := len(next[k]); n > 0 {
			want = next[k][n-1]
		}
		if st[2].String() != want {
			return nil, false
		}
	}
	return next, true
}

// TestSerialOrders compares verdicts on lists with the definition: there is a
// serial order, one that keeps real time, or none. They have to be equal, for a
// topological order of the dependencies is one.
func TestSerialOrders(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	count := make(map[string]int)
	for i := range times(1500) {
		h := random(rng, mix{workload: ListAppend, txns: 2 + rng.IntN(5), clients: 3, steps: 3, keys: 1 + rng.IntN(3), writes: 100, info: 0.1, fail: 0.1})
		distort(rng, h, []float64{0, 0.1, 0.3}[i%3])
		for _, model := range []string{"serializable", "strict-serializable"} {
			r := Check(t.Context(), h, Options{Models: []string{model}})
			want := checkers.Invalid
			if serial(h, ListAppend, model != "serializable") {
				want = checkers.OK
			}
			if r.Reason == nothing {
				continue
			}
			count[model+" "+want.String()]++
			if r.Verdict != want {
				t.Fatalf("%s: %v, want %v: %v\n%s", model, r.Verdict, want, r.Anomalies, show(h))
			}
			all := raws(h)
			for _, a := range r.Anomalies {
				proves(t, all, a)
			}
			if t.Failed() {
				t.Fatalf("%v\n%s", r.Anomalies, show(h))
			}
		}
	}
	t.Log(count)
}

// TestCores drops all transactions but those that an anomaly names, and sees it
// stay.
func TestCores(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	for range times(150) {
		h := random(rng, mix{workload: ListAppend, txns: 30, clients: 4, steps: 4, keys: 4, writes: 10, info: 0.1, fail: 0.1})
		distort(rng, h, 0.05)
		r := Check(t.Context(), h, Options{})
		if r.Count["incompatible-order"] > 0 {
			continue // what is left of two orders depends on which reads are
		}
		for _, a := range r.Anomalies {
			small := Check(t.Context(), core(h, a.Ops), Options{})
			if entailed := levels.Entailed(keys(small.Count)...); !entailed[a.Name] {
				t.Fatalf("%+v is not there in its core, only %v\n%s", a, small.Count, show(core(h, a.Ops)))
			}
		}
	}
}

// TestNaiveCycles compares the names of cycles with all simple cycles of a graph
// that is drawn edge by edge.
func TestNaiveCycles(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	count := make(map[string]int)
	for i := range times(600) {
		h := random(rng, mix{workload: ListAppend, txns: 4 + rng.IntN(4), clients: 3, steps: 3, keys: 2, writes: 100, info: 0.1, fail: 0.1})
		distort(rng, h, []float64{0.1, 0.3, 0.5}[i%3])
		r := Check(t.Context(), h, Options{Process: true, Realtime: true})
		if r.Count["incompatible-order"] > 0 {
			continue
		}
		naive := naiveCycles(h)
		for name := range r.Count {
			if strings.HasPrefix(name, "G") && !strings.HasPrefix(name, "G1a") && !strings.HasPrefix(name, "G1b") && !naive[name] {
				t.Fatalf("%s, but there are only %v\n%s", name, naive, show(h))
			}
			count[name]++
		}
		entailed := levels.Entailed(keys(r.Count)...)
		for name := range naive {
			if !entailed[name] {
				t.Fatalf("no %s, only %v\n%s", name, r.Count, show(h))
			}
		}
	}
	t.Log(count)
}

// naiveCycles names all simple cycles of the dependency graph.
func naiveCycles(h *history.History) map[string]bool {
	edges := naiveEdges(h)
	found := make(map[string]bool)
	var path []Edge
	var walk func(first, now int)
	walk = func(first, now int) {
		for _, e := range edges {
			if e.From != now || e.To < first || slices.ContainsFunc(path, func(p Edge) bool { return p.From == e.To && e.To != first }) {
				continue
			}
			path = append(path, e)
			if e.To == first {
				count, adjacent := make(map[string]int), false
				for i, p := range path {
					count[p.Kind]++
					adjacent = adjacent || p.Kind == "rw" && path[(i+1)%len(path)].Kind == "rw"
				}
				found[named(count, adjacent)] = true
			} else {
				walk(first, e.To)
			}
			path = path[:len(path)-1]
		}
	}
	for i := range raws(h) {
		walk(i, i)
	}
	return found
}

// naiveEdges draws the dependencies of a list history, each in its own right.
func naiveEdges(h *history.History) []Edge {
	all := raws(h)
	var edges []Edge
	for _, a := range all {
		for _, b := range all {
			if a.index == b.index || a.typ == history.Fail || b.typ == history.Fail {
				continue
			}
			if a.completed < b.invoked {
				edges = append(edges, Edge{From: a.index, To: b.index, Kind: "realtime"})
				if a.process == b.process {
					edges = append(edges, Edge{From: a.index, To: b.index, Kind: "process"})
				}
			}
			edges = append(edges, naiveData(all, a, b)...)
		}
	}
	return edges
}

func naiveData(all map[int]raw, a, b raw) (edges []Edge) {
	for _, st := range b.steps {
		key := st[1].String()
		if st[0].Text() == "r" {
			for _, w := range a.steps {
				if w[0].Text() != "r" && w[1].String() == key && b.typ == history.OK && at(w[2].String())(st[2]) {
					edges = append(edges, Edge{From: a.index, To: b.index, Kind: "wr"})
				}
			}
			continue
		}
		for _, p := range a.steps {
			if p[1].String() != key {
				continue
			}
			e := Edge{From: a.index, To: b.index, Kind: "ww", Key: key, Value: p[2].String(), Next: st[2].String()}
			if p[0].Text() == "r" {
				e.Kind, e.Value = "rw", "nil"
				if n := len(p[2].Elems()); n > 0 {
					e.Value = p[2].Elems()[n-1].String()
				}
			}
			if (e.Kind == "ww" || a.typ == history.OK) && follows(all, e) {
				edges = append(edges, e)
			}
		}
	}
	return edges
}
