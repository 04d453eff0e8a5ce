// Package run carries a test out, from its plan to a verdict.
//
// A [Test] is a plan whose names have been looked up. Running it goes down one
// road: a world deploys the cluster; the [Loop] drives clients and the nemesis
// from generators and records what happens; the checkers judge the history.
// Whatever fails on the way, what was recorded until then is judged: an error
// of the harness is a verdict of its own, never a lost run.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Config says how to run a test; nothing in it changes what the test is.
type Config struct {
	Out  string // the folder for run directories
	Log  *slog.Logger
	Keep bool // leave the cluster up at the end, see Outcome.TakeDown
	// Started is told when the directory of the run is there; Progress now and
	// then how far the run has come. Both may be nil.
	Started  func(*store.Run)
	Progress func(Progress)
	// Follow repeats an earlier run: its choices instead of new ones, and its
	// trace to compare with.
	Follow *Recording
}

// Progress is how far a run has come.
type Progress struct {
	At  time.Duration // on the clock of the cluster
	Ops int           // started so far
}

// Outcome is a finished run.
type Outcome struct {
	Run     *store.Run
	History *history.History
	Logs    []world.LogLine
	Result  *Result
	// TakeDown takes down the cluster of a run with Config.Keep; it is nil
	// otherwise. On real nodes all faults heal, and after a while the cluster
	// ends, by itself when the program that ran it is gone.
	TakeDown func(context.Context) error
	// Divergence describes the first event that is not as in the recording
	// that was followed, or is empty.
	Divergence string
}

// Run carries out the test. It returns an error only if nothing was run;
// everything that goes wrong later is part of the result. When ctx ends, no new
// operations are started; faults are healed and what there is is judged.
func (t *Test) Run(ctx context.Context, cfg Config) (*Outcome, error) {
	start := time.Now()
	if err := t.Supported(ctx); err != nil {
		return nil, err
	}
	dir, err := store.Create(cfg.Out, t.Plan, start)
	if err != nil {
		return nil, err
	}
	if cfg.Started != nil {
		cfg.Started(dir)
	}
	e := &execution{Test: t, cfg: cfg, dir: dir, choices: choice.New(t.Plan.Seed)}
	if err := e.deploy(ctx); err != nil {
		return nil, errors.Join(err, e.closeFiles())
	}
	e.drive(ctx)
	e.collect()
	e.close()
	return e.judge(ctx, start)
}

// execution is a test while it runs.
type execution struct {
	*Test
	cfg      Config
	dir      *store.Run
	choices  choice.Source
	cluster  world.Cluster
	recorder *recorder
	trace    *os.File
	nemesis  *nemesis.Runner
	logs     []world.LogLine
	load     *Load
	digest   string
	diverged string
	errors   []string
	warnings []string
}

// fail notes an error of the harness.
func (e *execution) fail(what string, err error) {
	if err != nil {
		e.errors = append(e.errors, what+": "+err.Error())
		e.cfg.Log.Error(what, "error", err)
	}
}

func (e *execution) deploy(ctx context.Context) (err error) {
	if e.recorder, err = newRecorder(e.dir, e.World.Name() != "sim"); err != nil {
		return err
	}
	config, err := e.nodeConfig()
	if err != nil {
		return err
	}
	spec := world.Spec{
		Run: e.dir.ID(), Nodes: e.Plan.Nodes, Choices: e.choices, Boot: e.boot, Config: config,
		OpTimeout: time.Duration(e.Plan.OpTimeout), Log: e.cfg.Log,
	}
	if e.cfg.Follow != nil {
		spec.Expect = e.cfg.Follow.Trace
	}
	if e.trace, err = os.Create(e.dir.Path(store.TraceFile)); err != nil {
		return err
	}
	spec.Record = e.trace
	if e.cluster, err = e.World.Deploy(ctx, spec); err != nil {
		return err
	}
	return nil
}

