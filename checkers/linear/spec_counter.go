package linear

import (
	"fmt"
	"math"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// The verbs of a counter. The amount that is added is a, and so is the number
// that was read. What was read and is no number fits no state.
const (
	counterAdd verb = iota + 1
	counterRead
	counterOdd
)

// counterSpec is a number, which is its own state.
type counterSpec struct {
	model Model
	first int64
}

func newCounterSpec(m Model) spec {
	n, _ := m.Initial.Int()
	return &counterSpec{m, n}
}

func (s *counterSpec) decode(c history.Call) (act, error) {
	sign := int64(1)
	switch c.Invoke.F {
	case "read":
		v, ok := outcome(c, s.model.NilMatchesAny)
		if !ok {
			return act{verb: anything}, nil
		}
		if n, ok := v.Int(); ok {
			return act{verb: counterRead, a: n}, nil
		}
		return act{verb: counterOdd}, nil
	case "add", "increment":
	case "decrement":
		sign = -1
	default:
		return act{}, unknownF(s.model.Name, c)
	}
	v := c.Invoke.Value
	n, ok := v.Int()
	switch {
	case nothingThere(v):
		n = 1
	case !ok || n <= math.MinInt32 || n >= 1<<31:
		return act{}, fmt.Errorf("%s takes a whole number of 32 bits, not %v", c.Invoke.F, v)
	}
	return act{verb: counterAdd, a: sign * n}, nil
}

func (s *counterSpec) start() int64 { return s.first }

func (s *counterSpec) pure(x *act) bool { return x.verb != counterAdd || x.a == 0 }

// useful keeps what was added, if the counter was ever read.
func (s *counterSpec) useful(ops []act) func(*act) bool {
	read := false
	for i := range ops {
		read = read || ops[i].verb == counterRead
	}
	return func(*act) bool { return read }
}

func (s *counterSpec) step(n int64, x *act) (int64, bool) {
	switch x.verb {
	case counterAdd:
		return n + x.a, true
	case counterRead:
		return n, n == x.a
	default:
		return n, x.verb == anything
	}
}

func (s *counterSpec) holds(n int64) string { return fmt.Sprintf("it was %d", n) }

func (s *counterSpec) why(n int64, x *act) string {
	if x.verb == counterOdd {
		return "that is no number"
	}
	return fmt.Sprintf("it was %d, not %d", n, x.a)
}
