package linear

import (
	"cmp"
	"slices"
)

// cluster is a value with the operations on it: the one that wrote it and those
// that read it.
type cluster struct {
	writer int32 // the operation that wrote it; none for the initial value, or if nobody did
	next   int32 // the compare-and-set that replaced it, or none
	span
}

// span is the zone of some operations: the time first at which the first of
// them finished and the time last at which the last of them began, with the
// operations that did. All operations of a cluster are next to each other in a
// linearization, so cluster A is before cluster B if first(A) < last(B).
type span struct {
	first, last     int32
	firstOp, lastOp int32
}

func emptySpan() span { return span{first: forever, last: -1, firstOp: none, lastOp: none} }

func (s *span) include(o op, i int32) {
	if o.res < s.first {
		s.first, s.firstOp = o.res, i
	}
	if o.inv > s.last {
		s.last, s.lastOp = o.inv, i
	}
}

func (s *span) merge(t span) {
	if t.first < s.first {
		s.first, s.firstOp = t.first, t.firstOp
	}
	if t.last > s.last {
		s.last, s.lastOp = t.last, t.lastOp
	}
}

func (s span) forward() bool { return s.first < s.last }

// zones is a register problem of unique values on the way to its verdict.
type zones struct {
	*register
	ops      []op // those that matter: completed, or observed
	clusters []cluster
	blocks   []block
	by       [][]int32 // see observers
	partial  bool      // others were left out, so nobody knows what was never seen
}

// block is a chain of clusters, each replaced by the next with a compare-and-set.
type block struct {
	root int32 // the value it begins with
	span
}

// newZones sorts the operations into clusters. What a compare-and-set observed
// is not in the cluster of that value: the chain takes care of it.
func newZones(r *register, ops []op) *zones {
	z := &zones{register: r, ops: ops, clusters: make([]cluster, r.values.Len())}
	for v := range z.clusters {
		z.clusters[v] = cluster{writer: none, next: none, span: emptySpan()}
	}
	// The initial value was written by nobody, before everything.
	z.clusters[initial].first = -1
	for i, o := range ops {
		switch {
		case o.isRead():
			z.clusters[o.from].include(o, int32(i))
		default:
			z.clusters[o.to].writer = int32(i)
			z.clusters[o.to].include(o, int32(i))
		}
	}
	return z
}

// observers returns the operations that found a value, in the order of their
// beginnings. Only violations and certificates need them.
func (z *zones) observers(v int32) []int32 {
	if z.by != nil {
		return z.by[v]
	}
	counts := make([]int32, len(z.clusters))
	total := int32(0)
	for _, o := range z.ops {
		if o.from != none {
			counts[o.from]++
			total++
		}
	}
	all := make([]int32, total)
	z.by = make([][]int32, len(z.clusters))
	for v, n := range counts {
		z.by[v], all = all[:0:n], all[n:]
	}
	for i, o := range z.ops {
		if o.from != none {
			z.by[o.from] = append(z.by[o.from], int32(i))
		}
	}
	return z.by[v]
}

// findingKind says how a history fails to be linearizable.
type findingKind uint8

const (
	unwritten findingKind = iota // ops: an observation of what nobody wrote
	future                       // ops: a write, and an observation that ended before it
	doubleCAS                    // ops: two compare-and-sets that replaced the same value
	circular                     // ops: compare-and-sets that each need the next one's value
	backwards                    // ops: an operation that began after a later one of its chain, root, had finished
	conflict                     // a and b each have to come before the other
)

// finding is a proof that a problem is not linearizable.
type finding struct {
	kind findingKind
	ops  []int32 // indices into zones.ops
	root int32
	a, b block
}

// check decides whether the problem is linearizable. Findings come in no
// particular order; a history is linearizable if there are none.
func (z *zones) check(limit int) []finding {
	if found := z.impossible(limit); len(found) > 0 {
		return found
	}
	if found := z.chain(limit); len(found) > 0 {
		return found
	}
	return z.conflicts(limit)
}

// impossible finds the operations that cannot be explained on their own.
func (z *zones) impossible(limit int) []finding {
	var found []finding
	for i, o := range z.ops {
		if o.from == none {
			continue
		}
		c := &z.clusters[o.from]
		switch {
		case c.writer == none && o.from != initial:
			found = append(found, finding{kind: unwritten, ops: []int32{int32(i)}})
		case c.writer != none && o.res < z.ops[c.writer].inv:
			found = append(found, finding{kind: future, ops: []int32{c.writer, int32(i)}})
		case o.isCAS() && c.next != none:
			found = append(found, finding{kind: doubleCAS, ops: []int32{c.next, int32(i)}})
		case o.isCAS():
			c.next = int32(i)
		}
		if len(found) >= limit {
			break
		}
	}
	return found
}

