package node

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// job is a client's request to write.
type job struct {
	req   actor.RequestID
	draft bool   // data are all that the file is to hold; else they are appended
	data  []byte // of at most blockSize bytes if they are appended: they go into one block
	begun bool   // somebody may come to see what was written
	over  bool   // the client was answered
}

// stream is this node as the writer of one file: the holder of its lease, or on
// the way to become it. It does one thing at a time.
type stream struct {
	n     *node
	name  string
	jobs  []*job
	busy  bool // waits for the name node, or for a recovery
	ended bool

	// The lease, while token is not 0.
	token    uint64
	draft    *job             // what is written as a draft, nil if the file is appended to
	left     []byte           // of it
	block    *namespace.Block // that is written, nil if the next one has yet to be asked for
	acked    uint64           // bytes of it
	flight   *packet          // under way down the pipeline
	clock    *alarm           // until the packet is sent again, or the lease is given up
	recalls  []recall         // who wants the lease
	reclaims bool             // the lease was taken over only to close the file
}

// packet is what goes down a pipeline at once.
type packet struct {
	data  []byte
	jobs  []*job // that are done with it; none if it is of a draft
	tries int
}

// recall is a node that asked for a lease.
type recall struct {
	node actor.NodeID
	id   uint64
}

// stream returns the stream of a file.
func (n *node) stream(name string) *stream {
	s := n.streams[name]
	if s == nil {
		s = &stream{n: n, name: name}
		n.streams[name] = s
	}
	return s
}

// write takes a request to write.
func (n *node) write(name string, j *job) {
	n.after(requestLimit, func() { n.expire(j) })
	s := n.stream(name)
	s.jobs = append(s.jobs, j)
	s.run()
}

// expire answers a request that waited too long: definitely, unless what it
// wrote may come to be seen.
func (n *node) expire(j *job) {
	if j.begun {
		n.finished(j, request.Unknown)
	} else {
		n.finished(j, request.Unavailable)
	}
}

func (n *node) finished(j *job, code request.Code) {
	if !j.over {
		j.over = true
		n.env.Reply(j.req, request.Answer(code, nil))
	}
}

// run does what is to be done next, unless something is under way.
func (s *stream) run() {
	s.jobs = slices.DeleteFunc(s.jobs, func(j *job) bool { return j.over })
	switch {
	case s.ended || s.busy || s.flight != nil:
	case s.token == 0 && len(s.jobs) == 0:
		s.end()
	case s.token == 0:
		s.open()
	case s.draft != nil && s.draft.over:
		s.lose() // whoever writes next takes the lease over
	case s.draft != nil && len(s.left) == 0:
		s.close()
	case s.draft == nil && (len(s.recalls) > 0 || s.reclaims && len(s.jobs) == 0 || len(s.jobs) > 0 && s.jobs[0].draft):
		s.close()
	case s.draft == nil && len(s.jobs) == 0:
		s.wait()
	default:
		s.next()
	}
}

// wait keeps the lease for a while, as somebody may want to append more.
func (s *stream) wait() {
	s.clock.stop()
	s.clock = s.n.after(idleLimit, func() {
		if len(s.jobs) == 0 {
			s.reclaims = true
			s.run()
		}
	})
	if s.block == nil {
		return
	}
	for _, to := range s.block.Nodes {
		s.n.send(to, &message{kind: msgKnown, block: s.block.ID, stamp: s.block.Stamp, length: s.acked})
	}
}

// next sends what fits into the block, or asks for another one.
func (s *stream) next() {
	if s.block == nil {
		s.another(&namespace.Command{Kind: namespace.Next})
		return
	}
	room := blockSize - int(s.acked)
	p := &packet{}
	if s.draft != nil {
		p.data = s.left[:min(room, len(s.left))]
	} else {
		for len(s.jobs) > 0 && !s.jobs[0].draft && len(p.data)+len(s.jobs[0].data) <= room {
			p.data = append(p.data, s.jobs[0].data...)
			p.jobs = append(p.jobs, s.jobs[0])
			s.jobs[0].begun = true
			s.jobs = s.jobs[1:]
		}
	}
	if len(p.data) == 0 {
		s.another(s.sealing(namespace.Next))
		return
	}
	s.flight = p
	s.transmit()
}

