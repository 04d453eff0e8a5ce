package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/internal/kinds"
)

// simulated is how long the main job lasts in virtual time.
const simulated = 60 * time.Second

// job is the main job, but for its seed and where it is put.
var job = strings.Fields("run --target store --set mode=cp --workload register" +
	" --nemesis partition,kill,pause,clock --world sim --rate 100 --time 60s")

// sample is what one run took.
type sample struct {
	wall, cpu time.Duration
	events    int64 // of the simulator
	ops       int64 // of clients
	history   int64 // bytes on the disk
}

// measureRuns runs a job with the seeds from 1 on, one after the other.
func measureRuns(bin string, job []string, seeds int) ([]sample, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return nil, err
	}
	out, err := os.MkdirTemp("", "ordeal-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)
	samples := make([]sample, seeds)
	return samples, pinned(func() (err error) {
		for i := range samples {
			if samples[i], err = measureRun(bin, out, job, i+1); err != nil {
				return fmt.Errorf("seed %d: %w", i+1, err)
			}
		}
		return nil
	})
}

// unknown is the exit code of a run that showed too little to be judged.
const unknown = 2

func measureRun(bin, out string, job []string, seed int) (s sample, err error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(bin, append(slices.Clone(job), "--json", "--report=false", "--out", out, "--seed", strconv.Itoa(seed))...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != unknown {
		return s, fmt.Errorf("%w\n%s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	s.wall = time.Since(start)
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	var result struct {
		Run string
		Ops struct{ OK, Fail, Info int64 }
	}
	if err := json.Unmarshal(stdout.Bytes(), &result); err != nil {
		return s, err
	}
	s.ops = result.Ops.OK + result.Ops.Fail + result.Ops.Info
	trace, err := os.Stat(filepath.Join(result.Run, "trace"))
	history, err2 := os.Stat(filepath.Join(result.Run, "history.jsonl.zst"))
	if err := errors.Join(err, err2); err != nil {
		return s, err
	}
	s.events, s.history = trace.Size()/2, history.Size() // the trace has two bytes for an event
	return s, nil
}

// summarize takes the medians of runs.
func summarize(runs []sample) []figure {
	seconds := func(of func(sample) time.Duration) float64 {
		return median(runs, func(s sample) float64 { return of(s).Seconds() })
	}
	wall, cpu := seconds(func(s sample) time.Duration { return s.wall }), seconds(func(s sample) time.Duration { return s.cpu })
	events := median(runs, func(s sample) float64 { return float64(s.events) })
	perOp := median(runs, func(s sample) float64 { return float64(s.history) / float64(s.ops) })
	return []figure{
		{fmt.Sprintf("a minute of the store under four faults, one core, median of %d seeds", len(runs)), fmt.Sprintf("%.3f", wall), "s", "goal: under 0.2"},
		{"  time on the processor", fmt.Sprintf("%.3f", cpu), "s", ""},
		{"  simulated time", fmt.Sprintf("%.0f", simulated.Seconds()/wall), "s/s", ""},
		{"  events of the simulator, all else included", fmt.Sprintf("%.0f", events/wall), "/s", ""},
		{"  history on the disk", fmt.Sprintf("%.1f", perOp), "B/operation", ""},
	}
}

// measureKinds runs every kind of every target under all faults, as the sweep
// over a thousand seeds does, and says how long that would take on one core.
func measureKinds(bin string, seeds int) ([]figure, error) {
	var figures []figure
	for _, k := range kinds.All() {
		runs, err := measureRuns(bin, k.Args(), seeds)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
		var cpu time.Duration
		for _, r := range runs {
			cpu += r.cpu
		}
		figures = append(figures, figure{
			fmt.Sprintf("%s: a thousand minutes under all faults, from %d seeds", k.Name, len(runs)),
			fmt.Sprintf("%.0f", 1000*cpu.Seconds()/float64(len(runs))), "s", "time on the processor",
		})
	}
	return figures, nil
}

func median(runs []sample, of func(sample) float64) float64 {
	values := make([]float64, len(runs))
	for i, s := range runs {
		values[i] = of(s)
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}
