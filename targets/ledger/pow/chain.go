package pow

import (
	"errors"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// Why a block is not taken into the tree.
var (
	errHeader = errors.New("a height, time or work that is not what its parent asks for")
	errWork   = errors.New("a hash that does not show the work")
	errRoot   = errors.New("transfers that its header does not stand for")
	errSign   = errors.New("a transfer that its account did not sign")
	errAhead  = errors.New("a time that has not come yet")
)

// sound says what is wrong with a block by itself and on its parent. Whether its
// transfers fit the accounts is seen when the chain comes to it. Transfers that the
// header does not stand for say nothing of the block: somebody has changed them.
func (n *node) sound(b *coin.Block, name coin.Hash, parent *block) error {
	switch {
	case !b.Sealed():
		return errRoot
	case !Follows(&b.Header, &parent.Header, n.cfg.Interval), len(b.Txs) > maxTxs:
		return errHeader
	case !name.Proven(b.Work):
		return errWork
	case n.cfg.has(OwnClock) && b.Time > n.env.Wall()+second:
		return errAhead
	}
	for i := range b.Txs {
		t := &b.Txs[i]
		if t.From == "" || t.Sane() != nil || !n.cfg.has(NoSignatures) && !n.signed(t) {
			return errSign
		}
	}
	return nil
}

// grow takes a block that is durable into the tree, and goes over to its chain
// if that is better.
func (n *node) grow(b *coin.Block, name coin.Hash) {
	if n.tree.blocks[name] != nil {
		return
	}
	parent := n.tree.blocks[b.Parent]
	if parent == nil {
		panic("pow: a block was made durable before its parent")
	}
	x := n.tree.add(b, name, parent)
	n.high = max(n.high, b.Height)
	for i := range b.Txs {
		if _, seen := n.first[b.Txs[i].ID]; !seen {
			n.first[b.Txs[i].ID] = b.Height
		}
	}
	if b.Height%Epoch == 0 {
		n.castEarly()
	}
	n.prefer(x)
}

// better reports whether the chain of a is to be preferred to that of b, which
// came first.
func (n *node) better(a, b *block) bool {
	if n.cfg.has(LongestChain) {
		return a.Height > b.Height
	}
	return a.total > b.total
}

// prefer goes over to the chain of x if it is better than the node's.
func (n *node) prefer(x *block) {
	if n.keepsPrivate(x) {
		return
	}
	if !x.invalid && n.bound().on(x) && n.better(x, n.tip) {
		n.reorganise(x)
	}
}

// choose goes over to the best of all chains: the bound has changed, or the
// chain that the node went for has turned out to be invalid.
func (n *node) choose() {
	bound := n.bound()
	var best *block
	if bound.on(n.tip) && !n.tip.invalid {
		best = n.tip
	}
	for _, x := range n.tree.order {
		if !x.invalid && (best == nil || n.better(x, best)) && bound.on(x) {
			best = x
		}
	}
	if best == nil {
		panic("pow: no valid chain has the justified checkpoint " + bound.name.String())
	}
	if best != n.tip {
		if n.better(n.tip, best) {
			n.sometimes(factBound)
		}
		n.reorganise(best)
	}
}

// reorganise goes over to the chain that ends in to.
func (n *node) reorganise(to *block) {
	base, left := meet(n.tip, to), n.tip
	if n.tip.Height >= base.Height+2 {
		n.sometimes(factReorg)
	}
	if n.gaveUp(base) {
		n.sometimes(factLeft)
	}
	for n.tip != base {
		n.books.disconnect(n.tip)
		n.release(n.tip)
		n.tip = n.tip.parent
	}
	for _, b := range path(base, to) {
		if err := n.books.connect(b); err != nil {
			n.env.Logf("block %v of %s has %v", b.name, b.Miner, err)
			n.condemn(b)
			n.choose()
			return
		}
		n.tip = b
		n.seal(b)
	}
	for _, b := range path(base, left) {
		n.returned(b)
	}
}

// gaveUp reports whether the block that the node last voted for is on its chain
// above base, where it goes over to another one.
func (n *node) gaveUp(base *block) bool {
	if n.vote == nil || n.vote.TargetHeight <= base.Height {
		return false
	}
	target := n.tree.blocks[n.vote.Target]
	return target != nil && target.on(n.tip)
}

// sometimes notes a fact, unless the node only does again what it did before.
func (n *node) sometimes(fact string) {
	if n.ready {
		actor.Sometimes(n.env, fact)
	}
}

// release puts the transfers of a block that left the chain back into the pool.
func (n *node) release(b *block) {
	for i, name := range b.Names() {
		if !n.cfg.has(DropReorged) {
			n.pool.add(name, &b.Txs[i])
		}
	}
}

// returned notes the transfers of a block that left the chain, and that are not
// in the chain that the node has now.
func (n *node) returned(b *block) {
	for _, name := range b.Names() {
		if n.pool.waiting[name] != nil {
			n.pool.back[name] = true
		}
	}
}

// seal takes the transfers of a block that came onto the chain out of the pool.
func (n *node) seal(b *block) {
	for _, name := range b.Names() {
		if n.pool.back[name] {
			delete(n.pool.back, name)
			n.sometimes(factReturned)
		}
		n.pool.remove(name)
	}
}

// condemn marks a block, and all that build on it, as invalid.
func (n *node) condemn(b *block) {
	b.invalid = true
	for _, x := range n.tree.order {
		if x.parent != nil && x.parent.invalid {
			x.invalid = true
		}
	}
}

// settled does what follows from a new chain or a new final block: transfers
// expire, a vote may be due, and mining goes on elsewhere.
func (n *node) settled() {
	over := n.final().Height
	if n.cfg.has(HastyExpiry) {
		over = n.tip.Height
	}
	for _, t := range n.pool.expire(over) {
		if n.books.used[spend{t.From, t.Nonce}] {
			n.sometimes(factConflict)
		}
	}
	n.voteNow()
}
