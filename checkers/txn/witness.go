package txn

import "slices"

// tries is how many first edges a search for a short cycle begins with.
const tries = 64

// shortest returns the shortest cycle that it finds through one of the starting
// edges. ends maps such an edge to the nodes of r between which the rest of the
// cycle has to be found, which exists.
func (l *local) shortest(r *relation, mask uint8, starts []int32, ends func(edge int32) (from, to int32)) []dep {
	b := &bfs{l: l, r: r, mask: mask, seen: make([]int32, len(r.off)-1), by: make([]int32, len(r.off)-1)}
	var best []dep
	for i, e := range starts {
		if best != nil && (i >= tries || len(best) == 2 || b.work > 8*len(r.to)) {
			break
		}
		from, to := ends(e)
		b.turn = int32(i + 1)
		if !b.run(from, to) {
			continue
		}
		c := simple(l.join(e, b.back(from, to)))
		if c != nil && (best == nil || len(c) < len(best)) {
			best = c
		}
	}
	return best
}

// bfs finds shortest paths, in which only the steps to or from transactions
// count. It can be used many times.
type bfs struct {
	l    *local
	r    *relation
	mask uint8
	seen []int32 // the turn in which a node was met
	by   []int32 // the edge that it was met by
	turn int32
	work int // edges looked at so far
	now  []int32
	next []int32
}

// run looks for a path.
func (b *bfs) run(from, to int32) bool {
	b.now, b.next = append(b.now[:0], from), b.next[:0]
	b.seen[from] = b.turn
	for len(b.now) > 0 {
		for len(b.now) > 0 {
			v := b.now[len(b.now)-1]
			b.now = b.now[:len(b.now)-1]
			if v == to {
				return true
			}
			b.expand(v)
		}
		b.now, b.next = b.next, b.now
	}
	return false
}

// expand goes to the neighbours of v. Those that it costs nothing to reach are
// looked at in the same round.
func (b *bfs) expand(v int32) {
	for i := b.r.off[v]; i < b.r.off[v+1]; i++ {
		w := b.r.to[i]
		b.work++
		if b.r.tag[i]&b.mask == 0 || b.seen[w] == b.turn {
			continue
		}
		b.seen[w], b.by[w] = b.turn, i
		if b.l.real(b.node(v)) {
			b.next = append(b.next, w)
		} else {
			b.now = append(b.now, w)
		}
	}
}

// node returns the node that a node of r stands for.
func (b *bfs) node(v int32) int32 {
	if b.r == &b.l.product {
		return v / 2
	}
	return v
}

// back returns the path that was found, as edges between nodes.
func (b *bfs) back(from, to int32) []dep {
	var path []dep
	for v := to; v != from; {
		e := b.by[v]
		u, _ := slices.BinarySearch(b.r.off, e+1)
		u-- // the node whose edges begin at or before e
		path = append(path, dep{b.node(int32(u)), b.node(v), b.r.tag[e]})
		v = int32(u)
	}
	slices.Reverse(path)
	return path
}

// real reports whether a node is a transaction.
func (l *local) real(v int32) bool { return int(v) < l.txns }

// join closes a path with the edge that it was found for, and draws together
// what goes through nodes that are not transactions.
func (l *local) join(e int32, path []dep) []dep {
	all := append([]dep{{l.from[e], l.to[e], l.tag[e]}}, path...)
	var c []dep
	for _, d := range all {
		if l.real(d.from) {
			c = append(c, d)
		} else {
			c[len(c)-1].to = d.to
		}
	}
	return c
}

// simple makes a closed walk a cycle that comes to each transaction once. It
// cuts it where it comes to one again, and keeps a part that still has an
// anti-dependency and no two in a row. It returns nil if there is none.
func simple(c []dep) []dep {
	for {
		i, j := repeated(c)
		if i < 0 {
			return c
		}
		inner, outer := c[i:j], append(slices.Clone(c[j:]), c[:i]...)
		switch {
		case apart(inner):
			c = inner
		case apart(outer):
			c = outer
		default:
			return nil
		}
	}
}

// repeated returns the first two edges that leave the same transaction.
func repeated(c []dep) (i, j int) {
	at := make(map[int32]int)
	for j, d := range c {
		if i, ok := at[d.from]; ok {
			return i, j
		}
		at[d.from] = j
	}
	return -1, -1
}

// apart reports whether a closed walk has an anti-dependency, and none that
// follows another one.
func apart(c []dep) bool {
	some := false
	for i, d := range c {
		if d.kind == rw && c[(i+1)%len(c)].kind == rw {
			return false
		}
		some = some || d.kind == rw
	}
	return some
}
