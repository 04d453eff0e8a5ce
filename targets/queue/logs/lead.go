package logs

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// leadership is what the leader of a partition remembers, for one epoch.
type leadership struct {
	leading   bool
	epoch     uint64 // in force, whoever leads
	version   uint64 // of the metadata of the partition
	start     int64  // where the log ended when the epoch began
	followers []follower
	joining   []actor.NodeID // they may be in the ISR, for all the leader knows
	altering  bool           // a change of the ISR is under way
	waiting   []waiter       // sends that are to be acknowledged, by offset
	early     []arrival      // sends of transactions that the metadata do not know yet
	denied    map[uint64]writer
}

// follower is what a leader knows of a replica.
type follower struct {
	synced int64 // it has all below on disk
	atEnd  int64 // when it was known to have reached the end of the log
	end    int64 // where the log ended when it asked last,
	asked  int64 // and when that was
	parked *fetch
}

// waiter is a node that waits for a message to be acknowledged.
type waiter struct {
	to     actor.NodeID
	tag    uint64
	offset int64
}

// arrival is a send that has come from a node.
type arrival struct {
	from actor.NodeID
	send
	at int64
}

// reconcile looks at what has become of all partitions in the metadata, and hands
// what waits for their leaders to those that they have now.
func (n *node) reconcile() {
	for p, l := range n.held {
		if l == nil {
			continue
		}
		part := &n.meta.parts[p]
		leading := part.leader == n.self && n.registered()
		if part.epoch != l.epoch || leading != l.leading || part.leader != l.leader {
			n.turn(l, part, leading)
		}
		if part.version != l.version {
			l.version, l.joining = part.version, nil
		}
		if l.leading {
			n.retryEarly(l)
			n.writeMarkers(l)
			n.advance(l)
		}
	}
	n.reroute()
}

// turn has a replica lead or follow.
func (n *node) turn(l *replica, part *partition, leading bool) {
	now := n.env.Mono()
	if len(l.waiting) > 0 {
		actor.Sometimes(n.env, factElection)
	}
	fresh := l.epoch == 0
	l.leadership = leadership{leading: leading, epoch: part.epoch, version: part.version}
	l.following = following{leader: part.leader, id: l.following.id + 1}
	if !leading {
		n.follow(l)
		return
	}
	if l.high < l.next {
		actor.Sometimes(n.env, factAhead)
	}
	if fresh && part.version > 0 && l.lastEpoch() == part.epoch-1 {
		actor.Sometimes(n.env, factAgain)
	}
	l.start, l.denied = l.next, map[uint64]writer{}
	l.followers = make([]follower, n.env.Nodes())
	for i := range l.followers {
		l.followers[i].atEnd = now
	}
	if n.cfg.Bugs[Q4] {
		l.writers = map[uint64]writer{}
	}
	n.env.Logf("leads %s in epoch %d from offset %d", n.cfg.PartitionName(l.part), l.epoch, l.start)
}

// sendFrom takes a message for a partition that this node leads in the epoch that
// is meant. Otherwise it says nothing: an earlier copy of the message may be in the
// log, and what becomes of that another leader will decide.
func (n *node) sendFrom(from actor.NodeID, m send) {
	if !n.inRange(m.part) || n.held[m.part] == nil {
		return
	}
	if l := n.held[m.part]; n.meant(l, m.epoch) {
		n.take(l, arrival{from, m, n.env.Mono()})
	}
}

// meant reports whether this node leads a partition in the epoch that somebody means.
func (n *node) meant(l *replica, epoch uint64) bool {
	if l.leading && epoch < l.epoch {
		actor.Sometimes(n.env, factOutdated)
	}
	return l.leading && epoch == l.epoch
}

// take appends a message, unless it is there already or must not be.
func (n *node) take(l *replica, a arrival) {
	r := a.msg
	if r.kind == inTxn {
		t, ok := n.meta.writes(r.txn, l.part)
		_, over := l.ended[t]
		switch {
		case over || n.meta.over(r.txn):
			actor.Sometimes(n.env, factLate)
			n.end(a.from, sent{tag: a.tag, epoch: a.epoch, how: late})
			return
		case !ok:
			actor.Sometimes(n.env, factEarly)
			l.early = append(l.early, a)
			return
		}
		r.txn = t
	}
	if r.txn.id != 0 {
		if w, known := l.writers[r.txn.id]; known && n.repeats(l, a, w) {
			return
		}
		if d, known := l.denied[r.txn.id]; known && compareNumbers(r.txn.epoch, r.seq, d.epoch, d.seq) <= 0 {
			n.deny(l, a)
			return
		}
	}
	if !n.takes(l) {
		n.deny(l, a)
		return
	}
	r.offset, r.epoch = l.next, l.epoch
	n.store(l, r)
	n.acknowledge(l, a, r.offset)
	n.serveParked(l)
	n.advance(l)
}

