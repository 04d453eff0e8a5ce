package linear

import (
	"fmt"
	"slices"
)

// This file says of each object what its operations find and leave where, as far
// as that can be said of them one by one: see cellular.

func (registerObject) touches(ops []act, _ int64) ([]touch, bool) {
	list := make([]touch, len(ops))
	for i, x := range ops {
		if x.a != int64(none) {
			list[i].found = []cell{{0, x.a}}
		}
		if x.b != int64(none) {
			list[i].left = []cell{{0, x.b}}
		}
	}
	return list, true
}

func (registerObject) before(state, _ int64) int64 { return state }

func (r registerObject) tell(c cell) string {
	return fmt.Sprintf("found %v", r.values.Value(int32(c.value)))
}

// touches leaves out what a transaction found of its own. It takes none that
// contradict themselves.
func (s *multiSpec) touches(ops []act, _ int64) ([]touch, bool) {
	list := make([]touch, len(ops))
	for i := range ops {
		t := &list[i]
		for _, m := range s.txn(&ops[i]) {
			own := slices.IndexFunc(t.left, func(c cell) bool { return c.at == int64(m.register) })
			c := cell{int64(m.register), int64(m.value)}
			switch {
			case m.write && own >= 0:
				t.left[own] = c
			case m.write:
				t.left = append(t.left, c)
			case own >= 0 && t.left[own] != c, slices.ContainsFunc(t.found, func(d cell) bool { return own < 0 && d.at == c.at && d != c }):
				return nil, false
			case own < 0:
				t.found = append(t.found, c)
			}
		}
	}
	return list, true
}

func (s *multiSpec) before(state, at int64) int64 {
	return int64(get(s.states.items[state], int32(at)))
}

func (s *multiSpec) tell(c cell) string {
	return fmt.Sprintf("found %v in %v", s.values.Value(int32(c.value)), s.registers.Value(int32(c.at)))
}

// presence is the cell of an element that is there, or not.
func presence(element int64, there bool) cell {
	if there {
		return cell{element, 1}
	}
	return cell{element, 0}
}

// presences returns the cells of what was seen of some elements.
func presences(all []int64, saw []int32) []cell {
	list := make([]cell, len(all))
	for i, e := range all {
		list[i] = presence(e, slices.Contains(saw, int32(e)))
	}
	return list
}

