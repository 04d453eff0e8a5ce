package queue

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// place is an element that was put in once, in the order of a queue.
type place struct {
	*element
	soon history.Call // what it came out of first, by its end
	late history.Call // what it came out of last, by its beginning
}

// places returns the elements whose place in the queue is known: those of which
// there was one attempt to put them in. What comes out by a request for something
// in particular, as for dead letters, is not in that order.
func (q *queue) places() []place {
	var all []place
	for i := range q.elements {
		e := &q.elements[i]
		if e.attempts != 1 {
			continue
		}
		p := place{element: e}
		for _, c := range e.out {
			if !c.Invoke.Value.IsNil() {
				continue
			}
			if p.soon.Invoke == nil || c.Complete.Index < p.soon.Complete.Index {
				p.soon = c
			}
			if p.late.Invoke == nil || c.Invoke.Index > p.late.Invoke.Index {
				p.late = c
			}
		}
		if p.soon.Invoke != nil {
			all = append(all, p)
		}
	}
	return all
}

// reordered finds elements that came out although one that was put in later had
// come out before. The enqueue of the one was over before that of the other began,
// and so were the dequeues, the other way round.
func (q *queue) reordered(r *Report) {
	behind := q.places() // sorted by when their enqueues began, the last first
	slices.SortFunc(behind, func(a, b place) int { return cmp.Compare(b.first.Invoke.Index, a.first.Invoke.Index) })
	ahead := slices.DeleteFunc(slices.Clone(behind), func(p place) bool { return p.acks == 0 })
	slices.SortFunc(ahead, func(a, b place) int { return cmp.Compare(b.acked.Complete.Index, a.acked.Complete.Index) })
	var soonest *place // of those behind, to have come out
	for _, a := range ahead {
		for ; len(behind) > 0 && behind[0].first.Invoke.Index > a.acked.Complete.Index; behind = behind[1:] {
			if soonest == nil || behind[0].soon.Complete.Index < soonest.soon.Complete.Index {
				soonest = &behind[0]
			}
		}
		if soonest == nil || soonest.soon.Complete.Index >= a.late.Invoke.Index {
			continue
		}
		if r.Reordered++; r.Reordered <= checkers.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, q.overtaken(a, *soonest))
		}
	}
}

// overtaken explains that b came out before a, which was before it in the queue.
func (q *queue) overtaken(a, b place) checkers.Anomaly {
	return checkers.Anomaly{Name: Reordered, Key: q.key, Ops: indices(a.acked, b.first, b.soon, a.late),
		Explanation: fmt.Sprintf("%v had been put in by %s, before the enqueue of %v began; %s and had it by %s, and after that, %s",
			a.value, q.clock.At(a.acked.Complete), b.value, q.describe(b.soon, b.element), q.clock.At(b.soon.Complete), q.describe(a.late, a.element)),
		Edges: []checkers.Edge{
			{From: a.acked.Invoke.Index, To: b.first.Invoke.Index, Kind: "rt", Key: q.key,
				Why: fmt.Sprintf("it was over at %s, and the other enqueue began at %s", q.clock.At(a.acked.Complete), q.clock.At(b.first.Invoke))},
			{From: b.soon.Invoke.Index, To: a.late.Invoke.Index, Kind: "rt", Key: q.key,
				Why: fmt.Sprintf("it was over at %s, and the other began at %s", q.clock.At(b.soon.Complete), q.clock.At(a.late.Invoke))},
		}}
}