// transmit sends the packet under way, for the first time or again.
func (s *stream) transmit() {
	s.flight.tries++
	if s.flight.tries > maxTries {
		s.broken()
		return
	}
	s.clock.stop()
	s.clock = s.n.after(resendEvery, s.transmit)
	m := &message{kind: msgPacket, block: s.block.ID, stamp: s.block.Stamp, offset: s.acked, length: s.acked, nodes: s.block.Nodes, data: s.flight.data}
	s.n.send(s.block.Nodes[0], m)
}

// reached learns how much of the block is on the disks of the pipeline.
func (s *stream) reached(end uint64) {
	if p := s.flight; p != nil && !s.busy && end >= s.acked+uint64(len(p.data)) {
		s.acked = end
		s.arrived()
		s.run()
	}
}

// arrived ends the packet under way: all of it is on the disks.
func (s *stream) arrived() {
	s.clock.stop()
	p := s.flight
	s.flight = nil
	s.left = s.left[min(len(p.data), len(s.left)):]
	for _, j := range p.jobs {
		s.n.finished(j, request.OK)
	}
}

// do submits a step of the writer, and goes on when it is answered OK. If it is
// not, the lease is lost, and nobody may rely on what is under way.
func (s *stream) do(c *namespace.Command, then func(a *namespace.Answer)) {
	c.Name, c.Token = s.name, s.token
	s.submit(c, func(a *namespace.Answer, out request.Code) {
		if out != request.OK || a.Code != namespace.OK {
			s.lose()
			return
		}
		then(a)
	})
}

// submit submits a command, during which the stream is busy.
func (s *stream) submit(c *namespace.Command, then func(a *namespace.Answer, out request.Code)) {
	s.busy = true
	s.n.submit(c, func(a *namespace.Answer, out request.Code) {
		if s.ended {
			return
		}
		s.busy = false
		then(a, out)
	})
}

// sealing returns a command that seals the block that is written, besides.
func (s *stream) sealing(kind namespace.Kind) *namespace.Command {
	c := &namespace.Command{Kind: kind}
	if s.block != nil {
		c.Block, c.Stamp, c.Length = s.block.ID, s.block.Stamp, s.acked
	}
	return c
}

// another asks for the next block.
func (s *stream) another(c *namespace.Command) {
	c.Nodes = s.n.choose()
	s.do(c, func(a *namespace.Answer) {
		s.take(a.Block)
		s.run()
	})
}

// take begins to write a block.
func (s *stream) take(b *namespace.Block) {
	if s.block != nil {
		delete(s.n.writers, s.block.ID)
	}
	s.block, s.acked = b, 0
	if b != nil {
		s.n.writers[b.ID] = s
	}
}

// open asks for the lease.
func (s *stream) open() {
	j := s.jobs[0]
	c := &namespace.Command{Kind: namespace.Open, Name: s.name, Draft: j.draft, Holder: s.n.self, Nodes: s.n.choose()}
	s.submit(c, func(a *namespace.Answer, out request.Code) {
		switch {
		case out != request.OK:
			s.lose()
		case a.Code == namespace.OK:
			s.token, s.draft = a.Token, nil
			s.take(a.Block)
			if j.draft {
				s.draft, s.left, s.jobs = j, j.data, slices.DeleteFunc(s.jobs, func(k *job) bool { return k == j })
			}
			s.run()
		case a.Code == namespace.Leased:
			s.ask(a)
		default: // safe mode, which ends soon
			s.later()
		}
	})
}

// later has the stream go on in a moment.
func (s *stream) later() {
	s.busy = true
	s.n.after(pauseABit, func() {
		s.busy = false
		s.run()
	})
}

// ask asks the holder of the lease to give it up. A holder that does not answer,
// or does not know of its lease, loses it.
func (s *stream) ask(a *namespace.Answer) {
	if a.Holder == s.n.self || !s.n.peers.Alive(a.Holder) {
		s.seize(a.Token)
		return
	}
	s.busy = true
	id := s.n.expect(yieldLimit, func(m *message) {
		s.busy = false
		if m != nil && m.flag {
			s.run()
		} else {
			s.seize(a.Token)
		}
	})
	s.n.send(a.Holder, &message{kind: msgYield, id: id, stamp: a.Token, data: []byte(s.name)})
}

