package linear

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// multiTxn is the verb of a multi-register. The number of the transaction is a.
const multiTxn verb = 1

// micro is a part of a transaction: a read of a value or a write.
type micro struct {
	register, value int32
	write           bool
}

// multiSpec is many registers. A state is the values of all registers, from the
// first on, without those at the end that were never written.
type multiSpec struct {
	model     Model
	registers intern.Table
	values    intern.Table
	states    *pool
	numbers   map[string]int64 // of transactions, by what they do
	txns      [][]micro
}

func newMultiSpec(m Model) spec {
	s := &multiSpec{model: m, states: newPool(), numbers: make(map[string]int64)}
	s.values.ID(history.Nil)
	for kv := m.Initial.Elems(); m.Initial.Kind() == history.KindMap && len(kv) > 1; kv = kv[2:] {
		s.registers.ID(kv[0])
	}
	return s
}

func (s *multiSpec) decode(c history.Call) (act, error) {
	if c.Invoke.F != "txn" {
		return act{}, unknownF(s.model.Name, c)
	}
	v := c.Value()
	if k := v.Kind(); k != history.KindList && k != history.KindTuple {
		return act{}, notTxn(v)
	}
	var txn []micro
	for _, e := range v.Elems() {
		part := e.Elems()
		if len(part) != 3 {
			return act{}, notTxn(v)
		}
		switch part[0].Text() {
		case "read", "r":
			if c.Type() == history.OK && (!s.model.NilMatchesAny || !part[2].IsNil()) {
				txn = append(txn, micro{register: s.registers.ID(part[1]), value: s.values.ID(part[2])})
			}
		case "write", "w":
			txn = append(txn, micro{s.registers.ID(part[1]), s.values.ID(part[2]), true})
		default:
			return act{}, fmt.Errorf("a transaction can read and write, not %v", part[0])
		}
	}
	return s.act(txn), nil
}

// writes returns what a call would have written, also if it failed.
func (s *multiSpec) writes(c history.Call) []micro {
	var list []micro
	for _, e := range c.Value().Elems() {
		if part := e.Elems(); len(part) == 3 && (part[0].Text() == "write" || part[0].Text() == "w") {
			list = append(list, micro{s.registers.ID(part[1]), s.values.ID(part[2]), true})
		}
	}
	return list
}

func notTxn(v history.Value) error {
	return fmt.Errorf("a transaction is a list of [read register value] and [write register value], not %v", v)
}

// act returns the operation that a transaction is.
func (s *multiSpec) act(txn []micro) act {
	if len(txn) == 0 {
		return act{verb: anything}
	}
	key := fmt.Sprint(txn)
	n, ok := s.numbers[key]
	if !ok {
		n = int64(len(s.txns))
		s.numbers[key] = n
		s.txns = append(s.txns, txn)
	}
	return act{verb: multiTxn, a: n}
}

func (s *multiSpec) txn(x *act) []micro {
	if x.verb == anything {
		return nil
	}
	return s.txns[x.a]
}

func (s *multiSpec) start() int64 {
	var state []int32
	for kv := s.model.Initial.Elems(); s.model.Initial.Kind() == history.KindMap && len(kv) > 1; kv = kv[2:] {
		state = set(state, s.registers.ID(kv[0]), s.values.ID(kv[1]))
	}
	return s.states.id(state)
}

// set writes a value into a state, which it may change.
func set(state []int32, register, value int32) []int32 {
	for int(register) >= len(state) {
		state = append(state, initial)
	}
	state[register] = value
	for len(state) > 0 && state[len(state)-1] == initial {
		state = state[:len(state)-1]
	}
	return state
}

func get(state []int32, register int32) int32 {
	if int(register) < len(state) {
		return state[register]
	}
	return initial
}

func (s *multiSpec) pure(x *act) bool {
	return !slices.ContainsFunc(s.txn(x), func(m micro) bool { return m.write })
}

// useful keeps transactions of which something was seen.
func (s *multiSpec) useful(ops []act) func(*act) bool {
	seen := make(map[micro]bool)
	for i := range ops {
		for _, m := range s.txn(&ops[i]) {
			if !m.write {
				seen[m] = true
			}
		}
	}
	return func(x *act) bool {
		return slices.ContainsFunc(s.txn(x), func(m micro) bool { return seen[micro{register: m.register, value: m.value}] })
	}
}

func (s *multiSpec) step(state int64, x *act) (int64, bool) {
	if x.verb == anything {
		return state, true
	}
	return s.states.step(state, x, func(items []int32) ([]int32, bool) {
		items = slices.Clone(items)
		for _, m := range s.txns[x.a] {
			if m.write {
				items = set(items, m.register, m.value)
			} else if get(items, m.register) != m.value {
				return nil, false
			}
		}
		return items, true
	})
}

// part puts registers that a transaction uses together into one part.
func (s *multiSpec) part(ops []act) []int32 {
	root := make([]int32, s.registers.Len())
	for i := range root {
		root[i] = int32(i)
	}
	find := func(r int32) int32 {
		for root[r] != r {
			root[r] = root[root[r]]
			r = root[r]
		}
		return r
	}
	for i := range ops {
		txn := s.txn(&ops[i])
		for _, m := range txn {
			root[find(m.register)] = find(txn[0].register)
		}
	}
	parts := make([]int32, len(ops))
	numbers := make(map[int32]int32)
	for i := range ops {
		r := none
		if txn := s.txn(&ops[i]); len(txn) > 0 {
			r = find(txn[0].register)
		}
		if _, ok := numbers[r]; !ok {
			numbers[r] = int32(len(numbers))
		}
		parts[i] = numbers[r]
	}
	return parts
}

// forget leaves open what a transaction read.
func (s *multiSpec) forget(x act) act {
	y := s.act(slices.DeleteFunc(slices.Clone(s.txn(&x)), func(m micro) bool { return !m.write }))
	x.verb, x.a = y.verb, y.a
	return x
}

func (s *multiSpec) size() int64 { return int64(s.registers.Len()) }

// spare holds of transactions whose values nobody found.
func (s *multiSpec) spare(ops []act, x *act) bool {
	for _, m := range s.txn(x) {
		found := func(y act) bool {
			return y.call != x.call && slices.Contains(s.txn(&y), micro{register: m.register, value: m.value})
		}
		if m.write && slices.ContainsFunc(ops, found) {
			return false
		}
	}
	return true
}

// without leaves one register out of all transactions.
func (s *multiSpec) without(ops []act, register int64) []act {
	rest := make([]act, 0, len(ops))
	for _, x := range ops {
		var txn []micro
		for _, m := range s.txn(&x) {
			if int64(m.register) != register {
				txn = append(txn, m)
			}
		}
		if y := s.act(txn); len(txn) > 0 {
			x.verb, x.a = y.verb, y.a
			rest = append(rest, x)
		}
	}
	return rest
}

func (s *multiSpec) holds(state int64) string {
	var list []string
	for r := range int32(s.registers.Len()) {
		list = append(list, fmt.Sprintf("%v held %v", s.registers.Value(r), s.values.Value(get(s.states.items[state], r))))
	}
	return strings.Join(list, " and ")
}

func (s *multiSpec) why(state int64, x *act) string {
	items := slices.Clone(s.states.items[state])
	for _, m := range s.txn(x) {
		if m.write {
			items = set(items, m.register, m.value)
		} else if have := get(items, m.register); have != m.value {
			return fmt.Sprintf("%v held %v, not %v", s.registers.Value(m.register), s.values.Value(have), s.values.Value(m.value))
		}
	}
	return "it fits"
}
