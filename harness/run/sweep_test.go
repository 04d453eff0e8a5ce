package run_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
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

// Without a bug no seed breaks a promise, whatever fails.
func TestPromisesAreKept(t *testing.T) {
	t.Parallel()
	lww := map[string]string{"mode": "ap", "conflict": "lww"}
	for _, c := range []struct {
		name, workload string
		settings       map[string]string
		sample, all    int
	}{
		{"cp", "register", cp, 8, 1000},
		{"ap", "register", ap, 8, 1000},
		{"ap weak", "register", weak, 3, 200},
		{"ap lww", "register", lww, 3, 200},
		{"cp set", "set", cp, 3, 200},
		{"ap set", "set", ap, 1, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sweep(t, c.sample, c.all, func(seed uint64) *plan.Plan {
				p := planFor(seed, time.Minute, c.settings, five...)
				p.Workload, p.Consistency = c.workload, run.Promised
				return p
			}, func(r *run.Result) string {
				switch {
				case !keeps(r):
					return "the promise was not seen to be kept"
				case r.Verdict > checkers.Unknown:
					return "judged worse than unknown"
				}
				return ""
			})
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
		o := execute(t, reg, planFor(seed, time.Minute, weak, "partition"))
		if !keeps(o.Result) {
			t.Errorf("seed %d: the promise was not seen to be kept: %s", seed, summary(o.Result))
		}
		if o.Result.Verdict != checkers.Invalid {
			continue
		}
		caught++
		checkAnomalies(t, o)
		p := planFor(seed, time.Minute, weak, "partition")
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
