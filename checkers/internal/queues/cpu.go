package queues

import (
	"syscall"
	"testing"
)

// Measure runs a benchmark and reports the processor's time as well, which
// others on the machine do not change.
func Measure(b *testing.B, do func()) {
	b.Helper()
	b.ResetTimer()
	start := processorTime()
	for b.Loop() {
		do()
	}
	b.ReportMetric(float64(processorTime()-start)/1e9/float64(b.N), "cpu-s/op")
}

func processorTime() int64 {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return use.Utime.Nano() + use.Stime.Nano()
}
