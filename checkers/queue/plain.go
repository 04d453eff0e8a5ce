package queue

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// PlainReport is what can be said of a queue that nobody emptied.
type PlainReport struct {
	Enqueues   int      `json:"enqueue-count"` // that may have happened
	Dequeues   int      `json:"dequeue-count"` // elements that came out
	Unexpected int      `json:"unexpected-count"`
	Aborted    int      `json:"aborted-count"`
	Premature  int      `json:"premature-count"`
	Duplicated int      `json:"duplicated-count"`
	Pending    int      `json:"pending-count"` // what may be in the queue at the end
	FinalQueue []string `json:"final-queue"`   // the first 1000 of these, once each

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name
}

// maxPending is how many elements of the final queue are listed.
const maxPending = 1000

// NewPlain returns a checker of queues that asks where each element that came out
// had come from. Every enqueue that did not fail may have happened as soon as it was
// invoked, and each is good for one dequeue after that.
func NewPlain() checkers.Checker {
	return checkers.New(PlainName, func(ctx context.Context, h *history.History) checkers.Result {
		r, err := CheckPlain(ctx, h)
		result := checkers.Result{}
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case len(r.Anomalies) > 0:
			result = checkers.Result{Verdict: checkers.Invalid, Anomalies: checkers.Some(r.Anomalies)}
		case r.Dequeues == 0:
			return checkers.Unknownf("nothing came out of the queue, and only that could be wrong").Detail(r)
		}
		return finding.Certified(result.Detail(r), PlainName, nil, nil)
	})
}

// CheckPlain judges the dequeues and drains of h. Where operations have keys, each
// key is a queue of its own, and the report is that of all of them together. It is an
// error if a drain does not return a list, or if ctx ends.
func CheckPlain(ctx context.Context, h *history.History) (PlainReport, error) {
	r := PlainReport{FinalQueue: []string{}}
	queues, err := gather(ctx, h)
	if err != nil {
		return r, err
	}
	for _, q := range queues {
		for i := range q.elements {
			q.plain(&r, &q.elements[i])
		}
	}
	return r, nil
}

// plain compares the times that an element came out with its enqueues, one by one.
func (q *queue) plain(r *PlainReport, e *element) {
	r.Enqueues += e.possible
	r.Dequeues += len(e.out)
	if left := e.possible - len(e.out); left > 0 {
		r.Pending += left
		if len(r.FinalQueue) < maxPending {
			r.FinalQueue = append(r.FinalQueue, e.value.String())
		}
	}
	slices.SortFunc(e.out, func(a, b history.Call) int { return a.Complete.Index - b.Complete.Index })
	switch {
	case len(e.out) == 0:
		return
	case e.attempts == 0:
		r.Unexpected += len(e.out)
		r.note(r.Unexpected-len(e.out), func() checkers.Anomaly { return q.nowhere(e) })
		return
	case e.possible == 0:
		r.Aborted += len(e.out)
		r.note(r.Aborted-len(e.out), func() checkers.Anomaly { return q.aborted(e) })
		return
	case e.leased > 0:
		if q.lent(r, e) {
			return
		}
	}
	if len(e.out) > e.possible {
		r.Duplicated += len(e.out) - e.possible
		r.note(r.Duplicated-len(e.out)+e.possible, func() checkers.Anomaly { return q.again(e) })
	}
	for n, out := range e.out[:min(len(e.out), e.possible)] {
		if in := e.begun(n); out.Complete.Index < in.Invoke.Index {
			r.Premature++
			r.note(r.Premature-1, func() checkers.Anomaly { return q.before(e, n) })
			return
		}
	}
}

// lent compares with the first enqueue what may come out again and again, leaves
// what may not, and reports whether that is all there is to say.
func (q *queue) lent(r *PlainReport, e *element) bool {
	if first := e.out[0]; first.Complete.Index < e.first.Invoke.Index {
		r.Premature++
		r.note(r.Premature-1, func() checkers.Anomaly { return q.early(e, first, e.first) })
		return true
	}
	e.out = slices.DeleteFunc(e.out, leased)
	return false
}

// before explains that an element had come out for the n-th time, from 0, before it
// was put in as often.
func (q *queue) before(e *element, n int) checkers.Anomaly {
	a := q.early(e, e.out[n], e.begun(n))
	if n > 0 {
		a.Explanation = fmt.Sprintf("%v came out %d times by %s, when %s, but its enqueue number %d did not begin until %s",
			e.value, n+1, q.clock.At(e.out[n].Complete), q.describe(e.out[n], e), n+1, q.clock.At(e.begun(n).Invoke))
	}
	return a
}

// note keeps an anomaly of which there were some before.
func (r *PlainReport) note(before int, explain func() checkers.Anomaly) {
	if before < checkers.MaxAnomalies {
		r.Anomalies = append(r.Anomalies, explain())
	}
}
