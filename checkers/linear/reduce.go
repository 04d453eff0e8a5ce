package linear

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
)

// patience is how many steps all searches may take together that make a
// violation small. It is no time, so that results do not depend on the machine.
const patience = 2_000_000

// effort is what is left of patience.
type effort struct {
	budget *budget
	left   int
}

// bad reports whether a problem is known to have no order.
func (e *effort) bad(p *problem) bool {
	if e.left <= 0 {
		return false
	}
	if f, ok := newFrontier(p, e.budget); ok {
		f.limit = e.left
		v := f.verdict()
		e.left -= f.steps + len(f.events)
		return v == checkers.Invalid
	}
	e.left = 0 // Porcupine does not count its steps
	return false
}

// reduce makes a violation small while it stays one. Every step keeps the
// proof sound: were the whole history linearizable, the rest would be as well.
// When its patience is exhausted it returns what it has got to.
func reduce(r *register, ops []op, result found, b *budget) []op {
	e := &effort{b, patience}
	bad := func(ops []op) bool { return e.bad(r.problem(ops)) }
	values := r.values.Len()
	ops = dropValues(r.known(ops, result), values, bad)
	return dropOps(ops, values, bad)
}

// known returns the history up to the response that no order can pass, if the
// search knows it: linearizability is closed under prefixes.
func (r *register) known(ops []op, result found) []op {
	if result.search == nil {
		return ops
	}
	return prefix(ops, r.values.Len(), result.search.until())
}

// prefix returns the history up to a time: what had not begun is not there, and
// what had not ended is unknown.
func prefix(ops []op, values int, until int32) []op {
	var cut []op
	for _, o := range ops {
		if o.inv > until || o.res > until && o.isRead() {
			continue
		}
		if o.res > until {
			o.res = forever
		}
		cut = append(cut, o)
	}
	return dropUnobserved(cut, values)
}

// dropValues takes out all operations on one value at a time. A
// compare-and-set that found the value stays as a write of what it wrote.
func dropValues(ops []op, values int, bad func([]op) bool) []op {
	for v := initial + 1; v < int32(values); v++ {
		rest := make([]op, 0, len(ops))
		for _, o := range ops {
			switch {
			case o.to == v || o.isRead() && o.from == v:
				continue
			case o.from == v:
				o.from = none
			}
			rest = append(rest, o)
		}
		if len(rest) < len(ops) && bad(rest) {
			ops = rest
		}
	}
	return ops
}

// times says how often something was.
func times(n int) string {
	if n == 1 {
		return "once more"
	}
	return fmt.Sprintf("%d times more", n)
}

// dropOps takes out reads, and writes that nobody can have observed, one at a
// time.
func dropOps(ops []op, values int, bad func([]op) bool) []op {
	drop := func(i int) {
		if rest := slices.Delete(slices.Clone(ops), i, i+1); bad(rest) {
			ops = dropUnobserved(rest, values)
		}
	}
	// The first ones first: what was found comes from the last one.
	for i := 0; i < len(ops); {
		n := len(ops)
		if !ops[i].isRead() && covered(ops, ops[i]) {
			drop(i)
		}
		if len(ops) == n {
			i++
		}
	}
	for i := len(ops) - 1; i >= 0; i-- {
		if i < len(ops) && (ops[i].isRead() || !observed(ops, ops[i].to)) {
			drop(i)
		}
	}
	return ops
}

func observed(ops []op, v int32) bool {
	return slices.ContainsFunc(ops, func(o op) bool { return o.from == v })
}

// covered reports whether another write came between w and everything that
// observed its value, which somebody else can have written as well: an explanation
// should show whom they have it from.
func covered(ops []op, w op) bool {
	by := earliest(ops, w.to)
	again := func(o op) bool { return o.to == w.to && o != w && o.inv < by }
	return slices.ContainsFunc(ops, again) && covering(ops, w, by) >= 0
}

// earliest returns when the first of the operations began that found a value.
func earliest(ops []op, v int32) int32 {
	first := int32(forever)
	for _, o := range ops {
		if o.from == v {
			first = min(first, o.inv)
		}
	}
	return first
}

// covering returns a write between w and a time, or -1.
func covering(ops []op, w op, until int32) int {
	return slices.IndexFunc(ops, func(o op) bool { return o.to != none && !o.isCAS() && w.res < o.inv && o.res < until })
}

// manyOps is how many operations on a register are too many to leave them out one
// by one, and fewOps is how many an explanation should have at most.
const (
	manyOps = 500
	fewOps  = 2 * maxOps
)

// explainSearch explains a violation that a search found: if leaving operations
// out makes it small, by its zones if its values are unique then, and else by how
// far an order gets.
func (r *register) explainSearch(ops []op, result found, b *budget) checkers.Anomaly {
	if len(ops) > manyOps {
		return r.problem(ops).explain(result, b)
	}
	core := reduce(r, ops, result, b)
	if z := newZones(r, core); unique(core, r.values.Len()) {
		z.partial = true
		if found := z.check(1); len(found) > 0 {
			a := z.explain(found, 1)[0]
			a.Explanation += r.repeated(r.known(ops, result), core)
			return a
		}
	}
	if len(core) > fewOps {
		return r.problem(ops).explain(result, b)
	}
	a := r.problem(core).anomaly(nil, r.problem(r.known(ops, result)), b)
	a.Explanation += r.repeated(r.known(ops, result), core)
	return a
}

// repeated tells of other writes of what the operations of a core found, which
// cannot be where they have it from.
func (r *register) repeated(known, core []op) string {
	text := ""
	for v := range int32(r.values.Len()) {
		n := 0
		for _, o := range known {
			if o.to == v && !slices.ContainsFunc(core, func(c op) bool { return c.call == o.call }) {
				n++
			}
		}
		if n > 0 && observed(core, v) {
			text += fmt.Sprintf("; %v was also written %s, and overwritten before any of these can have found it", r.values.Value(v), times(n))
		}
	}
	return text
}