// yield gives up a lease that another node asks for, once what is under way is done.
func (n *node) yield(from actor.NodeID, m *message) {
	s := n.streams[string(m.data)]
	switch {
	case s == nil || s.token != 0 && s.token != m.stamp:
		n.send(from, &message{kind: msgYielded, id: m.id})
	case s.token == m.stamp:
		s.recalls = append(s.recalls, recall{from, m.id})
		s.run()
	}
}

// seize takes over a lease. Somebody else's draft is gone with it; of a file
// that is appended to, the last block is recovered first.
func (s *stream) seize(token uint64) {
	s.submit(&namespace.Command{Kind: namespace.Take, Name: s.name, Token: token, Holder: s.n.self}, func(a *namespace.Answer, out request.Code) {
		switch {
		case out != request.OK:
			s.lose()
		case a.Code != namespace.OK:
			s.later()
		case a.Token == 0:
			actor.Sometimes(s.n.env, factTaken)
			s.later()
		default:
			actor.Sometimes(s.n.env, factTaken)
			s.token, s.draft = a.Token, nil
			if a.Block == nil {
				s.run()
				return
			}
			s.recover(a.Block)
		}
	})
}

// broken begins to recover the pipeline.
func (s *stream) broken() {
	if s.busy || s.block == nil || s.flight == nil {
		return
	}
	s.clock.stop()
	s.do(&namespace.Command{Kind: namespace.Recover, Block: s.block.ID}, func(a *namespace.Answer) { s.recover(a.Block) })
}

// recover has all living replicas of a block agree on how long it is, and seals
// it. What was under way is in it, or is sent again with the next block.
func (s *stream) recover(b *namespace.Block) {
	s.busy = true
	sealed := func(length uint64, nodes []actor.NodeID) {
		c := &namespace.Command{Kind: namespace.Seal, Block: b.ID, Stamp: b.Recovery, Length: length, Nodes: nodes}
		s.do(c, func(*namespace.Answer) { s.recovered(length) })
	}
	if s.n.cfg.Bugs[FS12] && s.block == nil {
		sealed(0, nil)
		return
	}
	s.n.recoverBlock(b, func(ok bool, length uint64, nodes []actor.NodeID) {
		s.busy = false
		switch {
		case s.ended:
		case !ok:
			s.lose()
		default:
			sealed(length, nodes)
		}
	})
}

func (s *stream) recovered(length uint64) {
	if p := s.flight; p != nil {
		actor.Sometimes(s.n.env, factPipeline)
		if length >= s.acked+uint64(len(p.data)) {
			s.arrived()
		} else {
			s.flight = nil
			for _, j := range p.jobs {
				// It was cut off, and nobody saw it, but for those who read what may be stale.
				j.begun = s.n.cfg.Near || s.n.cfg.StandbyReads
			}
			s.jobs = slices.Concat(p.jobs, s.jobs)
		}
	}
	s.take(nil)
	s.run()
}

// close ends the lease. A draft becomes what the file holds.
func (s *stream) close() {
	s.clock.stop()
	if s.draft != nil {
		s.draft.begun = true
	}
	c := s.sealing(namespace.Close)
	c.Name, c.Token = s.name, s.token
	s.submit(c, func(a *namespace.Answer, out request.Code) {
		if s.draft != nil {
			code := out
			if out == request.OK && a.Code != namespace.OK {
				code = request.Unavailable // it was taken over, and the draft is gone
			}
			s.n.finished(s.draft, code)
		}
		s.release(out == request.OK)
		s.run()
	})
}

// release forgets the lease, and tells those who asked for it.
func (s *stream) release(closed bool) {
	s.take(nil)
	s.token, s.draft, s.left, s.reclaims = 0, nil, nil, false
	for _, r := range s.recalls {
		s.n.send(r.node, &message{kind: msgYielded, id: r.id, flag: closed})
	}
	s.recalls = nil
}

// lose gives up: the lease is gone, or nobody knows. Requests under way end as
// what is known of them, and those that were not begun end definitely.
func (s *stream) lose() {
	s.clock.stop()
	if s.flight != nil {
		s.jobs = append(s.jobs, s.flight.jobs...)
		s.flight = nil
	}
	if s.draft != nil {
		s.jobs = append(s.jobs, s.draft)
	}
	for _, j := range s.jobs {
		s.n.expire(j)
	}
	s.jobs = nil
	s.release(false)
	s.end()
}

// end forgets the stream.
func (s *stream) end() {
	s.ended = true
	s.clock.stop()
	delete(s.n.streams, s.name)
}
