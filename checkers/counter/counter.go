// Package counter judges counters that clients add to and read: does a read miss
// an addition, or count one twice?
//
// A counter has add, with a positive or negative amount, increment and decrement,
// by one or by the amount given, and read. An amount that was acknowledged before
// a read began must be in it. One that was invoked before the read ended may be
// in it, unless it failed. So the read lies between
//
//	lower = what must be in it, plus everything negative that may be
//	upper = what must be in it, plus everything positive that may be
//
// Without decrements these are the bounds of Jepsen's counter, which has none. To
// lie between them is necessary for a counter that is linearizable, and no more:
// two reads can be within their bounds and contradict each other. The package
// linear decides such histories exactly, at a higher price.
//
// A pn-counter, as Maelstrom tests it, promises less: replicas converge. Only
// reads of the final phase, after recovery, must have every amount that was
// acknowledged, and may have those whose outcome is unknown, each as a whole or
// not at all. Reads before that may miss anything; but they cannot be more than
// all that was added by then, nor less than all that was taken away.
//
//	undercount  a read is below its lower bound: an addition got lost
//	overcount   a read is above its upper bound: an addition was counted twice
//	impossible  a final read is between its bounds, but no choice among the
//	            amounts of unknown outcome adds up to it
//
// A history in which no read was ok, or no final read of a pn-counter, shows
// nothing and is unknown. Each event of the history is looked at once; the choice
// of amounts takes a bitmap of the sums that they can make.
package counter

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/timeline"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// What the checkers are called.
const (
	Name   = "counter"
	PNName = "pn-counter"
)

// Names of the anomalies.
const (
	Undercount = "undercount"
	Overcount  = "overcount"
	Impossible = "impossible"
)

// maxListed is how many reads and errors go into the details of a result.
const maxListed = 1000

// Options say what the counter promises.
type Options struct {
	// Eventual makes it a pn-counter: only the reads of the final phase have to
	// have all that was acknowledged.
	Eventual bool
}

// Bounds are the lower bound of a read, its value, and its upper bound.
type Bounds [3]int64

// Report has the results of Jepsen's counter and of Maelstrom's pn-counter under
// their names. Reads are in the order in which they ended.
type Report struct {
	ReadCount  int      `json:"read-count"`
	ErrorCount int      `json:"error-count"`
	Reads      []Bounds `json:"reads"`
	Errors     []Bounds `json:"errors"`

	// FinalReads and Acceptable are of a pn-counter: the values that final reads
	// had, and the ranges that they had to be in, both ends included.
	FinalReads []int64    `json:"final-reads,omitempty"`
	Acceptable [][2]int64 `json:"acceptable,omitempty"`

	// Undecided counts final reads between their bounds of which nobody can tell in
	// reasonable time whether the open amounts make them up.
	Undecided int `json:"undecided-count,omitempty"`
	undecided string

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies
}

// New returns a checker of counters.
func New(opts Options) checkers.Checker {
	name := Name
	if opts.Eventual {
		name = PNName
	}
	return checkers.New(name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		// That a read is out of its bounds follows from all amounts together, so the
		// read alone has to be named.
		return finding.Certified(report.result(opts), name, nil, func(a checkers.Anomaly) []int {
			return slices.DeleteFunc(slices.Clone(a.Ops), func(i int) bool { return h.Ops[i].F != "read" })
		})
	})
}

func (r Report) result(opts Options) checkers.Result {
	r.Reads = r.Reads[:min(len(r.Reads), maxListed)]
	r.Errors = r.Errors[:min(len(r.Errors), maxListed)]
	switch {
	case r.ErrorCount > 0:
		return checkers.Result{Verdict: checkers.Invalid, Anomalies: r.Anomalies}.Detail(r)
	case r.ReadCount == 0:
		return checkers.Unknownf("the counter was never read: no read was ok").Detail(r)
	case opts.Eventual && len(r.FinalReads) == 0:
		return checkers.Unknownf("none of %d reads was final: a counter that converges has to be read after recovery", r.ReadCount).Detail(r)
	case r.Undecided > 0:
		return checkers.Unknownf("%s", r.undecided).Detail(r)
	default:
		return checkers.Result{}.Detail(r)
	}
}

// Check judges the additions and reads of h. Where operations have keys, each key
// is a counter of its own, and the report is that of all of them together. It is
// an error if an amount or a read is no integer.
func Check(ctx context.Context, h *history.History, opts Options) (Report, error) {
	j := judge{Report: Report{Reads: []Bounds{}, Errors: []Bounds{}}, opts: opts}
	calls, err := checkers.Paired(h)
	if err != nil {
		return j.Report, err
	}
	j.calls, j.clock, j.before = calls, checkers.ClockOf(calls), make([]state, len(calls))
	j.final = firstFinal(calls)
	var keys intern.Table
	events := timeline.Of(calls)
	for i, e := range events {
		if i%4096 == 0 && context.Cause(ctx) != nil || calls[e.Call].Invoke.Final && context.Cause(ctx) != nil {
			return j.Report, fmt.Errorf("stopped after %d of %d events, with %d reads out of bounds: %w", i, len(events), j.ErrorCount, context.Cause(ctx))
		}
		k := keys.ID(calls[e.Call].Invoke.Key)
		if int(k) == len(j.counters) {
			j.counters = append(j.counters, &counter{name: checkers.KeyName(calls[e.Call].Invoke.Key)})
		}
		if err := j.event(j.counters[k], e); err != nil {
			return j.Report, err
		}
	}
	return j.Report, nil
}

// firstFinal returns the index at which the first read of the final phase began.
func firstFinal(calls []history.Call) int {
	for _, c := range calls {
		if c.Invoke.Final && c.Invoke.F == "read" {
			return c.Invoke.Index
		}
	}
	return math.MaxInt
}

// amount returns what a call adds, if it is one that adds.
func amount(op *history.Op) (n int64, adds bool, err error) {
	switch op.F {
	case "add", "increment", "decrement":
	default:
		return 0, false, nil
	}
	n, ok := op.Value.Int()
	switch {
	case op.F != "add" && op.Value.IsNil():
		n = 1
	case !ok:
		return 0, true, fmt.Errorf("index %d: %s has to have an integer as its value, not %v", op.Index, op.F, op.Value)
	case n > maxAmount || n < -maxAmount:
		return 0, true, fmt.Errorf("index %d: %s of %d is too much to be summed up; amounts are below 2^40", op.Index, op.F, n)
	}
	if op.F == "decrement" {
		n = -n
	}
	return n, true, nil
}

// maxAmount leaves room for millions of amounts in 64 bits.
const maxAmount = 1 << 40
