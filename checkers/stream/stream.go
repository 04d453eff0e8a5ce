// Package stream judges replicated streams, as JetStream's: is everything that was
// acknowledged on every node, in one order?
//
// Producers publish pairs of their own number and a counter that grows, one after the
// other. Readers fetch from one node each, from the beginning of the stream on, a part
// with each operation:
//
//	publish  [producer, counter]
//	fetch                         → [[producer, counter], …]
//
// The node of a fetch is that of its record. What was acknowledged, and was never
// fetched from a node, is lost there, and it is lost altogether if it was never fetched
// from any. How it was lost says what to look for (these are the kinds of Jepsen's tests
// of NATS):
//
//	lost-prefix   nothing earlier of its producer is there, but something later is: the
//	              log lost its beginning, as by a snapshot that was not complete
//	lost-middle   something earlier and something later is there: that is never right
//	lost-postfix  nothing later is there, although a reader of the node had come to the
//	              end after the message was acknowledged: an empty fetch, or the last one
//	              of the final phase
//
// Anomalies have the name of the node as their key, and none where it is lost altogether.
// A message without anything later, which nobody looked for, is only counted: the reader
// may be slow. Besides
//
//	diverged      two readers do not see one stream: one got two messages in the order in
//	              which the other did not, or passed over what the other has before
//	reorder       a reader got the messages of a producer in another order
//	duplicate     a reader got a message twice (see Options.AtLeastOnce)
//	unexpected    a reader got what nobody had published by then
//	aborted-read  a reader got a message whose publish failed
//
// A history in which no fetch was ok is unknown. The time is linear in what was fetched,
// but for sorting. Each reader is compared with the one that got most.
package stream

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "stream"

// Names of the anomalies.
const (
	LostPrefix  = "lost-prefix"
	LostMiddle  = "lost-middle"
	LostPostfix = "lost-postfix"
	Diverged    = "diverged"
	Reorder     = "reorder"
	Duplicate   = "duplicate"
	Unexpected  = "unexpected"
	Aborted     = "aborted-read"
)

// order is the order in which anomalies are shown: the gravest first.
var order = []string{LostMiddle, LostPrefix, LostPostfix, Diverged, Reorder, Aborted, Unexpected, Duplicate}

// Options say what is allowed.
type Options struct {
	// AtLeastOnce allows duplicates: a reader may get a message again.
	AtLeastOnce bool
}

// Counts say what became of the messages on one node, or altogether.
type Counts struct {
	Node        string `json:"node,omitempty"`
	Read        int    `json:"read-count"` // different messages
	LostPrefix  int    `json:"lost-prefix-count"`
	LostMiddle  int    `json:"lost-middle-count"`
	LostPostfix int    `json:"lost-postfix-count"`
	Unread      int    `json:"unread-count"` // acknowledged, not read, and not proven to be lost
}

// Report says what was seen.
type Report struct {
	Attempts     int            `json:"attempt-count"`
	Acknowledged int            `json:"acknowledged-count"`
	Fetches      int            `json:"fetch-count"` // that were ok
	Global       Counts         `json:"global"`
	Nodes        []Counts       `json:"nodes"`
	Counts       map[string]int `json:"anomaly-counts"`

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name
}

// New returns a checker of streams.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		calls, err := checkers.Paired(h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		report, err := check(ctx, calls, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return report.result(ctx, calls, opts)
	})
}

// Check judges the publishes and fetches of h. It is an error if a value is not what
// the package says it has to be.
func Check(h *history.History, opts Options) (Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, err
	}
	return check(context.Background(), calls, opts)
}

func (r Report) result(ctx context.Context, calls []history.Call, opts Options) checkers.Result {
	claim := checkers.Claim{Definition: Name, Parameters: map[string]string{"at-least-once": strconv.FormatBool(opts.AtLeastOnce)}}
	if len(r.Anomalies) == 0 {
		if r.Fetches == 0 {
			return checkers.Unknownf("nothing to judge: no fetch was ok").Detail(r)
		}
		result := checkers.Result{}.Detail(r)
		result.Certify = func() (checkers.Claim, error) { return claim, nil }
		return result
	}
	anomalies := checkers.Some(r.Anomalies)
	cutter := core.New(calls)
	for i := range anomalies {
		cutter.Cut(&anomalies[i], func(h *history.History) []checkers.Anomaly {
			calls, err := checkers.Paired(h)
			if err != nil {
				return nil
			}
			some, _ := check(ctx, calls, opts)
			return some.Anomalies
		})
	}
	result := checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}.Detail(r)
	claim.Verdict = checkers.Invalid
	claim.Evidence = map[string]any{"anomaly": anomalies[0].Name, "key": anomalies[0].Key, "ops": anomalies[0].Ops}
	result.Certify = func() (checkers.Claim, error) { return claim, nil }
	return result
}

// note counts an anomaly, and keeps the first ones.
func (j *judge) note(name, key, why string, ops ...int) {
	if j.Counts[name]++; j.Counts[name] <= checkers.MaxAnomalies {
		j.found[name] = append(j.found[name], checkers.Anomaly{Name: name, Key: key, Explanation: why, Ops: ops})
	}
}

func (j *judge) stop(i int) error {
	if i%1024 != 0 || context.Cause(j.ctx) == nil {
		return nil
	}
	return fmt.Errorf("stopped: %w", context.Cause(j.ctx))
}
