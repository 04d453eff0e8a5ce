package cp_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/targets/store/cp"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// BenchmarkMinute is a minute of five nodes and ten clients that offer a
// hundred operations a second, half of them reads.
func BenchmarkMinute(b *testing.B) {
	b.ReportAllocs()
	done, events := 0, uint64(0)
	for b.Loop() {
		n, e := minute(b, 1)
		done += n
		events += e
	}
	b.ReportMetric(float64(done)/float64(b.N), "ops/run")
	b.ReportMetric(float64(events)/float64(b.N), "events/run")
}

func minute(t testing.TB, seed uint64) (done int, events uint64) {
	cluster, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{
		Nodes: 5, Boot: func(env actor.Env) actor.Node { return cp.New(env, cp.Config{}) },
		Choices: choice.New(seed), OpTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close(context.Background())
	for i := range 10 {
		cluster.Start(cluster.AddClient(i%5, steady(i)), history.Op{})
	}
	for until := int64(time.Minute); ; {
		e, ok := cluster.Next(until)
		if !ok {
			return done, cluster.(*sim.Cluster).Events()
		}
		if e.Died {
			t.Fatalf("a node died: %v %v", e.Cause, e.Lines)
		}
		if e.Op.Type == history.OK {
			done++
		}
		cluster.Start(e.Worker, history.Op{})
	}
}

// steady is a client that rests between its operations, for 100 ms on average.
func steady(i int) func(client.Env, history.Op) history.Op {
	draw, seq := choice.New(0).Stream("client", uint64(i)), uint64(0)
	return func(env client.Env, op history.Op) history.Op {
		env.Sleep(time.Duration(draw.Int64N(int64(200 * time.Millisecond))))
		seq++
		req := kv.Request{Op: kv.Get, Client: uint64(i) + 1, Seq: seq, Key: "k" + strconv.Itoa(draw.IntN(10))}
		if draw.Chance(1, 2) {
			req.Op, req.Value = kv.Put, strconv.FormatUint(seq, 10)
		}
		answer, err := env.Call(env.Node(), req.AppendTo(nil))
		if err != nil {
			return client.Info(op, err.Error())
		}
		if resp, err := kv.ParseResponse(answer); err != nil || resp.Code != kv.OK && resp.Code != kv.NotFound {
			return client.Fail(op, "")
		}
		return client.OK(op, op.Value)
	}
}
