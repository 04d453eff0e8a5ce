// Package cli is the command line of Ordeal.
//
// Commands are thin: they turn flags into a plan, have the packages below do
// the work, and print what came of it. Every command takes --json and then
// prints one JSON document on standard output and nothing else; logs go to
// standard error. The exit code says how it went, see [ExitOK] and the others.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/internal/suggest"
)

// Version is that of the tool. The build sets it.
var Version = "devel"

// Exit codes.
const (
	ExitOK           = 0  // everything asked for holds
	ExitInvalid      = 1  // a promise is broken, and that is proven
	ExitUnknown      = 2  // nobody can tell
	ExitHarnessError = 3  // the harness or its environment failed
	ExitUsage        = 64 // the command line, or a file it names, is wrong
)

// exitOf returns the exit code of a verdict.
func exitOf(v checkers.Verdict) int {
	return map[checkers.Verdict]int{
		checkers.OK: ExitOK, checkers.Unknown: ExitUnknown,
		checkers.HarnessError: ExitHarnessError, checkers.Invalid: ExitInvalid,
	}[v]
}

// usageError is an error in what the user asked for.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage marks an error as one of the user.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// verdictError ends a command that has printed its result with the exit code
// of a verdict.
type verdictError checkers.Verdict

func (e verdictError) Error() string { return checkers.Verdict(e).String() }

// afterwards is an error of a command that has printed its result already: the
// document on standard output stays the only one.
type afterwards struct{ error }

func (e afterwards) Unwrap() error { return e.error }

// app is what all commands share.
type app struct {
	reg  *registry.Registry
	in   io.Reader
	out  io.Writer
	err  io.Writer
	log  *slog.Logger
	json bool
}

// Main does what the command line says and returns the exit code.
func Main(reg *registry.Registry, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{reg: reg, in: in, out: out, err: errOut}
	a.log = slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, stop := interruptible(errOut)
	defer stop()
	root := a.root()
	root.SetArgs(args)
	return a.exit(root.ExecuteContext(ctx))
}

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "ordeal",
		Short:         "Find out whether a distributed system keeps its promises while things fail",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          a.unknownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.Version = Version
	root.SetHelpCommand(a.helpCommand())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON document and nothing else on standard output")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		a.runCommand(), a.checkCommand(), a.verifyCommand(), a.replayCommand(), a.reportCommand(), a.listCommand(), a.zooCommand(),
		a.doctorCommand(), a.cleanCommand(), a.demoCommand(), a.tourCommand(), a.versionCommand(),
		a.agentCommand(), a.nodeCommand(),
	)
	return root
}

func (a *app) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Explain a command",
		RunE: func(c *cobra.Command, args []string) error {
			about, _, err := c.Root().Find(args)
			if err != nil || about == c.Root() && len(args) > 0 {
				return a.unknownCommand(c.Root(), args)
			}
			return about.Help()
		},
	}
}

// unknownCommand refuses words that are no command.
func (a *app) unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			known = append(known, sub.Name())
		}
	}
	return usage(suggest.Unknown("command", args[0], known))
}

// flagError explains a flag that cannot be read, with the nearest one.
func flagError(c *cobra.Command, err error) error {
	text := err.Error()
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		flag := bad.GetFlag()
		return usagef("--%s %s: want %s", flag.Name, bad.GetValue(), wanted(flag.Value.Type()))
	}
	name, unknown := strings.CutPrefix(text, "unknown flag: --")
	if !unknown {
		return usagef("%s; see `%s --help`", text, c.CommandPath())
	}
	if near := suggest.Nearest(name, flagNames(c)); near != "" {
		return usagef("unknown flag --%s: did you mean --%s?", name, near)
	}
	return usagef("unknown flag --%s; see `%s --help`", name, c.CommandPath())
}

// wanted says what a flag of a type takes.
func wanted(kind string) string {
	switch kind {
	case "duration":
		return "a duration like 500ms, 10s or 1m"
	case "uint64":
		return "a whole number from 0 to 18446744073709551615"
	case "int", "int64":
		return "a whole number"
	default:
		return "a " + kind
	}
}

// exit prints an error and returns the exit code that belongs to it.
func (a *app) exit(err error) int {
	var verdict verdictError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &verdict):
		return exitOf(checkers.Verdict(verdict))
	}
	code := ExitHarnessError
	if errors.As(err, &usageError{}) {
		code = ExitUsage
	}
	if a.json && !errors.As(err, &afterwards{}) {
		_ = a.printJSON(map[string]any{"error": err.Error(), "exit": code})
	}
	fmt.Fprintln(a.err, "ordeal:", err)
	return code
}

func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// interruptible returns a context that ends at the first interrupt. The second
// one ends the program at once; whatever it leaves behind heals by itself, and
// `ordeal clean` removes the rest.
func interruptible(errOut io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var done atomic.Bool
	go func() {
		<-signals
		if done.Load() {
			return
		}
		fmt.Fprintln(errOut, "ordeal: interrupted; healing, and judging what there is. Interrupt again to leave at once.")
		cancel()
		<-signals
		if !done.Load() {
			os.Exit(130)
		}
	}()
	return ctx, func() {
		done.Store(true)
		signal.Stop(signals)
		cancel()
	}
}
