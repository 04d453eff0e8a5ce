package gen

import (
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Ops emits the given operations, one after the other, and is done.
func Ops(ops ...history.Op) Gen { return &opList{ops} }

type opList struct{ ops []history.Op }

func (g *opList) Next(ctx *Context) (Result, Gen) {
	if len(g.ops) == 0 {
		return Result{}, g
	}
	r := Emit(ctx, g.ops[0])
	if r.Kind == Ready {
		return r, &opList{g.ops[1:]}
	}
	return r, g
}

func (g *opList) Update(*Context, *history.Op) Gen { return g }

// Turn is what a function of [Func] makes an operation from.
type Turn struct {
	*choice.Stream       // random numbers for this operation alone
	N              int64 // how many operations the generator made before
	Time           int64 // now, in nanoseconds since the start of the run
	Process        history.Process
	Thread         int // the thread of the process
	Node           int // the node that the thread belongs to; -1 for the nemesis
}

// Func emits what f returns, for ever. The random numbers in a Turn depend on
// src, label and N alone. So f must depend on nothing but its argument: it is
// called more often than there are operations, whenever somebody looks at the
// next one.
func Func(src choice.Source, label string, f func(Turn) history.Op) Gen {
	return &function{draws: newDraws(src, label), f: f}
}

type function struct {
	draws draws
	n     int64
	f     func(Turn) history.Op
}

func (g *function) Next(ctx *Context) (Result, Gen) {
	p, ok := ctx.Pick()
	if !ok {
		return Wait(Never), g
	}
	turn := Turn{Stream: g.draws.at(g.n), N: g.n, Time: ctx.Time, Process: p, Thread: NemesisThread, Node: -1}
	if p != history.Nemesis {
		turn.Thread = ctx.Thread(p)
		turn.Node = ctx.Node(turn.Thread)
	}
	op := g.f(turn)
	op.Process, op.Time, op.Type = p, ctx.Time, history.Invoke
	return Result{Kind: Ready, Op: op}, &function{g.draws, g.n + 1, g.f}
}

func (g *function) Update(*Context, *history.Op) Gen { return g }

// draws gives a stream of random numbers for each number of a counter.
type draws struct{ src choice.Source }

func newDraws(src choice.Source, label string) draws {
	return draws{choice.New(src.Stream(label).Uint64())}
}

func (d draws) at(n int64) *choice.Stream { return d.src.Stream("", uint64(n)) }

// Map changes every operation of g with f, which must be a pure function and
// leave Process and Time alone.
func Map(f func(history.Op) history.Op, g Gen) Gen { return &mapped{f, orNothing(g)} }

type mapped struct {
	f     func(history.Op) history.Op
	inner Gen
}

func (g *mapped) Next(ctx *Context) (Result, Gen) {
	r, in := g.inner.Next(ctx)
	if r.Kind == Ready {
		r.Op = g.f(r.Op)
	}
	return r, g.with(in)
}

func (g *mapped) Update(ctx *Context, ev *history.Op) Gen { return g.with(g.inner.Update(ctx, ev)) }

func (g *mapped) with(in Gen) Gen {
	if in == g.inner {
		return g
	}
	return &mapped{g.f, in}
}

// Final marks every operation of g as part of the final phase: what is read
// after all faults were healed.
func Final(g Gen) Gen {
	return Map(func(op history.Op) history.Op { op.Final = true; return op }, g)
}

// Filter leaves out the operations of g that keep says no to. It asks g until
// it finds one to keep, so keep must say yes to some of an endless generator.
func Filter(keep func(history.Op) bool, g Gen) Gen { return &filter{keep, orNothing(g)} }

type filter struct {
	keep  func(history.Op) bool
	inner Gen
}

func (g *filter) Next(ctx *Context) (Result, Gen) {
	r, in := g.inner.Next(ctx)
	for r.Kind == Ready && !g.keep(r.Op) {
		r, in = in.Next(ctx)
	}
	return r, g.with(in)
}

func (g *filter) Update(ctx *Context, ev *history.Op) Gen { return g.with(g.inner.Update(ctx, ev)) }

func (g *filter) with(in Gen) Gen {
	if in == g.inner {
		return g
	}
	return &filter{g.keep, in}
}

// OnUpdate lets f say what becomes of g when an operation was started or
// completed, in place of g's own Update. It is how a generator reacts to what
// it sees. F must be a pure function; it may call g.Update itself.
func OnUpdate(f func(g Gen, ctx *Context, ev *history.Op) Gen, g Gen) Gen {
	return &onUpdate{f, orNothing(g)}
}

type onUpdate struct {
	f     func(Gen, *Context, *history.Op) Gen
	inner Gen
}

func (g *onUpdate) Next(ctx *Context) (Result, Gen) {
	r, in := g.inner.Next(ctx)
	return r, g.with(in)
}

func (g *onUpdate) Update(ctx *Context, ev *history.Op) Gen { return g.with(g.f(g.inner, ctx, ev)) }

func (g *onUpdate) with(in Gen) Gen {
	if in == g.inner {
		return g
	}
	return &onUpdate{g.f, in}
}
