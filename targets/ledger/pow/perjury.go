package pow

import (
	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// What a Byzantine validator does that is two: it helps two chains to grow, keeps
// those who follow one from hearing of the other, and votes for both.

// perjured is how many blocks back a Byzantine node looks for something to vote for,
// or to build on.
const perjured = 40

// recent returns the blocks that came last.
func (n *node) recent() []*block {
	order := n.tree.order
	return order[max(0, len(order)-perjured):]
}

// twin mines a second block besides b, which is the end of the node's chain: on the
// heaviest other chain, so that it does not fall behind, or next to b.
func (n *node) twin(b *coin.Block) *coin.Block {
	twin := &coin.Block{Header: b.Header, Txs: b.Txs}
	twin.Nonce++
	if rival := n.rival(); rival != nil {
		twin = n.empty(rival, n.env.Wall())
	}
	for !twin.Mine(maxTries) {
	}
	return twin
}

// empty returns a block without transfers for the end of a chain, and without its proof.
func (n *node) empty(parent *block, wall int64) *coin.Block {
	b := &coin.Block{Header: coin.Header{Parent: parent.name, Height: parent.Height + 1, Miner: n.self, Pay: n.cfg.Reward}}
	b.Time = timely(&parent.Header, wall, n.cfg.Interval)
	b.Work = nextWork(&parent.Header, b.Time, n.cfg.Interval)
	b.Root = coin.Root(nil)
	return b
}

// rival returns the end of the heaviest recent chain that has left the node's own,
// and is not far behind.
func (n *node) rival() (best *block) {
	for _, x := range n.recent() {
		if !x.invalid && !x.on(n.tip) && x.Height+2*Epoch > n.tip.Height && (best == nil || x.total > best.total) {
			best = x
		}
	}
	return best
}

// prefers reports whether a node is to be shown a twin and not b: the one that builds
// on its chain, and either of those that do so equally.
func (n *node) prefers(id actor.NodeID, twin, b *coin.Block, either bool) bool {
	if twin.Parent == b.Parent {
		return either
	}
	return n.follows(id, twin.Parent) || either && !n.follows(id, b.Parent)
}

// follows reports whether a node has said that its chain has a block.
func (n *node) follows(id actor.NodeID, name coin.Hash) bool {
	head, b := n.tree.blocks[n.rogue.heads[id]], n.tree.blocks[name]
	return head != nil && b != nil && b.on(head)
}

// outweigh mines a chain that is heavier than that of the others, but has not the
// last block that is final, or the last one that is justified. That it would take
// more power than the node has is no matter: what is final stays whatever the work.
func (n *node) outweigh() {
	last := n.final()
	if n.env.Choices("outweigh").IntN(2) == 0 {
		last = n.bound()
	}
	if last.parent == nil {
		return
	}
	x, msg := last.parent, []byte{msgBlocks}
	for range maxBlocks {
		b := n.empty(x, x.Time)
		for !b.Mine(maxTries) {
		}
		msg = b.Append(msg)
		x = &block{Block: b, name: b.Hash(), total: x.total + b.Work}
		if x.total > n.tip.total+baseWork {
			n.rogue.done++
			n.tellAll(msg)
			return
		}
	}
}

// perjure votes for every checkpoint of any chain, from all that are justified below
// it, before it is as deep as it should be. Who impersonates others votes for each of
// them as well, and for validators that there are not, and says everything twice.
func (n *node) perjure() {
	for _, tip := range n.recent() {
		target := tip.mark
		if n.rogue.sworn[target.name] || target.Height == 0 {
			continue
		}
		n.rogue.sworn[target.name] = true
		n.rogue.done++
		var msg []byte
		for source := target.parent.mark; ; source = source.parent.mark {
			if n.gadget.justified[source] {
				v := coin.Vote{Validator: n.self, Source: source.name, Target: target.name, SourceHeight: source.Height, TargetHeight: target.Height}
				v.Sign(n.key)
				n.ownVote(v)
				msg = append(msg, n.oaths(v)...)
			}
			if source.Height == 0 || len(msg) > 1<<14 {
				break
			}
		}
		n.swear(msg)
	}
	if n.rogue.deed == impersonate {
		n.twist()
	}
}

// swear sends votes to one node, which has to tell the others, or to some, or to all.
func (n *node) swear(votes []byte) {
	draw := n.env.Choices("swear")
	how, only := draw.IntN(3), actor.NodeID(draw.IntN(n.env.Nodes()))
	for id := range actor.NodeID(n.env.Nodes()) {
		some := draw.IntN(2) == 0
		if id != n.env.Self() && (how == 0 || how == 1 && some || how == 2 && id == only) {
			n.env.Send(id, append([]byte{msgVotes}, votes...))
		}
	}
}

// ownVote counts a vote of the node's own: it has to follow the others when it is
// honest again, and nobody else will tell it what it said.
func (n *node) ownVote(v coin.Vote) {
	n.journal.Add(v.Append([]byte{recVote}), func() {
		before := n.tip
		n.cast(v)
		n.changed(before, n.env.Self())
	})
}

// twist says what other validators have signed of other blocks: of those that their
// vote might have been for, and from where.
func (n *node) twist() {
	var msg []byte
	for _, v := range n.gadget.heard[n.rogue.heeded:] {
		if v.Validator == n.self {
			continue
		}
		for _, x := range n.recent() {
			if x.mark != x || x.name == v.Target || x.Height == 0 {
				continue
			}
			w := v
			w.Target, w.TargetHeight = x.name, x.Height
			msg = w.Append(msg)
		}
		for source := n.tree.blocks[v.Target].parent.mark; ; source = source.parent.mark {
			if source.name != v.Source && n.gadget.justified[source] {
				w := v
				w.Source, w.SourceHeight = source.name, source.Height
				msg = w.Append(msg)
			}
			if source.Height == 0 || len(msg) > 1<<14 {
				break
			}
		}
	}
	n.rogue.heeded = len(n.gadget.heard)
	if len(msg) > 0 {
		n.tellAll(append([]byte{msgVotes}, msg...))
	}
}

// oaths are what is sent of a vote.
func (n *node) oaths(v coin.Vote) []byte {
	votes := v.Append(nil)
	if n.rogue.deed != impersonate {
		return votes
	}
	for i := range actor.NodeID(2 * n.env.Nodes()) {
		w := v
		if w.Validator = i.String(); i < actor.NodeID(n.env.Nodes()) {
			w.Sign(n.key) // the name of another validator, and no key for it
		} else {
			w.Sign(coin.Key(w.Validator)) // a name that is none of a validator
		}
		votes = w.Append(v.Append(votes))
	}
	return votes
}
