package eventlog

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// seek says from which offset on a process polls a key.
type seek struct {
	commitment
	at  int  // how many messages of the operation come before it
	txn *txn // the operation that it stands in
}

// sought compares the first message that a process polled after it had sought an offset
// with what is at that offset and after it.
func (j *judge) sought(t *txn, all map[history.Process]map[int32]seek, polls map[int32]position) {
	if len(t.grants) > 0 {
		delete(all, t.Invoke.Process)
	}
	for _, s := range t.seeks {
		delete(polls, s.key)
	}
	if t.Type() != history.OK {
		return
	}
	open := all[t.Invoke.Process]
	if open == nil && len(t.seeks) > 0 {
		open = map[int32]seek{}
		all[t.Invoke.Process] = open
	}
	for _, s := range t.seeks {
		s.txn = t
		open[s.key] = s
	}
	for i, m := range t.polls {
		if s, ok := open[m.key]; ok && (s.txn != t || i >= s.at) {
			delete(open, m.key)
			j.reached(s, m, t)
		}
	}
}

// reached looks at the first message after a seek.
func (j *judge) reached(s seek, m message, t *txn) {
	p := j.keys[m.key]
	own, _ := p.places(m)
	if m.slot < 0 || own < 0 {
		return
	}
	if p.slots[m.slot].offset < s.offset {
		j.note(NonmonotonicPoll, func() checkers.Anomaly {
			return j.pair(m.key, fmt.Sprintf("process %v was to poll from offset %d on, at %s, and %s it polled %s",
				t.Invoke.Process, s.offset, j.clock.At(s.txn.Invoke), j.then(s.txn, t), j.at(m, false)), append(j.places(m, m, false), s.txn, t)...)
		})
		return
	}
	place := p.next(p.from(s.offset), over(t))
	if place >= own {
		return
	}
	j.note(PollSkip, func() checkers.Anomaly {
		left := p.slots[p.log[place]]
		ops := append(j.places(m, m, false), j.pick(j.shown(p, place))...)
		return j.pair(m.key, fmt.Sprintf("process %v was to poll from offset %d on, at %s, and the first that it polled, at %s, was %s, but %v is at offset %d before that",
			t.Invoke.Process, s.offset, j.clock.At(s.txn.Invoke), j.clock.At(t.Invoke), j.at(m, false), p.values.Value(left.held[0].value), left.offset), append(ops, s.txn, t)...)
	})
}

// walk is what a process polled in the final phase from an offset on.
type walk struct {
	from int64
	ops  []*txn
	got  []message
}

// walked looks at what a process found that went through a log to its end when all was
// over: everything is there that was known to be there before that, but for what
// retention or compaction may remove. How much that is the walk itself tells.
func (j *judge) walked() {
	open := map[history.Process]map[int32]*walk{}
	for i := range j.txns {
		t := &j.txns[i]
		p := t.Invoke.Process
		if t.Type() != history.OK || !t.Complete.Final || t.Invoke.F == "assign" || t.Invoke.F == "subscribe" || len(t.grants) > 0 {
			delete(open, p)
			continue
		}
		for _, s := range t.seeks {
			if open[p] == nil {
				open[p] = map[int32]*walk{}
			}
			open[p][s.key] = &walk{from: s.offset}
		}
		for _, w := range open[p] {
			w.ops = append(w.ops, t)
		}
		for _, m := range t.polls {
			if w := open[p][m.key]; w != nil {
				w.got = append(w.got, m)
			}
		}
		for _, k := range t.empty {
			if w := open[p][k]; w != nil {
				delete(open[p], k)
				j.found(k, w)
			}
		}
	}
}

// found compares a walk that has reached the end with what it had to meet.
func (j *judge) found(k int32, w *walk) {
	p := j.keys[k]
	began := w.ops[0].Invoke.Index
	values, records := map[int32]bool{}, map[string]int32{}
	var places []int32
	for _, m := range w.got {
		place, _ := p.places(m)
		values[m.value] = true
		places = append(places, place)
		if value := p.values.Value(m.value); j.opts.Compaction && isRecord(value) {
			at, ok := records[recordKey(value)]
			if !ok || at < place {
				records[recordKey(value)] = place
			}
		}
	}
	slices.Sort(places)
	places = slices.Compact(places)
	for v := range p.about {
		a := &p.about[v]
		if values[int32(v)] || a.slots == 0 || p.slots[p.log[a.last]].offset < w.from {
			continue
		}
		by := j.knownBefore(a, began)
		if by < 0 {
			continue
		}
		if j.mayBePushedOut(a, places) || j.opts.Compaction && j.mayBeCompacted(p, int32(v), records) {
			continue
		}
		j.note(Vanished, func() checkers.Anomaly { return j.vanished(message{key: k, value: int32(v), slot: -1}, by, w) })
	}
}

// knownBefore returns an operation that showed before an index that a value is in the
// log for good, or -1.
func (j *judge) knownBefore(a *about, index int) int32 {
	for _, n := range []int32{a.acked, a.reader} {
		if n > 0 && j.txns[n-1].Complete.Index < index {
			return n - 1
		}
	}
	return -1
}

// mayBePushedOut reports whether retention may have removed a value that a walk did not
// find: the walk met as many messages after it as are kept. Where compaction may have
// removed some of those since, as many that were sent do.
func (j *judge) mayBePushedOut(a *about, places []int32) bool {
	after, _ := slices.BinarySearch(places, a.last+1)
	return j.opts.Retention > 0 && (len(places)-after >= j.opts.Retention || j.opts.Compaction && a.gone)
}

// mayBeCompacted reports whether compaction may have removed a value that a walk did not
// find: something with its record key follows, or a tombstone that may be gone itself.
func (j *judge) mayBeCompacted(p *partition, v int32, last map[string]int32) bool {
	value := p.values.Value(v)
	if !isRecord(value) {
		return false
	}
	if value.Get("value").IsNil() {
		return true
	}
	k := recordKey(value)
	if at, ok := last[k]; ok && at > p.about[v].last {
		return true
	}
	for u := range p.about {
		if other := p.values.Value(int32(u)); isRecord(other) && other.Get("value").IsNil() && recordKey(other) == k {
			return true
		}
	}
	return false
}

func (j *judge) vanished(m message, by int32, w *walk) checkers.Anomaly {
	p, t, first := j.keys[m.key], &j.txns[by], w.ops[0]
	verb := "polled"
	if j.keys[m.key].about[m.value].acked == by+1 {
		verb = "sent"
	}
	kept := ""
	if j.opts.Retention > 0 {
		kept = fmt.Sprintf(", and met less than the %d messages after it that would let it go", j.opts.Retention)
	}
	ops := append(j.places(m, m, true), w.ops...)
	return j.pair(m.key, fmt.Sprintf("process %v %s %s, at %s; in the end process %v went through %s from offset %d on, from %s, and did not find it%s",
		t.Invoke.Process, verb, j.at(m, true), j.clock.At(t.Invoke), first.Invoke.Process, p.name, w.from, j.clock.At(first.Invoke), kept), append(ops, t)...)
}
