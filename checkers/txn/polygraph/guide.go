package polygraph

import (
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
)

// guide is a real-time order that is tried at levels that do not ask for one:
// nearly every store keeps it nearly always, and with it there is little left to
// choose. It puts transactions after those that had ended more than some ranks
// before they began, except those that are free. What it explains is explained;
// what it does not explain may still be.
type guide struct {
	before int
	free   map[int32]bool
}

const (
	guidedEffort = 1000 // how often a choice may turn out wrong before a guide is dropped, and one in four transactions
	guidedRounds = 8    // how often transactions are freed that do not keep the order
)

// guided tries to decide with the help of guides, and reports whether it did.
func guided(ctx context.Context, h *History, level Level) (Result, bool) {
	if level.realtime() {
		return Result{}, false
	}
	for _, before := range h.patience() {
		g := &guide{before, make(map[int32]bool)}
		for range guidedRounds {
			r := solve(ctx, build(h, level, g), guidedEffort+len(h.Txns)/4)
			if r.Verdict == checkers.Unknown {
				break
			}
			if r.Verdict == checkers.OK || !g.release(r.Proof) {
				return r, true
			}
		}
	}
	return Result{}, false
}

// release frees the transactions whose real-time order a proof uses, and reports
// whether there are any.
func (g *guide) release(p *Proof) bool {
	found := false
	for _, c := range p.Cycles {
		for _, e := range c {
			if e.Kind == Realtime {
				g.free[e.From], g.free[e.To], found = true, true, true
			}
		}
	}
	return found
}

// patience returns how many ranks a guide may leave between an end and a
// beginning: none, and some multiples of what transactions take.
func (h *History) patience() []int {
	spans := make([]int, 0, len(h.Txns))
	for i := range h.Txns {
		if t := &h.Txns[i]; t.End != Never {
			spans = append(spans, t.End-t.Begin)
		}
	}
	if len(spans) == 0 {
		return nil
	}
	slices.Sort(spans)
	usual := spans[len(spans)/2]
	return []int{0, 8 * usual, 128 * usual}
}
