// Package peers is a failure detector: it says which of the other nodes there is
// reason to believe are out of reach.
//
// Every node tells every other one a few times a second that it is there. A node
// that was not heard of for a while is suspected. That is all that can be done:
// in a network that loses and delays messages nobody can tell a dead node from
// a slow one, so nothing may rest on a suspicion but how long things take.
//
// A link may work in one direction only: a node that hears another one well may
// talk to it in vain. So each heartbeat also says whether its sender hears the
// receiver, and a peer is connected only if messages arrive in both directions.
//
// A node that was not there to listen, because it has just started or was
// stopped for a while, must not conclude that all others are gone. It trusts
// them until there was time to hear of them.
//
// The heartbeats themselves are messages of the owner: it has codes for its
// messages, and any message of a peer is as good a sign of life as a heartbeat.
package peers

import (
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Times on the monotonic clock.
const (
	beatEvery    = int64(150 * time.Millisecond) // between two heartbeats to a peer
	suspectAfter = int64(500 * time.Millisecond) // without a sign of life a peer is suspected
)

// Peers is what a node knows of the others.
type Peers struct {
	env   actor.Env
	peers []peer // by number; the node's own is not used
	due   int64  // when the next heartbeats are; 0 before the first
}

// peer is what the node knows of another one.
type peer struct {
	heard int64 // when a message came last; 0 for never
	hears bool  // the peer said that it hears this node
	trust int64 // until then it is not suspected: there was no time to hear of it
}

// New returns what a node knows of others that it has not heard of yet: nothing,
// and it suspects them all until the first call of Beat.
func New(env actor.Env) *Peers {
	return &Peers{env: env, peers: make([]peer, env.Nodes())}
}

// Heard notes that a message of a peer has arrived.
func (p *Peers) Heard(from actor.NodeID) { p.peers[from].heard = p.env.Mono() }

// Told notes what a heartbeat of a peer says: whether it hears this node.
func (p *Peers) Told(from actor.NodeID, hears bool) { p.peers[from].hears = hears }

// Beat sends a heartbeat to every other node, and returns when that is to be
// done again. message writes one, with what it says.
func (p *Peers) Beat(message func(hears bool) []byte) (next int64) {
	now := p.env.Mono()
	if p.due == 0 || now-p.due > suspectAfter/2 {
		p.trustAll(now) // the node was not there to listen, and heard nobody
	}
	var yes, no []byte
	for id := range actor.NodeID(len(p.peers)) {
		if id == p.env.Self() {
			continue
		}
		told, hears := &no, p.hearing(id, now)
		if hears {
			told = &yes
		}
		if *told == nil {
			*told = message(hears)
		}
		p.env.Send(id, *told)
	}
	p.due = now + beatEvery
	return p.due
}

func (p *Peers) trustAll(now int64) {
	for i := range p.peers {
		p.peers[i].trust = now + suspectAfter
	}
}

// hearing reports whether messages of the peer arrive.
func (p *Peers) hearing(id actor.NodeID, now int64) bool {
	heard := p.peers[id].heard
	return heard != 0 && now-heard < suspectAfter
}

// Connected reports whether messages arrive in both directions. A node is
// connected to itself.
func (p *Peers) Connected(id actor.NodeID) bool {
	return id == p.env.Self() || p.peers[id].hears && p.hearing(id, p.env.Mono())
}

// Alive reports whether there is no reason to believe that a node cannot be
// reached.
func (p *Peers) Alive(id actor.NodeID) bool {
	return p.Connected(id) || p.env.Mono() < p.peers[id].trust
}
