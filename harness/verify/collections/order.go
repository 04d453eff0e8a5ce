package collections

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// snapshots are the reads of a long-fork.
type snapshots struct {
	keys   numbers
	pairs  numbers // keys with values that were to be written
	wrote  []bool  // by pair, whether a write of it did not fail
	reads  []snapshot
	anyhow bool // somebody wrote something
}

// snapshot is one read: the numbers of the keys that it has and lacks.
type snapshot struct {
	*claim.Op
	has, lacks []int
	odd        bool  // a value is there that nobody wrote
	aborted    []int // pairs that are there and whose writes all failed
}

// mop is a micro-operation of a transaction.
type mop struct {
	*claim.Op
	write      bool
	key, value history.Value
}

// mops reads the micro-operations of a transaction.
func mops(o *claim.Op, v history.Value) ([]mop, error) {
	var list []mop
	for _, e := range v.Elems() {
		parts := e.Elems()
		if v.Kind() != history.KindList || len(parts) < 2 {
			return nil, fmt.Errorf("index %d is no list of reads and writes", o.Invoke.Index)
		}
		m := mop{Op: o, key: parts[1]}
		if len(parts) > 2 {
			m.value = parts[2]
		}
		switch parts[0].Text() {
		case "w", "write":
			m.write = true
		case "r", "read":
		default:
			return nil, fmt.Errorf("index %d is no list of reads and writes", o.Invoke.Index)
		}
		list = append(list, m)
	}
	return list, nil
}

func longFork(c *claim.Claim) error {
	size := 0
	for name, value := range c.Parameters {
		n, err := strconv.Atoi(value)
		if name != "group-size" || err != nil {
			return fmt.Errorf("parameter %s=%s of %s means nothing", name, value, c.Definition)
		}
		size = n
	}
	written := false // by anybody, under any key
	for i := range c.Ops {
		list, err := mops(&c.Ops[i], c.Ops[i].Invoke.Value)
		if err != nil {
			return err
		}
		written = written || slices.ContainsFunc(list, func(m mop) bool { return m.write })
	}
	return decide(c, func(ops []*claim.Op) (subject, error) { return newSnapshots(ops, size, written) })
}

func newSnapshots(ops []*claim.Op, size int, written bool) (*snapshots, error) {
	s := &snapshots{anyhow: written}
	var writes, reads []mop
	for _, o := range ops {
		list, _ := mops(o, o.Invoke.Value)
		for _, m := range list {
			if m.write {
				writes, s.keys, s.pairs = append(writes, m), append(s.keys, m.key), append(s.pairs, history.Tuple(m.key, m.value))
			}
		}
		list, err := others(o)
		if err != nil {
			return nil, err
		}
		if n := len(list); n > 0 && size > 0 && n != size {
			return nil, fmt.Errorf("index %d read %d keys and not %d", o.Complete.Index, n, size)
		}
		for _, m := range list {
			reads, s.keys = append(reads, m), append(s.keys, m.key)
		}
	}
	s.keys, s.pairs = s.keys.sorted(), s.pairs.sorted()
	s.wrote = make([]bool, len(s.pairs))
	once := make([]bool, len(s.keys))
	for _, w := range writes {
		if k, _ := s.keys.of(w.key); !w.Failed() {
			if once[k] {
				return nil, fmt.Errorf("key %v is written twice", w.key)
			}
			once[k] = true
			p, _ := s.pairs.of(history.Tuple(w.key, w.value))
			s.wrote[p] = true
		}
	}
	return s, s.take(reads)
}

// others returns what a transaction that was ok has read but for what it wrote.
func others(o *claim.Op) ([]mop, error) {
	if !o.Happened() {
		return nil, nil
	}
	list, err := mops(o, o.Complete.Value)
	var own numbers
	for _, m := range list {
		if m.write {
			own = append(own, m.key)
		}
	}
	own = own.sorted()
	return slices.DeleteFunc(list, func(m mop) bool { _, ok := own.of(m.key); return ok }), err
}

