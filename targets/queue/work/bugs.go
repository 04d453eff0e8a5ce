package work

import (
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// Bug names a defect that can be switched on.
type Bug string

// The bugs. What they mirror is in package zoo.
const (
	W1  Bug = "W1"  // leases end by the leader's clock on the wall
	W2  Bug = "W2"  // receipts are not looked at: whoever names a message settles it
	W3  Bug = "W3"  // what is not acknowledged explicitly is dropped
	W4  Bug = "W4"  // a node that starts from a snapshot forgets who has what
	W5  Bug = "W5"  // acks are confirmed at once, and kept in memory for a while
	W6  Bug = "W6"  // an enqueue is confirmed before anybody else has it
	W7  Bug = "W7"  // a node that waits too long enqueues again, under another name
	W8  Bug = "W8"  // what is handed out too often is dropped, not set aside
	W9  Bug = "W9"  // a new leader takes all leases for lost
	W10 Bug = "W10" // what comes back goes to the end, whatever the order
	W11 Bug = "W11" // extending a lease does not keep it from ending
	W12 Bug = "W12" // a node says by itself that a queue is empty
	W13 Bug = "W13" // a consumer that gave up still counts as waiting
	W14 Bug = "W14" // a node that knows no leader goes on by itself, and forgets that later
	W15 Bug = "W15" // snapshots do not say how often a message was handed out
	W16 Bug = "W16" // a message is a dead letter one delivery too soon
	W17 Bug = "W17" // a receipt is good for any message
	W18 Bug = "W18" // what is given back is out of sight until the lease is over
)

// Bugs returns all that can be switched on.
func Bugs() []Bug {
	return []Bug{W1, W2, W3, W4, W5, W6, W7, W8, W9, W10, W11, W12, W13, W14, W15, W16, W17, W18}
}

const (
	wallPoll = int64(50 * time.Millisecond)  // under bug W1, between two looks at the clock
	ackDelay = int64(500 * time.Millisecond) // under bug W5, before an ack leaves the memory
	insistAt = int64(100 * time.Millisecond) // under bug W7, before a command is sent again
)

// goOn is what bug W14 does while no leader is known: the node has queues of its own,
// which begin as those of all, and end when it hears of what the others did.
func (n *node) goOn(id actor.RequestID, c Command) {
	if n.own == nil {
		n.own = newMachine(n.cfg)
		if err := n.own.Restore(n.m.Encode()); err != nil {
			panic("work: a state that was just written cannot be read: " + err.Error())
		}
	}
	n.reply(id, request.OK, n.own.Apply(0, c.AppendTo(nil)))
}

// led reports whether a leader is known.
func (n *node) led() bool {
	_, known := n.group.Leader()
	return known
}

// memory is an ack that bug W5 has confirmed.
type memory struct{ cmd []byte }

func (m *memory) Over() bool   { return false }
func (m *memory) Ring(n *node) { n.group.Submit(m.cmd, ignore) }

// insist is what bug W7 does with an enqueue: whatever is not answered soon is
// sent again, as if nobody had heard of it.
func (n *node) insist(id actor.RequestID, cmd []byte) {
	r := &resend{id: id, cmd: cmd}
	n.group.Submit(cmd, func(answer []byte, code request.Code) {
		if r.again && code == request.Unavailable {
			code = request.Unknown
		}
		r.done(n, answer, code)
	})
	n.set(n.env.Mono()+insistAt, r)
}

type resend struct {
	id          actor.RequestID
	cmd         []byte
	again, over bool
}

func (r *resend) done(n *node, answer []byte, code request.Code) {
	r.over = true
	n.reply(r.id, code, answer)
}

func (r *resend) Over() bool { return r.over }
func (r *resend) Ring(n *node) {
	r.again = true
	n.group.Submit(r.cmd, func(answer []byte, code request.Code) {
		if code == request.OK {
			r.done(n, answer, code)
		}
	})
}
