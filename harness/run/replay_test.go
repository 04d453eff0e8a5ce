package run_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
)

// A replay follows the recorded choices and does the same, byte for byte,
// whatever was run: with faults and without, with clients that are always busy
// and with ones that never are.
func TestReplayIsExact(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	plans := map[string]func(p *plan.Plan){
		"cp":           func(*plan.Plan) {},
		"no faults":    func(p *plan.Plan) { p.Faults = nil },
		"ap":           func(p *plan.Plan) { p.Settings = ap },
		"weak set":     func(p *plan.Plan) { p.Settings, p.Workload = weak, "set" },
		"cp set":       func(p *plan.Plan) { p.Workload = "set" },
		"busy clients": func(p *plan.Plan) { p.Rate, p.Clients = 1000, 3 },
		"many clients": func(p *plan.Plan) { p.Clients = 40 },
		"one client":   func(p *plan.Plan) { p.Rate, p.Clients = 5, 1 },
		"three nodes":  func(p *plan.Plan) { p.Nodes = 3 },
		"bug":          func(p *plan.Plan) { p.Bugs = []string{"CP4"} },
		"impatient":    func(p *plan.Plan) { p.OpTimeout = plan.Duration(10 * time.Millisecond) },
		"long windows": func(p *plan.Plan) {
			p.Faults = []plan.Fault{{Kind: "kill", Params: map[string]string{"every": "40s", "for": "30s", "after": "5s"}}}
		},
	}
	seeds := uint64(1)
	if long() {
		seeds = 20
	}
	for name, change := range plans {
		if testing.Short() && name != "cp" && name != "weak set" && name != "no faults" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= seeds; seed++ {
				p := planFor(seed, 21*time.Second, cp, six...)
				change(p)
				first := execute(t, reg, p)
				again := follow(t, reg, first.Run)
				mustEqual(t, first.Run, again.Run, exactly...)
				if again.Divergence != "" || again.Result.Digest != first.Result.Digest || again.Result.Verdict != first.Result.Verdict {
					t.Errorf("seed %d: digest %s and %s, verdict %v and %v: %s", seed, first.Result.Digest, again.Result.Digest,
						first.Result.Verdict, again.Result.Verdict, again.Divergence)
				}
			}
		})
	}
}

// A run that was interrupted is repeated as far as it went.
func TestReplayOfAnInterruptedRun(t *testing.T) {
	t.Parallel()
	first := interrupted(t, 12*time.Second)
	again := follow(t, registry.With(hooked{name: "hook"}.fault()), first.Run)
	mustEqual(t, first.Run, again.Run, exactly...)
	if end := time.Duration(first.History.Ops[len(first.History.Ops)-1].Time); end < 12*time.Second || end > 20*time.Second {
		t.Errorf("the run ended at %v", end)
	}
}

