package staleness

import (
	"math/rand/v2"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// BenchmarkCheck measures a million reads and writes of a hundred registers, of which
// some reads are stale.
func BenchmarkCheck(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	h := &history.History{}
	var written [100][]int64
	for i := range 1_000_000 {
		k := rng.IntN(len(written))
		op := history.Op{Process: history.Process(i % 50), Index: 2 * i, Time: int64(i) * 1e4, Key: history.Int(int64(k)), F: "read"}
		if len(written[k]) == 0 || rng.IntN(2) == 0 {
			written[k] = append(written[k], int64(i+1))
			op.F, op.Value = "write", history.Int(int64(i+1))
		}
		h.Ops = append(h.Ops, op)
		op.Index, op.Time, op.Type = op.Index+1, op.Time+1e3, history.OK
		if op.F == "read" {
			back := min(len(written[k])-1, rng.IntN(10)/9)
			op.Value = history.Int(written[k][len(written[k])-1-back])
		}
		h.Ops = append(h.Ops, op)
	}
	for b.Loop() {
		if r := New(Options{}).Check(b.Context(), h); len(r.Anomalies) > 0 {
			b.Fatal(r.Anomalies)
		}
	}
	b.ReportMetric(float64(len(h.Ops)/2)*float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}
