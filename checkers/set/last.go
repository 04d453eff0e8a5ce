package set

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// LastReport has the results of Jepsen's set under their names. Elements are
// written as Jepsen does: integers with runs of them drawn together, "#{1..5 7}".
type LastReport struct {
	Attempt      int `json:"attempt-count"`      // elements whose add was invoked
	Acknowledged int `json:"acknowledged-count"` // elements whose add was ok
	OKCount      int `json:"ok-count"`           // elements that were read and had been attempted
	LostCount    int `json:"lost-count"`         // acknowledged, and not read
	Recovered    int `json:"recovered-count"`    // read, and not acknowledged
	Unexpected   int `json:"unexpected-count"`   // read, and never attempted, or not by then
	Duplicated   int `json:"duplicated-count"`   // read more than once
	Dirty        int `json:"dirty-count"`        // read, although every add failed
	Reads        int `json:"read-count"`         // of which the last one counts

	OK                 Elements       `json:"ok"`
	Lost               Elements       `json:"lost"`
	RecoveredElements  Elements       `json:"recovered"`
	UnexpectedElements Elements       `json:"unexpected"`
	DirtyElements      Elements       `json:"dirty"`
	Duplicates         map[string]int `json:"duplicated"` // element to how often it was read

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name
}

// Elements are elements of a set.
type Elements []history.Value

// String writes the elements in order: with runs of integers drawn together if all
// of them are integers.
func (e Elements) String() string {
	e = slices.SortedFunc(slices.Values(e), history.Value.Compare)
	var parts []string
	for i := 0; i < len(e); {
		first, ok := e[i].Int()
		last, next := first, i+1
		for ; ok && next < len(e); next++ {
			if n, isInt := e[next].Int(); !isInt || n-1 != last {
				break
			}
			last++
		}
		if last > first {
			parts = append(parts, fmt.Sprintf("%d..%d", first, last))
		} else {
			parts = append(parts, e[i].String())
		}
		i = next
	}
	return "#{" + strings.Join(parts, " ") + "}"
}

// MarshalText writes what String does.
func (e Elements) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// NewLast returns a checker of sets by what is in the last read: Jepsen's set. It
// asks for a test that adds first, and then waits, and then reads: an element that
// was acknowledged must be there, even if that was after the read began.
func NewLast() checkers.Checker {
	return checkers.New(LastName, func(ctx context.Context, h *history.History) checkers.Result {
		r, err := CheckLast(ctx, h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		result := checkers.Result{}
		switch {
		case len(r.Anomalies) > 0:
			result = checkers.Result{Verdict: checkers.Invalid, Anomalies: checkers.Some(r.Anomalies)}
		case r.Reads == 0:
			return checkers.Unknownf("the set was never read: no read was ok").Detail(r)
		}
		return finding.Certified(result.Detail(r), LastName, nil, nil)
	})
}

// CheckLast compares the last read of h with the adds. Where operations have keys,
// each key is a set of its own, and the report is that of all of them together. It
// is an error if a read does not return a list or a set, or if ctx ends.
func CheckLast(ctx context.Context, h *history.History) (LastReport, error) {
	r := LastReport{Duplicates: map[string]int{}}
	sets, err := gather(ctx, h)
	if err != nil {
		return r, err
	}
	for _, s := range sets {
		s.atEnd(&r)
	}
	sortByRank(r.Anomalies)
	return r, nil
}

// atEnd judges the read that came back last.
func (s *set) atEnd(r *LastReport) {
	r.Reads += len(s.reads)
	r.Attempt += len(s.elements)
	for _, e := range s.elements {
		if e.ack != nil {
			r.Acknowledged++
		}
	}
	if len(s.reads) == 0 {
		return
	}
	last := &s.reads[0]
	for i := range s.reads {
		if s.reads[i].Complete.Index > last.Complete.Index {
			last = &s.reads[i]
		}
	}
	found := s.contents(r, last)
	for id := range s.elements {
		e := &s.elements[id]
		switch {
		case found[id] > 0 && e.ack == nil:
			r.RecoveredElements = append(r.RecoveredElements, s.ids.Value(int32(id)))
			r.Recovered++
		case found[id] == 0 && e.ack != nil:
			r.Lost = append(r.Lost, s.ids.Value(int32(id)))
			r.LostCount++
			r.note(r.LostCount, func() checkers.Anomaly { return s.gone(last, int32(id)) })
		}
	}
}

// contents goes through the elements of the last read, and returns how often each
// one is there.
func (s *set) contents(r *LastReport, last *read) []int {
	found := make([]int, len(s.elements))
	for _, v := range last.Complete.Value.Elems() {
		id, ok := s.ids.Find(v)
		if !ok || s.elements[id].open && last.Complete.Index < s.elements[id].add.Index {
			if _, again := s.odd.Find(v); !again {
				s.odd.ID(v)
				r.Unexpected++
				r.UnexpectedElements = append(r.UnexpectedElements, v)
				r.note(r.Unexpected, func() checkers.Anomaly { return s.outOfNowhere(last, v) })
			}
			if !ok {
				continue
			}
		}
		if found[id]++; found[id] == 1 {
			r.OK = append(r.OK, v)
			r.OKCount++
		}
	}
	for id, n := range found {
		v := s.ids.Value(int32(id))
		if n > 1 {
			r.Duplicated++
			r.Duplicates[v.String()] = n
			r.note(r.Duplicated, func() checkers.Anomaly { return s.twice(last, int32(id), n) })
		}
		if n > 0 && !s.elements[id].open {
			r.Dirty++
			r.DirtyElements = append(r.DirtyElements, v)
			r.note(r.Dirty, func() checkers.Anomaly { return s.dirty(last, int32(id)) })
		}
	}
	return found
}

// note keeps an anomaly, the count-th of its name, if it can still be shown.
func (r *LastReport) note(count int, explain func() checkers.Anomaly) {
	if count <= checkers.MaxAnomalies {
		r.Anomalies = append(r.Anomalies, explain())
	}
}

// gone explains that the last read lacks an element that was acknowledged.
func (s *set) gone(last *read, id int32) checkers.Anomaly {
	e, v := &s.elements[id], s.ids.Value(id)
	return checkers.Anomaly{Name: Lost, Key: s.name(), Ops: ordered(e.acked.Index, last.Invoke.Index),
		Explanation: fmt.Sprintf("process %v added %v, acknowledged at %s; the last read of all, by process %v from %s to %s, does not have it",
			e.acked.Process, v, s.clock.At(e.ack), last.Invoke.Process, s.clock.At(last.Invoke), s.clock.At(last.Complete)),
		Edges: []checkers.Edge{{From: last.Invoke.Index, To: e.acked.Index, Kind: "rw", Key: s.name(), Why: "the read does not have " + v.String()}}}
}
