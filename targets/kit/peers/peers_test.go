package peers_test

import (
	"fmt"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/peers"
)

const ms = int64(1e6)

// net is a network of nodes that do nothing but tell each other that they are
// there.
type net struct {
	now   int64
	nodes []*member
	cut   map[[2]actor.NodeID]bool // from, to
}

// member is a node of the network, and its environment.
type member struct {
	actor.Env
	net    *net
	id     actor.NodeID
	peers  *peers.Peers
	next   int64
	paused bool
}

func (m *member) Self() actor.NodeID { return m.id }
func (m *member) Nodes() int         { return len(m.net.nodes) }
func (m *member) Mono() int64        { return m.net.now }

func (m *member) Send(to actor.NodeID, msg []byte) {
	other := m.net.nodes[to]
	if m.net.cut[[2]actor.NodeID{m.id, to}] || other.paused {
		return
	}
	other.peers.Heard(m.id)
	other.peers.Told(m.id, msg[0] == 1)
}

// beat writes a heartbeat.
func beat(hears bool) []byte {
	if hears {
		return []byte{1}
	}
	return []byte{0}
}

func newNet(size int) *net {
	n := &net{now: 1, nodes: make([]*member, size), cut: make(map[[2]actor.NodeID]bool)}
	for i := range n.nodes {
		n.nodes[i] = &member{net: n, id: actor.NodeID(i)}
	}
	for _, m := range n.nodes {
		m.peers = peers.New(m)
	}
	return n
}

// run lets time pass.
func (n *net) run(d int64) {
	for end := n.now + d; n.now < end; n.now += ms {
		for _, m := range n.nodes {
			if !m.paused && n.now >= m.next {
				m.next = m.peers.Beat(beat)
			}
		}
	}
}

// A link breaks in one direction. Both ends notice, the sender because it is told.
func Example() {
	n := newNet(3)
	n.run(1000 * ms)
	fmt.Println("n1 reaches n2:", n.nodes[0].peers.Connected(1))

	n.cut[[2]actor.NodeID{0, 1}] = true
	n.run(1000 * ms)
	fmt.Println("n1 reaches n2:", n.nodes[0].peers.Connected(1))
	fmt.Println("n2 reaches n1:", n.nodes[1].peers.Connected(0))
	fmt.Println("n3 reaches both:", n.nodes[2].peers.Connected(0) && n.nodes[2].peers.Connected(1))
	// Output:
	// n1 reaches n2: true
	// n1 reaches n2: false
	// n2 reaches n1: false
	// n3 reaches both: true
}

// A node trusts the others when it starts and when it was stopped, but not for long.
func TestTrust(t *testing.T) {
	t.Parallel()
	n := newNet(3)
	first := n.nodes[0]
	n.nodes[2].paused = true
	if first.peers.Alive(1) {
		t.Error("alive before the first heartbeat was sent")
	}
	n.run(ms)
	if !first.peers.Alive(2) || first.peers.Connected(2) {
		t.Error("a node that was never heard of must be alive, and not connected, right after the start")
	}
	n.run(600 * ms)
	if first.peers.Alive(2) || !first.peers.Alive(1) || !first.peers.Alive(0) {
		t.Error("of three nodes, the one that is stopped must be suspected and no other")
	}
	first.paused = true
	n.run(3000 * ms)
	if n.nodes[1].peers.Alive(0) {
		t.Error("a node that is stopped is not suspected")
	}
	first.paused = false
	n.run(ms)
	if !first.peers.Alive(1) {
		t.Error("a node that was stopped suspects the others when it goes on")
	}
}
