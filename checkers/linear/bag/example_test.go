package bag_test

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers/linear/bag"
	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// An element was taken by two dequeues.
func Example() {
	ops := []fifo.Op{
		{Kind: fifo.Enqueue, Value: 0, Inv: 0, Res: 1},
		{Kind: fifo.Dequeue, Value: 0, Inv: 2, Res: 4},
		{Kind: fifo.Dequeue, Value: 0, Inv: 3, Res: 5},
	}
	r, err := bag.Check(context.Background(), ops)
	fmt.Println(r.Violation.Fault == fifo.Excess, r.Violation.Core, err)
	// Output: true [0 1 2] <nil>
}
