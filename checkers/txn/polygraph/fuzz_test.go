package polygraph

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
)

// FuzzSolve makes histories of bytes, compares those that are small with the
// definition, and has every verdict confirmed.
func FuzzSolve(f *testing.F) {
	f.Add([]byte{0, 2, 1, 9, 17, 3, 255, 0, 40, 41, 42})
	f.Add([]byte{3, 3, 200, 100, 50, 25, 12, 6, 3, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("the order of the versions is not known"))
	f.Fuzz(func(t *testing.T, data []byte) {
		level, h := decode(data)
		if len(h.Txns) <= 5 {
			agree(t, h, level)
			return
		}
		verified(t, h, level, Solve(t.Context(), h, level, Options{}))
	})
}

// decode makes a level and a history of up to 12 transactions and 4 keys.
func decode(data []byte) (Level, *History) {
	next := func() int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b)
	}
	level := allLevels[next()%len(allLevels)]
	h := &History{Keys: 1 + next()%4, Txns: make([]Txn, 1+next()%12)}
	clock := 0
	for t := range h.Txns {
		x := &h.Txns[t]
		x.Session, x.Begin = int32(t), clock
		clock += 1 + next()%8
		writes := next()
		for k := range h.Keys {
			if writes>>k&1 == 1 {
				x.Writes = append(x.Writes, int32(k))
			}
		}
	}
	used := make(map[int]bool)
	for t := range h.Txns {
		used[h.Txns[t].Begin] = true
	}
	for t := range h.Txns {
		x := &h.Txns[t]
		x.End = x.Begin + 1 + next()
		for used[x.End] {
			x.End++
		}
		used[x.End] = true
		reads := next()
		for k := range h.Keys {
			if reads>>k&1 == 0 {
				continue
			}
			from := int32(Initial)
			if w := next() % len(h.Txns); w != t && reads>>4&1 == 1 {
				for _, key := range h.Txns[w].Writes {
					if key == int32(k) {
						from = int32(w)
					}
				}
			}
			x.Reads = append(x.Reads, Read{int32(k), from})
		}
	}
	return level, h
}

// TestLimits sees that a solution stops, and says so, where it may not go on.
func TestLimits(t *testing.T) {
	t.Parallel()
	h := store{rng: rand.New(rand.NewPCG(1, 2)), clients: 20, steps: 4, keys: 10, blind: true, reads: 0.5}.history(1000)
	r := Solve(t.Context(), h, StrictSerializable, Options{Conflicts: 5})
	if r.Verdict != checkers.Unknown || r.Reason == "" {
		t.Errorf("%v %s after 5 conflicts", r.Verdict, r.Reason)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := Solve(ctx, h, StrictSerializable, Options{}); r.Verdict != checkers.Unknown || r.Reason == "" {
		t.Errorf("%v %s without time", r.Verdict, r.Reason)
	}
	if r := Solve(t.Context(), &History{}, StrictSerializable, Options{}); r.Verdict != checkers.OK {
		t.Errorf("%v of nothing", r.Verdict)
	}
}
