package txn

import (
	"slices"

	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
)

// dep is a dependency between two transactions.
type dep struct {
	from, to int32
	kind     uint8
}

// variant is a kind of order that cycles may use besides the data.
type variant struct {
	suffix string
	mask   uint8
}

var variants = []variant{{"", 0}, {"-process", pr}, {"-realtime", rt}}

// cycles finds the cycles of the graph: of each kind the shortest that was met,
// for each set of transactions that depend on each other. Those that a worse one
// in the same set implies are in milder, if at all. It ends early when stop says
// so. If exact, a cycle of several rw is never named where one of a single rw
// would have been found with more work than is linear.
func (g *graph) cycles(stop func() bool, exact bool) (found, milder [][]dep) {
	comp, count := g.componentsUntil(^uint8(0), stop)
	if stop() {
		return nil, nil
	}
	spare := pace + 16*len(g.to)
	for _, nodes := range groups(comp, count) {
		if stop() {
			break
		}
		l := g.restrict(nodes)
		l.stop, l.exact, l.spare = stop, exact, spare
		l.search()
		l.mild()
		spare = l.spare
		found, milder = append(found, l.found...), append(milder, l.milder...)
	}
	return found, milder
}

// groups returns the nodes of each component that has more than one.
func groups(comp []int32, count int32) [][]int32 {
	size := make([]int32, count)
	for _, c := range comp {
		size[c]++
	}
	place := make(map[int32]int)
	var list [][]int32
	for v, c := range comp {
		if size[c] < 2 {
			continue
		}
		at, ok := place[c]
		if !ok {
			at = len(list)
			place[c] = at
			list = append(list, make([]int32, 0, size[c]))
		}
		list[at] = append(list[at], int32(v))
	}
	return list
}

// local is one component of a graph, with nodes that are numbered anew.
type local struct {
	relation
	nodes   []int32 // their numbers in the graph
	txns    int     // nodes whose number is below this are transactions
	from    []int32 // where each edge begins
	product relation
	found   [][]dep
	milder  [][]dep
	implied levels.Set

	stop  func() bool
	exact bool
	spare int // edges that may still be followed in search of milder cycles
}

// restrict returns the part of the graph between the given nodes, which are
// sorted.
func (g *graph) restrict(nodes []int32) *local {
	var p pairs
	for i, v := range nodes {
		for j, w := range g.of(v) {
			if to, ok := slices.BinarySearch(nodes, w); ok {
				p.add(int32(i), int32(to), g.tags(v)[j])
			}
		}
	}
	txns, _ := slices.BinarySearch(nodes, int32(g.txns))
	return &local{relation: p.relation(len(nodes)), nodes: nodes, txns: txns, from: p.from, implied: make(levels.Set)}
}

// search looks for each kind of cycle, the worst ones first.
func (l *local) search() {
	for _, v := range variants {
		if v.mask != 0 && !slices.ContainsFunc(l.tag, func(k uint8) bool { return k&v.mask != 0 }) {
			continue
		}
		if l.stop() {
			return
		}
		l.within("G0"+v.suffix, ww, ww|v.mask)
		l.within("G1c"+v.suffix, wr, ww|wr|v.mask)
		l.snapshot(v)
		l.within("G2-item"+v.suffix, rw, ww|wr|rw|via|v.mask)
	}
}

// within looks for a cycle of the kinds in mask that has an edge of the kind
// start.
func (l *local) within(name string, start, mask uint8) {
	if l.implied[name] {
		return
	}
	comp, _ := l.components(mask)
	var starts []int32
	for i, k := range l.tag {
		if k == start && comp[l.from[i]] == comp[l.to[i]] {
			starts = append(starts, int32(i))
		}
	}
	l.keep(l.shortest(&l.relation, mask, starts, func(e int32) (int32, int32) { return l.to[e], l.from[e] }))
}

