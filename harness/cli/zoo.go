package cli

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/internal/suggest"
	"github.com/ordeal-dev/ordeal/reports/terminal"
	"github.com/ordeal-dev/ordeal/targets"
)

// enough is the share of the bugs, in percent, that a hunt has to find.
const enough = 95

// zooResult is what `ordeal zoo` prints.
type zooResult struct {
	Found  int       `json:"found"`
	Of     int       `json:"of"`
	Budget float64   `json:"budget-seconds"` // on the processor, for each bug
	Bugs   []*hunted `json:"bugs"`
}

func (a *app) zooCommand() *cobra.Command {
	var ids, of []string
	var budget time.Duration
	c := &cobra.Command{
		Use:   "zoo",
		Short: "Hunt the bugs that were seeded into the reference targets",
		Long: `Hunt the bugs that were seeded into the reference targets, in the simulator:
each by the command that is listed for it, with the seeds 1, 2, 3 and so on,
until a run shows it or the budget is spent. Found counts only what the checker
that is listed reports under the name that is listed. Exits with 0 if at least
95 % are found, and with 1 otherwise. See ordeal list bugs.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			bugs, err := a.chooseBugs(ids, of)
			if err != nil {
				return usage(err)
			}
			if budget <= 0 {
				return usagef("--budget %v: give each bug a time above 0", budget)
			}
			return a.zoo(c.Context(), bugs, budget)
		},
	}
	c.Flags().StringSliceVar(&ids, "bug", nil, "only this bug; may be repeated")
	c.Flags().StringSliceVar(&of, "target", nil, "only bugs of this target; may be repeated")
	c.Flags().DurationVar(&budget, "budget", time.Minute, "time on the processor for each bug")
	return c
}

// chooseBugs returns the bugs of the given ids and targets, or all.
func (a *app) chooseBugs(ids, of []string) ([]targets.Bug, error) {
	bugs := a.reg.Bugs()
	known := make([]string, len(bugs))
	for i, b := range bugs {
		known[i] = b.ID
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return nil, suggest.Unknown("bug", id, known)
		}
	}
	for _, name := range of {
		if _, err := a.reg.Target(name); err != nil {
			return nil, err
		}
	}
	bugs = slices.DeleteFunc(bugs, func(b targets.Bug) bool {
		return len(ids) > 0 && !slices.Contains(ids, b.ID) || len(of) > 0 && !slices.Contains(of, b.Target)
	})
	if len(bugs) == 0 {
		return nil, fmt.Errorf("no bug is left: %s has none of %s; see ordeal list bugs", strings.Join(of, ", "), strings.Join(ids, ", "))
	}
	return bugs, nil
}

// zoo hunts one bug after the other, so that the time on the processor is that
// of the hunt for it, and prints what came of it.
func (a *app) zoo(ctx context.Context, bugs []targets.Bug, budget time.Duration) error {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as for a single run
	result := zooResult{Of: len(bugs), Budget: budget.Seconds(), Bugs: []*hunted{}}
	for _, b := range bugs {
		if ctx.Err() != nil {
			break
		}
		h := a.hunt(ctx, b, 1, math.MaxUint64, budget, a.follow)
		a.tell(h)
		result.add(h)
	}
	if a.json {
		if err := a.printJSON(result); err != nil {
			return err
		}
		return result.verdict()
	}
	if err := a.printZoo(&result); err != nil {
		return err
	}
	for _, h := range result.Bugs {
		if h.Found {
			fmt.Fprintf(a.out, "%-5s %s\n", h.ID, h.Command)
		}
	}
	a.printRate(&result)
	return result.verdict()
}

func (z *zooResult) add(h *hunted) {
	z.Bugs = append(z.Bugs, h)
	if h.Found {
		z.Found++
	}
}

// verdict is an error unless enough of the bugs were found.
func (z *zooResult) verdict() error {
	if z.Found*100 < z.Of*enough {
		return verdictError(checkers.Invalid)
	}
	return nil
}

// follow shows on a terminal where a hunt is.
func (a *app) follow(h *hunted) {
	if !a.json && a.live() {
		fmt.Fprintf(a.err, "\r%-6s %d seeds, %.1f s ", h.ID, h.Seeds, h.CPU)
	}
}

// tell says, where nobody sees a live line, what came of a hunt.
func (a *app) tell(h *hunted) {
	if a.json {
		return
	}
	if a.live() {
		fmt.Fprint(a.err, "\r\x1b[K")
		return
	}
	outcome := "not found"
	if h.Found {
		outcome = "found"
	}
	fmt.Fprintf(a.err, "ordeal: %s %s, %d seeds, %.1f s\n", h.ID, outcome, h.Seeds, h.CPU)
}

// printZoo prints the table of a hunt.
func (a *app) printZoo(z *zooResult) error {
	var rows [][]string
	for _, h := range z.Bugs {
		found := "NO"
		if h.Found {
			found = "yes"
		}
		rows = append(rows, []string{
			h.ID, h.Target, found, fmt.Sprint(h.Seeds), fmt.Sprintf("%.1f", h.CPU), h.Checker + ": " + h.Anomaly, h.wrong(),
		})
	}
	header := []string{"bug", "target", "found", "seeds", "CPU s", "must be found by", "what does not count"}
	if err := terminal.Table(a.out, header, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.out)
	return err
}

// printRate prints how many bugs were found.
func (a *app) printRate(z *zooResult) {
	fmt.Fprintf(a.out, "\nfound %d of %d bugs (%d %%), with %v on the processor for each\n",
		z.Found, z.Of, z.Found*100/max(1, z.Of), time.Duration(z.Budget*float64(time.Second)))
}

// wrong lists the classes that do not count, after what went wrong.
func (h *hunted) wrong() string {
	var list []string
	if h.Error != "" {
		list = append(list, h.Error)
	}
	for _, w := range h.Wrong {
		list = append(list, fmt.Sprintf("%s: %s (%d)", w.Checker, w.Anomaly, w.Runs))
	}
	return strings.Join(list, ", ")
}
