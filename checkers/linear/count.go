package linear

import (
	"fmt"
	"slices"
)

// count compares how many permits were acquired and given back.
func (s *lockSpec) count(x *act, k *knot) (string, uint64) {
	if s.model.Owners {
		return "", 0
	}
	did := k.did(k.clock(), x)
	acquired, released := k.first, int64(0)
	var ops uint64
	for i := range k.ops {
		switch y := &k.ops[i]; {
		case y.verb == x.verb && !y.isInfo(), y.verb != x.verb && y.inv < x.res:
			ops |= 1 << i
		default:
			continue
		}
		if y := &k.ops[i]; y.verb == lockAcquire {
			acquired += y.b
		} else {
			released += y.b
		}
	}
	switch free := int64(s.model.Permits) + released; {
	case x.verb == lockRelease && released > acquired && s.model.Permits == 1:
		return did + fmt.Sprintf(" gave back a lock that was not held: by then it had %s, and %s before", been("acquired", acquired, "at most "), been("released", released-1, "")), ops
	case x.verb == lockRelease && released > acquired:
		return did + fmt.Sprintf(" gave back what nobody had: by then %d had been acquired at most, and this makes %d that were released", acquired, released), ops
	case x.verb == lockAcquire && acquired > free && s.model.Permits == 1:
		return did + fmt.Sprintf(" got a lock that was held: by then it had %s and %s", been("acquired", acquired-1, ""), been("released", released, "at most ")), ops
	case x.verb == lockAcquire && acquired > free:
		return did + fmt.Sprintf(" got more than there was: of %d permits, %d had been acquired with this, and %d released at most", s.model.Permits, acquired, released), ops
	default:
		return "", 0
	}
}

// count sees transactions that contradict themselves.
func (s *multiSpec) count(_ *act, k *knot) (string, uint64) {
	for i := range k.ops {
		if _, ok := s.touches(k.ops[i:i+1], k.first); !ok {
			return k.did(k.clock(), &k.ops[i]) + " does not even agree with itself", 1 << i
		}
	}
	return "", 0
}

// been says how often something had been done.
func been(what string, n int64, atMost string) string {
	switch n {
	case 0:
		return "not been " + what
	case 1:
		return fmt.Sprintf("been %s %sonce", what, atMost)
	default:
		return fmt.Sprintf("been %s %s%d times", what, atMost, n)
	}
}

// maxSums is how many different numbers an explanation lists.
const maxSums = 6

// count compares what was read with what there can have been: all that had been
// added before, and any of what was being added.
func (s *counterSpec) count(x *act, k *knot) (string, uint64) {
	if x.verb != counterRead {
		return "", 0
	}
	did := k.did(k.clock(), x)
	sums, ops := []int64{k.first}, uint64(1)<<k.last
	for i := range k.ops {
		y := &k.ops[i]
		if y.verb != counterAdd || y.inv > x.res {
			continue
		}
		ops |= 1 << i
		more := slices.Clone(sums)
		for j := range more {
			more[j] += y.a
		}
		if y.res > x.inv {
			more = append(more, sums...)
		}
		slices.Sort(more)
		sums = slices.Compact(more)
	}
	switch n := len(sums); {
	case slices.Contains(sums, x.a):
		return "", 0
	case n == 1:
		return did + fmt.Sprintf(" cannot be, for it was %d", sums[0]), ops
	case n > maxSums && (x.a < sums[0] || x.a > sums[n-1]):
		return did + fmt.Sprintf(" cannot be: with what was added before it ended, it was %d at least and %d at most", sums[0], sums[n-1]), ops
	case n > maxSums:
		return did + " cannot be: it is no sum of what had been added before it began and any of what was being added", ops
	default:
		return did + fmt.Sprintf(" cannot be: with what had been added before it began, and any of what was being added, it was one of %v", sums), ops
	}
}

// count compares how often an element was put into a queue and taken.
func (s *queueSpec) count(x *act, k *knot) (string, uint64) {
	did := k.did(k.clock(), x)
	ops := uint64(1) << k.last
	for i := range k.ops {
		if y := &k.ops[i]; y.a == x.a && (y.verb == queuePut && y.inv < x.res || y.verb == queueTake) {
			ops |= 1 << i
		}
	}
	switch s.account(x, k) {
	case "unexpected":
		return did + " took an element that nobody had put there by then", ops
	case "duplicate":
		return did + " took an element that had been taken as often as anybody had put it there by then", ops
	default:
		return "", 0
	}
}

// count compares how often an element was appended and read.
func (s *logSpec) count(x *act, k *knot) (string, uint64) {
	if x.verb != logRead {
		return "", 0
	}
	did := k.did(k.clock(), x)
	switch s.account(x, k) {
	case "unexpected":
		return did + " found an element that nobody had appended by then", 1 << k.last
	case "duplicate":
		return did + " found an element more often than it had been appended by then", 1<<len(k.ops) - 1
	default:
		return "", 0
	}
}
