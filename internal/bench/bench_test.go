package main

import (
	"strings"
	"testing"
	"time"
)

const output = `goos: linux
BenchmarkAppend-2        	  347271	      1001 ns/op	         9.675 disk-B/op
BenchmarkRatio/wide-2    	       1	10237183933 ns/op	 1.000 lower-bound	 440.3 porcupine/zones
BenchmarkLoop/open=1000 	 1000	 1500 ns/op
PASS
`

func TestFiguresComeFromTheOutputOfBenchmarks(t *testing.T) {
	t.Parallel()
	measured := parse(output)
	for _, c := range []struct {
		show shown
		want string
	}{
		{shown{"Append", "disk-B/op", figure{unit: "B"}, 1}, "9.68 B"},
		{shown{"Loop/open=1000", "ns/op", figure{unit: "µs"}, 1e-3}, "1.50 µs"},
		{shown{"Ratio/wide", "porcupine/zones", figure{unit: "times"}, 1}, "over 440 times"},
	} {
		f, ok := c.show.of(measured)
		if got := f.value + " " + f.unit; !ok || got != c.want {
			t.Errorf("%s of %s is %s, want %s", c.show.metric, c.show.name, got, c.want)
		}
	}
	if _, ok := (shown{name: "Append", metric: "MB/s"}).of(measured); ok {
		t.Error("a metric was found that nobody measured")
	}
}

func TestRunsAreSummarizedByTheirMedians(t *testing.T) {
	t.Parallel()
	runs := make([]sample, 4)
	for i := range runs {
		runs[i] = sample{wall: time.Duration(i+1) * time.Second, cpu: time.Second, events: 50, ops: 10, history: 100}
	}
	runs[3].wall = time.Hour // a median does not mind
	var table strings.Builder
	if err := write(&table, summarize(runs)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"median of 4 seeds  2.500 s", "24 s/s", "20 /s", "10.0 B/operation"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, table.String())
		}
	}
}
