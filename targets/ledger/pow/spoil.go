package pow

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// What a Byzantine miner does to blocks. There is something for each rule
// by which nodes judge them: a rule that nobody breaks might as well not be there.

// spoil breaks a rule for transfers, or for what a block makes, in the way that the
// node was told to.
func (n *node) spoil(b *coin.Block) {
	draw := n.env.Choices("spoil")
	r := &n.rogue
	if r.way = r.deed; r.deed == spoil {
		r.way = ways[draw.IntN(len(ways))]
	}
	switch r.way {
	case inflate:
		n.inflate(b, draw)
	case forge:
		n.forge(b, draw)
	case twice:
		n.repeat(b, draw)
	case overdraw:
		n.overdraw(b, draw)
	case outlive:
		t := n.crafted(b.Height)
		t.Amount, t.Until = 0, b.Height-1-min(b.Height-1, uint64(draw.IntN(20)))
		steal(b, t)
	}
}

// spoiledAtOnce is how many blocks a node shows that spoils them in all ways, when it
// has found one: none costs the others anything, and a window has few of them.
const spoiledAtOnce = 3

// showSpoiled tells all others of a block of the node's own that is not valid.
func (n *node) showSpoiled(b *coin.Block) {
	for shown := 1; ; shown++ {
		if n.rogue.way == garble {
			n.garble(b)
		}
		n.tellAll(b.Append([]byte{msgBlocks}))
		n.rogue.done++
		if n.rogue.deed != spoil || shown == spoiledAtOnce {
			return
		}
		for b = n.draft(); !b.Mine(maxTries); {
		}
	}
}

// crafted returns a transfer that no client has sent, from an account whose key the
// node has got hold of. It is not signed yet.
func (n *node) crafted(height uint64) coin.Transfer {
	return coin.Transfer{ID: theftIDs + height, From: Account(0), To: n.self, Amount: 1, Nonce: theftIDs + height, Until: height}
}

// steal puts a crafted transfer into a block, signed as if by its account.
func steal(b *coin.Block, t coin.Transfer) {
	t.Sign(coin.Key(t.From))
	b.Txs = append(b.Txs, t)
}

// overdraw spends more than an account has.
func (n *node) overdraw(b *coin.Block, draw *choice.Stream) {
	t := n.crafted(b.Height)
	has := uint64(max(n.books.money[t.From], 0))
	for i := range b.Txs { // what the block has moved already
		if b.Txs[i].From == t.From {
			has -= min(has, b.Txs[i].Amount+b.Txs[i].Fee)
		} else if b.Txs[i].To == t.From {
			has += b.Txs[i].Amount
		}
	}
	switch draw.IntN(6) {
	case 0:
		t.Amount = has + 1000
	case 1:
		t.Amount = has + 1
	case 2:
		t.Amount, t.Fee = has, 1
		b.Pay++
	case 3: // with one that is too large for an integer, and looks negative
		t.Amount = 1<<63 + uint64(draw.IntN(10))
	case 4: // or as a fee, which makes the sum look small
		t.Fee = -t.Amount
		b.Pay += t.Fee
	default: // or with a sum that is too large, and looks small
		t.Amount = 1<<63 - uint64(draw.IntN(2))
		t.Fee = 1<<63 + uint64(draw.IntN(10))
	}
	steal(b, t)
}

// inflate makes too much money: a little or much.
func (n *node) inflate(b *coin.Block, draw *choice.Stream) {
	fees := b.Pay - n.cfg.Reward
	switch draw.IntN(6) {
	case 0:
		b.Pay += 1000
	case 1:
		b.Pay++
	case 2:
		b.Pay += max(fees, 1)
	case 3:
		b.Pay += max(n.cfg.Reward, 1)
	case 4:
		b.Pay = 1<<64 - 1
	default: // by a transfer from nobody
		t := n.crafted(b.Height)
		t.From = ""
		t.Sign(n.key)
		b.Txs = append(b.Txs, t)
	}
}

