package eventlog

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// place finds out who wrote and who read each value, and what is where in each log.
func (j *judge) place() {
	for i := range j.txns {
		j.people(int32(i+1), &j.txns[i])
	}
	for i := range j.txns {
		t := &j.txns[i]
		t.commit = j.committed(t)
		if t.commit {
			j.show(int32(i), t.sends)
		}
		j.show(int32(i), t.polls)
	}
	for _, p := range j.keys {
		p.arrange()
	}
}

// people notes the writers and readers of values; n is the operation, plus one.
func (j *judge) people(n int32, t *txn) {
	for _, m := range t.sends {
		a := &j.keys[m.key].about[m.value]
		a.writer = n
		if a.acked == 0 && t.Type() == history.OK {
			a.acked = n
		}
		if !a.maybe && t.Type() != history.Fail {
			a.maybe, a.born = true, t.Invoke.Index
		}
	}
	for _, m := range t.polls {
		a := &j.keys[m.key].about[m.value]
		if a.witness == 0 {
			a.witness = n
		}
		if a.reader == 0 && t.Type() == history.OK {
			a.reader = n
		}
	}
}

// committed reports whether what t sent certainly took effect: it was ok, or its
// outcome is unknown but something of it was polled.
func (j *judge) committed(t *txn) bool {
	if t.Type() != history.Info {
		return t.Type() == history.OK
	}
	return slices.ContainsFunc(t.sends, func(m message) bool { return j.keys[m.key].about[m.value].reader > 0 })
}

// show puts messages where they are said to be.
func (j *judge) show(txn int32, list []message) {
	for _, m := range list {
		if m.slot < 0 {
			continue
		}
		p := j.keys[m.key]
		s := &p.slots[m.slot]
		if !slices.ContainsFunc(s.held, func(h held) bool { return h.value == m.value }) {
			s.held = append(s.held, held{m.value, txn})
		}
	}
}

// arrange sorts a log by offsets. Offsets at which nothing was seen for certain
// are no places of the log.
func (p *partition) arrange() {
	p.rank = make([]int32, len(p.slots))
	for i, s := range p.slots {
		if len(s.held) > 0 {
			p.log = append(p.log, int32(i))
		}
	}
	slices.SortFunc(p.log, func(a, b int32) int { return cmp.Compare(p.slots[a].offset, p.slots[b].offset) })
	for place, i := range p.log {
		p.rank[i] = int32(place)
		for _, h := range p.slots[i].held {
			a := &p.about[h.value]
			if a.slots == 0 {
				a.first = int32(place)
			}
			a.slots++
			a.last = int32(place)
		}
	}
}

// places returns where in the log a message may be: at the offset it came with,
// and, if its value is known to be elsewhere, at the last place of that.
func (p *partition) places(m message) (own, last int32) {
	own, last = -1, -1
	if m.slot >= 0 && len(p.slots[m.slot].held) > 0 {
		own = p.rank[m.slot]
	}
	if a := p.about[m.value]; a.slots > 0 {
		last = a.last
	}
	if own < 0 {
		own = last
	}
	return own, last
}

// steps returns how many places the log has from message a to message b, for who got
// them by an index: by the offsets that they came with, and by the last places of their
// values. The two are the same unless a value is at two offsets. Where one is not known
// it is 1, which is no error.
func (p *partition) steps(a, b message, by int) (own, last int32) {
	aOwn, aLast := p.places(a)
	bOwn, bLast := p.places(b)
	if aOwn < 0 || bOwn < 0 {
		return 1, 1
	}
	own, last = p.distance(aOwn, bOwn, by), 1
	if aLast >= 0 && bLast >= 0 {
		last = p.distance(aLast, bLast, by)
	}
	return own, last
}

// distance returns how many places are from a to b. Forward, it is 2 if some of those
// between them could not be gone by an index, and 1 if all could.
func (p *partition) distance(a, b int32, by int) int32 {
	if b <= a || p.due == nil {
		return b - a
	}
	if p.next(a+1, by) < b {
		return 2
	}
	return 1
}

// next returns the first place from one on that could not be gone by an index.
func (p *partition) next(place int32, by int) int32 {
	for p.due != nil && int(place) < len(p.due) && p.due[place] < by {
		place++
	}
	return place
}

// from returns the first place at or after an offset.
func (p *partition) from(offset int64) int32 {
	place, _ := slices.BinarySearchFunc(p.log, offset, func(s int32, o int64) int { return cmp.Compare(p.slots[s].offset, o) })
	return int32(place)
}
