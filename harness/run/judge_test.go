package run

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/workloads"
)

// fixed is a checker that has made up its mind.
type fixed struct {
	name    string
	verdict checkers.Verdict
	panics  bool
}

func (c fixed) Name() string { return c.name }

func (c fixed) Check(context.Context, *history.History) checkers.Result {
	if c.panics {
		panic("the checker fell over")
	}
	r := checkers.Result{Verdict: c.verdict}
	if c.verdict == checkers.Unknown {
		r.Reason = "out of time"
	}
	return r
}

// workloadOf judges each level by one checker of that name.
func workloadOf(byLevel map[string]fixed) workloads.Workload {
	return workloads.Workload{
		Name: "test", Checkers: func(level string, _ workloads.Options) []checkers.Checker {
			c, ok := byLevel[level]
			if !ok {
				return nil
			}
			return []checkers.Checker{c}
		},
	}
}

// The verdict is the worst of all that judge; the promise is kept if the
// checkers of its level say so, whatever others say.
func TestJudgeMerges(t *testing.T) {
	t.Parallel()
	verdict := rapid.SampledFrom([]checkers.Verdict{checkers.OK, checkers.Unknown, checkers.Invalid})
	rapid.Check(t, func(rt *rapid.T) {
		strong, weak := verdict.Draw(rt, "strong"), verdict.Draw(rt, "weak")
		broken := rapid.Bool().Draw(rt, "broken")
		j := Judgement{
			Workload: workloadOf(map[string]fixed{"strong": {name: "s", verdict: strong}, "weak": {name: "w", verdict: weak}}),
			Level:    "strong", Promise: Promise{Level: rapid.SampledFrom([]string{"", "strong", "weak"}).Draw(rt, "promised")},
		}
		want := strong
		if broken {
			j.Errors = []string{"the harness broke"}
			want = max(want, checkers.HarnessError)
		}
		r := Judge(t.Context(), &history.History{}, j)
		if r.Verdict != want {
			rt.Errorf("verdict %v, want %v", r.Verdict, want)
		}
		of := map[string]checkers.Verdict{"strong": strong, "weak": weak}
		switch v := of[j.Promise.Level]; {
		case j.Promise.Level == "" || v == checkers.Unknown:
			if r.Promise.Kept != nil {
				rt.Errorf("nobody can tell, but kept is %v", *r.Promise.Kept)
			}
		case r.Promise.Kept == nil || *r.Promise.Kept != (v == checkers.OK):
			rt.Errorf("the promise is judged %v, but kept is %v", v, r.Promise.Kept)
		}
		if slices.Contains(r.Judged, "w") {
			rt.Error("a checker that only informs made the verdict")
		}
	})
}

// The same checker by two levels is shown twice where it makes a difference.
func TestJudgeByTwoLevels(t *testing.T) {
	t.Parallel()
	for _, weak := range []checkers.Verdict{checkers.OK, checkers.Invalid} {
		r := Judge(t.Context(), &history.History{}, Judgement{
			Workload: workloadOf(map[string]fixed{"strong": {name: "c", verdict: checkers.Invalid}, "weak": {name: "c", verdict: weak}}),
			Level:    "strong", Promise: Promise{Level: "weak"},
		})
		_, twice := r.Checkers["c@weak"]
		if r.Checkers["c"].Verdict != checkers.Invalid || twice != (weak != checkers.Invalid) {
			t.Errorf("checkers %v", r.Checkers)
		}
		if *r.Promise.Kept != (weak == checkers.OK) {
			t.Errorf("kept %v though judged %v", *r.Promise.Kept, weak)
		}
	}
}

// A checker that falls over is unknown, with its words.
func TestJudgeSurvivesCheckers(t *testing.T) {
	t.Parallel()
	r := Judge(t.Context(), &history.History{}, Judgement{
		Workload: workloadOf(map[string]fixed{"strong": {name: "c", panics: true}}), Level: "strong", Promise: Promise{Level: "strong"},
	})
	if r.Verdict != checkers.Unknown || r.Promise.Kept != nil || !strings.Contains(r.Checkers["c"].Reason, "the checker fell over") {
		t.Errorf("verdict %v, kept %v: %s", r.Verdict, r.Promise.Kept, r.Checkers["c"].Reason)
	}
}

