package run_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/health"
	"github.com/ordeal-dev/ordeal/checkers/worth"
	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// runToy runs a target of the test for ten seconds.
func runToy(t *testing.T, target toy, change func(*plan.Plan), parts ...any) *run.Outcome {
	t.Helper()
	target.name = "toy"
	p := planFor(1, 10*time.Second, nil)
	p.Target, p.Consistency = "toy", run.Promised
	if change != nil {
		change(p)
	}
	return execute(t, registry.With(append(parts, target)...), p)
}

func wantVerdict(t *testing.T, o *run.Outcome, want checkers.Verdict) {
	t.Helper()
	if o.Result.Verdict != want {
		t.Errorf("verdict %v, want %v: %s", o.Result.Verdict, want, summary(o.Result))
	}
	var written run.Result
	if err := o.Run.ReadJSON(store.ResultFile, &written); err != nil || written.Verdict != want {
		t.Errorf("%s says %v, %v", store.ResultFile, written.Verdict, err)
	}
}

func wantText(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q: %s", what, part, text)
		}
	}
}

// A server that refuses everything breaks no promise and earns no ok.
func TestServerThatRefusesEverything(t *testing.T) {
	t.Parallel()
	o := runToy(t, toy{serve: func(env actor.Env, req actor.RequestID, _ []byte) { env.Reply(req, []byte("no")) }}, nil)
	wantVerdict(t, o, checkers.Unknown)
	wantText(t, "the floor that was missed", o.Result.Checkers[worth.Name].Reason, "0 of", "read operations were ok, at least 20 wanted", "write")
	if o.Result.Ops.OK != 0 || o.Result.Ops.Fail < 900 {
		t.Errorf("operations: %+v", o.Result.Ops)
	}
}

// A server that never answers completes nothing.
func TestServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	o := runToy(t, toy{serve: func(actor.Env, actor.RequestID, []byte) {}}, func(p *plan.Plan) {
		p.Workload = "set" // an addition that is not answered may have happened
	})
	wantVerdict(t, o, checkers.Unknown)
	wantText(t, "the floor that was missed", o.Result.Checkers[worth.Name].Reason, "ended with a definite answer, at least 50 % wanted", "add")
}

// A fault that does nothing is ineffective, and a run under it is worth nothing.
func TestFaultThatDoesNothing(t *testing.T) {
	t.Parallel()
	p := planFor(1, 20*time.Second, cp, "hook", "kill")
	o := execute(t, registry.With(hooked{name: "hook"}.fault()), p)
	wantVerdict(t, o, checkers.Unknown)
	wantText(t, "the floor that was missed", o.Result.Checkers[worth.Name].Reason, "hook: 0 of 2 windows confirmed, at least 1 wanted")
	for _, f := range o.Result.Faults {
		want := history.Confirmed
		if f.Kind == "hook" {
			want = history.Ineffective
		}
		if f.Witness != want {
			t.Errorf("window %d of %s is %v", f.ID, f.Kind, f.Witness)
		}
	}
}

// What a fault could not do is an error of the harness, with the fault's name.
func TestFaultThatFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	fail := func(world.Control) error { return boom }
	for name, c := range map[string]struct {
		hook hooked
		want string
	}{
		"inject":  {hooked{inject: fail}, "hook 1: inject: boom"},
		"witness": {hooked{err: boom}, "hook 1: boom"},
		"heal":    {hooked{heal: fail, found: history.Confirmed}, "hook 1: heal: boom"},
		"panic":   {hooked{do: func() { panic("boom") }}, "boom"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.hook.name = "hook"
			o := execute(t, registry.With(c.hook.fault()), planFor(1, 10*time.Second, cp, "hook"))
			wantVerdict(t, o, checkers.HarnessError)
			wantText(t, "the error", strings.Join(o.Result.Errors, "; "), c.want)
			if !keeps(o.Result) {
				t.Error("what the harness cannot do is no reason to doubt the promise")
			}
		})
	}
}

// A node that panics by itself makes the run invalid, with the line, whenever
// it does: while it boots, under load, or when it is paused and goes on.
func TestNodeThatPanics(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]toy{
		"under load": {serve: func(env actor.Env, req actor.RequestID, body []byte) {
			if env.Self() == 2 && env.Mono()%1000 > 990 {
				panic("the index is out of its mind")
			}
			env.Reply(req, body)
		}},
		"at boot": {boot: func(env actor.Env) {
			if env.Self() == 2 {
				panic("the index is out of its mind")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := runToy(t, target, nil)
			wantVerdict(t, o, checkers.Invalid)
			a := o.Result.Checkers[health.Name].Anomalies
			if len(a) == 0 {
				t.Fatal("no anomaly")
			}
			wantText(t, "the anomaly", a[0].Name+" "+a[0].Explanation, health.NodeDied, "n3", "panic: the index is out of its mind")
		})
	}
}

// Lines that no healthy node logs make a run invalid: those of every program,
// and those of the target.
func TestFatalLogLines(t *testing.T) {
	t.Parallel()
	say := func(line string) toy {
		return toy{patterns: []string{`checksum mismatch|(?i)corrupt page`, `^E\d+`}, serve: func(env actor.Env, req actor.RequestID, body []byte) {
			env.Logf("%s", line)
			env.Reply(req, body)
		}}
	}
	for line, fatal := range map[string]bool{
		"WARNING: DATA RACE":           true,
		"fatal error: all is lost":     true,
		"panic: no":                    true,
		"page 7: checksum mismatch":    true,
		"a CORRUPT page":               true,
		"E7: disk":                     true,
		"e7: patterns keep their case": false,
		"do not panic: all is well":    false,
		"a fatal error: was avoided":   false,
		"":                             false,
	} {
		o := runToy(t, say(line), func(p *plan.Plan) { p.Time = plan.Duration(3 * time.Second) })
		got := o.Result.Verdict == checkers.Invalid && o.Result.Checkers[health.Name].Verdict == checkers.Invalid
		if got != fatal {
			t.Errorf("%q is fatal: %v, want %v: %s", line, got, fatal, summary(o.Result))
		}
		if fatal {
			wantText(t, "the anomaly", o.Result.Checkers[health.Name].Anomalies[0].Explanation, line)
		}
	}
}

