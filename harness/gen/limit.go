package gen

import (
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Limit emits at most n operations of g.
func Limit(n int, g Gen) Gen { return &limit{n, orNothing(g)} }

// Once emits one operation of g.
func Once(g Gen) Gen { return Limit(1, g) }

type limit struct {
	left  int
	inner Gen
}

func (g *limit) Next(ctx *Context) (Result, Gen) {
	if g.left <= 0 {
		return Result{}, g
	}
	r, in := g.inner.Next(ctx)
	if r.Kind == Ready {
		return r, &limit{g.left - 1, in}
	}
	return r, g.with(in)
}

func (g *limit) Update(ctx *Context, ev *history.Op) Gen { return g.with(g.inner.Update(ctx, ev)) }

func (g *limit) with(in Gen) Gen {
	if in == g.inner {
		return g
	}
	return &limit{g.left, in}
}

// TimeLimit does what g says for the time d, counted from the moment it is
// first asked. Operations under way then are left to end by themselves.
func TimeLimit(d time.Duration, g Gen) Gen { return &timeLimit{d: d, inner: orNothing(g)} }

type timeLimit struct {
	d     time.Duration
	begun bool
	end   int64
	inner Gen
}

func (g *timeLimit) Next(ctx *Context) (Result, Gen) {
	end := g.end
	if !g.begun {
		end = ctx.Time + int64(g.d)
	}
	if ctx.Time >= end {
		// What was due before the end and is dropped now counts as missed.
		r, _ := g.inner.Next(ctx.at(end - 1))
		return Result{Queue: r.Queue}, g
	}
	r, in := g.inner.Next(ctx)
	if r.Kind == Pending {
		r.Wake = min(r.Wake, end)
	}
	if g.begun && in == g.inner {
		return r, g
	}
	return r, &timeLimit{g.d, true, end, in}
}

func (g *timeLimit) Update(ctx *Context, ev *history.Op) Gen {
	in := g.inner.Update(ctx, ev)
	if in == g.inner {
		return g
	}
	next := *g
	next.inner = in
	return &next
}

// ProcessLimit is done as soon as more than n different processes may have
// worked on g: the threads that it began with, and one more for each process
// that was retired since. An operation of unknown outcome is concurrent with
// all that comes after it, and the work of checking grows with their number;
// so it bounds that work.
func ProcessLimit(n int, g Gen) Gen { return &processLimit{max: n, inner: orNothing(g)} }

type processLimit struct {
	max     int
	retired int
	inner   Gen
}

func (g *processLimit) Next(ctx *Context) (Result, Gen) {
	if ctx.Threads()+g.retired > g.max {
		return Result{}, g
	}
	r, in := g.inner.Next(ctx)
	return r, g.with(g.retired, in)
}

func (g *processLimit) Update(ctx *Context, ev *history.Op) Gen {
	retired := g.retired
	if ev.Type == history.Info && ev.Process != history.Nemesis {
		retired++
	}
	return g.with(retired, g.inner.Update(ctx, ev))
}

func (g *processLimit) with(retired int, in Gen) Gen {
	if retired == g.retired && in == g.inner {
		return g
	}
	return &processLimit{g.max, retired, in}
}

// ConcurrencyLimit waits while n or more of its client threads are busy.
func ConcurrencyLimit(n int, g Gen) Gen { return &concurrencyLimit{n, orNothing(g)} }

type concurrencyLimit struct {
	max   int
	inner Gen
}

func (g *concurrencyLimit) Next(ctx *Context) (Result, Gen) {
	if ctx.Threads()-ctx.Free() >= g.max {
		return Wait(Never), g
	}
	r, in := g.inner.Next(ctx)
	return r, g.with(in)
}

func (g *concurrencyLimit) Update(ctx *Context, ev *history.Op) Gen {
	return g.with(g.inner.Update(ctx, ev))
}

func (g *concurrencyLimit) with(in Gen) Gen {
	if in == g.inner {
		return g
	}
	return &concurrencyLimit{g.max, in}
}

// UntilOk does what g says until one of the operations that came from it is
// completed as ok. Those that are under way by then are left to end.
func UntilOk(g Gen) Gen { return &untilOk{inner: orNothing(g)} }

type untilOk struct {
	inner Gen
	mine  []history.Process // processes that work on operations of g
	done  bool
}

func (g *untilOk) Next(ctx *Context) (Result, Gen) {
	if g.done {
		return Result{}, g
	}
	r, in := g.inner.Next(ctx)
	if r.Kind == Ready {
		mine := append(slices.Clip(g.mine), r.Op.Process)
		return r, &untilOk{inner: in, mine: mine}
	}
	if in == g.inner {
		return r, g
	}
	return r, &untilOk{inner: in, mine: g.mine}
}

func (g *untilOk) Update(ctx *Context, ev *history.Op) Gen {
	in := g.inner.Update(ctx, ev)
	at := slices.Index(g.mine, ev.Process)
	if ev.Type == history.Invoke || at < 0 {
		if in == g.inner {
			return g
		}
		return &untilOk{inner: in, mine: g.mine, done: g.done}
	}
	mine := slices.Delete(slices.Clone(g.mine), at, at+1)
	return &untilOk{inner: in, mine: mine, done: g.done || ev.Type == history.OK}
}
