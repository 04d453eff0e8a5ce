package verify

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Sets, to which elements are added and that are read as a whole, and unique
// identifiers.
//
// In set-full an element is known as soon as an add of it was ok or a read that
// has it came back. A read that began after that has to have it, if it is the last
// read to begin, if it is final, and always with the parameter linearizable. In
// set there is one read, the last to come back, and it has to have every element
// of which an add was ok, whenever that was. A read has an element once, and only
// if an add of it that did not fail was invoked before the read came back.
//
//	lost              the add, maybe an earlier read that has it, and the read
//	stale-read        the same, and a later read that has it
//	duplicate         the add and the read
//	dirty-read        the add and the read, and every add of the element failed
//	unexpected        the read; no add of an element that it has was invoked early enough
//
// In unique-ids, no two generates that were ok have got the same.
//
//	duplicate  the two generates

// members is a set.
type members struct {
	name      numbers
	elements  []element
	reads     []*op // those to be judged, in the order of their invocations
	last      *op   // the one that is the last
	full      bool  // it is a set-full
	strict    bool  // it is linearizable
	knownThen []int // when elements became known, sorted
}

// element says when the first add of an element was invoked that did not fail, and
// when it became known.
type element struct{ begun, known int }

func setFull(c *claim) error {
	on, err := c.flags("linearizable")
	if err != nil {
		return err
	}
	return c.decide(func(ops []*op) (subject, error) { return newMembers(ops, true, on["linearizable"]) })
}

func setAtEnd(c *claim) error {
	if _, err := c.flags(); err != nil {
		return err
	}
	return c.decide(func(ops []*op) (subject, error) { return newMembers(ops, false, false) })
}

func newMembers(ops []*op, full, strict bool) (*members, error) {
	m := &members{full: full, strict: strict}
	for _, o := range ops {
		switch {
		case o.Invoke.F == "add":
			m.name = append(m.name, o.Invoke.Value)
		case o.Invoke.F == "read" && o.happened() && !o.Complete.Value.IsAbsent():
			m.reads = append(m.reads, o)
			if m.last == nil || full || o.res > m.last.res {
				m.last = o
			}
			if _, err := listed(o); err != nil {
				return nil, err
			}
		}
	}
	m.name = m.name.sorted()
	m.elements = slices.Repeat([]element{{never, never}}, len(m.name))
	for _, o := range ops {
		if o.Invoke.F == "add" {
			i, _ := m.name.of(o.Invoke.Value)
			m.elements[i].took(o)
		}
	}
	if !full && m.last != nil {
		m.reads = []*op{m.last}
	}
	for _, o := range m.reads {
		m.seen(o)
	}
	for _, e := range m.elements {
		m.knownThen = append(m.knownThen, e.known)
	}
	slices.Sort(m.knownThen)
	return m, nil
}

// took takes in that something was done to add the element.
func (e *element) took(o *op) {
	if !o.failed() {
		e.begun = min(e.begun, o.inv)
	}
	if o.happened() {
		e.known = min(e.known, o.res)
	}
}

// seen makes known what a read has.
func (m *members) seen(o *op) {
	if !m.full {
		return
	}
	for _, v := range o.Complete.Value.Elems() {
		if i, ok := m.name.of(v); ok {
			m.elements[i].known = min(m.elements[i].known, o.res)
		}
	}
}

// deadline says until when an element must have become known so that a read has
// to have it.
func (m *members) deadline(o *op) int {
	switch {
	case !m.full:
		return never
	case m.strict || o.Invoke.Final || o == m.last:
		return o.inv
	default:
		return 0
	}
}

func (m *members) holds() (int, error) {
	judged := 0
	last := make([]int, len(m.elements)) // the last read that had it, from 1
	for n, o := range m.reads {
		have, deadline := 0, m.deadline(o)
		for _, v := range o.Complete.Value.Elems() {
			i, ok := m.name.of(v)
			switch {
			case !ok || m.elements[i].begun > o.res:
				return 0, fmt.Errorf("index %d has %v, which nobody can have added by then", o.Complete.Index, v)
			case last[i] == n+1:
				return 0, fmt.Errorf("index %d has %v twice", o.Complete.Index, v)
			case m.elements[i].known < deadline:
				have++
			}
			last[i] = n + 1
			judged = 1
		}
		if owed, _ := slices.BinarySearch(m.knownThen, deadline); have < owed {
			return 0, fmt.Errorf("index %d has %d of the %d elements that it has to have", o.Complete.Index, have, owed)
		}
	}
	if !m.full {
		judged = len(m.reads)
	}
	return judged, nil
}

