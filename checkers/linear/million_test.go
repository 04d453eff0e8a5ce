package linear

import (
	"encoding/json"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
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
	b.ResetTimer()
	start := processorTime()
	for b.Loop() {
		if v := zonesAlone(b, h); v != checkers.OK {
			b.Fatal(v)
		}
	}
	b.ReportMetric(float64(processorTime()-start)/1e9/float64(b.N), "cpu-s/op")
}

func processorTime() int64 {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return use.Utime.Nano() + use.Stime.Nano()
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
		if _, err := verify.VerifyClaim(h, raw); err != nil {
			b.Fatal(err)
		}
	}
}
