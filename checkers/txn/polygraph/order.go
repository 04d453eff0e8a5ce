package polygraph

import "slices"

// hop is an edge between nodes.
type hop struct {
	from, to int32
	kind     Kind
	key      int32
	lit      int32 // the literal that it goes with, or none
}

// chosen is one end of an edge that a literal adds.
type chosen struct {
	node, lit, key int32
	older          int32 // the one that was added before at the same node, or none
}

// keeper keeps an order of the nodes in which every edge leads forward, while
// edges are added and taken away again (Pearce and Kelly, 2007). Taking edges
// away leaves the order as it is, so what was found to fit stays fitting.
type keeper struct {
	*network
	place     []int32  // of each node in the order
	ends      []chosen // of the edges added to those that are known, two for each
	next      []int32  // by node, the last of its ends, or none
	before    []int32
	seen      []uint32 // by node, the number of the last search that came by
	search    uint32
	came      []hop // by node, how the search came there
	ahead, up []int32
	moved     []int32 // nodes whose places changed
}

func (k *keeper) init(order []int32) {
	n := k.nodes()
	k.place, k.seen, k.came = make([]int32, n), make([]uint32, n), make([]hop, n)
	k.next, k.before = make([]int32, n), make([]int32, n)
	for v := range n {
		k.next[v], k.before[v] = none, none
	}
	for i, v := range order {
		k.place[v] = int32(i)
	}
}

// insert adds an edge. If that closes a cycle, it is not added, and the cycle is
// returned, from the new edge on.
func (k *keeper) insert(h hop) []hop {
	if h.from == h.to {
		return []hop{h}
	}
	if k.place[h.from] > k.place[h.to] {
		if k.forward(h.to, h.from) {
			return k.cycle(h)
		}
		k.backward(h.from, h.to)
		k.reorder()
	}
	n := int32(len(k.ends))
	k.ends = append(k.ends, chosen{h.to, h.lit, h.key, k.next[h.from]}, chosen{h.from, h.lit, h.key, k.before[h.to]})
	k.next[h.from], k.before[h.to] = n, n+1
	return nil
}

// remove takes away the edge that was added last.
func (k *keeper) remove(from, to int32) {
	n := len(k.ends) - 2
	k.next[from], k.before[to] = k.ends[n].older, k.ends[n+1].older
	k.ends = k.ends[:n]
}

// forward visits what can be reached from v up to the place of end, and reports
// whether end can.
func (k *keeper) forward(v, end int32) bool {
	k.search++
	k.seen[v] = k.search
	k.ahead = append(k.ahead[:0], v)
	for i := 0; i < len(k.ahead); i++ {
		v := k.ahead[i]
		for e := k.out.off[v]; e < k.out.off[v+1]; e++ {
			k.visit(hop{v, k.out.to[e], k.out.kind[e], none, none}, end)
		}
		for e := k.next[v]; e != none; e = k.ends[e].older {
			k.visit(hop{v, k.ends[e].node, WW, k.ends[e].key, k.ends[e].lit}, end)
		}
		if k.seen[end] == k.search {
			return true
		}
	}
	return false
}

func (k *keeper) visit(h hop, end int32) {
	if k.seen[h.to] != k.search && k.place[h.to] <= k.place[end] {
		k.seen[h.to], k.came[h.to] = k.search, h
		k.ahead = append(k.ahead, h.to)
	}
}

// cycle returns the edge and the way back that forward has found.
func (k *keeper) cycle(h hop) []hop {
	back := []hop{}
	for v := h.from; v != h.to; v = k.came[v].from {
		back = append(back, k.came[v])
	}
	slices.Reverse(back)
	return append([]hop{h}, back...)
}

// backward visits what leads to v, down to the place of start.
func (k *keeper) backward(v, start int32) {
	k.search++
	k.seen[v] = k.search
	k.up = append(k.up[:0], v)
	look := func(w int32) {
		if k.seen[w] != k.search && k.place[w] >= k.place[start] {
			k.seen[w] = k.search
			k.up = append(k.up, w)
		}
	}
	for i := 0; i < len(k.up); i++ {
		v := k.up[i]
		for _, w := range k.in.to[k.in.off[v]:k.in.off[v+1]] {
			look(w)
		}
		for e := k.before[v]; e != none; e = k.ends[e].older {
			look(k.ends[e].node)
		}
	}
}

// reorder puts all that leads to the new edge before all that it leads to, in
// the places that they had together.
func (k *keeper) reorder() {
	by := func(a, b int32) int { return int(k.place[a]) - int(k.place[b]) }
	slices.SortFunc(k.up, by)
	slices.SortFunc(k.ahead, by)
	places := make([]int32, 0, len(k.up)+len(k.ahead))
	for _, v := range k.up {
		places = append(places, k.place[v])
	}
	for _, v := range k.ahead {
		places = append(places, k.place[v])
	}
	slices.Sort(places)
	for i, v := range append(k.up, k.ahead...) {
		k.place[v] = places[i]
		k.moved = append(k.moved, v)
	}
}

// sorted returns the nodes in their order.
func (k *keeper) sorted() []int32 {
	order := make([]int32, len(k.place))
	for v, at := range k.place {
		order[at] = int32(v)
	}
	return order
}

// knownCycle returns a short cycle of what is known, given the nodes that are in
// no cycle and lead to none, or are not behind one.
func (n *network) knownCycle(placed []int32) []hop {
	rest := make([]bool, n.nodes())
	for v := range rest {
		rest[v] = true
	}
	for _, v := range placed {
		rest[v] = false
	}
	v := int32(slices.Index(rest, true))
	seen := make([]bool, n.nodes())
	for !seen[v] { // walk back until a node is met again: it is on a cycle
		seen[v] = true
		for _, w := range n.in.to[n.in.off[v]:n.in.off[v+1]] {
			if rest[w] {
				v = w
				break
			}
		}
	}
	var on []int32
	for start := v; len(on) == 0 || v != start; {
		on = append(on, v)
		for _, w := range n.in.to[n.in.off[v]:n.in.off[v+1]] {
			if rest[w] {
				v = w
				break
			}
		}
	}
	return n.shortest(on)
}

// shortest returns a shortest cycle through one of the first of the nodes.
func (n *network) shortest(on []int32) []hop {
	const most = 64
	k := &keeper{network: n}
	k.init(nil) // with all places equal the search goes everywhere
	var best []hop
	for _, v := range on[:min(len(on), most)] {
		for e := n.in.off[v]; e < n.in.off[v+1]; e++ {
			last := hop{n.in.to[e], v, n.in.kind[e], none, none}
			if k.forward(v, last.from) {
				if c := k.cycle(last); best == nil || len(c) < len(best) {
					best = c
				}
			}
		}
	}
	return best
}
