// Package queue judges queues that have to give back what was put in: is every
// element that was acknowledged dequeued, and nothing that was never enqueued?
//
// [New] asks both, for queues that are emptied at the end: Jepsen's total-queue.
// [NewPlain] asks the second only, at each moment: Jepsen's queue, with the model of
// an unordered queue.
//
// Elements go in with enqueue, come out with dequeue, and all that is left comes
// out as a list with drain, which ends a test. The order does not matter. Where
// messages are leased, they come out with receive and are done with ack, in the form
// that package [lease] says.
//
// What is
// counted, element by element, are attempts to enqueue it, acknowledged ones,
// and the times that it came out. These are the rules of Jepsen's total-queue.
//
//	lost               acknowledged more often than it came out
//	unexpected         it came out, but nobody tried to enqueue it
//	aborted-dequeue    it came out, although every enqueue of it failed
//	premature-dequeue  it came out before any enqueue of it began
//	duplicated         it came out more often than anybody tried to enqueue it
//	reordered          it came out after one that had been enqueued after it (with Ordered)
//	over-delivered     it was received more often than a message may be (with MaxDeliveries)
//	dead-too-soon      it was a dead letter before it had been received so often (likewise)
//	false-empty        it waited when somebody got nothing (with NeverFalselyEmpty)
//
// What came out under a lease (a receive with a visibility) comes back unless it is
// acknowledged. So it is lost, too, if it came out, nobody tried to acknowledge it,
// and it did not come out again. Queues with leases have to be seen empty in the end:
// somebody received nothing, of each kind that receives ask for, when every lease was
// over. Where nobody did, what is missing may be late, and the verdict is unknown.
//
// With MaxDeliveries, what was received so often and not acknowledged is a dead letter:
// from then on it comes out of receives of {"dead": true} only. A delivery that nobody
// saw may be that of a receive that never came back, each of which is good for one.
//
// With NeverFalselyEmpty, an element that was put in, and of which every delivery was
// given back by a nack, waits until the next delivery of it or the first ack begins. A
// receive of nothing that began and ended meanwhile is wrong, if more elements waited
// than receives that never came back can have got; and, with Ordered, only if there was
// none of these and nothing else was out, since what is out holds up the others.
//
// Queues that deliver at least once may deliver twice, so duplicates only count
// where the queue promises to deliver exactly once. Jepsen has no notion of an
// element that comes out too early or although its enqueue failed: to it, an
// attempt is an attempt, whenever it was made and whatever became of it.
//
// A dequeue or receive that never came back is no delivery: a queue that is worth its name
// delivers again what was not acknowledged. If it deletes elements when it hands
// them out, say so with AtMostOnce: each such dequeue may then have taken one
// element, and each such drain any number, and only what they cannot explain is
// lost.
//
// A history in which no operation was ok shows nothing and is unknown. Linear
// time.
//
// [lease]: https://pkg.go.dev/github.com/ordeal-dev/ordeal/checkers/lease
package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// What the checkers are called.
const (
	Name      = "total-queue" // of New
	PlainName = "queue"       // of NewPlain
)

// Names of the anomalies.
const (
	Lost       = "lost"
	Unexpected = "unexpected"
	Aborted    = "aborted-dequeue"
	Premature  = "premature-dequeue"
	Duplicated = "duplicated"
	Reordered  = "reordered"

	OverDelivered = "over-delivered"
	DeadTooSoon   = "dead-too-soon"
	FalseEmpty    = "false-empty"
)

// Options say what the queue promises.
type Options struct {
	// ExactlyOnce makes duplicates invalid.
	ExactlyOnce bool
	// AtMostOnce lets dequeues and drains that never came back have taken
	// elements. What they can explain is not lost.
	AtMostOnce bool
	// Ordered says that elements come out in the order in which they were put in,
	// and none while the one before it may come out again.
	Ordered bool
	// MaxDeliveries is how often a message is delivered before it is a dead letter, if
	// nobody acknowledges it; 0: as often as it takes, or nobody knows.
	MaxDeliveries int
	// NeverFalselyEmpty says that a receive only gets nothing if nothing waits.
	NeverFalselyEmpty bool
}

