package bag_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/checkers/linear/bag"
	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// TestAgainstDefinition compares with brute force, and has every certificate
// confirmed.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]queues.Mix{
		"complete": {},
		"repeated": {Lost: true, Guesses: true, Repeat: true},
		"empties":  {Lost: true, Empties: true},
		"all":      {Lost: true, Guesses: true, Empties: true},
		"anything": {Lost: true, Guesses: true, Empties: true, Repeat: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 20000
			if testing.Short() {
				n = 2000
			}
			agree(t, m, n)
		})
	}
}

func agree(t *testing.T, m queues.Mix, n int) {
	rng := rand.New(rand.NewPCG(1, 1))
	var valid, invalid, undecided int
	faults := make(map[fifo.Fault]int)
	m.Bag = true
	for range n {
		m.Ops, m.Open, m.Honest = 3+rng.IntN(7), 2+rng.IntN(3), []float64{1, .9, .7}[rng.IntN(3)]
		ops := queues.Random(rng, m)
		r, err := bag.Check(t.Context(), ops)
		if errors.Is(err, fifo.ErrUndecided) {
			if undecided++; !m.Empties || !m.Guesses && !m.Repeat {
				t.Fatalf("%v: %+v", err, ops)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		want := queues.Brute(ops, true)
		if want != (r.Violation == nil) {
			t.Fatalf("brute force says %v, ours %+v: %+v", want, r.Violation, ops)
		}
		if queues.Confirm(t, "unordered-queue", ops, r); want {
			valid++
			continue
		}
		invalid++
		faults[r.Violation.Fault]++
		if queues.Brute(queues.Only(ops, r.Violation.Core), true) {
			t.Fatalf("the core %v is linearizable: %+v", r.Violation, ops)
		}
	}
	t.Logf("%d valid, %d invalid, %d undecided, faults %v", valid, invalid, undecided, faults)
	if min(valid, invalid) < n/20 || m.Empties && faults[fifo.Covered] == 0 {
		t.Errorf("one-sided")
	}
}

// BenchmarkMillion is 1,000,000 operations of 50 clients on one queue.
func BenchmarkMillion(b *testing.B) {
	ops := queues.Random(rand.New(rand.NewPCG(2, 2)), queues.Mix{Ops: 1000000, Open: 50, Lost: true, Empties: true, Bag: true, Honest: 1})
	queues.Measure(b, func() {
		if r, err := bag.Check(b.Context(), ops); err != nil || r.Violation != nil {
			b.Fatal(r.Violation, err)
		}
	})
}
