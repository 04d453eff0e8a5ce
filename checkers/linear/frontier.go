package linear

import (
	"cmp"
	"math/bits"
	"slices"
)

// width is how many operations that were completed may be open at a time: each
// takes a bit of a mask, which it gives back when it ends.
const width = 64

// frontier searches for an order by going along the history, with what is
// needed of the past reduced to three things: which of the open operations have
// taken effect, the state that this led to, and how many operations without an
// answer were made use of (Lee and Mathur, 2026, after Wing and Gong, and Lowe).
//
//   - Nothing has to take effect before a response needs it to (Lowe), so choices
//     are made there only: open operations take effect one after the other until
//     the one that is about to end has.
//   - Operations that change nothing take effect as soon as the state allows it:
//     later can be no better.
//   - Operations without an answer need no bit. Those that do the same are as
//     good as each other, so only their number counts, and having used more of
//     them, to come to the same, is never better than having used fewer.
//
// Of objects that grow, what is yet to be found tells dead ends early: see
// [foresight]. What has been visited is never visited again: with k open operations, that is
// at most 2^k times the number of states, for each response.
type frontier struct {
	*problem
	budget *budget
	events []moment
	open   []int32 // the operations that are open at responses, one list behind the other, the next to end first
	slot   []uint8 // by operation, its bit
	idle   []class // operations without an answer, by what they do
	offers []offer // what these can do

	*outlook // what is yet to be found, or nil if that tells nothing

	seen    memo
	used    *usage
	quiet   []quiet
	deep    int   // the furthest response that could not be passed, an index into events
	reached int64 // the state in which the search first got to deep
	steps   int
	limit   int // of steps, if it is not 0
	stack   []node
	record  bool    // whether to keep the longest order
	best    []int32 // if so, the operations that got to deep
}

// moment is the invocation or the response of a completed operation.
type moment struct {
	at       int32
	op       int32
	response bool
	from, to int32 // if it is a response, the open operations
}

// class is operations without an answer that do the same.
type class struct {
	invs []int32
	ops  []int32
}

// offer is something that an operation of a class can do.
type offer struct {
	class int32
	act   act
}

// node is a place in the search: before an event, with the operations in mask
// having taken effect, and the next move to try.
type node struct {
	mask  uint64
	state int64
	event int32
	used  int32
	move  int32
}

// quiet is what is known of the moment after a response.
type quiet struct {
	mask  uint64
	state int64
	count uint8 // of places that the search was in, up to several; several also if operations without an answer were used
}

const several = 2

