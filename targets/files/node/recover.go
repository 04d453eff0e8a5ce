package node

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
)

// recovery is a block whose replicas are made to agree. It has two rounds: all
// nodes of the pipeline are asked what they have, and those that answered are
// told what they are to have.
//
// Every byte that was acknowledged is on every node of the pipeline. So each
// answer is at least as long as what was acknowledged, and so is the shortest,
// which is what all of them have. And who answered acknowledges no more.
type recovery struct {
	n        *node
	block    *namespace.Block
	done     func(ok bool, length uint64, nodes []actor.NodeID)
	id       uint64
	late     *alarm
	all      int            // who are asked in the round
	has      []actor.NodeID // who answered
	shortest uint64
	finishes bool // it is the second round
}

// recoverBlock recovers a block to the stamp that the name node gave for it.
func (n *node) recoverBlock(b *namespace.Block, done func(ok bool, length uint64, nodes []actor.NodeID)) {
	r := &recovery{n: n, block: b, done: done}
	r.ask(b.Nodes, &message{kind: msgPrepare})
}

// ask begins a round.
func (r *recovery) ask(nodes []actor.NodeID, m *message) {
	r.has, r.all = nil, len(nodes)
	r.id = r.n.await(r.answer)
	m.id, m.block, m.stamp, m.length = r.id, r.block.ID, r.block.Recovery, r.shortest
	r.late = r.n.after(recoverLimit, r.over)
	for _, to := range nodes {
		r.n.send(to, m)
	}
}

// answer takes the answer of a node.
func (r *recovery) answer(from actor.NodeID, m *message) {
	if slices.Contains(r.has, from) {
		return
	}
	if !r.finishes && (len(r.has) == 0 || m.length < r.shortest) {
		r.shortest = m.length // 0 of a node that has no replica
	}
	r.has = append(r.has, from)
	if len(r.has) == r.all {
		r.over()
	}
}

// over ends a round, with those who have answered.
func (r *recovery) over() {
	r.late.stop()
	r.n.forget(r.id)
	switch {
	case len(r.has) == 0:
		r.done(false, 0, nil)
	case r.finishes || r.shortest == 0:
		r.done(true, r.shortest, r.has)
	default:
		r.finishes = true
		r.ask(r.has, &message{kind: msgFinish})
	}
}
