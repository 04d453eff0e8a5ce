package gen

import (
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Rate offers the operations of g at a total rate of perSecond operations per
// second, over all clients. Time is cut into equal slots, and each operation
// is due at a random moment of its slot: the load is even, but does not beat
// in time with the timers of the system under test.
//
// It is an open load, one that does not ask how the system is doing. When all
// clients are busy operations wait; when a client is free they are started as
// fast as possible until none is late any more. [Result].Op.Time tells when an
// operation was due, and Result.Queue how many are waiting.
func Rate(src choice.Source, label string, perSecond int64, g Gen) Gen {
	draws := newDraws(src, label)
	jitter := func(k int64) int64 { return draws.at(k).Int64N(int64(time.Second)) }
	return newSlots(max(perSecond, 1), jitter, g)
}

// Delay offers the operations of g evenly, one after every time d, the first
// at once. Those that come late are caught up with.
func Delay(d time.Duration, g Gen) Gen {
	at := max(int64(d), 1)
	return &slots{due: func(k int64) int64 { return k * at }, count: func(t int64) int64 { return t / at }, inner: orNothing(g)}
}

func newSlots(perSecond int64, jitter func(k int64) int64, g Gen) Gen {
	return &slots{
		due: func(k int64) int64 {
			return k/perSecond*int64(time.Second) + (k%perSecond*int64(time.Second)+jitter(k))/perSecond
		},
		count: func(t int64) int64 {
			return t/int64(time.Second)*perSecond + t%int64(time.Second)*perSecond/int64(time.Second)
		},
		inner: orNothing(g),
	}
}

// slots emits operation k of inner no earlier than due(k) after its beginning.
type slots struct {
	due   func(k int64) int64 // increasing
	count func(t int64) int64 // how many slots are over at t; the next operation may be due already
	inner Gen
	begun bool
	start int64
	k     int64
	at    int64 // start + due(k)
}

func (g *slots) Next(ctx *Context) (Result, Gen) {
	if !g.begun {
		first := slots{g.due, g.count, g.inner, true, ctx.Time, 0, ctx.Time + g.due(0)}
		return first.Next(ctx)
	}
	r, in := g.inner.Next(ctx)
	early := ctx.Time < g.at
	switch {
	case r.Kind == Done:
		return r, g
	case r.Kind == Ready && early:
		return Wait(g.at), g
	case r.Kind == Ready:
		r.Op.Time, r.Queue = g.at, g.queue(ctx.Time)
		return r, &slots{g.due, g.count, in, true, g.start, g.k + 1, g.start + g.due(g.k+1)}
	case early:
		r.Wake = max(r.Wake, g.at)
	default:
		r.Queue = g.queue(ctx.Time)
	}
	if in == g.inner {
		return r, g
	}
	return r, &slots{g.due, g.count, in, true, g.start, g.k, g.at}
}

// queue returns how many operations are due, given that number k is.
func (g *slots) queue(now int64) int {
	n := g.count(now - g.start)
	if n > g.k && g.start+g.due(n) <= now {
		n++
	}
	return int(max(n-g.k, 1))
}

func (g *slots) Update(ctx *Context, ev *history.Op) Gen {
	in := g.inner.Update(ctx, ev)
	if in == g.inner {
		return g
	}
	next := *g
	next.inner = in
	return &next
}

// Stagger puts random times between the operations of g, from 0 to twice the
// mean. It does not catch up: what comes late delays all that follows.
func Stagger(src choice.Source, label string, mean time.Duration, g Gen) Gen {
	return &stagger{draws: newDraws(src, label), mean: int64(mean), inner: orNothing(g)}
}

type stagger struct {
	draws draws
	mean  int64
	inner Gen
	n     int64
	next  int64 // not before this
}

func (g *stagger) Next(ctx *Context) (Result, Gen) {
	r, in := g.inner.Next(ctx)
	if r.Kind == Ready && ctx.Time < g.next {
		return Wait(g.next), g
	}
	if r.Kind == Ready {
		gap := g.draws.at(g.n).Between(0, 2*g.mean)
		return r, &stagger{g.draws, g.mean, in, g.n + 1, ctx.Time + gap}
	}
	return r, g.with(in)
}

func (g *stagger) Update(ctx *Context, ev *history.Op) Gen { return g.with(g.inner.Update(ctx, ev)) }

func (g *stagger) with(in Gen) Gen {
	if in == g.inner {
		return g
	}
	return &stagger{g.draws, g.mean, in, g.n, g.next}
}

// Sleep emits nothing for the time d, then is done. The time begins when a
// thread of the context is free: in a sequence for the nemesis, when the step
// before it is over.
func Sleep(d time.Duration) Gen { return &sleep{d: int64(d)} }

type sleep struct {
	d     int64
	begun bool
	until int64
}

func (g *sleep) Next(ctx *Context) (Result, Gen) {
	switch {
	case !g.begun && !ctx.AnyFree():
		return Wait(Never), g
	case !g.begun && g.d > 0:
		until := ctx.Time + g.d
		return Wait(until), &sleep{g.d, true, until}
	case ctx.Time < g.until:
		return Wait(g.until), g
	default:
		return Result{}, g
	}
}

func (g *sleep) Update(*Context, *history.Op) Gen { return g }

// At emits nothing before the given time of the run, then becomes g.
func At(time int64, g Gen) Gen { return &at{time, orNothing(g)} }

type at struct {
	time  int64
	inner Gen
}

func (g *at) Next(ctx *Context) (Result, Gen) {
	if ctx.Time < g.time {
		return Wait(g.time), g
	}
	return g.inner.Next(ctx)
}

func (g *at) Update(ctx *Context, ev *history.Op) Gen {
	if in := g.inner.Update(ctx, ev); in != g.inner {
		return &at{g.time, in}
	}
	return g
}
