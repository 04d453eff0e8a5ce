package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
)

// replayResult is what `ordeal replay` prints: the result of the last try, and
// how the replay compares with the run.
type replayResult struct {
	*run.Result
	Replayed replayed `json:"replayed"`
}

type replayed struct {
	Exact      bool             `json:"exact"` // the same bytes were delivered
	Divergence string           `json:"divergence,omitempty"`
	Recorded   checkers.Verdict `json:"recorded"` // the verdict of the run that was replayed
	Same       int              `json:"same"`     // tries that came to the same verdict
	Tries      int              `json:"tries"`
}

func (a *app) replayCommand() *cobra.Command {
	var f runFlags
	var times int
	c := &cobra.Command{
		Use:   "replay RUN",
		Short: "Do a run again: exactly in the simulator, by its schedule elsewhere",
		Long: `Do a run again from its plan and its recorded choices. In the simulator the
replay is exact: it is checked byte for byte, and the first event that differs
is named. In other worlds the schedule is repeated: the same operations and the
same faults on the same nodes at the same times, --times over.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name the directory of one run, like runs/latest")
			}
			if times < 1 {
				return usagef("--times %d: replay at least once", times)
			}
			return a.replay(c, args[0], times, &f)
		},
	}
	c.Flags().IntVar(&times, "times", 1, "how often to repeat it")
	a.outputFlags(c.Flags(), &f)
	return c
}

func (a *app) replay(c *cobra.Command, path string, times int, f *runFlags) error {
	dir, err := store.Open(path)
	if err != nil {
		return usage(err)
	}
	p, err := dir.Plan()
	if err != nil {
		return usage(err)
	}
	recording, err := run.ReadRecording(dir)
	if err != nil {
		return usage(fmt.Errorf("the choices of the run cannot be read: %w", err))
	}
	var old run.Result
	if err := dir.ReadJSON(store.ResultFile, &old); err != nil {
		return usage(fmt.Errorf("the run has no result to compare with: %w", err))
	}
	r := replayed{Recorded: old.Verdict}
	if p.Seed != old.Seed {
		r.Divergence = fmt.Sprintf("%s has seed %d, but the run was made with seed %d", store.PlanFile, p.Seed, old.Seed)
	}
	var last *run.Outcome
	keep := f.keep
	for i := range times {
		f.keep = keep && i == times-1
		again := *p
		if last, err = a.execute(c, &again, f, recording); err != nil {
			return err
		}
		r.Tries++
		if last.Result.Verdict == old.Verdict {
			r.Same++
		}
		if last.Divergence != "" {
			r.Divergence = strings.TrimPrefix(r.Divergence+"; "+last.Divergence, "; ")
			break // an exact world does the same in every try
		}
	}
	r.Exact = r.Divergence == "" && last.Result.Digest != "" && last.Result.Digest == old.Digest
	err = a.printReplay(p, last, r)
	if last.TakeDown != nil {
		a.hold(c.Context(), last)
	}
	return err
}

// errDiverged ends a replay that should have been exact and was not.
var errDiverged = errors.New("the replay did something else than the run")

func (a *app) printReplay(p *plan.Plan, o *run.Outcome, r replayed) error {
	exactWorld := o.Result.Digest != ""
	if a.json {
		if err := a.printJSON(replayResult{o.Result, r}); err != nil {
			return err
		}
	} else if err := a.finish(p, o); !errors.As(err, new(verdictError)) {
		return err
	}
	if !a.json {
		a.sayReplayed(exactWorld, r)
	}
	if exactWorld && !r.Exact {
		return afterwards{errDiverged}
	}
	return verdictError(o.Result.Verdict)
}

func (a *app) sayReplayed(exactWorld bool, r replayed) {
	switch {
	case exactWorld && r.Exact:
		fmt.Fprintln(a.out, "replayed exactly: every byte delivered was the same")
	case exactWorld && r.Divergence != "":
		fmt.Fprintln(a.out, "not the same run:", r.Divergence)
	case exactWorld:
		fmt.Fprintln(a.out, "not the same run: the digests differ; the run was made without a trace or by another version")
	default:
		fmt.Fprintf(a.out, "repeated the schedule: %s in %s of %s tries, as recorded\n", r.Recorded, strconv.Itoa(r.Same), strconv.Itoa(r.Tries))
	}
}
