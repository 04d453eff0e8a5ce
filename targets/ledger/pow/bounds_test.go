package pow

import (
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor/actortest"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

func alone() (cell, *node) {
	c := cell{actortest.NewAlone(4)}
	c.Now = second
	return c, c.boot()
}

// transferOf is one that a client could send.
func transferOf(id uint64) *coin.Transfer {
	t := &coin.Transfer{ID: id, From: Account(0), To: Account(1), Amount: 1, Nonce: id, Until: 20}
	t.Sign(coin.Key(t.From))
	return t
}

// A peer cannot make a node keep transfers without end, nor any of them for ever.
func TestPoolIsBounded(t *testing.T) {
	t.Parallel()
	c, n := alone()
	endless := *transferOf(1)
	endless.Until = 1 << 60
	endless.Sign(coin.Key(endless.From))
	n.Receive(0, endless.AppendTo([]byte{msgTransfer}))
	c.Settle()
	if len(n.pool.waiting) != 0 {
		t.Error("a transfer that never expires waits")
	}
	for i := range uint64(maxPool) {
		n.pool.add(coin.Hash{byte(i), byte(i >> 8)}, &coin.Transfer{ID: 100 + i, Nonce: i, From: "a3"})
	}
	n.Receive(0, transferOf(1).AppendTo([]byte{msgTransfer}))
	c.Settle()
	if len(n.pool.waiting) != maxPool {
		t.Errorf("%d transfers wait", len(n.pool.waiting))
	}
	if why := n.unfit(transferOf(2)); why != "too many transfers wait" {
		t.Errorf("a client is told %q", why)
	}
}

// Nor can a validator, by votes for blocks that there are not.
func TestEarlyVotesAreBounded(t *testing.T) {
	t.Parallel()
	c, n := alone()
	for i := range 2 * maxEarly {
		v := coin.Vote{Validator: "n1", Target: coin.Hash{byte(i), byte(i >> 8)}, TargetHeight: Epoch}
		v.Sign(coin.Key("n1"))
		n.Receive(0, v.Append([]byte{msgVotes}))
		c.Settle()
	}
	if len(n.early) != maxEarly {
		t.Errorf("%d votes wait for their blocks", len(n.early))
	}
}

// Who sends other transfers than the header of a block stands for does not keep a node
// from taking the block (CVE-2012-2459).
func TestMangledBlocksAreNoRefusal(t *testing.T) {
	t.Parallel()
	c, n := alone()
	b := n.draft()
	b.Txs = []coin.Transfer{*transferOf(1)}
	b.Root = coin.Root(b.Txs)
	for !b.Mine(maxTries) {
	}
	n.Receive(0, n.mangled(b).Append([]byte{msgBlocks}))
	c.Settle()
	if n.tip.Height != 0 {
		t.Fatal("a block was taken whose header does not stand for its transfers")
	}
	n.Receive(0, b.Append([]byte{msgBlocks}))
	if c.Settle(); n.tip.name != b.Hash() {
		t.Error("the block is not taken any more")
	}
}
