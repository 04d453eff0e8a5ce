package linear

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// The verbs of a log. The element is a, or the state that was read.
const (
	logAppend verb = iota + 1
	logRead
)

// logSpec is a list that is appended to, which is its state.
type logSpec struct {
	model  Model
	values intern.Table
	states *trie
}

func newLogSpec(m Model) spec { return &logSpec{model: m, states: newTrie()} }

func (s *logSpec) decode(c history.Call) (act, error) {
	switch c.Invoke.F {
	case "append":
		return act{verb: logAppend, a: int64(s.values.ID(known(argument(c))))}, nil
	case "read":
		v, ok := outcome(c, s.model.NilMatchesAny)
		if !ok {
			return act{verb: anything}, nil
		}
		return act{verb: logRead, a: s.states.id(elements(&s.values, v, false))}, nil
	default:
		return act{}, unknownF(s.model.Name, c)
	}
}

func (s *logSpec) start() int64 { return 0 }

func (s *logSpec) pure(x *act) bool { return x.verb != logAppend }

// useful keeps what somebody saw: whatever is in the log is in all later reads.
func (s *logSpec) useful(ops []act) func(*act) bool {
	seen := make([]bool, s.values.Len())
	for i := range ops {
		if ops[i].verb == logRead {
			for _, v := range s.states.items(ops[i].a) {
				seen[v] = true
			}
		}
	}
	return func(x *act) bool { return seen[x.a] }
}

func (s *logSpec) step(state int64, x *act) (int64, bool) {
	switch x.verb {
	case logAppend:
		return s.states.child(state, int32(x.a)), true
	case logRead:
		return state, state == x.a
	default:
		return state, true
	}
}

func (s *logSpec) value(x *act) (int64, bool) { return x.a, x.verb == logAppend }

func (s *logSpec) finds(x *act) bool { return x.verb == logRead }

func (s *logSpec) leads(state int64, x *act) bool { return s.states.begins(state, x.a) }

func (s *logSpec) saves(*act, *act) bool { return false }

func (s *logSpec) size() int64 { return int64(s.values.Len()) }

// without leaves an element out, and out of what was read.
func (s *logSpec) without(ops []act, element int64) []act {
	var rest []act
	for _, x := range ops {
		switch {
		case x.verb == logRead:
			items := slices.DeleteFunc(s.states.items(x.a), func(v int32) bool { return int64(v) == element })
			x.a = s.states.id(items)
		case x.verb == logAppend && x.a == element:
			continue
		}
		rest = append(rest, x)
	}
	return rest
}

func (s *logSpec) only(x *act, element int64) bool {
	return x.verb == logRead && x.a != 0 && !slices.ContainsFunc(s.states.items(x.a), func(v int32) bool { return int64(v) != element })
}

func (s *logSpec) holds(state int64) string {
	return "it held " + brief(s.states.items(state), &s.values)
}

func (s *logSpec) why(state int64, x *act) string {
	return fmt.Sprintf("it held %s, not %s", brief(s.states.items(state), &s.values), brief(s.states.items(x.a), &s.values))
}

// trie numbers lists: one more element costs a look into a map, however long
// the list is.
type trie struct {
	children map[link]int64
	nodes    []link
	length   []int32
	paths    map[int64][]int64 // of lists that begins was asked for, the numbers of all that they begin with
}

// link is an element behind a list.
type link struct {
	list int64
	last int32
}

func newTrie() *trie {
	return &trie{children: make(map[link]int64), nodes: make([]link, 1), length: make([]int32, 1), paths: make(map[int64][]int64)}
}

// begins reports whether a list begins with another one, or is that.
func (t *trie) begins(front, list int64) bool {
	path, ok := t.paths[list]
	if !ok {
		for l := list; l != 0; l = t.nodes[l].list {
			path = append(path, l)
		}
		path = append(path, 0)
		slices.Reverse(path)
		t.paths[list] = path
	}
	n := int(t.length[front])
	return n < len(path) && path[n] == front
}

// child returns the number of a list with an element behind it.
func (t *trie) child(list int64, v int32) int64 {
	l := link{list, v}
	id, ok := t.children[l]
	if !ok {
		id = int64(len(t.nodes))
		t.nodes = append(t.nodes, l)
		t.length = append(t.length, t.length[list]+1)
		t.children[l] = id
	}
	return id
}

func (t *trie) id(items []int32) int64 {
	list := int64(0)
	for _, v := range items {
		list = t.child(list, v)
	}
	return list
}

// items returns the elements of a list.
func (t *trie) items(list int64) []int32 {
	var items []int32
	for ; list != 0; list = t.nodes[list].list {
		items = append(items, t.nodes[list].last)
	}
	slices.Reverse(items)
	return items
}