// Whatever a step of the nemesis could not do is an error of the harness, but
// for a window that found no target.
func TestHarnessErrors(t *testing.T) {
	t.Parallel()
	record := func(step, err string) history.Op {
		op := nemesis.Step{ID: 7, Kind: "kill"}.Op()
		op.Value = history.Map(history.String("id"), history.Int(7), history.String("kind"), history.String("kill"),
			history.String("step"), history.String(step))
		op.Error = err
		return op
	}
	h := &history.History{Ops: []history.Op{
		record("inject", ""), record("skipped", "no node is left"), record("injected", "boom"), record("healed", "bang"),
		record("inject", "panic: crash"), {Process: 3, Type: history.Info, F: "write", Error: "timeout"},
		{Process: history.Nemesis, Type: history.Info, F: history.FReplicas, Error: "no recovery"},
	}}
	want := []string{"kill 7: boom", "kill 7: bang", "kill 7: panic: crash"}
	if got := harnessErrors(h); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A history that is cut short, and one that is not well-formed, are judged as
// far as they go.
func TestJudgeDamagedHistories(t *testing.T) {
	t.Parallel()
	j := Judgement{Workload: workloadOf(nil), Level: "strong"}
	torn := Judge(t.Context(), &history.History{Torn: &history.Torn{Offset: 99, Reason: "the file ends"}}, j)
	if torn.Verdict != checkers.OK || len(torn.Warnings) != 1 || !strings.Contains(torn.Warnings[0], "cut short after byte 99 (the file ends)") {
		t.Errorf("verdict %v, warnings %q", torn.Verdict, torn.Warnings)
	}
	odd := Judge(t.Context(), &history.History{Ops: []history.Op{{Process: 1, Type: history.OK, F: "read"}}}, j)
	if odd.Verdict != checkers.HarnessError || !strings.Contains(strings.Join(odd.Errors, "; "), "not well-formed") {
		t.Errorf("verdict %v, errors %q", odd.Verdict, odd.Errors)
	}
}

// How long recovery took is counted from when it was asked for, and only if it
// was seen.
func TestRecoveredAfter(t *testing.T) {
	t.Parallel()
	ask := history.Op{Time: 100, Process: history.Nemesis, Type: history.Info, F: history.FReplicas}
	seen := ask
	seen.Time, seen.Value = 350, history.Map()
	failed := seen
	failed.Error = "no recovery within 30s"
	for _, c := range []struct {
		ops  []history.Op
		want plan.Duration
	}{{nil, 0}, {[]history.Op{ask}, 0}, {[]history.Op{ask, seen}, 250}, {[]history.Op{ask, failed}, 0}} {
		if got := recoveredAfter(&history.History{Ops: c.ops}); got != c.want {
			t.Errorf("%d records: %d, want %d", len(c.ops), got, c.want)
		}
	}
}

// The result has the fields that programs rely on.
func TestResultJSON(t *testing.T) {
	t.Parallel()
	kept := true
	text, err := json.Marshal(&Result{
		Verdict: checkers.Invalid, Seed: 1<<63 + 1, Digest: "d", Run: "runs/x", Ops: Counts{1, 2, 3},
		Promise: Promise{Level: "eventual", Kept: &kept}, Checkers: map[string]checkers.Result{"linear": {
			Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{{Name: "stale-read", Explanation: "why", Ops: []int{4}}},
		}},
		Faults: []FaultResult{{ID: 1, Kind: "kill", Nodes: []string{"n1"}, Witness: history.Confirmed, Exercised: true}},
		Replay: "ordeal replay runs/x", Took: plan.Duration(time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"verdict":"invalid"`, `"seed":9223372036854775809`, `"digest":"d"`, `"run":"runs/x"`, `"ops":{"ok":1,"fail":2,"info":3}`,
		`"promise":{"level":"eventual","kept":true}`, `"anomalies":[{"name":"stale-read","explanation":"why","ops":[4]}]`,
		`"kind":"kill","nodes":["n1"],"witness":"confirmed","exercised":true`, `"replay":"ordeal replay runs/x"`, `"took":"1s"`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s lacks %s", text, part)
		}
	}
}
