package pow

import (
	"crypto/ed25519"
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/journal"
	"github.com/ordeal-dev/ordeal/targets/kit/timers"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// node is a node of the ledger: a miner, a validator, and a server of clients.
type node struct {
	env   actor.Env
	cfg   Config
	self  string
	peers []string // all nodes
	key   ed25519.PrivateKey
	keys  map[string]ed25519.PublicKey // of accounts and validators, as they are met

	timers  timers.Timers[*node]
	journal *journal.Journal
	ready   bool

	tree    *tree
	tip     *block // the end of the node's chain, where the books stand
	books   *books
	pool    *pool
	gadget  *gadget
	orphans orphans
	flying  map[coin.Hash]bool  // blocks and transfers on their way into the journal
	refused map[coin.Hash]bool  // blocks that are not sound
	heard   map[coin.Hash]bool  // votes that were taken
	chased  map[coin.Hash]int64 // when a block was asked for last
	shared  []int64             // when votes were shared with each node last
	early   []coin.Vote         // whose blocks are not there yet
	vote    *coin.Vote          // the last of its own
	begun   coin.Vote           // the last of its own that may be durable
	miner   miner
	rogue   rogue // what it does wrong, if it is Byzantine

	first map[uint64]uint64 // the height at which each transfer was first seen in a block
	high  uint64            // of the highest block seen
	late  bool              // the node was started again and has not caught up
}

// New starts a node of the ledger.
func New(env actor.Env, cfg Config) actor.Node {
	n := &node{
		env: env, cfg: cfg, self: env.Self().String(), keys: map[string]ed25519.PublicKey{},
		pool: newPool(), orphans: newOrphans(), first: map[uint64]uint64{},
		flying: map[coin.Hash]bool{}, refused: map[coin.Hash]bool{}, heard: map[coin.Hash]bool{}, chased: map[coin.Hash]int64{},
		shared: make([]int64, env.Nodes()),
	}
	n.books = newBooks(&n.cfg)
	n.key = coin.Key(n.self)
	n.rogue.deed = honest
	for id := range actor.NodeID(env.Nodes()) {
		n.peers = append(n.peers, id.String())
	}
	n.tree = newTree(Genesis(&n.cfg))
	n.tip = n.tree.genesis
	n.gadget = newGadget(n.tip, env.Nodes(), cfg.Bugs)
	if err := n.books.connect(n.tip); err != nil {
		panic(fmt.Sprintf("pow: the genesis block has %v", err))
	}
	n.journal = journal.New(env.Disk(), journal.Config{Name: "pow", File: "chain", Settled: n.end, Failed: n.diskFailed})
	n.journal.Open(n.replay, n.open)
	return n
}

// Genesis returns the block that all chains begin with.
func Genesis(cfg *Config) *coin.Block {
	b := &coin.Block{Header: coin.Header{Work: baseWork}}
	for i := range cfg.Accounts {
		b.Txs = append(b.Txs, coin.Transfer{ID: uint64(i), To: Account(i), Amount: cfg.Money})
	}
	b.Root = coin.Root(b.Txs)
	return b
}

func (n *node) diskFailed(err error) {
	n.env.Logf("disk: %v; nothing is accepted until the node is started again", err)
	n.ready = false
}

// end ends every call of the node.
func (n *node) end() {
	n.journal.Flush()
	n.timers.Arm(n.env)
}

// signed reports whether the account that pays has signed a transfer.
func (n *node) signed(t *coin.Transfer) bool {
	return t.From != "" && t.Sane() == nil && t.Signed(n.signer(t.From))
}

// signer returns the public key that belongs to a name.
func (n *node) signer(name string) ed25519.PublicKey {
	key, ok := n.keys[name]
	if !ok {
		if len(n.keys) >= maxNames {
			clear(n.keys)
		}
		key = coin.Key(name).Public().(ed25519.PublicKey)
		n.keys[name] = key
	}
	return key
}

// What records of the journal begin with.
const (
	recBlock    = 'b'
	recVote     = 'v'
	recTransfer = 't'
)

// replay does a record of an earlier life again.
func (n *node) replay(rec []byte) error {
	d := wire.NewDecoder(append([]byte(nil), rec...))
	switch d.Byte() {
	case recBlock:
		b := coin.ReadBlock(d)
		if err := d.Done(); err != nil {
			return err
		}
		n.grow(b, b.Hash())
	case recVote:
		v := coin.ReadVote(d)
		if err := d.Done(); err != nil {
			return err
		}
		n.cast(v)
	case recTransfer:
		t := coin.ReadTransfer(d)
		if err := d.Done(); err != nil {
			return err
		}
		n.wait(&t)
	default:
		return fmt.Errorf("a record of kind %q: it is of a later version", rec[0])
	}
	return nil
}

// open begins the life of the node, with what it knew before.
func (n *node) open() {
	n.ready = true
	n.late = n.tip.Height > 0
	n.settled()
	n.mineNext()
	n.timers.Set(n.env.Mono()+beatEvery, beat{})
	n.timers.Set(n.env.Mono()+offerEvery, offer{})
	n.announce(n.env.Self())
	n.end()
}

// Wake implements actor.Node.
func (n *node) Wake() {
	for n.timers.Ring(n, n.env.Mono()) {
	}
	n.end()
}

// Status implements actor.Node. The digest is the node's chain.
func (n *node) Status() actor.Status {
	role := "miner"
	if n.rogue.deed != honest {
		role = "byzantine"
	}
	return actor.Status{
		Ready: n.ready, Role: role, Term: n.final().Height, Applied: n.tip.Height,
		Digests: map[string]string{"chain": n.tip.name.String()},
	}
}

// final returns the highest block that the node takes for final.
func (n *node) final() *block {
	switch {
	case n.cfg.Quorum:
		return n.gadget.final
	case n.tip.Height < n.cfg.Depth:
		return n.tree.genesis
	default:
		return n.tip.at(n.tip.Height + 1 - n.cfg.Depth)
	}
}

// bound returns the block that the node's chain has to have.
func (n *node) bound() *block {
	if n.cfg.Quorum {
		return n.gadget.top
	}
	return n.tree.genesis
}
