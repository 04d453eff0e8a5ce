package gen

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Sequence does what each of the generators says until it is done, then goes
// on to the next at once, even while operations of the one before are still
// under way. Only the current one is updated. See [Phases] to wait in between.
func Sequence(gens ...Gen) Gen {
	if len(gens) == 0 {
		return Nothing()
	}
	gens = orNothings(gens)
	return &sequence{head: gens[0], tail: gens[1:]}
}

type sequence struct {
	head   Gen
	tail   []Gen
	missed int // operations that were due and never started, of those before head
}

func (g *sequence) Next(ctx *Context) (Result, Gen) {
	head, tail, missed := g.head, g.tail, g.missed
	for {
		r, in := head.Next(ctx)
		if r.Kind != Done {
			if in == g.head && len(tail) == len(g.tail) {
				return r, g
			}
			return r, &sequence{in, tail, missed}
		}
		missed += r.Queue
		if len(tail) == 0 {
			return Result{Queue: missed}, g
		}
		head, tail = tail[0], tail[1:]
	}
}

func (g *sequence) Update(ctx *Context, ev *history.Op) Gen {
	if head := g.head.Update(ctx, ev); head != g.head {
		return &sequence{head, g.tail, g.missed}
	}
	return g
}

// Phases is a Sequence in which each generator begins only when all threads
// are free: everything of the phase before is over.
func Phases(gens ...Gen) Gen {
	phases := make([]Gen, len(gens))
	for i, g := range gens {
		phases[i] = Synchronize(g)
	}
	return Sequence(phases...)
}

// Then is Phases(first, second).
func Then(first, second Gen) Gen { return Phases(first, second) }

// Synchronize waits until all threads of the context are free, once, and then
// becomes g.
func Synchronize(g Gen) Gen { return &barrier{orNothing(g)} }

type barrier struct{ inner Gen }

func (g *barrier) Next(ctx *Context) (Result, Gen) {
	if !ctx.AllFree() {
		return Wait(Never), g
	}
	return g.inner.Next(ctx)
}

func (g *barrier) Update(ctx *Context, ev *history.Op) Gen {
	if in := g.inner.Update(ctx, ev); in != g.inner {
		return &barrier{in}
	}
	return g
}

// Any does what any of the generators says, as soon as one has an operation,
// and by turns when several have: none can starve another. It is done when all
// are. All see all updates.
func Any(gens ...Gen) Gen { return newParallel(gens, false) }

// Shortest is like Any, but done as soon as one of the generators is: a
// workload that runs until a script of faults is over.
func Shortest(gens ...Gen) Gen { return newParallel(gens, true) }

// Nemeses runs several generators of faults, each in its own time, on the one
// nemesis: their windows overlap, but it does one step at a time.
func Nemeses(gens ...Gen) Gen { return OnNemesis(Any(gens...)) }

func newParallel(gens []Gen, shortest bool) Gen {
	if len(gens) == 0 {
		return Nothing()
	}
	return &parallel{members: orNothings(gens), shortest: shortest}
}

type parallel struct {
	members  []Gen
	turn     int // which member has precedence when several have an operation
	missed   int
	shortest bool
}

func (g *parallel) Next(ctx *Context) (Result, Gen) {
	var (
		n       = len(g.members)
		members = g.members
		best    = Wait(Never)
		won     = -1
		with    Gen
		due     int // how many operations are due, over all members
		missed  = g.missed
		gone    bool
	)
	for i := range n {
		at := (g.turn + i) % n
		r, in := g.members[at].Next(ctx)
		switch {
		case r.Kind == Done:
			gone = true
			missed += r.Queue
			members = replace(members, g.members, at, nil)
			continue
		case r.Kind == Pending:
			members = replace(members, g.members, at, in)
			if won < 0 {
				best.Wake = min(best.Wake, r.Wake)
			}
		case won < 0:
			best, won, with = r, at, in
		}
		due += r.Queue
	}
	if gone && g.shortest {
		return Result{Queue: missed + due}, g
	}
	next := parallel{members, g.turn, missed, g.shortest}
	if won >= 0 {
		next.members, next.turn = replace(members, g.members, won, with), won+1
	}
	best.Queue = due
	return next.finish(g, best, gone)
}

