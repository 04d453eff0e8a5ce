package pow

import (
	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// takeTransfer makes a transfer durable, and lets it wait for a block then. Done,
// which may be nil, is told when that is so.
func (n *node) takeTransfer(t *coin.Transfer, done func()) {
	name := t.Hash()
	if n.pool.waiting[name] != nil || n.flying[name] || n.knows(t.ID) || t.Until <= n.final().Height || n.full(t) || !n.signed(t) {
		return
	}
	rec := t.AppendTo([]byte{recTransfer})
	if n.cfg.has(LazyTransfers) {
		n.wait(t)
		if done != nil {
			done()
		}
		n.timers.Set(n.env.Mono()+second, lazy{rec})
		return
	}
	n.flying[name] = true
	n.journal.Add(rec, func() {
		delete(n.flying, name)
		n.wait(t)
		if done != nil {
			done()
		}
	})
}

// What others can make a node remember has bounds: how many transfers wait, and for
// how long, which is longer for those that come from other nodes, as these may be ahead.
const (
	maxPool  = 10_000
	maxUntil = 200
	maxAhead = 5 * maxUntil
)

// full reports whether there is no room for a transfer: there are too many, or it would
// wait for ever.
func (n *node) full(t *coin.Transfer) bool {
	return len(n.pool.waiting)+len(n.flying) >= maxPool || t.Until > n.high+maxAhead
}

// lazy is a record that goes to the disk when there is time.
type lazy struct{ rec []byte }

// Ring implements timers.Alarm.
func (l lazy) Ring(n *node) { n.journal.Add(l.rec, nil) }

// Over implements timers.Alarm.
func (lazy) Over() bool { return false }

// wait puts a transfer that is durable into the pool, unless it is in the chain.
func (n *node) wait(t *coin.Transfer) {
	if n.books.at[t.ID] == nil {
		n.pool.add(t.Hash(), t)
	}
}

// knows reports whether the node has a transfer of that id, wherever it is.
func (n *node) knows(id uint64) bool {
	_, waits := n.pool.known[id]
	return waits || n.pool.over[id] || n.books.at[id] != nil
}

// offer is the alarm by which a node tells another one, each time a random one,
// what waits in its pool: who has been cut off when a transfer was sent to all
// gets it in that way.
type offer struct{}

// Ring implements timers.Alarm.
func (offer) Ring(n *node) {
	n.timers.Set(n.env.Mono()+offerEvery, offer{})
	if n.env.Nodes() == 1 || len(n.pool.waiting) == 0 {
		return
	}
	to := actor.NodeID(n.env.Choices("offer").IntN(n.env.Nodes() - 1))
	if to >= n.env.Self() {
		to++
	}
	msg := []byte{msgOffer}
	for i, t := range n.pool.list() {
		if i == maxOffer {
			break
		}
		msg = wire.AppendUvarints(msg, t.ID)
	}
	n.env.Send(to, msg)
}

// Over implements timers.Alarm.
func (offer) Over() bool { return false }

func (n *node) answerOffer(from actor.NodeID, d *wire.Decoder) {
	msg := []byte{msgWant}
	for d.More() {
		if id := d.Uvarint(); d.Err() == nil && !n.knows(id) {
			msg = wire.AppendUvarints(msg, id)
		}
	}
	if len(msg) > 1 {
		n.env.Send(from, msg)
	}
}

func (n *node) answerWant(from actor.NodeID, d *wire.Decoder) {
	for d.More() {
		if t := n.pool.waiting[n.pool.known[d.Uvarint()]]; t != nil && d.Err() == nil {
			n.env.Send(from, t.AppendTo([]byte{msgTransfer}))
		}
	}
}
