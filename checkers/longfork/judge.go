package longfork

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge collects keys and reads, and then looks for forks.
type judge struct {
	Report
	opts      Options
	clock     checkers.Clock
	ids       intern.Table // of keys
	keys      []key        // by number
	snapshots []snapshot
	written   bool // there is a write at all

	pairs  intern.Table   // keys with values whose writes failed
	failed []history.Call // by the number of the pair, the first of these writes
}

// key is what is known of a key.
type key struct {
	write history.Call  // the write of it that did not fail
	value history.Value // what was written, or read first if there are no writes
}

// snapshot is a read that was ok.
type snapshot struct {
	history.Call
	mops []mop
	keys []int32
}

// key numbers a key.
func (j *judge) key(v history.Value) int32 {
	id := j.ids.ID(v)
	if int(id) == len(j.keys) {
		j.keys = append(j.keys, key{})
	}
	return id
}

// writes takes in what a call writes.
func (j *judge) writes(c history.Call) error {
	list, err := mops(c.Invoke)
	if err != nil {
		return err
	}
	for _, m := range list {
		if !m.write {
			continue
		}
		j.written = true
		switch k := &j.keys[j.key(m.key)]; {
		case c.Type() == history.Fail:
			if id := j.pairs.ID(history.Tuple(m.key, m.value)); int(id) == len(j.failed) {
				j.failed = append(j.failed, c)
			}
		case k.write.Invoke != nil:
			return fmt.Errorf("index %d: key %v is written a second time, after index %d: a long fork can only be seen where every key is written once",
				c.Invoke.Index, m.key, k.write.Invoke.Index)
		default:
			k.write, k.value = c, m.value
		}
	}
	return nil
}

// reads takes in what a call read that was ok, but for keys that it wrote itself.
func (j *judge) reads(c history.Call) error {
	if c.Type() != history.OK {
		return nil
	}
	list, err := mops(c.Complete)
	if err != nil {
		return err
	}
	if list = others(list); len(list) == 0 {
		return nil
	}
	if j.opts.GroupSize > 0 && len(list) != j.opts.GroupSize {
		return fmt.Errorf("index %d: a read of %d keys, but every read has to have the %d of a group", c.Complete.Index, len(list), j.opts.GroupSize)
	}
	s := snapshot{Call: c, mops: list}
	have := 0
	for _, m := range list {
		s.keys = append(s.keys, j.key(m.key))
		if !m.value.IsNil() {
			have++
		}
	}
	j.Reads++
	switch have {
	case 0:
		j.Early++
	case len(list):
		j.Late++
	}
	j.snapshots = append(j.snapshots, s)
	return nil
}

// others returns the reads of keys that a transaction does not write.
func others(list []mop) []mop {
	var own intern.Table
	for _, m := range list {
		if m.write {
			own.ID(m.key)
		}
	}
	return slices.DeleteFunc(list, func(m mop) bool {
		_, mine := own.Find(m.key)
		return mine
	})
}

// values sees whether what a read has was written.
func (j *judge) values(s *snapshot) error {
	for i, m := range s.mops {
		k := &j.keys[s.keys[i]]
		if m.value.IsNil() || k.write.Invoke != nil && m.value.Equal(k.value) {
			continue
		}
		switch id, failed := j.pairs.Find(history.Tuple(m.key, m.value)); {
		case failed:
			w := j.failed[id]
			j.aborted++
			j.note(j.aborted, Aborted, m.key, fmt.Sprintf("%s and got %v for key %v, whose write by process %v at %s failed, so it certainly did not happen",
				j.describe(s.Call), m.value, m.key, w.Invoke.Process, j.clock.At(w.Invoke)), nil, w, s.Call)
		case j.written:
			j.unexpected++
			j.note(j.unexpected, Unexpected, m.key, fmt.Sprintf("%s and got %v for key %v, which nobody wrote", j.describe(s.Call), m.value, m.key), nil, s.Call)
		case k.value.IsNil():
			k.value = m.value
		case !m.value.Equal(k.value):
			return fmt.Errorf("index %d: key %v is %v, and was %v in another read: a long fork can only be seen where every key is written once",
				s.Complete.Index, m.key, m.value, k.value)
		}
	}
	return nil
}