// snapshot looks for cycles in which no two anti-dependencies follow each other:
// what snapshot isolation forbids. One component of a graph with two copies of
// each node tells whether there is one: the second copy is that of nodes that
// were entered by an anti-dependency, and no anti-dependency leaves it.
func (l *local) snapshot(v variant) {
	if l.implied["G-single-item"+v.suffix] {
		return
	}
	mask := ww | wr | rw | via | v.mask
	l.double(mask)
	comp, _ := l.product.components(mask)
	var starts []int32
	for i, k := range l.tag {
		if k == rw && comp[2*l.from[i]] == comp[2*l.to[i]+1] {
			starts = append(starts, int32(i))
		}
	}
	if len(starts) == 0 {
		return
	}
	if single := l.single(starts, mask&^rw); len(single) > 0 {
		l.keep(l.shortest(&l.relation, mask&^rw, single, func(e int32) (int32, int32) { return l.to[e], l.from[e] }))
		return
	}
	if l.implied["G-nonadjacent-item"+v.suffix] {
		return
	}
	l.keep(l.shortest(&l.product, mask, starts, func(e int32) (int32, int32) { return 2*l.to[e] + 1, 2 * l.from[e] }))
}

// double builds the graph with two copies of each node.
func (l *local) double(mask uint8) {
	var p pairs
	for i, k := range l.tag {
		a, b := 2*l.from[i], 2*l.to[i]
		switch {
		case k&mask == 0:
		case k == rw:
			p.add(a, b+1, k)
		case k == via:
			p.add(a+1, b+1, k)
		default:
			p.add(a, b, k)
			p.add(a+1, b, k)
		}
	}
	l.product = p.relation(2 * len(l.nodes))
}

// words is how many sets of 64 anti-dependencies are followed at a time, and
// manyRounds how often, unless that decides about a level.
const (
	words      = 4
	manyRounds = 64
)

// single returns those of the given anti-dependencies from whose end one gets
// back to their start along the kinds in mask alone. It stops at the first batch
// that has any, and after many without, for each costs as much as the component
// is large.
func (l *local) single(starts []int32, mask uint8) []int32 {
	comp, count := l.components(mask)
	var dag pairs
	for i, k := range l.tag {
		if k&mask != 0 && comp[l.from[i]] != comp[l.to[i]] {
			dag.add(comp[l.from[i]], comp[l.to[i]], k)
		}
	}
	next := dag.relation(int(count))
	sets := make([][words]uint64, count)
	for round := 0; len(starts) > 0 && (l.exact || round < manyRounds) && !l.stop(); round++ {
		batch := starts[:min(len(starts), 64*words)]
		starts = starts[len(batch):]
		clear(sets)
		for i, e := range batch {
			sets[comp[l.to[e]]][i/64] |= 1 << (i % 64)
		}
		for c := count - 1; c >= 0; c-- {
			for _, d := range next.of(c) {
				for w := range words {
					sets[d][w] |= sets[c][w]
				}
			}
		}
		var hits []int32
		for i, e := range batch {
			if sets[comp[l.from[e]]][i/64]&(1<<(i%64)) != 0 {
				hits = append(hits, e)
			}
		}
		if len(hits) > 0 {
			return hits
		}
	}
	return nil
}

// keep takes a cycle over, if there is one.
func (l *local) keep(c []dep) {
	if len(c) == 0 {
		return
	}
	for i := range c {
		c[i].from, c[i].to = l.nodes[c[i].from], l.nodes[c[i].to]
	}
	l.found = append(l.found, c)
	for name := range levels.Entailed(classify(c)) {
		l.implied[name] = true
	}
}

// classify names a cycle after its edges.
func classify(c []dep) string {
	var count [64]int
	adjacent := false
	for i, e := range c {
		count[e.kind]++
		adjacent = adjacent || e.kind == rw && c[(i+1)%len(c)].kind == rw
	}
	name := "G0"
	switch {
	case count[rw] == 1:
		name = "G-single-item"
	case count[rw] > 1 && adjacent:
		name = "G2-item"
	case count[rw] > 1:
		name = "G-nonadjacent-item"
	case count[wr] > 0:
		name = "G1c"
	}
	switch {
	case count[rt] > 0:
		return name + "-realtime"
	case count[pr] > 0:
		return name + "-process"
	default:
		return name
	}
}
