package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/internal/suggest"
	"github.com/ordeal-dev/ordeal/reports/html"
	"github.com/ordeal-dev/ordeal/reports/terminal"
)

// runFlags are the flags of `ordeal run` as they were given.
type runFlags struct {
	target, workload, world, consistency string
	set, opt, fault, bugs, nemesis       []string
	nodes, clients                       int
	rate                                 int64
	time, opTimeout                      time.Duration
	seed                                 uint64
	plan, out                            string
	keep, report                         bool
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Run a test: deploy, drive clients, inject faults, check, report",
		Example: `  ordeal run --target store --set mode=cp --workload register --nemesis partition,kill,pause,clock --time 60s --seed 1
  ordeal run --target store --set mode=ap --workload register --nemesis partition --world docker --time 20s --consistency promised`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.planOf(&f, c.Flags())
			if err != nil {
				return usage(err)
			}
			return a.runPlan(c, p, &f, nil)
		},
	}
	a.planFlags(c.Flags(), &f)
	a.outputFlags(c.Flags(), &f)
	return c
}

// planFlags are those that say what a run is.
func (a *app) planFlags(fs *pflag.FlagSet, f *runFlags) {
	fs.StringVar(&f.target, "target", "store", "what to test, see ordeal list targets")
	fs.StringArrayVar(&f.set, "set", nil, "a setting of the target, NAME=VALUE; may be repeated")
	fs.StringSliceVar(&f.bugs, "bug", nil, "seed a bug into the target, see ordeal list bugs; may be repeated")
	fs.StringVar(&f.workload, "workload", "register", "what clients do, see ordeal list workloads")
	fs.StringArrayVar(&f.opt, "opt", nil, "an option of the workload, NAME=VALUE; may be repeated")
	fs.StringSliceVar(&f.nemesis, "nemesis", nil, "faults to inject, like partition,kill; see ordeal list faults")
	fs.StringArrayVar(&f.fault, "fault", nil, "a parameter of a fault, KIND.NAME=VALUE like partition.shape=leader; may be repeated")
	fs.StringVar(&f.world, "world", "sim", "where to run, see ordeal list worlds")
	fs.IntVar(&f.nodes, "nodes", 5, "how many nodes")
	fs.IntVar(&f.clients, "clients", 10, "how many clients; client i belongs to node i mod nodes")
	fs.Int64Var(&f.rate, "rate", 100, "offered load in operations per second over all clients")
	fs.DurationVar(&f.time, "time", 60*time.Second, "how long to offer load and inject faults")
	fs.DurationVar(&f.opTimeout, "op-timeout", time.Second, "when to give up on an operation")
	fs.Uint64Var(&f.seed, "seed", 0, "the seed of all randomness (default: a new one)")
	fs.StringVar(&f.consistency, "consistency", "", "level to judge by, or promised (default: what the workload is about)")
	fs.StringVar(&f.plan, "plan", "", "take everything from a plan.json; other flags change single things")
}

// outputFlags are those that change nothing about the test.
func (a *app) outputFlags(fs *pflag.FlagSet, f *runFlags) {
	fs.StringVar(&f.out, "out", "runs", "the folder for run directories")
	fs.BoolVar(&f.keep, "keep", false, "leave the cluster up at the end, until interrupted")
	fs.BoolVar(&f.report, "report", true, "write report.html")
}

// planOf turns flags into a plan.
func (a *app) planOf(f *runFlags, fs *pflag.FlagSet) (*plan.Plan, error) {
	p := &plan.Plan{Floors: plan.DefaultFloors()}
	if f.plan != "" {
		var err error
		if p, err = plan.Read(f.plan); err != nil {
			return nil, err
		}
	}
	given := func(name string) bool { return f.plan == "" || fs.Changed(name) }
	assign(given("target"), &p.Target, f.target)
	assign(given("workload"), &p.Workload, f.workload)
	assign(given("world"), &p.World, f.world)
	assign(given("consistency"), &p.Consistency, f.consistency)
	assign(given("nodes"), &p.Nodes, f.nodes)
	assign(given("clients"), &p.Clients, f.clients)
	assign(given("rate"), &p.Rate, f.rate)
	assign(given("time"), &p.Time, plan.Duration(f.time))
	assign(given("op-timeout"), &p.OpTimeout, plan.Duration(f.opTimeout))
	assign(given("bug"), &p.Bugs, f.bugs)
	assign(fs.Changed("seed"), &p.Seed, f.seed)
	if f.plan == "" && !fs.Changed("seed") {
		p.Seed = newSeed()
	}
	p.Version = Version
	return p, a.addPairs(p, f, given("nemesis"))
}

func assign[T any](given bool, to *T, value T) {
	if given {
		*to = value
	}
}

// newSeed returns a seed that nobody has used: short enough to be retyped.
func newSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]) % 1_000_000_000
}

// addPairs adds what is given as NAME=VALUE.
func (a *app) addPairs(p *plan.Plan, f *runFlags, nemesis bool) (err error) {
	if p.Settings, err = pairs("--set", f.set, p.Settings); err != nil {
		return err
	}
	if p.Options, err = pairs("--opt", f.opt, p.Options); err != nil {
		return err
	}
	if nemesis {
		p.Faults = nil
		for _, kind := range f.nemesis {
			p.Faults = append(p.Faults, plan.Fault{Kind: kind})
		}
	}
	for _, text := range f.fault {
		if err := a.addFaultParam(p, text); err != nil {
			return err
		}
	}
	return nil
}

