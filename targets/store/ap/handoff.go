package ap

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

const (
	// handoffBytes is about how much is handed over at a time.
	handoffBytes = 32 << 10
	// handoffEvery is how often a node looks for owners that are back, and
	// sends a batch again that was not acknowledged.
	handoffEvery = 1000 * ms
)

// handoffs is the timer that hands hints over. There is no hurry: nothing that is
// promised depends on how soon an owner that is back has what it missed.
type handoffs struct{}

// Over implements [timers.Alarm].
func (handoffs) Over() bool { return false }

// Ring implements [timers.Alarm].
func (handoffs) Ring(n *node) {
	now := n.env.Mono()
	for id := range actor.NodeID(n.env.Nodes()) {
		if id != n.self {
			n.handOver(id, now)
		}
	}
	n.timers.Set(now+handoffEvery, handoffs{})
}

// handoff is a batch of hints on its way to the owner.
type handoff struct {
	id    uint64 // 0 if none is under way
	sent  int64
	batch []entry
}

// handOver sends hints to an owner that is connected again, a batch at a time.
func (n *node) handOver(owner actor.NodeID, now int64) {
	if n.hints.perOwner[owner] == 0 || !n.peers.Connected(owner) {
		return
	}
	h := &n.handoffs[owner]
	if h.id != 0 && now-h.sent < handoffEvery {
		return
	}
	n.ids++
	*h = handoff{id: n.ids, sent: now, batch: n.hints.batch(owner, handoffBytes)}
	m := storeMsg{id: h.id, hint: nobody, entries: h.batch}
	if n.cfg.Bugs.has(restampHints) {
		m.entries = n.restamped(h.batch)
	}
	n.env.Send(owner, m.append(nil))
	if n.cfg.Bugs.has(hastyHandoff) {
		n.handedOver(owner, h.id)
	}
}

// restamped returns the entries as if they had been written now.
func (n *node) restamped(entries []entry) []entry {
	fresh := slices.Clone(entries)
	for i := range fresh {
		fresh[i].ver = n.clock.next()
	}
	return fresh
}

// handedOver removes the hints that their owner has on disk now.
func (n *node) handedOver(owner actor.NodeID, id uint64) {
	h := &n.handoffs[owner]
	if h.id != id {
		return
	}
	for _, e := range h.batch {
		if n.hints.delivered(owner, e.key, e.ver) {
			n.note(factHanded)
			e.value = ""
			n.keep(record{kind: recordDelivered, node: owner, entry: e}, nil)
		}
	}
	*h = handoff{}
	n.handOver(owner, n.env.Mono())
}
