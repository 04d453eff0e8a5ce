package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
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

// Each seeded bug is found by the command that is listed for it, within 50
// seeds, by the checker and under the name that are listed; and the same
// command finds nothing where the bug is not.
func TestListedBugsAreFound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs the store for many minutes of virtual time: not with -short")
	}
	bugs := listed(t)
	if len(bugs) < 3 {
		t.Errorf("%d bugs are listed", len(bugs))
	}
	for _, b := range bugs {
		t.Run(b.ID, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(b.Command)
			if words[0] != "ordeal" || strings.Contains(b.Command, "--seed") {
				t.Fatalf("the command is %q", b.Command)
			}
			seed := firstSeed(t, b, words[1:])
			if seed == 0 {
				t.Fatalf("no seed from 1 to 50 shows %s", b.Anomaly)
			}
			t.Logf("found with seed %d", seed)
			healthy := strings.Fields(strings.Replace(b.Command, "--bug "+b.ID, "", 1))[1:]
			if r := runJSON(t, healthy, seed); r.Verdict == checkers.Invalid {
				t.Errorf("without the bug, seed %d is invalid as well", seed)
			}
		})
	}
}

// firstSeed returns the first seed with which a bug is found: 0 if there is none.
func firstSeed(t *testing.T, b targets.Bug, args []string) int {
	t.Helper()
	for seed := 1; seed <= 50; seed++ {
		r := runJSON(t, args, seed)
		if r.Verdict != checkers.Invalid {
			continue
		}
		for name, c := range r.Checkers {
			for _, a := range c.Anomalies {
				if name == b.Checker && a.Name == b.Anomaly {
					return seed
				}
			}
		}
		t.Logf("seed %d is invalid, but not by %s: %s", seed, b.Checker, b.Anomaly)
	}
	return 0
}

func runJSON(t *testing.T, args []string, seed int) *run.Result {
	t.Helper()
	out := t.TempDir()
	args = append(args[:len(args):len(args)], "--seed", strconv.Itoa(seed), "--json", "--report=false", "--out", out)
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
		"targets":   {"store"},
		"workloads": {"register", "set"},
		"faults":    {"partition", "kill", "pause", "clock", "power"},
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
