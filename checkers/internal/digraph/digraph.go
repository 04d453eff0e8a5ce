// Package digraph finds cycles in directed graphs with very many edges: the
// strongly connected components in linear time, and for each a short cycle.
package digraph

// Graph is a directed graph of nodes 0 to n-1. It is made once and then read.
type Graph struct {
	from  []int32 // of node i the edges start at from[i] and end before from[i+1]
	to    []int32
	start []int32 // edges in the order in which they were added, until sealed
	end   []int32
	nodes int
}

// New returns a graph of n nodes.
func New(n int) *Graph { return &Graph{nodes: n} }

// Add adds an edge from a to b.
func (g *Graph) Add(a, b int) {
	g.start, g.end = append(g.start, int32(a)), append(g.end, int32(b))
}

// Len returns the number of nodes.
func (g *Graph) Len() int { return g.nodes }

// Next returns the nodes that edges lead to from a, in the order in which the
// edges were added.
func (g *Graph) Next(a int) []int32 {
	if g.from == nil {
		g.seal()
	}
	return g.to[g.from[a]:g.from[a+1]]
}

// seal sorts the edges by the node that they start from.
func (g *Graph) seal() {
	g.from, g.to = make([]int32, g.nodes+2), make([]int32, len(g.end))
	for _, a := range g.start {
		g.from[a+2]++
	}
	for i := 2; i < len(g.from); i++ {
		g.from[i] += g.from[i-1]
	}
	for i, a := range g.start {
		g.to[g.from[a+1]] = g.end[i]
		g.from[a+1]++
	}
	g.start, g.end = nil, nil
}

// Components returns the strongly connected components that have a cycle, by the
// algorithm of Tarjan (1972), with a stack of its own so that depth costs nothing.
func (g *Graph) Components() [][]int32 {
	t := tarjan{g: g, index: make([]int32, g.nodes), low: make([]int32, g.nodes), on: make([]bool, g.nodes)}
	for v := range g.nodes {
		if t.index[v] == 0 {
			t.visit(int32(v))
		}
	}
	return t.found
}

type tarjan struct {
	g          *Graph
	index, low []int32 // from 1; 0 means not visited
	on         []bool
	count      int32
	stack      []int32
	work       []frame
	found      [][]int32
}

// frame is a node with the number of edges that were followed from it.
type frame struct {
	node int32
	next int
}

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.work) > 0 {
		f := &t.work[len(t.work)-1]
		v := f.node
		if next := t.g.Next(int(v)); f.next < len(next) {
			w := next[f.next]
			f.next++
			switch {
			case t.index[w] == 0:
				t.enter(w)
			case t.on[w]:
				t.low[v] = min(t.low[v], t.index[w])
			}
			continue
		}
		t.work = t.work[:len(t.work)-1]
		if len(t.work) > 0 {
			parent := t.work[len(t.work)-1].node
			t.low[parent] = min(t.low[parent], t.low[v])
		}
		if t.low[v] == t.index[v] {
			t.leave(v)
		}
	}
}

func (t *tarjan) enter(v int32) {
	t.count++
	t.index[v], t.low[v], t.on[v] = t.count, t.count, true
	t.stack = append(t.stack, v)
	t.work = append(t.work, frame{node: v})
}

// leave takes a component off the stack, and keeps it if it has a cycle.
func (t *tarjan) leave(v int32) {
	i := len(t.stack) - 1
	for t.stack[i] != v {
		i--
	}
	nodes := append([]int32(nil), t.stack[i:]...)
	t.stack = t.stack[:i]
	cyclic := len(nodes) > 1
	for _, w := range nodes {
		t.on[w] = false
		for _, next := range t.g.Next(int(w)) {
			cyclic = cyclic || next == w
		}
	}
	if cyclic {
		t.found = append(t.found, nodes)
	}
}

// Cycle returns a shortest cycle of a component through one of its usable nodes,
// which there must be, without its first node again at the end. It tries them one
// after the other; in a very large component it stops with the best that it has.
func (g *Graph) Cycle(component []int32, usable func(node int32) bool) []int32 {
	const budget = 1 << 21 // edges
	in := make(map[int32]bool, len(component))
	for _, v := range component {
		in[v] = true
	}
	var best []int32
	spent := 0
	for _, v := range component {
		if !usable(v) {
			continue
		}
		c := g.through(v, in, len(best), &spent)
		if c != nil && (best == nil || len(c) < len(best)) {
			best = c
		}
		if spent > budget && best != nil {
			break
		}
	}
	return best
}

// Path returns a shortest path from a to b, with both ends, that has at least one
// edge, or nil if there is none. It looks at the nodes that may be on it only.
func (g *Graph) Path(a, b int32, may func(node int32) bool) []int32 {
	spent := 0
	return g.path(a, b, may, 0, &spent)
}

// through returns a shortest cycle through v that is shorter than limit, if limit
// is not 0, or nil.
func (g *Graph) through(v int32, in map[int32]bool, limit int, spent *int) []int32 {
	if c := g.path(v, v, func(node int32) bool { return in[node] }, limit, spent); c != nil {
		return c[:len(c)-1]
	}
	return nil
}

// path searches breadth first, and counts the edges that it follows.
func (g *Graph) path(v, to int32, may func(node int32) bool, limit int, spent *int) []int32 {
	parent := map[int32]int32{v: v}
	level := []int32{v}
	for depth := 1; len(level) > 0 && (limit == 0 || depth < limit); depth++ {
		var next []int32
		for _, a := range level {
			for _, b := range g.Next(int(a)) {
				*spent++
				if b == to {
					return append(back(parent, v, a), b)
				}
				if _, seen := parent[b]; !seen && may(b) {
					parent[b] = a
					next = append(next, b)
				}
			}
		}
		level = next
	}
	return nil
}

// back follows parents from a back to v and returns the nodes in order.
func back(parent map[int32]int32, v, a int32) []int32 {
	nodes := []int32{a}
	for a != v {
		a = parent[a]
		nodes = append(nodes, a)
	}
	for i, k := 0, len(nodes)-1; i < k; i, k = i+1, k-1 {
		nodes[i], nodes[k] = nodes[k], nodes[i]
	}
	return nodes
}