// repeats reports whether a message is in the log already, by its number. One
// that is the last of its producer is acknowledged as it would have been; nobody
// waits for an older one.
func (n *node) repeats(l *replica, a arrival, w writer) bool {
	c := compareNumbers(a.msg.txn.epoch, a.msg.seq, w.epoch, w.seq)
	if c == 0 {
		actor.Sometimes(n.env, factDuplicate)
		n.acknowledge(l, a, w.offset)
		n.advance(l)
	}
	return c <= 0
}

// takes reports whether the leader may append messages of clients: what it could
// not commit it does not take.
func (n *node) takes(l *replica) bool {
	if n.cfg.Bugs[Q2] || n.cfg.Acks != AcksAll {
		return true
	}
	return n.enough(l) && n.env.Mono()-n.patrol.led < ownLimit
}

// enough reports whether the ISR has the size without which nothing is committed.
func (n *node) enough(l *replica) bool {
	return n.cfg.Bugs[Q2] || len(n.meta.parts[l.part].isr) >= n.cfg.minISR(n.env.Nodes())
}

// deny refuses a message for the rest of the epoch. That takes a memory: a copy
// of it may still be on its way. Messages without a number cannot be remembered.
func (n *node) deny(l *replica, a arrival) {
	t := a.msg.txn
	if t.id == 0 {
		return
	}
	if d := l.denied[t.id]; compareNumbers(t.epoch, a.msg.seq, d.epoch, d.seq) > 0 {
		l.denied[t.id] = writer{epoch: t.epoch, seq: a.msg.seq}
	}
	n.end(a.from, sent{tag: a.tag, epoch: a.epoch, how: denied})
}

// acknowledge has a message acknowledged in time.
func (n *node) acknowledge(l *replica, a arrival, offset int64) {
	if n.cfg.Acks != AcksNone {
		l.waiting = append(l.waiting, waiter{a.from, a.tag, offset})
	}
}

// retryEarly looks again at sends that came before the metadata said that their
// transactions may send here.
func (n *node) retryEarly(l *replica) {
	early := l.early
	l.early = nil
	for _, a := range early {
		if n.env.Mono()-a.at < sendLimit {
			n.take(l, a)
		}
	}
}

// writeMarkers writes how transactions have ended.
func (n *node) writeMarkers(l *replica) {
	wrote := false
	for _, e := range n.meta.ended {
		if _, has := l.ended[e.txn]; has || !slices.Contains(e.parts, l.part) {
			continue
		}
		r := record{offset: l.next, epoch: l.epoch, kind: aborted, txn: e.txn}
		if e.commit {
			r.kind = committed
		}
		n.store(l, r)
		wrote = true
	}
	if wrote {
		n.serveParked(l)
	}
}

// advance moves the high water mark up to what all in-sync replicas have on disk,
// and acknowledges what it passes.
func (n *node) advance(l *replica) {
	if !l.leading {
		return
	}
	if n.enough(l) {
		l.high = max(l.high, n.replicated(l))
	}
	if len(l.joining) > 0 && len(l.waiting) > 0 {
		actor.Sometimes(n.env, factHeld)
	}
	passed := l.high
	if n.cfg.Acks == AcksLeader {
		passed = l.synced
	}
	l.waiting = slices.DeleteFunc(l.waiting, func(w waiter) bool {
		if w.offset >= passed {
			return false
		}
		n.end(w.to, sent{tag: w.tag, epoch: l.epoch, how: acked, offset: w.offset})
		return true
	})
}

// replicated returns up to where all have the log who are in the ISR, or may be.
func (n *node) replicated(l *replica) int64 {
	all := l.synced
	for _, ids := range [][]actor.NodeID{n.meta.parts[l.part].isr, l.joining} {
		for _, id := range ids {
			if id == n.self || n.cfg.Bugs[Q2] && n.lags(l, id) {
				continue
			}
			all = min(all, l.followers[id].synced)
		}
	}
	return all
}

