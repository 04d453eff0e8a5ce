package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/reports/drawing"
	"github.com/ordeal-dev/ordeal/reports/terminal"
	"github.com/ordeal-dev/ordeal/workloads"
)

// checkFlags are the flags of `ordeal check` as they were given.
type checkFlags struct {
	workload, model, consistency string
	opt                          []string
	timeout                      time.Duration
	memory                       string
	certificate, svg             string
}

func (a *app) checkCommand() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check HISTORY…",
		Short: "Judge recorded histories",
		Long: `Judge recorded histories: JSON Lines, a JSON array, or Jepsen's EDN, plain or
compressed with gzip or zstd, whatever they are called; - is standard input.
A history is judged by itself: whether the run it came from was worth anything
is not asked.

With --certificate, the evidence for the verdict is written to a file, which
` + "`ordeal verify`" + ` confirms without any of the code that came to the verdict.`,
		Example: `  ordeal check runs/latest/history.jsonl.zst --workload register
  ordeal check history.edn --workload list-append --consistency serializable
  ordeal check history.edn --workload bank --opt accounts=0,1,2,3 --opt total-amount=40
  ordeal check --model cas-register --certificate proof.json < history.edn -`,
		RunE: func(c *cobra.Command, args []string) error { return a.check(c.Context(), &f, args) },
	}
	c.Flags().StringVar(&f.workload, "workload", "", "judge by the workload `NAME`; see ordeal list workloads")
	c.Flags().StringVar(&f.model, "model", "", "judge linearizability by the model `NAME`; see ordeal list models")
	c.Flags().StringVar(&f.consistency, "consistency", "", "level to judge by (default: what the workload is about)")
	c.Flags().StringArrayVar(&f.opt, "opt", nil, "an option of the workload or model, NAME=VALUE; may be repeated")
	c.Flags().DurationVar(&f.timeout, "timeout", 5*time.Minute, "give up on a history after this time; it is unknown then")
	c.Flags().StringVar(&f.memory, "memory", "8GiB", "give up on a history that takes more memory than this; it is unknown then")
	c.Flags().StringVar(&f.certificate, "certificate", "", "write the evidence for the verdict to `FILE`, for ordeal verify")
	c.Flags().StringVar(&f.svg, "svg", "", "draw each anomaly into the directory `DIR`, as SVG")
	return c
}

func (a *app) check(ctx context.Context, f *checkFlags, files []string) error {
	if len(files) == 0 {
		return usagef("name the histories to check, or - for standard input")
	}
	if len(files) > 1 && (f.certificate != "" || f.svg != "") {
		return usagef("--certificate and --svg are for one history at a time")
	}
	j, err := a.judgementOf(f)
	if err != nil {
		return usage(err)
	}
	memory, err := parseBytes(f.memory)
	if err != nil {
		return usage(fmt.Errorf("--memory: %w", err))
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memory))
	results := make([]*run.Result, len(files))
	verdicts := make([]checkers.Verdict, len(files))
	var proofs func() error // of the one history, if they were asked for
	for i, name := range files {
		h, err := a.readHistory(name, memory)
		if errors.Is(err, history.ErrTooLarge) {
			results[i] = tooLarge(j, name, err)
			verdicts[i] = results[i].Verdict
			continue
		}
		if err != nil {
			return usage(err)
		}
		results[i] = a.checkOne(ctx, f, memory, name, h, j)
		verdicts[i] = results[i].Verdict
		proofs = func() error { return a.writeProofs(f, h, results[i]) }
	}
	verdict := a.printChecks(results, checkers.Merge(verdicts...))
	if proofs != nil && len(files) == 1 {
		if err := proofs(); err != nil {
			return afterwards{err} // the verdict has been printed: a full disk does not cost it
		}
	}
	return verdict
}

// writeProofs writes the certificate and the drawings that were asked for.
func (a *app) writeProofs(f *checkFlags, h *history.History, r *run.Result) error {
	if f.certificate != "" {
		if err := a.writeCertificate(f.certificate, h, r); err != nil {
			return err
		}
	}
	if f.svg != "" {
		return drawing.WriteAll(f.svg, h, r)
	}
	return nil
}

