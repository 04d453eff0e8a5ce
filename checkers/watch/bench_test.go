package watch

import (
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// BenchmarkCheck judges watches that got about a million events of 100,000 changes.
func BenchmarkCheck(b *testing.B) {
	s := &store{rng: rand.New(rand.NewPCG(1, 2)), state: map[string]int{}}
	for range 100_000 {
		s.write()
	}
	for range 10 {
		s.call(len(s.ops), "watch", history.OK, rulestest.Fields("from", 1), all(s.log))
	}
	h := &history.History{Ops: s.ops}
	for b.Loop() {
		if r := New(Options{}).Check(b.Context(), h); len(r.Anomalies) > 0 {
			b.Fatal(r.Anomalies)
		}
	}
	b.ReportMetric(1e6*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
