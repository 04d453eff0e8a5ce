package acceptance

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// openHistory reads the history of a run.
func openHistory(t *testing.T, dir string) *history.History {
	t.Helper()
	h, err := history.Open(filepath.Join(dir, "history.jsonl.zst"))
	must(t, err)
	return h
}

// Under all faults the store keeps its promise, and every fault is proven: it
// was in force, the store met it, and it was healed.
func TestEveryFaultIsProven(t *testing.T) {
	t.Parallel()
	engine := needEngine(t, 1)
	p := ordeal(t, runArgs(t.TempDir(), "--nemesis", "partition,kill,pause,clock", "--rate", "100", "--time", "20s", "--seed", "3")...)
	p.mustExit(0)
	a := p.answer()
	if a.Verdict != "ok" || a.kept() != "true" {
		t.Errorf("verdict %s, kept %s, checkers %+v, errors %q", a.Verdict, a.kept(), a.Checkers, a.Errors)
	}
	seen := map[string]int{}
	for _, f := range a.Faults {
		if f.Witness != "confirmed" || !f.Exercised {
			t.Errorf("%+v", f)
		}
		seen[f.Kind]++
	}
	if len(seen) != 4 {
		t.Errorf("faults %v, want partition, kill, pause and clock", seen)
	}
	for _, w := range openHistory(t, a.Run).Windows() {
		if err := evidence[w.Kind](w); err != nil {
			t.Errorf("%s %d: %v\nevidence when injected: %v\nwhen healed: %v", w.Kind, w.ID, err,
				w.Injected.Get("evidence"), w.Ended.Get("evidence"))
		}
	}
	nothingLeft(t, engine, a.Run)
}

// evidence says, for each kind of fault, what in the journal does not show what
// the fault is said to have done.
var evidence = map[string]func(history.Window) error{
	"partition": partitionEvidence,
	"kill":      func(w history.Window) error { return stateEvidence(w, "dead") },
	"pause":     func(w history.Window) error { return stateEvidence(w, "stopped") },
	"clock":     clockEvidence,
}

func texts(v history.Value) []string {
	var all []string
	for _, e := range v.Elems() {
		all = append(all, e.Text())
	}
	slices.Sort(all)
	return all
}

// partitionEvidence wants probes to be lost on the links that were cut and on
// no others, packets of the store to have been dropped on some of them, and all
// links to work afterwards.
func partitionEvidence(w history.Window) error {
	cut, during, past := texts(w.Injected.Get("cut")), w.Injected.Get("evidence"), w.Ended.Get("evidence")
	if dead := texts(during.Get("dead-as-cut")); len(cut) == 0 || !slices.Equal(dead, cut) {
		return fmt.Errorf("cut %v, dead %v", cut, dead)
	}
	dropped := 0
	for _, link := range cut {
		if n, ok := past.Get("dropped").Get(link).Int(); ok && n > 0 {
			dropped++
		}
	}
	after := past.Get("after")
	healed := len(texts(after.Get("dead-as-cut")))+len(texts(after.Get("dead-though-open"))) == 0
	if dropped == 0 || !healed {
		return fmt.Errorf("packets dropped on %d of %d links; healed: %v", dropped, len(cut), healed)
	}
	return nil
}

// stateEvidence wants the processes to have been in a state, and to run afterwards.
func stateEvidence(w history.Window, want string) error {
	for _, node := range w.Nodes {
		during := w.Injected.Get("evidence").Get("processes").Get(node)
		after := w.Ended.Get("evidence").Get("after").Get("processes").Get(node)
		if during.Get("state").Text() != want || after.Get("state").Text() != "running" {
			return fmt.Errorf("%s: %v, then %v", node, during, after)
		}
		before, _ := during.Get("starts").Int()
		starts, _ := after.Get("starts").Int()
		if killed := want == "dead"; killed != (starts == before+1) {
			return fmt.Errorf("%s was started %d times before and %d after", node, before, starts)
		}
	}
	return nil
}

