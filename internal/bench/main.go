// Command bench prints the figures that the README quotes, one to a line with
// its unit and its goal.
//
// It measures in two ways. Whole runs are processes of the program, one for
// each seed, pinned to one core: start, run, history on the disk, judgement,
// result. Their wall time depends on what else the machine does, their time on
// the processor hardly does, so both are shown. Everything else is a benchmark
// of a package, run by `go test` and read back. Ratios of two checkers come from
// one run over the same histories. Checks of large histories are processes as well,
// so that the memory they needed is known: this program starts itself anew to make a
// history, write it down and judge it in memory, and then has the program judge the
// file.
//
//	go run ./internal/bench -bin bin/ordeal
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// figure is a line of the table.
type figure struct {
	what  string
	value string
	unit  string
	goal  string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childMode {
		if err := child(os.Stdout, os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	bin := flag.String("bin", "bin/ordeal", "the program to measure")
	seeds := flag.Int("seeds", 20, "how many runs")
	only := flag.String("only", "", "measure one part only: main (the main job and what it is made of), kinds (of targets, a thousand runs of each) or checks (of large histories)")
	flag.Parse()
	if err := bench(os.Stdout, *bin, *seeds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(w io.Writer, bin string, seeds int, only string) error {
	parts := map[string]func() ([]figure, error){
		"main":   func() ([]figure, error) { return measureMain(bin, seeds) },
		"kinds":  func() ([]figure, error) { return measureKinds(bin, seeds) },
		"checks": func() ([]figure, error) { return measureChecks(bin) },
	}
	if _, ok := parts[only]; !ok && only != "" {
		return fmt.Errorf("-only %s: want main, kinds or checks", only)
	}
	var figures []figure
	for _, name := range []string{"main", "kinds", "checks"} {
		if only != "" && only != name {
			continue
		}
		lines, err := parts[name]()
		if err != nil {
			return err
		}
		figures = append(figures, lines...)
	}
	return write(w, figures)
}

// measureMain measures the main job and what it is made of.
func measureMain(bin string, seeds int) ([]figure, error) {
	runs, err := measureRuns(bin, job, seeds)
	if err != nil {
		return nil, err
	}
	figures := summarize(runs)
	for _, b := range benchmarks {
		lines, err := b.run()
		if err != nil {
			return nil, err
		}
		figures = append(figures, lines...)
	}
	return figures, nil
}

func write(w io.Writer, figures []figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range figures {
		fmt.Fprintf(t, "%s\t%s %s\t%s\n", f.what, f.value, f.unit, f.goal)
	}
	return t.Flush()
}
