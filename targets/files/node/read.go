package node

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/files/ask"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// read is a client's request for the content of a file, or for its length.
type read struct {
	n     *node
	req   actor.RequestID
	name  string
	sync  bool // only the length is wanted
	over  bool
	round int // how often the file was opened; what an earlier round asked for does not count
	parts [][]byte
	left  int // parts that have yet to come
}

// read takes a request to read.
func (n *node) read(req actor.RequestID, name string, sync bool) {
	r := &read{n: n, req: req, name: name, sync: sync}
	n.after(requestLimit, func() { r.reply(request.Unavailable, nil) })
	r.open()
}

func (r *read) reply(code request.Code, body []byte) {
	if !r.over {
		r.over = true
		r.n.env.Reply(r.req, request.Answer(code, body))
	}
}

// open asks the name node what the file consists of.
func (r *read) open() {
	if r.over {
		return
	}
	r.round++
	c := namespace.Command{Kind: namespace.Stat, Name: r.name}
	r.n.query(&c, func(a *namespace.Answer, out request.Code) {
		switch {
		case r.over:
		case out != request.OK:
			r.reply(request.Unavailable, nil)
		case a.Code == namespace.NotFound:
			r.reply(ask.Missing, nil)
		default:
			r.fetch(a.Blocks)
		}
	})
}

// again opens the file anew in a moment: a block could not be read, as it was
// deleted meanwhile, or is being recovered, or nobody who has it is there.
func (r *read) again(round int) {
	if round == r.round {
		r.round++
		r.n.after(pauseABit, r.open)
	}
}

// fetch reads all blocks at once.
func (r *read) fetch(blocks []*namespace.Block) {
	r.parts, r.left = make([][]byte, len(blocks)), len(blocks)
	round := r.round
	for i, b := range blocks {
		f := &fetch{n: r.n, block: b}
		f.done = func(data []byte, ok bool) {
			switch {
			case round != r.round:
			case !ok:
				r.again(round)
			default:
				r.parts[i] = data
				r.left--
				r.whole()
			}
		}
		f.start()
	}
	r.whole()
}

// whole answers once there are all parts.
func (r *read) whole() {
	if r.left > 0 {
		return
	}
	var all []byte
	for _, p := range r.parts {
		all = append(all, p...)
	}
	if r.sync {
		all = binary.AppendUvarint(nil, uint64(len(all)))
	}
	r.reply(request.OK, all)
}

// fetch is the reading of a block.
type fetch struct {
	n     *node
	block *namespace.Block
	done  func(data []byte, ok bool)
	ended bool
	late  *alarm

	// Of a sealed block one replica after the other is asked, of an open one all
	// at once.
	next  []actor.NodeID
	heard map[actor.NodeID]bool
	least []byte // the shortest answer so far, nil if there is none
}

func (f *fetch) end(data []byte, ok bool) {
	if !f.ended {
		f.ended = true
		f.late.stop()
		f.done(data, ok)
	}
}

func (f *fetch) start() {
	switch {
	case f.n.cfg.Near:
		f.next = append([]actor.NodeID{f.n.self}, f.n.near(f.block.Nodes)...)
		f.one()
	case f.block.Open && f.block.Recovery != 0:
		f.end(nil, false)
	case f.block.Open:
		f.all()
	default:
		f.next = f.n.near(f.block.Nodes)
		f.one()
	}
}

// one asks the next replica.
func (f *fetch) one() {
	if len(f.next) == 0 {
		f.end(nil, false)
		return
	}
	to := f.next[0]
	f.next = f.next[1:]
	m := &message{kind: msgFetch, block: f.block.ID, stamp: f.block.Stamp, length: f.block.Length, flag: f.block.Open}
	if f.n.cfg.Near {
		m.stamp = 0
	}
	m.id = f.n.expect(fetchLimit, func(m *message) {
		if m != nil && m.flag {
			f.end(m.data, true)
		} else {
			f.one()
		}
	})
	f.n.send(to, m)
}

// all asks the whole pipeline of an open block. What one node has and knows to
// be acknowledged is all that was acknowledged; if no node knows, then that is
// what all of them have. More than that must not be shown: it may be lost yet.
func (f *fetch) all() {
	f.heard = map[actor.NodeID]bool{}
	var id uint64
	id = f.n.await(func(from actor.NodeID, m *message) {
		if f.ended || f.heard[from] || !m.flag {
			return
		}
		f.heard[from] = true
		if f.least == nil || len(m.data) < len(f.least) {
			f.least = append([]byte{}, m.data...)
		}
		if m.length == uint64(len(m.data)) || len(f.heard) == len(f.block.Nodes) || f.n.cfg.Bugs[FS10] {
			f.n.forget(id)
			f.end(f.least, true)
		}
	})
	f.late = f.n.after(fetchLimit, func() {
		f.n.forget(id)
		f.end(nil, false)
	})
	for _, to := range f.block.Nodes {
		f.n.send(to, &message{kind: msgFetch, id: id, block: f.block.ID, stamp: f.block.Stamp, flag: true})
	}
}
