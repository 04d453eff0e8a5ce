package linear

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Cycle is the evidence that values of a register would have to come before
// themselves.
type Cycle struct {
	Proof string      `json:"proof"` // "cycle"
	Edges []CycleEdge `json:"edges"`
}

// CycleEdge is a step of a [Cycle], between two operations by the indices of
// their invocations. Kind is rt (from ended before to began), cas (to replaced the
// value that from is on) or init (from found the initial value, so it precedes
// what to is on).
type CycleEdge struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Kind string `json:"kind"`
}

// zoned finds the evidence for the verdict on a register of unique values by
// judging it once more.
type zoned struct {
	calls []history.Call
	model Model
}

func (a zoned) prove() (any, error) {
	r, err := a.model.decode(a.calls)
	if err != nil {
		return nil, err
	}
	z := newZones(r, dropUnobserved(r.ops, r.values.Len()))
	if found := z.check(2 * checkers.MaxAnomalies); len(found) > 0 {
		return z.refute(found), nil
	}
	return Order{Order: weave(a.calls, z.steps())}, nil
}

// refute returns the proof by the finding that takes the fewest edges.
func (z *zones) refute(found []finding) any {
	var best []CycleEdge
	for _, f := range found {
		if f.kind == unwritten || f.kind == future {
			return Unwritten{"unwritten", z.index(f.ops[len(f.ops)-1])}
		}
		if edges := z.cycle(f); best == nil || len(edges) < len(best) {
			best = edges
		}
	}
	return Cycle{"cycle", best}
}

// index returns the index of the invocation of an operation.
func (z *zones) index(i int32) int { return z.call(i).Invoke.Index }

// cycle returns the edges that contradict each other.
func (z *zones) cycle(f finding) []CycleEdge {
	switch f.kind {
	case doubleCAS, circular:
		return z.casEdges(f.ops)
	case backwards:
		offender, proof := f.ops[0], f.ops[1]
		return append(z.casEdges(z.links(z.valueOf(offender), z.valueOf(proof))),
			CycleEdge{z.index(proof), z.index(offender), "rt"})
	}
	edges := append(z.casEdges(z.linksBetween(f.a)), z.casEdges(z.linksBetween(f.b))...)
	return append(edges, z.precedes(f.a, f.b), z.precedes(f.b, f.a))
}

// casEdges returns the edges to compare-and-sets from what they replaced.
func (z *zones) casEdges(links []int32) []CycleEdge {
	var edges []CycleEdge
	for _, l := range links {
		from := z.clusters[z.ops[l].from].writer
		if from == none {
			from = l // it found the initial value itself
		}
		edges = append(edges, CycleEdge{z.index(from), z.index(l), "cas"})
	}
	return edges
}

// precedes returns the edge that says that all of block a is before block b.
func (z *zones) precedes(a, b block) CycleEdge {
	if a.firstOp != none {
		return CycleEdge{z.index(a.firstOp), z.index(b.lastOp), "rt"}
	}
	from := z.clusters[initial].next
	if from == none {
		from = z.clusters[initial].lastOp
	}
	return CycleEdge{z.index(from), z.index(b.lastOp), "init"}
}

// steps returns an order of the operations, which must be linearizable. Blocks
// follow each other, and in a block the clusters of its chain; in a cluster the
// write is first, and then come the reads in the order in which they began.
//
// A block of which one operation ended before another began takes all the time
// in between. The others need a single moment, of those that all their
// operations have in common, in which no such block is. No two blocks that take
// time overlap, or each would have to come before the other.
func (z *zones) steps() []step {
	type timed struct {
		at    int32
		block int32
	}
	var wide []block
	for _, b := range z.blocks {
		if b.forward() {
			wide = append(wide, b)
		}
	}
	slices.SortFunc(wide, func(a, b block) int { return cmp.Compare(a.first, b.first) })
	order := make([]timed, len(z.blocks))
	for i, b := range z.blocks {
		order[i] = timed{b.first, int32(i)}
		if !b.forward() {
			order[i].at = outside(wide, b.last)
		}
	}
	slices.SortFunc(order, func(a, b timed) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.block, b.block)) })
	steps, last := make([]step, 0, len(z.ops)), none
	add := func(i int32) {
		last = max(last, z.ops[i].inv)
		steps = append(steps, step{z.ops[i].call, last})
	}
	for _, t := range order {
		for v := z.blocks[t.block].root; ; v = z.ops[z.clusters[v].next].to {
			if w := z.clusters[v].writer; w != none {
				add(w)
			}
			for _, r := range z.observers(v) {
				if z.ops[r].isRead() {
					add(r)
				}
			}
			if z.clusters[v].next == none {
				break
			}
		}
	}
	return steps
}

// outside returns the first moment from t on that is in none of the blocks, which
// are in order.
func outside(wide []block, t int32) int32 {
	i, _ := slices.BinarySearchFunc(wide, t, func(a block, t int32) int { return cmp.Compare(a.first, t) })
	if i > 0 && t < wide[i-1].last {
		return wide[i-1].last
	}
	return t
}