// times says how often a read has an element.
func times(o *op, v history.Value) (n int) {
	for _, e := range o.Complete.Value.Elems() {
		if e.Equal(v) {
			n++
		}
	}
	return n
}

func (m *members) shows(anomaly string, ops []*op) error {
	if anomaly == "unexpected" {
		return m.unexpected(ops)
	}
	var adds, reads []*op
	for _, o := range ops {
		switch {
		case o.Invoke.F == "add":
			adds = append(adds, o)
		case o.Invoke.F == "read" && o.happened():
			reads = append(reads, o)
		}
	}
	if len(adds) != 1 || len(reads) == 0 || len(ops) != 1+len(reads) || !slices.Contains(m.reads, reads[len(reads)-1]) {
		return unknown(anomaly, ops)
	}
	v, last := adds[0].Invoke.Value, reads[len(reads)-1]
	i, _ := m.name.of(v)
	shown := false
	switch {
	case anomaly == "lost":
		shown = last == m.last && m.missing(adds[0], reads)
	case anomaly == "stale-read":
		shown = m.full && times(last, v) > 0 && m.missing(adds[0], reads[:len(reads)-1])
	case anomaly == "duplicate":
		shown = len(reads) == 1 && times(last, v) > 1
	case anomaly == "dirty-read":
		shown = len(reads) == 1 && times(last, v) > 0 && m.elements[i].begun == never
	}
	if !shown {
		return fmt.Errorf("%v and index %d do not show %q", v, last.Invoke.Index, anomaly)
	}
	return nil
}

// missing reports whether the last of some reads lacks an element that it has to
// have, because its add was ok before, or else a read before had it.
func (m *members) missing(add *op, reads []*op) bool {
	if len(reads) == 0 {
		return false
	}
	v, read := add.Invoke.Value, reads[len(reads)-1]
	known := add.happened() && (!m.full || add.before(read))
	if len(reads) == 2 {
		known = m.full && times(reads[0], v) > 0 && reads[0].before(read)
	}
	return known && len(reads) < 3 && times(read, v) == 0 && m.deadline(read) > 0
}

// unexpected confirms that a read has an element that nobody tried to add before
// the read came back.
func (m *members) unexpected(ops []*op) error {
	if len(ops) != 1 || !slices.Contains(m.reads, ops[0]) {
		return unknown("unexpected", ops)
	}
	for _, v := range ops[0].Complete.Value.Elems() {
		i, ok := m.name.of(v)
		if !ok || m.elements[i].begun != never && ops[0].res < m.elements[i].begun {
			return nil
		}
	}
	return fmt.Errorf("every element that was read had been added by then")
}

// identifiers are what generates got that were ok.
type identifiers []*op

func uniqueIDs(c *claim) error {
	if _, err := c.flags(); err != nil {
		return err
	}
	return c.decide(func(ops []*op) (subject, error) {
		var got identifiers
		for _, o := range ops {
			if o.Invoke.F == "generate" && o.happened() {
				got = append(got, o)
			}
		}
		return got, nil
	})
}

func (got identifiers) holds() (int, error) {
	sorted := slices.Clone(got)
	slices.SortFunc(sorted, func(a, b *op) int { return a.Complete.Value.Compare(b.Complete.Value) })
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1], sorted[i]; a.Complete.Value.Equal(b.Complete.Value) {
			return 0, fmt.Errorf("index %d and index %d both got %v", a.Complete.Index, b.Complete.Index, b.Complete.Value)
		}
	}
	return len(got), nil
}

func (got identifiers) shows(anomaly string, ops []*op) error {
	if anomaly != "duplicate" || len(ops) != 2 || !slices.Contains(got, ops[0]) || !slices.Contains(got, ops[1]) ||
		!ops[0].Complete.Value.Equal(ops[1].Complete.Value) {
		return fmt.Errorf("these are not two generates that got the same")
	}
	return nil
}
