package pow

import (
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/actor/actortest"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// post is the world of a node of four, with what it has sent to each of the others.
type post struct {
	*actortest.Alone
	sent [4][][]byte
}

func (p *post) Send(to actor.NodeID, msg []byte) { p.sent[to] = append(p.sent[to], slices.Clone(msg)) }

// posted starts a node whose chain has so many blocks.
func posted(t *testing.T, height uint64) (*post, *node) {
	t.Helper()
	p := &post{Alone: actortest.NewAlone(4)}
	p.Now = second
	n, is := New(p, Config{Interval: 500 * ms, Depth: 1, Quorum: true, Power: []uint64{1}, Reward: 10, Accounts: 3, Money: 100}).(*node)
	if !is {
		t.Fatal("New returns something else")
	}
	p.Settle()
	n.grown(n.tree.genesis, height)
	return p, n
}

// grown has a branch grow on a block, and returns its end.
func (n *node) grown(x *block, blocks uint64) *block {
	for range blocks {
		b := n.empty(x, x.Time+n.cfg.Interval)
		b.Nonce = uint64(len(n.tree.order)) << 20 // two branches of a block have to differ
		for !b.Mine(maxTries) {
		}
		n.grow(b, b.Hash())
		x = n.tree.blocks[b.Hash()]
	}
	return x
}

// turned tells a node to be Byzantine, and forgets what it has sent.
func turned(t *testing.T, p *post, n *node, to deed) {
	t.Helper()
	if _, err := n.Command(string(to)); err != nil {
		t.Fatal(err)
	}
	p.Settle()
	p.sent = [4][][]byte{}
}

// mined has a node come upon its next block.
func mined(p *post, n *node) {
	b := n.draft()
	for !b.Mine(maxTries) {
	}
	n.found(b)
	n.end()
	p.Settle()
}

// got returns the blocks and votes that a node was sent.
func (p *post) got(id actor.NodeID) (blocks []*coin.Block, votes []coin.Vote) {
	for _, msg := range p.sent[id] {
		d := wire.NewDecoder(msg[1:])
		switch msg[0] {
		case msgBlocks:
			for d.More() && d.Err() == nil {
				blocks = append(blocks, coin.ReadBlock(d))
			}
		case msgVotes:
			votes = append(votes, readVotes(d)...)
		}
	}
	return blocks, votes
}

// A chain that leaves out what is final is sound and heavier, and a node that is
// honest does not take it, but would if nothing were final.
func TestOutweigh(t *testing.T) {
	t.Parallel()
	p, n := posted(t, 3*Epoch)
	n.gadget.final, n.gadget.top = n.tip.at(Epoch), n.tip.at(2*Epoch)
	turned(t, p, n, outweigh)
	mined(p, n)
	if n.rogue.done != 1 {
		t.Fatalf("done %d times", n.rogue.done)
	}
	for _, bound := range []uint64{0, 2 * Epoch} {
		q, honest := posted(t, 3*Epoch)
		before := honest.tip
		honest.gadget.top = before.at(bound)
		for _, msg := range p.sent[0] {
			if msg[0] == msgBlocks {
				honest.Receive(0, msg)
				q.Settle()
			}
		}
		if taken := !before.on(honest.tip); taken != (bound == 0) {
			t.Errorf("bound to height %d: taken is %v", bound, taken)
		}
	}
}

// Who doubles itself has two chains grow, shows each to those who follow it, and
// tells nobody of the other one.
func TestDoublesKeepChainsApart(t *testing.T) {
	t.Parallel()
	p, n := posted(t, Epoch)
	rival := n.grown(n.tip.at(2), 2)
	tip := n.tip
	turned(t, p, n, equivocate)
	n.rogue.heads[0], n.rogue.heads[2] = rival.name, tip.name
	mined(p, n)
	n.announce(n.env.Self())
	for id, parent := range map[actor.NodeID]*block{0: rival, 2: tip} {
		if blocks, _ := p.got(id); len(blocks) != 1 || blocks[0].Parent != parent.name {
			t.Errorf("node %d was shown %d blocks, the first on %v, want one on %v", id, len(blocks), blocks[0].Parent, parent.name)
		}
	}
	for id, msgs := range p.sent {
		if slices.ContainsFunc(msgs, func(msg []byte) bool { return msg[0] == msgBeat }) {
			t.Errorf("node %d was told where the chain ends", id)
		}
	}
}

// Who impersonates others says what they have signed of other blocks, and nobody
// who looks at signatures believes it.
func TestTwistedVotes(t *testing.T) {
	t.Parallel()
	p, n := posted(t, 2*Epoch)
	genesis, mark := n.tree.genesis, n.tip.at(Epoch)
	rival := n.grown(n.tip.at(Epoch-1), 1)
	n.gadget.justified[mark] = true
	turned(t, p, n, impersonate)
	v := coin.Vote{Validator: "n1", Source: genesis.name, Target: n.tip.name, TargetHeight: n.tip.Height}
	v.Sign(coin.Key("n1"))
	n.cast(v)
	n.voteNow()
	_, votes := p.got(0)
	seen := map[[2]coin.Hash]bool{}
	for _, w := range votes {
		if slices.Equal(w.Sig, v.Sig) {
			seen[[2]coin.Hash{w.Source, w.Target}] = true
			if w.Signed(n.signer("n1")) {
				t.Errorf("a vote for %v that n1 has signed", w.Target)
			}
		}
	}
	for name, want := range map[string][2]coin.Hash{"target": {genesis.name, rival.name}, "source": {mark.name, n.tip.name}} {
		if !seen[want] {
			t.Errorf("no vote with another %s", name)
		}
	}
}

// drawn is a world whose choices differ from one time to the next.
type drawn struct {
	*post
	seed uint64
}

func (d *drawn) Choices(p string) *choice.Stream { return choice.New(d.seed).Stream(p) }

// Each block of who spoils them is wrong in a way of its own, and every way comes.
func TestSpoilsInAllWays(t *testing.T) {
	t.Parallel()
	seen := map[deed]bool{}
	p, n := posted(t, 1)
	turned(t, p, n, spoil)
	draws := &drawn{post: p}
	n.env = draws
	for range 100 {
		n.draft()
		seen[n.rogue.way] = true
		draws.seed++
	}
	n.env = p
	if mined(p, n); n.rogue.done != spoiledAtOnce {
		t.Errorf("shown %d blocks, want %d", n.rogue.done, spoiledAtOnce)
	}
	if len(seen) != len(ways) {
		t.Errorf("of %v only %v", ways, seen)
	}
}
