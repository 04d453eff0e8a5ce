package ap

import (
	"math/bits"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// Times of a write, on the monotonic clock.
const (
	// standInAfter is how long a node has to store an entry before the next
	// one on the ring is asked to stand in.
	standInAfter = 50 * ms
	// writeRounds is how often that is repeated before the write is given up.
	writeRounds = 8
)

// write is a write that the node coordinates.
type write struct {
	id      uint64
	entry   entry
	code    kv.Code // how it ended, 0 before
	waiting []actor.RequestID

	shard  int
	rounds int
	done   bool           // all owners are served, or it was given up
	used   nodeSet        // nodes that were asked
	stored nodeSet        // nodes that have it on disk
	stands []actor.NodeID // for each owner who stands in, or nobody
}

// put stamps a value or a tombstone and sends it to the owners. A request that
// was seen before joins the write that it had begun.
func (n *node) put(req actor.RequestID, r kv.Request) {
	name := requestName{r.Client, r.Seq}
	if w := n.recent.get(name); w != nil {
		n.join(w, req)
		return
	}
	shard := n.ring.shardOf(r.Key)
	if n.copies(shard, n.alive()) < n.cfg.W {
		n.reply(req, kv.Response{Code: kv.Unavailable})
		return
	}
	e := entry{key: r.Key, ver: n.stampWrite(), dead: r.Op == kv.Delete}
	if !e.dead {
		e.value = r.Value
	}
	n.ids++
	w := &write{id: n.ids, entry: e, waiting: []actor.RequestID{req}, shard: shard}
	n.recent.add(name, w)
	n.clock.await(e.ver.at, func() { n.spread(w) })
}

func (n *node) join(w *write, req actor.RequestID) {
	if w.code != 0 {
		n.reply(req, kv.Response{Code: w.code})
		return
	}
	w.waiting = append(w.waiting, req)
}

// stampWrite returns the version of a new write.
func (n *node) stampWrite() version {
	if n.cfg.Bugs.has(wallStamps) {
		return version{at: wallStamp(n.env.Wall()), node: n.self}
	}
	v := n.clock.next()
	if v.at > wallStamp(n.env.Wall()) {
		n.note(factAhead)
	}
	return v
}

// spread sends the entry to all owners, and at once to stand-ins of those that
// are suspected.
func (n *node) spread(w *write) {
	n.writes[w.id] = w
	owners := n.ring.walks[w.shard][:n.cfg.N]
	w.stands = make([]actor.NodeID, len(owners))
	for i := range w.stands {
		w.stands[i] = nobody
	}
	alive := n.alive()
	n.sendEntry(w, owners, nobody)
	for i, owner := range owners {
		if !alive.has(owner) {
			n.standIn(w, i, alive)
		}
	}
	n.timers.Set(n.env.Mono()+standInAfter, w)
}

// sendEntry asks nodes to store the entry, for the node that hint may name.
func (n *node) sendEntry(w *write, to []actor.NodeID, hint actor.NodeID) {
	m := storeMsg{id: w.id, hint: hint, entries: []entry{w.entry}}
	var msg []byte
	for _, id := range to {
		w.used.add(id)
		if id == n.self {
			n.store(id, &m)
			continue
		}
		if msg == nil {
			msg = m.append(make([]byte, 0, 32+w.entry.size()))
		}
		n.env.Send(id, msg)
	}
}

// standIn asks the next node of the walk to store the entry for owner i. Nodes
// that are suspected are asked only as long as the quorum is not there.
func (n *node) standIn(w *write, i int, alive nodeSet) {
	walk := n.ring.walks[w.shard]
	next := nobody
	for _, id := range walk[n.cfg.N:] {
		if w.used.has(id) {
			continue
		}
		if alive.has(id) {
			next = id
			break
		}
		if next == nobody && w.code == 0 {
			next = id
		}
	}
	if next == nobody {
		return
	}
	w.stands[i] = next
	n.sendEntry(w, []actor.NodeID{next}, walk[i])
}

// again repeats the question to an owner that should have answered.
func (n *node) again(w *write, i int, alive nodeSet) {
	if owner := n.ring.walks[w.shard][i]; owner != n.self && alive.has(owner) {
		n.sendEntry(w, []actor.NodeID{owner}, nobody)
	}
}

// acked notes that a node has stored what it was sent under an id.
func (n *node) acked(from actor.NodeID, id uint64) {
	w := n.writes[id]
	if w == nil {
		if r := n.reads[id]; r != nil {
			n.written(r, from)
			return
		}
		n.handedOver(from, id)
		return
	}
	w.stored.add(from)
	if w.code == 0 && n.copies(w.shard, w.stored) >= n.cfg.W {
		n.finishWrite(w, kv.OK)
	}
	if n.missing(w) == 0 {
		n.endWrite(w)
	}
}

// copies returns how many of the nodes count towards the quorum of a write.
func (n *node) copies(shard int, nodes nodeSet) int {
	if n.cfg.Bugs.has(standInsCount) {
		return bits.OnesCount64(uint64(nodes))
	}
	return n.counted(shard, nodes)
}

// counted returns how many of the nodes count towards a quorum of a shard: only
// owners, if quorums are strict.
func (n *node) counted(shard int, nodes nodeSet) int {
	if n.cfg.Strict {
		nodes &= n.ring.owners[shard]
	}
	return bits.OnesCount64(uint64(nodes))
}

// missing counts the owners that neither have the entry nor a stand-in with it.
func (n *node) missing(w *write) int {
	missing := 0
	for i, stand := range w.stands {
		if !n.covered(w, i, stand) {
			missing++
		}
	}
	return missing
}

func (n *node) covered(w *write, i int, stand actor.NodeID) bool {
	return w.stored.has(n.ring.walks[w.shard][i]) || stand != nobody && w.stored.has(stand)
}

func (n *node) endWrite(w *write) {
	w.done = true
	delete(n.writes, w.id)
}

// Over implements [timers.Alarm].
func (w *write) Over() bool { return w.done }

// Ring implements [timers.Alarm]: owners that did not answer get the next stand-in.
func (w *write) Ring(n *node) {
	if w.rounds++; w.rounds > writeRounds {
		n.endWrite(w)
		if w.code == 0 {
			n.note(factGivenUp)
		}
		n.finishWrite(w, n.verdict())
		return
	}
	alive := n.alive()
	for i, stand := range w.stands {
		if !n.covered(w, i, stand) {
			n.again(w, i, alive)
			n.standIn(w, i, alive)
		}
	}
	n.timers.Set(n.env.Mono()+standInAfter, w)
}

// verdict is how a write ends that was given up: copies of it may be anywhere.
func (n *node) verdict() kv.Code {
	if n.cfg.Bugs.has(falseFailure) {
		return kv.Unavailable
	}
	return kv.Unknown
}

// finishWrite answers all requests that wait for the write, once.
func (n *node) finishWrite(w *write, code kv.Code) {
	if w.code != 0 {
		return
	}
	w.code = code
	for _, req := range w.waiting {
		n.reply(req, kv.Response{Code: code})
	}
	w.waiting = nil
}

// requestName names a client's request for good.
type requestName struct{ client, seq uint64 }

// recentSize is how many writes a coordinator remembers.
const recentSize = 1024

// recent holds the writes that a coordinator began last, by their requests.
type recent struct {
	writes map[requestName]*write
	order  []requestName // a ring buffer
	next   int
}

func newRecent() recent { return recent{writes: make(map[requestName]*write)} }

func (r *recent) get(name requestName) *write { return r.writes[name] }

// add remembers a write in place of the oldest one.
func (r *recent) add(name requestName, w *write) {
	r.writes[name] = w
	if len(r.order) < recentSize {
		r.order = append(r.order, name)
		return
	}
	delete(r.writes, r.order[r.next])
	r.order[r.next] = name
	r.next = (r.next + 1) % recentSize
}
