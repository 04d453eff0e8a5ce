package linear

import (
	"fmt"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// forever is the time of a response that never came: an info operation may
// take effect at any time after its invocation.
const forever = math.MaxInt32

// none stands for no value and for no operation. The initial value has number
// 0, and nobody wrote it.
const (
	none    int32 = -1
	initial int32 = 0
)

// op is an operation on a register, reduced to what order depends on. Times are
// indices of the history, which is the order in which one clock saw them.
type op struct {
	inv, res int32
	from     int32 // the value it observed, or none
	to       int32 // the value it wrote, or none
	call     int32 // which call it is
}

func (o op) isRead() bool { return o.to == none }
func (o op) isCAS() bool  { return o.to != none && o.from != none }
func (o op) isInfo() bool { return o.res == forever }

// register is the calls on one object, read as operations on a register.
type register struct {
	calls  []history.Call
	clock  checkers.Clock
	values intern.Table
	ops    []op // in the order of invocation
	failed []op // writes that certainly did not happen

	nilMatchesAny bool // see Model
	texts         bool // see Model
	judged        int  // calls that were ok
}

// add decodes a call. Info reads and failed reads say nothing and are left out.
func (r *register) add(call int32, act action) error {
	c := r.calls[call]
	o := op{inv: int32(c.Invoke.Index), res: forever, from: none, to: none, call: call}
	if c.Type() == history.OK {
		o.res = int32(c.Complete.Index)
		r.judged++
	}
	switch act {
	case reads:
		if o.isInfo() || c.Value().IsAbsent() || r.nilMatchesAny && c.Value().IsNil() {
			return nil
		}
		o.from = r.number(c.Value())
	case writes:
		o.to = r.number(argument(c))
	case deletes:
		o.to = r.number(history.Nil)
	case swaps:
		from, to, err := pairOf(c)
		if err != nil {
			return fmt.Errorf("index %d: %w", c.Invoke.Index, err)
		}
		o.from, o.to = r.number(from), r.number(to)
	}
	if c.Type() == history.Fail {
		r.failed = append(r.failed, o)
		return nil
	}
	r.ops = append(r.ops, o)
	return nil
}

// number returns the number of a value that was read or written.
func (r *register) number(v history.Value) int32 {
	if r.texts {
		return r.values.ID(noText(v))
	}
	return r.values.ID(known(v))
}

// pairOf returns the two values of a compare-and-set.
func pairOf(c history.Call) (from, to history.Value, err error) {
	pair := argument(c).Elems()
	if len(pair) != 2 {
		return from, to, fmt.Errorf("the value of a cas must be [old new], not %v", argument(c))
	}
	return pair[0], pair[1], nil
}

// decode turns the calls on one object into a register problem. It fails on
// operations that the model does not have.
func (m Model) decode(calls []history.Call) (*register, error) {
	r := &register{
		calls: calls, ops: make([]op, 0, len(calls)), clock: checkers.ClockOf(calls),
		nilMatchesAny: m.NilMatchesAny, texts: m.texts,
	}
	r.number(m.Initial)
	for i := range calls {
		act, ok := m.fs[calls[i].Invoke.F]
		if !ok {
			return nil, fmt.Errorf("index %d: %w", calls[i].Invoke.Index, unknownF(m.Name, calls[i]))
		}
		if err := r.add(int32(i), act); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// argument returns what a write or compare-and-set was given; some recorders
// write it on the completion only.
func argument(c history.Call) history.Value {
	if c.Invoke.Value.IsNil() && c.Complete != nil {
		return c.Complete.Value
	}
	return c.Invoke.Value
}

// known makes a value that is not there the initial one.
func known(v history.Value) history.Value {
	if v.IsAbsent() {
		return history.Nil
	}
	return v
}

// dropUnobserved takes out the info operations that no completed operation
// depends on, directly or through others: whether they happened cannot matter,
// since nobody saw their values. Those that are left and whose values nobody
// else wrote have certainly happened.
func dropUnobserved(ops []op, values int) []op {
	if !slices.ContainsFunc(ops, op.isInfo) {
		return ops
	}
	seen := make([]bool, values)
	stack := make([]int32, 0, 16)
	see := func(v int32) {
		if v != none && !seen[v] {
			seen[v] = true
			stack = append(stack, v)
		}
	}
	for _, o := range ops {
		if !o.isInfo() {
			see(o.from)
		}
	}
	pending := infoByValue(ops)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, i := range pending[v] {
			see(ops[i].from)
		}
	}
	kept := ops[:0:0]
	for _, o := range ops {
		if !o.isInfo() || seen[o.to] {
			kept = append(kept, o)
		}
	}
	return kept
}

// infoByValue lists the info operations that may have written each value.
func infoByValue(ops []op) map[int32][]int32 {
	pending := make(map[int32][]int32)
	for i, o := range ops {
		if o.isInfo() {
			pending[o.to] = append(pending[o.to], int32(i))
		}
	}
	return pending
}

// unique reports whether no value was written twice, nor the initial one at
// all, so that every observation names the operation that it observed.
func unique(ops []op, values int) bool {
	written := make([]bool, values)
	written[initial] = true
	for _, o := range ops {
		if o.isRead() {
			continue
		}
		if written[o.to] {
			return false
		}
		written[o.to] = true
	}
	return true
}
