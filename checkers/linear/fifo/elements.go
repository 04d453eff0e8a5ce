package fifo

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// None is no operation.
const None int32 = -1

// Never is after everything, and int64Forever is the end of an operation that
// got no answer: before that.
const (
	Never        = math.MaxInt64
	int64Forever = int64(Forever)
)

// Element is an element with the operations on it, and the times between which
// these took effect. What was taken was put there before, and the other way round,
// which makes these times tighter than those of the operations.
type Element struct {
	Put, Take        int32 // places of operations, or None
	PutFrom, PutTo   int64
	TakeFrom, TakeTo int64 // Never if nobody took it
}

// Elements is operations on a queue, element by element.
type Elements struct {
	Of      []Element // by value
	Empties []int32   // dequeues that found nothing, in the order of their beginnings
	Guesses []int32   // dequeues that got no answer, likewise
	At      []int32   // for each of Empties, the record after which the queue was empty
	ops     []Op
	second  []int32 // dequeues of what another one took
}

// Read reads operations. It fails with [ErrUndecided] if an element was
// enqueued twice.
func Read(ops []Op) (*Elements, error) {
	size := int32(0)
	for i := range ops {
		if ops[i].Kind <= Dequeue {
			size = max(size, ops[i].Value+1)
		}
	}
	e := &Elements{ops: ops, Of: make([]Element, size)}
	for v := range e.Of {
		e.Of[v] = Element{Put: None, Take: None, TakeFrom: Never, TakeTo: Never}
	}
	for i := range ops {
		switch o, at := &ops[i], int32(i); o.Kind {
		case Enqueue:
			el := &e.Of[o.Value]
			if el.Put != None {
				return nil, fmt.Errorf("%w: an element was enqueued twice", ErrUndecided)
			}
			el.Put, el.PutFrom, el.PutTo = at, int64(o.Inv), int64(o.Res)
		case Dequeue:
			e.take(at)
		case Empty:
			e.Empties = append(e.Empties, at)
		case Guess:
			e.Guesses = append(e.Guesses, at)
		}
	}
	e.tighten()
	return e, nil
}

// take notes a dequeue. Of several ones of an element, the first to end stays.
func (e *Elements) take(at int32) {
	o := &e.ops[at]
	el := &e.Of[o.Value]
	if el.Take != None {
		if e.ops[el.Take].Res <= o.Res {
			e.second = append(e.second, at)
			return
		}
		e.second = append(e.second, el.Take)
	}
	el.Take, el.TakeFrom, el.TakeTo = at, int64(o.Inv), int64(o.Res)
}

// tighten narrows the times of what was put and taken, and drops what was put
// there without an answer if nobody took it.
func (e *Elements) tighten() {
	for v := range e.Of {
		switch el := &e.Of[v]; {
		case el.Put == None:
		case el.Take == None && el.PutTo == int64Forever:
			el.Put = None
		case el.Take != None:
			el.PutTo = min(el.PutTo, el.TakeTo)
			el.TakeFrom = max(el.TakeFrom, el.PutFrom)
		}
	}
}

// Excess finds an element that was taken before it was put there, or twice.
func (e *Elements) Excess() *Violation {
	for v := range e.Of {
		el := &e.Of[v]
		if el.Take == None || el.Put != None && int64(e.ops[el.Take].Res) > el.PutFrom {
			continue
		}
		f := &Violation{Fault: Excess, Op: el.Take, Core: []int32{el.Take}}
		if el.Put != None {
			f.Core = append(f.Core, el.Put)
		}
		return f
	}
	if len(e.second) == 0 {
		return nil
	}
	d := e.second[0]
	el := &e.Of[e.ops[d].Value]
	f := &Violation{Fault: Excess, Op: d, Core: []int32{el.Put, el.Take, d}}
	slices.Sort(f.Core)
	return f
}

// cover is a stretch of records during which an element was certainly there.
type cover struct {
	from, to int64 // from the end of its enqueue to the beginning of its dequeue
	put      int32
}

// covers lists when which elements were there. Those that nobody took stay, or
// stay until the time that is given.
func (e *Elements) covers(stay int64) []cover {
	var list []cover
	for v := range e.Of {
		el := &e.Of[v]
		to := el.TakeFrom
		if el.Take == None {
			to = stay
		}
		if el.Put != None && el.PutTo < to {
			list = append(list, cover{el.PutTo, to, el.Put})
		}
	}
	slices.SortFunc(list, func(a, b cover) int { return int(a.from - b.from) })
	return list
}

// Moments finds, for each dequeue that found nothing, a moment at which nothing
// need have been there: after the record At. It returns a violation if there is
// none, and fails with [ErrUndecided] if that depends on dequeues without an
// answer.
func (e *Elements) Moments() (*Violation, error) {
	if len(e.Empties) == 0 {
		return nil, nil
	}
	v := e.moments(Never)
	if v == nil || len(e.Guesses) == 0 {
		return v, nil
	}
	// Before the first of them began, no dequeue without an answer took anything.
	if v := e.moments(int64(e.ops[e.Guesses[0]].Inv)); v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("%w: a dequeue found the queue empty, and others got no answer", ErrUndecided)
}

func (e *Elements) moments(stay int64) *Violation {
	covers := e.covers(stay)
	merged := merge(covers)
	e.At = make([]int32, len(e.Empties))
	for i, z := range e.Empties {
		at := int64(e.ops[z].Inv)
		n := sort.Search(len(merged), func(n int) bool { return merged[n].from > at })
		if n > 0 && at < merged[n-1].to {
			at = merged[n-1].to
		}
		if at >= int64(e.ops[z].Res) {
			return e.covered(z, covers)
		}
		e.At[i] = int32(at)
	}
	return nil
}

// merge joins stretches that overlap.
func merge(covers []cover) []cover {
	var merged []cover
	for _, c := range covers {
		if n := len(merged); n > 0 && c.from <= merged[n-1].to {
			merged[n-1].to = max(merged[n-1].to, c.to)
			continue
		}
		merged = append(merged, c)
	}
	return merged
}

// covered names the elements that were there while a dequeue found nothing: each
// time the one that stays longest.
func (e *Elements) covered(z int32, covers []cover) *Violation {
	v := &Violation{Fault: Covered, Op: z, Core: []int32{z}}
	at, best := int64(e.ops[z].Inv), cover{to: -1}
	for i := 0; at < int64(e.ops[z].Res); {
		for ; i < len(covers) && covers[i].from <= at; i++ {
			if covers[i].to > best.to {
				best = covers[i]
			}
		}
		at = best.to
		v.By = append(v.By, best.put)
		v.Core = append(v.Core, best.put)
		if t := e.Of[e.ops[best.put].Value].Take; t != None {
			v.Core = append(v.Core, t)
		}
	}
	slices.Sort(v.Core)
	return v
}
