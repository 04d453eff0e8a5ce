// Package fifo decides in n log n whether the operations on a FIFO queue are
// linearizable, where a search would take exponential time.
//
// It takes operations whose elements are unique: each is enqueued at most once.
// Then a dequeue names the enqueue that it saw, and a history can only fail in
// one of these ways (Henzinger, Sezgin and Vafeiadis; Bouajjani et al.):
//
//	Excess   an element was taken that had not been put there, or a second time
//	Passed   an element was put there before another one, and left behind by it
//	Covered  the queue was called empty, and was not at any moment
//
// # Operations that got no answer
//
// An enqueue without an answer happened if its element was taken, and is left
// out if not. A dequeue without one ([Guess]) can have taken any element. If
// elements were left behind, such dequeues must have taken them: each element
// has a deadline, by which a later one was taken, and the dequeues are given to
// the elements in the order of their beginnings and deadlines. That is exact if
// no dequeue found the queue empty. If some did, elements are left to dequeues
// without an answer only where it makes no difference; where it does, the
// problem is left to a search ([ErrUndecided]).
//
// # The order
//
// Elements go through the queue in one order. One that was put there, or taken,
// before another in real time is before it; take again and again one that
// nothing left has to be before. If there is none, look at the element whose
// enqueue ended first and the one whose dequeue ended first: they are passed.
// A moment at which the queue was empty parts the elements into those before and
// those after it.
package fifo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	Enqueue Kind = iota // puts Value at the end
	Dequeue             // took Value
	Empty               // a dequeue that found nothing
	Guess               // a dequeue that got no answer
)

// Forever is the end of an operation that got no answer.
const Forever int32 = math.MaxInt32

// Op is an operation. Times must be different from each other, but for Forever.
type Op struct {
	Kind     Kind
	Value    int32 // the element, from 0 on without large gaps
	Inv, Res int32 // when it began and ended
}

// Result says whether operations are linearizable.
type Result struct {
	// Order is an order that explains the operations, as places in their list.
	// It has all that got an answer. It is nil if there is a violation.
	Order     []int32
	Violation *Violation
}

// Violation is a proof that operations are not linearizable. Operations are
// named by their places in the list.
type Violation struct {
	Fault Fault
	Op    int32      // Excess: the dequeue that is one too many; Covered: the one that found nothing
	Pairs [][2]int32 // Passed: enqueues, of which the second one's element was taken too early
	By    []int32    // Covered: enqueues of elements that were there one after the other
	Core  []int32    // all operations that show it, in the order of their places
}

// Fault says how a queue failed.
type Fault uint8

// The faults.
const (
	Excess Fault = iota
	Passed
	Covered
)

// ErrUndecided is the error of problems that take a search: an element was
// enqueued twice, or some dequeues found the queue empty, others got no answer,
// and what these took makes a difference.
var ErrUndecided = errors.New("these operations take a search")

// Check decides whether operations, given in the order of their beginnings, are
// linearizable. It fails with [ErrUndecided], or when ctx ends.
func Check(ctx context.Context, ops []Op) (Result, error) {
	e, err := Read(ops)
	if err != nil {
		return Result{}, err
	}
	if v := e.Excess(); v != nil {
		return Result{Violation: v}, nil
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	q := &queue{Elements: e}
	if v := q.matchGuesses(); v != nil {
		return Result{Violation: v}, nil
	}
	if v, err := e.Moments(); v != nil || err != nil {
		return Result{Violation: v}, err
	}
	if v := q.line(ctx); v != nil {
		return Result{Violation: v}, q.sure(v)
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	return Result{Order: q.schedule()}, nil
}

// queue is a problem on its way to its order.
type queue struct {
	*Elements
	order []int32 // the elements, in the order in which they go through the queue
}

// sure fails if a violation may be explained by dequeues that got no answer.
// Those were taken into account already, unless the queue was found empty.
func (q *queue) sure(v *Violation) error {
	if len(q.Guesses) == 0 || len(q.Empties) == 0 {
		return nil
	}
	for _, p := range v.Pairs {
		if q.Of[q.ops[p[0]].Value].Take == None {
			return fmt.Errorf("%w: dequeues found the queue empty, and others got no answer", ErrUndecided)
		}
	}
	return nil
}

// matchGuesses gives the elements that were left behind to dequeues that got
// no answer.
func (q *queue) matchGuesses() *Violation {
	if len(q.Guesses) == 0 || len(q.Empties) > 0 {
		return nil
	}
	left := q.leftBehind()
	for i, l := range left {
		if i == len(q.Guesses) || q.ops[q.Guesses[i]].Inv > l.deadline {
			v := &Violation{Fault: Passed}
			for _, l := range left[:i+1] {
				v.Pairs = append(v.Pairs, [2]int32{q.Of[l.value].Put, q.Of[l.by].Put})
			}
			return q.withCore(v)
		}
		el := &q.Of[l.value]
		el.Take = q.Guesses[i]
		el.TakeFrom, el.TakeTo = max(int64(q.ops[el.Take].Inv), el.PutFrom), int64Forever
	}
	return nil
}

// late is an element that nobody is known to have taken, although another one,
// which was put there later, was taken.
type late struct {
	value, by int32
	deadline  int32
}

// leftBehind returns the elements that were left behind, by deadline.
func (q *queue) leftBehind() []late {
	var taken, not []int32
	for v := range q.Of {
		switch el := &q.Of[v]; {
		case el.Put == None:
		case el.Take != None:
			taken = append(taken, int32(v))
		default:
			not = append(not, int32(v))
		}
	}
	q.sortBy(taken, func(el *Element) int64 { return el.PutFrom })
	q.sortBy(not, func(el *Element) int64 { return el.PutTo })
	var list []late
	first, by := int64(Never), None // the end of the first dequeue of what began later
	for i, j := len(not)-1, len(taken); i >= 0; i-- {
		for ; j > 0 && q.Of[taken[j-1]].PutFrom > q.Of[not[i]].PutTo; j-- {
			if el := &q.Of[taken[j-1]]; el.TakeTo < first {
				first, by = el.TakeTo, taken[j-1]
			}
		}
		if by != None {
			list = append(list, late{not[i], by, int32(first)})
		}
	}
	slices.SortStableFunc(list, func(a, b late) int { return int(a.deadline) - int(b.deadline) })
	return list
}

// withCore fills in the operations that show a violation.
func (q *queue) withCore(v *Violation) *Violation {
	for _, p := range v.Pairs {
		for _, put := range p {
			v.Core = append(v.Core, put)
			if t := q.Of[q.ops[put].Value].Take; t != None {
				v.Core = append(v.Core, t)
			}
		}
	}
	slices.Sort(v.Core)
	v.Core = slices.Compact(v.Core)
	return v
}
