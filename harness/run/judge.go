package run

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/health"
	"github.com/ordeal-dev/ordeal/checkers/perf"
	"github.com/ordeal-dev/ordeal/checkers/stats"
	"github.com/ordeal-dev/ordeal/checkers/worth"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Judgement is by what a history is judged.
type Judgement struct {
	Workload workloads.Workload
	Options  workloads.Options
	Level    string
	Promise  Promise  // of the target; without a level if nobody promised anything
	Worth    *worthOf // nil if the history is not that of a run of ours
	Errors   []string // what the harness could not do
}

// worthOf is what a run has to reach to be worth anything.
type worthOf struct {
	floors plan.Floors
	fs     []string
	faults []string
}

// judgement returns by what a test is judged.
func (t *Test) judgement() Judgement {
	return Judgement{
		Workload: t.Workload, Options: t.options, Level: t.Level,
		Promise: Promise{Level: t.Promise.Level, Doc: t.Promise.Doc},
		Worth:   &worthOf{t.Plan.Floors, t.frequent(), t.faultKinds()},
	}
}

// frequent returns the kinds of operations of which a run has many.
func (t *Test) frequent() []string {
	return slices.DeleteFunc(slices.Clone(t.Fs), func(f string) bool { return slices.Contains(t.Workload.Rare, f) })
}

// Judge judges a history. It never fails: whatever goes wrong is part of the
// result.
func Judge(ctx context.Context, h *history.History, j Judgement) *Result {
	r := &Result{
		Consistency: j.Level, Promise: j.Promise,
		Checkers: map[string]checkers.Result{},
		Faults:   faultResults(h.Windows()),
		Errors:   append(j.Errors, harnessErrors(h)...),
	}
	calls, err := h.Calls()
	if err != nil {
		r.Errors = append(r.Errors, "the history is not well-formed: "+err.Error())
	}
	r.Ops = counts(calls)
	if h.Torn != nil {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the history is cut short after byte %d (%s); what is before it was judged", h.Torn.Offset, h.Torn.Reason))
	}
	for _, w := range h.Warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	r.Recovered = recoveredAfter(h)

	final := j.Worth != nil || hasFinalPhase(h)
	level := j.checkers(j.Level, final)
	judged := slices.Concat(level, []checkers.Checker{health.New()})
	if j.Worth != nil {
		judged = append(judged, worth.New(worth.Floors{
			Completed: j.Worth.floors.Completed, OKOfEachKind: j.Worth.floors.OKEachKind, OKInWindow: j.Worth.floors.OKInWindow,
		}, j.Worth.fs, j.Worth.faults))
	}
	var promised []checkers.Checker
	if j.Promise.Level != "" && j.Promise.Level != j.Level {
		promised = j.checkers(j.Promise.Level, final)
	}
	results := runAll(ctx, h, slices.Concat(judged, promised, []checkers.Checker{perf.New(), stats.New()}))
	r.enter(results[:len(judged)], results[len(judged):], j.Promise.Level)
	r.Promise.Kept = kept(j, results[:len(level)], results[len(judged):len(judged)+len(promised)])
	return r
}

// checkers returns what judges by a level: with what judges the final phase,
// or without it.
func (j *Judgement) checkers(level string, final bool) []checkers.Checker {
	all := j.Workload.Checkers(level, j.Options)
	if final && j.Workload.Recovered != nil {
		all = append(all, j.Workload.Recovered(level, j.Options)...)
	}
	return all
}

// hasFinalPhase reports whether somebody looked, after recovery, how things stood.
func hasFinalPhase(h *history.History) bool {
	return slices.ContainsFunc(h.Ops, func(op history.Op) bool {
		return op.Final || op.Process == history.Nemesis && op.F == history.FReplicas
	})
}

// enter puts the results of the checkers into the result and merges those
// that make the verdict.
func (r *Result) enter(judged, others []namedResult, promise string) {
	verdicts := []checkers.Verdict{checkers.OK}
	for _, res := range judged {
		r.Judged = append(r.Judged, res.name)
		r.Checkers[res.name] = res.Result
		verdicts = append(verdicts, res.Verdict)
	}
	if len(r.Errors) > 0 {
		verdicts = append(verdicts, checkers.HarnessError)
	}
	r.Verdict = checkers.Merge(verdicts...)
	for _, res := range others {
		name := res.name
		if same, taken := r.Checkers[name]; taken {
			if reflect.DeepEqual(said(same), said(res.Result)) {
				continue // the level makes no difference to this checker
			}
			name += "@" + promise
		}
		r.Checkers[name] = res.Result
	}
}

// said is what a result says, without the evidence for it.
func said(r checkers.Result) checkers.Result {
	r.Certify = nil
	return r
}

// kept says whether the checkers of the promised level bear the promise out:
// nil if they cannot tell, or nobody promised anything.
func kept(j Judgement, level, promised []namedResult) *bool {
	switch j.Promise.Level {
	case "":
		return nil
	case j.Level:
		promised = level
	}
	worst := checkers.OK
	for _, r := range promised {
		worst = checkers.Merge(worst, r.Verdict)
	}
	answer := worst == checkers.OK
	if !answer && worst != checkers.Invalid {
		return nil
	}
	return &answer
}

// namedResult is the result of a checker under its name.
type namedResult struct {
	name string
	checkers.Result
}

// runAll runs checkers side by side, each on its own.
func runAll(ctx context.Context, h *history.History, all []checkers.Checker) []namedResult {
	results := make([]namedResult, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			results[i] = namedResult{c.Name(), checkers.Run(ctx, c, h)}
			if results[i].Anomalies == nil {
				results[i].Anomalies = []checkers.Anomaly{} // in JSON a list, not null
			}
		})
	}
	wg.Wait()
	return results
}

// harnessErrors lists the steps of the nemesis that could not be done.
func harnessErrors(h *history.History) []string {
	var errs []string
	for _, op := range h.Ops {
		if op.Process != history.Nemesis || op.Error == "" || op.F != history.FFault {
			continue
		}
		// What was skipped found no target; anything else should have worked.
		if op.Value.Get("step").Text() != "skipped" {
			id, _ := op.Value.Get("id").Int()
			errs = append(errs, strings.TrimSpace(op.Value.Get("kind").Text()+" "+strconv.FormatInt(id, 10))+": "+op.Error)
		}
	}
	return errs
}

// recoveredAfter is how long the cluster took to recover after the last fault
// was healed, or 0 if it was not seen to.
func recoveredAfter(h *history.History) plan.Duration {
	var asked int64
	for _, op := range h.Ops {
		switch {
		case op.Process != history.Nemesis || op.F != history.FReplicas:
		case op.Value.Kind() != history.KindMap:
			asked = op.Time
		case op.Error == "":
			return plan.Duration(op.Time - asked)
		}
	}
	return 0
}
