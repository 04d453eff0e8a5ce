package ap

import "github.com/ordeal-dev/ordeal/harness/actor"

// Times of the failure detector, on the monotonic clock.
const (
	beatEvery    = 150 * ms // between two heartbeats to a peer
	suspectAfter = 500 * ms // without a sign of life a peer is suspected
)

// peer is what the node knows of another one. A link may work in one direction
// only, so each side tells the other whether it hears it.
type peer struct {
	heard int64 // when a message came last; 0 for never
	hears bool  // the peer said that it hears this node
	trust int64 // until then it is not suspected: there was no time to hear of it
}

// hearing reports whether messages of the peer arrive.
func (p *peer) hearing(now int64) bool { return p.heard != 0 && now-p.heard < suspectAfter }

// connected reports whether messages arrive in both directions.
func (p *peer) connected(now int64) bool { return p.hears && p.hearing(now) }

// alive reports whether there is no reason to believe that the peer cannot be
// reached.
func (p *peer) alive(now int64) bool { return p.connected(now) || now < p.trust }

// trustAll gives all peers time to be heard: the node was not there to listen.
func (n *node) trustAll(now int64) {
	for i := range n.peers {
		n.peers[i].trust = now + suspectAfter
	}
}

// alive returns the nodes that are not suspected, the node itself among them.
func (n *node) alive() nodeSet {
	var s nodeSet
	now := n.env.Mono()
	for id := range actor.NodeID(len(n.peers)) {
		if id == n.self || n.peers[id].alive(now) {
			s.add(id)
		}
	}
	return s
}

// heartbeat is the timer that tells peers that the node lives, and looks after
// what depends on whether they do.
type heartbeat struct{ due int64 }

func (heartbeat) over() bool { return false }

func (h heartbeat) ring(n *node) {
	now := n.env.Mono()
	if now-h.due > suspectAfter/2 {
		n.trustAll(now) // the process was stopped, and heard nobody
	}
	var told [2][]byte
	for id := range actor.NodeID(len(n.peers)) {
		if id == n.self {
			continue
		}
		hears := n.peers[id].hearing(now)
		if told[flag(hears)] == nil {
			told[flag(hears)] = beatMsg{hears}.append(nil)
		}
		n.env.Send(id, told[flag(hears)])
		n.handOver(id, now)
	}
	due := now + beatEvery
	n.timers.set(due, heartbeat{due})
}
