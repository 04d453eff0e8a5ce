package linear

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// spec is the sequential specification of one object: which operations it has,
// and what they do to its state. A state is a number: itself, as with a counter,
// or the number that a pool has for what it stands for, so that two states are
// equal exactly if their numbers are.
//
// A spec belongs to one object, for it keeps the values that it has met.
type spec interface {
	object
	// decode reads the verb and the arguments of a call that did not fail. The
	// result is known only of one that is OK.
	decode(c history.Call) (act, error)
	// start is the state before everything. It is asked for after all calls have
	// been decoded.
	start() int64
	// useful says of operations whose outcome is unknown whether they may have
	// to be taken into account. The others can be dropped: if there is an order
	// with them, there is one without.
	useful(ops []act) func(x *act) bool
}

// object is the part of a spec that a search needs.
type object interface {
	// step applies an operation to a state, or reports that it cannot have
	// happened there.
	step(state int64, x *act) (int64, bool)
	// pure reports whether an operation never changes the state.
	pure(x *act) bool
	// why says what speaks against an operation in a state that refuses it.
	why(state int64, x *act) string
	// holds says what the object was in a state.
	holds(state int64) string
}

// verb is what an operation does. Each spec has its own, from 1 on.
type verb uint8

// anything is the verb of a completed operation that fits every state, since it
// changes nothing and nobody knows what it found.
const anything verb = 0

// act is an operation as the search sees it. Times are indices of the history,
// which is the order in which one clock saw them.
type act struct {
	inv, res int32 // res is forever if the outcome is unknown
	call     int32 // which call it is
	verb     verb
	a, b     int64 // arguments and results, as the spec takes them
}

func (x *act) isInfo() bool { return x.res == forever }

// kind is what makes operations interchangeable but for their times.
type kind struct {
	verb verb
	a, b int64
}

func (x *act) kind() kind { return kind{x.verb, x.a, x.b} }

// various is a spec with operations that may do several things in one state,
// which only operations without a result can.
type various interface {
	// variants returns what the operation may have done, or nil if that is clear.
	variants(x *act) []act
}

// parted is a spec of objects that consist of parts which do not depend on each
// other: the history is linearizable if that of each part is.
type parted interface {
	// part returns the number of the part that each operation belongs to.
	part(ops []act) []int32
}

// reducible is a spec whose violations can be made smaller by leaving out a
// value, such as an element of a queue, with everything that was done to it.
type reducible interface {
	// size returns how many values there are.
	size() int64
	// without returns the operations without a value. If the rest is not
	// linearizable, neither is the whole.
	without(ops []act, value int64) []act
}

// valued is a reducible spec whose operations are on one value each.
type valued interface {
	// value returns the value that an operation is on, or false if it is on none
	// in particular.
	value(x *act) (int64, bool)
}

// sparing is a spec with operations that can be left out if nobody has anything
// from them.
type sparing interface {
	// spare reports whether an operation can be left out. If the rest is not
	// linearizable then, neither is the whole.
	spare(ops []act, x *act) bool
}

// teller is a spec of which answers should not become empty when values are left out.
type teller interface {
	// only reports whether an operation found this value and nothing else.
	only(x *act, value int64) bool
}

// problem is the calls on one object as its spec reads them.
type problem struct {
	object
	first  int64 // the state before everything
	calls  []history.Call
	ops    []act // in the order of invocation
	judged int   // calls that were ok
	total  int   // operations before those that do not matter were dropped
}

// newProblem has the spec of m read calls, and drops what cannot matter:
// operations that failed, and those of unknown outcome that nobody can have seen.
func newProblem(m Model, calls []history.Call) (*problem, error) {
	p, err := decoded(m, calls)
	if err != nil {
		return nil, err
	}
	p.drop()
	return p, nil
}

