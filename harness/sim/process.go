package sim

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
)

// process is one life of a node's program. It is the actor.Env of its actor.
type process struct {
	n       *machine
	actor   actor.Node
	origin  int64 // what the monotonic clock showed at the start of the run
	reads   uint64
	open    []openRequest // requests that were not answered yet
	free    []uint32      // their slots that are free
	served  uint64
	streams map[string]*choice.Stream
}

// openRequest is a request that the actor may answer. Its id is 0 when the
// slot is free.
type openRequest struct {
	id     actor.RequestID
	client *worker
	call   uint64
}

func newProcess(n *machine) *process {
	p := &process{n: n, streams: map[string]*choice.Stream{}}
	p.origin = p.stream("sim/mono").Int64N(1000 * second)
	return p
}

// stream makes a stream of this life of the node.
func (p *process) stream(label string) *choice.Stream {
	return p.n.c.spec.Choices.Stream(label, uint64(p.n.id), uint64(p.n.starts))
}

// A RequestID is made of the life of the node, a counter and the slot of the
// request, so no life ever meets an id of another.
const (
	slotWidth    = 20
	counterWidth = 28
	slotOf       = 1<<slotWidth - 1
	counterOf    = 1<<counterWidth - 1
)

// admit opens a request of a client.
func (p *process) admit(e *event) actor.RequestID {
	slot := uint32(len(p.open))
	if last := len(p.free) - 1; last >= 0 {
		slot, p.free = p.free[last], p.free[:last]
	} else {
		p.open = append(p.open, openRequest{})
	}
	p.served++
	id := actor.RequestID((uint64(p.n.starts)<<counterWidth|p.served&counterOf)<<slotWidth | uint64(slot)&slotOf)
	p.open[slot] = openRequest{id: id, client: p.n.c.workers[e.from], call: e.id}
	return id
}

// Self implements actor.Env.
func (p *process) Self() actor.NodeID { return p.n.id }

// Nodes implements actor.Env.
func (p *process) Nodes() int { return len(p.n.c.nodes) }

// Mono implements actor.Env.
func (p *process) Mono() int64 { return p.origin + p.n.c.now }

// Wall implements actor.Env.
func (p *process) Wall() int64 {
	p.reads++
	return p.wall()
}

// wall is what Wall returns, for actor and harness alike.
func (p *process) wall() int64 { return p.n.clock.wall(p.n.c.now) }

// WakeAt implements actor.Env.
func (p *process) WakeAt(t int64) {
	if p.n.proc != p {
		return
	}
	due := p.n.c.now
	if t > p.Mono() {
		due = t - p.origin
	}
	p.n.c.set(&p.n.timer, due, kWake, int32(p.n.id))
}

// Send implements actor.Env.
func (p *process) Send(to actor.NodeID, msg []byte) {
	if to == p.n.id || to < 0 || int(to) >= len(p.n.c.nodes) {
		panic(fmt.Sprintf("actor: %v sends a message to %d: other nodes of this cluster are 0 to %d", p.n.id, int32(to), len(p.n.c.nodes)-1))
	}
	if p.n.proc == p {
		p.n.c.send(int32(p.n.id), int32(to), msg)
	}
}

// Reply implements actor.Env.
func (p *process) Reply(req actor.RequestID, body []byte) {
	slot := uint64(req) & slotOf
	if p.n.proc != p || slot >= uint64(len(p.open)) || p.open[slot].id != req || req == 0 {
		return
	}
	r := p.open[slot]
	p.open[slot] = openRequest{}
	p.free = append(p.free, uint32(slot))
	p.n.c.tellClient(kReply, int32(p.n.id), r.client, r.call, body)
}

// Disk implements actor.Env.
func (p *process) Disk() actor.Disk { return &p.n.disk }

// Choices implements actor.Env.
func (p *process) Choices(purpose string) *choice.Stream {
	s := p.streams[purpose]
	if s == nil {
		s = p.stream("actor/" + purpose)
		p.streams[purpose] = s
	}
	return s
}

// Logf implements actor.Env.
func (p *process) Logf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.n.log.add(p.n.c.now, text)
	if fact, ok := strings.CutPrefix(text, actor.SometimesMark); ok {
		p.n.c.facts.note(fact, p.n)
	}
}
