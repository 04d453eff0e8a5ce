// Package perf measures availability and latency: before the faults, during
// each of them, and after, on every side of a fault.
//
// A consistent store gives up the minority side of a partition, an available one
// does not: this is the package that shows the difference. It only informs; its
// verdict is always ok.
//
// An operation belongs to the phase in which it was invoked, and to all windows
// that were open then. Only windows in which a witness saw the fault count. The
// sides of a window are the nodes that it was aimed at and the others, or the
// sides of the cut where the fault recorded them.
package perf

import (
	"context"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "perf"

// Latency are quantiles over operations that were ok, in nanoseconds.
type Latency struct {
	P50 int64 `json:"p50"`
	P95 int64 `json:"p95"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

// Side is what clients on one side saw during a phase.
type Side struct {
	Name    string   `json:"name"`            // All, Targeted, Others, Majority, Minority, or "side 1"
	Nodes   []string `json:"nodes,omitempty"` // whose clients it counts; empty for all, and for others
	OK      int      `json:"ok"`
	Fail    int      `json:"fail"`
	Info    int      `json:"info"`
	OKShare float64  `json:"ok-share"` // of all, 0 to 1
	Rate    float64  `json:"rate"`     // operations per second that were ok
	Latency Latency  `json:"latency"`
	Outage  int64    `json:"outage"` // longest time without an ok, in nanoseconds

	latencies []int64
}

// Names of sides. A cut has a majority if one of its sides has more nodes than
// all the others together.
const (
	All      = "all"
	Targeted = "targeted"
	Others   = "others"
	Majority = "majority"
	Minority = "minority"
)

// Phase is a part of the run: one stretch of time or several.
type Phase struct {
	Name     string `json:"name"`           // Before, Between, After, Whole, "partition 3", "partition"
	Kind     string `json:"kind,omitempty"` // of the fault; empty where there is none
	ID       int64  `json:"id,omitempty"`   // of the fault
	Start    int64  `json:"start"`          // nanoseconds since the start of the run
	End      int64  `json:"end"`
	Duration int64  `json:"duration"` // less than End-Start if there are several stretches
	Sides    []Side `json:"sides"`    // that of all clients first

	stretches []stretch
}

// Names of phases without faults. Between holds what lies between two windows;
// a run without faults has one phase, Whole.
const (
	Before  = "before"
	Between = "between"
	After   = "after"
	Whole   = "whole"
)

// Bucket is a slice of time.
type Bucket struct {
	Start int64 `json:"start"` // nanoseconds
	OK    int   `json:"ok"`    // by the time of completion
	Fail  int   `json:"fail"`
	Info  int   `json:"info"`
	P50   int64 `json:"p50"` // of the latencies of those that were ok, in nanoseconds
	Max   int64 `json:"max"`
}

// Report is what was measured.
type Report struct {
	Phases []Phase  `json:"phases"`  // before, every window in the order of injection, between, after
	ByKind []Phase  `json:"by-kind"` // all windows of one kind of fault taken together
	Width  int64    `json:"width"`   // of a bucket, in nanoseconds
	Series []Bucket `json:"series"`
	Outage int64    `json:"outage"` // longest time without any ok, in nanoseconds
	Since  int64    `json:"since"`  // when that began
}

// New returns a checker that measures.
func New() checkers.Checker {
	return checkers.New(Name, func(_ context.Context, h *history.History) checkers.Result {
		report, err := Measure(h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return checkers.Result{}.Detail(report)
	})
}

// Measure measures h. It is an error if h is empty or does not pair.
func Measure(h *history.History) (Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, err
	}
	end := h.Ops[len(h.Ops)-1].Time
	m := newMeter(calls)
	r := Report{Phases: phases(h.Windows(), end)}
	for i := range r.Phases {
		m.measure(&r.Phases[i])
	}
	r.ByKind = byKind(r.Phases)
	r.Outage, r.Since = m.outage(stretch{0, end}, nil)
	r.slice(calls, end)
	return r, nil
}
