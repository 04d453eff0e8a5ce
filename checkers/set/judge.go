package set

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func (s *set) unexpected(r *Report, rd *read, v history.Value) {
	if _, again := s.odd.Find(v); again {
		return
	}
	s.odd.ID(v)
	r.Unexpected++
	if len(r.UnexpectedElements) < maxListed {
		r.UnexpectedElements = append(r.UnexpectedElements, v.String())
	}
	r.note(r.Unexpected, func() checkers.Anomaly { return s.outOfNowhere(rd, v) })
}

// outOfNowhere explains that a read has what nobody can have added.
func (s *set) outOfNowhere(rd *read, v history.Value) checkers.Anomaly {
	a := checkers.Anomaly{Name: Unexpected, Key: s.name(), Ops: []int{rd.Invoke.Index}}
	a.Explanation = fmt.Sprintf("%s and got %v, which nobody ever added", s.describe(rd), v)
	if id, ok := s.ids.Find(v); ok {
		add := s.elements[id].add
		a.Explanation = fmt.Sprintf("%s and had %v by %s, but the first add of it that did not fail, by process %v, did not begin until %s",
			s.describe(rd), v, s.clock.At(rd.Complete), add.Process, s.clock.At(add))
	}
	return a
}

func (s *set) duplicates(r *Report, rd *read, again map[int32]int) {
	ids := make([]int32, 0, len(again))
	for id := range again {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		name, times := s.ids.Value(id).String(), again[id]+1
		r.Duplicates[name] = max(r.Duplicates[name], times)
		if s.elements[id].duplicated {
			continue
		}
		s.elements[id].duplicated = true
		r.Duplicated++
		r.note(r.Duplicated, func() checkers.Anomaly { return s.twice(rd, id, times) })
	}
}

// twice explains that a read has an element more than once.
func (s *set) twice(rd *read, id int32, times int) checkers.Anomaly {
	return checkers.Anomaly{Name: Duplicate, Key: s.name(), Ops: ordered(s.elements[id].add.Index, rd.Invoke.Index),
		Explanation: fmt.Sprintf("%s and got %s %d times", s.describe(rd), s.ids.Value(id), times)}
}

func ordered(ops ...int) []int {
	slices.Sort(ops)
	return ops
}

// outcome says what became of an element.
func (s *set) outcome(r *Report, id int32) {
	e := &s.elements[id]
	r.Attempt++
	if e.ack != nil {
		r.Acknowledged++
	}
	switch {
	case e.lastPresent != nil && !e.open:
		r.Dirty++
		r.note(r.Dirty, func() checkers.Anomaly { return s.dirty(e.lastPresent, id) })
		return
	case e.lastPresent != nil && e.ack == nil:
		r.Recovered++
		r.RecoveredElements = append(r.RecoveredElements, s.ids.Value(id).String())
	}
	missed := e.known != nil && e.lastAbsent != nil && e.known.Index < e.lastAbsent.Invoke.Index
	switch {
	case e.lastPresent.began() > e.lastAbsent.began():
		s.stable(r, id, missed)
	case missed && e.lastPresent.began() < e.lastAbsent.began():
		s.lost(r, id)
	default:
		r.NeverRead++
		r.NeverReadElements = append(r.NeverReadElements, s.ids.Value(id).String())
	}
}

// dirty explains that a read has an element whose adds all failed.
func (s *set) dirty(rd *read, id int32) checkers.Anomaly {
	return checkers.Anomaly{Name: DirtyRead, Key: s.name(), Ops: ordered(s.elements[id].add.Index, rd.Invoke.Index),
		Explanation: fmt.Sprintf("%s and got %v, but every add of it failed, so it certainly was not added", s.describe(rd), s.ids.Value(id))}
}

