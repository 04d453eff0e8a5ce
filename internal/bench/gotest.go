package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// benchmark is a benchmark of a package and what of it is shown.
type benchmark struct {
	pkg, name, time string
	env             string // set for it, or ""
	show            []shown
}

// shown says how a metric of a (sub-)benchmark stands in the table.
type shown struct {
	name, metric string
	figure       figure // without its value
	scale        float64
}

var benchmarks = []benchmark{
	{pkg: "./harness/sim", name: "Messages$", time: "1s", show: []shown{
		{"Messages", "events/s", figure{what: "simulator alone, nodes that do nothing", unit: "events/s"}, 1},
	}},
	{pkg: "./harness/run", name: "Loop1000Clients", time: "500000x", env: "GOMAXPROCS=1", show: []shown{
		{"Loop1000Clients/bare/open=1000", "ns/op", figure{what: "runner, 1,000 clients that do nothing, one generator", unit: "µs/operation", goal: "goal: under 2"}, 1e-3},
		{"Loop1000Clients/bare/open=1000", "cpu-ns/op", figure{what: "  time on the processor", unit: "µs/operation"}, 1e-3},
		{"Loop1000Clients/mixed/open=1000", "ns/op", figure{what: "runner, the same, with the generators of a run", unit: "µs/operation", goal: "goal: under 2"}, 1e-3},
		{"Loop1000Clients/mixed/open=1000", "cpu-ns/op", figure{what: "  time on the processor", unit: "µs/operation"}, 1e-3},
	}},
	{pkg: "./harness/history", name: "Append$|Read$/written", time: "1s", show: []shown{
		{"Append", "ns/op", figure{what: "recording, compressed (an operation has two records)", unit: "ns/record"}, 1},
		{"Append", "disk-B/op", figure{what: "  on the disk", unit: "B/record"}, 1},
		{"Read/written", "ns/record", figure{what: "reading a history back", unit: "ns/record"}, 1},
		{"Read/written", "mem-B/op", figure{what: "  in memory", unit: "B/record"}, 1},
	}},
	{pkg: "./checkers/linear", name: "ZonesWide|ZonesCrashed", time: "10x", show: []shown{
		{"ZonesWide", "ns/op", figure{what: "zones, 20,000 operations of 50 clients, none crashed", unit: "ms"}, 1e-6},
		{"ZonesCrashed", "ns/op", figure{what: "zones, 2,000 operations, 30 crashed", unit: "ms"}, 1e-6},
	}},
	{pkg: "./checkers/linear", name: "Ratio", time: "1x", show: []shown{
		{"Ratio/wide", "porcupine/zones", figure{what: "Porcupine against zones, 20,000 operations, none crashed", unit: "times as long"}, 1},
		{"Ratio/crashed", "porcupine/zones", figure{what: "Porcupine against zones, 2,000 operations, 30 crashed", unit: "times as long"}, 1},
	}},
}

// run runs the benchmark and picks out its figures.
func (b benchmark) run() ([]figure, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", b.name, "-benchtime", b.time, b.pkg)
	cmd.Stderr = os.Stderr
	if b.env != "" {
		cmd.Env = append(os.Environ(), b.env)
	}
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, text)
	}
	measured := parse(string(text))
	var figures []figure
	for _, s := range b.show {
		f, ok := s.of(measured)
		if !ok {
			return nil, fmt.Errorf("%s: there is no %s of %s in\n%s", cmd, s.metric, s.name, text)
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// of fills in the value of a figure. A run that was stopped by its time limit
// gives a bound, which the benchmark says in a metric of its own.
func (s shown) of(measured map[string]map[string]float64) (figure, bool) {
	metrics := measured[s.name]
	v, ok := metrics[s.metric]
	f := s.figure
	f.value = strconv.FormatFloat(v*s.scale, 'f', digits(v*s.scale), 64)
	if metrics["lower-bound"] > 0 {
		f.value, f.goal = "over "+f.value, "Porcupine was stopped after 10 s"
	}
	return f, ok
}

// digits keeps about three digits.
func digits(v float64) int {
	switch {
	case v < 10:
		return 2
	case v < 100:
		return 1
	default:
		return 0
	}
}

// parse reads the output of `go test -bench`: metrics by benchmark, without the
// prefix and the number of cores.
func parse(text string) map[string]map[string]float64 {
	measured := map[string]map[string]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		metrics := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			metrics[fields[i+1]], _ = strconv.ParseFloat(fields[i], 64)
		}
		measured[bare(fields[0])] = metrics
	}
	return measured
}

// bare takes the prefix and the number of cores off the name of a benchmark.
func bare(name string) string {
	name = strings.TrimPrefix(name, "Benchmark")
	if at := strings.LastIndex(name, "-"); at >= 0 {
		if _, err := strconv.Atoi(name[at+1:]); err == nil {
			return name[:at]
		}
	}
	return name
}
