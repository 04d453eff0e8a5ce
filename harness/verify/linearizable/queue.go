package linearizable

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// queue is what was put into a queue and taken from it, on one key.
type queue struct {
	put   map[string][]*claim.Op // those that may have put a value there
	taken map[string][]*claim.Op // those that certainly took it
	blind []*claim.Op            // those that may have taken anything
}

// queue reads the operations on a key.
func (l *linear) queue(key history.Value) (*queue, error) {
	if m := l.Parameters["model"]; m != "fifo-queue" && m != "unordered-queue" {
		return nil, fmt.Errorf("the proof is about queues, not about the model %s", m)
	}
	q := &queue{put: make(map[string][]*claim.Op), taken: make(map[string][]*claim.Op)}
	for _, o := range l.on(key) {
		switch a := l.answer(o); {
		case o.Invoke.F == "enqueue":
			v := claim.Name(argument(o))
			q.put[v] = append(q.put[v], o)
		case o.Invoke.F != "dequeue":
			return nil, fmt.Errorf("index %d: %w", o.Inv, unknownF(o))
		case !a.known:
			q.blind = append(q.blind, o)
		case !a.value.IsNil():
			v := claim.Name(a.value)
			q.taken[v] = append(q.taken[v], o)
		}
	}
	return q, nil
}

// excess confirms that by the end of a dequeue, its value had been taken more
// often than anybody had begun to put it there.
func (l *linear) excess(index int) error {
	d, err := l.Op(index)
	if err != nil {
		return err
	}
	q, err := l.queue(d.Invoke.Key)
	if err != nil {
		return err
	}
	a := l.answer(d)
	if d.Invoke.F != "dequeue" || !a.known || a.value.IsNil() {
		return fmt.Errorf("index %d: the operation took nothing that is known", index)
	}
	more := 0
	for _, o := range q.taken[claim.Name(a.value)] {
		if o.Res <= d.Res {
			more++
		}
	}
	for _, o := range q.put[claim.Name(a.value)] {
		if o.Inv < d.Res {
			more--
		}
	}
	if more <= 0 {
		return fmt.Errorf("index %d: what the operation took may have been there", index)
	}
	return nil
}

// once returns the value of an enqueue that is the only one of its value.
func (l *linear) once(q *queue, index int) (*claim.Op, string, error) {
	e, err := l.Op(index)
	if err != nil {
		return nil, "", err
	}
	v := claim.Name(argument(e))
	if e.Invoke.F != "enqueue" || len(q.put[v]) != 1 || q.put[v][0] != e {
		return nil, "", fmt.Errorf("index %d: the operation is not the only enqueue of its value on the key", index)
	}
	return e, v, nil
}

// passed confirms that elements were left behind in a queue. Of each pair of
// enqueues the first ended before the second began, and the second element was
// taken: so the first one had been taken by the end of that. A dequeue that began
// later is a contradiction. If no dequeue is known to have taken the element, one
// with an unknown answer did; there must be too few of these, for all the elements
// together.
func (l *linear) passed(pairs [][2]int) error {
	if len(pairs) == 0 || l.Parameters["model"] != "fifo-queue" {
		return fmt.Errorf("the proof takes a FIFO queue and pairs of enqueues")
	}
	first, err := l.Op(pairs[0][0])
	if err != nil {
		return err
	}
	q, err := l.queue(first.Invoke.Key)
	if err != nil {
		return err
	}
	lost, end := make(map[string]bool), -1
	for _, pair := range pairs {
		v, by, err := l.overtaken(q, pair)
		if err != nil {
			return err
		}
		for _, d := range q.taken[v] {
			if d.Inv > by {
				return nil
			}
		}
		if len(q.taken[v]) > 0 {
			return fmt.Errorf("index %d: the element may have been taken in time", pair[0])
		}
		lost[v], end = true, max(end, by)
	}
	able := 0
	for _, d := range q.blind {
		if d.Inv < end {
			able++
		}
	}
	if able >= len(lost) {
		return fmt.Errorf("%d dequeues with an unknown answer can have taken the %d elements", able, len(lost))
	}
	return nil
}

// overtaken returns the first value of a pair, and the time by which it must
// have been taken.
func (l *linear) overtaken(q *queue, pair [2]int) (v string, by int, err error) {
	a, v, err := l.once(q, pair[0])
	if err != nil {
		return "", 0, err
	}
	b, w, err := l.once(q, pair[1])
	if err != nil {
		return "", 0, err
	}
	if !a.Happened() || !a.Before(b) {
		return "", 0, fmt.Errorf("the enqueue at index %d did not end before that at index %d began", pair[0], pair[1])
	}
	by = claim.Never
	for _, d := range q.taken[w] {
		by = min(by, d.Res)
	}
	if by == claim.Never {
		return "", 0, fmt.Errorf("index %d: nobody is known to have taken the element", pair[1])
	}
	return v, by, nil
}

// covered confirms that a queue was called empty while some element was there
// at every moment. Each of the elements was there from the end of its enqueue to
// the first moment at which it can have been taken, and the next one came
// before that.
func (l *linear) covered(index int, by []int) error {
	e, err := l.Op(index)
	if err != nil {
		return err
	}
	q, err := l.queue(e.Invoke.Key)
	if err != nil {
		return err
	}
	if a := l.answer(e); e.Invoke.F != "dequeue" || !a.known || !a.value.IsNil() {
		return fmt.Errorf("index %d: the operation did not call the queue empty", index)
	}
	at := e.Inv
	for _, put := range by {
		p, v, err := l.once(q, put)
		if err != nil {
			return err
		}
		if !p.Happened() || p.Res > at {
			return fmt.Errorf("index %d: the element need not have been there from index %d on", put, at)
		}
		takers := q.taken[v]
		if len(takers) == 0 {
			takers = q.blind
		}
		until := claim.Never
		for _, d := range takers {
			until = min(until, d.Inv)
		}
		at = max(at, until)
	}
	if at < e.Res {
		return fmt.Errorf("index %d: the queue may have been empty from index %d on", index, at)
	}
	return nil
}