// finish takes out the members that are done.
func (g parallel) finish(old *parallel, r Result, gone bool) (Result, Gen) {
	for i := len(g.members) - 1; gone && i >= 0; i-- {
		if g.members[i] != nil {
			continue
		}
		g.members = slices.Delete(g.members, i, i+1)
		if i < g.turn {
			g.turn--
		}
	}
	switch {
	case len(g.members) == 0:
		return Result{Queue: g.missed}, old
	case r.Kind == Pending && &g.members[0] == &old.members[0]:
		return r, old
	default:
		return r, &parallel{g.members, g.turn % len(g.members), g.missed, g.shortest}
	}
}

// replace returns gens with another generator in one place. As long as they
// are still those of the old value, which must not change, they are copied.
func replace(gens, old []Gen, at int, g Gen) []Gen {
	if gens[at] == g {
		return gens
	}
	if &gens[0] == &old[0] {
		gens = slices.Clone(gens)
	}
	gens[at] = g
	return gens
}

func (g *parallel) Update(ctx *Context, ev *history.Op) Gen {
	if members := updateAll(g.members, ctx, ev); members != nil {
		return &parallel{members, g.turn, g.missed, g.shortest}
	}
	return g
}

// updateAll returns the updated generators, or nil if nothing changed.
func updateAll(gens []Gen, ctx *Context, ev *history.Op) []Gen {
	var changed []Gen
	for i, m := range gens {
		up := m.Update(ctx, ev)
		if up == m {
			continue
		}
		if changed == nil {
			changed = slices.Clone(gens)
		}
		changed[i] = up
	}
	return changed
}

// Weight gives a generator its share of a mixture.
type Weight struct {
	Of  int // relative to the others; at least 1
	Gen Gen
}

// Mix chooses one of the generators at random for each operation, all with the
// same chance, until all are done. One that is pending does not hold up the
// others: then one of those is chosen. All see all updates.
func Mix(src choice.Source, label string, gens ...Gen) Gen {
	weights := make([]Weight, len(gens))
	for i, g := range gens {
		weights[i] = Weight{1, g}
	}
	return Weighted(src, label, weights...)
}

// Weighted is a [Mix] in which some generators are chosen more often.
func Weighted(src choice.Source, label string, weights ...Weight) Gen {
	g := &mix{draws: newDraws(src, label)}
	for _, w := range weights {
		g.members = append(g.members, orNothing(w.Gen))
		g.weights = append(g.weights, max(w.Of, 1))
		g.total += max(w.Of, 1)
	}
	return g
}

type mix struct {
	draws   draws
	n       int64 // operations so far: the counter of the draws
	members []Gen
	weights []int // of the members; 0 for those that are done
	total   int   // of the weights
	missed  int
}

func (g *mix) Next(ctx *Context) (Result, Gen) {
	var (
		next   = *g
		stream = g.draws.at(g.n)
		left   = g.weights // 0 for those that were asked as well
		wait   = Wait(Never)
	)
	for total := g.total; total > 0; {
		at := choose(stream, left, total)
		r, in := g.members[at].Next(ctx)
		if r.Kind == Done {
			in = Nothing() // not to be shown anything any more
		}
		next.members = replace(next.members, g.members, at, in)
		switch r.Kind {
		case Ready:
			next.n++
			return r, next.copy()
		case Pending:
			wait.Wake, wait.Queue = min(wait.Wake, r.Wake), wait.Queue+r.Queue
		case Done:
			next.missed += r.Queue
			next.total -= g.weights[at]
			next.weights = without(next.weights, at)
		}
		total -= left[at]
		left = without(left, at)
	}
	switch {
	case next.total == 0:
		return Result{Queue: next.missed}, g
	case next.total == g.total && (&next.members[0] == &g.members[0]):
		return wait, g
	default:
		return wait, next.copy()
	}
}

func (g mix) copy() *mix { return &g }

// without returns a copy of the weights in which one is 0.
func without(weights []int, at int) []int {
	weights = slices.Clone(weights)
	weights[at] = 0
	return weights
}

