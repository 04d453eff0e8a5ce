package html

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/perf"
	"github.com/ordeal-dev/ordeal/checkers/stats"
	"github.com/ordeal-dev/ordeal/checkers/worth"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// scribe writes histories, a record each millisecond unless told otherwise.
type scribe struct {
	h   history.History
	now int64
}

func (s *scribe) wait(d time.Duration) { s.now += int64(d) }

func (s *scribe) record(op history.Op) int {
	s.now += 1e6
	op.Index, op.Time = len(s.h.Ops), s.now
	s.h.Ops = append(s.h.Ops, op)
	return op.Index
}

// call records an operation of a process on n1, n2 or n3, and its index.
func (s *scribe) call(p history.Process, t history.Type, f string, key, arg, result history.Value) int {
	op := history.Op{Process: p, F: f, Key: key, Value: arg, Node: fmt.Sprintf("n%d", p%3+1)}
	at := s.record(op)
	op.Type, op.Value = t, result
	if t != history.OK {
		op.Error = "timeout: no answer"
	}
	s.record(op)
	return at
}

func (s *scribe) fault(id int64, kind, step string, more ...history.Value) int {
	fields := append([]history.Value{
		history.String("id"), history.Int(id), history.String("kind"), history.String(kind),
		history.String("step"), history.String(step),
		history.String("nodes"), history.List(history.String("n1"), history.String("n3")),
	}, more...)
	return s.record(history.Op{Process: history.Nemesis, Type: history.Info, F: history.FFault, Value: history.Map(fields...)})
}

func (s *scribe) inject(id int64, kind string) {
	s.fault(id, kind, "injected", history.String("shape"), history.String("halves"),
		history.String("witness"), history.String("confirmed"),
		history.String("evidence"), history.Map(history.String("probed"), history.Int(6),
			history.String("dead-as-cut"), history.List(history.String("n1>n2"), history.String("n3>n2")),
			history.String("dead-though-open"), history.List()))
}

func (s *scribe) heal(id int64, kind string) {
	s.fault(id, kind, "heal")
	s.fault(id, kind, "healed", history.String("exercised"), history.Bool(true))
}

var (
	key  = history.String("k1")
	none = history.Value{}
)

// samplePlan is the plan of all samples.
func samplePlan() *plan.Plan {
	return &plan.Plan{
		Version: "test", Target: "store", Settings: map[string]string{"mode": "cp", "n": "3"}, Bugs: []string{"CP1"},
		World: "sim", Nodes: 3, Clients: 3, Workload: "register", Options: map[string]string{"keys": "10"},
		Faults: []plan.Fault{{Kind: "partition", Params: map[string]string{"shape": "halves", "every": ""}}},
		Rate:   100, Time: plan.Duration(5 * time.Second), OpTimeout: plan.Duration(time.Second), Seed: 7,
	}
}

// staleRead is a run in which a read under a partition returned an old value,
// and in which a node died by itself.
func staleRead(t testing.TB) *run.Outcome {
	s := &scribe{}
	first := s.call(0, history.OK, "write", key, history.Int(1), history.Int(1))
	s.inject(1, "partition")
	s.wait(200 * time.Millisecond)
	over := s.call(1, history.OK, "write", key, history.Int(2), history.Int(2))
	lost := s.call(5, history.Info, "write", key, history.Int(3), history.Int(3))
	s.call(2, history.OK, "cas", history.String("k2"), history.Ints(4, 5), history.Ints(4, 5))
	s.call(2, history.Fail, "cas", key, history.Ints(8, 9), history.Ints(8, 9))
	s.wait(900 * time.Millisecond)
	s.call(4, history.OK, "read", key, none, history.Int(2))
	stale := s.call(3, history.OK, "read", key, none, history.Int(1))
	s.heal(1, "partition")
	s.wait(2 * time.Second)
	died := s.record(history.Op{Process: history.Nemesis, Type: history.Info, F: history.FDied, Value: history.Map(
		history.String("node"), history.String("n2"), history.String("reason"), history.String("panic: out of range\n\tmain.go:1"))})
	s.call(0, history.OK, "read", key, none, history.Int(2))
	o := outcomeOf(t, &s.h, checkers.Invalid)
	o.Logs = []world.LogLine{
		{Time: 1_105e6, Node: 0, Text: "still the leader of term 3"},
		{Time: s.now - 3e6, Node: 1, Text: "panic: out of range"},
	}
	o.Result.Checkers["linear"] = checkers.Result{Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{{
		Name: "stale-read", Key: "k1", Ops: []int{first, over, lost, stale},
		Explanation: "process 3 read 1, which had been overwritten with 2 before that read began",
	}}}
	o.Result.Checkers["health"] = checkers.Result{Verdict: checkers.Invalid, Anomalies: []checkers.Anomaly{{
		Name: "node-died", Ops: []int{died}, Explanation: "node n2 died, and no fault killed it: panic: out of range\n\tmain.go:1",
	}}}
	return o
}

