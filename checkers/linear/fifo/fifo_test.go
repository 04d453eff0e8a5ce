package fifo_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// TestAgainstDefinition compares with brute force, and has every certificate
// confirmed.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]queues.Mix{
		"complete": {},
		"lost":     {Lost: true},
		"guesses":  {Lost: true, Guesses: true},
		"empties":  {Lost: true, Empties: true},
		"all":      {Lost: true, Guesses: true, Empties: true},
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
	for range n {
		m.Ops, m.Open, m.Honest = 3+rng.IntN(7), 2+rng.IntN(3), []float64{1, .9, .7}[rng.IntN(3)]
		m.Bag = rng.IntN(3) == 0 // wrong orders
		ops := queues.Random(rng, m)
		r, err := fifo.Check(t.Context(), ops)
		if errors.Is(err, fifo.ErrUndecided) {
			if undecided++; !m.Guesses || !m.Empties {
				t.Fatalf("%v: %+v", err, ops)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		want := queues.Brute(ops, false)
		if want != (r.Violation == nil) {
			t.Fatalf("brute force says %v, ours %+v: %+v", want, r.Violation, ops)
		}
		if queues.Confirm(t, "fifo-queue", ops, r); want {
			valid++
			continue
		}
		invalid++
		faults[r.Violation.Fault]++
		if queues.Brute(queues.Only(ops, r.Violation.Core), false) {
			t.Fatalf("the core %v is linearizable: %+v", r.Violation, ops)
		}
	}
	t.Logf("%d valid, %d invalid, %d undecided, faults %v", valid, invalid, undecided, faults)
	if min(valid, invalid) < n/20 || undecided > n/5 || faults[fifo.Passed] == 0 || m.Empties && faults[fifo.Covered] == 0 {
		t.Errorf("one-sided")
	}
}

// TestRepeated sees elements that were enqueued twice left to a search.
func TestRepeated(t *testing.T) {
	t.Parallel()
	_, err := fifo.Check(t.Context(), []fifo.Op{{Inv: 0, Res: 1}, {Inv: 2, Res: 3}})
	if !errors.Is(err, fifo.ErrUndecided) {
		t.Fatal(err)
	}
}

// TestStops sees a check end with its context.
func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := fifo.Check(ctx, []fifo.Op{{Inv: 0, Res: 1}}); !errors.Is(err, context.Canceled) {
		t.Fatal(r, err)
	}
}

// TestLarge has the order of a large history confirmed.
func TestLarge(t *testing.T) {
	t.Parallel()
	ops := queues.Random(rand.New(rand.NewPCG(3, 3)), queues.Mix{Ops: 20000, Open: 40, Lost: true, Empties: true, Honest: 1})
	r, err := fifo.Check(t.Context(), ops)
	if err != nil || r.Violation != nil {
		t.Fatal(r.Violation, err)
	}
	queues.Confirm(t, "fifo-queue", ops, r)
}

// BenchmarkMillion is 1,000,000 operations of 50 clients on one queue.
func BenchmarkMillion(b *testing.B) {
	ops := queues.Random(rand.New(rand.NewPCG(2, 2)), queues.Mix{Ops: 1000000, Open: 50, Lost: true, Empties: true, Honest: 1})
	queues.Measure(b, func() {
		if r, err := fifo.Check(b.Context(), ops); err != nil || r.Violation != nil {
			b.Fatal(r.Violation, err)
		}
	})
}
