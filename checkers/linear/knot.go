package linear

import (
	"cmp"
	"math/bits"
	"slices"
)

// few is how many operations a violation may have so that all their orders can be
// tried.
const few = 40

// trials is how many steps the trials of one violation may take together.
const trials = 1 << 15

// knot is a violation of few operations. Sets of them are masks.
type knot struct {
	*problem
	before []uint64 // by operation, those that had ended when it began
	last   int      // the operation whose answer came last: without that, there is an order
	left   int      // steps
	whole  *problem // what the violation was made of by leaving operations out
	budget *budget
}

// tie reports false if there are too many operations.
func tie(p, whole *problem, b *budget) (*knot, bool) {
	if len(p.ops) > few || len(p.ops) == 0 {
		return nil, false
	}
	k := &knot{problem: p, whole: whole, budget: b, before: make([]uint64, len(p.ops)), left: trials}
	for i := range p.ops {
		if x := &p.ops[i]; !x.isInfo() && (p.ops[k.last].isInfo() || x.res > p.ops[k.last].res) {
			k.last = i
		}
		for j := range p.ops {
			if p.precedes(j, i) {
				k.before[i] |= 1 << j
			}
		}
	}
	return k, true
}

// precedes reports whether one operation ended before another began.
func (p *problem) precedes(a, b int) bool { return p.ops[a].res < p.ops[b].inv }

// spent reports whether so many orders were tried that nothing is known.
func (k *knot) spent() bool { return k.left <= 0 }

// must is the operations that certainly happened.
func (k *knot) must() uint64 {
	all := uint64(0)
	for i := range k.ops {
		if !k.ops[i].isInfo() {
			all |= 1 << i
		}
	}
	return all
}

// trial tries the orders that keep some operations before others.
type trial struct {
	*knot
	before []uint64
	must   uint64
	dead   map[place]bool
}

// place is what a trial has come to.
type place struct {
	done  uint64
	state int64
}

// possible reports whether all operations but those in out have an order that
// keeps some before others.
func (k *knot) possible(before []uint64, out uint64) bool {
	t := &trial{k, before, k.must() &^ out, make(map[place]bool)}
	return t.from(place{out, k.first})
}

func (t *trial) from(p place) bool {
	if t.left--; t.must&^p.done == 0 || t.spent() {
		return true
	}
	if t.dead[p] {
		return false
	}
	t.dead[p] = true
	return t.each(p, func(_ int, to place) bool { return t.from(to) })
}

// each goes through what can be next, until do returns true.
func (t *trial) each(p place, do func(op int, to place) bool) bool {
	v, _ := t.object.(various)
	for i := range t.ops {
		if p.done&(1<<i) != 0 || t.before[i]&^p.done != 0 {
			continue
		}
		acts := []act{t.ops[i]}
		if v != nil && t.ops[i].isInfo() {
			if all := v.variants(&t.ops[i]); all != nil {
				acts = all
			}
		}
		for j := range acts {
			to, ok := t.step(p.state, &acts[j])
			if ok && do(i, place{p.done | 1<<i, to}) {
				return true
			}
		}
	}
	return false
}

// pairs returns the pairs of a relation.
func pairs(before []uint64) [][2]int {
	var list [][2]int
	for b, mask := range before {
		for ; mask != 0; mask &= mask - 1 {
			list = append(list, [2]int{bits.TrailingZeros64(mask), b})
		}
	}
	return list
}

// needed returns as little of the real time as there must be so that there is no
// order: none of it can be left out.
func (k *knot) needed() []uint64 {
	needed := slices.Clone(k.before)
	all := pairs(needed)
	slices.SortStableFunc(all, func(a, b [2]int) int { return cmp.Compare(k.gap(a), k.gap(b)) })
	for _, p := range all {
		needed[p[1]] &^= 1 << p[0]
		if k.possible(needed, 0) {
			needed[p[1]] |= 1 << p[0]
		}
	}
	return needed
}

func (k *knot) gap(p [2]int) int32 { return k.ops[p[1]].inv - k.ops[p[0]].res }

