package eventlog

import (
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// BenchmarkCheck judges a log of 100,000 sends and polls.
func BenchmarkCheck(b *testing.B) {
	m := &maker{rng: rand.New(rand.NewPCG(1, 2)), at: map[history.Process][2]int{}}
	producer := history.Process(1000)
	for range 50_000 {
		m.send(producer)
		if m.ops[len(m.ops)-1].Type == history.Info {
			producer++
		}
		m.poll(history.Process(100+m.rng.IntN(2)), 4)
	}
	h := &history.History{Ops: m.ops}
	for b.Loop() {
		if r := New(Options{SubVia: "assign", Allow: []string{Unseen}}).Check(b.Context(), h); len(r.Anomalies) > 0 {
			b.Fatal(r.Anomalies)
		}
	}
	b.ReportMetric(float64(len(h.Ops)/2)*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
