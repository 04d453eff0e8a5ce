package queue

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// rest is a time in which an element certainly waited to be handed out, unless a
// receive without an answer got it: no other operation did anything about it then.
type rest struct {
	*element
	from, to int // records of the history
}

// rests returns these times: after an element was put in, or given back by all that
// had got it, until somebody asks for it. What was handed out often enough may be a
// dead letter, and where nobody says how often that is, everything that was handed out.
func (q *queue) rests(most int) []rest {
	var all []rest
	for i := range q.elements {
		e := &q.elements[i]
		if e.attempts != 1 || e.acks != 1 {
			continue
		}
		end := math.MaxInt
		if e.done.Invoke != nil {
			end = e.done.Invoke.Index
		}
		outs := slices.SortedFunc(slices.Values(e.out), func(a, b history.Call) int { return cmp.Compare(a.Invoke.Index, b.Invoke.Index) })
		from := e.acked.Complete.Index
		for n := 0; ; n++ {
			to := end
			if n < len(outs) {
				to = min(to, outs[n].Invoke.Index)
			}
			if from < to {
				all = append(all, rest{e, from, to})
			}
			if n == len(outs) || n+1 >= max(1, most) || to == end {
				break
			}
			token, fenced := outs[n].Complete.Value.Get("token").Int()
			back, given := e.back[token]
			if !fenced || !given {
				break
			}
			from = max(from, back)
		}
	}
	return all
}

// overlooked finds receives that got nothing although more elements waited than
// receives without an answer can have got. Where order matters, whatever is out holds
// up the others.
func (q *queue) overlooked(r *Report, opts Options) {
	if q.drains > 0 {
		return // each may have got everything
	}
	rests := q.rests(opts.MaxDeliveries)
	slices.SortFunc(rests, func(a, b rest) int { return cmp.Compare(a.from, b.from) })
	var waiting []rest
	open := q.open
	for _, e := range q.nothing {
		for len(rests) > 0 && rests[0].from < e.Invoke.Index {
			waiting, rests = append(waiting, rests[0]), rests[1:]
		}
		for len(open) > 0 && open[0].Invoke.Index < e.Complete.Index {
			open = open[1:]
		}
		lost := len(q.open) - len(open)
		waiting = slices.DeleteFunc(waiting, func(w rest) bool { return w.to <= e.Invoke.Index })
		if len(waiting) <= lost {
			continue
		}
		n, first := 0, rest{}
		for _, w := range waiting {
			if w.to > e.Complete.Index {
				if n++; n == 1 {
					first = w
				}
			}
		}
		if n <= lost || opts.Ordered && (lost > 0 || q.out(e)) {
			continue
		}
		if r.FalseEmpty++; r.FalseEmpty <= checkers.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, checkers.Anomaly{Name: FalseEmpty, Key: q.key, Ops: indices(first.acked, e),
				Explanation: fmt.Sprintf("process %v asked for a message at %s and got none, although %d waited, such as %v; the operations without an answer, %d, cannot have got them all",
					e.Invoke.Process, q.clock.At(e.Invoke), n, first.value, lost)})
		}
	}
}

// out reports whether an element may have been handed out and not given back while a
// receive that got nothing was under way.
func (q *queue) out(e history.Call) bool {
	for i := range q.elements {
		x := &q.elements[i]
		for _, c := range x.out {
			if dead(c) || c.Invoke.Index > e.Complete.Index {
				continue
			}
			token, fenced := c.Complete.Value.Get("token").Int()
			if back, given := x.back[token]; !fenced || !given || back > e.Invoke.Index {
				return true
			}
		}
	}
	return false
}
