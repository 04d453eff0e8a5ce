// Package causal judges the promise of an available store: no acknowledged write
// is lost to one that it causally follows.
//
// Every key is a register to which unique values are written. After recovery,
// final reads show the winner of each key: the write that outlived all others.
// Concurrent writes may overwrite each other in any order, but a client that had
// seen a value, directly or through what others told it, and then wrote a newer
// one, must not lose to the older one.
//
// A write happened before another operation if the same process did it earlier,
// if the operation read it, or if a chain of such steps leads from one to the
// other, across processes and keys (Lamport, 1978; Ahamad and others, 1995). Real
// time does not count: nodes with skewed clocks may order concurrent writes as
// they like. A write whose outcome is unknown counts from where it was read.
//
//	lost-causal-write  the winner happened before an acknowledged write to its key
//	thin-air-read      a final read found what nobody wrote
//	dirty-read         a final read found the value of a write that failed
//
// Whether an operation comes after a winner is found by passing what is known along
// the two steps that lead to each operation: for one process at a time how many of its
// operations came before, or, if there are many processes, for 64 winners at a time a
// word of bits.
package causal

import (
	"context"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called, and Definition what its certificates are about.
const (
	Name       = "causal"
	Definition = "causal-writes"
)

// Names of the anomalies.
const (
	LostCausalWrite = "lost-causal-write"
	ThinAirRead     = "thin-air-read"
	DirtyRead       = "dirty-read"
)

// Report is what was judged and what was lost.
type Report struct {
	Keys         int                `json:"keys"`         // that were written
	Judged       int                `json:"judged"`       // winners that were compared with the writes to their key
	Acknowledged int                `json:"acknowledged"` // writes and deletes that were ok
	FinalReads   int                `json:"final-reads"`  // that were ok
	Ambiguous    int                `json:"ambiguous"`    // winners whose value more than one write can have left
	Lost         int                `json:"lost"`         // winners that had happened before an acknowledged write
	Foreign      int                `json:"foreign"`      // winners that nobody wrote, or that failed
	Anomalies    []checkers.Anomaly `json:"-"`            // at most MaxAnomalies
}

// New returns a checker of the promise.
func New() checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return finding.Certified(report.result(), Definition, nil, nil)
	})
}

// Check compares the winner of each key with the writes to it. It is an error
// if h cannot be judged or ctx ends.
func Check(ctx context.Context, h *history.History) (Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, err
	}
	g, err := newGraph(ctx, calls)
	if err != nil {
		return Report{}, err
	}
	r := Report{Keys: g.keys.Len(), Acknowledged: g.acknowledged, FinalReads: len(g.finals)}
	winners := g.winners(&r)
	if err := g.judge(ctx, winners); err != nil {
		return r, err
	}
	r.losses(g, winners)
	return r, nil
}

func (r Report) result() checkers.Result {
	switch {
	case len(r.Anomalies) > 0:
		return checkers.Result{Verdict: checkers.Invalid, Anomalies: r.Anomalies}.Detail(r)
	case r.FinalReads == 0:
		return checkers.Unknownf("there is nothing to judge: no read of the final phase was ok").Detail(r)
	case r.Acknowledged == 0:
		return checkers.Unknownf("there is nothing to judge: no write was acknowledged").Detail(r)
	default:
		return checkers.Result{}.Detail(r)
	}
}