// forge changes a transfer that its account has signed, or makes one up.
func (n *node) forge(b *coin.Block, draw *choice.Stream) {
	if len(b.Txs) == 0 || draw.IntN(4) == 0 {
		t := n.crafted(b.Height)
		if t.Sign(n.key); draw.IntN(2) == 0 {
			t.Sig = nil
		}
		b.Txs = append(b.Txs, t)
		return
	}
	t := &b.Txs[draw.IntN(len(b.Txs))]
	switch draw.IntN(6) {
	case 0, 1:
		t.Amount--
		if t.Amount == 1<<64-1 {
			t.Amount = 0 // a text that is stamped moves no money
			t.Memo += "!"
		}
	case 2:
		t.To = n.self
	case 3:
		t.Nonce += theftIDs
	case 4:
		t.Until++
	default:
		t.ID += theftIDs
	}
}

// repeat has a transfer of the chain once more, or one of the block, or a nonce.
func (n *node) repeat(b *coin.Block, draw *choice.Stream) {
	var old []coin.Transfer
	for x := n.tip; x != nil && x != n.tree.genesis && len(old) == 0; x = x.parent {
		old = x.Txs
	}
	if len(b.Txs) > 0 && draw.IntN(2) == 0 {
		old = b.Txs
	}
	if len(old) == 0 {
		return
	}
	t := old[draw.IntN(len(old))]
	if draw.IntN(2) == 0 {
		t.ID, t.To, t.Until = theftIDs+b.Height, n.self, b.Height
		t.Sign(coin.Key(t.From))
	}
	b.Txs = append(b.Txs, t)
}

// garble breaks a rule for headers.
func (n *node) garble(b *coin.Block) {
	switch n.env.Choices("garble").IntN(8) {
	case 0:
		b.Height++
	case 1:
		b.Height--
	case 2:
		b.Time = max(n.tip.Time-second, 0)
	case 3:
		b.Time += 3600 * second
	case 4:
		b.Work = 1
	case 5:
		b.Work = mostWork + 1
	case 6:
		b.Root[0]++
	default: // work that was not done
		for try := 0; try < maxTries && b.Hash().Proven(b.Work); try++ {
			b.Nonce++
		}
		return
	}
	for !b.Mine(maxTries) {
	}
}

// show tells all others of a block of the node's own. Who mangles blocks shows some
// nodes a block of that name that is not it; and who doubles itself shows some another
// one that it has mined.
func (n *node) show(b *coin.Block) {
	twin := b
	switch {
	case n.rogue.deed == mangle:
		twin = n.mangled(b)
		n.rogue.done++
	case n.rogue.doubles():
		twin = n.twin(b)
		n.keepBlock(n.env.Self(), twin, twin.Hash())
		n.rogue.done++
	}
	odd := n.env.Choices("twin")
	for id := range actor.NodeID(n.env.Nodes()) {
		to := b
		if twin != b && n.prefers(id, twin, b, odd.IntN(2) == 0) {
			to = twin
		}
		if id != n.env.Self() {
			n.env.Send(id, to.Append([]byte{msgBlocks}))
		}
	}
}

// mangled returns a block with the header of another one, and other transfers.
func (n *node) mangled(b *coin.Block) *coin.Block {
	m := &coin.Block{Header: b.Header, Txs: slices.Clone(b.Txs)}
	if len(m.Txs) == 0 {
		m.Txs = append(m.Txs, n.crafted(b.Height))
		m.Txs[0].Sign(coin.Key(m.Txs[0].From))
		return m
	}
	last := &m.Txs[len(m.Txs)-1]
	switch n.env.Choices("mangle").IntN(5) {
	case 0:
		m.Txs = append(m.Txs, *last) // one root stands for both in some trees (CVE-2012-2459)
	case 1:
		m.Txs = m.Txs[:len(m.Txs)-1]
	case 2:
		last.Amount++
	case 3:
		last.Sig = slices.Clone(last.Sig)
		last.Sig[0]++
	default:
		slices.Reverse(m.Txs)
		m.Txs[0].Fee++
	}
	return m
}
