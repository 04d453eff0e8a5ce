package pow

import (
	"math/bits"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// miner looks for the next block.
type miner struct {
	search uint64 // which search it is: those before are over
	draft  *coin.Block
}

// find is the alarm for the moment in which a miner comes upon a block. It is
// over as soon as the miner searches elsewhere.
type find struct {
	m      *miner
	search uint64
}

// Over implements timers.Alarm.
func (f find) Over() bool { return f.search != f.m.search }

// maxTries is how many nonces a node tries before others get a turn.
const maxTries = 4096

// Ring implements timers.Alarm: the block is there as soon as a nonce for it is.
func (f find) Ring(n *node) {
	if n.miner.draft == nil {
		n.miner.draft = n.draft()
	}
	b := n.miner.draft
	if !b.Mine(maxTries) {
		n.timers.Set(n.env.Mono()+ms, f)
		return
	}
	n.miner.search++
	n.found(b)
}

// mineNext begins to search for a block on top of the node's chain.
func (n *node) mineNext() {
	n.miner.search++
	n.miner.draft = nil
	own, all := n.cfg.power(n.env.Self(), n.env.Nodes())
	if own == 0 {
		return // who has no power finds nothing
	}
	work := n.tip.Work // what the next block takes if it comes when it should
	mean := uint64(n.cfg.Interval) / 1000 * work / baseWork * all / own
	wait := mean * logarithm(n.env.Choices("mine").Uint64()) >> 16 * 1000
	n.timers.Set(n.env.Mono()+int64(wait), find{&n.miner, n.miner.search})
}

// logarithm returns -ln(u/2^64) in units of 2^-16: a wait for something that
// can happen at any moment is a multiple of it. Within each power of two the
// curve is taken for a line.
func logarithm(u uint64) uint64 {
	zeros := uint64(bits.LeadingZeros64(u | 1))
	rest := (u | 1) << (zeros + 1) >> 48
	const ln2 = 45426 // in units of 2^-16
	return ((zeros+1)<<16 - rest) * ln2 >> 16
}

// draft returns the block that would come next, without its proof.
func (n *node) draft() *coin.Block {
	b := &coin.Block{Header: coin.Header{Parent: n.tip.name, Height: n.tip.Height + 1, Miner: n.self}}
	b.Time = timely(&n.tip.Header, n.env.Wall(), n.cfg.Interval)
	b.Work = nextWork(&n.tip.Header, b.Time, n.cfg.Interval)
	txs, fees := n.books.choose(n.candidates(), b.Height)
	b.Txs, b.Pay = txs, n.cfg.Reward+fees
	n.spoil(b)
	b.Root = coin.Root(b.Txs)
	b.Nonce = n.env.Choices("nonce").Uint64()
	return b
}

// found makes a block of the node's own known.
func (n *node) found(b *coin.Block) {
	name := b.Hash()
	if n.rogue.deed == outweigh {
		n.outweigh()
	}
	if n.rogue.spoils() {
		n.showSpoiled(b)
		n.mineNext()
		return
	}
	n.flying[name] = true
	n.journal.Add(b.Append([]byte{recBlock}), func() {
		delete(n.flying, name)
		before := n.tip
		n.grow(b, name)
		if n.rogue.keeps() {
			n.hide(n.tree.blocks[name])
		} else {
			n.show(b)
		}
		n.changed(before, n.env.Self())
		if n.tip == before {
			n.mineNext() // somebody else was faster
		}
	})
}
