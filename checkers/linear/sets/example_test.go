package sets_test

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers/linear/sets"
)

// Two reads saw one element each: whatever came first, the second one should
// have seen it too.
func Example() {
	ops := []sets.Op{
		{Kind: sets.Add, Value: 0, Inv: 0, Res: sets.Forever},
		{Kind: sets.Add, Value: 1, Inv: 1, Res: sets.Forever},
		{Kind: sets.Read, Saw: []int32{0}, Inv: 2, Res: 4},
		{Kind: sets.Read, Saw: []int32{1}, Inv: 3, Res: 5},
	}
	r, err := sets.Check(context.Background(), ops)
	fmt.Println(r.Violation.Core, err)

	ops[3].Saw = []int32{0, 1}
	r, err = sets.Check(context.Background(), ops)
	fmt.Println(r.Order, err)
	// Output:
	// [2 3] <nil>
	// [0 2 1 3] <nil>
}
