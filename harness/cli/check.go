package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/internal/suggest"
	"github.com/ordeal-dev/ordeal/reports/terminal"
	"github.com/ordeal-dev/ordeal/workloads"
)

// checkFlags are the flags of `ordeal check` as they were given.
type checkFlags struct {
	workload, model, consistency string
	opt                          []string
	timeout                      time.Duration
}

func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check HISTORY…",
		Short: "Judge recorded histories",
		Long: `Judge recorded histories: JSON Lines, a JSON array, or Jepsen's EDN, plain or
compressed with gzip or zstd, whatever they are called; - is standard input.
A history is judged by itself: whether the run it came from was worth anything
is not asked.`,
		Example: `  ordeal check runs/latest/history.jsonl.zst --workload register
  ordeal check --model cas-register < history.edn -`,
		RunE: func(c *cobra.Command, args []string) error { return a.check(c.Context(), &f, args) },
	}
	c.Flags().StringVar(&f.workload, "workload", "", "judge by a workload, see `ordeal list workloads`")
	c.Flags().StringVar(&f.model, "model", "", "judge linearizability by a model, see `ordeal list models`")
	c.Flags().StringVar(&f.consistency, "consistency", "", "level to judge by (default: what the workload is about)")
	c.Flags().StringArrayVar(&f.opt, "opt", nil, "an option of the workload, NAME=VALUE; may be repeated")
	c.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "give up on a history after this time; it is unknown then")
	return c
}

func (a *app) check(ctx context.Context, f *checkFlags, files []string) error {
	if len(files) == 0 {
		return usagef("name the histories to check, or - for standard input")
	}
	j, err := a.judgementOf(f)
	if err != nil {
		return usage(err)
	}
	results := make([]*run.Result, len(files))
	verdicts := make([]checkers.Verdict, len(files))
	for i, name := range files {
		h, err := a.readHistory(name)
		if err != nil {
			return usage(err)
		}
		results[i] = a.checkOne(ctx, f, name, h, j)
		verdicts[i] = results[i].Verdict
	}
	return a.printChecks(results, checkers.Merge(verdicts...))
}

// judgementOf finds out by what to judge.
func (a *app) judgementOf(f *checkFlags) (run.Judgement, error) {
	var none run.Judgement
	switch {
	case f.workload == "" && f.model == "":
		return none, fmt.Errorf("say by what to judge: --workload (%s) or --model (%s)",
			strings.Join(a.reg.WorkloadNames(), ", "), strings.Join(workloads.ModelNames(), ", "))
	case f.workload != "" && f.model != "":
		return none, fmt.Errorf("--workload and --model exclude each other")
	case f.model != "" && (f.consistency != "" || len(f.opt) > 0):
		return none, fmt.Errorf("--model is always judged by linearizability: leave out --consistency and --opt, or use --workload")
	case f.consistency == run.Promised:
		return none, fmt.Errorf("--consistency promised: a history by itself does not say what its target promised; name a level, or judge the run again with `ordeal report RUN`")
	case f.model != "":
		w, err := workloads.Model(f.model)
		return run.Judgement{Workload: w, Level: workloads.Linearizable}, err
	}
	w, err := a.reg.Workload(f.workload)
	if err != nil {
		return none, err
	}
	given, err := pairs("--opt", f.opt, nil)
	if err != nil {
		return none, err
	}
	options, err := w.Fill(given)
	if err != nil {
		return none, err
	}
	level := w.Level
	if f.consistency != "" {
		level = f.consistency
	}
	if !contains(w.Levels, level) {
		return none, suggest.Unknown("level of workload "+w.Name, level, w.Levels)
	}
	return run.Judgement{Workload: w, Options: options, Level: level}, nil
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (a *app) readHistory(name string) (*history.History, error) {
	if name == "-" {
		h, err := history.Read(a.in)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		return h, nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a directory; the history of a run is in %s", name, filepath.Join(name, store.HistoryFile))
	}
	return history.Open(name)
}

func (a *app) checkOne(ctx context.Context, f *checkFlags, name string, h *history.History, j run.Judgement) *run.Result {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	r := run.Judge(ctx, h, j)
	r.Run = name
	r.Replay = "ordeal check " + name
	if f.model != "" {
		r.Replay += " --model " + f.model
	} else {
		r.Replay += " --workload " + f.workload + " --consistency " + j.Level
	}
	return r
}

func (a *app) printChecks(results []*run.Result, worst checkers.Verdict) error {
	if a.json {
		var doc any = results[0]
		if len(results) > 1 {
			doc = map[string]any{"verdict": worst, "histories": results}
		}
		if err := a.printJSON(doc); err != nil {
			return err
		}
		return verdictError(worst)
	}
	for _, r := range results {
		if err := terminal.PrintCheck(a.out, r); err != nil {
			return err
		}
	}
	return verdictError(worst)
}
