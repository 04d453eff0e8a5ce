// Package bag decides in n log n whether the operations on an unordered queue
// are linearizable: what was put there is taken once, by anyone, in any order.
//
// While no dequeue finds the queue empty, each element stands alone: let every
// enqueue take effect when it begins and every dequeue when it ends. If that does
// not explain an element, nothing does, even if it was put there several times.
// An enqueue without an answer is there from its beginning on, and a dequeue
// without one need not have happened.
//
// A dequeue that found the queue empty needs a moment at which nothing was there.
// If elements are unique, each is there for certain from the end of its enqueue
// to the beginning of its dequeue, and for no longer than that if it is put there
// as late and taken as early as can be. So a moment that none of these stretches
// covers is enough.
//
// Operations, violations and errors are those of the package fifo.
package bag

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// Check decides whether operations, given in the order of their beginnings, are
// linearizable. The order of a result has no dequeues without an answer. Check
// fails with [fifo.ErrUndecided] if dequeues found the queue empty and an
// element was enqueued twice or the answers of dequeues that got none make a
// difference, or when ctx ends.
func Check(ctx context.Context, ops []fifo.Op) (fifo.Result, error) {
	for i := range ops {
		if ops[i].Kind == fifo.Empty {
			return emptied(ctx, ops)
		}
	}
	if v := excess(ops); v != nil {
		return fifo.Result{Violation: v}, nil
	}
	var points []point
	for i, o := range ops {
		switch o.Kind {
		case fifo.Enqueue:
			points = append(points, point{int64(o.Inv), 0, int32(i)})
		case fifo.Dequeue:
			points = append(points, point{int64(o.Res), 0, int32(i)})
		}
	}
	return fifo.Result{Order: sorted(points)}, context.Cause(ctx)
}

// point is when an operation takes effect: at a record, or behind others there.
type point struct {
	at     int64
	behind uint8
	op     int32
}

// sorted returns the operations in the order of their points, which it packs
// into one number each: 31 bits for the record, two, and 31 for the operation.
func sorted(points []point) []int32 {
	keys := make([]uint64, len(points))
	for i, p := range points {
		keys[i] = uint64(p.at)<<33 | uint64(p.behind)<<31 | uint64(p.op)
	}
	slices.Sort(keys)
	order := make([]int32, len(keys))
	for i, k := range keys {
		order[i] = int32(k & math.MaxInt32)
	}
	return order
}

// excess finds a dequeue by whose end its element had been taken more often than
// it had been put there.
func excess(ops []fifo.Op) *fifo.Violation {
	size := int32(0)
	var ends []point
	for i := range ops {
		if o := &ops[i]; o.Kind <= fifo.Dequeue {
			size = max(size, o.Value+1)
			at := o.Inv
			if o.Kind == fifo.Dequeue {
				at = o.Res
			}
			ends = append(ends, point{int64(at), 0, int32(i)})
		}
	}
	there := make([]int32, size)
	for _, i := range sorted(ends) {
		o := &ops[i]
		if o.Kind == fifo.Enqueue {
			there[o.Value]++
			continue
		}
		if there[o.Value]--; there[o.Value] < 0 {
			return &fifo.Violation{Fault: fifo.Excess, Op: i, Core: touching(ops, o)}
		}
	}
	return nil
}

// touching lists the operations on an element up to the end of a dequeue of it.
func touching(ops []fifo.Op, d *fifo.Op) []int32 {
	var core []int32
	for i := range ops {
		o := &ops[i]
		if o.Value == d.Value && (o.Kind == fifo.Enqueue && o.Inv < d.Res || o.Kind == fifo.Dequeue && o.Res <= d.Res) {
			core = append(core, int32(i))
		}
	}
	return core
}

// emptied decides where a dequeue found the queue empty.
func emptied(ctx context.Context, ops []fifo.Op) (fifo.Result, error) {
	if v := excess(ops); v != nil {
		return fifo.Result{Violation: v}, nil
	}
	e, err := fifo.Read(ops)
	if err != nil {
		return fifo.Result{}, fmt.Errorf("%w, and a dequeue found the queue empty", err)
	}
	if v, err := e.Moments(); v != nil || err != nil {
		return fifo.Result{Violation: v}, err
	}
	if err := context.Cause(ctx); err != nil {
		return fifo.Result{}, err
	}
	var points []point
	for v := range e.Of {
		points = appendElement(points, &e.Of[v])
	}
	for i, z := range e.Empties {
		points = append(points, point{int64(e.At[i]), 2, z})
	}
	return fifo.Result{Order: sorted(points)}, nil
}

// appendElement appends when an element is put there and taken.
func appendElement(points []point, el *fifo.Element) []point {
	put := el.PutTo
	switch {
	case el.Put == fifo.None:
		return points
	case el.Take != fifo.None:
		// It can be there for no time at all if the dequeue began first.
		put = min(put, el.TakeFrom)
		put = max(put, el.PutFrom)
		points = append(points, point{max(el.TakeFrom, put), 1, el.Take})
	}
	return append(points, point{put, 0, el.Put})
}
