package linear

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// The verbs of locks. The owner is a, the number of permits b.
const (
	lockAcquire verb = iota + 1
	lockRelease
)

// lockSpec is a number of permits, of which a mutex has one. A state is how many
// are taken or, if only owners may release, who has taken how many: the number
// of a list of owners, in order, one entry for each permit.
type lockSpec struct {
	model  Model
	states *pool
}

func newLockSpec(m Model) spec { return &lockSpec{model: m, states: newPool()} }

func (s *lockSpec) decode(c history.Call) (act, error) { return decodeLock(s.model, c) }

// decodeLock reads an operation of a lock. That of a mutex has no number:
// whatever its value says is for somebody else.
func decodeLock(m Model, c history.Call) (act, error) {
	x := act{a: int64(c.Invoke.Process), b: 1}
	if n, ok := c.Invoke.Value.Int(); ok && m.Name == Semaphore(1).Name {
		x.b = n
	}
	if x.b < 1 || x.b > int64(max(m.Permits, 1)) {
		return act{}, fmt.Errorf("%s of %d permits, of which there are %d", c.Invoke.F, x.b, m.Permits)
	}
	if !m.Owners {
		x.a = 0
	}
	switch c.Invoke.F {
	case "acquire":
		x.verb = lockAcquire
	case "release":
		x.verb = lockRelease
	default:
		return act{}, unknownF(m.Name, c)
	}
	return x, nil
}

func (s *lockSpec) start() int64 { return 0 }

func (s *lockSpec) pure(*act) bool { return false }

func (s *lockSpec) useful([]act) func(*act) bool { return func(*act) bool { return true } }

func (s *lockSpec) step(state int64, x *act) (int64, bool) {
	if s.model.Owners {
		return s.states.step(state, x, func(owners []int32) ([]int32, bool) { return s.owned(owners, x) })
	}
	if x.verb == lockRelease {
		return state - x.b, state >= x.b
	}
	return state + x.b, state+x.b <= int64(s.model.Permits)
}

// owned applies an operation to a sorted list of owners.
func (s *lockSpec) owned(owners []int32, x *act) ([]int32, bool) {
	owner, n := int32(x.a), int(x.b)
	first, held := slices.BinarySearch(owners, owner)
	if x.verb == lockAcquire {
		return slices.Insert(slices.Clone(owners), first, slices.Repeat([]int32{owner}, n)...), len(owners)+n <= s.model.Permits
	}
	if !held || first+n > len(owners) || owners[first+n-1] != owner {
		return nil, false
	}
	return slices.Delete(slices.Clone(owners), first, first+n), true
}

// taken is how many permits are taken.
func (s *lockSpec) taken(state int64) int64 {
	if s.model.Owners {
		return int64(len(s.states.items[state]))
	}
	return state
}

func (s *lockSpec) holds(state int64) string {
	switch taken := s.taken(state); {
	case taken == 0:
		return "it was not held"
	case s.model.Permits == 1 && s.model.Owners:
		return fmt.Sprintf("process %d held it", s.states.items[state][0])
	case s.model.Permits == 1:
		return "it was held"
	default:
		return fmt.Sprintf("%d of %d permits were taken", taken, s.model.Permits)
	}
}

func (s *lockSpec) why(state int64, x *act) string {
	if x.verb == lockAcquire || s.taken(state) == 0 {
		return s.holds(state)
	}
	return fmt.Sprintf("process %d had not taken that many permits", x.a)
}

// reentrantSpec is a mutex that its owner may acquire again. A state is 0 if it
// is free, and else the owner plus one, and in the low bits how often it holds.
type reentrantSpec struct{ model Model }

// heldBits is how many bits of a state count how often the owner holds.
const heldBits = 31

func newReentrantSpec(m Model) spec { return &reentrantSpec{m} }

func (s *reentrantSpec) decode(c history.Call) (act, error) { return decodeLock(s.model, c) }

func (s *reentrantSpec) start() int64 { return 0 }

func (s *reentrantSpec) pure(*act) bool { return false }

func (s *reentrantSpec) useful([]act) func(*act) bool { return func(*act) bool { return true } }

func (s *reentrantSpec) step(state int64, x *act) (int64, bool) {
	owner, held := state>>heldBits, state&(1<<heldBits-1)
	switch {
	case held > 0 && owner != x.a+1:
		return state, false
	case x.verb == lockAcquire:
		return (x.a+1)<<heldBits | (held + 1), s.model.Limit == 0 || held < int64(s.model.Limit)
	case held == 1:
		return 0, true
	default:
		return state - 1, held > 0
	}
}

func (s *reentrantSpec) holds(state int64) string {
	if state == 0 {
		return "nobody held it"
	}
	return fmt.Sprintf("process %d held it", state>>heldBits-1)
}

func (s *reentrantSpec) why(state int64, x *act) string {
	owner, held := state>>heldBits-1, state&(1<<heldBits-1)
	switch {
	case held == 0 || owner != x.a:
		return s.holds(state)
	default:
		return fmt.Sprintf("process %d held it %d times already", owner, held)
	}
}
