package linear

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
)

// reduce makes a violation small while it stays one. Every step keeps the
// proof sound: were the whole history linearizable, the rest would be as well.
// When the budget is exhausted it returns what it has got to.
func reduce(ops []op, values int, b *budget) []op {
	bad := func(ops []op) bool { return linearizable(ops, values, b) == checkers.Invalid }
	ops = shortestPrefix(ops, values, bad)
	ops = dropValues(ops, values, bad)
	return dropOps(ops, values, bad)
}

// shortestPrefix cuts the history off after the completion that made it
// impossible. Linearizability is closed under prefixes.
func shortestPrefix(ops []op, values int, bad func([]op) bool) []op {
	var ends []int32
	for _, o := range ops {
		if !o.isInfo() {
			ends = append(ends, o.res)
		}
	}
	slices.Sort(ends)
	n := sort.Search(len(ends), func(n int) bool { return bad(prefix(ops, values, ends[n])) })
	if n == len(ends) {
		return ops
	}
	return prefix(ops, values, ends[n])
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

// explainSearch explains a small violation: by its zones if its values are
// unique, else by listing the operations that have no order.
func explainSearch(r *register, core []op) checkers.Anomaly {
	z := newZones(r, core)
	if unique(core, r.values.Len()) {
		if found := z.check(1); len(found) > 0 {
			return z.explain(found, 1)[0]
		}
	}
	a := checkers.Anomaly{Name: "nonlinearizable"}
	var steps []string
	for i, o := range core {
		a.Ops = append(a.Ops, z.call(int32(i)).Invoke.Index)
		end := "with no answer"
		if !o.isInfo() {
			end = "until " + z.end(int32(i))
		}
		steps = append(steps, z.did(int32(i))+" "+end)
	}
	a.Explanation = fmt.Sprintf("no order of these %d operations that keeps to real time explains what was read: %s", len(core), strings.Join(steps, "; "))
	return a
}