// choose returns an index, with a chance in proportion to its weight.
func choose(s *choice.Stream, weights []int, total int) int {
	at := s.IntN(total)
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return len(weights) - 1
}

func (g *mix) Update(ctx *Context, ev *history.Op) Gen {
	members := updateAll(g.members, ctx, ev)
	if members == nil {
		return g
	}
	next := *g
	next.members = members
	return &next
}

// FlipFlop takes one operation from each of the generators by turns, and is
// done when the one whose turn it is is done. All see all updates.
func FlipFlop(gens ...Gen) Gen { return &flipFlop{members: orNothings(gens)} }

type flipFlop struct {
	members []Gen
	turn    int
}

func (g *flipFlop) Next(ctx *Context) (Result, Gen) {
	if len(g.members) == 0 {
		return Result{}, g
	}
	r, in := g.members[g.turn].Next(ctx)
	next := flipFlop{g.members, g.turn}
	if in != g.members[g.turn] {
		next.members = slices.Clone(g.members)
		next.members[g.turn] = in
	}
	switch r.Kind {
	case Ready:
		next.turn = (g.turn + 1) % len(g.members)
	case Done:
		return r, g
	case Pending:
		if in == g.members[g.turn] {
			return r, g
		}
	}
	return r, &next
}

func (g *flipFlop) Update(ctx *Context, ev *history.Op) Gen {
	if members := updateAll(g.members, ctx, ev); members != nil {
		return &flipFlop{members, g.turn}
	}
	return g
}

// Repeat emits the first operation of g again and again, n times, or for ever
// if n is not positive. G itself stays where it is, but sees updates.
func Repeat(n int, g Gen) Gen { return &repeat{left: n, forever: n <= 0, inner: orNothing(g)} }

type repeat struct {
	left    int
	forever bool
	inner   Gen
}

func (g *repeat) Next(ctx *Context) (Result, Gen) {
	if !g.forever && g.left == 0 {
		return Result{}, g
	}
	r, in := g.inner.Next(ctx)
	switch {
	case r.Kind == Ready && !g.forever:
		return r, &repeat{g.left - 1, false, g.inner}
	case r.Kind == Pending && in != g.inner:
		return r, &repeat{g.left, g.forever, in}
	default:
		return r, g
	}
}

func (g *repeat) Update(ctx *Context, ev *history.Op) Gen {
	if in := g.inner.Update(ctx, ev); in != g.inner {
		return &repeat{g.left, g.forever, in}
	}
	return g
}

// Cycle runs g n times from its beginning, or for ever if n is not positive.
// Random choices in g are the same each time, because g is; see [Rounds].
func Cycle(n int, g Gen) Gen { return Rounds(n, func(int64) Gen { return g }) }

// Rounds runs what f returns for the rounds 0, 1, 2, and so on, one after the
// other: n of them, or for ever if n is not positive. F must be a pure
// function. Generators that draw should have the round in their label or
// their source. It is done early when a round is done as soon as it begins.
func Rounds(n int, f func(round int64) Gen) Gen { return &rounds{n: int64(n), f: f} }

type rounds struct {
	n      int64
	f      func(int64) Gen
	round  int64
	cur    Gen // nil before the round began
	missed int
}

func (g *rounds) Next(ctx *Context) (Result, Gen) {
	next := *g
	for next.n <= 0 || next.round < next.n {
		fresh := next.cur == nil
		if fresh {
			next.cur = orNothing(next.f(next.round))
		}
		r, in := next.cur.Next(ctx)
		if r.Kind != Done {
			if in == g.cur {
				return r, g
			}
			next.cur = in
			return r, &next
		}
		next.missed += r.Queue
		next.round, next.cur = next.round+1, nil
		if fresh {
			break
		}
	}
	return Result{Queue: next.missed}, g
}

func (g *rounds) Update(ctx *Context, ev *history.Op) Gen {
	if g.cur == nil {
		return g
	}
	in := g.cur.Update(ctx, ev)
	if in == g.cur {
		return g
	}
	next := *g
	next.cur = in
	return &next
}