// newFrontier prepares a search. It reports false if too many operations are
// open at a time.
func newFrontier(p *problem, b *budget) (*frontier, bool) {
	f := &frontier{problem: p, budget: b, limit: b.steps, slot: make([]uint8, len(p.ops)), used: newUsage(), deep: -1}
	f.classify()
	for i := range p.ops {
		if x := &p.ops[i]; !x.isInfo() {
			f.events = append(f.events, moment{at: x.inv, op: int32(i)}, moment{at: x.res, op: int32(i), response: true})
		}
	}
	slices.SortFunc(f.events, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	f.quiet = make([]quiet, len(f.events)+1)
	if !f.layOut() {
		return nil, false
	}
	f.lookOut()
	return f, true
}

// classify puts operations without an answer together by what they do.
func (f *frontier) classify() {
	numbers := make(map[kind]int32)
	v, _ := f.object.(various)
	for i := range f.ops {
		x := &f.ops[i]
		if !x.isInfo() {
			continue
		}
		c, ok := numbers[x.kind()]
		if !ok {
			c = int32(len(f.idle))
			numbers[x.kind()] = c
			f.idle = append(f.idle, class{})
			acts := []act{*x}
			if v != nil {
				if all := v.variants(x); all != nil {
					acts = all
				}
			}
			for _, a := range acts {
				f.offers = append(f.offers, offer{c, a})
			}
		}
		f.idle[c].invs = append(f.idle[c].invs, x.inv)
		f.idle[c].ops = append(f.idle[c].ops, int32(i))
	}
}

// layOut gives bits to operations and lists which ones are open at responses. It
// reports false if there are not enough bits.
func (f *frontier) layOut() bool {
	free := ^uint64(0)
	var open []int32
	for i := range f.events {
		e := &f.events[i]
		if !e.response {
			if free == 0 {
				return false
			}
			bit := bits.TrailingZeros64(free)
			free &^= 1 << bit
			f.slot[e.op] = uint8(bit)
			at, _ := slices.BinarySearchFunc(open, e.op, func(a, b int32) int { return cmp.Compare(f.ops[a].res, f.ops[b].res) })
			open = slices.Insert(open, at, e.op)
			continue
		}
		e.from = int32(len(f.open))
		f.open = append(f.open, open...)
		e.to = int32(len(f.open))
		free |= 1 << f.slot[e.op]
		open = open[1:]
	}
	return true
}

// bit returns the bit of an operation.
func (f *frontier) bit(op int32) uint64 { return 1 << f.slot[op] }

// run searches for an order. It reports false for done when the budget is
// exhausted.
func (f *frontier) run() (found, done bool) {
	n := node{state: f.first}
	if !f.advance(&n, nil) {
		return true, true
	}
	f.visit(&n)
	f.stack = append(f.stack[:0], n)
	for len(f.stack) > 0 {
		if f.steps++; f.steps%lookEvery == 0 && f.budget.look() || f.steps == f.limit {
			return false, false
		}
		top := &f.stack[len(f.stack)-1]
		next, moved := f.try(top, nil)
		switch {
		case !moved:
			f.stack = f.stack[:len(f.stack)-1]
		case int(next.event) == len(f.events):
			return true, true
		case f.visit(&next):
			f.stack = append(f.stack, next)
		}
	}
	return false, true
}

// until is when a history that has no order became impossible: the index of the
// first response that no order can pass.
func (f *frontier) until() int32 { return f.events[f.deep].at }

// visit reports whether the search has not been here, nor in a place as good.
func (f *frontier) visit(n *node) bool {
	if !f.seen.add(n, f.used) {
		return false
	}
	if int(n.event) > f.deep {
		f.deep, f.reached = int(n.event), n.state
		if f.record {
			f.best = f.order(nil)
		}
	}
	return true
}

// try makes the next move from n that is possible and returns where it leads, or
// reports that there is none. What takes effect is appended to order, unless
// that is nil.
func (f *frontier) try(n *node, order *[]int32) (node, bool) {
	e := &f.events[n.event]
	open := f.open[e.from:e.to]
	for int(n.move) < len(open)+len(f.offers) {
		i := int(n.move)
		n.move++
		next := *n
		next.move = 0
		var ok bool
		if i < len(open) {
			ok = f.effect(&next, open[i], order)
		} else {
			ok = f.offer(&next, f.offers[i-len(open)], order)
		}
		if !ok {
			continue
		}
		f.settle(&next, open, order)
		if next.mask&f.bit(e.op) != 0 {
			f.advance(&next, order)
		}
		if order == nil && f.doomed(&next) {
			continue
		}
		return next, true
	}
	return node{}, false
}

// effect lets an open operation take effect, if it has not yet and can.
func (f *frontier) effect(n *node, op int32, order *[]int32) bool {
	if n.mask&f.bit(op) != 0 {
		return false
	}
	to, ok := f.step(n.state, &f.ops[op])
	if ok {
		n.state = to
		n.mask |= f.bit(op)
		if order != nil {
			*order = append(*order, op)
		}
	}
	return ok
}

// offer lets an operation without an answer take effect, if one is left that had
// begun, and if that changes something.
func (f *frontier) offer(n *node, o offer, order *[]int32) bool {
	c := &f.idle[o.class]
	count := f.used.count(n.used, o.class)
	if count == len(c.invs) || c.invs[count] > f.events[n.event].at {
		return false
	}
	to, ok := f.step(n.state, &o.act)
	if !ok || to == n.state {
		return false
	}
	n.state = to
	n.used = f.used.more(n.used, o.class)
	if order != nil {
		*order = append(*order, c.ops[count])
	}
	return true
}

// settle lets the open operations that change nothing take effect where they can.
func (f *frontier) settle(n *node, open []int32, order *[]int32) {
	for _, op := range open {
		if f.pure(&f.ops[op]) {
			f.effect(n, op, order)
		}
	}
}

// advance goes on to the next response of an operation that has not taken
// effect. It reports false at the end of the history.
func (f *frontier) advance(n *node, order *[]int32) bool {
	for ; int(n.event) < len(f.events); n.event++ {
		e := &f.events[n.event]
		switch {
		case !e.response:
			if f.pure(&f.ops[e.op]) {
				f.effect(n, e.op, order)
			}
		case n.mask&f.bit(e.op) == 0:
			return true
		default:
			n.mask &^= f.bit(e.op)
			f.rest(n)
		}
	}
	return false
}

// rest notes where the search is after a response.
func (f *frontier) rest(n *node) {
	q := &f.quiet[n.event]
	switch {
	case q.count == 0 && n.used == 0:
		*q = quiet{n.mask, n.state, 1}
	case q.count == 0 || q.mask != n.mask || q.state != n.state || n.used != 0:
		q.count = several
	}
}

// order returns the operations that have taken effect on the way to where the
// search is, in their order. last is the move that it ends with, if that one is
// not on the stack.
func (f *frontier) order(took func(op int32, a *act)) []int32 {
	order := make([]int32, 0, len(f.ops))
	n := node{state: f.first}
	f.advance(&n, &order)
	for i := range f.stack {
		n = f.stack[i]
		n.move--
		if i := int(n.move) - f.openAt(n.event); i >= 0 && took != nil {
			c := f.offers[i].class
			took(f.idle[c].ops[f.used.count(n.used, c)], &f.offers[i].act)
		}
		f.try(&n, &order)
	}
	return order
}

func (f *frontier) openAt(event int32) int {
	e := &f.events[event]
	return int(e.to - e.from)
}
