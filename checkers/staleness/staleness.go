// Package staleness measures how old what clients read is, and judges it where a
// bound was promised.
//
// Operations are read and write, on one register for each key; a cas [old, new] that
// did not fail counts as a write of new. Every value must be written once to a key; or
// every value is a map {"version": n, "value": …} with the number that the store gave
// to it. A write is known from the moment that it was ok, or that a read that returned
// it was: whoever reads later cannot miss it because it had not happened. A write is
// newer than another one if it began after that was known, or by its version. So for
// each read that was ok, and what was known when it began, follow
//
//	staleness   for how long something newer than what it returned had been known
//	versions    how many newer writes were known
//
// Both are what is certain: the true age is at least that. Over all reads they give
//
//	delta           the least time by which reads have to be shifted back, each with its
//	                own interval, so that the history is atomic (Golab, Li, Shah 2011);
//	                it is searched for by halves, with a test by zones (Gibbons, Korach 1997)
//	t-visibility    of the reads that began so long after the newest known write, how
//	                many returned it or something newer (Bailis et al. 2012)
//	k-staleness     how many reads were that many versions behind, at most
//	recovery        how long after the end of a fault the last stale read began
//
// with intervals of 95 % confidence for the shares (Wilson 1927). Nothing of this is
// wrong by itself. What [Options] assert is:
//
//	stale-read          a read is older than the bound
//	k-stale-read        a read is k or more versions behind
//	slo                 too few reads are no older than the time that was promised
//	slow-recovery       a read is stale although the last fault was healed long enough ago
//
// Reads of values that nobody wrote, or whose write failed or began later, are counted
// and left out: they are for a checker of registers. A history in which no read is left
// is unknown. The time is n log n.
//
// [NewStrong] judges another promise, strong eventual consistency.
package staleness

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "staleness"

// Names of the anomalies.
const (
	StaleRead    = "stale-read"
	KStaleRead   = "k-stale-read"
	MissedSLO    = "slo"
	SlowRecovery = "slow-recovery"
)

// SLO asserts that at least a share of all reads, from 0 to 1, is no older than some
// time. The zero SLO asserts nothing.
type SLO struct {
	Share  float64
	Within time.Duration
}

// ParseSLO reads an SLO as in "0.999@500ms".
func ParseSLO(text string) (SLO, error) {
	share, within, ok := strings.Cut(text, "@")
	p, err := strconv.ParseFloat(share, 64)
	d, err2 := time.ParseDuration(within)
	if !ok || err != nil || err2 != nil || !(p > 0 && p <= 1) || d < 0 {
		return SLO{}, fmt.Errorf("%q is no SLO: write the share of the reads and how old they may be, as in 0.999@500ms", text)
	}
	return SLO{p, d}, nil
}

// String is the inverse of ParseSLO.
func (s SLO) String() string {
	return strconv.FormatFloat(s.Share, 'g', -1, 64) + "@" + s.Within.String()
}

// Options are what is asserted: nothing where they are zero.
type Options struct {
	Bound    time.Duration // no read is older
	K        int           // every read returns one of the last K versions
	SLO      SLO
	Recovery time.Duration // so long after the last fault was healed no read is stale any more
	// CalmOnly leaves out the reads during faults, but for Recovery: from the moment
	// that a fault is known to be in force until it is known to be healed.
	CalmOnly bool
}

// New returns a checker of staleness.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, calls, err := check(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return report.result(opts, h, calls)
	})
}

func (r Report) result(opts Options, h *history.History, calls []history.Call) checkers.Result {
	claim := checkers.Claim{Definition: Name, Parameters: opts.parameters()}
	if len(r.Anomalies) == 0 {
		if r.Reads == 0 {
			return checkers.Unknownf("nothing to measure: no read was ok and returned what somebody had written").Detail(r)
		}
		result := checkers.Result{}.Detail(r)
		result.Certify = func() (checkers.Claim, error) { return claim, nil }
		return result
	}
	anomalies := checkers.Some(r.Anomalies)
	cutter := core.New(calls)
	windows := h.Windows()
	if opts.SLO.Share > 0 {
		opts.SLO.Share = 1 // of the reads that miss an SLO one is shown
	}
	for i := range anomalies {
		why := anomalies[i].Explanation
		cutter.Cut(&anomalies[i], func(h *history.History) []checkers.Anomaly {
			some, err := measure(context.Background(), h, windows, opts)
			if err != nil {
				return nil
			}
			return some.Anomalies
		})
		if anomalies[i].Name == MissedSLO {
			anomalies[i].Explanation = why // it is about all reads
		}
	}
	result := checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}.Detail(r)
	claim.Verdict = checkers.Invalid
	claim.Evidence = map[string]any{"anomaly": anomalies[0].Name, "key": anomalies[0].Key, "ops": anomalies[0].Ops}
	result.Certify = func() (checkers.Claim, error) { return claim, nil }
	return result
}

func (o Options) parameters() map[string]string {
	p := map[string]string{}
	if o.Bound > 0 {
		p["bound"] = o.Bound.String()
	}
	if o.K > 0 {
		p["k"] = strconv.Itoa(o.K)
	}
	if o.SLO.Share > 0 {
		p["slo"] = o.SLO.String()
	}
	if o.Recovery > 0 {
		p["recovery"] = o.Recovery.String()
	}
	if o.CalmOnly {
		p["calm-only"] = "true"
	}
	return p
}

// Check measures the reads of h. It is an error if a value was written twice to a
// key, or if the history has no times.
func Check(h *history.History, opts Options) (Report, error) {
	r, _, err := check(context.Background(), h, opts)
	return r, err
}

func check(ctx context.Context, h *history.History, opts Options) (Report, []history.Call, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, nil, err
	}
	if last := calls[max(len(calls)-1, 0):]; len(last) > 0 && last[0].Invoke.Time == 0 && last[0].Invoke.Index > 0 {
		return Report{}, nil, fmt.Errorf("the history has no times, so nobody can say how old what was read is")
	}
	r, err := measure(ctx, h, h.Windows(), opts)
	return r, calls, err
}
