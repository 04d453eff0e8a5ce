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
		a.maybe = a.maybe || t.Type() != history.Fail
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

// steps returns how many places the log has from message a to message b: by the
// offsets that they came with, and by the last places of their values. The two are
// the same unless a value is at two offsets. Where one is not known it is 1, which
// is no error.
func (p *partition) steps(a, b message) (own, last int32) {
	aOwn, aLast := p.places(a)
	bOwn, bLast := p.places(b)
	if aOwn < 0 || bOwn < 0 {
		return 1, 1
	}
	own, last = p.distance(aOwn, bOwn), 1
	if aLast >= 0 && bLast >= 0 {
		last = p.distance(aLast, bLast)
	}
	return own, last
}

// distance returns how many places are from a to b. Forward, those that compaction
// may have removed do not count.
func (p *partition) distance(a, b int32) int32 {
	if b <= a || p.stays == nil {
		return b - a
	}
	return p.stays[b] - p.stays[a+1] + 1
}

// compact finds out what may be missing from a log of which only the last message of
// each record key has to stay: what is followed by another one, and tombstones.
func (j *judge) compact() {
	for _, p := range j.keys {
		latest := map[string]int32{}
		for v := range p.about {
			if a := &p.about[v]; a.slots > 0 {
				k := recordKey(p.values.Value(int32(v)))
				latest[k] = max(latest[k], a.last)
			}
		}
		for v := range p.about {
			value := p.values.Value(int32(v))
			a := &p.about[v]
			a.gone = value.Kind() == history.KindMap && (value.Get("value").IsNil() || a.slots > 0 && a.last < latest[recordKey(value)])
		}
		p.stays = make([]int32, len(p.log)+1)
		for place, s := range p.log {
			p.stays[place+1] = p.stays[place]
			if slices.ContainsFunc(p.slots[s].held, func(h held) bool { return !p.about[h.value].gone }) {
				p.stays[place+1]++
			}
		}
	}
}

// recordKey returns the record key of a message as text.
func recordKey(v history.Value) string {
	k := v.Get("key")
	return string(k.AppendEDN([]byte{byte(k.Kind())}))
}