// chain joins the clusters that compare-and-sets link into blocks, and finds
// links that go in circles or against time.
func (z *zones) chain(limit int) []finding {
	var found []finding
	z.blocks = make([]block, 0, len(z.clusters))
	reached := 0
	for v := range z.clusters {
		if c := &z.clusters[v]; !z.isRoot(int32(v)) || c.first == forever && c.last == -1 {
			continue
		}
		b := block{root: int32(v), span: emptySpan()}
		for u := int32(v); ; u = z.ops[z.clusters[u].next].to {
			c := &z.clusters[u]
			if c.first < b.last && len(found) < limit {
				found = append(found, finding{kind: backwards, root: b.root, ops: []int32{b.lastOp, c.firstOp}})
			}
			b.merge(c.span)
			reached++
			if c.next == none {
				break
			}
		}
		z.blocks = append(z.blocks, b)
	}
	if len(found) == 0 && reached < z.written() {
		found = append(found, z.circle())
	}
	return found
}

// isRoot reports whether v is the first value of a chain.
func (z *zones) isRoot(v int32) bool {
	w := z.clusters[v].writer
	return w == none || !z.ops[w].isCAS()
}

// written counts the clusters that have operations, and the initial one.
func (z *zones) written() int {
	n := 0
	for v := range z.clusters {
		if c := &z.clusters[v]; c.first != forever || c.last != -1 {
			n++
		}
	}
	return n
}

// circle finds a circle of compare-and-sets; there must be one.
func (z *zones) circle() finding {
	onChain := make([]bool, len(z.clusters))
	for v := range z.clusters {
		if z.isRoot(int32(v)) {
			for u := int32(v); ; u = z.ops[z.clusters[u].next].to {
				onChain[u] = true
				if z.clusters[u].next == none {
					break
				}
			}
		}
	}
	f := finding{kind: circular}
	for v := range z.clusters {
		w := z.clusters[v].writer
		if w == none || onChain[v] {
			continue
		}
		for u := int32(v); len(f.ops) == 0 || u != int32(v); u = z.ops[z.clusters[u].next].to {
			f.ops = append(f.ops, z.clusters[u].next)
		}
		return f
	}
	panic("linear: clusters are missing from the chains, but there is no circle")
}

// conflicts finds pairs of blocks of which each must come before the other.
// Among blocks, every cycle of "before" has one of length two: walk back one
// step from the block that has the earliest first.
func (z *zones) conflicts(limit int) []finding {
	var found []finding
	add := func(a, b block) bool {
		found = append(found, finding{kind: conflict, a: a, b: b})
		return len(found) < limit
	}
	forward := make([]block, 0, len(z.blocks))
	for _, b := range z.blocks {
		if b.forward() {
			forward = append(forward, b)
		}
	}
	slices.SortFunc(forward, func(a, b block) int { return cmp.Compare(a.first, b.first) })
	for i, top := 1, 0; i < len(forward); i++ {
		if forward[i].first < forward[top].last && !add(forward[top], forward[i]) {
			return found
		}
		if forward[i].last > forward[top].last {
			top = i
		}
	}
	for _, b := range z.blocks {
		if b.forward() {
			continue
		}
		if a, ok := enclosing(forward, b); ok && !add(a, b) {
			return found
		}
	}
	return found
}

// enclosing returns the forward block inside which all of b would have to be.
func enclosing(forward []block, b block) (block, bool) {
	i, _ := slices.BinarySearchFunc(forward, b.last, func(a block, t int32) int { return cmp.Compare(a.first, t) })
	if i > 0 && b.first < forward[i-1].last {
		return forward[i-1], true
	}
	return block{}, false
}

// unlinked returns the same problem with less to it: each compare-and-set is
// taken for a read and a write at two moments of the same interval. What
// conflicts even so can be explained by single values, without chains.
func (z *zones) unlinked() *zones {
	u := newZones(z.register, z.ops)
	u.partial = z.partial
	for i, o := range u.ops {
		if o.isCAS() {
			u.clusters[o.from].include(o, int32(i))
		}
	}
	for v := range u.clusters {
		if c := &u.clusters[v]; c.first != forever || c.last != -1 {
			u.blocks = append(u.blocks, block{root: int32(v), span: c.span})
		}
	}
	return u
}