// drive has clients and the nemesis do their work.
func (e *execution) drive(ctx context.Context) {
	e.nemesis = nemesis.NewRunner(e.Faults, e.choices)
	if err := e.cluster.Do(waitReady); err != nil {
		e.fail("the cluster did not become ready", err)
		e.loop(ctx, gen.Nothing()) // to record which nodes died
		return
	}
	main, err := e.generator(ctx)
	if err != nil {
		e.fail("generator", err)
		return
	}
	e.load = loadOf(e.Plan, e.loop(ctx, main))
}

// loop has clients and the nemesis do what a generator says.
func (e *execution) loop(ctx context.Context, what gen.Gen) LoopStats {
	stats, err := Loop(context.WithoutCancel(ctx), LoopConfig{
		Cluster:   e.cluster,
		Gen:       what,
		Clients:   e.Plan.Clients,
		Nodes:     e.Plan.Nodes,
		NewClient: func(history.Process, int) client.Client { return e.newClient() },
		Nemesis:   e.act,
		Recorder:  e.recorder,
		Progress:  e.progress,
		Stall:     max(time.Minute, 10*time.Duration(e.Plan.OpTimeout)),
	})
	e.fail("the run was cut short", err)
	return stats
}

// generator lays out the phases of the run: load under faults; healing of what
// is still broken; recovery; and the final operations of the workload.
func (e *execution) generator(ctx context.Context) (gen.Gen, error) {
	params := workloads.Params{Options: e.options, Fs: e.Fs, Choices: e.choices}
	load, faults, err := e.loadAndFaults(params)
	if err != nil {
		return nil, err
	}
	return gen.Phases(
		&interruptible{ctx: ctx, gen: gen.Any(gen.OnClients(load), gen.OnNemesis(faults))},
		gen.OnNemesis(gen.Ops(nemesis.HealAllOp())),
		gen.OnNemesis(gen.Ops(history.Op{F: history.FReplicas})),
		gen.Final(e.Workload.Final(params)),
	), nil
}

func (e *execution) loadAndFaults(params workloads.Params) (load, faults gen.Gen, err error) {
	if e.cfg.Follow != nil {
		return e.cfg.Follow.generators(e.nemesis, e.Plan.Clients)
	}
	steps, err := e.schedule()
	if err != nil {
		return nil, nil, err
	}
	load = gen.TimeLimit(time.Duration(e.Plan.Time), gen.Rate(e.choices, "rate", e.Plan.Rate, e.Workload.Generator(params)))
	return load, timetableOf(steps), nil
}

func (e *execution) progress(s LoopStats) {
	if e.cfg.Progress != nil {
		e.cfg.Progress(Progress{At: time.Duration(e.cluster.Now()), Ops: int(s.Started)})
	}
}

// act does an operation of the nemesis.
func (e *execution) act(ctl world.Control, op history.Op, record func(history.Op)) history.Op {
	if op.F == history.FReplicas {
		return observeRecovery(ctl, op)
	}
	return e.nemesis.Invoke(ctl, op, record)
}

// collect gathers what the nodes logged and looks for fatal lines in it.
func (e *execution) collect() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	e.logs, err = e.cluster.Logs(ctx)
	e.fail("logs could not be collected", err)
	e.fail("logs could not be written", writeLogs(e.dir, e.logs))
	for _, op := range fatalLines(e.fatal, e.logs) {
		op.Time = e.cluster.Now()
		e.fail("history", e.recorder.next(op))
	}
	e.digest = e.cluster.Digest()
}

// close ends everything that was opened. Whatever fails here costs neither the
// history nor the verdict.
func (e *execution) close() {
	if !e.keep() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.cluster.Close(ctx); err != nil {
			e.warnings = append(e.warnings, "the cluster could not be taken down, `ordeal clean` removes what is left: "+err.Error())
		}
	}
	if exact, ok := e.cluster.(world.Exact); ok && e.cfg.Follow != nil {
		e.diverged = exact.Divergence()
	}
	e.fail("files of the run", e.closeFiles())
}

// keep reports whether the cluster stays up at the end. One that repeats itself
// exactly does not: there is nothing in it to look at that a replay would not
// show again.
func (e *execution) keep() bool {
	_, exact := e.cluster.(world.Exact)
	return e.cfg.Keep && !exact
}