// outcomeOf measures a history and gives it a verdict.
func outcomeOf(t testing.TB, h *history.History, v checkers.Verdict) *run.Outcome {
	kept := v == checkers.OK
	r := &run.Result{
		Verdict: v, Seed: 7, Digest: "00c0ffee", Run: "runs/r1", Consistency: "linearizable",
		Promise:  run.Promise{Level: "linearizable", Doc: "linearizable: as if one at a time", Kept: &kept},
		Checkers: map[string]checkers.Result{"linear": {Verdict: v}, "health": {}},
		Judged:   []string{"linear", "health"}, Replay: "ordeal replay runs/r1",
	}
	calls, _ := h.Calls()
	for _, c := range calls {
		switch c.Type() {
		case history.OK:
			r.Ops.OK++
		case history.Fail:
			r.Ops.Fail++
		default:
			r.Ops.Info++
		}
	}
	detail(t, r, perf.Name, func() (any, error) { return perf.Measure(h) })
	detail(t, r, stats.Name, func() (any, error) { return stats.Count(h) })
	detail(t, r, worth.Name, func() (any, error) {
		return worth.Check(h, worth.Default(), []string{"read", "write"}, []string{"partition"})
	})
	if v == checkers.Unknown {
		r.Checkers["linear"] = checkers.Result{Verdict: v, Reason: "out of time after 10 s"}
		r.Promise.Kept = nil
	}
	return &run.Outcome{History: h, Result: r}
}

func detail(t testing.TB, r *run.Result, name string, measure func() (any, error)) {
	t.Helper()
	report, err := measure()
	if err != nil {
		r.Checkers[name] = checkers.Result{Verdict: checkers.Unknown, Reason: err.Error()}
		return
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	r.Checkers[name] = checkers.Result{Details: text}
}

// calm is a run without faults.
func calm(t testing.TB, v checkers.Verdict) *run.Outcome {
	s := &scribe{}
	for i := range int64(30) {
		s.call(history.Process(i%3), history.OK, "write", key, history.Int(i), history.Int(i))
		s.call(history.Process(i%3), history.OK, "read", key, none, history.Int(i))
	}
	return outcomeOf(t, &s.h, v)
}

// long is a run of n operations under a fault every ten seconds.
func long(t testing.TB, n int) *run.Outcome {
	s := &scribe{}
	for i := range n {
		v := history.Int(int64(i))
		s.call(history.Process(i%10), history.Type(1+i%17%3), "write", history.Int(int64(i%10)), v, v)
		s.wait(time.Duration(i%97) * 10 * time.Microsecond)
		switch i % 2000 {
		case 500:
			s.inject(int64(i), "partition")
		case 1500:
			s.heal(int64(i-1000), "partition")
		}
	}
	o := outcomeOf(t, &s.h, checkers.Invalid)
	for i := range 20 {
		o.Result.Checkers["linear"] = checkers.Result{Verdict: checkers.Invalid, Anomalies: append(o.Result.Checkers["linear"].Anomalies, checkers.Anomaly{
			Name: "stale-read", Ops: []int{i * 40, i*40 + 200, i*40 + 400}, Explanation: "it is old",
		})}
	}
	for i := range n {
		o.Logs = append(o.Logs, world.LogLine{Time: int64(i) * 1e6, Node: i % 3, Text: "elected"})
	}
	return o
}
