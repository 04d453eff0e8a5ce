package replog

import (
	"encoding/binary"
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// inbox holds the requests of a node and of its clients, until they are answered.
type inbox struct {
	next  uint64 // the tag of the next one
	open  []*pending
	lanes lanes
}

// pending is a request that this node has to see through.
type pending struct {
	client actor.RequestID                        // who waits for the answer, if done is nil
	done   func(answer []byte, code request.Code) // is told the answer
	tag    uint64                                 // by which the leader's answer finds it; from a random start, so that an answer from before a restart finds nothing
	data   []byte                                 // as it goes to the leader and into the log
	req    request.Request
	sent   bool  // a leader may have got it
	since  int64 // when it came
	again  int64 // when it is to be handed over anew
}

func newInbox(env actor.Env) inbox {
	return inbox{next: env.Choices("tag").Uint64(), lanes: newLanes(env)}
}

// Serve takes a request of a client. The answer, a code and what the machine
// says, goes to the client.
func (g *Group) Serve(id actor.RequestID, r request.Request) {
	if g.rn == nil {
		g.env.Reply(id, request.Answer(request.Unavailable, nil))
		return
	}
	g.accept(&pending{client: id, req: r})
}

// Submit has a command applied once by all machines. Done hears the answer of
// the machine, or that there is none: the code is Unavailable if the command was
// not applied and will not be, and Unknown if nobody can tell. It may be called
// before Submit returns.
func (g *Group) Submit(cmd []byte, done func(answer []byte, code request.Code)) {
	if g.rn == nil {
		done(nil, request.Unavailable)
		return
	}
	lane := g.inbox.lanes.take()
	g.accept(&pending{
		req: request.Request{Client: lane.client, Seq: lane.seq, Body: cmd},
		done: func(answer []byte, code request.Code) {
			g.inbox.lanes.free = append(g.inbox.lanes.free, lane)
			done(answer, code)
		},
	})
}

// Query reads from a state that has all that was answered anywhere before the
// call. Done is as in Submit.
func (g *Group) Query(query []byte, done func(answer []byte, code request.Code)) {
	if g.rn == nil {
		done(nil, request.Unavailable)
		return
	}
	g.accept(&pending{req: request.Request{ReadOnly: true, Body: query}, done: done})
}

// lanes name the commands that a node submits itself. A client may have one
// command under way at a time, so a node is as many clients as it has commands
// under way. They are numbered apart from all other clients, and anew in each
// life of the node.
type lanes struct {
	next uint64
	free []*lane
}

type lane struct{ client, seq uint64 }

func newLanes(env actor.Env) lanes { return lanes{next: 1<<63 | env.Choices("lane").Uint64()} }

// take returns a lane that nothing is under way in, with the next number.
func (l *lanes) take() *lane {
	if len(l.free) == 0 {
		l.next++
		return &lane{client: l.next | 1<<63, seq: 1}
	}
	last := len(l.free) - 1
	free := l.free[last]
	l.free = l.free[:last]
	free.seq++
	return free
}

// accept takes a request, and hands it over if there is a leader.
func (g *Group) accept(p *pending) {
	p.tag, p.since = g.inbox.next, g.env.Mono()
	p.data = p.req.AppendTo(make([]byte, 0, len(p.req.Body)+12))
	g.inbox.next++
	g.inbox.open = append(g.inbox.open, p)
	g.handOver(p)
	g.due.requests = min(g.due.requests, p.limit())
	g.advance()
}

// limit is when something has to be done about a request.
func (p *pending) limit() int64 { return min(p.expiry(), p.again) }

// expiry is when a request has waited long enough.
func (p *pending) expiry() int64 {
	if p.sent {
		return p.since + requestLimit
	}
	return p.since + leaderWait
}

// handOver gives a request to the leader, if one is known. That it may be the
// second time does no harm: a command is known by its name.
func (g *Group) handOver(p *pending) {
	switch {
	case g.lead == 0:
		p.again = never
	case g.Leading():
		p.again = never
		p.sent = g.serve(waiter{node: g.env.Self(), tag: p.tag}, p.req, p.data) || p.sent
	default:
		p.again = g.env.Mono() + resendEvery
		p.sent = true
		g.env.Send(actor.NodeID(g.lead-1), appendForward(p.tag, p.data))
	}
}

// resendIfLed hands all open requests to a leader that has just become known.
func (g *Group) resendIfLed() {
	if !g.resend || g.lead == 0 {
		return
	}
	g.resend = false
	for _, p := range slices.Clone(g.inbox.open) {
		g.handOver(p)
		g.due.requests = min(g.due.requests, p.limit())
	}
}

// expire answers requests that have waited too long: those that never left
// this node definitely, and the others with what is known of them. It hands
// over anew those that the leader should have answered by now.
func (g *Group) expire(now int64) {
	if now < g.due.requests {
		return
	}
	g.due.requests = never
	for _, p := range slices.Clone(g.inbox.open) {
		if now >= p.expiry() {
			g.close(p.tag, outcome{code: p.lost(g.cfg.Definite)})
			continue
		}
		if now >= p.again {
			g.handOver(p)
		}
		g.due.requests = min(g.due.requests, p.limit())
	}
}

// lost says how a request ended that nobody has answered.
func (p *pending) lost(definite bool) request.Code {
	if p.sent && !p.req.ReadOnly && !definite {
		return request.Unknown
	}
	return request.Unavailable
}

// close answers an open request. An answer that finds none came too late, or twice.
func (g *Group) close(tag uint64, o outcome) {
	for i, p := range g.inbox.open {
		if p.tag != tag {
			continue
		}
		g.inbox.open = append(g.inbox.open[:i], g.inbox.open[i+1:]...)
		if p.done != nil {
			p.done(o.answer, o.code)
		} else {
			g.env.Reply(p.client, request.Answer(o.code, o.answer))
		}
		return
	}
}

// appendForward writes a request on its way to the leader.
func appendForward(tag uint64, data []byte) []byte {
	b := append(make([]byte, 0, 9+len(data)), wireForward)
	return append(binary.LittleEndian.AppendUint64(b, tag), data...)
}

// forwarded takes a request of another node's client. A node that does not
// lead says nothing: the sender will learn of the next leader and ask that.
func (g *Group) forwarded(from actor.NodeID, b []byte) {
	if !g.Leading() || len(b) < 8 {
		return
	}
	data := b[8:]
	req, err := request.Parse(data)
	if err != nil {
		g.env.Logf("%s: dropped a request of %v that cannot be read: %v", g.cfg.Name, from, err)
		return
	}
	g.serve(waiter{node: from, tag: binary.LittleEndian.Uint64(b)}, req, data)
}

// answered takes the leader's answer to a request of this node.
func (g *Group) answered(b []byte) {
	if len(b) >= 9 {
		g.close(binary.LittleEndian.Uint64(b), outcome{request.Code(b[8]), b[9:]})
	}
}

// leadWork is what a leader has to answer. It is forgotten when the node leads
// no longer, so that nothing of one term is ever answered in another.
type leadWork struct {
	writes map[name]waiter // proposed and not applied yet
	reads  []read          // not yet begun
	asked  []read          // a quorum is being asked whether this node still leads
	round  uint64          // of the last time that it was asked; never used twice
	since  int64           // when that was, by the clock of the lease
	until  int64           // when the lease ends
	ready  []read          // confirmed: to be answered once index is applied
	index  uint64          // up to which ready has to wait
}

// waiter is who waits for an answer.
type waiter struct {
	node actor.NodeID
	tag  uint64
}

type read struct {
	who   waiter
	query []byte
}

// serve does a request as the leader. It reports whether it may take effect.
func (g *Group) serve(w waiter, req request.Request, data []byte) bool {
	if req.ReadOnly {
		if g.cfg.LocalReads {
			g.answerRead(read{w, req.Body})
			return true
		}
		g.led.reads = append(g.led.reads, read{w, req.Body})
		return true
	}
	who := nameOf(req)
	if o, known := g.state.sessions.lookup(who); known {
		actor.Sometimes(g.env, factRetry)
		g.reply(w, o)
		return true
	}
	if _, proposed := g.led.writes[who]; !proposed {
		if g.tell().Propose(data) != nil {
			return false
		}
	}
	if g.led.writes == nil {
		g.led.writes = make(map[name]waiter)
	}
	g.led.writes[who] = w
	return true
}

// reply answers a request, over the network if it came that way.
func (g *Group) reply(w waiter, o outcome) {
	if w.node == g.env.Self() {
		g.close(w.tag, o)
		return
	}
	b := append(make([]byte, 0, 10+len(o.answer)), wireAnswer)
	b = append(binary.LittleEndian.AppendUint64(b, w.tag), byte(o.code))
	g.env.Send(w.node, append(b, o.answer...))
}

// askReads has Raft find out for all waiting reads at once whether this node
// still leads. Reads that come meanwhile are for the next round, since the
// quorum's answer may be older than they are.
func (g *Group) askReads() {
	l := &g.led
	if !g.Leading() || len(l.reads) == 0 {
		return
	}
	if g.cfg.Lease != NoLease && g.leaseClock() < l.until {
		l.ready, l.reads = append(l.ready, l.reads...), nil
		return
	}
	if len(l.asked) > 0 {
		g.noteQueued()
		return
	}
	l.asked, l.reads = l.reads, nil
	l.round++
	l.since = g.leaseClock()
	g.tell().ReadIndex(binary.LittleEndian.AppendUint64(nil, l.round))
}

// noteQueued says that reads wait for the next round, if it has not just said so.
func (g *Group) noteQueued() {
	now := g.env.Mono()
	if g.queued != 0 && now-g.queued < noteEvery {
		return
	}
	g.queued = now
	actor.Sometimes(g.env, factQueued)
}

// leaseClock reads the clock by which leases are measured.
func (g *Group) leaseClock() int64 {
	if g.cfg.Lease == WallLease {
		return g.env.Wall()
	}
	return 0
}

// confirm takes the quorum's answer for the reads under way.
func (l *leadWork) confirm(states []raft.ReadState) {
	for _, s := range states {
		if len(l.asked) > 0 && binary.LittleEndian.Uint64(s.RequestCtx) == l.round {
			l.ready, l.asked = append(l.ready, l.asked...), nil
			l.index = max(l.index, s.Index)
			l.until = l.since + electionBase
		}
	}
}

// answerReads answers confirmed reads once all is applied that was committed when
// they were confirmed. It reports whether there were any.
func (g *Group) answerReads() bool {
	if len(g.led.ready) == 0 || g.state.applied < g.led.index {
		return false
	}
	ready := g.led.ready
	g.led.ready = nil
	for _, r := range ready {
		g.answerRead(r)
	}
	return true
}

func (g *Group) answerRead(r read) {
	g.reply(r.who, outcome{request.OK, g.state.machine.Read(r.query)})
}