// lags reports whether a follower was not at the end of the log for too long.
func (n *node) lags(l *replica, id actor.NodeID) bool {
	return n.env.Mono()-l.followers[id].atEnd > lagLimit
}

// fetchFrom answers a follower, or keeps its question until there is an answer.
func (n *node) fetchFrom(from actor.NodeID, m fetch) {
	if !n.inRange(m.part) || n.held[m.part] == nil || !n.meant(n.held[m.part], m.epoch) {
		return
	}
	l, now := n.held[m.part], n.env.Mono()
	upTo, end := l.upTo(m.last)
	if m.next > l.first && (upTo != m.last || m.next > end) && !n.cfg.Bugs[Q8] {
		a := fetched{part: m.part, epoch: l.epoch, id: m.id, first: l.first, high: l.high, differs: true, upTo: upTo, end: end}
		n.env.Send(from, a.encode())
		return
	}
	f := &l.followers[from]
	f.synced = max(f.synced, min(m.next, l.next))
	switch {
	case m.next >= l.next:
		f.atEnd = now
	case m.next >= f.end && f.asked != 0:
		f.atEnd = max(f.atEnd, f.asked)
	}
	f.end, f.asked = l.next, now
	f.parked = &m
	n.advance(l)
	n.widen(l, from)
	if m.next < l.next {
		n.serveParked(l)
		return
	}
	n.timers.Set(now+fetchPark, parked{l, from, m})
}

// maxFetch is how many records a follower gets at once.
const maxFetch = 200

// serveParked answers the followers that lack something.
func (n *node) serveParked(l *replica) {
	for id := range l.followers {
		if f := &l.followers[id]; f.parked != nil && f.parked.next < l.next {
			n.answerFetch(l, actor.NodeID(id))
		}
	}
}

func (n *node) answerFetch(l *replica, id actor.NodeID) {
	m := l.followers[id].parked
	l.followers[id].parked = nil
	at := l.at(m.next)
	a := fetched{part: m.part, epoch: l.epoch, id: m.id, first: l.first, high: l.high, records: l.records[at:min(at+maxFetch, len(l.records))]}
	n.env.Send(id, a.encode())
}

// parked is the alarm of a fetch that the leader keeps.
type parked struct {
	l    *replica
	from actor.NodeID
	m    fetch
}

// Over implements timers.Alarm.
func (p parked) Over() bool {
	if !p.l.leading || p.l.epoch != p.m.epoch {
		return true
	}
	q := p.l.followers[p.from].parked
	return q == nil || q.id != p.m.id
}

// Ring implements timers.Alarm.
func (p parked) Ring(n *node) { n.answerFetch(p.l, p.from) }

// widen asks for a follower to be taken into the ISR if it has all that may have
// been committed: a new leader does not know how far that is, but that it was no
// further than its log when it was elected.
func (n *node) widen(l *replica, id actor.NodeID) {
	isr, synced := n.meta.parts[l.part].isr, l.followers[id].synced
	if l.altering || slices.Contains(isr, id) || !n.meta.brokers[id].alive || synced < l.high {
		return
	}
	if synced < l.start {
		actor.Sometimes(n.env, factBehind)
		return
	}
	actor.Sometimes(n.env, factJoining)
	l.joining = append(l.joining, id)
	n.alter(l, append(slices.Clone(isr), id))
}

// narrow asks for followers to be taken out of the ISR that lag.
func (n *node) narrow(l *replica) {
	isr := n.meta.parts[l.part].isr
	keep := slices.DeleteFunc(slices.Clone(isr), func(id actor.NodeID) bool { return id != n.self && n.lags(l, id) })
	if len(keep) < len(isr) && !l.altering {
		n.alter(l, keep)
	}
}

// alter asks the metadata for another ISR. Whether it gets it shows in them alone.
func (n *node) alter(l *replica, isr []actor.NodeID) {
	l.altering = true
	epoch, due, fact := l.epoch, l.version+1, factShrunk
	if len(isr) > len(n.meta.parts[l.part].isr) {
		fact = factGrew
	}
	n.submit(alterCommand(l.part, l.epoch, l.version, isr), func(ok bool) {
		if l.epoch == epoch {
			l.altering = false
		}
		if ok {
			actor.Sometimes(n.env, fact)
		}
		// The version tells of another change that came first or since: of a
		// follower that died, say.
		part := &n.meta.parts[l.part]
		if part.epoch == epoch && (part.version > due || !ok && part.version == due) {
			actor.Sometimes(n.env, factCrossed)
		}
	})
}