// forks looks for cycles of keys and reads. Reads are numbered after the keys.
func (j *judge) forks() {
	g := digraph.New(len(j.keys) + len(j.snapshots))
	for n, s := range j.snapshots {
		node := len(j.keys) + n
		for i, m := range s.mops {
			if m.value.IsNil() {
				g.Add(node, int(s.keys[i]))
			} else {
				g.Add(int(s.keys[i]), node)
			}
		}
	}
	for _, component := range g.Components() {
		j.ForkCount++
		if j.ForkCount > checkers.MaxAnomalies {
			continue
		}
		cycle := g.Cycle(component, func(node int32) bool { return int(node) >= len(j.keys) })
		j.fork(cycle)
	}
}

// fork explains a cycle, which begins with a read: the read has not the key that
// follows it, and has the key before it.
func (j *judge) fork(cycle []int32) {
	var calls []history.Call
	var parts []string
	for i := 0; i < len(cycle); i += 2 {
		s := j.snapshots[int(cycle[i])-len(j.keys)]
		has, lacks := cycle[(i+len(cycle)-1)%len(cycle)], cycle[i+1]
		calls = append(calls, s.Call)
		parts = append(parts, fmt.Sprintf("%s and got key %v but not key %v", j.describe(s.Call), j.ids.Value(has), j.ids.Value(lacks)))
	}
	what := strings.Join(parts, "; ")
	what += fmt.Sprintf(": every key is written once, so %s; no order of the writes explains that", j.order(cycle))
	j.note(j.ForkCount, LongFork, history.Value{}, what, j.edges(cycle), calls...)
	j.Forks = append(j.Forks, j.Anomalies[len(j.Anomalies)-1].Ops)
}

// edges are the steps around a cycle: each read lacks a key that the next one has.
func (j *judge) edges(cycle []int32) []checkers.Edge {
	var edges []checkers.Edge
	for i := 0; i < len(cycle); i += 2 {
		from, key, to := j.snapshots[int(cycle[i])-len(j.keys)], cycle[i+1], j.snapshots[int(cycle[(i+2)%len(cycle)])-len(j.keys)]
		e := checkers.Edge{From: from.Invoke.Index, To: to.Invoke.Index, Kind: "visible", Key: checkers.KeyName(j.ids.Value(key)),
			Why: fmt.Sprintf("process %v got nothing for key %v, and process %v got it: it was written between the two snapshots",
				from.Invoke.Process, j.ids.Value(key), to.Invoke.Process)}
		if w := j.keys[key].write; w.Invoke != nil {
			e.Via = []int{w.Invoke.Index}
		}
		edges = append(edges, e)
	}
	return edges
}

// order says what a cycle asks for: "0 was written before 1, and 1 before 0".
func (j *judge) order(cycle []int32) string {
	var parts []string
	for i := 0; i < len(cycle); i += 2 {
		has, lacks := cycle[(i+len(cycle)-1)%len(cycle)], cycle[i+1]
		was := " before"
		if i == 0 {
			was = " was written before"
		}
		parts = append(parts, fmt.Sprintf("%v%s %v", j.ids.Value(has), was, j.ids.Value(lacks)))
	}
	return strings.Join(parts, ", and ")
}

// note keeps an anomaly, the count-th of its name, if it can still be shown.
func (j *judge) note(count int, name string, key history.Value, what string, edges []checkers.Edge, calls ...history.Call) {
	if count > checkers.MaxAnomalies {
		return
	}
	a := checkers.Anomaly{Name: name, Key: checkers.KeyName(key), Explanation: what, Edges: edges}
	for _, c := range calls {
		a.Ops = append(a.Ops, c.Invoke.Index)
	}
	slices.Sort(a.Ops)
	j.Anomalies = append(j.Anomalies, a)
}

func (j *judge) describe(c history.Call) string {
	at := ""
	if c.Invoke.Node != "" {
		at = " through " + c.Invoke.Node
	}
	return fmt.Sprintf("process %v read%s at %s", c.Invoke.Process, at, j.clock.At(c.Invoke))
}
