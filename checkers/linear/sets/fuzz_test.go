package sets_test

import (
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/linear/sets"
)

// FuzzCheck compares with brute force whatever the bytes make up, and has the
// certificates confirmed.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{0x00, 0x03, 0x80, 0x80, 0x04, 0x07, 0x81})
	f.Add([]byte{0x08, 0x01, 0x8a, 0x02, 0x80, 0x13})
	f.Fuzz(func(t *testing.T, text []byte) {
		ops := made(text)
		r, err := sets.Check(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		if brute(ops) != (r.Violation == nil) {
			t.Fatalf("wrong about %+v: %+v", ops, r.Violation)
		}
		confirm(t, ops, r)
	})
}

// made reads a byte as the beginning of an operation, or the end of an open one.
func made(text []byte) []sets.Op {
	kinds := [...]sets.Kind{sets.Add, sets.Has, sets.Lacks, sets.Read}
	var ops []sets.Op
	var open []int
	for now, b := range text {
		if b&0x80 != 0 && len(open) > 0 {
			i := int(b&0x7f) % len(open)
			ops[open[i]].Res = int32(now)
			open = append(open[:i], open[i+1:]...)
			continue
		}
		if len(ops) == 9 {
			break
		}
		o := sets.Op{Kind: kinds[b&3], Inv: int32(now), Res: sets.Forever}
		if o.Value = int32(b >> 2 & 3); o.Kind == sets.Read {
			for v := range int32(4) {
				if b>>2>>v&1 != 0 {
					o.Saw = append(o.Saw, v)
				}
			}
			o.Value = 0
		}
		open = append(open, len(ops))
		ops = append(ops, o)
	}
	var kept []sets.Op // what looks at the set has an answer
	for _, o := range ops {
		if o.Kind == sets.Add || o.Res != sets.Forever {
			kept = append(kept, o)
		}
	}
	return kept
}
