package polygraph_test

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers/txn/polygraph"
)

// Two transactions write x and y, neither having read anything. A third one sees
// the x of the first and the y of the second: whichever of them came first, the
// third one saw one half of it only.
func Example() {
	const x, y = 0, 1
	h := &polygraph.History{Keys: 2, Txns: []polygraph.Txn{
		{Session: 0, Begin: 0, End: 3, Writes: []int32{x, y}},
		{Session: 1, Begin: 1, End: 4, Writes: []int32{x, y}},
		{Session: 2, Begin: 2, End: 5, Reads: []polygraph.Read{{Key: x, From: 0}, {Key: y, From: 1}}},
	}}
	r := polygraph.Solve(context.Background(), h, polygraph.SnapshotIsolation, polygraph.Options{})
	fmt.Println(r.Verdict)
	for _, cycle := range r.Proof.Cycles {
		for _, e := range cycle {
			fmt.Printf("T%d before T%d (%v)", e.From, e.To, e.Kind)
			if e.Chosen {
				fmt.Printf(" if T%d wrote before T%d", e.If.First, e.If.Second)
			}
			fmt.Print("; ")
		}
		fmt.Println("which cannot be")
	}
	// Output:
	// invalid
	// T0 before T2 (wr); T2 before T0 (rw) if T1 wrote before T0; which cannot be
	// T1 before T2 (wr); T2 before T1 (rw) if T0 wrote before T1; which cannot be
}