// earlier reports whether there would be an order if an operation had been free
// to take effect before it began, also of what was left out.
func (k *knot) earlier(x int) bool {
	before := slices.Clone(k.before)
	before[x] = 0
	return k.possible(before, 0) && k.relaxed(x, func(y *act) { y.inv = none })
}

// later reports whether there would be an order if an operation had been free to
// take effect after it ended.
func (k *knot) later(x int) bool {
	before := slices.Clone(k.before)
	for i := range before {
		before[i] &^= 1 << x
	}
	return k.possible(before, 0) && k.relaxed(x, func(y *act) { y.res = forever - 1 })
}

// without reports whether there would be an order if an operation had not been.
func (k *knot) without(x int) bool { return k.possible(k.before, 1<<x) }

// reordered reports whether there would be an order if the operations that change
// something had been free to do so in another one.
func (k *knot) reordered() bool {
	before := slices.Clone(k.before)
	for _, p := range pairs(before) {
		if !k.pure(&k.ops[p[0]]) && !k.pure(&k.ops[p[1]]) {
			before[p[1]] &^= 1 << p[0]
		}
	}
	return k.possible(before, 0)
}

// relaxed reports whether it is known that the whole would have an order if one of
// its operations had been at another time.
func (k *knot) relaxed(x int, change func(*act)) bool {
	ops := slices.Clone(k.whole.ops)
	at := slices.IndexFunc(ops, func(y act) bool { return y.call == k.ops[x].call })
	change(&ops[at])
	slices.SortStableFunc(ops, func(a, b act) int { return cmp.Compare(a.inv, b.inv) })
	f, ok := newFrontier(k.whole.with(ops), k.budget)
	if !ok {
		return false
	}
	f.limit = trials
	found, _ := f.run()
	return found
}

// reachable reports whether an operation can have had its answer at all, if of the
// others any happened, at any time.
func (k *knot) reachable(x int) bool {
	t := &trial{k, make([]uint64, len(k.ops)), 1 << x, make(map[place]bool)}
	return t.from(place{0, k.first})
}

// orders returns orders of the operations that their answers allow, whatever the
// real time was, at most so many.
func (k *knot) orders(most int) [][]int {
	t := &trial{k, make([]uint64, len(k.ops)), k.must(), make(map[place]bool)}
	var all [][]int
	var order []int
	var from func(p place) bool
	from = func(p place) bool {
		if t.left--; t.spent() {
			return true
		}
		if t.must&^p.done == 0 {
			all = append(all, slices.Clone(order))
			return len(all) == most
		}
		if t.dead[p] {
			return false
		}
		found := len(all)
		stop := t.each(p, func(op int, to place) bool {
			order = append(order, op)
			defer func() { order = order[:len(order)-1] }()
			return from(to)
		})
		t.dead[p] = len(all) == found
		return stop
	}
	from(place{0, k.first})
	return all
}

// furthest returns the longest order that keeps to real time and that nothing can
// be next to, and what is left of it: a place.
func (k *knot) furthest() ([]int, place) {
	t := &trial{k, k.before, k.must(), make(map[place]bool)}
	var best, order []int
	end := place{0, k.first}
	var from func(p place) bool
	from = func(p place) bool {
		if t.left--; t.spent() || t.dead[p] {
			return t.spent()
		}
		t.dead[p] = true
		blocked := true
		stop := t.each(p, func(op int, to place) bool {
			blocked = false
			order = append(order, op)
			defer func() { order = order[:len(order)-1] }()
			return from(to)
		})
		if blocked && len(order) > len(best) {
			best, end = slices.Clone(order), p
		}
		return stop
	}
	from(end)
	return best, end
}

// reduced returns a relation without what follows from the rest of it.
func reduced(before []uint64) []uint64 {
	small := slices.Clone(before)
	for b, mask := range before {
		for ; mask != 0; mask &= mask - 1 {
			small[b] &^= before[bits.TrailingZeros64(mask)]
		}
	}
	return small
}
