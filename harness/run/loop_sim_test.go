package run

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// moody is a node that answers, keeps silent or dies, as it is told.
type moody struct{ env actor.Env }

func (n *moody) Receive(actor.NodeID, []byte) {}
func (n *moody) Wake()                        {}
func (n *moody) Status() actor.Status         { return actor.Status{Ready: true} }

func (n *moody) Serve(req actor.RequestID, body []byte) {
	switch string(body) {
	case "die":
		panic("told to die")
	case "answer":
		n.env.Reply(req, body)
	}
}

// tell asks the client's own node to do what the operation is called.
type tell struct{}

func (tell) Invoke(env client.Env, op history.Op) history.Op {
	if _, err := env.Call(env.Node(), []byte(op.F)); err != nil {
		return client.Broken(op, err, false)
	}
	return client.OK(op, op.Value)
}

func loopInSim(t *testing.T, seed uint64) ([]history.Op, LoopStats) {
	t.Helper()
	src := choice.New(seed)
	cluster, err := sim.New(sim.Config{}).Deploy(t.Context(), world.Spec{
		Nodes: 3, Choices: src, OpTimeout: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
		Boot: func(env actor.Env) actor.Node { return &moody{env} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	silence := gen.Repeat(0, gen.Ops(history.Op{F: "keep silent"}))
	answer := gen.Repeat(0, gen.Ops(history.Op{F: "answer"}))
	m := &memory{}
	stats, err := Loop(t.Context(), LoopConfig{
		Cluster: cluster, Recorder: m, Clients: 6, Nodes: 3,
		NewClient: func(history.Process, int) client.Client { return tell{} },
		Nemesis: func(ctl world.Control, op history.Op, record func(history.Op)) history.Op {
			record(history.Op{F: "intent"})
			ctl.Sleep(20 * time.Millisecond)
			if err := ctl.Kill(1); err != nil {
				return client.Info(op, err.Error())
			}
			return op
		},
		Gen: gen.Phases(
			gen.TimeLimit(2*time.Second, gen.ClientsAndNemesis(
				gen.Rate(src, "rate", 300, gen.Weighted(src, "mix", gen.Weight{Of: 50, Gen: answer}, gen.Weight{Of: 1, Gen: silence})),
				gen.Sequence(gen.Sleep(time.Second), gen.Ops(history.Op{F: "kill"})),
			)),
			gen.Limit(1, gen.OnThreads(func(t int) bool { return t == 0 }, gen.Ops(history.Op{F: "die"}))),
			gen.Final(gen.EachNode(gen.Ops(history.Op{F: "answer"}))),
		),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m.ops, stats
}

// In the simulator a run is sound, and the same seed gives the same history.
func TestLoopInTheSimulator(t *testing.T) {
	t.Parallel()
	ops, stats := loopInSim(t, 1)
	checkHistory(t, ops)
	if stats.Offered < 590 || stats.Offered > 610 || stats.OK < 400 || stats.Info < 3 || stats.Fail < 50 || stats.Died != 1 {
		t.Errorf("statistics: %+v", stats)
	}
	end := map[string]string{}
	for _, op := range ops {
		if op.Final && op.Type != history.Invoke {
			end[op.Node] = op.Type.String() + " " + op.Error
		}
	}
	want := map[string]string{"n1": "fail unavailable", "n2": "fail unavailable", "n3": "ok "} // n1 died, n2 was killed
	if diff := cmp.Diff(want, end); diff != "" {
		t.Errorf("final phase: %s", diff)
	}

	again, stats2 := loopInSim(t, 1)
	equal := cmp.Comparer(func(a, b history.Value) bool { return a.Equal(b) })
	if diff := cmp.Diff(ops, again, equal); diff != "" || stats != stats2 {
		t.Errorf("the same seed gives another history: %s", diff)
	}
	if other, _ := loopInSim(t, 2); cmp.Equal(ops, other, equal) {
		t.Error("another seed gives the same history")
	}
}
