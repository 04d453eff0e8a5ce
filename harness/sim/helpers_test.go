package sim_test

import (
	"math"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

const (
	ms      = int64(time.Millisecond)
	second  = int64(time.Second)
	forever = math.MaxInt64 - 1
)

// deploy starts a cluster that is closed at the end of the test.
func deploy(t testing.TB, cfg sim.Config, seed uint64, nodes int, boot actor.Boot) *sim.Cluster {
	t.Helper()
	return deploySpec(t, cfg, world.Spec{Nodes: nodes, Boot: boot, Choices: choice.New(seed)})
}

func deploySpec(t testing.TB, cfg sim.Config, spec world.Spec) *sim.Cluster {
	t.Helper()
	cluster, err := sim.New(cfg).Deploy(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return cluster.(*sim.Cluster)
}

// do runs f to its end and fails the test if f does.
func do(t testing.TB, c *sim.Cluster, f func(ctl world.Control) error) {
	t.Helper()
	if err := c.Do(f); err != nil {
		t.Fatal(err)
	}
}

// echoes starts a client of the node that sends text to it, and returns how
// the operation ended and how long it took.
func echoes(t testing.TB, c *sim.Cluster, node int, text string) (history.Op, time.Duration) {
	t.Helper()
	w := c.AddClient(node, ask)
	return finish(t, c, w, history.Op{F: "echo", Value: history.String(text)})
}

// finish starts an operation and waits for it to come back.
func finish(t testing.TB, c *sim.Cluster, w world.Worker, op history.Op) (history.Op, time.Duration) {
	t.Helper()
	began := c.Now()
	c.Start(w, op)
	for {
		e, ok := c.Next(began + 10*second)
		if !ok {
			t.Fatal("the operation did not come back within 10 s")
		}
		if !e.Died && e.Worker == w {
			return e.Op, time.Duration(e.Time - began)
		}
	}
}

// puppet is an actor made of functions.
type puppet struct {
	receive func(from actor.NodeID, msg []byte)
	serve   func(req actor.RequestID, body []byte)
	wake    func()
	status  func() actor.Status
}

func (p *puppet) Receive(from actor.NodeID, msg []byte) {
	if p.receive != nil {
		p.receive(from, msg)
	}
}

func (p *puppet) Serve(req actor.RequestID, body []byte) {
	if p.serve != nil {
		p.serve(req, body)
	}
}

func (p *puppet) Wake() {
	if p.wake != nil {
		p.wake()
	}
}

func (p *puppet) Status() actor.Status {
	if p.status != nil {
		return p.status()
	}
	return actor.Status{Ready: true}
}

var (
	_ world.Cluster = (*sim.Cluster)(nil)
	_ world.Exact   = (*sim.Cluster)(nil)
	_ world.World   = (*sim.World)(nil)
)

// askFirst is a client that calls the first node, whichever its own is.
func askFirst(env client.Env, op history.Op) history.Op { return askNode(env, 0, op) }
