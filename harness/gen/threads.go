package gen

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// OnClients gives the operations of g to clients only.
func OnClients(g Gen) Gen { return OnThreads(func(int) bool { return true }, g) }

// OnNemesis gives the operations of g to the nemesis only.
func OnNemesis(g Gen) Gen {
	return &onThreads{in: func(int) bool { return false }, nemesis: true, inner: orNothing(g)}
}

// ClientsAndNemesis runs one generator on the clients and another one on the
// nemesis, side by side, until both are done.
func ClientsAndNemesis(clients, nemesis Gen) Gen {
	return Any(OnClients(clients), OnNemesis(nemesis))
}

// OnThreads gives the operations of g to those client threads only for which
// in says yes, and shows g only what happens on them. In must be a pure
// function.
func OnThreads(in func(thread int) bool, g Gen) Gen { return &onThreads{in: in, inner: orNothing(g)} }

type onThreads struct {
	in      func(int) bool
	nemesis bool
	set     *set // those for which in says yes; nil before the first question
	cursor  cursor
	inner   Gen
}

func (g *onThreads) Next(ctx *Context) (Result, Gen) {
	if g.set == nil {
		first := onThreads{g.in, g.nemesis, ctx.subset(g.in), g.cursor, g.inner}
		return first.Next(ctx)
	}
	r, in := g.inner.Next(ctx.view(g.set, g.nemesis, g.cursor))
	at := g.cursor
	if r.Kind == Ready && r.Op.Process != history.Nemesis {
		at = at.after(ctx.Thread(r.Op.Process), g.set)
	} else if in == g.inner {
		return r, g
	}
	return r, &onThreads{g.in, g.nemesis, g.set, at, in}
}

func (g *onThreads) Update(ctx *Context, ev *history.Op) Gen {
	if g.set == nil {
		return g
	}
	view := ctx.view(g.set, g.nemesis, g.cursor)
	if !view.includes(ev.Process) {
		return g
	}
	in := g.inner.Update(view, ev)
	if in == g.inner {
		return g
	}
	next := *g
	next.inner = in
	return &next
}

// subset returns those client threads of the context for which in says yes.
func (c *Context) subset(in func(int) bool) *set {
	return newSet(c.Clients(), func(t int) bool { return c.clients.has(t) && in(t) })
}

// EachThread runs a copy of g on each client thread, and is done when all
// copies are.
func EachThread(g Gen) Gen {
	return &split{sets: func(ctx *Context) (sets []*set) {
		for t := range ctx.Clients() {
			if ctx.clients.has(t) {
				sets = append(sets, ctx.subset(func(u int) bool { return u == t }))
			}
		}
		return sets
	}, make: always(g)}
}

// EachNode runs a copy of g for each node, on whichever of the node's clients
// is free: for reads that every replica must answer. A node without clients,
// where there are fewer clients than nodes, gets no copy.
func EachNode(g Gen) Gen {
	return &split{sets: func(ctx *Context) (sets []*set) {
		for node := range ctx.Nodes() {
			if s := ctx.subset(func(t int) bool { return ctx.Node(t) == node }); s.n > 0 {
				sets = append(sets, s)
			}
		}
		return sets
	}, make: always(g)}
}

// Share reserves a number of client threads for a generator.
type Share struct {
	Threads int
	Gen     Gen
}

// Reserve gives the first threads to the generator of the first share, the
// next ones to that of the second, and so on, and all that are left to rest.
// So slow operations of one kind cannot keep others from being done.
func Reserve(rest Gen, shares ...Share) Gen {
	sizes := make([]int, len(shares))
	gens := make([]Gen, len(shares)+1)
	for i, s := range shares {
		sizes[i], gens[i] = s.Threads, s.Gen
	}
	gens[len(shares)] = rest
	return &split{
		sets: func(ctx *Context) []*set { return ctx.ranges(sizes) },
		make: func(part int, round int64) (Gen, bool) { return orNothing(gens[part]), round == 0 },
	}
}

// ranges cuts the client threads of the context into groups of the given
// sizes, in order, and one of all that are left.
func (c *Context) ranges(sizes []int) []*set {
	rank, from := c.ranks(), 0
	sets := make([]*set, 0, len(sizes)+1)
	for _, n := range append(slices.Clip(sizes), len(rank)) {
		to := from + n
		sets = append(sets, c.subset(func(t int) bool { return rank[t] >= from && rank[t] < to }))
		from = to
	}
	return sets
}

