package sets_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/linear/sets"
)

// mutations corrupt a valid history in exactly one way. They report false where
// the history has no room.
var mutations = []struct {
	name  string
	apply func(rng *rand.Rand, ops []sets.Op) bool
}{
	{"see what nobody added", func(rng *rand.Rand, ops []sets.Op) bool {
		r := some(rng, ops, sets.Read)
		return r != nil && change(r, 99)
	}},
	{"see what was not added yet", func(rng *rand.Rand, ops []sets.Op) bool {
		r, a := some(rng, ops, sets.Read), some(rng, ops, sets.Add)
		if r == nil || a == nil || slices.ContainsFunc(ops, func(o sets.Op) bool { return o.Kind == sets.Add && o.Value == a.Value && o.Inv < r.Res }) {
			return false
		}
		return change(r, a.Value)
	}},
	{"miss what was added", func(rng *rand.Rand, ops []sets.Op) bool {
		r, a := some(rng, ops, sets.Read), some(rng, ops, sets.Add)
		return r != nil && a != nil && a.Res < r.Inv && change(r, a.Value)
	}},
	{"miss what another one saw before", func(rng *rand.Rand, ops []sets.Op) bool {
		r, s := some(rng, ops, sets.Read), some(rng, ops, sets.Read)
		return r != nil && s != nil && s.Res < r.Inv && len(s.Saw) > 0 && change(r, s.Saw[rng.IntN(len(s.Saw))])
	}},
	{"be told of what nobody added", func(rng *rand.Rand, ops []sets.Op) bool {
		h := some(rng, ops, sets.Lacks)
		if h == nil || slices.ContainsFunc(ops, func(o sets.Op) bool { return o.Kind == sets.Add && o.Value == h.Value && o.Inv < h.Res }) {
			return false
		}
		h.Kind = sets.Has
		return true
	}},
	{"be told that something is missing that was added", func(rng *rand.Rand, ops []sets.Op) bool {
		h, a := some(rng, ops, sets.Has), some(rng, ops, sets.Add)
		if h == nil || a == nil || a.Value != h.Value || a.Res >= h.Inv {
			return false
		}
		h.Kind = sets.Lacks
		return true
	}},
}

// some returns one of the completed operations of a kind, or nil.
func some(rng *rand.Rand, ops []sets.Op, kind sets.Kind) *sets.Op {
	for range 20 {
		if o := &ops[rng.IntN(len(ops))]; o.Kind == kind && o.Res != sets.Forever {
			return o
		}
	}
	return nil
}

// change has a read see an element, or not see it any more.
func change(r *sets.Op, v int32) bool {
	at, in := slices.BinarySearch(r.Saw, v)
	if r.Saw = slices.Clone(r.Saw); in {
		r.Saw = slices.Delete(r.Saw, at, at+1)
	} else {
		r.Saw = slices.Insert(r.Saw, at, v)
	}
	return true
}

// TestMutations sees each corruption found, and its certificate confirmed.
func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(5, 5))
			for done := 0; done < 200; {
				ops := random(rng, mix{ops: 30, open: 3, elements: 12, reads: true, asks: true, lost: true, honest: 1})
				if r, err := sets.Check(t.Context(), ops); err != nil || r.Violation != nil {
					t.Fatalf("not valid before: %+v %v", r.Violation, err)
				}
				if !m.apply(rng, ops) {
					continue
				}
				done++
				r, err := sets.Check(t.Context(), ops)
				if err != nil || r.Violation == nil {
					t.Fatalf("not found: %v\n%+v", err, ops)
				}
				confirm(t, ops, r)
			}
		})
	}
}
