package cp

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// requests are those of a node's own clients, until they are answered.
type requests struct {
	next uint64 // the tag of the next one
	open []*request
}

// request is one that a client of this node waits for.
type request struct {
	id    actor.RequestID
	tag   uint64 // by which the leader's answer finds it; from a random start, so that an answer from before a restart finds nothing
	data  []byte // as it goes to the leader and into the log
	body  kv.Request
	sent  bool  // a leader may have got it
	since int64 // when it came
	again int64 // when it is to be handed over anew
}

func newRequests(firstTag uint64) requests { return requests{next: firstTag} }

// readOnly reports whether a request changes nothing.
func readOnly(op kv.Op) bool { return op == kv.Get || op == kv.Keys }

// accept takes a request of a client, and hands it over if there is a leader.
func (n *node) accept(id actor.RequestID, body []byte) {
	req, err := kv.ParseRequest(body)
	if err != nil || req.Op < kv.Get || req.Op > kv.Keys {
		n.env.Reply(id, kv.Response{Code: kv.BadRequest}.AppendTo(nil))
		return
	}
	stamp := int64(0)
	if !readOnly(req.Op) {
		stamp = n.env.Wall()
	}
	r := &request{id: id, tag: n.inbox.next, body: req, since: n.env.Mono()}
	r.data = appendStamped(make([]byte, 0, len(body)+8), stamp, body)
	n.inbox.next++
	n.inbox.open = append(n.inbox.open, r)
	n.handOver(r)
	n.due.requests = min(n.due.requests, r.limit())
}

// limit is when something has to be done about a request.
func (r *request) limit() int64 { return min(r.expiry(), r.again) }

// expiry is when a request has waited long enough.
func (r *request) expiry() int64 {
	if r.sent {
		return r.since + requestLimit
	}
	return r.since + leaderWait
}

// handOver gives a request to the leader, if one is known. That it may be the
// second time does no harm: a write is known by its name.
func (n *node) handOver(r *request) {
	switch {
	case n.lead == 0:
		r.again = never
	case n.leading():
		r.again = never
		r.sent = n.serveOwn(r) || r.sent
	default:
		r.again = n.env.Mono() + resendEvery
		r.sent = true
		n.env.Send(actor.NodeID(n.lead-1), appendForward(r.tag, r.data))
	}
}

// serveOwn serves a request of this node's own client as the leader.
func (n *node) serveOwn(r *request) bool {
	return n.serve(waiter{node: n.env.Self(), tag: r.tag}, r.body, r.data)
}

// resendIfLed hands all open requests to a leader that has just become known.
func (n *node) resendIfLed() {
	if !n.resend || n.lead == 0 {
		return
	}
	n.resend = false
	for _, r := range slices.Clone(n.inbox.open) {
		n.handOver(r)
		n.due.requests = min(n.due.requests, r.limit())
	}
}

// expire answers requests that have waited too long: those that never left
// this node definitely, and the others with what is known of them. It hands
// over anew those that the leader should have answered by now.
func (n *node) expire(now int64) {
	if now < n.due.requests {
		return
	}
	n.due.requests = never
	for _, r := range slices.Clone(n.inbox.open) {
		if now >= r.expiry() {
			n.close(r.tag, kv.Response{Code: r.lost()}.AppendTo(nil))
			continue
		}
		if now >= r.again {
			n.handOver(r)
		}
		n.due.requests = min(n.due.requests, r.limit())
	}
}

// lost says how a request ended that nobody has answered.
func (r *request) lost() kv.Code {
	if r.sent && !readOnly(r.body.Op) {
		return kv.Unknown
	}
	return kv.Unavailable
}

// close answers an open request. An answer that finds none came too late, or twice.
func (n *node) close(tag uint64, resp []byte) {
	for i, r := range n.inbox.open {
		if r.tag == tag {
			n.inbox.open = append(n.inbox.open[:i], n.inbox.open[i+1:]...)
			n.env.Reply(r.id, resp)
			return
		}
	}
}

