package fifo_test

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// Two elements were enqueued one after the other, and the second one came out
// before anybody began to take the first one.
func Example() {
	ops := []fifo.Op{
		{Kind: fifo.Enqueue, Value: 0, Inv: 0, Res: 1},
		{Kind: fifo.Enqueue, Value: 1, Inv: 2, Res: 3},
		{Kind: fifo.Dequeue, Value: 1, Inv: 4, Res: 5},
		{Kind: fifo.Dequeue, Value: 0, Inv: 6, Res: 7},
	}
	r, err := fifo.Check(context.Background(), ops)
	fmt.Println(r.Violation.Fault == fifo.Passed, r.Violation.Pairs, err)

	ops[2].Value, ops[3].Value = 0, 1
	r, err = fifo.Check(context.Background(), ops)
	fmt.Println(r.Order, err)
	// Output:
	// true [[0 1]] <nil>
	// [0 1 2 3] <nil>
}
