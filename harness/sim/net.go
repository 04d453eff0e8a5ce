package sim

import (
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// network is the state of all links, in a square with a row and a column for
// each node and, first, for the clients.
type network struct {
	cfg     Net
	size    int32
	links   []link
	latency []choice.Stream // of messages, by link
	fate    []choice.Stream // of messages that may be lost, doubled or delayed, by link
	rough   bool            // some may be
	shaping []choice.Stream // of messages on links that a fault shapes, by link
	slowest int64           // how much longer a packet may take because of such a fault
}

type link struct {
	cut     bool
	dropped uint64         // packets of the target that were lost to cuts
	shape   *world.Packets // what a fault makes of packets; nil: nothing
	shaped  uint64         // packets of the target that fared otherwise because of it
}

func newNetwork(cfg Net, spec world.Spec) network {
	size := spec.Nodes + 1
	n := network{
		cfg:     cfg,
		size:    int32(size),
		links:   make([]link, size*size),
		latency: make([]choice.Stream, size*size),
		fate:    make([]choice.Stream, size*size),
		shaping: make([]choice.Stream, size*size),
		rough:   cfg.Loss+cfg.Dup+cfg.Delay > 0,
	}
	for from := range size {
		for to := range size {
			n.latency[from*size+to] = *spec.Choices.Stream("sim/latency", uint64(from), uint64(to))
			n.fate[from*size+to] = *spec.Choices.Stream("sim/fate", uint64(from), uint64(to))
			n.shaping[from*size+to] = *spec.Choices.Stream("sim/shape", uint64(from), uint64(to))
		}
	}
	return n
}

// index returns where the link from one end to another stands.
func (n *network) index(from, to int32) int32 { return (from+1)*n.size + to + 1 }

// lost reports whether the link is cut, and counts a packet of the target's
// that was lost to it.
func (n *network) lost(from, to int32) bool {
	l := &n.links[n.index(from, to)]
	if l.cut {
		l.dropped++
	}
	return l.cut
}

// lostForClient is lost for a packet between a client of node own and a node.
// A client that calls another node is cut off from it when its own node is.
func (n *network) lostForClient(own, node int32, request bool) bool {
	from, to := int32(world.Clients), node
	if !request {
		from, to = to, from
	}
	if n.lost(from, to) {
		return true
	}
	if own == node {
		return false
	}
	if request {
		return n.lost(own, node)
	}
	return n.lost(node, own)
}

// send puts a message on its way. All draws are made before the packet is
// dropped, so that a cut does not change the latency of later packets.
func (c *Cluster) send(from, to int32, msg []byte) {
	n := &c.net
	at := n.index(from, to)
	latency := n.cfg.Link.draw(&n.latency[at])
	twice := int64(-1)
	if n.rough {
		var gone bool
		if latency, twice, gone = n.fateOf(at, latency); gone {
			return
		}
	}
	if n.links[at].shape != nil {
		var gone bool
		if latency, twice, gone = n.reshape(at, latency, twice); gone {
			return
		}
	}
	if n.lost(from, to) {
		return
	}
	e := event{kind: kMessage, from: from, to: to, body: msg}
	c.queue.push(c.now+latency, e)
	if twice >= 0 {
		c.queue.push(c.now+twice, e)
	}
}

// fateOf draws what happens to a packet: when it arrives, when a second one
// does (or -1), and whether it is lost.
func (n *network) fateOf(at int32, latency int64) (first, second int64, lost bool) {
	s := &n.fate[at]
	lost = s.Chance(n.cfg.Loss, million)
	dup, late := s.Chance(n.cfg.Dup, million), s.Chance(n.cfg.Delay, million)
	extra, again := s.Int64N(int64(n.cfg.DelayBy)+1), n.cfg.Link.draw(s)
	if late {
		latency += extra
	}
	if !dup {
		again = -1
	}
	return latency, again, lost
}

// clientLatency draws how long a packet takes from a client to a node, if it is
// a request, or back.
func (c *Cluster) clientLatency(w *worker, node int32, request bool) int64 {
	l := c.net.cfg.Local
	if node != w.node {
		l = c.net.cfg.Link
	}
	latency := l.draw(&w.latency)
	if c.net.cfg.Loss > 0 && w.latency.Chance(c.net.cfg.Loss, million) {
		latency += int64(retransmission)
	}
	return latency + c.net.shapedForClient(w.node, node, request)
}

// retransmission is how long TCP waits before it sends a lost segment again.
const retransmission = 200 * time.Millisecond

func (c *Cluster) arriveMessage(e *event) {
	if c.net.lost(e.from, e.to) {
		return
	}
	c.nodes[e.to].accept(e)
}

func (c *Cluster) arriveRequest(e *event) {
	if w := c.workers[e.from]; c.net.lostForClient(w.node, e.to, true) {
		return
	}
	c.nodes[e.to].accept(e)
}

// tellClient sends a reply, or the news that there will be none, to a client.
func (c *Cluster) tellClient(k kind, node int32, w *worker, call uint64, body []byte) {
	latency := c.clientLatency(w, node, false)
	if c.net.lostForClient(w.node, node, false) {
		return
	}
	c.queue.push(c.now+latency, event{kind: k, from: node, to: w.id, id: call, body: body})
}

func (c *Cluster) arriveAnswer(e *event) {
	w := c.workers[e.to]
	if c.net.lostForClient(w.node, e.from, false) {
		return
	}
	c.note(e)
	w.answered(e)
}
