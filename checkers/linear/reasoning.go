package linear

import (
	"fmt"
	"slices"
	"strings"
)

// cell is something that can be found at some place of an object.
type cell struct{ at, value int64 }

// touch is what an operation found and what it left behind.
type touch struct{ found, left []cell }

// cellular is a spec whose operations find things at places and leave others
// there, so that what is found at a place is what was left there last.
type cellular interface {
	// touches reads operations this way, or reports that it cannot.
	touches(ops []act, first int64) ([]touch, bool)
	// before is what a place holds in a state.
	before(state int64, at int64) int64
	// tell puts into words that something was found.
	tell(c cell) string
}

// sequenced is a spec whose operations show in which order others were, however
// they were seen to begin and end.
type sequenced interface {
	// sequence adds what follows from what is known, with [reasoning.know].
	sequence(a *reasoning)
}

// fact says that one operation came before another, and why.
type fact struct {
	from, to int
	kind     string
	why      string
	via      uint64 // other operations that it takes
	steps    []fact // what it rests on
}

// reasoning derives from what operations found in which order they were, until
// one would have to come before itself:
//
//   - Who found what one operation alone left came after that one.
//   - Between the two, nothing else can have been left there. So what was left
//     there after the first came after the second; and what was left there before
//     the second, before the first.
//   - Of several operations that left it, those are out that came later, and those
//     after which something else was left in time.
//
// Operations without an answer take part if somebody found what they alone left.
type reasoning struct {
	*knot
	cells   cellular
	touched []touch
	sure    uint64
	by      []int // of operations without an answer that are sure, who found what they left
	facts   []fact
	path    [][]int // by two operations, the last fact on the way from one to the other, or -1
	stuck   *fact   // an operation that found what nobody can have left: from and to are that
}

// argue looks for an argument.
func (k *knot) argue() *reasoning {
	cells, ok := k.object.(cellular)
	if !ok {
		return nil
	}
	touched, ok := cells.touches(k.ops, k.first)
	if !ok {
		return nil
	}
	a := &reasoning{knot: k, cells: cells, touched: touched, sure: k.must(), by: make([]int, len(k.ops))}
	for _, p := range pairs(reduced(k.before)) {
		a.know(fact{from: p[0], to: p[1], kind: realTime, why: k.overBefore(p[0], p[1])})
	}
	for {
		a.connect()
		if a.circle() != nil || a.stuck != nil {
			return a
		}
		known := len(a.facts)
		for y := range k.ops {
			for _, c := range touched[y].found {
				if a.sure&(1<<y) != 0 && a.stuck == nil {
					a.source(y, c)
				}
			}
		}
		if s, ok := k.object.(sequenced); ok {
			s.sequence(a)
		}
		if known == len(a.facts) && a.stuck == nil {
			return nil
		}
	}
}

// know adds a fact, unless it is known that the one operation was before the other.
func (a *reasoning) know(f fact) {
	if !slices.ContainsFunc(a.facts, func(g fact) bool { return f.from == g.from && f.to == g.to }) {
		a.facts = append(a.facts, f)
	}
}

// connect finds the shortest ways along the facts.
func (a *reasoning) connect() {
	n := len(a.ops)
	a.path = make([][]int, n)
	for from := range n {
		a.path[from] = slices.Repeat([]int{-1}, n)
		reached, queue := uint64(0), []int{from}
		for len(queue) > 0 {
			at := queue[0]
			queue = queue[1:]
			for i, f := range a.facts {
				if f.from != at || reached&(1<<f.to) != 0 {
					continue
				}
				reached |= 1 << f.to
				a.path[from][f.to] = i
				queue = append(queue, f.to)
			}
		}
	}
}

// precedes reports whether it is known that one operation came before another.
func (a *reasoning) precedes(from, to int) bool { return a.path[from][to] >= 0 }

// way returns the facts that lead from one operation to another.
func (a *reasoning) way(from, to int) []fact {
	var way []fact
	for at := to; len(way) == 0 || at != from; at = way[0].from {
		way = append([]fact{a.facts[a.path[from][at]]}, way...)
	}
	return way
}

// circle returns the shortest way from an operation to itself, or nil.
func (a *reasoning) circle() []fact {
	var best []fact
	for x := range a.ops {
		if a.precedes(x, x) {
			if way := a.way(x, x); best == nil || len(way) < len(best) {
				best = way
			}
		}
	}
	// What can be seen without thinking comes first.
	if i := slices.IndexFunc(best, func(f fact) bool { return f.kind == realTime }); i > 0 {
		best = append(best[i:], best[:i]...)
	}
	return best
}

