package queue

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge adds what there is to say about the queue to the report.
func (q *queue) judge(r *Report, opts Options) {
	r.Open += q.taken + q.drains
	missing := 0
	for i := range q.elements {
		missing += max(0, q.elements[i].acks-len(q.elements[i].out))
	}
	if opts.Ordered {
		q.reordered(r)
	}
	if opts.MaxDeliveries > 0 {
		q.deadLetters(r, opts.MaxDeliveries)
	}
	if opts.NeverFalselyEmpty {
		q.overlooked(r, opts)
	}
	excused := opts.AtMostOnce && (q.drains > 0 || missing <= q.taken)
	for i := range q.elements {
		e := &q.elements[i]
		r.Attempt += e.attempts
		r.Acknowledged += e.acks
		q.outcome(r, e)
		switch owed := e.owed(opts); {
		case owed == 0 || excused:
		case q.leases.used && !q.leases.emptied():
			r.late++
		default:
			q.lost(r, e, owed, opts)
		}
	}
}

// outcome says what is to be said about the times that an element came out.
func (q *queue) outcome(r *Report, e *element) {
	name := e.value.String()
	out := len(e.out)
	early := slices.IndexFunc(e.out, func(c history.Call) bool { return e.attempts > 0 && c.Complete.Index < e.first.Invoke.Index })
	switch {
	case out == 0:
		return
	case e.attempts == 0:
		r.UnexpectedElements = append(r.UnexpectedElements, name)
		r.Unexpected += out
		if r.Unexpected-out < checkers.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, q.nowhere(e))
		}
		return
	case e.possible == 0:
		r.AbortedElements = append(r.AbortedElements, name)
		r.Aborted += out
		if r.Aborted-out < checkers.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, q.aborted(e))
		}
		return
	case early >= 0:
		c := e.out[early]
		r.PrematureElements = append(r.PrematureElements, name)
		r.Premature++
		if r.Premature <= checkers.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, q.early(e, c, e.first))
		}
	}
	r.OK += min(out, e.possible)
	if n := min(out, e.possible) - e.acks; n > 0 {
		r.Recovered += n
		r.RecoveredElements = append(r.RecoveredElements, name)
	}
	if n := out - e.possible; n > 0 {
		q.duplicated(r, e, n)
	}
}

func (q *queue) duplicated(r *Report, e *element, n int) {
	r.DuplicatedElements = append(r.DuplicatedElements, e.value.String())
	r.Duplicated += n
	if len(r.Duplicates) == checkers.MaxAnomalies {
		return
	}
	r.Duplicates = append(r.Duplicates, q.again(e))
}

// again explains that an element came out more often than it can have been put in,
// by the fewest operations that it came out of.
func (q *queue) again(e *element) checkers.Anomaly {
	times := map[int]int{} // by the index of the invocation
	for _, c := range e.out {
		times[c.Invoke.Index]++
	}
	ops := slices.SortedFunc(maps.Keys(times), func(a, b int) int { return cmp.Or(times[b]-times[a], a-b) })
	out := 0
	for i, op := range ops {
		if out += times[op]; out > e.possible {
			ops = ops[:i+1]
			break
		}
	}
	last := e.out[e.possible]
	what := fmt.Sprintf("%v was enqueued %d times at most, and came out %d times; the last time, %s", e.value, e.possible, len(e.out), q.describe(last, e))
	if e.possible == 1 && e.out[0].Invoke != last.Invoke {
		what = fmt.Sprintf("%v was enqueued by process %v at %s; %s, and %s", e.value, e.first.Invoke.Process, q.clock.At(e.first.Invoke), q.describe(e.out[0], e), q.describe(last, e)+" again")
	}
	ops = append(ops, e.first.Invoke.Index)
	slices.Sort(ops)
	return checkers.Anomaly{Name: Duplicated, Key: q.key, Ops: ops, Explanation: what}
}

