package txn

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Why one version comes after another.
const (
	byRead    = iota // lists: a read shows one right after the other
	byAbsence        // lists: no read shows it, so it came after all that were read
	byInitial        // nothing comes before the initial version
	byWFR            // a transaction read the one and wrote the other
	byProcess        // a process met the one before the other
	byTime           // the one was there before the other was first met
	byLink           // it says so itself
	byOrder          // the database says so
)

// lists finds the order of versions of each list, and what is wrong with what
// was read.
func (s *study) lists() {
	s.longest()
	for k := range s.objects {
		if s.stopped(k) {
			return
		}
		s.order(int32(k))
	}
	var reads pairs
	for t := range s.txns {
		if s.stopped(t) {
			return
		}
		s.internalLists(int32(t))
		for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
			if st := &s.steps[i]; !st.write && s.txns[t].typ == history.OK {
				s.readList(int32(t), st)
				reads.add(st.ver, int32(t), 0)
			}
		}
	}
	s.reads = reads.relation(len(s.vers))
	s.succ = s.chains()
}

// longest finds the longest read of each list.
func (s *study) longest() {
	for t := range s.txns {
		for _, st := range s.of(int32(t)) {
			if o := &s.objects[st.key]; len(st.list) > len(o.longest) {
				o.longest, o.reader = st.list, int32(t)
			}
		}
	}
}

// order takes the longest read of a key for the order of its versions.
func (s *study) order(k int32) {
	o := &s.objects[k]
	for _, e := range o.longest {
		v := s.version(k, e)
		o.states = append(o.states, v)
		if s.vers[v].pos == 0 {
			o.order = append(o.order, v)
			s.vers[v].pos = int32(len(o.order))
			s.show(v)
		}
	}
	s.dirtyUpdates(o)
}

// chains returns which version follows which. What nobody wrote who did not fail
// is no version that others could depend on: they depend on the one before it.
func (s *study) chains() relation {
	next := pairs{make([]int32, 0, len(s.vers)), make([]int32, 0, len(s.vers)), make([]uint8, 0, len(s.vers))}
	for k := range s.objects {
		o := &s.objects[k]
		last, solid := o.initial, o.initial
		follow := func(v int32, why uint8) {
			next.add(last, v, why)
			if solid != last {
				next.add(solid, v, why)
			}
		}
		for _, v := range o.order {
			follow(v, byRead)
			last = v
			if s.live(s.vers[v].writer) {
				solid = v
			}
		}
		for _, v := range o.vers {
			if s.vers[v].pos == 0 && s.live(s.vers[v].writer) {
				follow(v, byAbsence)
			}
		}
	}
	return next.relation(len(s.vers))
}

// same reports whether two elements are the same, fast where both are integers.
func same(a, b history.Value) bool {
	x, isInt := a.Int()
	y, both := b.Int()
	if isInt && both {
		return x == y
	}
	return a.Equal(b)
}

// prefix reports whether list is the beginning of longest.
func prefix(list, longest []history.Value) bool {
	if len(list) > len(longest) {
		return false
	}
	for i := range list {
		if !same(list[i], longest[i]) {
			return false
		}
	}
	return true
}

// readList settles which version a read of a list returned.
func (s *study) readList(t int32, st *step) {
	o := &s.objects[st.key]
	st.ver = o.initial
	if len(st.list) == 0 {
		return
	}
	states := o.states
	if prefix(st.list, o.longest) {
		states = states[:len(st.list)]
	} else {
		states = make([]int32, len(st.list))
		for i, e := range st.list {
			states[i] = s.version(st.key, e)
			s.show(states[i])
		}
		s.incompatible(t, st)
	}
	st.ver = states[len(states)-1]
	s.wrongList(t, st, states)
}

// wrongList looks for elements that no read may show.
func (s *study) wrongList(t int32, st *step, states []int32) {
	o := &s.objects[st.key]
	if &states[0] == &o.states[0] && len(states) <= s.clean(o) {
		s.intermediate(t, st, st.ver)
		return
	}
	seen := make(map[int32]bool, len(states))
	twice := int32(none)
	for _, v := range states {
		ver := &s.vers[v]
		switch {
		case ver.writer == none && ver.failed != none:
			s.abortedRead(t, v)
		case ver.writer == none:
			s.thinAir(t, v)
		}
		if seen[v] {
			twice = v
		}
		seen[v] = true
	}
	if twice != none {
		s.duplicate(t, st, twice)
	}
	s.intermediate(t, st, st.ver)
}

// clean returns how many elements of the longest read nothing is wrong with.
func (s *study) clean(o *object) int {
	if o.clean == 0 {
		o.clean = 1
		for i, v := range o.states {
			if s.vers[v].writer == none || int(s.vers[v].pos) != i+1 {
				break
			}
			o.clean++
		}
	}
	return o.clean - 1
}

// expectation is what a transaction has to find in a key.
type expectation struct {
	txn      int32
	ver      int32           // registers: the version that it met last
	whole    bool            // base is all there was before
	base     []history.Value // what it read last; nil where that was nil
	appended []history.Value // what it appended since
}

// internalLists looks for reads that contradict what the same transaction read
// or appended before, or that show what it appends later.
func (s *study) internalLists(t int32) {
	if s.txns[t].typ != history.OK || s.txns[t].hi-s.txns[t].lo < 2 {
		return
	}
	for len(s.expect) < len(s.objects) {
		s.expect = append(s.expect, expectation{txn: none})
	}
	found := false
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		st := &s.steps[i]
		e := &s.expect[st.key]
		if e.txn != t {
			*e = expectation{txn: t, appended: e.appended[:0]}
		}
		if st.write {
			s.futureList(t, i, e)
			e.appended = append(e.appended, s.value(st.ver))
			continue
		}
		if !found && !e.allows(st.list) {
			found = true
			s.internal(t, st, e.String())
		}
		e.whole, e.base, e.appended = true, st.list, e.appended[:0]
	}
}

// allows reports whether a read may return list.
func (e *expectation) allows(list []history.Value) bool {
	at := len(list) - len(e.appended)
	if e.whole && len(list) == 0 && at == 0 && (list == nil) != (e.base == nil) {
		return false // an empty list and no list at all cannot both be what was there
	}
	if at < 0 || e.whole && !slices.EqualFunc(list[:at], e.base, same) {
		return false
	}
	return slices.EqualFunc(list[at:], e.appended, same)
}

// String writes down what has to be found.
func (e *expectation) String() string {
	text := ""
	if !e.whole {
		text = "... "
	}
	if e.whole && e.base == nil && len(e.appended) == 0 {
		return "nil"
	}
	return "[" + text + spaced(append(slices.Clone(e.base), e.appended...)) + "]"
}

// futureList reports an append, at step i, whose element the transaction had read
// before.
func (s *study) futureList(t, i int32, e *expectation) {
	v := s.steps[i].ver
	pos := int(s.vers[v].pos)
	if !e.whole {
		return
	}
	for j := s.txns[t].lo; j < i; j++ {
		if st := &s.steps[j]; !st.write && st.key == s.steps[i].key && (pos == 0 || len(st.list) >= pos) && contains(st.list, s.value(v)) {
			s.future(t, v)
			return
		}
	}
}
