package node

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// active is what a name node does while it is the active one: it listens to the
// data nodes, ends safe mode, has blocks copied, and closes files whose writer
// is gone. All that it knows besides the namespace is from reports that were
// made to it; data nodes that report to it obey none of its predecessors.
type active struct {
	n      *node
	epoch  uint64
	since  int64 // when the epoch was in the journal
	over   bool
	hellos uint64 // so many rounds of reports were asked for
	moving bool   // changes are on their way into the journal

	reports []report         // by node
	copies  map[uint64]int64 // by block: until when a copy is on its way
	unused  map[uint64]int64 // by token: since when no holder was seen to use the lease
	slow    bool             // safe mode did not end at once
}

// report is the last report of a data node.
type report struct {
	at     int64  // when it came, 0 for never
	hello  uint64 // that it answers
	held   map[uint64]held
	before map[uint64]held // by the report before
	tokens []uint64
}

// turned is called when the node becomes the active name node, and when it is
// that no longer.
func (n *node) turned(leading bool, term uint64) {
	if n.active != nil {
		n.active.over = true
		n.active = nil
	}
	if !leading {
		return
	}
	a := &active{n: n, epoch: term, reports: make([]report, n.env.Nodes()), copies: map[uint64]int64{}, unused: map[uint64]int64{}}
	n.active = a
	a.begin()
}

// begin puts the epoch into the journal, again until it is there.
func (a *active) begin() {
	a.n.submit(&namespace.Command{Kind: namespace.Activate, Epoch: a.epoch}, func(ans *namespace.Answer, out request.Code) {
		switch {
		case a.over:
		case out != request.OK:
			a.n.after(pauseABit, a.begin)
		case ans.Code == namespace.OK:
			a.since = a.n.env.Mono()
			a.tick()
		}
	})
}

// tick does all duties, again and again.
func (a *active) tick() {
	if a.over {
		return
	}
	a.hellos++
	for id := range actor.NodeID(a.n.env.Nodes()) {
		a.n.send(id, &message{kind: msgHello, id: a.hellos, epoch: a.epoch})
	}
	a.work()
	a.n.after(helloEvery, a.tick)
}

// heard takes a report, unless a later one came before it.
func (n *node) heard(from actor.NodeID, m *message) {
	a := n.active
	if a == nil || m.epoch != a.epoch {
		return
	}
	r := &a.reports[from]
	if m.id <= r.hello {
		return
	}
	r.hello = m.id
	r.at, r.before, r.held, r.tokens = n.env.Mono(), r.held, make(map[uint64]held, len(m.list)), m.tokens
	for _, h := range m.list {
		r.held[h.block] = h
	}
	if epoch, safe := n.space.Epoch(); epoch == a.epoch && safe {
		a.leaveSafeMode()
		return
	}
	if !a.moving {
		a.dropUnneeded(from, m)
	}
}

// work looks after blocks and leases.
func (a *active) work() {
	epoch, safe := a.n.space.Epoch()
	switch {
	case epoch != a.epoch:
	case safe:
		a.slow = a.hellos > 1
		a.leaveSafeMode()
	default:
		a.place()
		a.closeAbandoned()
	}
}

// leaveSafeMode ends safe mode once every block was reported by somebody, or
// when most nodes have reported and the others take too long.
func (a *active) leaveSafeMode() {
	most := 0
	for i := range a.reports {
		if a.reports[i].at != 0 {
			most++
		}
	}
	waited := a.n.env.Mono()-a.since > safeLimit
	if a.moving || 2*most <= len(a.reports) || !waited && !a.allReported() {
		return
	}
	if a.slow {
		actor.Sometimes(a.n.env, factSafe)
	}
	a.moving = true
	a.n.submit(&namespace.Command{Kind: namespace.Leave, Epoch: a.epoch}, func(*namespace.Answer, request.Code) { a.moving = false })
}

func (a *active) allReported() bool {
	for _, b := range a.n.space.Blocks() {
		if !b.Open && len(a.holders(b)) == 0 {
			return false
		}
	}
	return true
}

// holders returns the nodes that have a block as it is to be, as far as was
// heard lately.
func (a *active) holders(b *namespace.Block) (nodes []actor.NodeID) {
	for i := range a.reports {
		if a.present(actor.NodeID(i)) && a.good(b, a.reports[i].held) {
			nodes = append(nodes, actor.NodeID(i))
		}
	}
	return nodes
}

// good reports whether a node that made a report has a block as it is to be.
func (a *active) good(b *namespace.Block, held map[uint64]held) bool {
	h, has := held[b.ID]
	if a.n.cfg.Bugs[FS6] {
		return has
	}
	return has && h.stamp == b.Stamp && h.length >= b.Length
}

