package collections

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// survivors are the operations on registers, in the order of their invocations.
type survivors struct {
	keys    numbers
	items   numbers // keys with values that writes may have left
	touches []touch
	writers [][]*claim.Op // by item, the writes that may have left it
}

// touch is what an operation did to its register: the item that it read and the one
// that it wrote, or nobody.
type touch struct {
	*claim.Op
	key, reads, writes int
	final              bool // it is a final read
}

// hope is a write that may have left what a final read has, or nobody.
type hope struct {
	final  touch
	writer *claim.Op
	lost   bool // it happened before another one that was acknowledged
}

const noOne = -1

func causalWrites(c *claim.Claim) error {
	if _, err := c.Flags(); err != nil {
		return err
	}
	s := newSurvivors(c.Ops)
	if c.Verdict == claim.Invalid {
		return s.confirm(c)
	}
	if len(c.Evidence) > 0 {
		return fmt.Errorf("there is evidence, but causal-writes and ok take none")
	}
	return s.hold()
}

// values returns what an operation read and wrote, and whether it did either.
func values(o *claim.Op) (read, written history.Value, reads, writes bool) {
	v := o.Invoke.Value
	if v.IsNil() && o.Complete != nil {
		v = o.Complete.Value
	}
	switch e := v.Elems(); {
	case o.Failed():
		return read, v, false, false
	case o.Invoke.F == "read" && o.Happened():
		return o.Complete.Value, written, !o.Complete.Value.IsAbsent(), false
	case o.Invoke.F == "write":
		return read, v, false, true
	case o.Invoke.F == "delete":
		return read, history.Nil, false, true
	case o.Invoke.F == "cas" && len(e) == 2:
		return e[0], e[1], true, true
	default:
		return read, written, false, false
	}
}

func newSurvivors(ops []claim.Op) *survivors {
	s := &survivors{}
	item := func(o *claim.Op, v history.Value) history.Value { return history.Tuple(o.Invoke.Key, v) }
	for i := range ops {
		s.keys = append(s.keys, ops[i].Invoke.Key)
		if _, v, _, writes := values(&ops[i]); writes {
			s.items = append(s.items, item(&ops[i], v))
		}
	}
	s.keys, s.items = s.keys.sorted(), s.items.sorted()
	s.writers = make([][]*claim.Op, len(s.items))
	for i := range ops {
		o := &ops[i]
		read, written, reads, writes := values(o)
		if !reads && !writes {
			continue
		}
		t := touch{Op: o, reads: noOne, writes: noOne, final: o.Invoke.Final && !writes}
		t.key, _ = s.keys.of(o.Invoke.Key)
		if n, ok := s.items.of(item(o, read)); reads && ok {
			t.reads = n
		}
		if writes {
			t.writes, _ = s.items.of(item(o, written))
			s.writers[t.writes] = append(s.writers[t.writes], o)
		}
		s.touches = append(s.touches, t)
	}
	return s
}

// hopes returns the writes that may have left what a final read has.
func (s *survivors) hopes(final touch) []hope {
	var list []hope
	if final.Complete.Value.IsNil() {
		list = append(list, hope{final: final})
	}
	if final.reads != noOne {
		for _, w := range s.writers[final.reads] {
			list = append(list, hope{final: final, writer: w})
		}
	}
	return list
}

// hold confirms that for every value that a final read has, some write can have left
// it. The last final read that has it asks the most.
func (s *survivors) hold() error {
	finals, acknowledged := map[[2]int]touch{}, false
	for _, t := range s.touches {
		acknowledged = acknowledged || t.writes != noOne && t.Happened()
		if t.final {
			finals[[2]int{t.key, t.reads}] = t
		}
		if t.final && t.reads == noOne && !t.Complete.Value.IsNil() {
			return fmt.Errorf("index %d has %v, which nobody wrote", t.Complete.Index, t.Complete.Value)
		}
	}
	if len(finals) == 0 || !acknowledged {
		return fmt.Errorf("there is nothing to judge, so nothing is ok")
	}
	var all []hope
	for _, t := range finals {
		all = append(all, s.hopes(t)...)
	}
	s.lose(all, s.touches)
	kept := map[*claim.Op]bool{}
	for _, h := range all {
		kept[h.final.Op] = kept[h.final.Op] || !h.lost
	}
	for _, t := range finals {
		if !kept[t.Op] {
			return fmt.Errorf("every write of %v happened before an acknowledged one to its key, and yet index %d has it", t.Complete.Value, t.Complete.Index)
		}
	}
	return nil
}

