// Package causalreverse judges inserts that follow each other: is the second
// visible without the first?
//
// Clients write unique values, blindly, and read all values at once. If the write
// of x was acknowledged before the write of y began, then every read that has y has
// to have x: their order is that of real time, and strict serializability keeps to
// it. A database that orders transactions by clocks that disagree can show y first.
// This is Jepsen's causal-reverse.
//
// Nothing is said about a read that has neither: it may be stale, which plain
// serializability allows. Writes of unknown outcome count when they were seen, and
// are never missing.
//
//	causal-reverse  a read has a value and lacks one that was written before it
//	aborted-read    a read has a value whose only writes failed
//	unexpected      a read has a value that nobody wrote, or not yet
//
// A history in which no read was ok shows nothing and is unknown. A read has to have
// all that was acknowledged before the latest write in it began, so it is enough to
// count; the time is linear in the values that were read.
package causalreverse

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "causal-reverse"

// Names of the anomalies.
const (
	CausalReverse = "causal-reverse"
	Aborted       = "aborted-read"
	Unexpected    = "unexpected"
)

// maxMissing is how many values are listed for each error.
const maxMissing = 32

// Error is a read that lacks something, under Jepsen's names.
type Error struct {
	Index         int      `json:"index"` // of the completion of the read
	Process       int      `json:"process"`
	Missing       []string `json:"missing"` // at most 32
	ExpectedCount int      `json:"expected-count"`
	MissingCount  int      `json:"missing-count"`
}

// Report has the results of Jepsen's causal-reverse under their names.
type Report struct {
	Errors     []Error `json:"errors"` // at most MaxAnomalies
	ErrorCount int     `json:"error-count"`
	Reads      int     `json:"read-count"`
	Aborted    int     `json:"aborted-count"`
	Unexpected int     `json:"unexpected-count"`

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name
}

// Options are what the checker can be told: nothing so far.
type Options struct{}

// New returns a checker of the order of inserts.
func New(Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h)
		result := checkers.Result{}
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case len(report.Anomalies) > 0:
			anomalies := report.Anomalies[:min(len(report.Anomalies), checkers.MaxAnomalies)]
			result = checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}
		case report.Reads == 0:
			return checkers.Unknownf("nothing was read: no read was ok").Detail(report)
		}
		return finding.Certified(result.Detail(report), Name, nil, nil)
	})
}

