package stream

import (
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// BenchmarkCheck judges a stream of 200,000 messages that three readers fetched.
func BenchmarkCheck(b *testing.B) {
	s := &broker{rng: rand.New(rand.NewPCG(1, 2)), next: map[int]int{}}
	for i := range 250_000 {
		s.publish()
		if i%10 == 0 {
			s.fetch(s.rng.IntN(3), 30, false)
		}
	}
	for node := range 3 {
		s.fetch(node, len(s.log), true)
	}
	h := &history.History{Ops: s.ops}
	for b.Loop() {
		if r := New(Options{}).Check(b.Context(), h); len(r.Anomalies) > 0 {
			b.Fatal(r.Anomalies)
		}
	}
	b.ReportMetric(float64(len(h.Ops)/2)*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
