package ap

import "github.com/ordeal-dev/ordeal/harness/actor"

// alive returns the nodes that are not suspected, the node itself among them.
func (n *node) alive() nodeSet {
	var s nodeSet
	for id := range actor.NodeID(n.env.Nodes()) {
		if n.peers.Alive(id) {
			s.add(id)
		}
	}
	return s
}

// heartbeat is the timer that tells peers that the node lives.
type heartbeat struct{}

// Over implements [timers.Alarm].
func (heartbeat) Over() bool { return false }

// Ring implements [timers.Alarm].
func (heartbeat) Ring(n *node) {
	due := n.peers.Beat(func(hears bool) []byte { return beatMsg{hears}.append(nil) })
	n.timers.Set(due, heartbeat{})
}
