package set

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// set is one set with all that was done to it.
type set struct {
	key      history.Value
	clock    checkers.Clock
	ids      intern.Table
	elements []element // by number; those that were never added are not in it
	reads    []read    // the ok ones, in the order of invocation
}

// element is what is known of an element.
type element struct {
	add         *history.Op // the first invocation
	ack         *history.Op // the first add that was ok
	open        bool        // an add of it did not fail
	known       *history.Op // the completion that made it known
	knower      *read       // the read of that completion, if it was one
	lastPresent *read
	lastAbsent  *read
	finalAbsent *read // a final read without it
}

// read is a read that was ok, as a bitmap of elements.
type read struct {
	history.Call
	has []uint64
}

// call takes in an operation. Operations other than add and read are ignored.
func (s *set) call(c history.Call) {
	switch {
	case c.Invoke.F == "add":
		s.added(c)
	case c.Invoke.F == "read" && c.Type() == history.OK && !c.Complete.Value.IsAbsent():
		s.reads = append(s.reads, read{Call: c})
	}
}

func (s *set) added(c history.Call) {
	id := s.ids.ID(c.Invoke.Value)
	if int(id) == len(s.elements) {
		s.elements = append(s.elements, element{add: c.Invoke})
	}
	e := &s.elements[id]
	e.open = e.open || c.Type() != history.Fail
	if c.Type() == history.OK && (e.ack == nil || c.Complete.Index < e.ack.Index) {
		e.ack, e.known = c.Complete, c.Complete
	}
}

// judge adds what there is to say about the set to the report.
func (s *set) judge(r *Report) {
	for i := range s.reads {
		s.take(&s.reads[i], r)
	}
	s.firstSeen()
	s.lastSeen()
	for id := range s.elements {
		s.outcome(r, int32(id))
	}
	if n := len(s.reads); n > 0 {
		for _, word := range s.reads[n-1].has {
			r.OK += bits.OnesCount64(word)
		}
	}
}

// take turns a read into its bitmap and notes what is wrong with it alone.
func (s *set) take(rd *read, r *Report) {
	r.Reads++
	if rd.Invoke.Final {
		r.FinalReads++
	}
	rd.has = make([]uint64, (len(s.elements)+63)/64)
	var again map[int32]int
	for _, v := range rd.Complete.Value.Elems() {
		id, ok := s.ids.Find(v)
		if !ok || rd.Complete.Index < s.elements[id].add.Index {
			s.unexpected(r, rd, v)
			continue
		}
		if word, bit := id/64, uint64(1)<<(id%64); rd.has[word]&bit == 0 {
			rd.has[word] |= bit
			continue
		}
		if again == nil {
			again = make(map[int32]int)
		}
		again[id]++
	}
	s.duplicates(r, rd, again)
}

func (s *set) unexpected(r *Report, rd *read, v history.Value) {
	if slices.Contains(r.UnexpectedElements, describe(v)) {
		return
	}
	r.Unexpected++
	r.UnexpectedElements = append(r.UnexpectedElements, describe(v))
	a := checkers.Anomaly{Name: Unexpected, Key: s.name(), Ops: []int{rd.Invoke.Index}}
	a.Explanation = fmt.Sprintf("%s and got %v, which nobody ever added", s.describe(rd), v)
	if id, ok := s.ids.Find(v); ok {
		add := s.elements[id].add
		a.Ops = append(a.Ops, add.Index)
		a.Explanation = fmt.Sprintf("%s and got %v, whose add did not begin until %s", s.describe(rd), v, s.clock.At(add))
	}
	r.note(r.Unexpected, a)
}

func (s *set) duplicates(r *Report, rd *read, again map[int32]int) {
	ids := make([]int32, 0, len(again))
	for id := range again {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		name, times := describe(s.ids.Value(id)), again[id]+1
		before := r.Duplicates[name]
		r.Duplicates[name] = max(before, times)
		if before > 0 {
			continue
		}
		r.Duplicated++
		r.note(r.Duplicated, checkers.Anomaly{Name: Duplicate, Key: s.name(), Ops: []int{s.elements[id].add.Index, rd.Invoke.Index},
			Explanation: fmt.Sprintf("%s and got %s %d times", s.describe(rd), name, times)})
	}
}

// firstSeen finds out for each element what made it known.
func (s *set) firstSeen() {
	order := s.byTime(func(r *read) int { return r.Complete.Index })
	open := full(len(s.elements))
	for _, rd := range order {
		for w := range open {
			each(open[w]&rd.has[w], w, func(id int) {
				if e := &s.elements[id]; e.known == nil || rd.Complete.Index < e.known.Index {
					e.known, e.knower = rd.Complete, rd
				}
			})
			open[w] &^= rd.has[w]
		}
	}
}

// lastSeen finds out for each element the last reads to begin that had it and
// that did not.
func (s *set) lastSeen() {
	order := s.byTime(func(r *read) int { return -r.Invoke.Index })
	present, absent, final := full(len(s.elements)), full(len(s.elements)), full(len(s.elements))
	for _, rd := range order {
		for w := range present {
			each(present[w]&rd.has[w], w, func(id int) { s.elements[id].lastPresent = rd })
			present[w] &^= rd.has[w]
			each(absent[w]&^rd.has[w], w, func(id int) {
				if e := &s.elements[id]; e.add.Index < rd.Complete.Index {
					e.lastAbsent = rd
					absent[w] &^= 1 << (id % 64)
				}
			})
			if rd.Invoke.Final {
				each(final[w]&^rd.has[w], w, func(id int) { s.elements[id].finalAbsent = rd })
				final[w] &= rd.has[w]
			}
		}
	}
}