// lose finds out which hopes are lost, as far as some operations show it: going
// through the processes of the writers one by one, it counts for each operation how
// many of the process happened before it.
func (s *survivors) lose(hopes []hope, touches []touch) {
	process := func(h hope) history.Process {
		if h.writer == nil {
			return history.Nemesis
		}
		return h.writer.Invoke.Process
	}
	slices.SortStableFunc(hopes, func(a, b hope) int { return cmp.Compare(process(a), process(b)) })
	st := s.steps(touches)
	acked := map[int][]int{} // by key, the touches that were acknowledged writes
	for i, t := range touches {
		if t.writes != noOne && t.Happened() {
			acked[t.key] = append(acked[t.key], i)
		}
	}
	var before []int
	for i := range hopes {
		h := &hopes[i]
		if i == 0 || process(hopes[i-1]) != process(*h) {
			before = st.since(process(*h))
		}
		if h.writer != nil {
			if _, named := slices.BinarySearchFunc(touches, h.writer, byInvocation); !named {
				continue
			}
		}
		h.lost = slices.ContainsFunc(acked[h.final.key], func(k int) bool {
			return touches[k].Op != h.writer && touches[k].Before(h.final.Op) && (h.writer == nil || before[k] >= h.writer.Inv)
		})
	}
}

// byInvocation compares a touch with an operation, to find it.
func byInvocation(t touch, o *claim.Op) int { return cmp.Compare(t.Inv, o.Inv) }

// steps are operations with those that happened just before each.
type steps struct {
	touches []touch
	prev    []int // the operation before it of its process, or nobody
	from    []int // the only write of what it read, or nobody
	order   []int // in which a step seldom leads back
}

func (s *survivors) steps(touches []touch) *steps {
	st := &steps{touches: touches}
	last := map[history.Process]int{}
	for i, t := range touches {
		prev, from := noOne, noOne
		if k, ok := last[t.Invoke.Process]; ok {
			prev = k
		}
		last[t.Invoke.Process] = i
		if t.reads != noOne && len(s.writers[t.reads]) == 1 && !s.items[t.reads].Elems()[1].IsNil() {
			w := s.writers[t.reads][0]
			if k, ok := slices.BinarySearchFunc(touches, w, byInvocation); ok && k != i {
				from = k
			}
		}
		st.prev, st.from, st.order = append(st.prev, prev), append(st.from, from), append(st.order, i)
	}
	at := func(i int) int {
		if t := touches[i]; t.writes == noOne {
			return t.Res
		}
		return touches[i].Inv
	}
	slices.SortFunc(st.order, func(a, b int) int { return cmp.Compare(at(a), at(b)) })
	return st
}

// since returns for each operation when the last one of a process was invoked that
// happened before it, or that it is.
func (s *steps) since(p history.Process) []int {
	past := slices.Repeat([]int{noOne}, len(s.touches))
	for changed := true; changed; {
		changed = false
		for _, i := range s.order {
			last := past[i]
			if s.touches[i].Invoke.Process == p {
				last = s.touches[i].Inv
			}
			for _, k := range []int{s.prev[i], s.from[i]} {
				if k != noOne {
					last = max(last, past[k])
				}
			}
			changed = changed || last != past[i]
			past[i] = last
		}
	}
	return past
}

func (s *survivors) confirm(c *claim.Claim) error {
	var f finding
	if err := c.ReadEvidence(&f); err != nil {
		return err
	}
	var named []touch
	for i, index := range f.Ops {
		o, err := c.Op(index)
		if err != nil {
			return err
		}
		if i > 0 && f.Ops[i-1] >= index {
			return fmt.Errorf("the operations %v are not in the order of their invocations, each once", f.Ops)
		}
		at, ok := slices.BinarySearchFunc(s.touches, o, byInvocation)
		if !ok {
			named = append(named, touch{Op: o, reads: noOne, writes: noOne})
			continue
		}
		named = append(named, s.touches[at])
	}
	for _, t := range named {
		if t.final && s.shows(f.Anomaly, t, named) {
			return nil
		}
	}
	return fmt.Errorf("the operations %v do not show %q", f.Ops, f.Anomaly)
}

// shows reports whether operations show an anomaly of a final read.
func (s *survivors) shows(anomaly string, final touch, named []touch) bool {
	foreign := final.reads == noOne && !final.Complete.Value.IsNil()
	switch anomaly {
	case "thin-air-read":
		return foreign && len(named) == 1
	case "dirty-read":
		return foreign && len(named) == 2 && slices.ContainsFunc(named, func(t touch) bool {
			v := t.Invoke.Value
			switch e := v.Elems(); {
			case t.Invoke.F == "cas" && len(e) == 2:
				v = e[1]
			case t.Invoke.F != "write":
				return false
			}
			return t.Failed() && t.Invoke.Key.Equal(final.Invoke.Key) && v.Equal(final.Complete.Value)
		})
	case "lost-causal-write":
		hopes := s.hopes(final)
		s.lose(hopes, named)
		return !foreign && !slices.ContainsFunc(hopes, func(h hope) bool { return !h.lost })
	default:
		return false
	}
}