// decoded has the spec of m read calls.
func decoded(m Model, calls []history.Call) (*problem, error) {
	s := m.make(m)
	p := &problem{object: s, calls: calls, ops: make([]act, 0, len(calls))}
	for i, c := range calls {
		if c.Type() == history.Fail {
			continue
		}
		x, err := s.decode(c)
		if err != nil {
			return nil, fmt.Errorf("index %d: %w", c.Invoke.Index, err)
		}
		x.inv, x.res, x.call = int32(c.Invoke.Index), forever, int32(i)
		if c.Type() == history.OK {
			x.res = int32(c.Complete.Index)
			p.judged++
		}
		p.ops = append(p.ops, x)
	}
	p.first = s.start()
	p.total = len(p.ops)
	return p, nil
}

// drop takes out the operations of unknown outcome that cannot matter: pure
// ones, those that nothing completed after, and what the spec says.
func (p *problem) drop() {
	useful := p.object.(spec).useful(p.ops)
	last := p.last()
	kept := p.ops[:0]
	for _, x := range p.ops {
		if !x.isInfo() || x.inv < last && !p.pure(&x) && useful(&x) {
			kept = append(kept, x)
		}
	}
	p.ops = kept
}

// parts returns the problems that p falls into.
func (p *problem) parts() []*problem {
	divide, ok := p.object.(parted)
	if !ok || len(p.ops) == 0 {
		return []*problem{p}
	}
	var list []*problem
	for i, n := range divide.part(p.ops) {
		for int(n) >= len(list) {
			list = append(list, &problem{object: p.object, first: p.first, calls: p.calls})
		}
		list[n].ops = append(list[n].ops, p.ops[i])
	}
	return list
}

// unknownF is the error of an operation that a model does not have.
func unknownF(model string, c history.Call) error {
	return fmt.Errorf("the model %s has no operation %q", model, c.Invoke.F)
}

// outcome returns the result of a call, and whether it is known: that of an
// operation that is not OK never is, and nil is not if it matches anything.
func outcome(c history.Call, nilMatchesAny bool) (history.Value, bool) {
	if c.Type() != history.OK {
		return history.Value{}, false
	}
	v := c.Complete.Value
	return v, !v.IsAbsent() && (!nilMatchesAny || !v.IsNil())
}

// nothingThere reports whether a value stands for no value.
func nothingThere(v history.Value) bool { return v.IsAbsent() || v.IsNil() }

// pool numbers the states of objects that hold several values, and remembers
// which operation leads from which to which.
type pool struct {
	ids   map[string]int64
	items [][]int32
	steps map[transition]int64
	key   []byte
}

type transition struct {
	state int64
	kind  kind
}

func newPool() *pool {
	p := &pool{ids: make(map[string]int64), steps: make(map[transition]int64)}
	p.id(nil) // the empty state is 0
	return p
}

// id returns the number of a state, which becomes the property of the pool.
func (p *pool) id(items []int32) int64 {
	p.key = p.key[:0]
	for _, v := range items {
		p.key = binary.LittleEndian.AppendUint32(p.key, uint32(v))
	}
	if id, ok := p.ids[string(p.key)]; ok {
		return id
	}
	id := int64(len(p.items))
	p.ids[string(p.key)] = id
	p.items = append(p.items, items)
	return id
}

// step returns the state that x leads to from state, which next computes the
// first time. A state of refused says that x cannot have happened.
func (p *pool) step(state int64, x *act, next func([]int32) ([]int32, bool)) (int64, bool) {
	t := transition{state, x.kind()}
	to, ok := p.steps[t]
	if !ok {
		to = refused
		if items, ok := next(p.items[state]); ok {
			to = p.id(items)
		}
		p.steps[t] = to
	}
	return to, to != refused
}

// refused is no state.
const refused = -1

// shown is how many elements of a state an explanation writes out.
const shown = 8

// brief writes the first of a list of values.
func brief(items []int32, values *intern.Table) string {
	text := "["
	for i, v := range items {
		if i > 0 {
			text += " "
		}
		if i == shown && len(items) > shown+1 {
			text += fmt.Sprintf("… %d more", len(items)-shown)
			break
		}
		text += values.Value(v).String()
	}
	return text + "]"
}

// clock returns the clock by which explanations of p tell times.
func (p *problem) clock() checkers.Clock { return checkers.ClockOf(p.calls) }