func (s *set) stable(r *Report, id int32, missed bool) {
	e := &s.elements[id]
	r.Stable++
	if e.lastAbsent == nil {
		latency(&r.stable, 0, 0)
	} else {
		latency(&r.stable, e.known.Time, e.lastAbsent.Invoke.Time+1)
	}
	if !missed {
		return
	}
	r.Stale++
	name := s.ids.Value(id).String()
	r.StaleElements = append(r.StaleElements, name)
	r.WorstStale = append(r.WorstStale, Staleness{name, "stable", r.stable[len(r.stable)-1], e.known.Index, e.lastAbsent.Invoke.Index})
	if e.finalAbsent != nil && e.known.Index < e.finalAbsent.Invoke.Index {
		if r.FinalStale++; r.FinalStale <= checkers.MaxAnomalies {
			r.FinalOnes = append(r.FinalOnes, s.missing(StaleRead, id, e.finalAbsent, ", although all faults were over"+s.again(e)))
		}
		return
	}
	if r.Stale-r.FinalStale <= checkers.MaxAnomalies {
		r.StaleOnes = append(r.StaleOnes, s.missing(StaleRead, id, e.lastAbsent, s.again(e)))
	}
}

func (s *set) again(e *element) string {
	return fmt.Sprintf("; %s and got it", s.describe(e.lastPresent))
}

func (s *set) lost(r *Report, id int32) {
	e := &s.elements[id]
	r.Lost++
	r.LostElements = append(r.LostElements, s.ids.Value(id).String())
	until := int64(0)
	if e.lastPresent != nil {
		until = e.lastPresent.Invoke.Time + 1
	}
	latency(&r.lost, e.known.Time, until)
	r.note(r.Lost, func() checkers.Anomaly {
		return s.missing(Lost, id, e.lastAbsent, "; no read that began later got it either")
	})
}

// missing explains that a read does not have an element that was known. That its
// add had been acknowledged is the shortest proof of that.
func (s *set) missing(name string, id int32, rd *read, rest string) checkers.Anomaly {
	e, v := &s.elements[id], s.ids.Value(id)
	a := checkers.Anomaly{Name: name, Key: s.name()}
	var how string
	var add, from, ended *history.Op
	if e.ack != nil && e.ack.Index < rd.Invoke.Index {
		how = fmt.Sprintf("process %v added %v, acknowledged at %s", e.acked.Process, v, s.clock.At(e.ack))
		a.Ops = ordered(e.acked.Index, rd.Invoke.Index)
		add, from, ended = e.acked, e.acked, e.ack
	} else {
		how = fmt.Sprintf("process %v added %v; %s and got it by %s", e.add.Process, v, s.describe(e.knower), s.clock.At(e.known))
		a.Ops = ordered(e.add.Index, e.knower.Invoke.Index, rd.Invoke.Index)
		a.Edges = []checkers.Edge{{From: e.add.Index, To: e.knower.Invoke.Index, Kind: "wr", Key: a.Key,
			Why: fmt.Sprintf("%s and got %v", s.describe(e.knower), v)}}
		add, from, ended = e.add, e.knower.Invoke, e.known
	}
	if name == StaleRead {
		a.Ops = append(a.Ops, e.lastPresent.Invoke.Index) // which began last
	}
	a.Explanation = fmt.Sprintf("%s; after that, %s and did not get it%s", how, s.describe(rd), rest)
	a.Edges = append(a.Edges,
		checkers.Edge{From: from.Index, To: rd.Invoke.Index, Kind: "rt", Key: a.Key,
			Why: fmt.Sprintf("it was over at %s, and the read began at %s", s.clock.At(ended), s.clock.At(rd.Invoke))},
		checkers.Edge{From: rd.Invoke.Index, To: add.Index, Kind: "rw", Key: a.Key,
			Why: fmt.Sprintf("the read does not have %v", v)})
	return a
}

func (s *set) describe(r *read) string {
	at := ""
	if r.Invoke.Node != "" {
		at = " through " + r.Invoke.Node
	}
	return fmt.Sprintf("process %v read%s at %s", r.Invoke.Process, at, s.clock.At(r.Invoke))
}
