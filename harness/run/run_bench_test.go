package run_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
)

// BenchmarkRun60s is a simulated run of the main job, from the plan to the
// result on the disk: a minute of the store in mode cp under four faults, with
// another seed each time. It leaves out the start of the process, which
// `go run ./internal/bench` counts in.
func BenchmarkRun60s(b *testing.B) {
	b.ReportAllocs()
	reg, out := registry.Builtin(), b.TempDir()
	events := int64(0)
	for seed := uint64(1); b.Loop(); seed++ {
		outcome := minute(b, reg, out, seed)
		if outcome.Result.Verdict != checkers.OK {
			b.Fatalf("seed %d: %v", seed, outcome.Result.Verdict)
		}
		trace, err := os.Stat(outcome.Run.Path(store.TraceFile))
		if err != nil {
			b.Fatal(err)
		}
		events += trace.Size() / 2 // two bytes each
	}
	b.ReportMetric(60*float64(b.N)/b.Elapsed().Seconds(), "sim-s/s")
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

func minute(b *testing.B, reg *registry.Registry, out string, seed uint64) *run.Outcome {
	test, err := reg.Resolve(&plan.Plan{
		Target: "store", Settings: map[string]string{"mode": "cp"}, World: "sim", Nodes: 5, Clients: 10,
		Workload: "register", Faults: []plan.Fault{{Kind: "partition"}, {Kind: "kill"}, {Kind: "pause"}, {Kind: "clock"}},
		Rate: 100, Time: plan.Duration(time.Minute), OpTimeout: plan.Duration(time.Second),
		Seed: seed, Floors: plan.DefaultFloors(),
	})
	if err != nil {
		b.Fatal(err)
	}
	outcome, err := test.Run(context.Background(), run.Config{Out: out, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return outcome
}
