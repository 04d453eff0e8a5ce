package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// pinger keeps one message under way to each neighbour, as fast as it can.
type pinger struct{ env actor.Env }

func bootPinger(env actor.Env) actor.Node {
	env.WakeAt(0)
	return &pinger{env}
}

func (p *pinger) Wake() {
	for to := range actor.NodeID(p.env.Nodes()) {
		if to != p.env.Self() {
			p.env.Send(to, make([]byte, 64))
		}
	}
}
func (p *pinger) Receive(from actor.NodeID, msg []byte) { p.env.Send(from, msg) }
func (p *pinger) Serve(actor.RequestID, []byte)         {}
func (p *pinger) Status() actor.Status                  { return actor.Status{} }

// BenchmarkMessages is the cost of an event that does next to nothing: five
// nodes that send messages to and fro.
func BenchmarkMessages(b *testing.B) {
	b.ReportAllocs()
	c := deploy(b, sim.Config{}, 1, 5, bootPinger)
	for b.Loop() {
		for until := c.Events() + 1000; c.Events() < until; {
			c.Next(c.Now() + ms)
		}
	}
	perEvent(b, float64(c.Events()))
	b.ReportMetric(float64(c.Now())/1e9/b.Elapsed().Seconds(), "sim-s/s")
}

func perEvent(b *testing.B, events float64) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/events, "ns/event")
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkMinute is a minute of five nodes that replicate a log, with ten
// clients that offer a hundred operations a second.
func BenchmarkMinute(b *testing.B) {
	b.ReportAllocs()
	var events uint64
	for b.Loop() {
		c := minute(b, 1)
		events += c.Events()
		if err := c.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	perEvent(b, float64(events))
	b.ReportMetric(60*float64(b.N)/b.Elapsed().Seconds(), "sim-s/s")
}

func minute(t testing.TB, seed uint64) *sim.Cluster {
	cluster, err := sim.New(sim.Config{}).Deploy(context.Background(), world.Spec{
		Nodes: 5, Boot: bootQuorum, Choices: choice.New(seed), OpTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := cluster.(*sim.Cluster)
	load(c, 10, 100*time.Millisecond, 60*second)
	return c
}

// load drives clients until the given time: each does an operation, and then
// rests for up to twice the given pause.
func load(c *sim.Cluster, clients int, pause time.Duration, until int64) (done, failed int) {
	op := history.Op{F: "echo", Value: history.String("0123456789abcdef")}
	for i := range clients {
		rest := choice.New(0).Stream("rest", uint64(i))
		w := c.AddClient(i%5, func(env client.Env, op history.Op) history.Op {
			env.Sleep(time.Duration(rest.Int64N(2 * int64(pause))))
			return ask(env, op)
		})
		c.Start(w, op)
	}
	for {
		e, ok := c.Next(until)
		switch {
		case !ok:
			return done, failed
		case e.Died:
			continue
		case e.Op.Type == history.OK:
			done++
		default:
			failed++
		}
		c.Start(e.Worker, op)
	}
}

// BenchmarkCall is the cost of an operation of a client: a request, an answer,
// and four switches between coroutines.
func BenchmarkCall(b *testing.B) {
	b.ReportAllocs()
	c := deploy(b, sim.Config{}, 1, 1, bootEcho)
	w := c.AddClient(0, func(env client.Env, op history.Op) history.Op {
		if _, err := env.Call(0, nil); err != nil {
			return client.Info(op, err.Error())
		}
		return op
	})
	op := history.Op{F: "echo"}
	for b.Loop() {
		c.Start(w, op)
		if _, ok := c.Next(forever); !ok {
			b.Fatal("no answer")
		}
	}
}
