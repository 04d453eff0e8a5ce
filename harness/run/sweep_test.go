package run_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/internal/kinds"
	"github.com/ordeal-dev/ordeal/targets"
)

// The main job is ok for every seed: the store in mode cp under partitions,
// kills, pauses and clock jumps.
func TestMainJob(t *testing.T) {
	t.Parallel()
	sweep(t, 10, 200, func(seed uint64) *plan.Plan {
		return planFor(seed, time.Minute, cp, four...)
	}, func(r *run.Result) string {
		if r.Verdict != checkers.OK {
			return "not ok"
		}
		return ""
	})
}

// Every kind of every target keeps its promise for every seed, whatever fails,
// and a thousand seeds meet all that they must meet sometimes.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, k := range kinds.All() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			var noted facts
			sweep(t, 2, 1000, planOf(k), func(r *run.Result) string {
				noted.met(r.Facts)
				return broken(r)
			})
			noted.check(t, k)
		})
	}
}

// planOf returns the plans of a kind.
func planOf(k kinds.Kind) func(seed uint64) *plan.Plan {
	return func(seed uint64) *plan.Plan {
		p := planFor(seed, time.Minute, k.Settings, six...)
		p.Target, p.Workload, p.Consistency = k.Target, k.Workload, run.Promised
		return p
	}
}

// broken says why a result is not that of a run that keeps its promise.
func broken(r *run.Result) string {
	switch {
	case !keeps(r):
		return "the promise was not seen to be kept"
	case r.Verdict > checkers.Unknown:
		return "judged worse than unknown"
	}
	return ""
}

// facts counts in how many runs each fact was met.
type facts struct {
	sync.Mutex
	runs map[string]int
}

func (f *facts) met(in []string) {
	f.Lock()
	defer f.Unlock()
	if f.runs == nil {
		f.runs = map[string]int{}
	}
	for _, fact := range in {
		f.runs[fact]++
	}
}

// check tells in how many runs each fact was met that a campaign must meet, and
// fails the test if the campaign was a whole one and lacks a fact.
func (f *facts) check(t *testing.T, k kinds.Kind) {
	t.Helper()
	target, err := registry.Builtin().Target(k.Target)
	if err != nil {
		t.Fatal(err)
	}
	must, ok := target.(targets.Facts)
	if !ok {
		return
	}
	settings, err := targets.Fill(target, k.Settings)
	if err != nil {
		t.Fatal(err)
	}
	for _, fact := range must.Facts(settings) {
		if f.runs[fact] == 0 && long() && *seeds == 0 {
			t.Errorf("no run met the fact %q", fact)
		}
		t.Logf("%4d runs: %s", f.runs[fact], fact)
	}
}

// Settings that promise less keep what they promise, too.
func TestPromisesAreKept(t *testing.T) {
	t.Parallel()
	type set = map[string]string
	for _, k := range []kinds.Kind{
		{Name: "ap weak", Target: "store", Settings: weak, Workload: "register"},
		{Name: "ap lww", Target: "store", Settings: set{"mode": "ap", "conflict": "lww"}, Workload: "register"},
		{Name: "cp set", Target: "store", Settings: cp, Workload: "set"},
		{Name: "ap set", Target: "store", Settings: ap, Workload: "set"},
		{Name: "log acks=1", Target: "queue", Settings: set{"kind": "log", "acks": "1", "unclean": "on"}, Workload: "log"},
		{Name: "work at most once", Target: "queue", Settings: set{"kind": "work", "guarantee": "at-most-once"}, Workload: "queue"},
		{Name: "files read=any", Target: "files", Settings: set{"read": "any"}, Workload: "append"},
		{Name: "files standby-reads", Target: "files", Settings: set{"standby-reads": "on"}, Workload: "files"},
		{Name: "ledger depth", Target: "ledger", Settings: set{"finality": "depth", "depth": "1"}, Workload: "transfer"},
	} {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			sweep(t, 2, 200, planOf(k), broken)
		})
	}
}

// A store that asks one replica is not linearizable while links are cut, and
// promises no more: within 20 seeds it is caught, by a few operations that
// overlap a partition, and the same runs are as promised.
func TestWeakQuorumsUnderPartition(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	caught, enough := 0, 3
	if testing.Short() {
		enough = 1
	}
	for seed := uint64(1); seed <= 20 && caught < enough; seed++ {
		o := execute(t, reg, weakPlan(seed))
		if !keeps(o.Result) {
			t.Errorf("seed %d: the promise was not seen to be kept: %s", seed, summary(o.Result))
		}
		if o.Result.Verdict != checkers.Invalid {
			continue
		}
		caught++
		checkAnomalies(t, o)
		p := weakPlan(seed)
		p.Consistency = run.Promised
		if again := execute(t, reg, p); again.Result.Verdict != checkers.OK {
			t.Errorf("seed %d by what is promised: %s", seed, summary(again.Result))
		} else if again.Result.Digest != o.Result.Digest {
			t.Errorf("seed %d: the level by which a run is judged changes the run", seed)
		}
	}
	if caught == 0 {
		t.Error("no seed from 1 to 20 shows that asking one replica is not linearizable")
	}
}

// weakPlan has no deletes: a read of what was deleted is explained by all of them,
// which are not few.
func weakPlan(seed uint64) *plan.Plan {
	p := planFor(seed, time.Minute, weak, "partition")
	p.Options = map[string]string{"deletes": "0"}
	return p
}

// checkAnomalies sees whether the first anomaly can be explained to people.
func checkAnomalies(t *testing.T, o *run.Outcome) {
	t.Helper()
	anomalies := o.Result.Checkers[linear.Name].Anomalies
	if len(anomalies) == 0 {
		t.Fatal("invalid without an anomaly")
	}
	for i, a := range anomalies {
		if a.Name == "" || a.Explanation == "" || len(a.Ops) == 0 || len(a.Ops) > 6 {
			t.Errorf("seed %d: anomaly %d is named %q, has operations %v and says: %s", o.Result.Seed, i, a.Name, a.Ops, a.Explanation)
		}
	}
	if why := meetsPartition(o.History, anomalies[0].Ops); why != "" {
		t.Errorf("seed %d: %s", o.Result.Seed, why)
	}
}

// meetsPartition says why the operations are not ones that overlap a confirmed
// partition.
func meetsPartition(h *history.History, ops []int) string {
	calls, err := h.Calls()
	if err != nil {
		return err.Error()
	}
	from, to := int64(1<<62), int64(0)
	for _, c := range calls {
		if slices.Contains(ops, c.Invoke.Index) {
			from = min(from, c.Invoke.Time)
			to = max(to, c.Invoke.Time)
			if c.Complete != nil {
				to = max(to, c.Complete.Time)
			}
		}
	}
	for _, w := range h.Windows() {
		if w.Kind == "partition" && w.Witness == history.Confirmed && w.Exercised && w.Overlaps(from, to) {
			return ""
		}
	}
	return fmt.Sprintf("operations %v, from %v to %v, overlap no confirmed partition", ops, time.Duration(from), time.Duration(to))
}