// clockEvidence wants the clocks that were read to be where they were put, but
// those of nodes that another fault had stopped, and to be right afterwards.
func clockEvidence(w history.Window) error {
	readable := 0
	for _, node := range w.Nodes {
		offset, err := time.ParseDuration(w.Injected.Get("offsets").Get(node).Text())
		if err != nil {
			return err
		}
		reading := w.Injected.Get("evidence").Get("clocks").Get(node)
		wall, ok := reading.Get("wall").Int()
		if !ok {
			continue // it says why instead
		}
		readable++
		right, _ := reading.Get("true").Int()
		if off := time.Duration(wall - right); (off - offset).Abs() > 100*time.Millisecond {
			return fmt.Errorf("%s is off by %v, put to %v", node, off, offset)
		}
	}
	healed := w.Ended.Get("evidence").Get("after").Get("healed")
	if readable == 0 || !isTrue(healed) {
		return fmt.Errorf("%d clocks were read; healed: %v", readable, healed)
	}
	return nil
}

// With quorums of one a partition makes reads miss writes. The run says so by
// the name of the anomaly and few operations; and judged by what these settings
// promise, the same run is fine.
func TestAvailableIsNotLinearizable(t *testing.T) {
	t.Parallel()
	needEngine(t, 2)
	args := func(seed int, more ...string) []string {
		return append([]string{"run", "--target", "store", "--set", "mode=ap", "--set", "r=1", "--set", "w=1",
			"--nemesis", "partition", "--world", "docker", "--time", "12s", "--json", "--out", t.TempDir(),
			"--seed", fmt.Sprint(seed)}, more...)
	}
	const tries = 3
	for seed := 1; seed <= tries; seed++ {
		promised := start(t, get(t, built.ordeal), args(seed, "--consistency", "promised")...)
		linearizable := start(t, get(t, built.ordeal), args(seed)...)
		promised.mustExit(0)
		if linearizable.exit() == 0 {
			continue
		}
		linearizable.mustExit(1)
		judgeAnomalies(t, linearizable.answer())
		t.Logf("found with try %d", seed)
		return
	}
	t.Errorf("not found in %d tries", tries)
}

// judgeAnomalies wants every anomaly to be named and shown with few operations,
// and one of each checker to overlap a partition.
func judgeAnomalies(t *testing.T, a answer) {
	t.Helper()
	if a.Verdict != "invalid" || a.kept() != "true" {
		t.Errorf("verdict %s, kept %s, checkers %+v, errors %q", a.Verdict, a.kept(), a.Checkers, a.Errors)
	}
	h := openHistory(t, a.Run)
	found, overlapping := 0, 0
	for _, name := range []string{"linear"} {
		for _, an := range a.Checkers[name].Anomalies {
			found++
			if an.Name == "" || strings.TrimSpace(an.Explanation) == "" || len(an.Ops) == 0 || len(an.Ops) > 6 {
				t.Errorf("%s: %+v", name, an)
			}
			if overlaps(t, h, an.Ops) {
				overlapping++
			}
		}
	}
	if overlapping == 0 {
		t.Errorf("%d anomalies, none of them while a partition was confirmed", found)
	}
}

// overlaps reports whether the time in which some operations were under way has
// some of a confirmed partition in it.
func overlaps(t *testing.T, h *history.History, ops []int) bool {
	t.Helper()
	calls, err := h.Calls()
	must(t, err)
	var from, to int64 = 1 << 62, 0
	for _, c := range calls {
		if slices.Contains(ops, c.Invoke.Index) {
			from = min(from, c.Invoke.Time)
			to = max(to, c.Invoke.Time)
			if c.Complete != nil {
				to = max(to, c.Complete.Time)
			}
		}
	}
	return slices.ContainsFunc(h.Windows(), func(w history.Window) bool {
		return w.Kind == "partition" && w.Witness == history.Confirmed && w.Overlaps(from, to)
	})
}

func isTrue(v history.Value) bool {
	value, ok := v.Bool()
	return value && ok
}
