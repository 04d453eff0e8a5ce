package queues

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

// Monitor is an algorithm for queues, with the model that its certificates are about.
type Monitor struct {
	Check func(ctx context.Context, ops []fifo.Op) (fifo.Result, error)
	Model string
	Bag   bool // it is for queues without an order
}

// One compares a monitor with brute force, and has its certificate confirmed. It
// returns the result, or false if the monitor leaves it to a search.
func (m Monitor) One(t testing.TB, ops []fifo.Op) (fifo.Result, bool) {
	t.Helper()
	r, err := m.Check(t.Context(), ops)
	if errors.Is(err, fifo.ErrUndecided) {
		return r, false
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := Brute(ops, m.Bag); want != (r.Violation == nil) {
		t.Fatalf("brute force says %v, ours %+v: %+v", want, r.Violation, ops)
	}
	Confirm(t, m.Model, ops, r)
	return r, true
}

// tally is what was found in random histories.
type tally struct {
	valid, invalid, undecided int
	faults                    map[fifo.Fault]int
}

// Agrees compares a monitor with brute force on random histories of each of some
// mixes, of which search says whether it may leave some to a search.
func (m Monitor) Agrees(t *testing.T, mixes map[string]Mix, search func(m Mix) bool) {
	t.Helper()
	for name, mix := range mixes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 20000
			if testing.Short() {
				n = 2000
			}
			sum := m.compare(t, mix, n, search(mix))
			t.Logf("%+v", sum)
			if min(sum.valid, sum.invalid) < n/20 || mix.Empties && sum.faults[fifo.Covered] == 0 || !m.Bag && (sum.undecided > n/5 || sum.faults[fifo.Passed] == 0) {
				t.Errorf("one-sided")
			}
		})
	}
}

func (m Monitor) compare(t *testing.T, mix Mix, n int, search bool) tally {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	sum := tally{faults: make(map[fifo.Fault]int)}
	for range n {
		mix.Ops, mix.Open, mix.Honest = 3+rng.IntN(7), 2+rng.IntN(3), []float64{1, .9, .7}[rng.IntN(3)]
		mix.Bag = m.Bag || rng.IntN(3) == 0 // for others, that is a wrong order
		ops := Random(rng, mix)
		switch r, ok := m.One(t, ops); {
		case !ok && !search:
			t.Fatalf("undecided: %+v", ops)
		case !ok:
			sum.undecided++
		case r.Violation == nil:
			sum.valid++
		default:
			sum.invalid++
			sum.faults[r.Violation.Fault]++
			if Brute(Only(ops, r.Violation.Core), m.Bag) {
				t.Fatalf("the core %v is linearizable: %+v", r.Violation, ops)
			}
		}
	}
	return sum
}

// Million measures a monitor on 1,000,000 operations of 50 clients on one queue.
func (m Monitor) Million(b *testing.B) {
	ops := Random(rand.New(rand.NewPCG(2, 2)), Mix{Ops: 1000000, Open: 50, Lost: true, Empties: true, Bag: m.Bag, Honest: 1})
	Measure(b, func() {
		if r, err := m.Check(b.Context(), ops); err != nil || r.Violation != nil {
			b.Fatal(r.Violation, err)
		}
	})
}
