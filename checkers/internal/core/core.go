// Package core cuts anomalies down to the operations that they need.
package core

import (
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Cutter has the records of a history by the operations they belong to.
type Cutter struct {
	place map[int]history.Call // by the index of the invocation
}

// New returns a cutter for a history that pairs as it should.
func New(calls []history.Call) *Cutter {
	c := &Cutter{place: make(map[int]history.Call, len(calls))}
	for _, call := range calls {
		c.place[call.Invoke.Index] = call
	}
	return c
}

// Cut drops operations from an anomaly, one after the other, while what is left
// still shows it: while judge, which is given a history of these operations alone,
// finds one of the same name for the same key. The anomaly is then that one, so that
// its words are about what is left.
func (c *Cutter) Cut(a *checkers.Anomaly, judge func(h *history.History) []checkers.Anomaly) {
	once(a)
	for i := 0; i < len(a.Ops); {
		fewer := slices.Delete(slices.Clone(a.Ops), i, i+1)
		found := judge(c.only(fewer))
		at := slices.IndexFunc(found, func(b checkers.Anomaly) bool { return a.Name == b.Name && a.Key == b.Key })
		if at < 0 {
			i++
			continue
		}
		*a, i = found[at], 0
		once(a)
	}
}

// once puts the operations of an anomaly in order, each once.
func once(a *checkers.Anomaly) {
	a.Ops = slices.Sorted(slices.Values(a.Ops))
	a.Ops = slices.Compact(a.Ops)
}

// only returns the history of the given operations, with the indices they have.
func (c *Cutter) only(ops []int) *history.History {
	h := new(history.History)
	for _, i := range ops {
		call := c.place[i]
		h.Ops = append(h.Ops, *call.Invoke)
		if call.Complete != nil {
			h.Ops = append(h.Ops, *call.Complete)
		}
	}
	slices.SortFunc(h.Ops, func(a, b history.Op) int { return a.Index - b.Index })
	return h
}
