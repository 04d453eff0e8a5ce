package docker

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/internal/proc"
)

// emptyCluster has no nodes: it is enough for workers and events.
func emptyCluster(t *testing.T, timeout time.Duration) *cluster {
	t.Helper()
	d := &deployment{origin: proc.Mono(), log: slog.New(slog.DiscardHandler)}
	d.spec.OpTimeout = timeout
	c := &cluster{deployment: d}
	c.ctx, c.cancel = context.WithCancel(t.Context())
	t.Cleanup(c.cancel)
	c.events.more = make(chan struct{}, 1)
	c.events.now = c.Now
	return c
}

// next waits for an event that has to come.
func next(t *testing.T, c *cluster) world.Event {
	t.Helper()
	e, ok := c.Next(c.Now() + int64(10*time.Second))
	if !ok {
		t.Fatal("no event came")
	}
	return e
}

func TestWorkerCompletes(t *testing.T) {
	t.Parallel()
	c := emptyCluster(t, time.Second)
	w := c.AddClient(0, func(_ client.Env, op history.Op) history.Op { return client.OK(op, history.Int(5)) })
	for range 3 {
		before := c.Now()
		c.Start(w, history.Op{F: "read"})
		e := next(t, c)
		if n, _ := e.Op.Value.Int(); e.Op.Type != history.OK || n != 5 || e.Worker != w {
			t.Errorf("completed as %+v", e)
		}
		if e.Time < before || e.Time > c.Now() {
			t.Errorf("completed at %d, between %d and %d", e.Time, before, c.Now())
		}
	}
}

func TestNextWaitsNoLonger(t *testing.T) {
	t.Parallel()
	c := emptyCluster(t, time.Second)
	until := c.Now() + int64(20*time.Millisecond)
	if e, ok := c.Next(until); ok || c.Now() < until {
		t.Errorf("event %+v, %v at %d before %d", e, ok, c.Now(), until)
	}
}

func TestWorkerPanics(t *testing.T) {
	t.Parallel()
	c := emptyCluster(t, time.Second)
	w := c.AddClient(0, func(client.Env, history.Op) history.Op { panic("client is broken") })
	c.Start(w, history.Op{F: "write", Value: history.Int(3)})
	e := next(t, c)
	if e.Op.Type != history.Info || !strings.Contains(e.Op.Error, "client is broken") || e.Op.F != "write" {
		t.Errorf("completed as %+v", e.Op)
	}
}

// A client that does not come back is given up; what it brings later is
// dropped, and the worker goes on with the next operation meanwhile.
func TestWorkerIsAbandoned(t *testing.T) {
	t.Parallel()
	c := emptyCluster(t, 10*time.Millisecond)
	late, back := make(chan struct{}), make(chan struct{})
	w := c.AddClient(0, func(_ client.Env, op history.Op) history.Op {
		if op.F == "slow" {
			defer close(back)
			<-late
		}
		return client.OK(op, history.Nil)
	})
	c.Start(w, history.Op{F: "slow"})
	if e := next(t, c); e.Op.Type != history.Info || e.Op.F != "slow" {
		t.Errorf("given up as %+v", e.Op)
	}
	close(late)
	<-back
	c.Start(w, history.Op{F: "quick"})
	if e := next(t, c); e.Op.Type != history.OK || e.Op.F != "quick" {
		t.Errorf("next completed as %+v", e.Op)
	}
	if e, ok := c.Next(c.Now()); ok {
		t.Errorf("the late completion came through: %+v", e)
	}
}

func TestEventsAreInOrder(t *testing.T) {
	t.Parallel()
	c := emptyCluster(t, time.Second)
	const workers = 50
	for range workers {
		w := c.AddClient(0, func(_ client.Env, op history.Op) history.Op { return op })
		c.Start(w, history.Op{})
	}
	var last int64
	for range workers {
		e := next(t, c)
		if e.Time < last {
			t.Fatalf("event of %d after that of %d", e.Time, last)
		}
		last = e.Time
	}
}

func TestNemesisWorker(t *testing.T) {
	t.Parallel()
	c := emptyCluster(t, time.Nanosecond) // the timeout of clients is not for it
	w := c.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
		ctl.Sleep(30 * time.Millisecond)
		return client.Info(op, "")
	})
	c.Start(w, history.Op{F: "fault", Process: history.Nemesis})
	if e := next(t, c); e.Op.F != "fault" || e.Op.Error != "" {
		t.Errorf("completed as %+v", e.Op)
	}
}
