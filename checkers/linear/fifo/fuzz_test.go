package fifo_test

import (
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/checkers/linear/bag"
	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// FuzzCheck compares with brute force whatever the bytes make up, with order and
// without, and has the certificates confirmed.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{0x00, 0x10, 0x01, 0x11, 0x42, 0x83})
	f.Add([]byte{0x00, 0x01, 0x80, 0x04, 0x83, 0x05, 0x86})
	f.Fuzz(func(t *testing.T, text []byte) {
		ops := made(text)
		monitor.One(t, ops)
		queues.Monitor{Check: bag.Check, Model: "unordered-queue", Bag: true}.One(t, ops)
	})
}

// made reads a byte as the beginning of an operation, or the end of an open one.
func made(text []byte) []fifo.Op {
	var ops []fifo.Op
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
		o := fifo.Op{Kind: fifo.Kind(b & 3), Value: int32(b >> 2 & 7), Inv: int32(now), Res: fifo.Forever}
		if o.Kind != fifo.Guess {
			open = append(open, len(ops))
		}
		ops = append(ops, o)
	}
	for _, i := range open { // what got no answer cannot have one
		if ops[i].Kind == fifo.Dequeue || ops[i].Kind == fifo.Empty {
			ops[i].Kind = fifo.Guess
		}
	}
	return ops
}