// ranks numbers the client threads of the context from 0.
func (c *Context) ranks() []int {
	rank, n := make([]int, c.Clients()), 0
	for t := range rank {
		rank[t] = n
		if c.clients.has(t) {
			n++
		}
	}
	return rank
}

func always(g Gen) func(int, int64) (Gen, bool) {
	return func(_ int, round int64) (Gen, bool) { return orNothing(g), round == 0 }
}

// split runs generators on separate sets of threads. When the one of a set is
// done, the next is made for it: rounds are counted for each set, or over all
// sets if they share what there is to do.
type split struct {
	sets   func(*Context) []*set
	make   func(part int, round int64) (Gen, bool)
	shared bool

	parts  []part // nil before the first question
	owner  []int  // which part each thread belongs to
	live   int
	cursor cursor // over all threads: parts take turns in proportion to their size
	round  int64  // of all parts, if shared
	missed int
}

// part is what runs on one set of threads. Its gen is nil when there is
// nothing left to do.
type part struct {
	set    *set
	cursor cursor
	round  int64
	gen    Gen
}

func (g *split) Next(ctx *Context) (Result, Gen) {
	next := *g
	owned := g.parts == nil // whether next.parts may be changed
	if owned {
		next.begin(ctx)
	}
	wait, n := Wait(Never), len(next.parts)
	turn := max(g.cursor.find(ctx.clients, ctx.roster.free), 0)
	for i := range n {
		at := (next.owner[turn] + i) % n
		old := next.parts[at]
		if old.gen == nil || old.set.first(ctx.roster.free, 0) < 0 {
			continue
		}
		r, p := next.ask(ctx, at, old)
		if p != old && !owned {
			next.parts, owned = slices.Clone(next.parts), true
		}
		next.parts[at] = p
		wait.Queue += r.Queue
		switch r.Kind {
		case Ready:
			next.cursor = g.cursor.after(turn, ctx.clients)
			return r, &next
		case Pending:
			wait.Wake = min(wait.Wake, r.Wake)
		}
	}
	return next.finish(g, wait, owned)
}

func (g split) finish(old *split, wait Result, changed bool) (Result, Gen) {
	switch {
	case g.live == 0:
		return Result{Queue: g.missed}, old
	case !changed:
		return wait, old
	default:
		return wait, &g
	}
}

func (g *split) begin(ctx *Context) {
	sets := g.sets(ctx)
	g.parts, g.owner = make([]part, len(sets)), make([]int, max(ctx.Clients(), 1))
	for i, s := range sets {
		for t := range g.owner {
			if s.has(t) {
				g.owner[t] = i
			}
		}
		g.parts[i] = g.refill(i, part{set: s})
		if g.parts[i].gen != nil {
			g.live++
		}
	}
}

// refill gives a part the next thing to do.
func (g *split) refill(at int, p part) part {
	round := p.round
	if g.shared {
		round = g.round
	}
	made, ok := g.make(at, round)
	if !ok {
		p.gen = nil
		return p
	}
	p.gen = orNothing(made)
	p.round++
	g.round++
	return p
}

// ask asks a part, which has a free thread. It returns the part's successor.
func (g *split) ask(ctx *Context, at int, p part) (Result, part) {
	for {
		r, in := p.gen.Next(ctx.view(p.set, false, p.cursor))
		if r.Kind != Done {
			p.gen = in
			if r.Kind == Ready {
				p.cursor = p.cursor.after(ctx.Thread(r.Op.Process), p.set)
			}
			return r, p
		}
		g.missed += r.Queue
		if p = g.refill(at, p); p.gen == nil {
			g.live--
			return Result{}, p
		}
	}
}

func (g *split) Update(ctx *Context, ev *history.Op) Gen {
	if g.parts == nil || ev.Process == history.Nemesis {
		return g
	}
	thread := ctx.Thread(ev.Process)
	if !ctx.clients.has(thread) || len(g.parts) == 0 {
		return g
	}
	at := g.owner[thread]
	p := g.parts[at]
	if p.gen == nil {
		return g
	}
	in := p.gen.Update(ctx.view(p.set, false, p.cursor), ev)
	if in == p.gen {
		return g
	}
	next := *g
	next.parts = slices.Clone(g.parts)
	next.parts[at].gen = in
	return &next
}
