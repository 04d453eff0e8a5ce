package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/cli"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/targets"
)

// ordeal runs the program and returns its exit code and outputs.
func ordeal(args ...string) (code int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	code = cli.Main(registry.Builtin(), args, strings.NewReader(""), &out, &errOut)
	return code, out.String(), errOut.String()
}

// listed returns the bugs as programs see them.
func listed(t *testing.T) []targets.Bug {
	t.Helper()
	code, out, errOut := ordeal("list", "bugs", "--json")
	var bugs []targets.Bug
	if err := json.Unmarshal([]byte(out), &bugs); err != nil || code != cli.ExitOK {
		t.Fatalf("list bugs: exit code %d, %v\n%s%s", code, err, out, errOut)
	}
	return bugs
}

// Each seeded bug is found by the command that is listed for it with the seed
// that is listed, by the checker and under the name that are listed, and the same
// command finds nothing where the bug is not. The seed is the first that shows the
// bug: the long test hunts for it anew. With -update it is written down.
func TestListedBugsAreFound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs targets for many minutes of virtual time: not with -short")
	}
	bugs := listed(t)
	seeds := make([]uint64, len(bugs))
	t.Run("hunt", func(t *testing.T) {
		for i, b := range bugs {
			t.Run(b.ID, func(t *testing.T) {
				t.Parallel()
				seeds[i] = huntFor(t, b)
			})
		}
	})
	if *update {
		writeSeeds(t, bugs, seeds)
	}
}

// huntFor finds a bug and returns the seed that shows it.
func huntFor(t *testing.T, b targets.Bug) uint64 {
	t.Helper()
	seed := b.Seed
	args := strings.Fields(b.Command)[1:]
	switch {
	case *update || long():
		seed = firstSeed(t, b, args)
	case seed == 0:
		t.Fatalf("nobody has hunted this bug: run go test ./harness/cli -run TestListedBugsAreFound -update, and -run TestDocs -update after it")
	case !showsBug(runJSON(t, args, seed), b):
		t.Errorf("seed %d does not show %s; if it is another one now, run go test ./harness/cli -run TestListedBugsAreFound -update, and -run TestDocs -update after it", seed, b.Anomaly)
	}
	if seed != b.Seed && !*update {
		t.Errorf("the first seed that shows %s is %d, and not %d", b.Anomaly, seed, b.Seed)
	}
	if healthy(t, b, seed) == checkers.Invalid {
		t.Errorf("without the bug, seed %d is invalid as well", seed)
	}
	return seed
}

// healthyRuns are the verdicts of commands without their bugs, by command and
// seed: many bugs share one.
var healthyRuns sync.Map

// healthy is the verdict of a bug's command without the bug.
func healthy(t *testing.T, b targets.Bug, seed uint64) checkers.Verdict {
	t.Helper()
	command := strings.Replace(b.Command, " --bug "+b.ID, "", 1)
	verdict, _ := healthyRuns.LoadOrStore(fmt.Sprint(command, seed), sync.OnceValue(func() checkers.Verdict {
		return runJSON(t, strings.Fields(command)[1:], seed).Verdict
	}))
	return verdict.(func() checkers.Verdict)()
}

// long reports whether hunts are to begin with the first seed: ORDEAL_LONG=1.
func long() bool { return os.Getenv("ORDEAL_LONG") != "" }

// writeSeeds writes down with which seed each bug is found.
func writeSeeds(t *testing.T, bugs []targets.Bug, seeds []uint64) {
	t.Helper()
	var lines strings.Builder
	for i, b := range bugs {
		if seeds[i] > 0 {
			fmt.Fprintf(&lines, "%s %d\n", b.ID, seeds[i])
		}
	}
	if err := os.WriteFile(filepath.Join("..", "..", "targets", "zoo", "seeds.txt"), []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// firstSeed returns the first seed with which a bug is found, within 50.
func firstSeed(t *testing.T, b targets.Bug, args []string) uint64 {
	t.Helper()
	const most = 50
	for seed := uint64(1); seed <= most; seed++ {
		r := runJSON(t, args, seed)
		if showsBug(r, b) {
			t.Logf("found with seed %d", seed)
			return seed
		}
		if r.Verdict == checkers.Invalid {
			t.Logf("seed %d is invalid, but not by %s: %s", seed, b.Checker, b.Anomaly)
		}
	}
	t.Fatalf("no seed from 1 to %d shows %s", most, b.Anomaly)
	return 0
}

// showsBug reports whether a run is invalid by the checker and under the name
// that are listed for a bug.
func showsBug(r *run.Result, b targets.Bug) bool {
	if r.Verdict != checkers.Invalid {
		return false
	}
	for _, a := range r.Checkers[b.Checker].Anomalies {
		if a.Name == b.Anomaly {
			return true
		}
	}
	return false
}

func runJSON(t *testing.T, args []string, seed uint64) *run.Result {
	t.Helper()
	out := t.TempDir()
	args = append(args[:len(args):len(args)], "--seed", strconv.FormatUint(seed, 10), "--json", "--report=false", "--out", out)
	_, stdout, stderr := ordeal(args...)
	var r run.Result
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, stdout, stderr)
	}
	if err := os.RemoveAll(out); err != nil {
		t.Fatal(err)
	}
	return &r
}

// What is listed is complete: everything has a name and a sentence, as JSON
// and as a table.
func TestLists(t *testing.T) {
	t.Parallel()
	for what, want := range map[string][]string{
		"targets":   {"store", "queue"},
		"workloads": {"register", "set"},
		"faults":    {"partition", "kill", "pause", "clock", "packet", "power"},
		"checkers":  {"linear", "set", "converge", "causal", "health", "worth", "perf", "stats"},
		"worlds":    {"sim", "docker"},
		"models":    {"register", "cas-register"},
	} {
		code, out, errOut := ordeal("list", what, "--json")
		var rows []map[string]any
		if err := json.Unmarshal([]byte(out), &rows); err != nil || code != cli.ExitOK || errOut != "" {
			t.Fatalf("list %s: exit code %d, %v, %s", what, code, err, errOut)
		}
		names := map[string]bool{}
		for _, row := range rows {
			name, _ := row["name"].(string)
			if what == "faults" {
				name, _ = row["kind"].(string)
			}
			names[name] = true
			for key, v := range row {
				if v == nil || v == "" {
					t.Errorf("list %s: %s has no %s", what, name, key)
				}
			}
		}
		_, table, _ := ordeal("list", what)
		for _, name := range want {
			if !names[name] || !strings.Contains(table, name) {
				t.Errorf("list %s lacks %s", what, name)
			}
		}
	}
	for _, b := range listed(t) {
		if b.Summary == "" || b.Mirrors == "" || b.Fault == "" || b.Target == "" {
			t.Errorf("bug %+v", b)
		}
	}
}
