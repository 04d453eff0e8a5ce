package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/reports/terminal"
)

// stop is a halt of the tour: a target under settings that trade a promise for
// speed or availability, and a command that shows what that costs.
type stop struct {
	target, about, command string
}

// stops lists what the field knows of each sort of system. Each command breaks
// the strong level and keeps what the settings promise.
var stops = []stop{
	{
		"store", "A store that writes to one replica and reads from one serves values that were overwritten.",
		"ordeal run --target store --set mode=ap --set r=1 --set w=1 --workload register --nemesis partition --seed 1",
	},
	{
		"queue", "A log that acknowledges what the leader alone has, and lets a replica lead that lacks it, loses it.",
		"ordeal run --target queue --set kind=log --set acks=1 --set unclean=on --workload log --nemesis partition,kill --seed 1",
	},
	{
		"queue", "A queue that hands messages out until somebody acknowledges them hands some out again.",
		"ordeal run --target queue --set kind=work --workload queue --nemesis pause --consistency exactly-once --seed 1",
	},
	{
		"queue", "A queue that hands each message out once loses those of clients that did not get the answer.",
		"ordeal run --target queue --set kind=work --set guarantee=at-most-once --workload queue --nemesis pause --consistency exactly-once --seed 1",
	},
	{
		"files", "A filesystem that reads from the nearest replica shows less than what was synced.",
		"ordeal run --target files --set read=any --workload append --nemesis partition --seed 1",
	},
	{
		"ledger", "A ledger that calls a block final after one confirmation takes it back.",
		"ordeal run --target ledger --set finality=depth --set depth=1 --workload transfer --nemesis partition --seed 1",
	},
}

// tourResult is what `ordeal tour` prints.
type tourResult struct {
	Stops []toured   `json:"stops"`
	Zoo   *zooResult `json:"zoo"`
}

type toured struct {
	About   string      `json:"about"`
	Command string      `json:"command"`
	Result  *run.Result `json:"result"`
}

func (a *app) tourCommand() *cobra.Command {
	var of []string
	var out string
	c := &cobra.Command{
		Use:   "tour",
		Short: "Show what each reference target trades away, and that seeded bugs are found",
		Long: `Run telling commands for each reference target in the simulator: under settings
that promise less, faults break what the strong settings promise, and the promise
that is left is kept. Then show the seeded bugs, each with the first seed that
shows it; ordeal zoo hunts them without that knowledge.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range of {
				if _, err := a.reg.Target(name); err != nil {
					return usage(err)
				}
			}
			if err := store.Usable(out); err != nil {
				return usage(err)
			}
			return a.tour(c.Context(), of, out)
		},
	}
	c.Flags().StringSliceVar(&of, "target", nil, "only this target; may be repeated")
	c.Flags().StringVar(&out, "out", "runs", "the folder for run directories")
	return c
}

func (a *app) tour(ctx context.Context, of []string, out string) error {
	result := tourResult{Stops: []toured{}, Zoo: &zooResult{Budget: time.Minute.Seconds(), Bugs: []*hunted{}}}
	var verdict error
	for _, s := range stops {
		if len(of) > 0 && !slices.Contains(of, s.target) {
			continue
		}
		o, err := a.halt(ctx, s, out)
		if err != nil {
			return err
		}
		result.Stops = append(result.Stops, toured{s.about, s.command, o.Result})
		if !tells(o.Result) {
			verdict = verdictError(checkers.Merge(o.Result.Verdict, checkers.Unknown))
		}
	}
	a.showZoo(ctx, of, result.Zoo)
	if a.json {
		if err := a.printJSON(result); err != nil {
			return err
		}
	} else {
		fmt.Fprint(a.out, "The seeded bugs, each with the first seed that shows it; `ordeal zoo` hunts them anew.\n\n")
		if err := a.printZoo(result.Zoo); err != nil {
			return err
		}
		a.printRate(result.Zoo)
	}
	if verdict != nil {
		return verdict
	}
	return result.Zoo.verdict()
}

// halt runs the command of a stop and prints what it shows.
func (a *app) halt(ctx context.Context, s stop, out string) (*run.Outcome, error) {
	p, err := a.planOfCommand(s.command)
	if err != nil {
		return nil, err
	}
	o, err := a.quiet(ctx, p, out)
	if err != nil || a.json {
		return o, err
	}
	fmt.Fprintf(a.out, "%s\n\n    %s\n\n", s.about, s.command)
	err = terminal.Telling(a.out, o.Result)
	fmt.Fprintf(a.out, "report       %s\n\n", filepath.Join(o.Run.Dir, store.ReportFile))
	return o, err
}

// tells reports whether a run shows what the tour is there to show: that the
// strong level is broken, and the promise kept.
func tells(r *run.Result) bool {
	return r.Verdict == checkers.Invalid && r.Promise.Kept != nil && *r.Promise.Kept
}

// showZoo runs each bug with the seed that is known to show it.
func (a *app) showZoo(ctx context.Context, of []string, z *zooResult) {
	for _, b := range a.reg.Bugs() {
		if ctx.Err() != nil || len(of) > 0 && !slices.Contains(of, b.Target) {
			continue
		}
		z.Of++
		seed := max(b.Seed, 1)
		z.add(a.hunt(ctx, b, seed, seed, time.Minute, a.follow))
	}
	if a.live() && !a.json {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
}
