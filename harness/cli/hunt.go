package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/internal/proc"
	"github.com/ordeal-dev/ordeal/targets"
)

// hunted is what came of the hunt for a bug.
type hunted struct {
	ID      string  `json:"id"`
	Target  string  `json:"target"`
	Found   bool    `json:"found"`
	Seeds   uint64  `json:"seeds"`             // the one that shows the bug, or the last that was tried
	CPU     float64 `json:"cpu-seconds"`       // until it was found, or given up
	Checker string  `json:"checker"`           // that must find it
	Anomaly string  `json:"anomaly"`           // under which name
	Wrong   []class `json:"wrong-classes"`     // under which runs were invalid that do not count
	Error   string  `json:"error,omitempty"`   // why the command could not be run
	Command string  `json:"command,omitempty"` // shows it, if it was found
}

// class is an anomaly of a checker, and how many runs showed it.
type class struct {
	Checker string `json:"checker"`
	Anomaly string `json:"anomaly"`
	Runs    int    `json:"runs"`
}

// hunt runs the command of a bug with the seeds from first to last, until a run
// shows it under its name or the budget of time on the processor is spent.
// tell is told before each run. A command that cannot be run finds nothing.
func (a *app) hunt(ctx context.Context, b targets.Bug, first, last uint64, budget time.Duration, tell func(*hunted)) (h *hunted) {
	h = &hunted{ID: b.ID, Target: b.Target, Checker: b.Checker, Anomaly: b.Anomaly, Wrong: []class{}}
	out, err := os.MkdirTemp("", "ordeal-zoo-")
	defer os.RemoveAll(out)
	began := proc.Used()
	for seed := first; seed <= last && !h.Found && ctx.Err() == nil && proc.Used()-began < budget; seed++ {
		tell(h)
		var r *run.Result
		if r, err = a.encounter(ctx, b, seed, out); err != nil {
			break
		}
		h.Seeds = seed
		h.Found = shows(r, b)
		h.CPU = (proc.Used() - began).Seconds()
		if !h.Found {
			h.mistake(r)
		}
	}
	if h.Found = h.Found && h.CPU <= budget.Seconds(); h.Found {
		h.Command = fmt.Sprintf("%s --seed %d", b.Command, h.Seeds)
	}
	if err != nil {
		h.Error = err.Error()
	}
	return h
}

// encounter runs the command of a bug with a seed, and leaves nothing behind.
func (a *app) encounter(ctx context.Context, b targets.Bug, seed uint64, out string) (*run.Result, error) {
	p, err := a.planOfCommand(b.Command)
	if err != nil {
		return nil, err
	}
	p.Seed = seed
	test, err := a.reg.Resolve(p)
	if err != nil {
		return nil, err
	}
	o, err := test.Run(ctx, run.Config{Out: out, Log: a.log})
	if err != nil {
		return nil, err
	}
	return o.Result, os.RemoveAll(o.Run.Dir)
}

// planOfCommand is the plan that a command line with `ordeal run` stands for.
func (a *app) planOfCommand(command string) (*plan.Plan, error) {
	words := strings.Fields(command)
	if len(words) < 2 || words[0] != "ordeal" || words[1] != "run" {
		return nil, fmt.Errorf("%q is not a command line of `ordeal run`", command)
	}
	var f runFlags
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	a.planFlags(fs, &f)
	if err := fs.Parse(words[2:]); err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return a.planOf(&f, fs)
}

// shows reports whether a run found a bug: by its checker, under its name.
func shows(r *run.Result, b targets.Bug) bool {
	return r.Verdict == checkers.Invalid && slices.Contains(r.Judged, b.Checker) &&
		slices.ContainsFunc(r.Checkers[b.Checker].Anomalies, func(a checkers.Anomaly) bool { return a.Name == b.Anomaly })
}

// mistake counts the classes of anomalies of a run that does not show the bug.
func (h *hunted) mistake(r *run.Result) {
	var seen []class
	for _, name := range r.Judged {
		for _, a := range r.Checkers[name].Anomalies {
			if c := (class{Checker: name, Anomaly: a.Name}); r.Verdict == checkers.Invalid && !slices.Contains(seen, c) {
				seen = append(seen, c)
			}
		}
	}
	for _, c := range seen {
		at := slices.IndexFunc(h.Wrong, func(w class) bool { return w.Checker == c.Checker && w.Anomaly == c.Anomaly })
		if at < 0 {
			at, h.Wrong = len(h.Wrong), append(h.Wrong, c)
		}
		h.Wrong[at].Runs++
	}
	slices.SortStableFunc(h.Wrong, func(a, b class) int { return cmp.Compare(b.Runs, a.Runs) })
}
