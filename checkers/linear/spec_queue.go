package linear

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// The verbs of queues. The element is a.
const (
	queuePut   verb = iota + 1
	queueTake       // and what it took is known
	queueEmpty      // took nothing, because nothing was there
	queueGuess      // took anything
)

// queueSpec is a queue. A state is the list of its elements, from the front on,
// or in order of their numbers if the queue has none.
type queueSpec struct {
	model  Model
	values intern.Table
	states *pool
}

func (s *queueSpec) decode(c history.Call) (act, error) {
	switch c.Invoke.F {
	case "enqueue":
		v := argument(c)
		if nothingThere(v) {
			return act{}, fmt.Errorf("enqueue takes an element: nil is what a dequeue of nothing returns")
		}
		return act{verb: queuePut, a: int64(s.values.ID(v))}, nil
	case "dequeue":
		v, ok := outcome(c, false)
		switch {
		case c.Type() != history.OK:
			return act{verb: queueGuess}, nil
		case !ok:
			return act{}, fmt.Errorf("a dequeue that is ok must say which element it took, or nil if there was none")
		case v.IsNil():
			return act{verb: queueEmpty}, nil
		}
		return act{verb: queueTake, a: int64(s.values.ID(v))}, nil
	default:
		return act{}, unknownF(s.model.Name, c)
	}
}

func (s *queueSpec) start() int64 { return 0 }

func (s *queueSpec) pure(x *act) bool { return x.verb == queueEmpty }

// taken returns the elements that operations are known to have taken, and
// whether one found the queue empty.
func (s *queueSpec) taken(ops []act) (elements []bool, empty bool) {
	elements = make([]bool, s.values.Len())
	for i := range ops {
		switch x := &ops[i]; x.verb {
		case queueTake:
			elements[x.a] = true
		case queueEmpty:
			empty = true
		}
	}
	return elements, empty
}

func (s *queueSpec) holds(state int64) string {
	if items := s.states.items[state]; len(items) > 0 {
		return "it held " + brief(items, &s.values)
	}
	return "it was empty"
}

// forget leaves open what a dequeue took.
func (s *queueSpec) forget(x act) act {
	if x.verb == queueTake || x.verb == queueEmpty {
		x.verb, x.a = queueGuess, 0
	}
	return x
}

func (s *queueSpec) value(x *act) (int64, bool) {
	return x.a, x.verb == queuePut || x.verb == queueTake
}

func (s *queueSpec) size() int64 { return int64(s.values.Len()) }

// without leaves an element out, with whoever put it there or took it. Who may
// have taken it stays, and may have taken nothing.
func (s *queueSpec) without(ops []act, element int64) []act {
	return slices.DeleteFunc(slices.Clone(ops), func(x act) bool {
		return x.a == element && (x.verb == queuePut || x.verb == queueTake)
	})
}

// fifoSpec is a queue that keeps its order.
type fifoSpec struct{ queueSpec }

func newFIFOSpec(m Model) spec { return &fifoSpec{queueSpec{model: m, states: newPool()}} }

// useful drops elements that were put there by who does not know, if nobody
// knows to have taken them: if they went in at all, nobody needs them.
func (s *fifoSpec) useful(ops []act) func(*act) bool {
	elements, _ := s.taken(ops)
	return func(x *act) bool { return x.verb != queuePut || elements[x.a] }
}

func (s *fifoSpec) step(state int64, x *act) (int64, bool) {
	items := s.states.items[state]
	switch {
	case x.verb == queueEmpty:
		return state, len(items) == 0
	case x.verb != queuePut && (len(items) == 0 || x.verb == queueTake && int64(items[0]) != x.a):
		return state, false
	}
	return s.states.step(state, x, func(items []int32) ([]int32, bool) {
		if x.verb == queuePut {
			return append(slices.Clip(items), int32(x.a)), true
		}
		return items[1:], true
	})
}

func (s *fifoSpec) why(state int64, x *act) string {
	items := s.states.items[state]
	if x.verb == queueEmpty || len(items) == 0 {
		return s.holds(state)
	}
	return fmt.Sprintf("%s, with %v in front", s.holds(state), s.values.Value(items[0]))
}

// bagSpec is a queue without an order.
type bagSpec struct{ queueSpec }

func newBagSpec(m Model) spec { return &bagSpec{queueSpec{model: m, states: newPool()}} }

// useful is as with a FIFO queue; and to have taken something matters only to
// who found nothing, for nothing else is harder the more there is.
func (s *bagSpec) useful(ops []act) func(*act) bool {
	elements, empty := s.taken(ops)
	return func(x *act) bool { return x.verb == queueGuess && empty || x.verb == queuePut && elements[x.a] }
}

func (s *bagSpec) step(state int64, x *act) (int64, bool) {
	if x.verb == queueEmpty {
		return state, len(s.states.items[state]) == 0
	}
	return s.states.step(state, x, func(items []int32) ([]int32, bool) {
		at, there := slices.BinarySearch(items, int32(x.a))
		switch {
		case x.verb == queuePut:
			return slices.Insert(slices.Clone(items), at, int32(x.a)), true
		case there:
			return slices.Delete(slices.Clone(items), at, at+1), true
		default:
			return nil, false
		}
	})
}

// variants lists all elements: who got no answer may have taken any of them.
func (s *bagSpec) variants(x *act) []act {
	if x.verb != queueGuess {
		return nil
	}
	all := make([]act, s.values.Len())
	for v := range all {
		all[v] = *x
		all[v].verb, all[v].a = queueTake, int64(v)
	}
	return all
}

func (s *bagSpec) why(state int64, _ *act) string { return s.holds(state) }
