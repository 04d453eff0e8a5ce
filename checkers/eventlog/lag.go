package eventlog

import (
	"sort"

	"github.com/ordeal-dev/ordeal/checkers/internal/timeline"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// known says from when on an offset was known to be in a log.
type known struct{ offset, time int64 }

// lag finds the poll that was furthest behind, as conservatively as Jepsen: a log
// is newer than what a process has from the moment that some operation that saw a
// higher offset came back, and the poll may have looked as early as it began.
func (j *judge) lag() error {
	records := make([][]known, len(j.keys))
	events := j.events()
	for _, e := range events {
		t := &j.txns[e.Call]
		if !e.End || t.Type() == history.Fail {
			continue
		}
		j.highest(t, func(k int32, offset int64) {
			if r := records[k]; len(r) == 0 || r[len(r)-1].offset < offset {
				records[k] = append(r, known{offset, t.Complete.Time})
			}
		})
	}
	at := map[history.Process]map[int32]int64{}
	for i, e := range events {
		if err := j.stop(i); err != nil {
			return err
		}
		if t := &j.txns[e.Call]; e.End && t.Type() == history.OK {
			j.behind(t, at, records)
		}
	}
	return nil
}

// events returns the beginnings and ends of the operations.
func (j *judge) events() []timeline.Event {
	calls := make([]history.Call, len(j.txns))
	for i := range j.txns {
		calls[i] = j.txns[i].Call
	}
	return timeline.Of(calls)
}

// highest calls f for the offsets that an operation saw.
func (j *judge) highest(t *txn, f func(k int32, offset int64)) {
	for _, list := range [][]message{t.polls, t.sends} {
		for _, m := range list {
			if m.slot >= 0 {
				f(m.key, j.keys[m.key].slots[m.slot].offset)
			}
		}
	}
}

// behind moves a process on, and compares what it has with what was known when its
// poll began. Keys that it is assigned begin before the first offset; those that it
// subscribes to, when it polls them.
func (j *judge) behind(t *txn, at map[history.Process]map[int32]int64, records [][]known) {
	p := t.Invoke.Process
	has := at[p]
	switch t.Invoke.F {
	case "assign":
		next := map[int32]int64{}
		for _, k := range t.keys {
			next[k] = -1
			if offset, ok := has[k]; ok {
				next[k] = offset
			}
		}
		at[p] = next
		return
	case "subscribe":
		at[p] = nil
		return
	case "send", "rebalance", "commit", "init":
		return
	}
	if has == nil {
		has = map[int32]int64{}
		at[p] = has
	}
	for _, k := range t.empty {
		if _, ok := has[k]; !ok {
			has[k] = -1
		}
	}
	j.highest(t, func(k int32, offset int64) {
		if old, ok := has[k]; !ok || old < offset {
			has[k] = offset
		}
	})
	for k, offset := range has {
		j.worst(t, k, offset, records[k])
	}
}

func (j *judge) worst(t *txn, k int32, offset int64, r []known) {
	i := sort.Search(len(r), func(i int) bool { return r[i].offset > offset })
	if i == len(r) {
		return
	}
	lag := Lag{Time: t.Invoke.Time, Process: int(t.Invoke.Process), Key: j.keys[k].name, Lag: t.Invoke.Time - r[i].time}
	if w := j.WorstRealtimeLag; lag.Lag > w.Lag || lag.Lag == w.Lag && w.Lag > 0 && lag.Time == w.Time && lag.Key < w.Key {
		j.WorstRealtimeLag = lag
	}
}