// appendForward writes a request on its way to the leader.
func appendForward(tag uint64, data []byte) []byte {
	b := append(make([]byte, 0, 9+len(data)), wireForward)
	return append(binary.LittleEndian.AppendUint64(b, tag), data...)
}

// forwarded takes a request of another node's client. A node that does not
// lead says nothing: the sender will learn of the next leader and ask that.
func (n *node) forwarded(from actor.NodeID, b []byte) {
	if !n.leading() || len(b) < 8 {
		return
	}
	data := b[8:]
	_, req, err := parseStamped(data)
	if err != nil {
		n.env.Logf("cp: dropped a request of %v that cannot be read: %v", from, err)
		return
	}
	n.serve(waiter{node: from, tag: binary.LittleEndian.Uint64(b)}, req, data)
}

// answered takes the leader's answer to a request of this node's client.
func (n *node) answered(b []byte) {
	if len(b) >= 8 {
		n.close(binary.LittleEndian.Uint64(b), b[8:])
	}
}

// leadWork is what a leader has to answer. It is forgotten when the node leads
// no longer, so that nothing of one term is ever answered in another.
type leadWork struct {
	writes map[name]waiter // proposed and not applied yet
	reads  []read          // not yet begun
	asked  []read          // a quorum is being asked whether this node still leads
	round  uint64          // of the last time that it was asked; never used twice
	ready  []read          // confirmed: to be answered once index is applied
	index  uint64          // up to which ready has to wait
}

// waiter is who waits for an answer.
type waiter struct {
	node actor.NodeID
	tag  uint64
}

type read struct {
	who waiter
	req kv.Request
}

// serve does a request as the leader. It reports whether it may take effect.
func (n *node) serve(w waiter, req kv.Request, data []byte) bool {
	if readOnly(req.Op) {
		if n.cfg.Bugs[CP1] {
			n.reply(w, n.machine.read(req))
			return true
		}
		n.led.reads = append(n.led.reads, read{w, req})
		return true
	}
	who := name{req.Client, req.Seq}
	if resp, known := n.machine.sessions.lookup(who); known {
		n.reply(w, resp)
		return true
	}
	if _, proposed := n.led.writes[who]; !proposed {
		if n.tell().Propose(data) != nil {
			return false
		}
	}
	if n.led.writes == nil {
		n.led.writes = make(map[name]waiter)
	}
	n.led.writes[who] = w
	return true
}

// reply answers a request, over the network if it came that way.
func (n *node) reply(w waiter, resp kv.Response) {
	if w.node == n.env.Self() {
		n.close(w.tag, resp.AppendTo(nil))
		return
	}
	b := append(make([]byte, 0, 16+len(resp.Value)), wireAnswer)
	n.env.Send(w.node, resp.AppendTo(binary.LittleEndian.AppendUint64(b, w.tag)))
}

// askReads has Raft find out for all waiting reads at once whether this node
// still leads. Reads that come meanwhile are for the next round, since the
// quorum's answer may be older than they are.
func (n *node) askReads() {
	l := &n.led
	if !n.leading() || len(l.reads) == 0 || len(l.asked) > 0 {
		return
	}
	l.asked, l.reads = l.reads, nil
	l.round++
	n.tell().ReadIndex(binary.LittleEndian.AppendUint64(nil, l.round))
}

// confirm takes the quorum's answer for the reads under way.
func (l *leadWork) confirm(states []raft.ReadState) {
	for _, s := range states {
		if len(l.asked) > 0 && binary.LittleEndian.Uint64(s.RequestCtx) == l.round {
			l.ready, l.asked = append(l.ready, l.asked...), nil
			l.index = max(l.index, s.Index)
		}
	}
}

// answerReads answers confirmed reads once all is applied that was committed when
// they were confirmed.
func (n *node) answerReads() {
	if len(n.led.ready) == 0 || n.machine.applied < n.led.index {
		return
	}
	ready := n.led.ready
	n.led.ready = nil
	for _, r := range ready {
		n.reply(r.who, n.machine.read(r.req))
	}
}
