package collections

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// members is a set.
type members struct {
	name      numbers
	elements  []element
	reads     []*claim.Op // those to be judged, in the order of their invocations
	last      *claim.Op   // the one that is the last
	full      bool        // it is a set-full
	strict    bool        // it is linearizable
	knownThen []int       // when elements became known, sorted
}

// element says when the first add of an element was invoked that did not fail, and
// when it became known.
type element struct{ begun, known int }

func setFull(c *claim.Claim) error {
	on, err := c.Flags("linearizable")
	if err != nil {
		return err
	}
	return decide(c, func(ops []*claim.Op) (subject, error) { return newMembers(ops, true, on["linearizable"]) })
}

func setAtEnd(c *claim.Claim) error {
	if _, err := c.Flags(); err != nil {
		return err
	}
	return decide(c, func(ops []*claim.Op) (subject, error) { return newMembers(ops, false, false) })
}

func newMembers(ops []*claim.Op, full, strict bool) (*members, error) {
	m := &members{full: full, strict: strict}
	for _, o := range ops {
		switch {
		case o.Invoke.F == "add":
			m.name = append(m.name, o.Invoke.Value)
		case o.Invoke.F == "read" && o.Happened() && !o.Complete.Value.IsAbsent():
			m.reads = append(m.reads, o)
			if m.last == nil || full || o.Res > m.last.Res {
				m.last = o
			}
			if _, err := claim.Listed(o); err != nil {
				return nil, err
			}
		}
	}
	m.name = m.name.sorted()
	m.elements = slices.Repeat([]element{{claim.Never, claim.Never}}, len(m.name))
	for _, o := range ops {
		if o.Invoke.F == "add" {
			i, _ := m.name.of(o.Invoke.Value)
			m.elements[i].took(o)
		}
	}
	if !full && m.last != nil {
		m.reads = []*claim.Op{m.last}
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
func (e *element) took(o *claim.Op) {
	if !o.Failed() {
		e.begun = min(e.begun, o.Inv)
	}
	if o.Happened() {
		e.known = min(e.known, o.Res)
	}
}

// seen makes known what a read has.
func (m *members) seen(o *claim.Op) {
	if !m.full {
		return
	}
	for _, v := range o.Complete.Value.Elems() {
		if i, ok := m.name.of(v); ok {
			m.elements[i].known = min(m.elements[i].known, o.Res)
		}
	}
}

// deadline says until when an element must have become known so that a read has
// to have it.
func (m *members) deadline(o *claim.Op) int {
	switch {
	case !m.full:
		return claim.Never
	case m.strict || o.Invoke.Final || o == m.last:
		return o.Inv
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
			case !ok || m.elements[i].begun > o.Res:
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
func times(o *claim.Op, v history.Value) (n int) {
	for _, e := range o.Complete.Value.Elems() {
		if e.Equal(v) {
			n++
		}
	}
	return n
}

func (m *members) shows(anomaly string, ops []*claim.Op) error {
	if anomaly == "unexpected" {
		return m.unexpected(ops)
	}
	var adds, reads []*claim.Op
	for _, o := range ops {
		switch {
		case o.Invoke.F == "add":
			adds = append(adds, o)
		case o.Invoke.F == "read" && o.Happened():
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
		shown = len(reads) == 1 && times(last, v) > 0 && m.elements[i].begun == claim.Never
	}
	if !shown {
		return fmt.Errorf("%v and index %d do not show %q", v, last.Invoke.Index, anomaly)
	}
	return nil
}

// missing reports whether the last of some reads lacks an element that it has to
// have, because its add was ok before, or else a read before had it.
func (m *members) missing(add *claim.Op, reads []*claim.Op) bool {
	if len(reads) == 0 {
		return false
	}
	v, read := add.Invoke.Value, reads[len(reads)-1]
	known := add.Happened() && (!m.full || add.Before(read))
	if len(reads) == 2 {
		known = m.full && times(reads[0], v) > 0 && reads[0].Before(read)
	}
	return known && len(reads) < 3 && times(read, v) == 0 && m.deadline(read) > 0
}

// unexpected confirms that a read has an element that nobody tried to add before
// the read came back.
func (m *members) unexpected(ops []*claim.Op) error {
	if len(ops) != 1 || !slices.Contains(m.reads, ops[0]) {
		return unknown("unexpected", ops)
	}
	for _, v := range ops[0].Complete.Value.Elems() {
		i, ok := m.name.of(v)
		if !ok || m.elements[i].begun != claim.Never && ops[0].Res < m.elements[i].begun {
			return nil
		}
	}
	return fmt.Errorf("every element that was read had been added by then")
}

// identifiers are what generates got that were ok.
type identifiers []*claim.Op

func uniqueIDs(c *claim.Claim) error {
	if _, err := c.Flags(); err != nil {
		return err
	}
	return decide(c, func(ops []*claim.Op) (subject, error) {
		var got identifiers
		for _, o := range ops {
			if o.Invoke.F == "generate" && o.Happened() {
				got = append(got, o)
			}
		}
		return got, nil
	})
}

func (got identifiers) holds() (int, error) {
	sorted := slices.Clone(got)
	slices.SortFunc(sorted, func(a, b *claim.Op) int { return a.Complete.Value.Compare(b.Complete.Value) })
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1], sorted[i]; a.Complete.Value.Equal(b.Complete.Value) {
			return 0, fmt.Errorf("index %d and index %d both got %v", a.Complete.Index, b.Complete.Index, b.Complete.Value)
		}
	}
	return len(got), nil
}

func (got identifiers) shows(anomaly string, ops []*claim.Op) error {
	if anomaly != "duplicate" || len(ops) != 2 || !slices.Contains(got, ops[0]) || !slices.Contains(got, ops[1]) ||
		!ops[0].Complete.Value.Equal(ops[1].Complete.Value) {
		return fmt.Errorf("these are not two generates that got the same")
	}
	return nil
}
