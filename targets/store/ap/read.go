package ap

import (
	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// Times of a read after its start, on the monotonic clock.
const (
	hedgeAfter    = 25 * ms  // all owners are asked
	fallbackAfter = 60 * ms  // all nodes are asked
	settleAfter   = 100 * ms // any R answers with one of an owner will do
	readGiveUp    = 300 * ms // the read fails
)

// One read in repairChance asks all owners from the start and repairs those
// that are behind.
const repairChance = 8

// stage is how far a read has widened its search.
type stage uint8

const (
	stageFew    stage = iota // as many owners as needed
	stageOwners              // all owners
	stageAll                 // all nodes, and those that are up should answer
	stageAny                 // all nodes, and any will do with an owner among them
	stageOver                // given up
)

// after is when a stage begins, counted from the start.
var after = [...]int64{stageOwners: hedgeAfter, stageAll: fallbackAfter, stageAny: settleAfter, stageOver: readGiveUp}

// read is a read that the node coordinates.
type read struct {
	id    uint64
	req   actor.RequestID
	key   string
	shard int

	start   int64
	stage   stage
	asked   nodeSet
	got     nodeSet // who has answered
	best    *entry  // the newest entry so far
	stale   nodeSet // nodes whose answer is older than best
	given   nodeSet // nodes that were behind and have acknowledged best
	settled bool    // the answers suffice
	replied bool
	done    bool
}

// get gathers the entry of a key.
func (n *node) get(req actor.RequestID, key string) {
	alive, shard := n.alive(), n.ring.shardOf(key)
	if n.counted(shard, alive) < n.quorum(shard) {
		n.reply(req, kv.Response{Code: kv.Unavailable})
		return
	}
	n.ids++
	r := &read{id: n.ids, req: req, key: key, shard: shard, start: n.env.Mono()}
	n.reads[r.id] = r
	owners := n.ring.owners[r.shard]
	if n.repair.Chance(1, repairChance) {
		n.ask(r, owners)
	} else {
		n.ask(r, n.few(r.shard, n.quorum(r.shard), alive))
	}
	if !r.done {
		n.timers.Set(r.start+hedgeAfter, r)
	}
}

// quorum returns how many answers a read of a shard waits for.
func (n *node) quorum(shard int) int {
	if n.cfg.Bugs.has(localReads) && n.ring.owners[shard].has(n.self) {
		return 1
	}
	return n.cfg.R
}

// few returns some owners of a shard: the node itself if it is one, then those
// that are up, in order of preference. They may be fewer than asked for.
func (n *node) few(shard, count int, alive nodeSet) nodeSet {
	var s nodeSet
	if n.ring.owners[shard].has(n.self) {
		s.add(n.self)
		count--
	}
	for _, id := range n.ring.walks[shard][:n.cfg.N] {
		if count > 0 && id != n.self && alive.has(id) {
			s.add(id)
			count--
		}
	}
	return s
}

// ask asks those of the nodes that were not asked before.
func (n *node) ask(r *read, nodes nodeSet) {
	nodes &^= r.asked
	r.asked |= nodes
	var msg []byte
	for _, id := range n.ring.walks[r.shard] {
		if !nodes.has(id) || id == n.self {
			continue
		}
		if msg == nil {
			msg = readMsg{r.id, r.key}.append(make([]byte, 0, 16+len(r.key)))
		}
		n.env.Send(id, msg)
	}
	if nodes.has(n.self) {
		n.answer(r, n.self, n.lookup(r.key))
	}
}

// answered takes the answer of another node.
func (n *node) answered(from actor.NodeID, m *valueMsg) {
	if m.entry != nil {
		n.clock.hear(m.entry.ver.at)
	}
	if r := n.reads[m.id]; r != nil {
		n.answer(r, from, m.entry)
	}
}

func (n *node) answer(r *read, from actor.NodeID, e *entry) {
	if r.got.has(from) {
		return
	}
	switch c := compareEntries(e, r.best); {
	case c > 0 && r.settled && n.cfg.Strict: // what others were given stays the best
	case c > 0:
		kept := *e
		r.stale |= r.got
		r.best = &kept
	case c < 0:
		r.stale.add(from)
	}
	r.got.add(from)
	n.progress(r)
}

// compareEntries orders entries of one key of which nil is the oldest.
func compareEntries(e, f *entry) int {
	switch {
	case e != nil && f != nil:
		return e.compare(f)
	case e != nil:
		return 1
	case f != nil:
		return -1
	default:
		return 0
	}
}

// progress answers the client when it can be answered, and ends the read when
// all that were asked have answered.
func (n *node) progress(r *read) {
	if r.done {
		return
	}
	if !r.settled && n.enough(r.shard, r.got, r.asked, r.stage) {
		r.settled = true
		n.writeBack(r)
	}
	if r.settled && !r.replied && n.lasting(r) {
		n.replyRead(r)
	}
	if r.replied && !r.done && r.got == r.asked {
		n.finishRead(r)
	}
}

// enough reports whether the answers about a shard are what a read waits for: a
// quorum, and, once it took to asking nodes that own nothing, all of those that
// are up, for one of them may have stood in; or, after a while, those of any nodes,
// with an owner among them if one is up. An owner that is slow is not gone, and
// who owns nothing knows nothing of what it missed.
func (n *node) enough(shard int, got, asked nodeSet, at stage) bool {
	switch owners := n.ring.owners[shard]; {
	case n.counted(shard, got) < n.quorum(shard):
		return false
	case n.cfg.Strict:
		return true
	case at == stageAll:
		return asked&n.alive()&^got == 0
	case at == stageAny:
		return owners&got != 0 || owners&n.alive() == 0
	default:
		return true
	}
}

// lasting reports whether every later read is sure to find what this one
// returns, or something newer: with strict quorums, whether W owners hold it.
func (n *node) lasting(r *read) bool {
	if !n.cfg.Strict || r.best == nil || n.cfg.Bugs&(noWriteBack|localReads) != 0 {
		return true
	}
	return n.counted(r.shard, r.got&^r.stale|r.given) >= n.cfg.W
}

// writeBack has the owners that are not known to hold what the read returns
// store it, if too few do.
func (n *node) writeBack(r *read) {
	if n.lasting(r) {
		return
	}
	n.note(factWriteBack)
	behind := n.ring.owners[r.shard] &^ (r.got &^ r.stale) &^ r.given
	n.repairOwners(behind, storeMsg{id: r.id, hint: nobody, entries: []entry{n.repairing(r)}})
}

// written notes that an owner has stored what the read returns.
func (n *node) written(r *read, owner actor.NodeID) {
	r.given.add(owner)
	n.progress(r)
}

// replyRead answers the client as soon as the clock can no more fall behind
// what the client gets to see.
func (n *node) replyRead(r *read) {
	r.replied = true
	if r.best == nil {
		n.reply(r.req, kv.Response{Code: kv.NotFound})
		return
	}
	req, e := r.req, r.best
	n.clock.await(e.ver.at, func() {
		if e.dead {
			n.reply(req, kv.Response{Code: kv.NotFound})
		} else {
			n.reply(req, kv.Response{Code: kv.OK, Value: e.value})
		}
	})
}

// finishRead ends a read and repairs the owners that were found to be behind.
func (n *node) finishRead(r *read) {
	r.done = true
	delete(n.reads, r.id)
	if stale := r.stale &^ r.given & n.ring.owners[r.shard]; stale != 0 {
		n.note(factRepaired)
		n.repairOwners(stale, storeMsg{hint: nobody, entries: []entry{n.repairing(r)}})
	}
}

// repairing returns what a read spreads: what it found, as it is.
func (n *node) repairing(r *read) entry {
	e := *r.best
	if n.cfg.Bugs.has(restampRepairs) {
		e.ver = n.clock.next()
	}
	return e
}

func (n *node) repairOwners(stale nodeSet, m storeMsg) {
	msg := m.append(nil)
	for id := range actor.NodeID(n.env.Nodes()) {
		switch {
		case !stale.has(id):
		case id == n.self:
			n.store(id, &m)
		default:
			n.env.Send(id, msg)
		}
	}
}

// whom returns the nodes that are asked about a shard from a stage on.
func (n *node) whom(shard int, at stage) nodeSet {
	if at == stageOwners || n.cfg.Strict {
		return n.ring.owners[shard]
	}
	n.note(factEveryone)
	return n.everyone()
}

// everyone returns the set of all nodes.
func (n *node) everyone() nodeSet { return 1<<uint(n.env.Nodes()) - 1 }

// Over implements [timers.Alarm].
func (r *read) Over() bool { return r.done }

// Ring implements [timers.Alarm]: the read asks more nodes, or ends.
func (r *read) Ring(n *node) {
	if r.replied {
		n.finishRead(r) // whoever has not answered by now will not be repaired by this read
		return
	}
	r.stage++
	r.asked = r.got // questions and answers get lost, so whoever is silent is asked again
	if r.stage == stageOver {
		n.reply(r.req, kv.Response{Code: kv.Unavailable})
		r.replied = true
		n.finishRead(r)
		return
	}
	n.ask(r, n.whom(r.shard, r.stage))
	if r.settled {
		n.writeBack(r)
	}
	n.progress(r)
	if !r.done {
		n.timers.Set(r.start+after[r.stage+1], r)
	}
}
