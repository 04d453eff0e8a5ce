package queue

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// leases is what the history shows of when messages were out under leases.
type leases struct {
	used    bool             // somebody asked for one, of this queue or of another
	last    int64            // until then one can have begun, in nanoseconds
	longest int64            // milliseconds
	empty   map[string]int64 // by what receives asked for: when one began that found nothing; -1 if none did
}

// receive takes in a receive: a message comes out, but if that is under a lease it
// may come back.
func (q *queue) receive(c history.Call) error {
	q.leases.used = true
	asked := ""
	if !c.Invoke.Value.IsNil() {
		asked = c.Invoke.Value.String()
	}
	if _, known := q.leases.empty[asked]; !known {
		if q.leases.empty == nil {
			q.leases.empty = map[string]int64{}
		}
		q.leases.empty[asked] = -1
	}
	switch c.Type() {
	case history.Info:
		q.taken++
		if !dead(c) {
			q.open = append(q.open, c)
		}
		q.leases.begun(c)
	case history.OK:
		if c.Complete.Value.IsNil() {
			q.leases.empty[asked] = max(q.leases.empty[asked], c.Invoke.Time)
			if c.Invoke.Value.IsNil() {
				q.nothing = append(q.nothing, c)
			}
			return nil
		}
		m := c.Complete.Value.Get("message")
		if m.IsNil() {
			return fmt.Errorf("index %d: a receive has to return a map with a message, or nil, not %v; see what the client records", c.Complete.Index, c.Complete.Value)
		}
		q.dequeue(c, m)
		if leased(c) {
			q.element(m).leased++
		}
		q.leases.begun(c)
		return q.leases.lasts(c)
	}
	return nil
}

// leased reports whether what came out may come back.
func leased(c history.Call) bool {
	return c.Invoke.F == "receive" && !c.Complete.Value.Get("visibility").IsNil()
}

// begun notes that a lease can have begun until an operation was over.
func (l *leases) begun(c history.Call) {
	l.last = max(l.last, c.Invoke.Time)
	if c.Complete != nil {
		l.last = max(l.last, c.Complete.Time)
	}
}

// lasts notes how long a lease is.
func (l *leases) lasts(c history.Call) error {
	v := c.Complete.Value.Get("visibility")
	ms, ok := v.Int()
	if !ok && !v.IsNil() {
		return fmt.Errorf("index %d: the time of a lease has to be a number of milliseconds, not %v; see what the client records", c.Complete.Index, v)
	}
	l.longest = max(l.longest, ms)
	return nil
}

// extend takes in that a lease can have begun anew.
func (q *queue) extend(c history.Call) error {
	if c.Type() == history.Fail {
		return nil
	}
	q.leases.begun(c)
	if c.Type() == history.OK {
		return q.leases.lasts(c)
	}
	return nil
}

// back takes in that a message was given back, or can have been acknowledged.
func (q *queue) back(c history.Call) {
	m := c.Invoke.Value.Get("message")
	if c.Type() == history.Fail || m.IsNil() {
		return
	}
	e := q.element(m)
	if c.Invoke.F == "ack" {
		if e.settled = true; e.done.Invoke == nil {
			e.done = c
		}
	}
	token, fenced := c.Invoke.Value.Get("token").Int()
	if !fenced || c.Type() != history.OK {
		return
	}
	if e.back == nil {
		e.back = map[int64]int{}
	}
	if at, known := e.back[token]; !known || c.Complete.Index < at {
		e.back[token] = c.Complete.Index
	}
}

// emptied reports whether whatever a receive can ask for was asked for and not
// found at a time at which no lease can have lasted any more.
func (l *leases) emptied() bool {
	for _, at := range l.empty {
		if at < 0 || at < l.last+l.longest*1e6 {
			return false
		}
	}
	return len(l.empty) > 0
}

// owed returns how often an element still has to come out.
func (e *element) owed(opts Options) int {
	if missing := e.acks - len(e.out); missing > 0 {
		return missing
	}
	if e.acks > 0 && e.leased == len(e.out) && !e.settled && !opts.AtMostOnce {
		return 1
	}
	return 0
}

// unsettled explains that an element came out under leases only, was never
// acknowledged, and did not come back.
func (q *queue) unsettled(e *element) checkers.Anomaly {
	last := e.out[len(e.out)-1]
	return checkers.Anomaly{Name: Lost, Key: q.key, Ops: indices(e.acked),
		Explanation: fmt.Sprintf("process %v enqueued %v at %s, acknowledged at %s; %s, the last to get it, nobody tried to acknowledge it, and when all leases were over it did not come out again",
			e.acked.Invoke.Process, e.value, q.clock.At(e.acked.Invoke), q.clock.At(e.acked.Complete), q.describe(last, e))}
}