// addFaultParam adds KIND.NAME=VALUE to the fault of that kind.
func (a *app) addFaultParam(p *plan.Plan, text string) error {
	name, value, ok := strings.Cut(text, "=")
	kind, param, dotted := strings.Cut(name, ".")
	if !ok || !dotted {
		return fmt.Errorf("--fault %s: write it as KIND.NAME=VALUE, like partition.shape=leader", text)
	}
	if _, err := a.reg.Fault(kind); err != nil {
		return err
	}
	i := slices.IndexFunc(p.Faults, func(f plan.Fault) bool { return f.Kind == kind })
	if i < 0 {
		return fmt.Errorf("--fault %s: the run has no fault %s; add it with --nemesis %s", text, kind, kind)
	}
	if p.Faults[i].Params == nil {
		p.Faults[i].Params = map[string]string{}
	}
	p.Faults[i].Params[param] = value
	return nil
}

// pairs adds a list of NAME=VALUE to a map.
func pairs(flag string, list []string, to map[string]string) (map[string]string, error) {
	if to == nil {
		to = map[string]string{}
	}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%s %s: write it as NAME=VALUE", flag, text)
		}
		to[name] = value
	}
	return to, nil
}

// runPlan runs a plan and prints what came of it.
func (a *app) runPlan(c *cobra.Command, p *plan.Plan, f *runFlags, follow *run.Recording) error {
	if f.keep && p.World == "sim" {
		return usagef("--keep: a simulated cluster is gone with the run; its history, logs and trace are kept anyway")
	}
	outcome, err := a.execute(c, p, f, follow)
	if err != nil {
		return err
	}
	verdict := a.finish(p, outcome)
	if outcome.TakeDown != nil {
		a.hold(c.Context(), outcome)
	}
	return verdict
}

// hold leaves a cluster up until the user interrupts.
func (a *app) hold(ctx context.Context, o *run.Outcome) {
	fmt.Fprintf(a.err, "ordeal: the cluster is up: docker ps --filter label=ordeal.run=%s; interrupt to take it down\n", o.Run.ID())
	<-ctx.Done()
	if err := o.TakeDown(context.WithoutCancel(ctx)); err != nil {
		a.log.Warn("the cluster could not be taken down; `ordeal clean` removes what is left", "error", err)
	}
}

// execute runs a plan and writes its report.
func (a *app) execute(c *cobra.Command, p *plan.Plan, f *runFlags, follow *run.Recording) (*run.Outcome, error) {
	test, err := a.reg.Resolve(p)
	if err != nil {
		return nil, usage(err)
	}
	if err := store.Usable(f.out); err != nil {
		return nil, usage(err)
	}
	if err := test.Supported(c.Context()); err != nil {
		return nil, unsupported(err)
	}
	if p.World == "sim" {
		// A simulated run is over in a moment; collecting garbage rarely saves
		// a quarter of its time.
		defer debug.SetGCPercent(debug.SetGCPercent(400))
	}
	outcome, err := test.Run(c.Context(), run.Config{
		Out: f.out, Log: a.log, Keep: f.keep, Follow: follow,
		Started:  func(dir *store.Run) { a.announce(p, dir) },
		Progress: a.progress(),
	})
	if err != nil {
		return nil, err
	}
	if f.report {
		a.writeReport(p, outcome)
	}
	return outcome, nil
}

// announce prints the seed first: whatever happens, it can be tried again.
func (a *app) announce(p *plan.Plan, dir *store.Run) {
	if !a.json {
		fmt.Fprintf(a.out, "seed %d   %s   %s on %s in %s\n", p.Seed, dir.Dir, p.Workload, p.Target, p.World)
	}
}

// finish prints the result of a run and returns its verdict.
func (a *app) finish(p *plan.Plan, o *run.Outcome) error {
	if a.json {
		if err := a.printJSON(o.Result); err != nil {
			return err
		}
		return verdictError(o.Result.Verdict)
	}
	if err := terminal.Print(a.out, p, o); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "seed %d   %s\n", p.Seed, o.Result.Replay)
	return verdictError(o.Result.Verdict)
}

// writeReport draws the report. What goes wrong with it never changes a verdict.
func (a *app) writeReport(p *plan.Plan, o *run.Outcome) {
	page, err := html.Render(p, o)
	if err == nil {
		err = o.Run.WriteFile(store.ReportFile, page)
	}
	if err != nil {
		a.log.Warn("the report could not be written", "error", err)
	}
}

// progress returns what shows how far a run has come: a live line on a
// terminal, and nothing where output is read by programs.
func (a *app) progress() func(run.Progress) {
	if a.json || !a.live() {
		return nil
	}
	return func(p run.Progress) {
		fmt.Fprintf(a.err, "\r%6.1fs  %d operations ", p.At.Seconds(), p.Ops)
	}
}

// live reports whether people watch, on a terminal.
func (a *app) live() bool {
	f, ok := a.err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, but got %q; values go to flags, see `%s --help`", c.CommandPath(), args[0], c.CommandPath())
	}
	return nil
}

func flagNames(c *cobra.Command) []string {
	var names []string
	add := func(f *pflag.Flag) { names = append(names, f.Name) }
	c.Flags().VisitAll(add)
	c.InheritedFlags().VisitAll(add)
	return names
}

// oneOf returns the argument of a command that takes one of a few words.
func oneOf(what string, args, known []string) (string, error) {
	if len(args) != 1 {
		return "", usagef("say which: %s", strings.Join(known, ", "))
	}
	if !slices.Contains(known, args[0]) {
		return "", usage(suggest.Unknown(what, args[0], known))
	}
	return args[0], nil
}