// take makes snapshots of what was read.
func (s *snapshots) take(reads []mop) error {
	found := map[int]history.Value{} // by key, where nothing is written
	for _, m := range reads {
		if n := len(s.reads); n == 0 || s.reads[n-1].Op != m.Op {
			s.reads = append(s.reads, snapshot{Op: m.Op})
		}
		r := &s.reads[len(s.reads)-1]
		k, _ := s.keys.of(m.key)
		p, tried := s.pairs.of(history.Tuple(m.key, m.value))
		if m.value.IsNil() {
			r.lacks = append(r.lacks, k)
			continue
		}
		r.has = append(r.has, k)
		v, again := found[k]
		switch {
		case !s.anyhow && again && !v.Equal(m.value):
			return fmt.Errorf("key %v has two values and no writes", m.key)
		case !s.anyhow:
			found[k] = m.value
		case !tried:
			r.odd = true
		case !s.wrote[p]:
			r.aborted = append(r.aborted, p)
		}
	}
	return nil
}

func (s *snapshots) holds() (int, error) {
	for _, r := range s.reads {
		if r.odd || len(r.aborted) > 0 {
			return 0, fmt.Errorf("index %d read what was not written: %v", r.Complete.Index, r.Complete.Value)
		}
	}
	if !s.ordered(s.reads) {
		return 0, fmt.Errorf("there is no order of the writes that explains the reads")
	}
	return len(s.reads), nil
}

// ordered reports whether reads have an order. It takes away keys that nobody lacks
// any more, and reads all of whose keys were taken away, as long as there are any.
func (s *snapshots) ordered(reads []snapshot) bool {
	lacking, having := make([]int, len(s.keys)), make([][]int, len(s.keys)) // by key
	missing := make([]int, len(reads))                                      // keys not taken away, by read
	for i, r := range reads {
		missing[i] = len(r.has)
		for _, k := range r.lacks {
			lacking[k]++
		}
		for _, k := range r.has {
			having[k] = append(having[k], i)
		}
	}
	var ready []int // reads
	done := 0
	release := func(k int) {
		for _, i := range having[k] {
			if missing[i]--; missing[i] == 0 {
				ready = append(ready, i)
			}
		}
	}
	for i := range reads {
		if missing[i] == 0 {
			ready = append(ready, i)
		}
	}
	for k := range lacking {
		if lacking[k] == 0 {
			release(k)
		}
	}
	for ; len(ready) > 0; ready = ready[1:] {
		done++
		for _, k := range reads[ready[0]].lacks {
			if lacking[k]--; lacking[k] == 0 {
				release(k)
			}
		}
	}
	return done == len(reads)
}

func (s *snapshots) shows(anomaly string, ops []*claim.Op) error {
	var reads []snapshot
	var writes []*claim.Op
	for _, o := range ops {
		at, ok := slices.BinarySearchFunc(s.reads, o, func(r snapshot, o *claim.Op) int { return r.Inv - o.Inv })
		if ok {
			reads = append(reads, s.reads[at])
		} else {
			writes = append(writes, o)
		}
	}
	shown := false
	switch {
	case anomaly == "long-fork":
		shown = len(writes) == 0 && !s.ordered(reads)
	case anomaly == "unexpected":
		shown = len(writes) == 0 && reads[0].odd && len(reads) == 1
	case anomaly == "aborted-read":
		shown = len(writes) == 1 && len(reads) == 1 && s.aborts(writes[0], reads[0])
	}
	if !shown {
		return unknown(anomaly, ops)
	}
	return nil
}

// aborts reports whether a read has what a transaction wrote that failed.
func (s *snapshots) aborts(w *claim.Op, r snapshot) bool {
	list, _ := mops(w, w.Invoke.Value)
	return w.Failed() && slices.ContainsFunc(list, func(m mop) bool {
		p, _ := s.pairs.of(history.Tuple(m.key, m.value))
		return m.write && slices.Contains(r.aborted, p)
	})
}

