package sim

import (
	"cmp"
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Cluster is a simulated cluster. It implements world.Cluster; beyond that it
// tells what happened in it, event by event.
type Cluster struct {
	cfg     Config
	spec    world.Spec
	now     int64
	queue   queue
	trace   trace
	watched bool // somebody wants to see single events
	net     network
	nodes   []*machine
	workers []*worker
	clients int           // workers that are clients
	nemeses int           // workers that are nemeses
	harness *worker       // that carries out Do
	probes  []*probe      // by the number in the events of a probe; nil when it is over
	facts   facts         // that nodes have noted
	ready   []world.Event // for Next, from taken on
	taken   int
	closed  bool
}

func newCluster(cfg Config, spec world.Spec) *Cluster {
	c := &Cluster{cfg: cfg, spec: spec, trace: newTrace(spec), net: newNetwork(cfg.Net, spec)}
	c.watched = spec.Record != nil || spec.Expect != nil || cfg.Observe != nil
	for i := range spec.Nodes {
		c.nodes = append(c.nodes, newMachine(c, actor.NodeID(i)))
	}
	return c
}

// Now implements world.Cluster.
func (c *Cluster) Now() int64 { return c.now }

// Next implements world.Cluster. Where nothing can happen any more, time just
// passes.
func (c *Cluster) Next(until int64) (world.Event, bool) {
	for c.taken == len(c.ready) {
		if c.queue.next() > until {
			c.now = max(c.now, until)
			return world.Event{}, false
		}
		c.step()
	}
	return c.take(), true
}

func (c *Cluster) take() world.Event {
	e := c.ready[c.taken]
	c.ready[c.taken] = world.Event{}
	c.taken++
	if c.taken == len(c.ready) {
		c.ready, c.taken = c.ready[:0], 0
	}
	return e
}

// emit keeps an event for Next.
func (c *Cluster) emit(e world.Event) {
	e.Time = c.now
	c.ready = append(c.ready, e)
}

// step makes the first event of the queue happen.
func (c *Cluster) step() {
	at, e := c.queue.pop()
	c.now = at
	switch e.kind {
	case kMessage:
		c.arriveMessage(&e)
	case kRequest:
		c.arriveRequest(&e)
	case kReply, kRefused, kReset:
		c.arriveAnswer(&e)
	case kWake:
		if n := c.nodes[e.to]; c.fired(&n.timer, &e) {
			n.accept(&e)
		}
	case kDisk:
		c.nodes[e.to].diskDone(&e)
	case kTurn:
		if w := c.workers[e.to]; c.fired(&w.timer, &e) {
			c.note(&e)
			w.turn()
		}
	case kAsk:
		c.nodes[e.to].accept(&e)
	case kAnswer:
		c.note(&e)
		c.workers[e.to].answered(&e)
	case kProbe:
		c.arriveProbe(&e)
	}
}

// Logs implements world.Cluster.
func (c *Cluster) Logs(context.Context) ([]world.LogLine, error) {
	var lines []world.LogLine
	for _, n := range c.nodes {
		lines = n.log.appendTo(lines, int(n.id))
	}
	slices.SortStableFunc(lines, func(a, b world.LogLine) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Time, b.Time))
	})
	return lines, nil
}

// Close implements world.Cluster: it ends all workers wherever they are, and
// completes the recording.
func (c *Cluster) Close(context.Context) error {
	if c.closed {
		return c.trace.err
	}
	c.closed = true
	for _, w := range c.workers {
		w.stop()
	}
	c.trace.flush()
	return c.trace.err
}

// endName is how people call an end of a link.
func endName(end int32) string {
	if end == world.Clients {
		return "clients"
	}
	return actor.NodeID(end).String()
}
