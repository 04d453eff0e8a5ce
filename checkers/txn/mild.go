package txn

import "slices"

// A worse cycle implies milder ones by name, yet a milder one may be there in
// its own right, on other transactions, and tell more about the cause. In
// components of moderate size those are looked for as well.
const moderate = 4096

// The state of a search for a cycle of one kind, as bits: what the path so far
// has.
const (
	lastRW = 1 << iota // its last edge is an rw
	moreRW             // it has an rw besides the first edge
	twoRW              // two rw follow each other
	order              // it has an edge of the variant
	states
)

// kind describes one kind of cycle.
type kind struct {
	name    string
	start   uint8 // the kind of its first edge
	mask    uint8 // the edges it may have
	variant uint8 // the one it must have
	apart   bool  // two rw must not follow each other
	need    int   // what a path has to have in the end
}

func kinds(v variant) []kind {
	data := ww | wr | v.mask
	list := []kind{
		{"G0", ww, ww | v.mask, v.mask, false, 0},
		{"G1c", wr, data, v.mask, false, 0},
		{"G-single-item", rw, data | via, v.mask, false, 0},
		{"G-nonadjacent-item", rw, data | via | rw, v.mask, true, moreRW},
		{"G2-item", rw, data | via | rw, v.mask, false, twoRW},
	}
	for i := range list {
		list[i].name += v.suffix
		if v.mask != 0 {
			list[i].need |= order
		}
	}
	return list
}

// mild looks for cycles of the kinds that those found imply.
func (l *local) mild() {
	if len(l.nodes) > moderate {
		return
	}
	have := make(map[string]bool)
	for _, c := range l.found {
		have[classify(c)] = true
	}
	worst := len(l.found)
	for _, v := range variants {
		for _, k := range kinds(v) {
			if l.implied[k.name] && !have[k.name] && l.spare > 0 && !l.stop() {
				l.keep(l.exactly(k))
			}
		}
	}
	l.milder = slices.Clone(l.found[worst:])
	l.found = l.found[:worst]
}

// exactly returns a cycle of one kind, or nil if none was met in a moderate
// number of tries.
func (l *local) exactly(k kind) []dep {
	if k.variant != 0 && !slices.ContainsFunc(l.tag, func(t uint8) bool { return t&k.variant != 0 }) {
		return nil
	}
	p := &pathfinder{l: l, k: k, seen: make([]int32, states*len(l.nodes)), by: make([]arrival, states*len(l.nodes))}
	for e, t := range l.tag {
		if t != k.start || p.turn >= tries || l.spare <= 0 {
			continue
		}
		p.turn++
		if c := p.run(int32(e)); c != nil && classify(c) == k.name {
			return c
		}
	}
	return nil
}

// pathfinder searches paths with a state.
type pathfinder struct {
	l    *local
	k    kind
	seen []int32
	by   []arrival
	turn int32
}

// arrival is how a node was reached in a state: from which one, by which edge.
type arrival struct{ from, edge int32 }

// run looks for a cycle that begins with edge e.
func (p *pathfinder) run(e int32) []dep {
	goal := p.l.from[e]
	begin := states * p.l.to[e]
	if p.k.start == rw {
		begin |= lastRW
	}
	p.seen[begin] = p.turn
	for queue := []int32{begin}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		v, state := at/states, at%states
		if v == goal {
			if p.closes(state) {
				return p.back(e, begin, at)
			}
			continue
		}
		p.l.spare -= int(p.l.off[v+1] - p.l.off[v])
		for i := p.l.off[v]; i < p.l.off[v+1]; i++ {
			next, ok := p.step(state, p.l.tag[i])
			if to := states*p.l.to[i] + next; ok && p.seen[to] != p.turn {
				p.seen[to], p.by[to] = p.turn, arrival{at, i}
				queue = append(queue, to)
			}
		}
	}
	return nil
}

// step returns the state after one more edge, and whether it may be taken.
func (p *pathfinder) step(state int32, tag uint8) (int32, bool) {
	switch {
	case tag&p.k.mask == 0:
		return 0, false
	case tag == via:
		return state, true
	case tag == rw && state&lastRW != 0:
		return state | moreRW | twoRW, !p.k.apart
	case tag == rw:
		return state | lastRW | moreRW, true
	case tag&p.k.variant != 0:
		state |= order
	}
	return state &^ lastRW, true
}

// closes reports whether a path that came back in a state is a cycle of the
// kind.
func (p *pathfinder) closes(state int32) bool {
	if p.k.start == rw && state&lastRW != 0 && state&moreRW != 0 {
		if p.k.apart {
			return false
		}
		state |= twoRW
	}
	return int(state)&p.k.need == p.k.need
}

// back returns the cycle, if it comes to each transaction once.
func (p *pathfinder) back(e, begin, at int32) []dep {
	var path []dep
	for at != begin {
		s := p.by[at]
		path = append(path, dep{s.from / states, at / states, p.l.tag[s.edge]})
		at = s.from
	}
	slices.Reverse(path)
	c := p.l.join(e, path)
	if i, _ := repeated(c); i >= 0 {
		return nil
	}
	return c
}
