package linear

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
)

// The kinds of edges that anomalies of registers have.
const (
	realTime = "rt" // it ended before the other one began
	readFrom = "wr" // it wrote what the other one found
	replaced = "rw" // it found a value that the other one, or what the other one comes with, replaced
)

// edge is a step of a proof, with a sentence that can be verified by eye.
func (z *zones) edge(from, to int32, kind, format string, args ...any) checkers.Edge {
	return checkers.Edge{From: z.index(from), To: z.index(to), Kind: kind, Why: fmt.Sprintf(format, args...)}
}

// precedesEdge says that one operation ended before another began.
func (z *zones) precedesEdge(from, to int32) checkers.Edge {
	return z.edge(from, to, realTime, "the %s by %s ended at %s, before the %s by %s began at %s",
		z.f(from), z.who(from), z.end(from), z.f(to), z.who(to), z.begin(to))
}

// readEdge says that one operation found what another wrote.
func (z *zones) readEdge(from, to int32) checkers.Edge {
	return z.edge(from, to, readFrom, "%s wrote %s, and %s found it", z.who(from), z.value(z.ops[from].to), z.who(to))
}

// edges returns the steps that lead from an operation back to itself. There are
// none where what is wrong is not the order.
func (z *zones) edges(f finding) []checkers.Edge {
	switch f.kind {
	case unwritten:
		return nil
	case future:
		w, r := f.ops[0], f.ops[1]
		return []checkers.Edge{z.readEdge(w, r), z.precedesEdge(r, w)}
	case doubleCAS:
		return []checkers.Edge{z.replacedEdge(f.ops[0], f.ops[1]), z.replacedEdge(f.ops[1], f.ops[0])}
	case circular:
		return z.around(f.ops)
	case backwards:
		return z.backwardsEdges(f.ops[0], f.ops[1])
	}
	if z.single(f.a) && z.single(f.b) {
		return z.conflictEdges(z.evidence(f.a.root, f.b.root))
	}
	return z.chainEdges(f.a, f.b)
}

// replacedEdge says that an operation found a value before another replaced it.
func (z *zones) replacedEdge(from, to int32) checkers.Edge {
	return z.edge(from, to, replaced, "%s found %s, so it came before %s replaced that by %s",
		z.who(from), z.value(z.ops[from].from), z.who(to), z.value(z.ops[to].to))
}

// around returns the edges of a circle of compare-and-sets.
func (z *zones) around(ops []int32) []checkers.Edge {
	var edges []checkers.Edge
	for i, w := range ops {
		edges = append(edges, z.readEdge(w, ops[(i+1)%len(ops)]))
	}
	return edges
}

// conflictEdges leads from the newer value to the operation that found the older
// one too late, and from there to the newer value again.
func (z *zones) conflictEdges(e evidence) []checkers.Edge {
	var edges []checkers.Edge
	newer := z.clusters[e.newer].writer
	if e.proof != newer {
		edges = append(edges, z.readEdge(newer, e.proof))
	}
	edges = append(edges, z.precedesEdge(e.proof, e.offender))
	why := fmt.Sprintf("%s was there before anything was written", z.value(e.older))
	var via []int
	if e.early != none {
		why = fmt.Sprintf("%s by %s, before %s began at %s, so %s is the older one",
			z.finished(e.early, e.older), z.end(e.early), z.doing(e.late, e.newer), z.begin(e.late), z.value(e.older))
		via = []int{z.index(e.early), z.index(e.late)}
	}
	back := z.edge(e.offender, newer, replaced, "%s is on %s, so it came before %s was written: %s",
		z.who(e.offender), z.value(e.older), z.value(e.newer), why)
	if e.offender == z.clusters[e.older].writer {
		back.Kind = "ww"
	}
	back.Via = via
	return append(edges, back)
}

// backwardsEdges leads along a chain from an operation to one on a later value,
// which ended before the first one began.
func (z *zones) backwardsEdges(offender, proof int32) []checkers.Edge {
	links := z.links(z.valueOf(offender), z.valueOf(proof))
	var edges []checkers.Edge
	if first := links[0]; z.ops[offender].to == none {
		edges = append(edges, z.replacedEdge(offender, first))
	} else {
		edges = append(edges, z.readEdge(offender, first))
	}
	for i := range links[1:] {
		edges = append(edges, z.readEdge(links[i], links[i+1]))
	}
	if last := links[len(links)-1]; last != proof {
		edges = append(edges, z.readEdge(last, proof))
	}
	return append(edges, z.precedesEdge(proof, offender))
}

// chainEdges leads from one chain to another and back, and along both.
func (z *zones) chainEdges(a, b block) []checkers.Edge {
	var edges []checkers.Edge
	for _, way := range [][2]block{{a, b}, {b, a}} {
		if from, to := way[0].firstOp, way[1].lastOp; from != none && to != none {
			edges = append(edges, z.precedesEdge(from, to))
		}
	}
	for _, links := range [][]int32{z.linksBetween(a), z.linksBetween(b)} {
		for _, l := range links {
			if w := z.clusters[z.ops[l].from].writer; w != none {
				edges = append(edges, z.readEdge(w, l))
			}
		}
	}
	return edges
}

// shownEdges leaves out the edges between operations that an anomaly does not
// show.
func shownEdges(edges []checkers.Edge, ops []int) []checkers.Edge {
	return slices.DeleteFunc(edges, func(e checkers.Edge) bool {
		return !slices.Contains(ops, e.From) || !slices.Contains(ops, e.To)
	})
}
