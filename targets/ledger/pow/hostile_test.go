package pow

import (
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor/actortest"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// cell is the world of the node, one of four.
type cell struct{ *actortest.Alone }

// boot starts the node with what is on the disk.
func (c cell) boot() *node {
	cfg := Config{Interval: 500 * ms, Depth: 1, Quorum: true, Power: []uint64{1}, Reward: 10, Accounts: 3, Money: 100}
	n, is := New(c, cfg).(*node)
	if !is {
		panic("New returns something else")
	}
	c.Settle()
	return n
}

// script is what a hostile peer does, as a fuzzer makes it up.
type script struct{ rest []byte }

// below takes a number below n.
func (s *script) below(n int) int {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return int(b) % n
}

// some takes up to n bytes as they are.
func (s *script) some(n int) []byte {
	n = min(s.below(n), len(s.rest))
	raw := s.rest[:n:n]
	s.rest = s.rest[n:]
	return raw
}

// transfer makes up a transfer, which is mostly signed.
func (s *script) transfer() coin.Transfer {
	t := coin.Transfer{
		ID: uint64(s.below(16)), From: Account(s.below(2)), To: Account(1 + s.below(2)), Amount: uint64(s.below(60)),
		Nonce: uint64(s.below(16)), Until: uint64(s.below(40)),
	}
	switch s.below(32) {
	case 0:
		t.From = ""
	case 1:
		t.From, t.To = coin.Notary, coin.Notary
	case 2:
		t.Amount = 1 << 63
	case 3:
		t.Fee = 1<<64 - 1
	case 4:
		t.Fee = 1
	}
	if t.Sign(coin.Key(t.From)); s.below(16) == 0 {
		t.Sig = s.some(80)
	}
	return t
}

// blocks makes up a message with a few blocks on top of one that the node has.
func (s *script) blocks(n *node) []byte {
	msg, order := []byte{msgBlocks}, n.tree.order
	parent := order[len(order)-1-s.below(min(len(order), 1+s.below(8)))]
	for range 1 + s.below(4) {
		b := s.block(n, parent)
		msg = b.Append(msg)
		parent = &block{Block: b, name: b.Hash()}
	}
	return msg
}

// block makes up a block, which mostly has the work, time and root that it should
// have.
func (s *script) block(n *node, parent *block) *coin.Block {
	b := &coin.Block{Header: coin.Header{Parent: parent.name, Height: parent.Height + 1, Miner: []string{"n1", n.self, ""}[s.below(3)], Pay: 10}}
	b.Time = timely(&parent.Header, parent.Time+int64(s.below(8))*300*ms, n.cfg.Interval)
	b.Work = nextWork(&parent.Header, b.Time, n.cfg.Interval)
	for range s.below(3) {
		b.Txs = append(b.Txs, s.transfer())
	}
	b.Root = coin.Root(b.Txs)
	switch s.below(32) {
	case 0:
		b.Height += 1 << 63
	case 1:
		b.Work = uint64(s.below(2)) * leastWork
	case 2:
		b.Root[0]++
	case 3:
		b.Time = -1
	case 4:
		b.Pay = 1 << 63
	case 5:
		b.Pay += 5
	case 6:
		b.Parent[0]++
	}
	for b.Work > 0 && b.Work <= mostWork && !b.Mine(maxTries) {
	}
	return b
}

// vote makes up a vote of the first node for anything that there is.
func (s *script) vote(n *node) coin.Vote {
	order := n.tree.order
	source, target := order[s.below(len(order))], order[s.below(len(order))]
	v := coin.Vote{Validator: "n1", Source: source.name, Target: target.name, SourceHeight: source.Height, TargetHeight: target.Height}
	switch s.below(8) {
	case 0:
		v.Target[0]++
	case 1:
		v.TargetHeight = 1 << 63
	}
	v.Sign(coin.Key(v.Validator))
	return v
}

// echo is what another peer, which is honest and has the same chain, says of the
// node's last vote; the hostile one joins in.
func (s *script) echo(n *node) []byte {
	msg := []byte{msgVotes}
	if n.vote != nil {
		for _, name := range []string{"n1", "n3"} {
			v := *n.vote
			v.Validator = name
			v.Sign(coin.Key(name))
			msg = v.Append(msg)
		}
	}
	return msg
}

// message makes up a message.
func (s *script) message(n *node) []byte {
	switch s.below(8) {
	case 0, 1, 2:
		return s.blocks(n)
	case 3:
		t := s.transfer()
		return t.AppendTo([]byte{msgTransfer})
	case 4:
		if s.below(4) > 0 {
			return s.echo(n)
		}
		v := s.vote(n)
		return v.Append([]byte{msgVotes})
	case 5:
		tip := n.tree.order[s.below(len(n.tree.order))].name
		tip[0] += byte(s.below(2))
		v := s.vote(n)
		return v.Append(wire.AppendUvarints(append([]byte{msgBeat}, tip[:]...), uint64(s.below(20)), uint64(s.below(3))))
	case 6:
		msg := []byte{msgGet}
		for range s.below(4) {
			name := n.tree.order[s.below(len(n.tree.order))].name
			msg = append(msg, name[:]...)
		}
		return append(msg, s.some(8)...)
	default:
		return append([]byte{[]byte("BTVHGOW?")[s.below(8)]}, s.some(200)...)
	}
}

// do does the next thing that the script says.
func (s *script) do(c cell, n *node) *node {
	switch s.below(16) {
	case 0:
		c.Now += int64(s.below(20)) * 100 * ms
		n.Wake()
	case 1:
		c.Kill()
		return c.boot()
	case 2:
		n.Serve(0, s.some(100))
	case 3:
		r := coin.Request{Ask: coin.Ask(1 + s.below(6)), ID: uint64(s.below(8)), Tx: s.transfer(), All: true}
		n.Serve(0, r.Append(nil))
	case 4, 5, 6, 7:
		c.Settle()
	default:
		msg := s.message(n)
		n.Receive(0, msg[:len(msg)-min(s.below(40)/32, len(msg))])
	}
	return n
}

// Whatever a peer sends, a node lives on, keeps to the rules for money, and is
// after a restart where it was before.
func FuzzHostilePeer(f *testing.F) {
	f.Add([]byte("B"))
	for seed := range uint64(20) {
		draw, long := choice.New(seed).Stream("script"), make([]byte, 1500)
		for i := range long {
			long[i] = byte(draw.IntN(256))
		}
		f.Add(long)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := cell{actortest.NewAlone(4)}
		c.Now = second
		n, s := c.boot(), &script{raw}
		for range 400 {
			if len(s.rest) == 0 {
				break
			}
			n = s.do(c, n)
		}
		c.Settle()
		for account, money := range n.books.money { // the first that is wrong ends the test, in whatever order
			if money < 0 {
				t.Fatalf("account %q has %d", account, money)
			}
		}
		if again := c.boot(); again.tip.name != n.tip.name || again.final().name != n.final().name {
			t.Fatalf("the chain ended in %v, and after a restart in %v", n.tip.name, again.tip.name)
		}
	})
}