// Report has the results of Jepsen's total-queue under their names. Everything
// is counted as often as it happened. Elements are in the order of their first
// appearance, once each.
type Report struct {
	Attempt      int `json:"attempt-count"`      // enqueues that were invoked
	Acknowledged int `json:"acknowledged-count"` // enqueues that were ok
	OK           int `json:"ok-count"`           // dequeues of what had been attempted, without duplicates
	Unexpected   int `json:"unexpected-count"`
	Aborted      int `json:"aborted-count"`
	Premature    int `json:"premature-count"`
	Duplicated   int `json:"duplicated-count"`
	Reordered    int `json:"reordered-count,omitempty"` // elements that others overtook
	Lost         int `json:"lost-count"`
	Recovered    int `json:"recovered-count"` // dequeues of what was not acknowledged
	Open         int `json:"open-count"`      // dequeues that never came back

	OverDelivered int `json:"over-delivered-count,omitempty"`
	DeadTooSoon   int `json:"dead-too-soon-count,omitempty"`
	FalseEmpty    int `json:"false-empty-count,omitempty"`

	UnexpectedElements []string `json:"unexpected"`
	AbortedElements    []string `json:"aborted"`
	PrematureElements  []string `json:"premature"`
	DuplicatedElements []string `json:"duplicated"`
	LostElements       []string `json:"lost"`
	RecoveredElements  []string `json:"recovered"`

	Anomalies  []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name; none of duplicates
	Duplicates []checkers.Anomaly `json:"-"` // at most MaxAnomalies

	judged int // operations that were ok
	late   int // elements that did not come out, of queues that were not seen empty
}

// New returns a checker of queues.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		result := report.result(opts)
		parameters := finding.Flags(map[string]bool{"exactly-once": opts.ExactlyOnce, "at-most-once": opts.AtMostOnce, "ordered": opts.Ordered, "never-falsely-empty": opts.NeverFalselyEmpty})
		if opts.MaxDeliveries > 0 {
			if parameters == nil {
				parameters = map[string]string{}
			}
			parameters["max-deliveries"] = strconv.Itoa(opts.MaxDeliveries)
		}
		return finding.Certified(result, Name, parameters, nil)
	})
}

func (r Report) result(opts Options) checkers.Result {
	anomalies := r.Anomalies
	if opts.ExactlyOnce {
		anomalies = append(anomalies[:len(anomalies):len(anomalies)], r.Duplicates...)
	}
	switch {
	case len(anomalies) > 0:
		return checkers.Result{Verdict: checkers.Invalid, Anomalies: checkers.Some(anomalies)}.Detail(r)
	case r.judged == 0:
		return checkers.Unknownf("no enqueue, dequeue, receive or drain was ok: there is nothing to judge").Detail(r)
	case r.late > 0:
		return checkers.Unknownf("%d acknowledged elements did not come out, but the queue was not seen empty after the last lease was over: go on receiving until then", r.late).Detail(r)
	default:
		return checkers.Result{}.Detail(r)
	}
}

// element is what happened to an element.
type element struct {
	value    history.Value
	attempts int
	acks     int
	possible int            // attempts that did not fail
	first    history.Call   // the first attempt that did not fail, or else the first one
	acked    history.Call   // the last acknowledged attempt
	more     []history.Call // the attempts after the first that did not fail
	out      []history.Call // dequeues, receives and drains that it came out of
	leased   int            // so many of them under a lease
	settled  bool           // it can have been acknowledged
	done     history.Call   // the first to begin that can have acknowledged it
	back     map[int64]int  // by token, the record by which it had been given back, or acknowledged
}

// begun returns the n-th attempt that did not fail, from 0.
func (e *element) begun(n int) history.Call {
	if n == 0 {
		return e.first
	}
	return e.more[n-1]
}

