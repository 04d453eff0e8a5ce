package sim_test

import (
	"encoding/binary"
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// quorum is a replicated log without elections: node 0 leads for good. It does
// what a Raft leader does when all is well, with the traffic that comes with
// it: heartbeats, appends that are synced before they are acknowledged, and
// requests that are forwarded to the leader. Tests and benchmarks use it.
//
// Messages are a letter, a number, and the body of a request.
type quorum struct {
	env     actor.Env
	log     uint64 // entries in the log of this node
	acks    map[uint64]int
	waiting map[uint64]actor.RequestID
	next    uint64 // name of the next forwarded request
	origin  map[uint64]origin
	digest  uint64
}

// origin is the node that forwarded a request, and the name it gave to it.
type origin struct {
	node actor.NodeID
	id   uint64
}

const heartbeat = 50 * ms

func bootQuorum(env actor.Env) actor.Node {
	q := &quorum{env: env, acks: map[uint64]int{}, waiting: map[uint64]actor.RequestID{}, origin: map[uint64]origin{}}
	env.Disk().Read("log", func(data []byte, _ error) { q.digest += uint64(len(data)) })
	env.WakeAt(env.Mono() + env.Choices("phase").Int64N(heartbeat))
	env.Logf("started")
	return q
}

func note(letter byte, n uint64, body []byte) []byte {
	b := make([]byte, 9, 9+len(body))
	b[0] = letter
	binary.LittleEndian.PutUint64(b[1:], n)
	return append(b, body...)
}

func (q *quorum) broadcast(msg []byte) {
	for to := range actor.NodeID(q.env.Nodes()) {
		if to != q.env.Self() {
			q.env.Send(to, msg)
		}
	}
}

func (q *quorum) Wake() {
	if q.env.Self() == 0 {
		q.broadcast(note('h', q.log, nil))
	}
	q.env.WakeAt(q.env.Mono() + heartbeat)
}

func (q *quorum) Serve(req actor.RequestID, body []byte) {
	q.next++
	q.waiting[q.next] = req
	if q.env.Self() == 0 {
		q.propose(origin{0, q.next}, body)
	} else {
		q.env.Send(0, note('f', q.next, body))
	}
}

func (q *quorum) propose(from origin, body []byte) {
	q.log++
	n := q.log
	q.origin[n] = from
	q.broadcast(note('a', n, body))
	q.persist(body, func() { q.ack(n) })
}

func (q *quorum) persist(body []byte, then func()) {
	q.env.Disk().Append("log", body, func(error) {})
	q.env.Disk().Sync("log", func(error) { then() })
}

func (q *quorum) ack(n uint64) {
	if q.acks[n]++; q.acks[n] != q.env.Nodes()/2+1 {
		return
	}
	from := q.origin[n]
	delete(q.origin, n)
	if from.node == 0 {
		q.reply(from.id)
	} else {
		q.env.Send(from.node, note('r', from.id, nil))
	}
}

func (q *quorum) reply(id uint64) {
	if req, ok := q.waiting[id]; ok {
		delete(q.waiting, id)
		q.env.Reply(req, fmt.Appendf(nil, "done %d", id))
	}
}

func (q *quorum) Receive(from actor.NodeID, msg []byte) {
	n, body := binary.LittleEndian.Uint64(msg[1:]), msg[9:]
	switch msg[0] {
	case 'h':
		q.digest ^= uint64(q.env.Wall())
		q.env.Send(from, note('k', n, nil))
	case 'f':
		q.propose(origin{from, n}, body)
	case 'a':
		q.persist(body, func() { q.env.Send(from, note('y', n, nil)) })
	case 'y':
		q.ack(n)
	case 'r':
		q.reply(n)
	}
}

func (q *quorum) Status() actor.Status {
	role := "follower"
	if q.env.Self() == 0 {
		role = "leader"
	}
	return actor.Status{Ready: true, Role: role, Applied: q.log}
}
