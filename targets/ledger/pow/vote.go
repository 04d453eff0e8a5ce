package pow

import (
	"slices"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// voteNow votes for the highest checkpoint of the node's chain that is deep
// enough, if that is higher than all that the node has voted for. It never votes
// from a lower source than before either, as the highest justified checkpoint
// that it knows of never gets lower.
func (n *node) voteNow() {
	if n.cfg.Quorum && n.rogue.doubles() {
		n.perjure()
	}
	if !n.cfg.Quorum || n.rogue.deed != honest || n.tip.Height+1 < n.cfg.Depth {
		return
	}
	target, source := n.tip.at(n.tip.Height+1-n.cfg.Depth).mark, n.gadget.top
	again := n.cfg.has(VoteAgain) && target.Height == n.begun.TargetHeight && target.name != n.begun.Target
	if target.Height <= n.begun.TargetHeight && !again || source.Height >= target.Height || source.Height < n.begun.SourceHeight || !source.on(target) {
		return
	}
	v := coin.Vote{Validator: n.self, Source: source.name, Target: target.name, SourceHeight: source.Height, TargetHeight: target.Height}
	v.Sign(n.key)
	n.begun = v
	if n.tree.rivals(target) {
		n.sometimes(factRival)
	}
	n.keepVote(v)
}

// keepVote makes a vote durable, and counts it then.
func (n *node) keepVote(v coin.Vote) {
	durable := func() {
		before := n.tip
		n.cast(v)
		if v.Validator == n.self {
			n.tellAll(v.Append([]byte{msgVotes}))
		}
		n.changed(before, n.env.Self())
	}
	if n.cfg.has(ForgetVotes) && v.Validator == n.self {
		durable()
		return
	}
	n.journal.Add(v.Append([]byte{recVote}), durable)
}

// cast counts a vote that is durable, or keeps it until its blocks are there.
func (n *node) cast(v coin.Vote) {
	if v.Validator == n.self && (n.vote == nil || n.vote.TargetHeight <= v.TargetHeight) {
		n.vote = &v
		if n.begun.TargetHeight <= v.TargetHeight {
			n.begun = v
		}
	}
	source, target := n.tree.blocks[v.Source], n.tree.blocks[v.Target]
	if source == nil || target == nil {
		n.early = append(n.early, v)
		return
	}
	if !n.gadget.count(v, source, target) {
		return
	}
	if n.gadget.skipped {
		n.gadget.skipped = false
		n.sometimes(factSkipped)
	}
	n.choose()
}

// castEarly counts the votes whose blocks are there by now.
func (n *node) castEarly() {
	early := n.early
	n.early = nil
	for _, v := range early {
		n.cast(v)
	}
}

// takeVotes takes votes from another node. One that was taken before is not
// looked at again.
func (n *node) takeVotes(votes []coin.Vote) {
	for _, v := range votes {
		name := v.Name()
		again := n.heard[name]
		if again && !n.cfg.has(AnyVote) {
			continue
		}
		if !again && (!n.isNode(v.Validator) || !v.Signed(n.signer(v.Validator)) || n.strange(&v)) {
			continue
		}
		n.heard[name] = true
		n.keepVote(v)
	}
}

// maxEarly is how many votes wait for their blocks. More are not taken: whoever has
// counted them will send them again.
const maxEarly = 500

// strange reports whether a vote is for a block that is not there, when there are too
// many of those already.
func (n *node) strange(v *coin.Vote) bool {
	known := n.tree.blocks[v.Source] != nil && n.tree.blocks[v.Target] != nil
	return !known && len(n.early) >= maxEarly
}

// isNode reports whether a name is that of another node of the cluster.
func (n *node) isNode(name string) bool {
	return name != n.self && slices.Contains(n.peers, name)
}
