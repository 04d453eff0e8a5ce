package linear

import (
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
)

// prefix returns the problem up to a time: what had not begun is not there, and
// what had not ended is unknown.
func (p *problem) prefix(until int32) *problem {
	var cut []act
	for _, x := range p.ops {
		if x.inv > until || x.res > until && p.pure(&x) {
			continue
		}
		if x.res > until {
			x.res = forever
		}
		cut = append(cut, x)
	}
	return p.with(cut)
}

// forgetful is a spec with operations of which only their answers tell what they
// did.
type forgetful interface {
	// forget returns what an operation is to who does not know its answer.
	forget(x act) act
}

// ended returns what is known of the problem at a time, and only that: the
// answers that came later are not.
func (p *problem) ended(until int32) *problem {
	f, ok := p.object.(forgetful)
	if !ok {
		return p.prefix(until)
	}
	cut := slices.Clone(p.ops)
	for i := range cut {
		if cut[i].res > until {
			cut[i] = f.forget(cut[i])
		}
	}
	return p.with(cut).prefix(until)
}

// with returns the problem with other operations.
func (p *problem) with(ops []act) *problem {
	q := *p
	q.ops = ops
	return &q
}

// fatal returns the first response such that the history was impossible then,
// where cut says how the history was then. If the search that f is had no more to
// go by than that, it is the one that it could not pass.
func (p *problem) fatal(f *frontier, b *budget, more bool, cut func(int32) *problem) int32 {
	if f.outlook == nil && !more {
		return f.until()
	}
	ends := f.events[f.deep:]
	n := sort.Search(len(ends)-1, func(n int) bool { return cut(ends[n].at).search(Auto, b).verdict == checkers.Invalid })
	return ends[n].at
}

// since returns a moment before the violation that f found up to which there is
// only one explanation, and the problem from then on. It is the last one but for
// those from which on nothing changed, so that what is left shows how the object
// got into the state that was the problem. Operations without an answer stay, for
// they may come later.
func (f *frontier) since() (int32, *problem) {
	last := none
	for i := f.deep - 1; i >= 0; i-- {
		switch q := f.quiet[i]; {
		case q.count != 1:
		case last == none:
			last = int32(i)
		case q.state != f.quiet[last].state:
			return f.events[i].at, f.after(int32(i), q)
		}
	}
	return none, f.problem
}

// after returns the problem after a response, where the search was in one place.
func (f *frontier) after(event int32, q quiet) *problem {
	e := &f.events[event]
	done := make(map[int32]bool)
	for _, op := range f.open[e.from:e.to] {
		if q.mask&f.bit(op) != 0 {
			done[op] = true
		}
	}
	var ops []act
	for i, x := range f.ops {
		if x.res > e.at && !done[int32(i)] {
			ops = append(ops, x)
		}
	}
	rest := f.with(ops)
	rest.first = q.state
	return rest
}

// core is what is left of a violation.
type core struct {
	*problem
	whole *problem // all that was known when there was no order any more
	since int32    // the moment before which everything was left out, or none
}

// core makes the violation that f found small, while it stays one: were the
// whole history linearizable, the rest would be as well.
func (f *frontier) core(b *budget) core {
	whole := f.prefix(f.fatal(f, b, false, f.prefix))
	if f.outlook != nil {
		// What came later told the search too much to know how it was then.
		f, _ = newFrontier(whole, b)
		f.limit = patience
		if _, done := f.run(); !done {
			return core{whole, whole, none}
		}
	}
	at, p := f.since()
	p = p.prefix(whole.last())
	cut := core{p.smaller(&effort{b, patience}), whole, at}
	if at != none && p.first != f.first {
		// Better to show how the object got there, if that does not take long.
		if p := whole.smaller(&effort{b, patience / 10}); len(p.ops) <= maxOps {
			return core{p, whole, none}
		}
	}
	return cut
}

// smaller leaves out what makes no difference.
func (p *problem) smaller(e *effort) *problem {
	p = p.dropPure(e).dropSpare(e)
	if _, ok := p.object.(sparing); ok && len(p.ops) <= maxOps {
		return p
	}
	if r, ok := p.object.(reducible); ok {
		p = p.dropValues(r, e)
		p = p.dropPure(e)
	}
	return p
}

// last returns when the last operation of the problem ended.
func (p *problem) last() int32 {
	last := none
	for i := range p.ops {
		if x := &p.ops[i]; !x.isInfo() {
			last = max(last, x.res)
		}
	}
	return last
}

// dropPure leaves out operations that change nothing, many at a time at first.
func (p *problem) dropPure(e *effort) *problem {
	for size := len(p.ops); size > 0 && e.left > 0; size /= 2 {
		for i := len(p.ops); i > 0; i -= size {
			part := max(0, i-size)
			if i > len(p.ops) {
				continue
			}
			rest := slices.Clone(p.ops[:part])
			for _, x := range p.ops[part:i] {
				if !p.pure(&x) {
					rest = append(rest, x)
				}
			}
			rest = append(rest, p.ops[i:]...)
			if len(rest) < len(p.ops) && e.bad(p.with(rest)) {
				p = p.with(rest)
			}
		}
	}
	return p
}

// dropSpare leaves out operations that nobody has anything from, the last ones
// first.
func (p *problem) dropSpare(e *effort) *problem {
	s, ok := p.object.(sparing)
	if !ok || len(p.ops) > manyOps {
		return p
	}
	for i := len(p.ops) - 1; i >= 0; i-- {
		rest := slices.Delete(slices.Clone(p.ops), i, i+1)
		if s.spare(p.ops, &p.ops[i]) && e.bad(p.with(rest)) {
			p = p.with(rest)
		}
	}
	return p
}

// telling reports whether a value is all that is left of what the last answer was.
func (p *problem) telling(value int64) bool {
	t, ok := p.object.(teller)
	i := slices.IndexFunc(p.ops, func(x act) bool { return x.res == p.last() })
	return ok && i >= 0 && t.only(&p.ops[i], value)
}

// dropValues leaves out one value at a time.
func (p *problem) dropValues(r reducible, e *effort) *problem {
	for v := range r.size() {
		if e.left <= 0 {
			break
		}
		if p.telling(v) {
			continue
		}
		if rest := r.without(p.ops, v); e.bad(p.with(rest)) {
			p = p.with(rest)
		}
	}
	return p
}

// explain makes a violation small and says why it is one.
func (p *problem) explain(result found, b *budget) checkers.Anomaly {
	if result.search == nil {
		return p.anomaly(nil, p, b)
	}
	c := result.search.core(b)
	if c.since == none {
		return c.anomaly(nil, c.whole, b)
	}
	return c.anomaly(&c.since, c.whole, b)
}
