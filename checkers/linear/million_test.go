package linear

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/queues"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// million is 1,000,000 reads, writes and compare-and-sets of 50 clients on one
// key, of which 1,000 crashed; a client that crashed goes on under another number.
func million() *history.History {
	h := random(rand.New(rand.NewPCG(10, 10)), mix{calls: 1000000, processes: 50, unique: true, cas: true, honest: 1})
	rename := make(map[history.Process]history.Process)
	next, crashes := history.Process(50), 0
	for i := range h.Ops {
		op := &h.Ops[i]
		client := op.Process
		if p, ok := rename[client]; ok {
			op.Process = p
		}
		if op.Type == history.OK && op.F != "read" && crashes < 1000 && i%500 < 2 {
			op.Type = history.Info
			crashes++
			rename[client], next = next, next+1
		}
	}
	return h
}

// BenchmarkMillionCrashed is the check alone, with the history in memory. It
// reports the processor's time as well, which others on the machine do not change.
func BenchmarkMillionCrashed(b *testing.B) {
	h := million()
	queues.Measure(b, func() {
		if v := zonesAlone(b, h); v != checkers.OK {
			b.Fatal(v)
		}
	})
}

// BenchmarkMillionVerified has the certificate of such a history confirmed.
func BenchmarkMillionVerified(b *testing.B) {
	h := million()
	claim, err := New(Options{Engine: Zones, Workers: 1}).Check(b.Context(), h).Claim()
	if err != nil {
		b.Fatal(err)
	}
	raw, err := json.Marshal(claim)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := verify.Claim(h, raw); err != nil {
			b.Fatal(err)
		}
	}
}

// clients has few processes do what a history has one process each for. A
// process whose operation got no answer is not used again.
func clients(h *history.History) *history.History {
	var idle []history.Process
	next, of := history.Process(0), make(map[history.Process]history.Process)
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Type == history.Invoke {
			if len(idle) == 0 {
				idle, next = append(idle, next), next+1
			}
			of[op.Process] = idle[len(idle)-1]
			idle = idle[:len(idle)-1]
			op.Process = of[op.Process]
		} else if op.Process != history.Nemesis {
			op.Process = of[op.Process]
			idle = append(idle, op.Process)
		}
	}
	return h
}

// BenchmarkMillionQueue is the check alone of 1,000,000 operations of 50 clients
// on one queue.
func BenchmarkMillionQueue(b *testing.B) {
	for _, m := range []Model{FIFOQueue(), UnorderedQueue()} {
		b.Run(m.Name, func(b *testing.B) {
			h := clients(queues.Recorded(queues.Random(rand.New(rand.NewPCG(2, 2)), queues.Mix{
				Ops: 1000000, Open: 50, Lost: true, Empties: true, Bag: m.Name == UnorderedQueue().Name, Honest: 1,
			})))
			queues.Measure(b, func() {
				if r := New(Options{Model: m, Workers: 1}).Check(b.Context(), h); r.Verdict != checkers.OK {
					b.Fatal(r.Verdict, r.Reason, r.Anomalies)
				}
			})
		})
	}
}