// A pattern that cannot be read is refused before anything runs.
func TestBadFatalPattern(t *testing.T) {
	t.Parallel()
	p := planFor(1, time.Second, nil)
	p.Target = "toy"
	_, err := registry.With(toy{name: "toy", patterns: []string{"ok", "(oops"}}).Resolve(p)
	if err == nil {
		t.Fatal("accepted")
	}
	wantText(t, "the error", err.Error(), "target toy", `"(oops"`)
}

// A cluster that never becomes ready is an error of the harness: nobody knows
// whose fault it is.
func TestClusterThatIsNeverReady(t *testing.T) {
	t.Parallel()
	o := runToy(t, toy{ready: func(env actor.Env) bool { return env.Self() != 1 }}, nil)
	wantVerdict(t, o, checkers.HarnessError)
	wantText(t, "the error", strings.Join(o.Result.Errors, "; "), "the cluster did not become ready", "n2 is not ready")
	if len(o.History.Ops) != 0 {
		t.Errorf("%d operations were recorded", len(o.History.Ops))
	}
}

// A cluster that does not agree after all faults were healed is described as
// it is then, and the run goes on to its end.
func TestClusterThatDoesNotRecover(t *testing.T) {
	t.Parallel()
	o := runToy(t, toy{digests: func(env actor.Env) map[string]string {
		return map[string]string{"all": env.Self().String()}
	}}, nil)
	wantVerdict(t, o, checkers.Invalid)
	if o.Result.Checkers[converge.Name].Verdict != checkers.Invalid {
		t.Error("replicas that differ were not seen to")
	}
	i := slices.IndexFunc(o.History.Ops, func(op history.Op) bool { return op.F == history.FReplicas && op.Error != "" })
	if i < 0 {
		t.Fatal("nobody says that the cluster did not recover")
	}
	wantText(t, "the error", o.History.Ops[i].Error, "no recovery within 30s", "n1 and n2 differ in shard all")
	if last := o.History.Ops[len(o.History.Ops)-1]; !last.Final {
		t.Error("there was no final phase")
	}
	if o.Result.Recovered != 0 {
		t.Errorf("recovered after %v", o.Result.Recovered)
	}
}

// Whoever interrupts a run gets faults healed, the final phase, and a verdict.
func TestInterruptedRun(t *testing.T) {
	t.Parallel()
	o := interrupted(t, 12*time.Second)
	injected, healed := nemesisSteps(o.History, "injected"), nemesisSteps(o.History, "healed")
	if len(injected) == 0 || len(healed) != len(injected) {
		t.Errorf("%d windows were opened and %d healed", len(injected), len(healed))
	}
	last := o.History.Ops[len(o.History.Ops)-1]
	if !last.Final || last.Type != history.OK {
		t.Errorf("the last operation is %v", last)
	}
	wantText(t, "the warnings", strings.Join(o.Result.Warnings, "; "), "interrupted")
	if !keeps(o.Result) {
		t.Error("the promise was not seen to be kept")
	}
}

// What cannot be found out again survives a second look at a run.
func TestReopenKeepsWhatOnlyTheRunKnew(t *testing.T) {
	t.Parallel()
	o := runToy(t, toy{ready: func(actor.Env) bool { return false }}, nil)
	p, err := o.Run.Plan()
	if err != nil {
		t.Fatal(err)
	}
	test, err := registry.With(toy{name: "toy"}).Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, err := test.Reopen(t.Context(), o.Run)
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, again, checkers.HarnessError)
		if !slices.Equal(again.Result.Errors, o.Result.Errors) {
			t.Errorf("errors %q, were %q", again.Result.Errors, o.Result.Errors)
		}
	}
}

// A second look at a good run sees the same.
func TestReopenSeesTheSame(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	o := execute(t, reg, planFor(5, 20*time.Second, weak, six...))
	p, err := o.Run.Plan()
	if err != nil {
		t.Fatal(err)
	}
	test, err := reg.Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, o.Run.Path(store.ResultFile))
	again, err := test.Reopen(t.Context(), o.Run)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Logs, o.Logs) {
		t.Errorf("%d lines of logs, were %d", len(again.Logs), len(o.Logs))
	}
	again.Result.Took = o.Result.Took
	if err := o.Run.WriteJSON("again.json", again.Result); err != nil {
		t.Fatal(err)
	}
	if after := read(t, o.Run.Path("again.json")); string(after) != string(before) {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// A history that is cut short is judged as far as it goes, with a warning.
func TestReopenTornHistory(t *testing.T) {
	t.Parallel()
	reg := registry.Builtin()
	o := execute(t, reg, planFor(5, 20*time.Second, cp, "kill"))
	path := o.Run.Path(store.HistoryFile)
	whole := read(t, path)
	if err := os.WriteFile(path, whole[:len(whole)-100], 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := o.Run.Plan()
	if err != nil {
		t.Fatal(err)
	}
	test, err := reg.Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := test.Reopen(t.Context(), o.Run)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "the warnings", strings.Join(again.Result.Warnings, "; "), "the history is cut short after byte")
	if again.Result.Verdict == checkers.Invalid || again.Result.Ops.OK == 0 {
		t.Errorf("verdict %v, operations %+v", again.Result.Verdict, again.Result.Ops)
	}
}
