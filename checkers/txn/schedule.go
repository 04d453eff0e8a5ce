package txn

import "slices"

// An order of transactions that explains what they read is a topological order
// of what depends on what. Where the versions of a key came in an order that
// nothing shows, one more rule finds it most of the time: a version is replaced
// only when all who read it had their turn.

// serialOrder returns the transactions that took effect, one after the other, or
// nil if none was found.
func (s *study) serialOrder(g *graph) []int {
	k := s.sequence(&g.relation, func(v int32) (int32, bool, bool) { return v, v < int32(g.txns), v < int32(g.txns) })
	return s.indexed(k.run())
}

// snapshotOrder returns the beginnings and commits of the transactions that took
// effect, or nil if none was found. Who depends on another begins after that has
// committed; who missed what another wrote only has to begin before that commits.
// So a cycle needs two rw in a row to be harmless (Cerone and Gotsman, 2016).
func (s *study) snapshotOrder(g *graph) []int {
	n := int32(g.txns)
	begin := func(v int32) int32 {
		if v < n {
			return 2 * v
		}
		return n + v
	}
	commit := func(v int32) int32 {
		if v < n {
			return 2*v + 1
		}
		return n + v
	}
	var p pairs
	for v := range n {
		p.add(begin(v), commit(v), 0)
	}
	for v := range int32(g.size()) {
		for i, to := range g.of(v) {
			switch g.tags(v)[i] {
			case rw:
				p.add(begin(v), commit(to), rw)
			case via:
				p.add(v+n, commit(to), via)
			default:
				p.add(commit(v), begin(to), 0)
			}
		}
	}
	r := p.relation(g.size() + g.txns)
	k := s.sequence(&r, func(v int32) (int32, bool, bool) { return v / 2, v < 2*n && v%2 == 0, v < 2*n && v%2 == 1 })
	return s.indexed(k.run())
}

// dependencyOrder returns the transactions that took effect, in the order of ww
// and wr, or of ww alone, or nil if there is none.
func (s *study) dependencyOrder(g *graph, writes bool) []int {
	drop := uint8(rw)
	if writes {
		drop |= wr
	}
	var p pairs
	for v := range int32(g.size()) {
		for i, to := range g.of(v) {
			if tag := g.tags(v)[i]; tag&(drop|via) == 0 {
				p.add(v, to, tag)
			}
		}
	}
	r := p.relation(g.size())
	k := s.sequence(&r, func(v int32) (int32, bool, bool) { return v, v < int32(g.txns), v < int32(g.txns) })
	k.free = true
	return s.indexed(k.run())
}

func (s *study) indexed(order []int32, ok bool) []int {
	if !ok {
		return nil
	}
	list := make([]int, len(order))
	for i, t := range order {
		list[i] = s.index(t)
	}
	return list
}

// sequencer puts the events of transactions into an order.
type sequencer struct {
	s     *study
	r     *relation
	event func(node int32) (txn int32, begins, commits bool)
	free  bool // what was read does not matter
	waits []int32
	ready heap
	after []int32 // by transaction, its rank: who was over first goes first

	left    []int32           // by version, how many of its readers have not begun
	now     []int32           // by key, the version that is there
	holder  []int32           // by key, who writes it and has begun, or none
	parked  map[int32][]int32 // by key, nodes that wait for it
	outers  [][]outer         // by transaction
	readers [][]int32         // by transaction, the versions that it read
}