// Check judges the writes and reads of h. Where operations have keys, each key is
// a set of its own, and the report is that of all of them together. It is an error
// if a read does not return a list, or if ctx ends.
func Check(ctx context.Context, h *history.History) (Report, error) {
	r := Report{Errors: []Error{}}
	calls, err := checkers.Paired(h)
	if err != nil {
		return r, err
	}
	var keys intern.Table
	var sets []*set
	clock := checkers.ClockOf(calls)
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return r, fmt.Errorf("stopped after %d of %d operations: %w", i, len(calls), context.Cause(ctx))
		}
		k := keys.ID(c.Invoke.Key)
		if int(k) == len(sets) {
			sets = append(sets, &set{name: checkers.KeyName(c.Invoke.Key), clock: clock})
		}
		switch {
		case c.Invoke.F == "write":
			sets[k].write(c)
		case c.Invoke.F == "read" && c.Type() == history.OK:
			if kind := c.Complete.Value.Kind(); kind != history.KindList && kind != history.KindSet && !c.Complete.Value.IsNil() {
				return r, fmt.Errorf("index %d: a read has to return the list of all values, not %v; see what the client records", c.Complete.Index, c.Complete.Value)
			}
			sets[k].reads = append(sets[k].reads, c)
		}
	}
	for _, s := range sets {
		if err := s.judge(ctx, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// set is all that was written and read under one key.
type set struct {
	name   string
	clock  checkers.Clock
	ids    intern.Table
	values []value // by number
	acked  []int32 // values that were acknowledged, in the order of that
	reads  []history.Call
}

// value is what is known of a value.
type value struct {
	write  history.Call // the first write of it that did not fail, or else the first one
	acked  history.Call // the write that was acknowledged first
	ack    *history.Op  // its acknowledgement
	failed bool         // all writes of it failed
	read   int          // the last read that had it, from 1
}

func (s *set) write(c history.Call) {
	id := s.ids.ID(c.Invoke.Value)
	if int(id) == len(s.values) {
		s.values = append(s.values, value{write: c, failed: true})
	}
	v := &s.values[id]
	if v.failed && c.Type() != history.Fail {
		v.write, v.failed = c, false
	}
	if c.Type() == history.OK && (v.ack == nil || c.Complete.Index < v.ack.Index) {
		v.acked, v.ack = c, c.Complete
	}
}

func (s *set) judge(ctx context.Context, r *Report) error {
	for id := range s.values {
		if s.values[id].ack != nil {
			s.acked = append(s.acked, int32(id))
		}
	}
	slices.SortFunc(s.acked, func(a, b int32) int { return s.values[a].ack.Index - s.values[b].ack.Index })
	for n, c := range s.reads {
		if context.Cause(ctx) != nil {
			return fmt.Errorf("stopped after %d of %d reads, with %d errors: %w", n, len(s.reads), r.ErrorCount, context.Cause(ctx))
		}
		r.Reads++
		s.read(r, n+1, c)
	}
	return nil
}

// read judges the n-th read: what it has, and then what it should have.
func (s *set) read(r *Report, n int, c history.Call) {
	latest := int32(-1) // the value whose write began last
	var has []int32
	for _, v := range c.Complete.Value.Elems() {
		id, ok := s.ids.Find(v)
		if !ok || !s.written(r, c, id) {
			if !ok {
				r.Unexpected++
				s.note(r, r.Unexpected, Unexpected, fmt.Sprintf("%s and got %v, which nobody wrote", s.describe(c), v), nil, c.Invoke)
			}
			continue
		}
		if s.values[id].read < n {
			s.values[id].read = n
			has = append(has, id)
		}
		if latest < 0 || s.values[id].write.Invoke.Index > s.values[latest].write.Invoke.Index {
			latest = id
		}
	}
	if latest < 0 {
		return
	}
	began := s.values[latest].write.Invoke.Index
	expected := sort.Search(len(s.acked), func(i int) bool { return s.values[s.acked[i]].ack.Index > began })
	have := 0
	for _, id := range has {
		if ack := s.values[id].ack; ack != nil && ack.Index < began {
			have++
		}
	}
	if have < expected {
		s.reverse(r, n, c, latest, expected, have)
	}
}

// written reports whether a value that was read can have been written.
func (s *set) written(r *Report, c history.Call, id int32) bool {
	v, w := s.ids.Value(id), s.values[id].write
	switch {
	case s.values[id].failed:
		r.Aborted++
		s.note(r, r.Aborted, Aborted, fmt.Sprintf("%s and got %v, but its write by process %v at %s failed, so it certainly did not happen",
			s.describe(c), v, w.Invoke.Process, s.clock.At(w.Invoke)), nil, w.Invoke, c.Invoke)
	case c.Complete.Index < w.Invoke.Index:
		r.Unexpected++
		s.note(r, r.Unexpected, Unexpected, fmt.Sprintf("%s and had %v by %s, but the first write of it that did not fail, by process %v, did not begin until %s",
			s.describe(c), v, s.clock.At(c.Complete), w.Invoke.Process, s.clock.At(w.Invoke)), nil, c.Invoke)
	default:
		return true
	}
	return false
}

// reverse notes that a read lacks some of what it should have.
func (s *set) reverse(r *Report, n int, c history.Call, latest int32, expected, have int) {
	r.ErrorCount++
	if r.ErrorCount > checkers.MaxAnomalies {
		return
	}
	e := Error{Index: c.Complete.Index, Process: int(c.Invoke.Process), Missing: []string{}, ExpectedCount: expected, MissingCount: expected - have}
	first := int32(-1)
	for _, id := range s.acked[:expected] {
		if s.values[id].read == n || len(e.Missing) == maxMissing {
			continue
		}
		if first < 0 {
			first = id
		}
		e.Missing = append(e.Missing, s.ids.Value(id).String())
	}
	r.Errors = append(r.Errors, e)
	a, b := &s.values[first], &s.values[latest]
	s.note(r, r.ErrorCount, CausalReverse, fmt.Sprintf("process %v wrote %v, acknowledged at %s; after that, process %v wrote %v at %s; but %s and got %v without %v",
		a.acked.Invoke.Process, s.ids.Value(first), s.clock.At(a.ack), b.write.Invoke.Process, s.ids.Value(latest), s.clock.At(b.write.Invoke),
		s.describe(c), s.ids.Value(latest), s.ids.Value(first)), s.edges(first, latest, c), a.acked.Invoke, b.write.Invoke, c.Invoke)
}

// edges are the steps around a read that has b, but not a, which came first.
func (s *set) edges(a, b int32, read history.Call) []checkers.Edge {
	first, second := s.values[a], s.values[b]
	return []checkers.Edge{
		{From: first.acked.Invoke.Index, To: second.write.Invoke.Index, Kind: "rt", Key: s.name,
			Why: fmt.Sprintf("the write of %v was acknowledged at %s, and that of %v began at %s", s.ids.Value(a), s.clock.At(first.ack), s.ids.Value(b), s.clock.At(second.write.Invoke))},
		{From: second.write.Invoke.Index, To: read.Invoke.Index, Kind: "wr", Key: s.name,
			Why: fmt.Sprintf("%s and got %v", s.describe(read), s.ids.Value(b))},
		{From: read.Invoke.Index, To: first.acked.Invoke.Index, Kind: "rw", Key: s.name,
			Why: fmt.Sprintf("the read did not get %v", s.ids.Value(a))},
	}
}

// note keeps an anomaly, the count-th of its name, if it can still be shown.
func (s *set) note(r *Report, count int, name, what string, edges []checkers.Edge, ops ...*history.Op) {
	if count > checkers.MaxAnomalies {
		return
	}
	a := checkers.Anomaly{Name: name, Key: s.name, Explanation: what, Edges: edges}
	for _, op := range ops {
		a.Ops = append(a.Ops, op.Index)
	}
	slices.Sort(a.Ops)
	r.Anomalies = append(r.Anomalies, a)
}

func (s *set) describe(c history.Call) string {
	at := ""
	if c.Invoke.Node != "" {
		at = " through " + c.Invoke.Node
	}
	return fmt.Sprintf("process %v read%s at %s", c.Invoke.Process, at, s.clock.At(c.Invoke))
}
