package logs

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// What logs may remove, and consumers that begin where they were told to.

// removals: of a log that keeps its newest messages, one may be gone once so many had
// been sent that may be after it; of a log that is compacted, one may be gone once
// another one with its record key had been sent that may be after it, and a tombstone,
// whose value is nil, at any time. Those without a place may be anywhere.
func (k *logKey) removals(retention int, compaction bool) {
	k.due = make([]int, len(k.offsets))
	for place := range k.due {
		k.due[place] = claim.Never
	}
	var after []int // when those were sent first that may be after a place, sorted
	heirs := map[string]int{}
	inherit := func(v *logValue) {
		at := claim.Identity(v.record.Get("key"))
		if born, ok := heirs[at]; v.maybe && (!ok || v.born < born) {
			heirs[at] = v.born
		}
	}
	known := map[string]bool{}
	for _, v := range k.values {
		if v.places == 0 && v.maybe {
			after = append(after, v.born)
			inherit(v)
		}
	}
	slices.Sort(after)
	for place := len(k.offsets) - 1; place >= 0; place-- {
		held := k.at[k.offsets[place]]
		if retention > 0 && len(after) >= retention {
			k.due[place] = after[retention-1]
		}
		old := -1
		for _, s := range held {
			old = max(old, k.values[s.value].superseded(heirs))
		}
		if compaction {
			k.due[place] = min(k.due[place], old)
		}
		enough := retention > 0 && len(after) >= retention
		held = slices.DeleteFunc(slices.Clone(held), func(s shown) bool { return k.values[s.value].last != place })
		for _, s := range held {
			v := k.values[s.value]
			v.gone = enough || compaction && v.isRecord() && known[claim.Identity(v.record.Get("key"))]
		}
		for _, s := range held {
			v := k.values[s.value]
			known[claim.Identity(v.record.Get("key"))] = true
			inherit(v)
			if i, _ := slices.BinarySearch(after, v.born); v.maybe {
				after = slices.Insert(after, i, v.born)
			}
		}
	}
	for _, v := range k.values {
		v.gone = v.gone || compaction && v.tombstone() || retention > 0 && v.places == 0 && len(after) > retention
	}
}

func (v *logValue) isRecord() bool { return v.record.Kind() == history.KindMap }

func (v *logValue) tombstone() bool { return v.isRecord() && v.record.Get("value").IsNil() }

// superseded returns from when on compaction may remove a value that is followed by what
// the heirs say: by record key, the first that was sent.
func (v *logValue) superseded(heirs map[string]int) int {
	at, ok := heirs[claim.Identity(v.record.Get("key"))]
	switch {
	case v.tombstone():
		return -1
	case v.isRecord() && ok:
		return at
	}
	return claim.Never
}

// needed reports whether a log has messages from one place up to another that could not
// be gone by some time.
func (k *logKey) needed(from, to, by int) bool {
	return from < to && slices.ContainsFunc(k.due[from:to], func(due int) bool { return due >= by })
}

// seek says from which offset on a process polls a key: so many messages of its
// operation come before that.
type seek struct {
	key    string
	offset int64
	at     int
}

// sought: the first message after a seek, by the operations that were ok, is not before
// the offset (nonmonotonic-poll), and leaves nothing out after it (poll-skip).
func (l *logs) sought() {
	open := map[history.Process]map[string]int64{}
	for _, t := range l.ops {
		p := t.Invoke.Process
		if (t.Invoke.F == "assign" || t.Invoke.F == "subscribe") && !t.Failed() || len(t.grants) > 0 || open[p] == nil {
			open[p] = map[string]int64{}
		}
		if !t.Happened() {
			continue
		}
		late := map[string]int{}
		for _, s := range t.seeks {
			open[p][s.key], late[s.key] = s.offset, s.at
		}
		for i, m := range t.polls {
			offset, ok := open[p][m.key]
			if !ok || i < late[m.key] {
				continue
			}
			delete(open[p], m.key)
			k := l.keys[m.key]
			place, here := k.rank[m.offset]
			if !m.known || !here {
				continue
			}
			first, _ := slices.BinarySearch(k.offsets, offset)
			switch {
			case m.offset < offset:
				l.Note("nonmonotonic-poll", m.key)
			case k.needed(first, place, t.Res):
				l.Note("poll-skip", m.key)
			}
		}
	}
}

// walked: who polls a key in the final phase from a seek on until nothing more comes,
// by operations that were ok, has polled all that was acknowledged or polled before
// that at or after the offset. What is missing has vanished, unless it may be removed:
// because the walk met so many messages after it as are kept, or one with its record
// key, or because there is a tombstone of that. Of what compaction removes a walk meets
// nothing: there so many that were sent do.
func (l *logs) walked() {
	type walk struct {
		from  int64
		began int
		got   []message
	}
	open := map[history.Process]map[string]*walk{}
	for _, t := range l.ops {
		p := t.Invoke.Process
		if !t.Happened() || !t.Complete.Final || t.Invoke.F == "assign" || t.Invoke.F == "subscribe" || len(t.grants) > 0 || open[p] == nil {
			open[p] = map[string]*walk{}
		}
		if !t.Happened() || !t.Complete.Final {
			continue
		}
		for _, s := range t.seeks {
			open[p][s.key] = &walk{from: s.offset, began: t.Inv}
		}
		for _, m := range t.polls {
			if w := open[p][m.key]; w != nil {
				w.got = append(w.got, m)
			}
		}
		for _, name := range t.empty {
			if w := open[p][name]; w != nil {
				l.found(l.keys[name], w.from, w.began, w.got)
				delete(open[p], name)
			}
		}
	}
}

// knownBefore reports whether an operation that was over by then was ok and sent the
// value, or polled it.
func (v *logValue) knownBefore(at int) bool {
	return v.acked != nil && v.acked.Res < at || v.reader != nil && v.reader.Res < at
}

// found: see walked.
func (l *logs) found(k *logKey, from int64, began int, got []message) {
	has, records := map[string]bool{}, map[string]int{}
	var places []int
	for _, m := range got {
		place, _ := l.places(m)
		has[m.value] = true
		places = append(places, place)
		if at := claim.Identity(l.of(m).record.Get("key")); l.of(m).isRecord() {
			records[at] = max(records[at], place+1)
		}
	}
	slices.Sort(places)
	places = slices.Compact(places)
	buried := map[string]bool{}
	for _, v := range k.values {
		buried[claim.Identity(v.record.Get("key"))] = buried[claim.Identity(v.record.Get("key"))] || v.tombstone()
	}
	for name, v := range k.values {
		if has[name] || v.places == 0 || k.offsets[v.last] < from || !v.knownBefore(began) {
			continue
		}
		after, _ := slices.BinarySearch(places, v.last+1)
		key, compaction := claim.Identity(v.record.Get("key")), l.parameters["compaction"] == "true"
		switch {
		case l.retention > 0 && (len(places)-after >= l.retention || compaction && v.gone):
		case compaction && v.isRecord() && (records[key]-1 > v.last || buried[key]):
		default:
			l.Note("vanished", k.name)
		}
	}
}