// source finds out from whom an operation has what it found.
func (a *reasoning) source(y int, c cell) {
	var all, able []int // -1 for what was there at first
	not := fact{from: y, to: y}
	except := func(why string, way []fact, ops ...int) {
		not.take(way, ops...)
		not.why += "; " + why + because(way)
	}
	if a.cells.before(a.first, c.at) == c.value {
		all = append(all, -1)
		if e := a.ended(-1, y, c); e < 0 {
			able = append(able, -1)
		} else {
			except(fmt.Sprintf("%s had put an end to what was there at first", a.called(e)), a.way(e, y), e)
		}
	}
	for g := range a.ops {
		if g == y || !slices.Contains(a.touched[g].left, c) {
			continue
		}
		all = append(all, g)
		if a.precedes(y, g) {
			except(fmt.Sprintf("%s came later", a.called(g)), a.way(y, g), g)
		} else if e := a.ended(g, y, c); e < 0 {
			able = append(able, g)
		} else {
			except(fmt.Sprintf("%s had put an end to what %s did", a.called(e), a.called(g)), append(a.way(g, e), a.way(e, y)...), g, e)
		}
	}
	switch {
	case len(able) == 1:
		a.only(able[0], y, c, not)
	case len(able) == 0 && len(all) == 1:
		a.only(all[0], y, c, fact{}) // which makes a circle
	case len(able) == 0 && not.why == "":
		not.why = fmt.Sprintf("%s %s, which nobody had brought about by then", a.called(y), a.cells.tell(c))
		a.stuck = &not
	case len(able) == 0:
		not.why = fmt.Sprintf("%s %s, but nobody can have brought that about: %s", a.called(y), a.cells.tell(c), not.why[2:])
		a.stuck = &not
	}
}

// ended returns an operation that put an end to what g did before y found it, or
// to what was there at first; -1 if none is known.
func (a *reasoning) ended(g, y int, c cell) int {
	for e := range a.ops {
		if a.ends(e, y, c) && e != g && a.precedes(e, y) && (g < 0 || a.precedes(g, e)) {
			return e
		}
	}
	return -1
}

// ends reports whether an operation that certainly happened leaves something else
// where y found something.
func (a *reasoning) ends(e, y int, c cell) bool {
	return e != y && a.sure&(1<<e) != 0 && slices.ContainsFunc(a.touched[e].left, func(d cell) bool { return d.at == c.at && d.value != c.value })
}

// only learns from g alone having brought about what y found; -1 for what was
// there at first. It takes what speaks against the others.
func (a *reasoning) only(g, y int, c cell, others fact) {
	found := fmt.Sprintf("%s %s", a.called(y), a.cells.tell(c))
	add := func(from, to int, kind, why string, way []fact) {
		f := fact{from: from, to: to, kind: kind, why: why + because(way)}
		if others.why != "" {
			f.why += fmt.Sprintf(" (and from nobody else: %s)", others.why[2:])
		}
		f.take(others.steps)
		f.take(way)
		f.via |= others.via
		if g >= 0 {
			f.via |= 1 << g
		}
		f.via |= 1 << y
		f.via &^= 1<<from | 1<<to
		a.know(f)
	}
	if g >= 0 {
		if a.sure&(1<<g) == 0 {
			a.sure |= 1 << g
			a.by[g] = y
		}
		add(g, y, readFrom, fmt.Sprintf("%s, which %s brought about", found, a.called(g)), nil)
	}
	for e := range a.ops {
		if e == g || !a.ends(e, y, c) {
			continue
		}
		switch {
		case g < 0:
			add(y, e, replaced, fmt.Sprintf("%s, as it was at first, so it came before %s, which put an end to that", found, a.called(e)), nil)
		case a.precedes(g, e):
			add(y, e, replaced, fmt.Sprintf("%s, so it came before %s, which put an end to that", found, a.called(e)), a.way(g, e))
		case a.precedes(e, y):
			add(e, g, "ww", fmt.Sprintf("%s, so %s cannot have come between that and %s, which brought it about", found, a.called(e), a.called(g)), a.way(e, y))
		}
	}
}

// take notes what a fact rests on.
func (f *fact) take(way []fact, ops ...int) {
	f.steps = append(f.steps, way...)
	for _, step := range way {
		f.via |= step.via | 1<<step.from | 1<<step.to
	}
	for _, op := range ops {
		f.via |= 1 << op
	}
}

// because tells the facts of a way.
func because(way []fact) string {
	var list []string
	for _, f := range way {
		if !slices.Contains(list, f.why) {
			list = append(list, f.why)
		}
	}
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, ", and ") + ")"
}

// proof returns the steps of the argument: a circle, or all that speaks against
// those from whom an operation may have what it found.
func (a *reasoning) proof() []fact {
	if a.stuck == nil {
		return a.circle()
	}
	var steps []fact
	for _, f := range a.stuck.steps {
		if !slices.ContainsFunc(steps, func(g fact) bool { return f.from == g.from && f.to == g.to }) {
			steps = append(steps, f)
		}
	}
	return steps
}
