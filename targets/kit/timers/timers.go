// Package timers keeps all that a node waits for. The runtime of an actor knows
// one time at which to wake it; a node mostly waits for dozens of things at once:
// answers, heartbeats, leases.
//
// An [Alarm] is set for a time and rings once. There is no way to take it back:
// an alarm that nobody waits for any more says so itself, and is dropped when it
// comes to the top. That keeps the heap small without a handle for each alarm,
// and the usual alarm is the operation that waits, which knows when it is over.
//
// A node ends each of its calls with [Timers.Arm], and in Wake rings what is due:
//
//	for n.timers.Ring(n, n.env.Mono()) {
//	}
package timers

import (
	"math"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Alarm is something that waits for a time, in a node of type N.
type Alarm[N any] interface {
	// Ring is called once the time has come.
	Ring(n N)
	// Over says that nobody waits any more.
	Over() bool
}

// timer is an alarm and its time.
type timer[N any] struct {
	at   int64
	tick uint64 // when it was set: of timers for the same time the first goes first
	do   Alarm[N]
}

func (t timer[N]) before(u timer[N]) bool {
	return t.at < u.at || t.at == u.at && t.tick < u.tick
}

// Timers is a heap with the first alarm on top. The zero value is empty and
// ready to use. Times are those of the monotonic clock.
type Timers[N any] struct {
	heap  []timer[N]
	ticks uint64
	asked bool  // the runtime was asked to wake the node
	armed int64 // for when
}

// Set has an alarm ring at a time, or at once if that has passed.
func (ts *Timers[N]) Set(at int64, do Alarm[N]) {
	ts.ticks++
	ts.heap = append(ts.heap, timer[N]{at, ts.ticks, do})
	for i := len(ts.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !ts.heap[i].before(ts.heap[up]) {
			break
		}
		ts.heap[i], ts.heap[up] = ts.heap[up], ts.heap[i]
		i = up
	}
}

// Ring rings the first alarm if its time has come, and reports whether it had.
func (ts *Timers[N]) Ring(n N, now int64) bool {
	if ts.asked && ts.armed <= now {
		ts.asked = false
	}
	if ts.first() > now {
		return false
	}
	ts.pop().do.Ring(n)
	return true
}

// Arm asks the runtime to wake the node for the first alarm, unless it was
// asked for that before.
func (ts *Timers[N]) Arm(env actor.Env) {
	at := ts.first()
	if at == math.MaxInt64 || ts.asked && at == ts.armed {
		return
	}
	ts.asked, ts.armed = true, at
	env.WakeAt(at)
}

// first returns the time of the first alarm that somebody waits for, or the end
// of time.
func (ts *Timers[N]) first() int64 {
	for len(ts.heap) > 0 {
		if !ts.heap[0].do.Over() {
			return ts.heap[0].at
		}
		ts.pop()
	}
	return math.MaxInt64
}

func (ts *Timers[N]) pop() timer[N] {
	h := ts.heap
	top, end := h[0], len(h)-1
	h[0], h[end] = h[end], timer[N]{}
	ts.heap = h[:end]
	for i := 0; ; {
		down := 2*i + 1
		if down >= end {
			return top
		}
		if right := down + 1; right < end && h[right].before(h[down]) {
			down = right
		}
		if !h[down].before(h[i]) {
			return top
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
