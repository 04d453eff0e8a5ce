package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/harness/node"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/reports/html"
	"github.com/ordeal-dev/ordeal/reports/terminal"
)

// unsupported tells what the user asked for and a world cannot do from what
// the machine is not up to.
func unsupported(err error) error {
	if errors.Is(err, world.ErrEnvironment) {
		return err
	}
	return usage(err)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.printJSON(map[string]string{"version": Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
			}
			_, err := fmt.Fprintf(a.out, "ordeal %s (%s, %s/%s)\n", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

func (a *app) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report RUN…",
		Short: "Judge runs again and draw their reports anew",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("name the directories of runs, like runs/latest")
			}
			results := make([]*run.Result, len(args))
			for i, path := range args {
				var err error
				if results[i], err = a.redraw(c.Context(), path); err != nil {
					return err
				}
			}
			switch {
			case !a.json:
				return nil
			case len(results) == 1:
				return a.printJSON(results[0])
			default:
				return a.printJSON(map[string]any{"runs": results})
			}
		},
	}
}

// redraw judges a run again by today's checkers and writes its result and report.
func (a *app) redraw(ctx context.Context, path string) (*run.Result, error) {
	dir, err := store.Open(path)
	if err != nil {
		return nil, usage(err)
	}
	p, err := dir.Plan()
	if err != nil {
		return nil, usage(err)
	}
	test, err := a.reg.Resolve(p)
	if err != nil {
		return nil, usage(err)
	}
	outcome, err := test.Reopen(ctx, dir)
	if err != nil {
		return nil, usage(err)
	}
	page, err := html.Render(p, outcome)
	if err != nil {
		return nil, err
	}
	if err := dir.WriteFile(store.ReportFile, page); err != nil {
		return nil, err
	}
	if a.json {
		return outcome.Result, nil
	}
	return outcome.Result, terminal.Print(a.out, p, outcome)
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Find out what this machine can do",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.doctor(c.Context()) },
	}
}

// diagnosis is what a world can do here.
type diagnosis struct {
	World  string `json:"world"`
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

func (a *app) doctor(ctx context.Context) error {
	all := []diagnosis{}
	for _, w := range a.reg.Worlds {
		if d, ok := w.(world.Doctor); ok {
			for _, f := range d.Examine(ctx) {
				all = append(all, diagnosis{w.Name(), f.Check, f.Err == nil, reason(f.Err)})
			}
		}
		for _, f := range a.reg.Faults {
			err := w.Support(ctx, f.Needs)
			all = append(all, diagnosis{w.Name(), "fault " + f.Kind, err == nil, reason(err)})
		}
	}
	if a.json {
		return a.printJSON(all)
	}
	var rows [][]string
	for _, d := range all {
		mark := "yes"
		if !d.OK {
			mark = "no"
		}
		rows = append(rows, []string{d.World, d.Check, mark, d.Reason})
	}
	return terminal.Table(a.out, []string{"world", "what", "works", "why not, and what would help"}, rows)
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (a *app) cleanCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "clean",
		Short: "Remove what runs left behind in Docker: containers, networks, old images",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			removed, err := docker.Clean(c.Context(), docker.CleanOptions{All: all})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(removed)
			}
			_, err = fmt.Fprintf(a.out, "removed %d containers, %d networks, %d images\n",
				len(removed.Containers), len(removed.Networks), len(removed.Images))
			return err
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also what belongs to runs that are going on")
	return c
}

// agentCommand is what runs on nodes as process 1, and what reaches it there.
func (a *app) agentCommand() *cobra.Command {
	return &cobra.Command{
		Use: docker.AgentCommand, Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error { return docker.AgentMain(args) },
	}
}

// nodeCommand is a node of a target as a process.
func (a *app) nodeCommand() *cobra.Command {
	return &cobra.Command{
		Use: node.Command, Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error { return node.Main(args, a.reg.Boot) },
	}
}

// planFor is a plan with everything at its default but what is given.
func planFor(target string, settings map[string]string, workload, worldName string, faults ...string) *plan.Plan {
	p := &plan.Plan{
		Version: Version, Target: target, Settings: settings, Workload: workload, Options: map[string]string{}, World: worldName,
		Nodes: 5, Clients: 10, Rate: 100, Floors: plan.DefaultFloors(),
	}
	for _, f := range faults {
		p.Faults = append(p.Faults, plan.Fault{Kind: f})
	}
	return p
}

// quiet runs a test without telling anybody.
func (a *app) quiet(ctx context.Context, p *plan.Plan, out string) (*run.Outcome, error) {
	test, err := a.reg.Resolve(p)
	if err != nil {
		return nil, err
	}
	outcome, err := test.Run(ctx, run.Config{Out: out, Log: a.log})
	if err == nil {
		a.writeReport(p, outcome)
	}
	return outcome, err
}