// present reports whether a data node reported lately.
func (a *active) present(id actor.NodeID) bool {
	at := a.reports[id].at
	return at != 0 && a.n.env.Mono()-at < deadAfter
}

// place has the namespace know where blocks are, and has blocks copied of which
// there are too few replicas.
func (a *active) place() {
	if a.moving || a.n.env.Mono()-a.since < deadAfter {
		return // who is silent may not have been heard yet
	}
	var changes []namespace.Change
	want := min(a.n.cfg.Replication, a.n.env.Nodes())
	for _, b := range a.n.space.Blocks() {
		if b.Open {
			continue
		}
		holders := a.holders(b)
		for _, id := range b.Nodes {
			if a.lacks(id, b) {
				changes = append(changes, namespace.Change{Block: b.ID, Stamp: b.Stamp, Node: id})
			}
		}
		for _, id := range holders {
			if !slices.Contains(b.Nodes, id) && len(b.Nodes) < want {
				changes = append(changes, namespace.Change{Block: b.ID, Stamp: b.Stamp, Node: id, Add: true})
			}
		}
		if len(holders) < want {
			a.copy(b, holders)
		}
	}
	if len(changes) == 0 {
		return
	}
	a.moving = true
	a.n.submit(&namespace.Command{Kind: namespace.Move, Epoch: a.epoch, Changes: changes}, func(*namespace.Answer, request.Code) { a.moving = false })
}

// lacks reports whether a node does not hold a block that it is to hold: it is
// gone, or said so twice.
func (a *active) lacks(id actor.NodeID, b *namespace.Block) bool {
	r := &a.reports[id]
	return !a.present(id) || r.before != nil && !a.good(b, r.held) && !a.good(b, r.before)
}

// copy has a block copied to a node without it.
func (a *active) copy(b *namespace.Block, holders []actor.NodeID) {
	now := a.n.env.Mono()
	if len(holders) == 0 || a.copies[b.ID] > now {
		return
	}
	start := int(b.ID)
	for i := range a.reports {
		to := actor.NodeID((start + i) % len(a.reports))
		if a.present(to) && !slices.Contains(holders, to) {
			a.copies[b.ID] = now + copyLimit
			from := holders[start%len(holders)]
			a.n.send(from, &message{kind: msgCopy, epoch: a.epoch, block: b.ID, stamp: b.Stamp, length: b.Length, nodes: []actor.NodeID{to}})
			return
		}
	}
}

// dropUnneeded tells a node which of its replicas are of blocks that are no
// more, stale, or one too many.
func (a *active) dropUnneeded(from actor.NodeID, m *message) {
	order := &message{kind: msgDrop, epoch: a.epoch, offset: m.offset}
	for _, h := range m.list {
		b, known := a.n.space.Block(h.block)
		switch {
		case !known || b != nil && b.Open:
		case b == nil, a.surplus(from, b):
			order.list = append(order.list, h)
		case h.stamp < b.Stamp && !a.n.cfg.Bugs[FS6]:
			actor.Sometimes(a.n.env, factStale)
			order.list = append(order.list, h)
		}
	}
	if len(order.list) > 0 {
		a.n.send(from, order)
	}
}

// surplus reports whether a node has a replica that is not counted on.
func (a *active) surplus(id actor.NodeID, b *namespace.Block) bool {
	if a.n.cfg.Bugs[FS5] {
		return len(a.holders(b)) > a.n.cfg.Replication
	}
	return !slices.Contains(b.Nodes, id) && len(b.Nodes) >= min(a.n.cfg.Replication, a.n.env.Nodes())
}

// closeAbandoned takes over the leases that nobody was seen to use for a while,
// and has their files closed.
func (a *active) closeAbandoned() {
	now := a.n.env.Mono()
	unused := map[uint64]int64{}
	for _, l := range a.n.space.Leases() {
		if slices.Contains(a.reports[l.Holder].tokens, l.Token) && a.present(l.Holder) {
			continue
		}
		since, was := a.unused[l.Token]
		if !was {
			since = now
		}
		unused[l.Token] = since
		if now-since > leaseLimit {
			a.n.reclaim(l.Name, l.Token)
		}
	}
	a.unused = unused
}

// reclaim takes over a lease in order to close its file.
func (n *node) reclaim(name string, token uint64) {
	if s := n.stream(name); !s.busy && s.token == 0 && len(s.jobs) == 0 {
		s.reclaims = true
		s.seize(token)
	}
}