func (q *queue) lost(r *Report, e *element, n int, opts Options) {
	r.Lost += n
	r.LostElements = append(r.LostElements, e.value.String())
	if e.acks <= len(e.out) {
		if r.Lost-n < checkers.MaxAnomalies {
			r.Anomalies = append(r.Anomalies, q.unsettled(e))
		}
		return
	}
	what := fmt.Sprintf("process %v enqueued %v at %s, acknowledged at %s, and it never came out", e.acked.Invoke.Process, e.value, q.clock.At(e.acked.Invoke), q.clock.At(e.acked.Complete))
	if e.acks > 1 {
		what = fmt.Sprintf("enqueues of %v were acknowledged %d times, the last at %s, but it came out %d times", e.value, e.acks, q.clock.At(e.acked.Complete), len(e.out))
	}
	if d := q.emptied; d.Invoke != nil && d.Invoke.Index > e.acked.Complete.Index && len(e.out) == 0 {
		what += fmt.Sprintf("; process %v drained the queue at %s and did not get it", d.Invoke.Process, q.clock.At(d.Invoke))
	}
	if opts.AtMostOnce && q.taken > 0 {
		what += fmt.Sprintf("; the dequeues that never came back, %d, cannot have taken all that is missing", q.taken)
	}
	if r.Lost-n < checkers.MaxAnomalies {
		r.Anomalies = append(r.Anomalies, checkers.Anomaly{Name: Lost, Key: q.key, Ops: indices(e.acked), Explanation: what})
	}
}

// nowhere explains that an element came out that nobody had put in.
func (q *queue) nowhere(e *element) checkers.Anomaly {
	return checkers.Anomaly{Name: Unexpected, Key: q.key, Ops: indices(e.out[0]), Explanation: q.describe(e.out[0], e) + ", which nobody ever enqueued"}
}

// aborted explains that an element came out although nobody can have put it in.
func (q *queue) aborted(e *element) checkers.Anomaly {
	return checkers.Anomaly{Name: Aborted, Key: q.key, Ops: indices(e.first, e.out[0]),
		Explanation: fmt.Sprintf("%s, but every enqueue of it failed, as that of process %v at %s, so it certainly was not in the queue",
			q.describe(e.out[0], e), e.first.Invoke.Process, q.clock.At(e.first.Invoke))}
}

// early explains that an element had come out before it was put in.
func (q *queue) early(e *element, out, in history.Call) checkers.Anomaly {
	return checkers.Anomaly{Name: Premature, Key: q.key, Ops: indices(out, in),
		Explanation: fmt.Sprintf("%s and had it by %s, but its enqueue did not begin until %s", q.describe(out, e), q.clock.At(out.Complete), q.clock.At(in.Invoke)),
		Edges: []checkers.Edge{
			{From: out.Invoke.Index, To: in.Invoke.Index, Kind: "rt", Key: q.key,
				Why: fmt.Sprintf("it was over at %s, and the enqueue began at %s", q.clock.At(out.Complete), q.clock.At(in.Invoke))},
			{From: in.Invoke.Index, To: out.Invoke.Index, Kind: "wr", Key: q.key, Why: fmt.Sprintf("%v came out, so it had gone in", e.value)},
		}}
}

// indices returns where calls were invoked, in order and once each.
func indices(calls ...history.Call) []int {
	var ops []int
	for _, c := range calls {
		ops = append(ops, c.Invoke.Index)
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

// describe says how an element came out: "process 1 through n2 dequeued 7 at 3 ms".
func (q *queue) describe(c history.Call, e *element) string {
	at := ""
	if c.Invoke.Node != "" {
		at = " through " + c.Invoke.Node
	}
	return fmt.Sprintf("process %v%s %s %v at %s", c.Invoke.Process, at, c.Invoke.F+map[bool]string{true: "ed", false: "d"}[c.Invoke.F == "drain"], e.value, q.clock.At(c.Invoke))
}
