package linear

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// The verbs of a set. The element is a, but for a read, where it is the state
// that was read.
const (
	setAdd verb = iota + 1
	setRemove
	setHas
	setLacks
	setRead
)

// setSpec is a set. A state is the list of its elements in order of their numbers.
type setSpec struct {
	model  Model
	values intern.Table
	states *pool
	whole  bool // somebody read all of it
}

func newSetSpec(m Model) spec { return &setSpec{model: m, states: newPool()} }

func (s *setSpec) decode(c history.Call) (act, error) {
	switch c.Invoke.F {
	case "add":
		return act{verb: setAdd, a: int64(s.values.ID(known(argument(c))))}, nil
	case "remove":
		return act{verb: setRemove, a: int64(s.values.ID(known(argument(c))))}, nil
	case "contains":
		return s.decodeContains(c)
	case "read":
		v, ok := outcome(c, s.model.NilMatchesAny)
		if !ok {
			return act{verb: anything}, nil
		}
		s.whole = true
		return act{verb: setRead, a: s.states.id(elements(&s.values, v, true))}, nil
	default:
		return act{}, unknownF(s.model.Name, c)
	}
}

// elements returns the numbers of the elements of a value, sorted and each once
// if they are those of a set.
func elements(values *intern.Table, v history.Value, set bool) []int32 {
	list := make([]int32, len(v.Elems()))
	for i, e := range v.Elems() {
		list[i] = values.ID(e)
	}
	if set {
		slices.Sort(list)
		list = slices.Compact(list)
	}
	return list
}

// decodeContains takes the answer alone, or behind the element that was asked for.
func (s *setSpec) decodeContains(c history.Call) (act, error) {
	v, ok := outcome(c, s.model.NilMatchesAny)
	if !ok {
		return act{verb: anything}, nil
	}
	if pair := v.Elems(); len(pair) == 2 {
		v = pair[1]
	}
	x := act{verb: setLacks, a: int64(s.values.ID(known(c.Invoke.Value)))}
	switch there, ok := v.Bool(); {
	case !ok:
		return act{}, fmt.Errorf("contains returns true or false, not %v", v)
	case there:
		x.verb = setHas
	}
	return x, nil
}

func (s *setSpec) start() int64 { return 0 }

func (s *setSpec) pure(x *act) bool { return x.verb != setAdd && x.verb != setRemove }

// useful keeps elements that somebody saw, and removals if somebody saw that
// something was not there.
func (s *setSpec) useful(ops []act) func(*act) bool {
	seen, missed := make([]bool, s.values.Len()), make([]bool, s.values.Len())
	for i := range ops {
		switch x := &ops[i]; x.verb {
		case setHas:
			seen[x.a] = true
		case setLacks:
			missed[x.a] = true
		case setRead:
			for _, v := range s.states.items[x.a] {
				seen[v] = true
			}
		}
	}
	return func(x *act) bool {
		if x.verb == setAdd {
			return seen[x.a]
		}
		return s.whole || missed[x.a]
	}
}

func (s *setSpec) step(state int64, x *act) (int64, bool) {
	switch x.verb {
	case anything:
		return state, true
	case setRead:
		return state, state == x.a
	case setHas, setLacks:
		_, there := slices.BinarySearch(s.states.items[state], int32(x.a))
		return state, there == (x.verb == setHas)
	}
	return s.states.step(state, x, func(items []int32) ([]int32, bool) {
		at, there := slices.BinarySearch(items, int32(x.a))
		switch {
		case there == (x.verb == setAdd):
			return items, true
		case there:
			return slices.Delete(slices.Clone(items), at, at+1), true
		default:
			return slices.Insert(slices.Clone(items), at, int32(x.a)), true
		}
	})
}

// part judges elements one by one, unless somebody read all of them at once.
func (s *setSpec) part(ops []act) []int32 {
	parts := make([]int32, len(ops))
	numbers := make(map[int64]int32)
	for i := range ops {
		e := ops[i].a
		if s.whole || ops[i].verb == anything {
			e = 0
		}
		if _, ok := numbers[e]; !ok {
			numbers[e] = int32(len(numbers))
		}
		parts[i] = numbers[e]
	}
	return parts
}

func (s *setSpec) value(x *act) (int64, bool) { return x.a, x.verb != anything && x.verb != setRead }

func (s *setSpec) size() int64 { return int64(s.values.Len()) }

// without leaves an element out of everything, and of what was read.
func (s *setSpec) without(ops []act, element int64) []act {
	var rest []act
	for _, x := range ops {
		switch {
		case x.verb == setRead:
			items := slices.Clone(s.states.items[x.a])
			x.a = s.states.id(slices.DeleteFunc(items, func(v int32) bool { return int64(v) == element }))
		case x.a == element && x.verb != anything:
			continue
		}
		rest = append(rest, x)
	}
	return rest
}

func (s *setSpec) holds(state int64) string {
	return "it held " + brief(s.states.items[state], &s.values)
}

func (s *setSpec) why(state int64, x *act) string {
	have := s.states.items[state]
	if x.verb != setRead {
		return fmt.Sprintf("it held %s", brief(have, &s.values))
	}
	want := s.states.items[x.a]
	return fmt.Sprintf("it held %s and was not %s", brief(have, &s.values), brief(want, &s.values))
}