func (s *study) sequence(r *relation, event func(node int32) (txn int32, begins, commits bool)) *sequencer {
	k := &sequencer{s: s, r: r, event: event, waits: make([]int32, len(r.off)-1), after: make([]int32, len(s.txns)),
		left: make([]int32, len(s.vers)), now: make([]int32, len(s.objects)), holder: make([]int32, len(s.objects)), parked: make(map[int32][]int32),
		outers: make([][]outer, len(s.txns)), readers: make([][]int32, len(s.txns))}
	for _, to := range r.to {
		k.waits[to]++
	}
	for at, e := range s.ends() {
		k.after[e.txn] = int32(at + 1)
	}
	for t := range k.after {
		if k.after[t] == 0 {
			k.after[t] = int32(len(s.txns) + t)
		}
	}
	for i := range s.objects {
		k.now[i], k.holder[i] = s.objects[i].initial, none
	}
	at := make([]int32, len(s.objects))
	for t := range s.txns {
		if s.happened(int32(t)) {
			k.outers[t] = slices.Clone(s.outside(nil, int32(t), at))
		}
		for _, o := range k.outers[t] {
			if o.first != none {
				k.left[o.first]++
			}
		}
	}
	return k
}

// run returns the transactions in the order of their events, and whether all of
// them had their turn.
func (k *sequencer) run() ([]int32, bool) {
	for v := range k.waits {
		if k.waits[v] == 0 {
			k.offer(int32(v))
		}
	}
	var order []int32
	done := 0
	for ; len(k.ready) > 0; done++ {
		v := k.ready.pop().node
		t, begins, commits := k.event(v)
		if (begins || commits) && k.s.happened(t) {
			if key := k.blocked(t, begins, commits); !k.free && key != none {
				k.parked[key] = append(k.parked[key], v)
				done--
				continue
			}
			order = append(order, t)
			k.take(t, begins, commits)
		}
		for _, to := range k.r.of(v) {
			if k.waits[to]--; k.waits[to] == 0 {
				k.offer(to)
			}
		}
	}
	return order, done == len(k.waits)
}

// offer makes a node one of those that may come next. Commits go first, so that
// transactions are open for as short as possible, and moments before all.
func (k *sequencer) offer(v int32) {
	t, begins, commits := k.event(v)
	switch {
	case !begins && !commits:
		k.ready.push(item{-2 * int32(len(k.s.txns)), v})
	case commits && !begins:
		k.ready.push(item{k.after[t] - 2*int32(len(k.s.txns)), v})
	default:
		k.ready.push(item{k.after[t], v})
	}
}

// blocked returns a key for which an event has to wait, or none: a version that
// it replaces is still to be read by somebody else, or another transaction that
// writes the key is open.
func (k *sequencer) blocked(t int32, begins, commits bool) int32 {
	for _, o := range k.outers[t] {
		if o.last == none {
			continue
		}
		own := int32(0)
		if begins && o.first == k.now[o.key] {
			own = 1
		}
		if begins && k.holder[o.key] != none || commits && k.left[k.now[o.key]] > own {
			return o.key
		}
	}
	return none
}

// take lets an event happen.
func (k *sequencer) take(t int32, begins, commits bool) {
	for _, o := range k.outers[t] {
		if begins && o.first != none {
			k.left[o.first]--
		}
		if begins && o.last != none {
			k.holder[o.key] = t
		}
		if commits && o.last != none {
			k.now[o.key], k.holder[o.key] = o.last, none
		}
		for _, v := range k.parked[o.key] {
			k.offer(v)
		}
		delete(k.parked, o.key)
	}
}

// item is a node with its rank: the lowest goes first.
type item struct{ rank, node int32 }

func (a item) less(b item) bool { return a.rank < b.rank || a.rank == b.rank && a.node < b.node }

// heap is a binary heap.
type heap []item

func (h *heap) push(x item) {
	*h = append(*h, x)
	a := *h
	for i := len(a) - 1; i > 0 && a[i].less(a[(i-1)/2]); i = (i - 1) / 2 {
		a[i], a[(i-1)/2] = a[(i-1)/2], a[i]
	}
}

func (h *heap) pop() item {
	a := *h
	top := a[0]
	a[0] = a[len(a)-1]
	a = a[:len(a)-1]
	*h = a
	for i := 0; ; {
		least := i
		for _, c := range []int{2*i + 1, 2*i + 2} {
			if c < len(a) && a[c].less(a[least]) {
				least = c
			}
		}
		if least == i {
			return top
		}
		a[i], a[least] = a[least], a[i]
		i = least
	}
}