// queue is one queue with all that was done to it.
type queue struct {
	key      string
	clock    checkers.Clock
	ids      intern.Table
	elements []element      // by number
	taken    int            // dequeues that never came back
	nothing  []history.Call // dequeues and receives that got nothing, but for those of dead letters
	open     []history.Call // dequeues and receives that never came back, but for those of dead letters
	drains   int            // drains that never came back
	emptied  history.Call   // the last drain that was ok
	judged   int            // operations that were ok
	leases   leases
}

// Check judges the enqueues, dequeues and drains of h. Where operations have keys,
// each key is a queue of its own, and the report is that of all of them together.
// It is an error if a drain does not return a list, or if ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (Report, error) {
	r := Report{UnexpectedElements: []string{}, AbortedElements: []string{}, PrematureElements: []string{},
		DuplicatedElements: []string{}, LostElements: []string{}, RecoveredElements: []string{}}
	queues, err := gather(ctx, h)
	if err != nil {
		return r, err
	}
	for _, q := range queues {
		q.judge(&r, opts)
		r.judged += q.judged
	}
	return r, nil
}

// gather splits the calls of h by the queue that they are about.
func gather(ctx context.Context, h *history.History) ([]*queue, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	var keys intern.Table
	var queues []*queue
	clock := checkers.ClockOf(calls)
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations: %w", i, len(calls), context.Cause(ctx))
		}
		k := keys.ID(c.Invoke.Key)
		if int(k) == len(queues) {
			queues = append(queues, &queue{key: checkers.KeyName(c.Invoke.Key), clock: clock})
		}
		if err := queues[k].call(c); err != nil {
			return nil, err
		}
	}
	used := slices.ContainsFunc(queues, func(q *queue) bool { return q.leases.used })
	for _, q := range queues {
		q.leases.used = used
	}
	return queues, nil
}

// call takes in an operation. Operations of other names are ignored.
func (q *queue) call(c history.Call) error {
	ok := c.Type() == history.OK
	switch c.Invoke.F {
	case "enqueue", "dequeue", "receive", "drain":
		if ok {
			q.judged++
		}
	}
	switch c.Invoke.F {
	case "enqueue":
		q.element(c.Invoke.Value).enqueue(c)
	case "dequeue":
		if ok {
			q.dequeue(c, c.Complete.Value)
			if c.Complete.Value.IsNil() {
				q.nothing = append(q.nothing, c)
			}
		} else if c.Type() == history.Info {
			q.taken++
			q.open = append(q.open, c)
		}
	case "receive":
		return q.receive(c)
	case "extend":
		return q.extend(c)
	case "ack", "nack":
		q.back(c)
	case "drain":
		return q.drain(c)
	}
	return nil
}

func (q *queue) drain(c history.Call) error {
	switch c.Type() {
	case history.Info:
		q.drains++
	case history.OK:
		if k := c.Complete.Value.Kind(); k != history.KindList && k != history.KindSet && !c.Complete.Value.IsNil() {
			return fmt.Errorf("index %d: a drain has to return a list of elements, not %v; see what the client records", c.Complete.Index, c.Complete.Value)
		}
		for _, v := range c.Complete.Value.Elems() {
			q.dequeue(c, v)
		}
		q.emptied = c
	}
	return nil
}

func (q *queue) element(v history.Value) *element {
	id := q.ids.ID(v)
	if int(id) == len(q.elements) {
		q.elements = append(q.elements, element{value: v})
	}
	return &q.elements[id]
}

func (e *element) enqueue(c history.Call) {
	e.attempts++
	if e.attempts == 1 || e.possible == 0 && c.Type() != history.Fail {
		e.first = c
	}
	if c.Type() != history.Fail {
		if e.possible++; e.possible > 1 {
			e.more = append(e.more, c)
		}
	}
	if c.Type() == history.OK {
		e.acks++
		e.acked = c
	}
}

// dequeue takes in that an element came out. Nil is what some clients return for
// an empty queue.
func (q *queue) dequeue(c history.Call, v history.Value) {
	if !v.IsNil() {
		e := q.element(v)
		e.out = append(e.out, c)
	}
}
