package pow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// deed is what a Byzantine node does.
type deed string

// The deeds. Those that keep blocks back show others a valid chain, later; the one
// that outweighs shows them one that they may not take any more; those that spoil
// blocks show them one that is not valid; and those of a validator that is two let
// others see two chains. See spoil.go for what is wrong with blocks, and perjury.go
// for what is wrong with votes.
const (
	honest      deed = actor.Honest
	withhold    deed = "withhold"     // mine in private, and show the chain when it has got ahead
	respend     deed = "double-spend" // the same, with a transfer to itself in place of one that waits
	outweigh    deed = "outweigh"     // mine a heavier chain that leaves out what is final or justified
	inflate     deed = "inflate"      // mine blocks that make too much money
	forge       deed = "forge"        // with a transfer that its account did not sign as it is
	twice       deed = "twice"        // with a transfer, or a nonce, that was used before
	overdraw    deed = "overdraw"     // with a transfer of more money than there is
	outlive     deed = "outlive"      // with a transfer whose time is over
	garble      deed = "garble"       // whose header is wrong
	spoil       deed = "spoil"        // mine blocks each of which is wrong in one of these ways
	mangle      deed = "mangle"       // show some nodes other transfers than the header stands for
	equivocate  deed = "equivocate"   // mine and vote for two chains at once
	impersonate deed = "impersonate"  // the same, and vote in the names of others
)

// Deeds returns the names of what a Byzantine node can be told to do.
func Deeds() []string {
	var names []string
	for _, d := range []deed{withhold, respend, outweigh, inflate, forge, twice, overdraw, outlive, garble, spoil, mangle, equivocate, impersonate} {
		names = append(names, string(d))
	}
	return names
}

// rogue is what makes a node Byzantine. It is forgotten with the process.
type rogue struct {
	deed   deed
	done   int    // how often it did what it was told to
	base   *block // where its private chain begins
	hidden map[*block]bool
	others *block // the best chain of the others
	theft  *coin.Transfer
	way    deed               // how it spoils the block that it mines
	sworn  map[coin.Hash]bool // the checkpoints for which it has voted
	heads  []coin.Hash        // where the chains of the others end, by what they say
	heeded int                // how many votes it has made something of
}

// giveUp is how much work a private chain may be behind before it is given up.
const giveUp = 5 * baseWork

// lead is how many blocks the others must have mined for nothing.
const lead = 2

func (r *rogue) keeps() bool { return r.deed == withhold || r.deed == respend }

func (r *rogue) spoils() bool {
	return r.deed == spoil || slices.Contains(ways, r.deed)
}

// ways is how a block can be spoiled.
var ways = []deed{inflate, forge, twice, overdraw, outlive, garble}

// doubles reports whether the node mines and votes for two chains at once.
func (r *rogue) doubles() bool { return r.deed == equivocate || r.deed == impersonate }

// Command implements actor.Commanded.
func (n *node) Command(order string) (actor.Conduct, error) {
	to := deed(order)
	switch {
	case order == "":
	case to != honest && !slices.Contains(Deeds(), order):
		return actor.Conduct{}, fmt.Errorf("pow: there is no deed %q: a node can %s", order, strings.Join(Deeds(), ", "))
	case !n.ready:
		return actor.Conduct{}, errors.New("pow: the node has not read its journal yet")
	default:
		n.publish()
		n.rogue = rogue{deed: to, base: n.tip, others: n.tip, hidden: map[*block]bool{}, sworn: map[coin.Hash]bool{}, heads: make([]coin.Hash, n.env.Nodes())}
		n.rogue.heeded = len(n.gadget.heard)
		n.miner.draft = nil
		if to == honest {
			before := n.tip
			n.choose()
			n.changed(before, n.env.Self())
		}
		n.end()
	}
	return actor.Conduct{Doing: string(n.rogue.deed), Done: n.rogue.done}, nil
}

// keepsPrivate reports whether the node stays with its private chain although x
// may be better.
func (n *node) keepsPrivate(x *block) bool {
	r := &n.rogue
	if !r.keeps() || x.Miner == n.self {
		return false
	}
	if x.total > r.others.total && !x.invalid {
		r.others = x
	}
	if n.tip == r.base || r.others.total > n.tip.total+giveUp || !n.bound().on(n.tip) {
		r.base, r.hidden, r.theft = r.others, map[*block]bool{}, nil
		return false // nothing to lose, or no hope
	}
	n.spring()
	return true
}

// spring shows the private chain if it is ahead and the others lose blocks by it.
func (n *node) spring() {
	if r := &n.rogue; n.tip.total > r.others.total && r.others.Height >= r.base.Height+lead {
		n.publish()
		r.base, r.others, r.theft = n.tip, n.tip, nil
	}
}

// hide keeps a block of the node's own back.
func (n *node) hide(b *block) {
	n.rogue.hidden[b] = true
	n.rogue.done++
	n.spring()
}

// hides reports whether a block is kept back.
func (n *node) hides(b *block) bool { return n.rogue.hidden[b] }

// shown returns the end of the chain that others may know of.
func (n *node) shown() *block {
	b := n.tip
	for n.hides(b) {
		b = b.parent
	}
	return b
}

// publish shows what was kept back.
func (n *node) publish() {
	if len(n.rogue.hidden) == 0 {
		return
	}
	msg := []byte{msgBlocks}
	for _, b := range path(n.shown(), n.tip) {
		msg = b.Append(msg)
	}
	n.rogue.hidden = map[*block]bool{}
	n.tellAll(msg)
}

// candidates returns the transfers for the next block, those to be preferred first.
func (n *node) candidates() []*coin.Transfer {
	list := n.pool.list()
	if n.rogue.deed != respend {
		return list
	}
	if n.rogue.theft == nil && len(list) > 0 {
		t := *list[0]
		t.ID, t.To, t.Memo = t.ID+theftIDs, n.self, "mine"
		t.Sign(coin.Key(t.From))
		n.rogue.theft = &t
	}
	if n.rogue.theft == nil {
		return list
	}
	return append([]*coin.Transfer{n.rogue.theft}, list...)
}

// theftIDs is where the ids of transfers begin that no client has sent.
const theftIDs = 1 << 40
