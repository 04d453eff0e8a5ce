package pow

import (
	"errors"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// What messages begin with.
const (
	msgBlocks   = 'B' // blocks, each above the one before
	msgTransfer = 'T'
	msgVotes    = 'V'
	msgBeat     = 'H' // the tip of a node, which votes it has above its final block, and those above its bound
	msgGet      = 'G' // send the blocks up to this one
	msgOffer    = 'O' // ids of transfers that wait
	msgWant     = 'W' // those of them that the other node lacks
)

const (
	beatEvery  = 300 * ms
	offerEvery = 500 * ms
	chaseEvery = 150 * ms // how often one block is asked for
	maxBlocks  = 40       // in one message
	maxOffer   = 400
)

// Receive implements actor.Node. What cannot be read is dropped: nobody has to
// believe the other nodes.
func (n *node) Receive(from actor.NodeID, msg []byte) {
	if !n.ready || len(msg) == 0 {
		return
	}
	d := wire.NewDecoder(msg[1:])
	switch msg[0] {
	case msgBlocks:
		n.takeBlocks(from, d)
	case msgTransfer:
		if t := coin.ReadTransfer(d); d.Done() == nil {
			n.takeTransfer(&t, nil)
		}
	case msgVotes:
		n.takeVotes(readVotes(d))
	case msgBeat:
		n.takeBeat(from, d)
	case msgGet:
		n.answerGet(from, d)
	case msgOffer:
		n.answerOffer(from, d)
	case msgWant:
		n.answerWant(from, d)
	}
	n.end()
}

func (n *node) tellAll(msg []byte) {
	for id := range actor.NodeID(n.env.Nodes()) {
		if id != n.env.Self() {
			n.env.Send(id, msg)
		}
	}
}

func readVotes(d *wire.Decoder) (votes []coin.Vote) {
	for d.Err() == nil && d.More() {
		if v := coin.ReadVote(d); d.Err() == nil {
			votes = append(votes, v)
		}
	}
	return votes
}

// beat is the alarm by which a node says regularly where it is: messages may be
// lost, and this is what makes up for it.
type beat struct{}

// Ring implements timers.Alarm.
func (beat) Ring(n *node) {
	n.announce(n.env.Self())
	n.timers.Set(n.env.Mono()+beatEvery, beat{})
}

// Over implements timers.Alarm.
func (beat) Over() bool { return false }

// announce tells all nodes but one, and but the node itself, where its chain ends. Who
// wants others to see two chains does not tell them.
func (n *node) announce(but actor.NodeID) {
	if n.rogue.doubles() {
		return
	}
	tip := n.shown()
	msg := append([]byte{msgBeat}, tip.name[:]...)
	final := n.final().Height
	msg = wire.AppendUvarints(msg, final, n.gadget.sum(final))
	for _, v := range n.gadget.above(n.bound().Height) {
		msg = v.Append(msg)
	}
	for id := range actor.NodeID(n.env.Nodes()) {
		if id != n.env.Self() && id != but {
			n.env.Send(id, msg)
		}
	}
}

func (n *node) takeBeat(from actor.NodeID, d *wire.Decoder) {
	tip, final, sum := coin.ReadHash(d), d.Uvarint(), d.Uvarint()
	votes := readVotes(d)
	if d.Err() != nil {
		return
	}
	if n.tree.blocks[tip] == nil {
		n.ask(from, tip)
	}
	if n.rogue.doubles() {
		n.rogue.heads[from] = tip
	}
	n.takeVotes(votes)
	if n.cfg.Quorum && n.gadget.sum(final) != sum {
		n.share(from, final)
	}
}

// share sends all votes above a node's final block to that node, which has others.
// Those above what it is bound to are not enough: whoever is bound to a checkpoint
// of another fork lacks votes below that too, without which what is above them
// counts for nothing, and would stay on its fork for ever.
func (n *node) share(to actor.NodeID, final uint64) {
	now := n.env.Mono()
	votes := n.gadget.above(final)
	if len(votes) == 0 || n.shared[to] > now-beatEvery {
		return
	}
	n.shared[to] = now
	msg := []byte{msgVotes}
	for _, v := range votes {
		msg = v.Append(msg)
	}
	n.env.Send(to, msg)
}

// ask asks a node for a block and those below it that the node lacks.
func (n *node) ask(from actor.NodeID, name coin.Hash) {
	now := n.env.Mono()
	if last, asked := n.chased[name]; asked && now < last+chaseEvery || n.flying[name] || n.refused[name] || n.cfg.has(NoOrphans) {
		return
	}
	if len(n.chased) >= maxNames {
		clear(n.chased)
	}
	n.chased[name] = now
	msg := append([]byte{msgGet}, name[:]...)
	for _, h := range locator(n.tip) {
		msg = append(msg, h[:]...)
	}
	n.env.Send(from, msg)
}

// answerGet sends the blocks up to one, from where the chain of the other node left it.
func (n *node) answerGet(from actor.NodeID, d *wire.Decoder) {
	to := n.tree.blocks[coin.ReadHash(d)]
	if to == nil || n.hides(to) {
		return
	}
	base := n.tree.genesis
	for d.More() {
		if b := n.tree.blocks[coin.ReadHash(d)]; b != nil && d.Err() == nil {
			base = meet(b, to)
			break
		}
	}
	msg := []byte{msgBlocks}
	for i, b := range path(base, to) {
		if i == maxBlocks {
			break
		}
		msg = b.Append(msg)
	}
	n.env.Send(from, msg)
}

func (n *node) takeBlocks(from actor.NodeID, d *wire.Decoder) {
	for d.More() {
		b := coin.ReadBlock(d)
		if d.Err() != nil {
			return
		}
		n.takeBlock(from, b, b.Hash())
	}
}

// takeBlock makes a block durable whose chain is there, and keeps it as an
// orphan if that is not.
func (n *node) takeBlock(from actor.NodeID, b *coin.Block, name coin.Hash) {
	if n.tree.blocks[name] != nil || n.flying[name] || n.refused[name] {
		return
	}
	parent := n.tree.blocks[b.Parent]
	if parent == nil {
		if !n.cfg.has(NoOrphans) {
			n.orphans.add(b, name, from)
		}
		if !n.flying[b.Parent] && !n.orphans.has(b.Parent) {
			n.ask(from, b.Parent)
		}
		return
	}
	if err := n.sound(b, name, parent); err != nil {
		n.env.Logf("block %v of %s from %v has %v", name, b.Miner, from, err)
		if !errors.Is(err, errRoot) {
			if len(n.refused) >= maxNames {
				clear(n.refused) // they are judged anew if they come again
			}
			n.refused[name] = true
		}
		return
	}
	n.keepBlock(from, b, name)
}

// keepBlock makes a block durable, and takes it into the tree then.
func (n *node) keepBlock(from actor.NodeID, b *coin.Block, name coin.Hash) {
	n.flying[name] = true
	n.journal.Add(b.Append([]byte{recBlock}), func() {
		delete(n.flying, name)
		before := n.tip
		n.grow(b, name)
		n.changed(before, from)
		for _, o := range n.orphans.take(name) {
			n.sometimes(factOrphan)
			n.takeBlock(o.from, o.block, o.name)
		}
	})
}

// changed does what follows when the chain or what is final may be others than
// before. From is who knows it already.
func (n *node) changed(before *block, from actor.NodeID) {
	n.settled()
	if n.tip == before {
		return
	}
	if n.late && n.tip.Height >= before.Height+2 {
		n.late = false
		n.sometimes(factCatchUp)
	}
	n.mineNext()
	n.announce(from)
}

// orphans are blocks whose parents are missing.
type orphans struct {
	of    map[coin.Hash][]orphan // by the name of the parent
	names map[coin.Hash]bool
}

type orphan struct {
	block *coin.Block
	name  coin.Hash
	from  actor.NodeID
}

// What others can make a node remember has bounds.
const (
	maxOrphans = 500
	maxNames   = 10_000 // of blocks that were refused, or asked for, and of accounts
)

func newOrphans() orphans {
	return orphans{of: map[coin.Hash][]orphan{}, names: map[coin.Hash]bool{}}
}

func (o *orphans) has(name coin.Hash) bool { return o.names[name] }

func (o *orphans) add(b *coin.Block, name coin.Hash, from actor.NodeID) {
	if o.names[name] || len(o.names) >= maxOrphans {
		return
	}
	o.names[name] = true
	o.of[b.Parent] = append(o.of[b.Parent], orphan{b, name, from})
}

// take returns the orphans of a parent, which are orphans no more.
func (o *orphans) take(parent coin.Hash) []orphan {
	list := o.of[parent]
	delete(o.of, parent)
	for _, x := range list {
		delete(o.names, x.name)
	}
	return list
}