// inserts is a set that values are written to, as causal-reverse looks at it.
type inserts struct {
	name      numbers
	elements  []element
	reads     []*claim.Op
	knownThen []int // when values were acknowledged, sorted
}

func causalReverse(c *claim.Claim) error {
	if _, err := c.Flags(); err != nil {
		return err
	}
	return decide(c, func(ops []*claim.Op) (subject, error) { return newInserts(ops) })
}

func newInserts(ops []*claim.Op) (*inserts, error) {
	s := &inserts{}
	for _, o := range ops {
		switch {
		case o.Invoke.F == "write":
			s.name = append(s.name, o.Invoke.Value)
		case o.Invoke.F == "read" && o.Happened():
			s.reads = append(s.reads, o)
			if _, err := claim.Listed(o); err != nil {
				return nil, err
			}
		}
	}
	s.name = s.name.sorted()
	s.elements = slices.Repeat([]element{{claim.Never, claim.Never}}, len(s.name))
	for _, o := range ops {
		if o.Invoke.F == "write" {
			i, _ := s.name.of(o.Invoke.Value)
			s.elements[i].took(o)
		}
	}
	for _, e := range s.elements {
		s.knownThen = append(s.knownThen, e.known)
	}
	slices.Sort(s.knownThen)
	return s, nil
}

func (s *inserts) holds() (int, error) {
	last := make([]int, len(s.elements)) // the last read that had it, from 1
	for n, o := range s.reads {
		latest := 0 // when the latest write of what is there was invoked
		for _, v := range o.Complete.Value.Elems() {
			i, ok := s.name.of(v)
			if !ok || s.elements[i].begun > o.Res {
				return 0, fmt.Errorf("index %d has %v, which nobody can have written by then", o.Complete.Index, v)
			}
			latest = max(latest, s.elements[i].begun)
		}
		have := 0
		for _, v := range o.Complete.Value.Elems() {
			if i, _ := s.name.of(v); last[i] <= n {
				last[i] = n + 1
				if s.elements[i].known < latest {
					have++
				}
			}
		}
		if owed, _ := slices.BinarySearch(s.knownThen, latest); have < owed {
			return 0, fmt.Errorf("index %d has %d of the %d values that were acknowledged before one that it has was written", o.Complete.Index, have, owed)
		}
	}
	return len(s.reads), nil
}

func (s *inserts) shows(anomaly string, ops []*claim.Op) error {
	var reads, writes []*claim.Op
	for _, o := range ops {
		switch {
		case slices.Contains(s.reads, o):
			reads = append(reads, o)
		case o.Invoke.F == "write":
			writes = append(writes, o)
		}
	}
	if len(reads) != 1 || len(ops) != 1+len(writes) {
		return unknown(anomaly, ops)
	}
	r, shown := reads[0], false
	begun := func(w *claim.Op) int {
		i, _ := s.name.of(w.Invoke.Value)
		return s.elements[i].begun
	}
	switch {
	case anomaly == "unexpected" && len(writes) == 0:
		shown = slices.ContainsFunc(r.Complete.Value.Elems(), func(v history.Value) bool {
			i, ok := s.name.of(v)
			return !ok || s.elements[i].begun != claim.Never && r.Res < s.elements[i].begun
		})
	case len(writes) == 1:
		shown = anomaly == "aborted-read" && times(r, writes[0].Invoke.Value) > 0 && begun(writes[0]) == claim.Never
	case len(writes) == 2 && anomaly == "causal-reverse":
		a, b := writes[0], writes[1]
		shown = a.Happened() && a.Before(b) && b.Inv == begun(b) && times(r, b.Invoke.Value) > 0 && times(r, a.Invoke.Value) == 0
	}
	if !shown {
		return unknown(anomaly, ops)
	}
	return nil
}