// interrupted runs a plan whose context ends when something has been injected
// after the given time.
func interrupted(t *testing.T, after time.Duration) *run.Outcome {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reg := registry.With(hooked{name: "hook", at: after, do: cancel}.fault())
	p := planFor(1, time.Minute, cp, append(slices.Clone(four), "hook")...)
	p.Faults[4].Params = map[string]string{"after": after.String()}
	o, err := try(ctx, reg, p, run.Config{Out: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() == nil {
		t.Fatal("the hook was never met")
	}
	return o
}

// What was altered is found, and the first event that differs is named.
func TestReplayNamesTheFirstDifference(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	first := execute(t, reg, planFor(3, 21*time.Second, cp, six...))
	choices := recordedChoices(t, first)
	alterations := map[string]func(ops []history.Op){
		"the value of a write": func(ops []history.Op) {
			i := slices.IndexFunc(ops, func(op history.Op) bool { return op.F == "write" && op.Time > int64(5*time.Second) })
			ops[i].Value = history.Int(999_999)
		},
		"the key of a read": func(ops []history.Op) {
			i := slices.IndexFunc(ops, func(op history.Op) bool { return op.F == "read" && !op.Key.Equal(history.String("k1")) })
			ops[i].Key = history.String("k1")
		},
		"the time of an operation": func(ops []history.Op) { ops[50].Time += 1000 },
		"the aim of a fault":       func(ops []history.Op) { reaim(ops, "kill") },
		"the links of a partition": func(ops []history.Op) { reaim(ops, "partition") },
	}
	for name, alter := range alterations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyRun(t, first.Run)
			ops := slices.Clone(choices)
			alter(ops)
			writeChoices(t, dir, ops)
			again := follow(t, reg, dir)
			if !strings.HasPrefix(again.Divergence, "first difference: event ") {
				t.Errorf("the divergence is %q", again.Divergence)
			}
			if again.Result.Digest == first.Result.Digest {
				t.Error("the digest does not show the difference")
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		dir := copyRun(t, first.Run)
		writeChoices(t, dir, choices)
		if again := follow(t, reg, dir); again.Divergence != "" {
			t.Errorf("choices that were only written down again: %s", again.Divergence)
		}
	})
	t.Run("the seed", func(t *testing.T) {
		t.Parallel()
		dir := copyRun(t, first.Run)
		p, err := dir.Plan()
		if err != nil {
			t.Fatal(err)
		}
		p.Seed++
		if err := dir.WriteJSON(store.PlanFile, p); err != nil {
			t.Fatal(err)
		}
		if again := follow(t, reg, dir); !strings.HasPrefix(again.Divergence, "first difference: event ") {
			t.Errorf("the divergence is %q", again.Divergence)
		}
	})
}

// A fault follows the aim that was written down: the same nodes, although
// another seed would have chosen others.
func TestReplayFollowsEditedAim(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	first := execute(t, reg, planFor(3, 21*time.Second, cp, "kill"))
	dir := copyRun(t, first.Run)
	ops := recordedChoices(t, first)
	want := reaim(ops, "kill")
	writeChoices(t, dir, ops)
	again := follow(t, reg, dir)
	if got := nemesisSteps(again.History, "injected")[0].Value.Get("nodes"); !got.Equal(want) {
		t.Errorf("the replay aims at %v, want %v", got, want)
	}
}

// Choices that make no sense end in a verdict, not in a panic.
func TestReplayOfNonsense(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	first := execute(t, reg, planFor(3, 11*time.Second, cp, "kill", "partition"))
	nonsense := map[string]func(ops []history.Op) []history.Op{
		"unknown fault": func(ops []history.Op) []history.Op {
			return edit(ops, "inject", func(v history.Value) history.Value { return with(v, "kind", history.String("flood")) })
		},
		"a node that is not there": func(ops []history.Op) []history.Op {
			return edit(ops, "aim", func(v history.Value) history.Value {
				return with(with(v, "nodes", history.List(history.String("n99"))), "cut", history.List(history.String("n98>n99")))
			})
		},
		"the clients as a node": func(ops []history.Op) []history.Op {
			return edit(ops, "aim", func(v history.Value) history.Value {
				return with(v, "nodes", history.List(history.String("clients")))
			})
		},
		"no aim": func(ops []history.Op) []history.Op {
			return edit(ops, "aim", func(history.Value) history.Value { return history.Int(1) })
		},
		"unknown operation": func(ops []history.Op) []history.Op {
			ops[0].F = "dance"
			return ops
		},
		"backwards": func(ops []history.Op) []history.Op {
			slices.Reverse(ops)
			return ops
		},
		"nothing": func([]history.Op) []history.Op { return nil },
	}
	for name, alter := range nonsense {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyRun(t, first.Run)
			writeChoices(t, dir, alter(recordedChoices(t, first)))
			if again := follow(t, reg, dir); again.Divergence == "" {
				t.Error("the replay is said to be the same run")
			}
		})
	}
}

// recordedChoices reads what a run has decided.
func recordedChoices(t *testing.T, o *run.Outcome) []history.Op {
	t.Helper()
	h, err := history.Open(o.Run.Path(store.ChoicesFile))
	if err != nil {
		t.Fatal(err)
	}
	return h.Ops
}

// reaim changes the first aim of a fault to a node that it was not aimed at,
// and returns what it is now.
func reaim(ops []history.Op, kind string) history.Value {
	for i, op := range ops {
		if op.Value.Get("step").Text() != "aim" || op.Value.Get("kind").Text() != kind {
			continue
		}
		other := "n1"
		if fmt.Sprint(op.Value.Get("nodes")) == fmt.Sprint(history.List(history.String("n1"))) {
			other = "n2"
		}
		nodes := history.List(history.String(other))
		v := with(op.Value, "nodes", nodes)
		if kind == "partition" {
			v = with(v, "cut", history.List(history.String("n1>n2")))
		}
		ops[i].Value = v
		return nodes
	}
	panic("no aim of " + kind)
}

// edit changes the values of all records of a step.
func edit(ops []history.Op, step string, to func(history.Value) history.Value) []history.Op {
	for i, op := range ops {
		if op.Value.Get("step").Text() == step {
			ops[i].Value = to(op.Value)
		}
	}
	return ops
}

// with returns a map in which one key has another value.
func with(m history.Value, key string, value history.Value) history.Value {
	kvs := slices.Clone(m.Elems())
	for i := 0; i < len(kvs); i += 2 {
		if kvs[i].Text() == key {
			kvs[i+1] = value
		}
	}
	return history.Map(kvs...)
}

// copyRun copies what a replay needs.
func copyRun(t *testing.T, from *store.Run) *store.Run {
	t.Helper()
	to := &store.Run{Dir: t.TempDir()}
	for _, name := range append(slices.Clone(exactly), store.PlanFile, store.ResultFile) {
		if err := os.WriteFile(to.Path(name), read(t, from.Path(name)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// writeChoices writes choices in the form in which they are edited.
func writeChoices(t *testing.T, dir *store.Run, ops []history.Op) {
	t.Helper()
	var text bytes.Buffer
	for i := range ops {
		text.Write(history.AppendJSON(nil, &ops[i]))
		text.WriteByte('\n')
	}
	if err := os.WriteFile(dir.Path(strings.TrimSuffix(store.ChoicesFile, ".zst")), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