// gather returns the elements that operations are on, and what was seen; each once.
func gather(list []int64, saw ...int32) []int64 {
	list = slices.Clone(list)
	for _, e := range saw {
		list = append(list, int64(e))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (s *setSpec) touches(ops []act, _ int64) ([]touch, bool) {
	var all []int64
	for i := range ops {
		switch x := &ops[i]; x.verb {
		case setAdd, setRemove:
			all = gather(append(all, x.a))
		case setRead:
			all = gather(all, s.states.items[x.a]...)
		}
	}
	list := make([]touch, len(ops))
	for i, x := range ops {
		switch x.verb {
		case setAdd, setRemove:
			list[i].left = []cell{presence(x.a, x.verb == setAdd)}
		case setHas, setLacks:
			list[i].found = []cell{presence(x.a, x.verb == setHas)}
		case setRead:
			list[i].found = presences(all, s.states.items[x.a])
		}
	}
	return list, true
}

func (s *setSpec) before(state, at int64) int64 {
	_, there := slices.BinarySearch(s.states.items[state], int32(at))
	return presence(at, there).value
}

func (s *setSpec) tell(c cell) string { return tellPresence(c, s.values.Value(int32(c.at))) }

func tellPresence(c cell, element any) string {
	if c.value == 0 {
		return fmt.Sprintf("did not find %v", element)
	}
	return fmt.Sprintf("found %v", element)
}

// touches reads a queue whose elements differ, and of which everybody knows what
// they took.
func (s *queueSpec) touches(ops []act, first int64) ([]touch, bool) {
	all := gather(nil, s.states.items[first]...)
	for _, x := range ops {
		switch x.verb {
		case queuePut:
			all = gather(append(all, x.a))
		case queueTake:
			all = gather(append(all, x.a))
		case queueGuess:
			return nil, false
		}
	}
	list := make([]touch, len(ops))
	for i, x := range ops {
		switch x.verb {
		case queuePut:
			list[i].left = []cell{presence(x.a, true)}
		case queueTake:
			list[i] = touch{[]cell{presence(x.a, true)}, []cell{presence(x.a, false)}}
		case queueEmpty:
			list[i].found = presences(all, nil)
		}
	}
	return list, s.distinct(ops, first)
}

// distinct reports whether no two elements that were ever in a queue are the same.
func (s *queueSpec) distinct(ops []act, first int64) bool {
	elements := slices.Clone(s.states.items[first])
	for i := range ops {
		if ops[i].verb == queuePut {
			elements = append(elements, int32(ops[i].a))
		}
	}
	return len(gather(nil, elements...)) == len(elements)
}

func (s *queueSpec) before(state, at int64) int64 {
	return presence(at, slices.Contains(s.states.items[state], int32(at))).value
}

func (s *queueSpec) tell(c cell) string { return tellPresence(c, s.values.Value(int32(c.at))) }

// sequence knows that what goes into a queue first comes out first.
func (s *fifoSpec) sequence(a *reasoning) {
	for p := range a.ops {
		for t := range a.ops {
			s.sequel(a, p, t)
		}
	}
}

// sequel learns from the order of two elements.
func (s *fifoSpec) sequel(a *reasoning, p, q int) {
	x, y := &a.ops[p], &a.ops[q]
	take := func(v int64) int {
		return slices.IndexFunc(a.ops, func(z act) bool { return z.verb == queueTake && z.a == v })
	}
	if x.verb != queuePut || y.verb != queuePut || !a.precedes(p, q) || a.sure&(1<<p) == 0 {
		return
	}
	first, second := take(x.a), take(y.a)
	if second < 0 {
		return
	}
	why := fmt.Sprintf("%v was in front of %v%s", s.values.Value(int32(x.a)), s.values.Value(int32(y.a)), because(a.way(p, q)))
	f := fact{kind: "order"}
	f.take(a.way(p, q))
	if first < 0 {
		f.from, f.to, f.via = second, second, f.via&^(1<<second)
		f.why = fmt.Sprintf("%s took %v, but %s, and nobody had taken that by then", a.called(second), s.values.Value(int32(y.a)), why)
		a.stuck = &f
		return
	}
	f.from, f.to, f.via = first, second, f.via&^(1<<first|1<<second)
	f.why = fmt.Sprintf("%s came before %s, for %s", a.called(first), a.called(second), why)
	a.know(f)
}

// touches reads a log whose elements differ.
func (s *logSpec) touches(ops []act, first int64) ([]touch, bool) {
	elements := s.states.items(first)
	for i := range ops {
		if ops[i].verb == logAppend {
			elements = append(elements, int32(ops[i].a))
		}
	}
	all := gather(nil, elements...)
	if len(all) < len(elements) {
		return nil, false
	}
	list := make([]touch, len(ops))
	for i, x := range ops {
		switch x.verb {
		case logAppend:
			list[i].left = []cell{presence(x.a, true)}
		case logRead:
			saw := s.states.items(x.a)
			if len(gather(nil, saw...)) < len(saw) {
				return nil, false
			}
			list[i].found = presences(gather(all, saw...), saw)
		}
	}
	return list, true
}

func (s *logSpec) before(state, at int64) int64 {
	return presence(at, slices.Contains(s.states.items(state), int32(at))).value
}

func (s *logSpec) tell(c cell) string { return tellPresence(c, s.values.Value(int32(c.at))) }

// sequence knows that appends came in the order in which reads found them.
func (s *logSpec) sequence(a *reasoning) {
	maker := func(v int32) int {
		return slices.IndexFunc(a.ops, func(x act) bool { return x.verb == logAppend && x.a == int64(v) })
	}
	for r := range a.ops {
		if a.ops[r].verb != logRead {
			continue
		}
		saw := s.states.items(a.ops[r].a)
		for i := 1; i < len(saw); i++ {
			from, to := maker(saw[i-1]), maker(saw[i])
			if from >= 0 && to >= 0 {
				why := fmt.Sprintf("%s found %v in front of %v", a.called(r), s.values.Value(saw[i-1]), s.values.Value(saw[i]))
				a.know(fact{from: from, to: to, kind: "ww", why: why, via: 1 << r})
			}
		}
	}
}
