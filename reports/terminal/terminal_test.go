package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/perf"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds what is printed against what was looked at and found good, and
// against what holds for all that is printed.
func golden(t *testing.T, name string, write func(b *bytes.Buffer) error) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 120 {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.HasSuffix(line, " \n") {
			t.Errorf("a space ends the line %q", line)
		}
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

func samplePlan() *plan.Plan {
	return &plan.Plan{Target: "store", Settings: map[string]string{"mode": "ap", "w": "1", "r": "1"}, Bugs: []string{"AP1"}}
}

func result(v checkers.Verdict, kept bool) *run.Result {
	return &run.Result{
		Verdict: v, Seed: 7, Digest: "00c0ffee", Run: "runs/r1", Ops: run.Counts{OK: 4346, Fail: 1667, Info: 37},
		Consistency: "linearizable", Promise: run.Promise{Level: "causal-writes", Kept: &kept},
		Checkers: map[string]checkers.Result{
			"linear": {Verdict: v}, "health": {}, "converge": {}, "causal": {}, "stats": {}, "perf": {Details: measured()},
		},
		Judged: []string{"linear", "converge", "health"},
		Faults: []run.FaultResult{
			{Kind: "partition", Shape: "one-way", Nodes: []string{"n1"}, Witness: history.Confirmed, Exercised: true, Start: 2.5e9, End: 7.5e9},
			{Kind: "kill", Nodes: []string{"n2", "n3"}, Witness: history.Inconclusive, Start: 12e9, End: 60.4e9},
		},
		Load:      &run.Load{Rate: 100, Due: 6100, Started: 6050, LateMean: plan.Duration(9 * time.Millisecond), LateMax: plan.Duration(720 * time.Millisecond)},
		Recovered: plan.Duration(313 * time.Millisecond),
	}
}

func measured() json.RawMessage {
	side := func(name string, ok, fail int, p99 int64) perf.Side {
		return perf.Side{Name: name, OK: ok, Fail: fail, OKShare: float64(ok) / float64(ok+fail), Latency: perf.Latency{P50: 2e6, P99: p99}}
	}
	text, _ := json.Marshal(perf.Report{
		Phases: []perf.Phase{
			{Name: perf.Before, Sides: []perf.Side{side(perf.All, 250, 0, 7e6)}},
			{Name: "partition 1", Sides: []perf.Side{side(perf.All, 400, 100, 9e6)}},
		},
		ByKind: []perf.Phase{
			{Name: "partition", Sides: []perf.Side{side(perf.All, 400, 100, 9e6), side(perf.Minority, 2, 98, 8e6), side(perf.Majority, 398, 2, 9e6)}},
			{Name: "kill", Sides: []perf.Side{side(perf.All, 300, 200, 240e6), side(perf.Targeted, 0, 200, 0)}},
		},
	})
	return text
}

// stale is a result with more anomalies than are printed.
func stale() *run.Result {
	r := result(checkers.Invalid, true)
	a := checkers.Anomaly{
		Name: "stale-read", Key: "k6", Ops: []int{955, 1015, 1052},
		Explanation: "process 8 read 477 at 5360.681 ms; 477 was overwritten with 507 by process 2, which finished at 5173.328 ms, before that read began; and 477 is the older one: process 8 had written 477 by 4871.171 ms",
	}
	r.Checkers["linear"] = checkers.Result{Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{a, a, a, a, a}}
	r.Checkers["health"] = checkers.Result{Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{{
		Name: "node-died", Explanation: "node n2 died, and no fault killed it: panic: out of range\n\tmain.go:1\n\tmain.go:2",
	}}}
	return r
}

func unknown() *run.Result {
	r := result(checkers.Unknown, false)
	r.Promise.Kept = nil
	r.Checkers["linear"] = checkers.Result{Verdict: checkers.Unknown, Reason: "out of time after 10 s: raise --check-timeout, or run for a shorter time, or spread the load over more keys with --opt keys\ngoroutine 1"}
	r.Errors = []string{"logs could not be collected: n2 does not answer"}
	r.Warnings = []string{"the history is cut short after byte 4096 (unexpected EOF); what is before it was judged"}
	return r
}

func died() *run.Result {
	r := result(checkers.Invalid, true)
	r.Checkers["linear"], r.Checkers["health"] = checkers.Result{}, stale().Checkers["health"]
	return r
}

func TestPrint(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*run.Result{"ok": result(checkers.OK, true), "invalid": stale(), "unknown": unknown(), "died": died()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "print-"+name, func(b *bytes.Buffer) error { return Print(b, samplePlan(), &run.Outcome{Result: r}) })
			golden(t, "check-"+name, func(b *bytes.Buffer) error { return PrintCheck(b, r) })
		})
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	cp, ap := result(checkers.OK, true), stale()
	cp.Promise.Level = "linearizable"
	bare := &run.Result{Verdict: checkers.HarnessError, Errors: []string{"no node became ready"}}
	golden(t, "compare", func(b *bytes.Buffer) error {
		return Compare(b, []string{"cp", "ap", "broken"}, []*run.Outcome{{Result: cp}, {Result: ap}, {Result: bare}})
	})
	golden(t, "compare-one", func(b *bytes.Buffer) error {
		return Compare(b, []string{"unknown"}, []*run.Outcome{{Result: unknown()}})
	})
}

func TestTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("many words ", 30)
	golden(t, "table", func(b *bytes.Buffer) error {
		return Table(b, []string{"bug", "what it does", "command"}, [][]string{
			{"CP1", long, "ordeal run --bug CP1 " + long}, {"AP1", "short", strings.Repeat("x", 200)}, {"", "", ""}, {"two\nlines", "日本語", "\x1b[31mred"},
		})
	})
	golden(t, "table-empty", func(b *bytes.Buffer) error { return Table(b, []string{"fault", "nodes"}, nil) })
}

func TestMissingParts(t *testing.T) {
	t.Parallel()
	for _, o := range []*run.Outcome{nil, {}, {Result: &run.Result{}}, {Result: &run.Result{Verdict: checkers.Invalid, Judged: []string{"gone"}}}} {
		var b bytes.Buffer
		if err := errors.Join(Print(&b, nil, o), Print(&b, &plan.Plan{}, o), Compare(&b, []string{"x"}, []*run.Outcome{o})); err != nil || b.Len() == 0 {
			t.Error(err)
		}
	}
}

// TestPropertyTextCannotMoveTheCursor prints any text in every place that others fill.
func TestPropertyTextCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Just("\x1b[2J\r\a\u202e"), rapid.Just(strings.Repeat("w ", 1000))).Draw(t, "text")
		r := stale()
		r.Consistency, r.Run, r.Digest, r.Errors, r.Warnings, r.Promise.Level = s, s, s, []string{s}, []string{s}, s
		r.Checkers["linear"] = checkers.Result{Verdict: checkers.Unknown, Reason: s, Anomalies: []checkers.Anomaly{{Name: s, Key: s, Explanation: s}}}
		r.Faults[0].Kind, r.Faults[0].Nodes = s, []string{s, s}
		var b bytes.Buffer
		p := &plan.Plan{Target: s, Settings: map[string]string{s: s}}
		if err := errors.Join(Print(&b, p, &run.Outcome{Result: r}), PrintCheck(&b, r), Compare(&b, []string{"x"}, []*run.Outcome{{Result: r}})); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(b.String(), "\x1b\r\a\x00\u202e") {
			t.Fatalf("control characters came through: %q", b.String())
		}
	})
}

// full is a screen that cannot be written to.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	t.Parallel()
	o := &run.Outcome{Result: stale()}
	for name, err := range map[string]error{
		"print": Print(full{}, samplePlan(), o), "check": PrintCheck(full{}, o.Result), "compare": Compare(full{}, []string{"x"}, []*run.Outcome{o}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What a run tells is its verdict, what the harness could not do, and the first
// anomaly of the first checker that has one.
func TestTelling(t *testing.T) {
	t.Parallel()
	r := result(checkers.Invalid, true)
	r.Errors = []string{"a fault could not be healed"}
	r.Checkers["linear"] = checkers.Result{Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{
		{Name: "stale-read", Key: "k1", Explanation: "what was overwritten was read"}, {Name: "lost-write", Explanation: "not told"},
	}}
	var b bytes.Buffer
	if err := Telling(&b, r); err != nil {
		t.Fatal(err)
	}
	want := "INVALID   not linearizable   the promise (causal-writes) was kept\n" +
		"  harness error: a fault could not be healed\n  stale-read of k1: what was overwritten was read\n\n"
	if b.String() != want {
		t.Errorf("printed\n%swant\n%s", b.String(), want)
	}
}
