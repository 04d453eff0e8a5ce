package bag_test

import (
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/checkers/linear/bag"
)

var monitor = queues.Monitor{Check: bag.Check, Model: "unordered-queue", Bag: true}

// TestAgainstDefinition compares with brute force, and has every certificate
// confirmed.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	monitor.Agrees(t, map[string]queues.Mix{
		"complete": {},
		"repeated": {Lost: true, Guesses: true, Repeat: true},
		"empties":  {Lost: true, Empties: true},
		"all":      {Lost: true, Guesses: true, Empties: true},
		"anything": {Lost: true, Guesses: true, Empties: true, Repeat: true},
	}, func(m queues.Mix) bool { return m.Empties && (m.Guesses || m.Repeat) })
}

func BenchmarkMillion(b *testing.B) { monitor.Million(b) }
