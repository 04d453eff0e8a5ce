package acceptance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Two runs on one host are nothing to each other, and clean leaves both alone.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 2)
	var runs [2]*process
	var dirs [2]string
	for i := range runs {
		out := t.TempDir()
		runs[i] = start(t, get(t, built.ordeal), runArgs(out, "--nemesis", "partition,kill", "--time", "10s", "--seed", fmt.Sprint(8+i))...)
		dirs[i] = runs[i].runDir(out)
	}
	for !runs[0].ended() && !runs[1].ended() {
		p := ordeal(t, "clean", "--json")
		p.mustExit(0)
		var removed struct{ Containers, Networks, Volumes []string }
		must(t, json.Unmarshal(p.stdout.Bytes(), &removed))
		for _, name := range slices.Concat(removed.Containers, removed.Networks, removed.Volumes) {
			if strings.Contains(name, filepath.Base(dirs[0])) || strings.Contains(name, filepath.Base(dirs[1])) {
				t.Errorf("clean took %s from a run at work", name)
			}
		}
		waitFor(runs[0], time.Second)
	}
	for i, p := range runs {
		p.mustExit(0)
		nothingLeft(t, engine, dirs[i])
	}
}

// A replay of a run in Docker does the same again: the same faults on the same
// nodes at about the same times, and the same operations.
func TestReplayInDocker(t *testing.T) {
	t.Parallel()
	needEngine(t, 1)
	first, again := t.TempDir(), t.TempDir()
	p := ordeal(t, runArgs(first, "--nemesis", "partition,kill,clock", "--time", "8s", "--seed", "10")...)
	p.mustExit(0)
	replay := ordeal(t, "replay", p.answer().Run, "--out", again)
	replay.mustExit(0)
	if want := "repeated the schedule: ok in 1 of 1 tries"; !strings.Contains(replay.stdout.String(), want) {
		t.Errorf("did not say %q:\n%s", want, &replay.stdout)
	}
	a, b := openHistory(t, p.answer().Run), openHistory(t, replay.runDir(again))
	compareWindows(t, a, b)
	compareInvocations(t, a, b)
}

func compareWindows(t *testing.T, a, b *history.History) {
	t.Helper()
	was, is := a.Windows(), b.Windows()
	if len(was) != len(is) || len(was) == 0 {
		t.Fatalf("%d windows, then %d", len(was), len(is))
	}
	for i := range was {
		shift := time.Duration((is[i].Start - b.Ops[0].Time) - (was[i].Start - a.Ops[0].Time))
		cut := slices.Equal(texts(was[i].Injected.Get("cut")), texts(is[i].Injected.Get("cut")))
		offsets := was[i].Injected.Get("offsets").String() == is[i].Injected.Get("offsets").String()
		if was[i].Kind != is[i].Kind || !slices.Equal(was[i].Nodes, is[i].Nodes) || !cut || !offsets || shift.Abs() > time.Second {
			t.Errorf("window %d: %s on %v, then %s on %v, %v later", was[i].ID, was[i].Kind, was[i].Nodes, is[i].Kind, is[i].Nodes, shift)
		}
	}
}

// compareInvocations wants nearly all operations to be repeated: a client that
// is kept waiting for longer than in the run may miss the last ones.
func compareInvocations(t *testing.T, a, b *history.History) {
	t.Helper()
	todo := map[string]int{}
	total, repeated, others := 0, 0, 0
	for op := range invocations(a) {
		todo[op]++
		total++
	}
	for op := range invocations(b) {
		if todo[op] == 0 {
			others++
			continue
		}
		todo[op]--
		repeated++
	}
	if total == 0 || repeated*10 < total*9 || others > 0 {
		t.Errorf("of %d operations %d were repeated, and there were %d others", total, repeated, others)
	}
}

// invocations are the operations of clients under load.
func invocations(h *history.History) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, op := range h.Ops {
			if op.Process == history.Nemesis || op.Type != history.Invoke || op.Final {
				continue
			}
			if !yield(fmt.Sprint(op.F, op.Key, op.Value)) {
				return
			}
		}
	}
}

// A node that panics makes the run invalid, in either world, with its last words.
func TestNodePanics(t *testing.T) {
	t.Parallel()
	for _, world := range []string{"sim", "docker"} {
		t.Run(world, func(t *testing.T) {
			t.Parallel()
			if world == "docker" {
				needEngine(t, 1)
			}
			p := start(t, get(t, built.fragile), "run", "--target", "fragile", "--workload", "register",
				"--world", world, "--time", "5s", "--seed", "1", "--json", "--out", t.TempDir())
			p.mustExit(1)
			a := p.answer()
			if a.Verdict != "invalid" {
				t.Errorf("verdict %s", a.Verdict)
			}
			if said := fmt.Sprint(a.Checkers["health"].Anomalies); !strings.Contains(said, "n2") || !strings.Contains(said, "panic: the cup is full") {
				t.Errorf("no word of the panic of n2: %s", said)
			}
		})
	}
}

// In the simulator an interrupt ends a run of any length, and what there is of
// it is healed and judged.
func TestInterruptInSim(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	p := start(t, get(t, built.ordeal), "run", "--set", "mode=cp", "--nemesis", "partition,kill,pause,clock",
		"--time", "100h", "--seed", "1", "--json", "--out", out)
	dir := p.runDir(out)
	eventually(t, patience/2, func() error {
		h, err := os.Stat(filepath.Join(dir, "history.jsonl.zst"))
		if errors.Is(err, fs.ErrNotExist) || err == nil && h.Size() < 1<<17 {
			return errors.New("not far enough")
		}
		return err
	})
	p.signal(syscall.SIGINT)
	p.mustExit(0)
	judgeInterrupted(t, p, dir)
	for _, w := range openHistory(t, dir).Windows() {
		if w.Healed == 0 {
			t.Errorf("%s %d was not healed", w.Kind, w.ID)
		}
	}
}

// judgeInterrupted looks at what an interrupted run has left.
func judgeInterrupted(t *testing.T, p *process, dir string) {
	t.Helper()
	want := map[int]string{0: "ok", 2: "unknown"}[p.exit()]
	a := p.answer()
	if a.Verdict != want || a.Ops.OK == 0 || len(a.Errors) > 0 {
		t.Errorf("verdict %s with exit code %d, operations %+v, errors %q", a.Verdict, p.exit(), a.Ops, a.Errors)
	}
	if !strings.Contains(p.stderr.String(), "interrupted; healing") {
		t.Errorf("said %q", &p.stderr)
	}
	for _, file := range []string{"result.json", "report.html", "plan.json"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
}
