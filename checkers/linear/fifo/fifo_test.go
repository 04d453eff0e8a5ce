package fifo_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
)

var monitor = queues.Monitor{Check: fifo.Check, Model: "fifo-queue"}

// TestAgainstDefinition compares with brute force, and has every certificate
// confirmed.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	monitor.Agrees(t, map[string]queues.Mix{
		"complete": {},
		"lost":     {Lost: true},
		"guesses":  {Lost: true, Guesses: true},
		"empties":  {Lost: true, Empties: true},
		"all":      {Lost: true, Guesses: true, Empties: true},
	}, func(m queues.Mix) bool { return m.Guesses && m.Empties })
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

func BenchmarkMillion(b *testing.B) { monitor.Million(b) }
