package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/reports/terminal"
)

// demoTime is how long the demo puts each store under load.
const demoTime = 20 * time.Second

func (a *app) demoCommand() *cobra.Command {
	var out string
	var seed uint64
	c := &cobra.Command{
		Use:   "demo",
		Short: "Compare the reference store as CP and as AP under four faults",
		Long: `Run the reference store twice, as CP and as AP, on five nodes with the same
faults: partitions, kills, pauses and clock jumps. In Docker if an engine
answers, else in the simulator.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), out, seed) },
	}
	c.Flags().StringVar(&out, "out", "runs", "the folder for run directories")
	c.Flags().Uint64Var(&seed, "seed", 1, "the seed of both runs")
	return c
}

func (a *app) demo(ctx context.Context, out string, seed uint64) error {
	where := "docker"
	if err := a.dockerAnswers(ctx); err != nil {
		where = "sim"
		fmt.Fprintf(a.err, "ordeal: the demo runs in the simulator, because Docker cannot be used: %v\n", err)
	}
	plans := []*plan.Plan{
		a.demoPlan(where, seed, map[string]string{"mode": "cp"}),
		a.demoPlan(where, seed, map[string]string{"mode": "ap", "r": "1", "w": "1"}),
	}
	if !a.json {
		fmt.Fprintf(a.out, "The reference store as CP and as AP, five nodes, world %s, %v each under partition, kill, pause and clock faults\n", where, demoTime)
	}
	outcomes, err := a.sideBySide(ctx, plans, out)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(map[string]any{"world": where, "cp": outcomes[0].Result, "ap": outcomes[1].Result})
	}
	if err := terminal.Compare(a.out, []string{"cp", "ap"}, outcomes); err != nil {
		return err
	}
	for i, name := range []string{"cp", "ap"} {
		fmt.Fprintf(a.out, "%s report   %s\n", name, filepath.Join(outcomes[i].Run.Dir, store.ReportFile))
	}
	return a.demoVerdict(outcomes)
}

// demoVerdict fails if the demo did not show what it is there to show: that
// CP is linearizable, and that AP keeps its promise.
func (a *app) demoVerdict(o []*run.Outcome) error {
	for _, r := range []*run.Result{o[0].Result, o[1].Result} {
		if r.Promise.Kept == nil || !*r.Promise.Kept {
			return verdictError(r.Verdict)
		}
	}
	return nil
}

func (a *app) dockerAnswers(ctx context.Context) error {
	w, err := a.reg.World("docker")
	if err != nil {
		return err
	}
	return w.Support(ctx, world.Partition)
}

func (a *app) demoPlan(where string, seed uint64, settings map[string]string) *plan.Plan {
	p := planFor("store", settings, "register", where, "partition", "kill", "pause", "clock")
	p.Seed = seed
	p.Time, p.OpTimeout = plan.Duration(demoTime), plan.Duration(time.Second)
	return p
}

// sideBySide runs plans at the same time, as two runs on one host may.
func (a *app) sideBySide(ctx context.Context, plans []*plan.Plan, out string) ([]*run.Outcome, error) {
	outcomes := make([]*run.Outcome, len(plans))
	errs := make([]error, len(plans))
	var wg sync.WaitGroup
	for i, p := range plans {
		wg.Go(func() { outcomes[i], errs[i] = a.quiet(ctx, p, out) })
	}
	wg.Wait()
	return outcomes, errors.Join(errs...)
}