// judgementOf finds out by what to judge.
func (a *app) judgementOf(f *checkFlags) (run.Judgement, error) {
	var none run.Judgement
	w, err := a.judge(f)
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
		if level, err = w.LevelNamed(f.consistency); err != nil {
			return none, err
		}
	}
	return run.Judgement{Workload: w, Options: options, Level: level}, nil
}

// judge returns the workload, or that of the model, that the flags name.
func (a *app) judge(f *checkFlags) (workloads.Workload, error) {
	var none workloads.Workload
	switch {
	case f.workload == "" && f.model == "":
		return none, fmt.Errorf("say by what to judge: --workload (%s) or --model (%s)",
			strings.Join(a.reg.WorkloadNames(), ", "), strings.Join(workloads.ModelNames(), ", "))
	case f.workload != "" && f.model != "":
		return none, fmt.Errorf("--workload and --model exclude each other")
	case f.model != "" && f.consistency != "":
		return none, fmt.Errorf("--model is always judged by linearizability: leave out --consistency, or use --workload")
	case f.consistency == run.Promised:
		return none, fmt.Errorf("--consistency promised: a history by itself does not say what its target promised; name a level, or judge the run again with `ordeal report RUN`")
	case f.model != "":
		return workloads.Model(f.model)
	default:
		return a.reg.Workload(f.workload)
	}
}

// readHistory reads a history that can be judged, or says what keeps anyone
// from judging it.
func (a *app) readHistory(name string, memory int64) (*history.History, error) {
	in := a.in
	if name != "-" {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a directory; the history of a run is in %s", name, filepath.Join(name, store.HistoryFile))
		}
		file, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening the history: %w", err)
		}
		defer file.Close()
		in = file
	}
	h, err := readSound(in, memory)
	if err != nil && name == "-" {
		name = "standard input"
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return h, nil
}

// readSound reads a history whose records belong together: each completion has
// its invocation, and no index comes twice.
func readSound(r io.Reader, memory int64) (*history.History, error) {
	h, err := history.ReadWithin(r, memory)
	if err != nil {
		return nil, err
	}
	for _, w := range h.Warnings {
		if w.Oddity == history.IndexesRepeated {
			return nil, fmt.Errorf("line %d: the index repeats or goes back (%d times): if these are several histories, check each by itself; "+
				"if the indexes mean nothing, leave them out", w.Line, w.Count)
		}
	}
	if len(h.Ops) == 0 {
		return h, nil
	}
	if _, err := checkers.Paired(h); err != nil {
		return nil, fmt.Errorf("%w: no verdict could be trusted; is a part of the history missing?", err)
	}
	return h, nil
}

func (a *app) checkOne(ctx context.Context, f *checkFlags, memory int64, name string, h *history.History, j run.Judgement) *run.Result {
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("it ran out of its time of %v (--timeout)", f.timeout))
	defer cancel()
	ctx, stop := withMemory(ctx, memory)
	defer stop()
	r := run.Judge(ctx, h, j)
	r.Run = name
	r.Replay = "ordeal check " + name
	if f.model != "" {
		r.Replay += " --model " + f.model
	} else {
		r.Replay += " --workload " + f.workload + " --consistency " + j.Level
	}
	for _, o := range f.opt {
		r.Replay += " --opt " + o
	}
	return r
}

// tooLarge is the result for a history that was not read to its end.
func tooLarge(j run.Judgement, name string, err error) *run.Result {
	r := &run.Result{Verdict: checkers.Unknown, Run: name, Consistency: j.Level, Judged: []string{j.Workload.Name}, Faults: []run.FaultResult{}}
	unread := checkers.Unknownf("%v (--memory)", err)
	unread.Anomalies = []checkers.Anomaly{}
	r.Checkers = map[string]checkers.Result{j.Workload.Name: unread}
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
