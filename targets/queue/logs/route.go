package logs

import (
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// call is a send of a client of this node, until it is answered.
type call struct {
	id    actor.RequestID
	tag   uint64
	part  int
	msg   record
	since int64
	open  []uint64 // epochs whose leaders may have got it and have not refused it
	over  bool
}

// serveSend takes a client's message.
func (n *node) serveSend(id actor.RequestID, body []byte) {
	d := wire.NewDecoder(body)
	c := &call{id: id, part: small(d), msg: readRecord(d), since: n.env.Mono()}
	switch {
	case d.Done() != nil || !n.inRange(c.part) || c.msg.kind > inTxn:
		n.answer(id, request.BadRequest, nil)
		return
	case !n.ready || n.failed:
		n.answer(id, request.Unavailable, nil)
		return
	}
	n.tags++
	c.tag = n.tags
	n.calls[c.tag] = c
	c.Ring(n)
}

// reroute hands the open sends over whose partitions have another leader.
func (n *node) reroute() {
	for _, tag := range slices.Sorted(maps.Keys(n.calls)) {
		if c := n.calls[tag]; c != nil && !slices.Contains(c.open, n.meta.parts[c.part].epoch) {
			n.handOver(c)
		}
	}
}

// Over implements timers.Alarm.
func (c *call) Over() bool { return c.over }

// Ring implements timers.Alarm: it hands the message to the leader, for the
// first time or again, or gives up.
func (c *call) Ring(n *node) {
	now := n.env.Mono()
	switch {
	case len(c.open) == 0 && now-c.since >= routeWait:
		n.close(c, request.Unavailable, nil)
		return
	case now-c.since >= sendLimit:
		n.giveUp(c)
		return
	}
	n.handOver(c)
	if !c.over {
		n.timers.Set(now+min(resendEvery, c.since+sendLimit-now), c)
	}
}

// giveUp ends a send that a leader may have got.
func (n *node) giveUp(c *call) {
	if n.cfg.Bugs[Q11] {
		n.close(c, request.OK, wire.AppendUvarints([]byte{done}, 0))
		return
	}
	if n.cfg.Bugs[Q13] {
		n.close(c, request.Unavailable, nil)
		return
	}
	n.close(c, request.Unknown, nil)
}

// handOver gives a message to the leader of its partition, if that can be reached.
// That it may be the second time does no harm: the message has a number.
func (n *node) handOver(c *call) {
	part := &n.meta.parts[c.part]
	if part.leader == nobody || !n.peers.Connected(part.leader) {
		return
	}
	if !slices.Contains(c.open, part.epoch) {
		c.open = append(c.open, part.epoch)
	}
	m := send{c.tag, c.part, part.epoch, c.msg}
	if part.leader == n.self {
		n.sendFrom(n.self, m)
	} else {
		n.env.Send(part.leader, m.append(nil))
	}
	if n.cfg.Acks == AcksNone && !c.over {
		n.close(c, request.OK, []byte{done})
	}
}

// end tells a node how one of its sends has ended.
func (n *node) end(to actor.NodeID, m sent) {
	if to == n.self {
		n.sent(m)
		return
	}
	n.env.Send(to, m.append(nil))
}

// sent takes a leader's word on a send. A refusal ends it only if no other leader
// may have got it.
func (n *node) sent(m sent) {
	c := n.calls[m.tag]
	if c == nil {
		return
	}
	if m.how == acked {
		n.close(c, request.OK, wire.AppendUvarints([]byte{done}, uint64(m.offset)))
		return
	}
	c.open = slices.DeleteFunc(c.open, func(e uint64) bool { return e == m.epoch })
	switch {
	case len(c.open) > 0:
	case m.how == late:
		n.close(c, request.OK, []byte{fenced})
	default:
		n.close(c, request.Unavailable, nil)
	}
}

func (n *node) close(c *call, code request.Code, body []byte) {
	c.over = true
	delete(n.calls, c.tag)
	n.answer(c.id, code, body)
}

// ask is a poll of a client of this node, until it is answered.
type ask struct {
	id      actor.RequestID
	tag     uint64
	who     membership
	commits bool // what it polled before is done
	most    int
	wants   []position
	got     []polled
	since   int64
	over    bool
}

// servePoll takes a client's poll.
func (n *node) servePoll(id actor.RequestID, body []byte) {
	d := wire.NewDecoder(body)
	a := &ask{id: id, who: readMembership(d), commits: d.Uvarint() == 1, most: small(d), wants: readPositions(d), since: n.env.Mono()}
	switch {
	case d.Done() != nil || slices.ContainsFunc(a.wants, func(p position) bool { return !n.inRange(p.part) }):
		n.answer(id, request.BadRequest, nil)
		return
	case !n.ready || n.failed:
		n.answer(id, request.Unavailable, nil)
		return
	}
	if a.who.group != "" {
		n.patrol.seen[a.who.member] = a.since
		if a.commits && !n.cfg.Bugs[Q5] {
			n.autoCommit(a.who, a.wants)
		}
	}
	n.tags++
	a.tag = n.tags
	n.asks[a.tag] = a
	a.Ring(n)
}

// autoCommit commits what a member of a group is done with.
func (n *node) autoCommit(who membership, upTo []position) {
	g := n.meta.group(who.group)
	if g == nil || !slices.ContainsFunc(upTo, func(p position) bool { return g.offsets[p.part] < p.offset }) {
		return
	}
	n.submit(commitCommand(who, upTo), func(bool) {})
}

// Over implements timers.Alarm.
func (a *ask) Over() bool { return a.over }

// Ring implements timers.Alarm: it asks the leaders that have not answered yet.
func (a *ask) Ring(n *node) {
	now := n.env.Mono()
	if now-a.since >= pollLimit || len(a.got) == len(a.wants) {
		n.finish(a)
		return
	}
	for _, w := range a.wants {
		leader := n.meta.parts[w.part].leader
		if a.has(w.part) || leader == nobody || !n.peers.Connected(leader) {
			continue
		}
		m := poll{a.tag, w.part, w.offset, a.most}
		if leader == n.self {
			n.pollFrom(n.self, m)
		} else {
			n.env.Send(leader, m.append(nil))
		}
	}
	if !a.over {
		n.timers.Set(now+min(resendEvery, a.since+pollLimit-now), a)
	}
}

func (a *ask) has(part int) bool {
	return slices.ContainsFunc(a.got, func(p polled) bool { return p.part == part })
}

// pollFrom answers a consumer with what it may see: what is committed, of
// transactions that have.
func (n *node) pollFrom(from actor.NodeID, m poll) {
	if !n.inRange(m.part) || n.held[m.part] == nil || !n.held[m.part].leading || m.from < 0 {
		return
	}
	l := n.held[m.part]
	end := l.stable(l.high)
	switch {
	case n.cfg.Bugs[Q6]:
		end = l.high
	case n.cfg.Bugs[Q15]:
		end = l.stable(l.next)
	}
	a := polled{tag: m.tag, part: m.part}
	if m.from == fromEnd {
		a.next = end
	} else {
		var list []record
		list, a.next = l.read(m.from, end, m.most)
		for _, r := range list {
			a.messages = append(a.messages, message{r.offset, r.key, r.value})
		}
	}
	a.end = a.next == l.next && l.high == l.next
	if from == n.self {
		n.polled(a)
		return
	}
	n.env.Send(from, a.append(nil))
}

// polled takes a leader's answer.
func (n *node) polled(m polled) {
	a := n.asks[m.tag]
	if a == nil || a.has(m.part) || !slices.ContainsFunc(a.wants, func(p position) bool { return p.part == m.part }) {
		return
	}
	a.got = append(a.got, m)
	if len(a.got) == len(a.wants) {
		n.finish(a)
	}
}

// finish answers a poll with what has come.
func (n *node) finish(a *ask) {
	a.over = true
	delete(n.asks, a.tag)
	if len(a.got) == 0 && len(a.wants) > 0 {
		n.answer(a.id, request.Unavailable, nil)
		return
	}
	body := wire.AppendUvarints([]byte{done}, uint64(len(a.got)))
	for _, p := range a.got {
		body = p.appendAnswer(body)
	}
	if n.cfg.Bugs[Q5] && a.who.group != "" {
		n.submit(commitCommand(a.who, a.ends()), func(bool) { n.answer(a.id, request.OK, body) })
		return
	}
	n.answer(a.id, request.OK, body)
}

// ends returns where the poll leaves its member.
func (a *ask) ends() []position {
	var list []position
	for _, p := range a.got {
		list = append(list, position{p.part, p.next})
	}
	return list
}