func (e *execution) closeFiles() error {
	var errs []error
	if e.recorder != nil {
		errs = append(errs, e.recorder.close())
	}
	if e.trace != nil {
		errs = append(errs, e.trace.Close())
		if info, err := os.Stat(e.trace.Name()); err == nil && info.Size() == 0 {
			errs = append(errs, os.Remove(e.trace.Name())) // this world has no trace
		}
	}
	return errors.Join(errs...)
}

// judge reads the history back from the disk, as everyone will who checks it
// again, and judges it.
func (e *execution) judge(ctx context.Context, start time.Time) (*Outcome, error) {
	h, err := history.Open(e.dir.Path(store.HistoryFile))
	if err != nil {
		return nil, fmt.Errorf("the history that was just written cannot be read: %w", err)
	}
	j := e.judgement()
	j.Errors = append(e.errors, j.Errors...)
	if ctx.Err() != nil {
		e.warnings = append(e.warnings, "the run was interrupted: faults were healed, and what there was by then was judged")
	}
	result := Judge(context.WithoutCancel(ctx), h, j)
	result.Warnings = append(result.Warnings, e.warnings...)
	result.Seed, result.Digest, result.Run = e.Plan.Seed, e.digest, e.dir.Dir
	result.Replay = "ordeal replay " + e.dir.Dir
	result.Bugs, result.Facts, result.Load = e.Plan.Bugs, factsIn(e.logs), e.load
	result.Took = since(start)
	outcome := &Outcome{Run: e.dir, History: h, Logs: e.logs, Result: result, Divergence: e.diverged}
	if e.keep() {
		outcome.TakeDown = e.cluster.Close
	}
	result.write(e.dir)
	return outcome, nil
}

// write puts the result into the directory of its run. A disk that has no room
// for it is one more error of the harness; who asked gets the result anyway.
func (r *Result) write(dir *store.Run) {
	if err := dir.WriteJSON(store.ResultFile, r); err != nil {
		r.Errors = append(r.Errors, "the result could not be written: "+err.Error())
		r.Verdict = checkers.Merge(r.Verdict, checkers.HarnessError)
	}
}

// loadOf compares what was offered with what was asked for.
func loadOf(p *plan.Plan, s LoopStats) *Load {
	l := &Load{Rate: p.Rate, Due: s.Offered, Started: s.Started, LateMax: plan.Duration(s.LateMax)}
	if s.Started > 0 {
		l.LateMean = plan.Duration(int64(s.LateSum) / s.Started)
	}
	return l
}

// Reopen judges an earlier run of the test again and writes its result anew.
func (t *Test) Reopen(ctx context.Context, dir *store.Run) (*Outcome, error) {
	start := time.Now()
	h, err := history.Open(dir.Path(store.HistoryFile))
	if err != nil {
		return nil, err
	}
	logs, err := readLogs(dir, t.Plan.Nodes)
	if err != nil {
		return nil, err
	}
	j := t.judgement()
	var old Result
	if err := dir.ReadJSON(store.ResultFile, &old); err == nil {
		j.Errors = old.Errors // not all of them can be found out again
	}
	result := Judge(ctx, h, j)
	result.Errors = unique(result.Errors)
	result.Warnings = unique(append(result.Warnings, old.Warnings...))
	result.Digest, result.Facts, result.Load = old.Digest, factsIn(logs), old.Load
	result.Seed, result.Run, result.Bugs = t.Plan.Seed, dir.Dir, t.Plan.Bugs
	result.Replay = "ordeal replay " + dir.Dir
	result.Took = since(start)
	result.write(dir)
	return &Outcome{Run: dir, History: h, Logs: logs, Result: result}, nil
}

// unique returns every text once, in the order of their first appearance.
func unique(texts []string) []string {
	var once []string
	for _, t := range texts {
		if !slices.Contains(once, t) {
			once = append(once, t)
		}
	}
	return once
}
