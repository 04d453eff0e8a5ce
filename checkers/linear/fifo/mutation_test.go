package fifo_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/checkers/linear/bag"
	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// mutations corrupt a valid history in exactly one way. They report false where
// the history has no room.
var mutations = []struct {
	name  string
	fault fifo.Fault
	bag   bool // an unordered queue notices as well
	apply func(rng *rand.Rand, ops []fifo.Op) bool
}{
	{"take an element twice", fifo.Excess, true, func(rng *rand.Rand, ops []fifo.Op) bool {
		a, b := some(rng, ops, fifo.Dequeue), some(rng, ops, fifo.Empty)
		return a != nil && b != nil && turn(b, a.Value)
	}},
	{"take what nobody put there", fifo.Excess, true, func(rng *rand.Rand, ops []fifo.Op) bool {
		a := some(rng, ops, fifo.Empty)
		return a != nil && turn(a, int32(len(ops)))
	}},
	{"take an element before it was put there", fifo.Excess, true, func(rng *rand.Rand, ops []fifo.Op) bool {
		a, b := some(rng, ops, fifo.Enqueue), some(rng, ops, fifo.Empty)
		return a != nil && b != nil && b.Res < a.Inv && !taken(ops, a.Value) && turn(b, a.Value)
	}},
	{"take elements in the wrong order", fifo.Passed, false, func(rng *rand.Rand, ops []fifo.Op) bool {
		a, b := some(rng, ops, fifo.Dequeue), some(rng, ops, fifo.Dequeue)
		if a == nil || b == nil || a.Res >= b.Inv || put(ops, a.Value).Res >= put(ops, b.Value).Inv || put(ops, b.Value).Inv > a.Res {
			return false
		}
		a.Value, b.Value = b.Value, a.Value
		return true
	}},
	{"lose an element", fifo.Passed, false, func(rng *rand.Rand, ops []fifo.Op) bool {
		a, b := some(rng, ops, fifo.Dequeue), some(rng, ops, fifo.Dequeue)
		if a == nil || b == nil || put(ops, a.Value).Res >= put(ops, b.Value).Inv {
			return false
		}
		a.Kind, a.Inv, a.Res = fifo.Guess, ops[len(ops)-1].Inv+1, fifo.Forever
		return b.Res < a.Inv
	}},
	{"call a queue empty that is not", fifo.Covered, true, func(rng *rand.Rand, ops []fifo.Op) bool {
		a, z := some(rng, ops, fifo.Enqueue), some(rng, ops, fifo.Dequeue)
		if a == nil || z == nil || a.Res >= z.Inv || taken(ops, a.Value) || z.Value == a.Value {
			return false
		}
		z.Kind = fifo.Empty
		return true
	}},
}

// some returns one of the completed operations of a kind, or nil.
func some(rng *rand.Rand, ops []fifo.Op, kind fifo.Kind) *fifo.Op {
	for range 20 {
		if o := &ops[rng.IntN(len(ops))]; o.Kind == kind && o.Res != fifo.Forever {
			return o
		}
	}
	return nil
}

func turn(o *fifo.Op, value int32) bool {
	o.Kind, o.Value = fifo.Dequeue, value
	return true
}

func taken(ops []fifo.Op, value int32) bool {
	return slices.ContainsFunc(ops, func(o fifo.Op) bool { return o.Kind == fifo.Dequeue && o.Value == value })
}

func put(ops []fifo.Op, value int32) fifo.Op {
	return ops[slices.IndexFunc(ops, func(o fifo.Op) bool { return o.Kind == fifo.Enqueue && o.Value == value })]
}

// TestMutations sees each corruption found, by what it is, and its certificate
// confirmed.
func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(5, 5))
			for done := 0; done < 200; {
				ops := queues.Random(rng, queues.Mix{Ops: 40, Open: 3, Empties: true, Honest: 1})
				valid(t, ops)
				if !m.apply(rng, ops) {
					continue
				}
				if m.name == "lose an element" {
					ops = tidy(ops)
				}
				done++
				r, err := fifo.Check(t.Context(), ops)
				if err != nil || r.Violation == nil {
					t.Fatalf("not found: %v\n%+v", err, ops)
				}
				if r.Violation.Fault != m.fault && m.fault == fifo.Excess {
					t.Fatalf("found as %+v\n%+v", r.Violation, ops)
				}
				queues.Confirm(t, "fifo-queue", ops, r)
				if r, err = bag.Check(t.Context(), ops); m.bag && (err != nil || r.Violation == nil || r.Violation.Fault != m.fault) {
					t.Fatalf("not found without order: %+v, %v\n%+v", r.Violation, err, ops)
				}
			}
		})
	}
}

func valid(t *testing.T, ops []fifo.Op) {
	t.Helper()
	if r, err := fifo.Check(t.Context(), ops); err != nil || r.Violation != nil {
		t.Fatalf("not valid before: %+v %v", r.Violation, err)
	}
}

// tidy takes out dequeues that found nothing, and without an answer: then nobody
// can have taken what was lost.
func tidy(ops []fifo.Op) []fifo.Op {
	return slices.DeleteFunc(ops, func(o fifo.Op) bool { return o.Kind == fifo.Guess || o.Kind == fifo.Empty })
}
