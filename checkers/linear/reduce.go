package linear

import (
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
	if result.search != nil {
		// Linearizability is closed under prefixes, and the search knows the
		// response that no order can pass.
		ops = prefix(ops, values, result.search.until())
	}
	ops = dropValues(ops, values, bad)
	return dropOps(ops, values, bad)
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

// dropOps takes out reads, and writes that nobody can have observed, one at a
// time.
func dropOps(ops []op, values int, bad func([]op) bool) []op {
	for i := len(ops) - 1; i >= 0; i-- {
		if i < len(ops) && (ops[i].isRead() || !observed(ops, ops[i].to) || covered(ops, ops[i])) {
			if rest := slices.Delete(slices.Clone(ops), i, i+1); bad(rest) {
				ops = dropUnobserved(rest, values)
			}
		}
	}
	return ops
}

func observed(ops []op, v int32) bool {
	return slices.ContainsFunc(ops, func(o op) bool { return o.from == v })
}

// covered reports whether another write came between w and everything that
// observed its value.
func covered(ops []op, w op) bool {
	earliest := int32(forever)
	for _, o := range ops {
		if o.from == w.to {
			earliest = min(earliest, o.inv)
		}
	}
	return slices.ContainsFunc(ops, func(o op) bool {
		return o.to != none && !o.isCAS() && w.res < o.inv && o.res < earliest
	})
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
		if found := z.check(1); len(found) > 0 {
			return z.explain(found, 1)[0]
		}
	}
	if len(core) > fewOps {
		return r.problem(ops).explain(result, b)
	}
	return r.problem(core).anomaly(nil, b)
}
