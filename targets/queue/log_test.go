package queue_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers/eventlog"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/verify"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/queue"
	"github.com/ordeal-dev/ordeal/targets/queue/logs"
)

// logWith returns the settings of a log of which some are given.
func logWith(t *testing.T, given map[string]string) targets.Settings {
	t.Helper()
	all := maps.Clone(given)
	all["kind"] = "log"
	s, err := targets.Fill(queue.New(), all)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPromisesOfLogs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set, to, level string
	}{
		{"acks", "all", "log"}, {"acks", "1", "lossy-log"}, {"acks", "0", "lossy-log"}, {"unclean", "on", "lossy-log"},
		{"retention", "100", "log"}, {"idempotent", "off", "at-least-once"}, {"min-insync", "1", "log"}, {"compaction", "on", "log"},
	} {
		if p := queue.New().Promise(logWith(t, map[string]string{c.set: c.to})); p.Level != c.level {
			t.Errorf("%s=%s promises %s, want %s", c.set, c.to, p.Level, c.level)
		}
	}
}

func TestLogsThatDoNotBoot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set, to, bug, want string
	}{
		{"replicas", "1", "", "lower min-insync or raise replicas"},
		{"partitions", "0", "", "want a whole number from 1 to 100"},
		{"acks", "all", "W1", "bug W1 is none of kind=log"},
	} {
		var bugs []string
		if c.bug != "" {
			bugs = append(bugs, c.bug)
		}
		if _, err := queue.New().Boot(logWith(t, map[string]string{c.set: c.to}), bugs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s=%s %s: %v, want %q", c.set, c.to, c.bug, err, c.want)
		}
	}
}

// Every bug of the log has a row, and every row a bug.
func TestBugsOfLogs(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	for _, b := range queue.New().Bugs() {
		rows[b.ID] = true
	}
	for _, b := range logs.Bugs() {
		if !rows[string(b)] {
			t.Errorf("bug %s has no row", b)
		}
		delete(rows, string(b))
		if _, err := queue.New().Boot(logWith(t, map[string]string{}), []string{string(b)}); err != nil {
			t.Error(err)
		}
	}
	for id := range rows {
		if strings.HasPrefix(id, "Q") {
			t.Errorf("row %s has no bug", id)
		}
	}
}

// tailless is a log of which, when all is over, the last messages of every partition
// are gone. Nothing shows it but that: their offsets are not used again.
type tailless struct{ targets.Target }

func (tailless) Name() string { return "tailless" }

func (t tailless) Client(s targets.Settings, workload string) (func() client.Client, error) {
	create, err := t.Target.Client(s, workload)
	return func() client.Client { return shortSighted{create()} }, err
}

// shortSighted does not see the last messages of a final poll.
type shortSighted struct{ client.Client }

func (c shortSighted) Invoke(env client.Env, op history.Op) history.Op {
	op = c.Client.Invoke(env, op)
	if !op.Final || op.F != "poll" || op.Type != history.OK {
		return op
	}
	micro := slices.Clone(op.Value.Elems())
	last := micro[len(micro)-1].Elems()
	kvs := slices.Clone(last[1].Elems())
	for i := 1; i < len(kvs); i += 2 {
		list := kvs[i].Elems()
		kvs[i] = history.List(list[:max(0, len(list)-10)]...)
	}
	micro[len(micro)-1] = history.List(last[0], history.Map(kvs...))
	op.Value = history.List(micro...)
	return op
}

// What was polled and is gone from the end of a partition is found in the final phase.
func TestLogThatLosesItsEnd(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{
		Version: "test", Target: "tailless", Settings: map[string]string{"kind": "log"}, World: "sim", Nodes: 5, Clients: 10,
		Workload: "log", Consistency: run.Promised, Rate: 100, Time: plan.Duration(20 * time.Second),
		OpTimeout: plan.Duration(time.Second), Seed: 1, Floors: plan.DefaultFloors(),
	}
	test, err := registry.With(tailless{queue.New()}).Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	o, err := test.Run(t.Context(), run.Config{Out: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	never := []string{eventlog.Unseen, eventlog.TornTransaction} // what nobody had polled is gone as well
	r := eventlog.New(eventlog.Options{Allow: never}).Check(t.Context(), o.History)
	if len(r.Anomalies) == 0 || r.Anomalies[0].Name != eventlog.Vanished {
		t.Fatalf("%v %v, want first of all %s", r.Verdict, r.Anomalies, eventlog.Vanished)
	}
	claim, err := r.Claim()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(o.History, raw); err != nil {
		t.Error(err)
	}
}
