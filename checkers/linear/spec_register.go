package linear

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
)

// registerObject is a register of values that may repeat. Its operations were
// read by register.add: a is the value that was observed, b the one that was
// written; either may be none.
type registerObject struct{ values *intern.Table }

// problem turns operations on a register into a problem for the search.
func (r *register) problem(ops []op) *problem {
	p := &problem{object: registerObject{&r.values}, first: int64(initial), calls: r.calls, ops: make([]act, len(ops))}
	for i, o := range ops {
		p.ops[i] = act{inv: o.inv, res: o.res, call: o.call, verb: 1, a: int64(o.from), b: int64(o.to)}
	}
	return p
}

func (registerObject) pure(x *act) bool { return x.b == int64(none) }

// step applies an operation to a register that holds v.
func (registerObject) step(v int64, x *act) (int64, bool) {
	if x.a != int64(none) && x.a != v {
		return v, false
	}
	if x.b == int64(none) {
		return v, true
	}
	return x.b, true
}

func (r registerObject) holds(v int64) string {
	return fmt.Sprintf("it held %v", r.values.Value(int32(v)))
}

func (r registerObject) why(v int64, x *act) string {
	return fmt.Sprintf("it held %v, not %v", r.values.Value(int32(v)), r.values.Value(int32(x.a)))
}
