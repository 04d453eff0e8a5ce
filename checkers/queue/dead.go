package queue

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// dead reports whether an operation asks for dead letters.
func dead(c history.Call) bool {
	is, _ := c.Invoke.Value.Get("dead").Bool()
	return is
}

// handed is how often an element was handed out, and when it was a dead letter.
type handed struct {
	*element
	outs   []history.Call // receives that got it, and did not ask for dead letters
	buried history.Call   // the first receive that got it as a dead letter, by its end
	short  int            // so many deliveries before that are not known of
}

// handed returns what is known of the deliveries of an element, of which there
// should be so many before it is a dead letter.
func (e *element) handed(most int) handed {
	h := handed{element: e}
	for _, c := range e.out {
		switch {
		case c.Invoke.F != "receive":
		case !dead(c):
			h.outs = append(h.outs, c)
		case h.buried.Invoke == nil || c.Complete.Index < h.buried.Complete.Index:
			h.buried = c
		}
	}
	if h.buried.Invoke == nil {
		return h
	}
	h.short = most
	for _, c := range h.outs {
		if c.Invoke.Index < h.buried.Complete.Index {
			h.short = max(0, h.short-1)
		}
	}
	return h
}

// deadLetters finds elements that were handed out too often, and elements that were
// dead letters too soon: a delivery that is not known of may be that of a receive
// without an answer, and each of these is good for one.
func (q *queue) deadLetters(r *Report, most int) {
	var buried []handed
	for i := range q.elements {
		h := q.elements[i].handed(most)
		if ops, why := q.tooOften(h, most); ops != nil {
			if r.OverDelivered++; r.OverDelivered <= checkers.MaxAnomalies {
				r.Anomalies = append(r.Anomalies, checkers.Anomaly{Name: OverDelivered, Key: q.key, Ops: indices(ops...), Explanation: why})
			}
		}
		if h.short > 0 && h.attempts > 0 {
			buried = append(buried, h)
		}
	}
	slices.SortFunc(buried, func(a, b handed) int { return cmp.Compare(a.buried.Complete.Index, b.buried.Complete.Index) })
	open, short := q.open, 0 // sorted by when they began
	for _, h := range buried {
		for len(open) > 0 && open[0].Invoke.Index < h.buried.Complete.Index {
			open = open[1:]
		}
		if short += h.short; short <= len(q.open)-len(open) {
			continue
		}
		if r.DeadTooSoon++; r.DeadTooSoon <= checkers.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, checkers.Anomaly{Name: DeadTooSoon, Key: q.key, Ops: indices(h.first, h.buried),
				Explanation: fmt.Sprintf("%s as a dead letter, before which it should have been handed out %d times; %d receives got it, and the %d that have no answer cannot have got all that is missing of it and of other dead letters: %d deliveries",
					q.describe(h.buried, h.element), most, len(h.outs), len(q.open)-len(open), short)})
		}
	}
}

// tooOften returns operations that show that an element was handed out more often
// than it may be, if it was.
func (q *queue) tooOften(h handed, most int) (ops []history.Call, why string) {
	if h.possible > 0 && len(h.outs) > most*h.possible {
		slices.SortFunc(h.outs, func(a, b history.Call) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
		outs := h.outs[:most*h.possible+1]
		last := outs[len(outs)-1]
		return append(outs, h.first), fmt.Sprintf("%v was put in %d times at most, and is a dead letter after %d deliveries; it was handed out %d times: in the end, %s",
			h.value, h.possible, most, len(outs), q.describe(last, h.element))
	}
	if h.possible != 1 || h.buried.Invoke == nil {
		return nil, ""
	}
	for _, c := range h.outs {
		if h.buried.Complete.Index < c.Invoke.Index {
			return []history.Call{h.first, h.buried, c}, fmt.Sprintf("%s as a dead letter, so that it had been handed out %d times, and after that, %s",
				q.describe(h.buried, h.element), most, q.describe(c, h.element))
		}
	}
	return nil, ""
}
