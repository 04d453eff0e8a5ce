package weak

import (
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
)

// forced says that node from comes before node to in every commit order, because
// who read from `to` can see `from`. To is none for the initial state, which
// nothing comes before.
type forced struct {
	from, to int32
	read     int32 // the read, by its place in the graph
}

// force finds what a level makes necessary.
func (s *study) force(ctx context.Context, level Level) error {
	s.forced = s.forced[:0]
	switch level {
	case ReadCommitted:
		return s.byEarlierReads(ctx)
	case ReadAtomic:
		return s.byAtomicity(ctx)
	default:
		return s.byCausality(ctx)
	}
}

// targets has, for the keys that one transaction reads, reads from two different
// writers: those looked at last. A third one is ordered by way of these.
type targets struct {
	near  [][2]int32 // by key, places of reads in the graph, or none
	owner []int32    // by key, for which transaction
	keys  []int32    // that are in use
	of    int32
}

func newTargets(keys int) *targets {
	t := &targets{near: make([][2]int32, keys), owner: make([]int32, keys)}
	for k := range t.owner {
		t.owner[k] = none
	}
	return t
}

func (t *targets) begin(v int32) { t.of, t.keys = v, t.keys[:0] }

// add puts a read before those that are there.
func (t *targets) add(g *causality.Graph, at int32) {
	k := g.Reads[at].Key
	switch n := &t.near[k]; {
	case t.owner[k] != t.of:
		t.owner[k] = t.of
		t.keys = append(t.keys, k)
		*n = [2]int32{at, none}
	case g.Reads[n[0]].From == g.Reads[at].From:
		n[0] = at
	default:
		*n = [2]int32{at, n[0]}
	}
}

// meet calls use for the reads that are of keys that w wrote, but from others.
func (t *targets) meet(g *causality.Graph, w int32, use func(at int32)) {
	wrote := g.WritesOf(w)
	one := func(k int32) {
		for _, at := range t.near[k] {
			if at != none && g.Reads[at].From != w {
				use(at)
			}
		}
	}
	if len(wrote) <= len(t.keys) {
		for _, k := range wrote {
			if t.owner[k] == t.of {
				one(k)
			}
		}
		return
	}
	for _, k := range t.keys {
		if _, ok := slices.BinarySearch(wrote, k); ok {
			one(k)
		}
	}
}

// byEarlierReads orders T2 before T1 if a transaction read something from T2 and
// then x, which T2 wrote, from T1. It walks through the reads backwards, and meets
// T2 at the first that is from it, when all later ones are known.
func (s *study) byEarlierReads(ctx context.Context) error {
	g := &s.graph
	t := newTargets(g.Keys)
	first, of := make([]int32, g.Len()), make([]int32, g.Len())
	for v := range of {
		of[v] = none
	}
	for v := range int32(g.Len()) {
		if v%4096 == 0 && context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		lo, hi := g.ReadAt[v], g.ReadAt[v+1]
		if hi-lo < 2 {
			continue
		}
		for at := hi - 1; at >= lo; at-- {
			if w := g.Reads[at].From; w != none {
				first[w], of[w] = at, v
			}
		}
		t.begin(v)
		for at := hi - 1; at >= lo; at-- {
			if w := g.Reads[at].From; w != none && first[w] == at {
				t.meet(g, w, func(later int32) { s.add(w, later) })
			}
			t.add(g, at)
		}
	}
	return nil
}

// byAtomicity orders T2 before T1 if a transaction reads x from T1, and T2 wrote x
// and is earlier in its session, or something is read from it.
func (s *study) byAtomicity(ctx context.Context) error {
	g := &s.graph
	t := newTargets(g.Keys)
	sessions := s.sessions()
	last, of := make([]int32, g.Keys), make([]int32, g.Keys) // who wrote a key last, in which session
	for k := range of {
		of[k] = none
	}
	for i, session := range sessions {
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		for _, v := range session {
			t.begin(v)
			for at := g.ReadAt[v+1] - 1; at >= g.ReadAt[v]; at-- {
				t.add(g, at)
			}
			for _, k := range t.keys {
				if of[k] == int32(i) {
					s.addOthers(t, k, last[k])
				}
			}
			s.atomic(t, v)
			for _, k := range g.WritesOf(v) {
				last[k], of[k] = v, int32(i)
			}
		}
	}
	return nil
}

// atomic meets each transaction that v reads from.
func (s *study) atomic(t *targets, v int32) {
	var met []int32
	for _, r := range s.graph.ReadsOf(v) {
		if r.From != none && !slices.Contains(met, r.From) {
			if len(met) < 64 { // meeting one twice costs time, but changes nothing
				met = append(met, r.From)
			}
			t.meet(&s.graph, r.From, func(at int32) { s.add(r.From, at) })
		}
	}
}

func (s *study) addOthers(t *targets, k, w int32) {
	for _, at := range t.near[k] {
		if at != none && s.graph.Reads[at].From != w {
			s.add(w, at)
		}
	}
}

// sessions returns the nodes of each session in their order. Those of unknown
// outcome read nothing, and nothing follows them.
func (s *study) sessions() [][]int32 {
	g := &s.graph
	var all [][]int32
	of := make([]int32, g.Len())
	for v := range int32(g.Len()) {
		if s.txns[s.nodes[v]].typ != okType {
			continue
		}
		if p := g.Prev[v]; p != none {
			of[v] = of[p]
		} else {
			of[v] = int32(len(all))
			all = append(all, nil)
		}
		all[of[v]] = append(all[of[v]], v)
	}
	return all
}

// byCausality orders T2 before T1 if T2 happened before a read of x, which it
// wrote, from T1.
func (s *study) byCausality(ctx context.Context) error {
	order := causality.Order(s.graph.Len(), s.graph.Before)
	if len(order) < s.graph.Len() {
		return nil // so and wr go in a circle, and will be found to do so
	}
	_, err := s.graph.Sweep(ctx, order, false, func(l causality.Later) {
		if !l.Before {
			s.add(l.Write, l.Read)
		}
	})
	return err
}

func (s *study) add(from, at int32) {
	s.forced = append(s.forced, forced{from, s.graph.Reads[at].From, at})
}