func (s *set) byTime(key func(*read) int) []*read {
	order := make([]*read, len(s.reads))
	for i := range s.reads {
		order[i] = &s.reads[i]
	}
	slices.SortFunc(order, func(a, b *read) int { return cmp.Compare(key(a), key(b)) })
	return order
}

// full returns a bitmap of n ones.
func full(n int) []uint64 {
	words := make([]uint64, (n+63)/64)
	for w := range words {
		words[w] = ^uint64(0)
	}
	if n%64 != 0 {
		words[len(words)-1] = 1<<(n%64) - 1
	}
	return words
}

// each calls f for every one in a word of a bitmap.
func each(word uint64, w int, f func(id int)) {
	for ; word != 0; word &= word - 1 {
		f(w*64 + bits.TrailingZeros64(word))
	}
}

// began is the index at which a read was invoked; -1 for no read.
func (r *read) began() int {
	if r == nil {
		return -1
	}
	return r.Invoke.Index
}

func (s *set) outcome(r *Report, id int32) {
	e, name := &s.elements[id], describe(s.ids.Value(id))
	r.Attempt++
	if e.ack != nil {
		r.Acknowledged++
	}
	switch {
	case e.lastPresent != nil && !e.open:
		s.dirty(r, id)
		return
	case e.lastPresent != nil && e.ack == nil:
		r.Recovered++
		r.RecoveredElements = append(r.RecoveredElements, name)
	}
	missed := e.known != nil && e.lastAbsent != nil && e.known.Index < e.lastAbsent.Invoke.Index
	switch {
	case e.lastPresent.began() > e.lastAbsent.began():
		s.stable(r, id, missed)
	case missed && e.lastPresent.began() < e.lastAbsent.began():
		s.lost(r, id)
	default:
		r.NeverRead++
		r.NeverReadElements = append(r.NeverReadElements, name)
	}
}

func (s *set) dirty(r *Report, id int32) {
	e := &s.elements[id]
	r.Dirty++
	r.note(r.Dirty, checkers.Anomaly{Name: DirtyRead, Key: s.name(), Ops: []int{e.add.Index, e.lastPresent.Invoke.Index},
		Explanation: fmt.Sprintf("%s and got %v, but every add of it failed, so it certainly was not added", s.describe(e.lastPresent), s.ids.Value(id))})
}

func (s *set) stable(r *Report, id int32, missed bool) {
	e, name := &s.elements[id], describe(s.ids.Value(id))
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
	r.StaleElements = append(r.StaleElements, name)
	r.WorstStale = append(r.WorstStale, Staleness{name, r.stable[len(r.stable)-1], e.lastAbsent.Invoke.Index})
	again := fmt.Sprintf("; %s and got it", s.describe(e.lastPresent))
	if e.finalAbsent != nil && e.known.Index < e.finalAbsent.Invoke.Index {
		r.FinalStale++
		note(&r.FinalOnes, r.FinalStale, s.missing(StaleRead, id, e.finalAbsent, ", although all faults were over"+again))
		return
	}
	note(&r.StaleOnes, r.Stale-r.FinalStale, s.missing(StaleRead, id, e.lastAbsent, again))
}

func (s *set) lost(r *Report, id int32) {
	e := &s.elements[id]
	r.Lost++
	r.LostElements = append(r.LostElements, describe(s.ids.Value(id)))
	until := int64(0)
	if e.lastPresent != nil {
		until = e.lastPresent.Invoke.Time + 1
	}
	latency(&r.lost, e.known.Time, until)
	r.note(r.Lost, s.missing(Lost, id, e.lastAbsent, "; no read that began later got it either"))
}

// missing explains that a read does not have an element that was known.
func (s *set) missing(name string, id int32, rd *read, rest string) checkers.Anomaly {
	e, v := &s.elements[id], s.ids.Value(id)
	a := checkers.Anomaly{Name: name, Key: s.name(), Ops: []int{e.add.Index, rd.Invoke.Index}}
	how := fmt.Sprintf("process %v added %v, acknowledged at %s", e.add.Process, v, s.clock.At(e.known))
	if e.knower != nil {
		how = fmt.Sprintf("process %v added %v; %s and got it by %s", e.add.Process, v, s.describe(e.knower), s.clock.At(e.known))
		a.Ops = append(a.Ops, e.knower.Invoke.Index)
	}
	slices.Sort(a.Ops)
	a.Explanation = fmt.Sprintf("%s; after that, %s and did not get it%s", how, s.describe(rd), rest)
	return a
}

func (s *set) describe(r *read) string {
	at := ""
	if r.Invoke.Node != "" {
		at = " through " + r.Invoke.Node
	}
	return fmt.Sprintf("process %v read%s at %s", r.Invoke.Process, at, s.clock.At(r.Invoke))
}

// name returns the key of the set, if it has one.
func (s *set) name() string { return checkers.KeyName(s.key) }
