package run_test

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/internal/kinds"
)

// planFor is a plan of the store in the simulator, with what the command line
// takes for granted.
func planFor(seed uint64, length time.Duration, settings map[string]string, faults ...string) *plan.Plan {
	p := &plan.Plan{
		Version: "test", Target: "store", Settings: settings, World: "sim", Nodes: 5, Clients: 10,
		Workload: "register", Rate: 100, Time: plan.Duration(length), OpTimeout: plan.Duration(time.Second),
		Seed: seed, Floors: plan.DefaultFloors(),
	}
	for _, f := range faults {
		p.Faults = append(p.Faults, plan.Fault{Kind: f})
	}
	return p
}

var (
	cp   = map[string]string{"mode": "cp"}
	ap   = map[string]string{"mode": "ap"}
	weak = map[string]string{"mode": "ap", "r": "1", "w": "1"}

	four = []string{"partition", "kill", "pause", "clock"}
	six  = kinds.Faults()
)

// quiet is a logger for runs that are meant to fail.
var quiet = slog.New(slog.DiscardHandler)

// execute carries a plan out and fails the test if nothing was run.
func execute(t testing.TB, reg *registry.Registry, p *plan.Plan) *run.Outcome {
	t.Helper()
	o, err := try(t.Context(), reg, p, run.Config{Out: t.TempDir()})
	if err != nil {
		t.Fatalf("seed %d: %v", p.Seed, err)
	}
	return o
}

func try(ctx context.Context, reg *registry.Registry, p *plan.Plan, cfg run.Config) (*run.Outcome, error) {
	test, err := reg.Resolve(p)
	if err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = quiet
	}
	return test.Run(ctx, cfg)
}

// follow replays a run.
func follow(t testing.TB, reg *registry.Registry, dir *store.Run) *run.Outcome {
	t.Helper()
	p, err := dir.Plan()
	if err != nil {
		t.Fatal(err)
	}
	recording, err := run.ReadRecording(dir)
	if err != nil {
		t.Fatal(err)
	}
	o, err := try(t.Context(), reg, p, run.Config{Out: t.TempDir(), Follow: recording})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// mustEqual compares a file of two runs, byte for byte.
func mustEqual(t testing.TB, a, b *store.Run, names ...string) {
	t.Helper()
	for _, name := range names {
		x, y := read(t, a.Path(name)), read(t, b.Path(name))
		if !bytes.Equal(x, y) {
			at := 0
			for at < min(len(x), len(y)) && x[at] == y[at] {
				at++
			}
			t.Errorf("%s: %d and %d bytes, first difference at %d", name, len(x), len(y), at)
		}
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// exactly are the files that a run and its replay have in common.
var exactly = []string{store.HistoryFile, store.ChoicesFile, store.TraceFile}

// keeps reports whether the promise was seen to be kept.
func keeps(r *run.Result) bool { return r.Promise.Kept != nil && *r.Promise.Kept }

// long reports whether the sweeps are to be done in full: ORDEAL_LONG=1.
func long() bool { return os.Getenv("ORDEAL_LONG") != "" }

// seeds is for a look at more than a sample and less than all.
var seeds = flag.Int("seeds", 0, "how many seeds the sweeps run, instead of a sample")

// sweep runs a plan for the seeds from 1 on, on all cores: a sample of them, or
// all if the test is a long one. The directories of runs that were good are
// removed as it goes.
func sweep(t *testing.T, sample, all int, planOf func(seed uint64) *plan.Plan, bad func(*run.Result) string) {
	t.Helper()
	if testing.Short() {
		t.Skip("many seeds take many seconds; left out with -short")
	}
	n := sample
	switch {
	case *seeds > 0:
		n = *seeds
	case long():
		n = all
	}
	reg, out, began := registry.Builtin(), t.TempDir(), time.Now()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for seed := uint64(1); seed <= uint64(n); seed++ {
		g.Go(func() error {
			o, err := try(t.Context(), reg, planOf(seed), run.Config{Out: filepath.Join(out, "runs")})
			if err != nil {
				return err
			}
			if why := bad(o.Result); why != "" {
				t.Errorf("seed %d: %s: %s", seed, why, summary(o.Result))
			}
			return os.RemoveAll(o.Run.Dir)
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d seeds in %v", n, time.Since(began).Round(time.Millisecond))
}

// summary is what matters of a result that should have been another.
func summary(r *run.Result) string {
	s := r.Verdict.String()
	for _, e := range r.Errors {
		s += "; " + e
	}
	for name, c := range r.Checkers {
		if c.Reason != "" {
			s += "; " + name + ": " + c.Reason
		}
		for _, a := range c.Anomalies {
			s += "; " + name + ": " + a.Name + ": " + a.Explanation
		}
	}
	return s
}

// nemesisSteps returns the records of a step of fault windows.
func nemesisSteps(h *history.History, step string) []history.Op {
	return slices.DeleteFunc(slices.Clone(h.Ops), func(op history.Op) bool {
		return op.Process != history.Nemesis || op.Value.Get("step").Text() != step
	})
}
