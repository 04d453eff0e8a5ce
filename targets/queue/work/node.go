package work

import (
	"math"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/timers"
)

const (
	waitLimit  = int64(250 * time.Millisecond)  // how long a receive waits for a message
	waitEnd    = int64(3000 * time.Millisecond) // after which the leader takes a consumer for gone
	againAfter = int64(500 * time.Millisecond)  // between two attempts of the leader to end the same thing
)

// node is one replica.
type node struct {
	env    actor.Env
	cfg    Config
	m      *machine
	group  *replog.Group
	timers timers.Timers[*node]
	roused int64              // when the group wants to be woken
	waits  map[Consumer]*wait // of this node's own clients
	noted  map[string]bool
}

// New returns a node that begins to read its disk.
func New(env actor.Env, cfg Config) actor.Node {
	n := &node{env: env, cfg: cfg, m: newMachine(cfg), roused: math.MaxInt64, waits: map[Consumer]*wait{}, noted: map[string]bool{}}
	n.group = replog.New(groupEnv{env, n}, replog.Config{
		Name: "work", SnapshotEvery: cfg.SnapshotEvery, Sessions: cfg.Sessions, Turned: n.turned, Applied: n.applied,
	}, n.m)
	return n
}

// set sets an alarm, in whatever call the runtime is in just now: completions of
// the disk set some as well.
func (n *node) set(at int64, alarm timers.Alarm[*node]) {
	n.timers.Set(at, alarm)
	n.timers.Arm(n.env)
}

// groupEnv is the environment of the group, which shares the one time at which
// the runtime wakes the node with all else that the node waits for.
type groupEnv struct {
	actor.Env
	n *node
}

// WakeAt sets an alarm in place of the one before.
func (e groupEnv) WakeAt(t int64) {
	e.n.roused = t
	e.n.set(t, &rouse{n: e.n, at: t})
}

// rouse is the alarm of the group.
type rouse struct {
	n  *node
	at int64
}

func (r *rouse) Over() bool { return r.n.roused != r.at }
func (r *rouse) Ring(n *node) {
	n.roused = math.MaxInt64
	n.group.Wake()
}

// Receive takes a message of another node.
func (n *node) Receive(from actor.NodeID, msg []byte) { n.group.Receive(from, msg) }

// Wake does what is due.
func (n *node) Wake() {
	for n.timers.Ring(n, n.env.Mono()) {
	}
	n.timers.Arm(n.env)
}

// Status says how the node sees the cluster.
func (n *node) Status() actor.Status { return n.group.Status() }

// Serve takes a request of a client.
func (n *node) Serve(id actor.RequestID, body []byte) {
	r, err := request.Parse(body)
	if err != nil {
		n.reply(id, request.BadRequest, nil)
		return
	}
	c, err := ParseCommand(r.Body)
	if err != nil || c.Op > Extend {
		n.reply(id, request.BadRequest, nil)
		return
	}
	n.serve(id, r, c)
}

func (n *node) serve(id actor.RequestID, r request.Request, c Command) {
	switch {
	case c.Op == Enqueue && n.cfg.Bugs[W6]:
		n.reply(id, request.OK, Answer{Result: Done}.AppendTo(nil))
		n.group.Submit(r.Body, ignore)
	case c.Op == Enqueue && n.cfg.Bugs[W7]:
		n.insist(id, r.Body)
	case c.Op == Ack && n.cfg.Bugs[W5]:
		n.reply(id, request.OK, Answer{Result: Done}.AppendTo(nil))
		n.set(n.env.Mono()+ackDelay, &memory{cmd: r.Body})
	case c.Op == Receive && n.cfg.Bugs[W12] && n.m.empty(c.Queue):
		n.reply(id, request.OK, Answer{Result: Empty}.AppendTo(nil))
	case c.Op == Receive && n.cfg.Push:
		c.Consumer = Consumer{r.Client, r.Seq}
		n.wait(id, c)
	default:
		n.group.Serve(id, r)
	}
}

func (n *node) reply(id actor.RequestID, code request.Code, body []byte) {
	n.env.Reply(id, request.Answer(code, body))
}

// ignore is for those who do not want to know.
func ignore([]byte, request.Code) {}

// wait is a receive of a client that may have to wait.
type wait struct {
	id       actor.RequestID
	queue    string
	consumer Consumer
	answered bool
}

// wait submits a receive, and leaves it open if there is nothing yet.
func (n *node) wait(id actor.RequestID, c Command) {
	w := &wait{id: id, queue: c.Queue, consumer: c.Consumer}
	n.waits[c.Consumer] = w
	n.set(n.env.Mono()+waitLimit, w)
	n.group.Submit(c.AppendTo(nil), func(answer []byte, code request.Code) {
		if a, err := ParseAnswer(answer); code != request.OK || err != nil || a.Result != Waiting {
			n.answer(w, code, answer)
		}
	})
}

// answer ends a wait.
func (n *node) answer(w *wait, code request.Code, body []byte) {
	if w.answered {
		return
	}
	w.answered = true
	delete(n.waits, w.consumer)
	n.reply(w.id, code, body)
}

// Over says that the wait is over.
func (w *wait) Over() bool { return w.answered }

// Ring ends a wait that was in vain. Only the state knows whether it was: it
// may have handed out a message of which this node has not heard.
func (w *wait) Ring(n *node) {
	n.group.Submit(Command{Op: Cancel, Queue: w.queue, Consumer: w.consumer}.AppendTo(nil), func(answer []byte, code request.Code) {
		a, err := ParseAnswer(answer)
		if code != request.OK || err != nil || a.Result == Gone {
			code, answer = request.Unknown, nil // it may have been given something, or may yet be
		}
		n.answer(w, code, answer)
	})
}

// turned begins the time of all leases and consumers anew, if this node leads.
func (n *node) turned(leading bool, _ uint64) {
	if !leading {
		return
	}
	tokens := n.m.tokensHeld()
	if len(tokens) > 0 {
		n.note(factInherited)
	}
	for _, token := range tokens {
		if n.cfg.Bugs[W9] {
			n.group.Submit(n.m.expiry(token).AppendTo(nil), ignore)
			continue
		}
		n.watch(token)
	}
	for _, w := range n.m.waiters() {
		n.set(n.env.Mono()+waitEnd, &ghost{n: n, Command: w})
	}
}

// applied sees what a command brought about.
func (n *node) applied(uint64, []byte) {
	for _, fact := range n.m.happens {
		n.note(fact)
	}
	for _, g := range n.m.given {
		if w := n.waits[g.consumer]; w != nil && g.consumer != (Consumer{}) {
			n.answer(w, request.OK, n.m.granted(g).AppendTo(nil))
		}
		if g.token != 0 && n.group.Leading() {
			n.watch(g.token)
		}
	}
	if c := n.m.queued; c.Op == Cancel && n.group.Leading() {
		n.set(n.env.Mono()+waitEnd, &ghost{n: n, Command: c})
	}
}

func (n *node) note(fact string) {
	if !n.noted[fact] {
		n.noted[fact] = true
		actor.Sometimes(n.env, fact)
	}
}

// watch has a lease end when its time is over, as seen from here and now.
func (n *node) watch(token uint64) {
	e := &end{n: n, Command: n.m.expiry(token)}
	if n.cfg.Bugs[W1] {
		e.wall = n.env.Wall() + int64(n.cfg.Visibility)
		n.set(n.env.Mono()+wallPoll, e)
		return
	}
	n.set(n.env.Mono()+int64(n.cfg.Visibility), e)
}

// end is a lease that is to end.
type end struct {
	n *node
	Command
	wall int64 // under bug W1, when
}

// Over says that the lease is over already, or was extended.
func (e *end) Over() bool { return !e.n.m.lasts(e.Command) }

// Ring ends the lease, and tries again if nothing comes of it. Whoever does not
// lead leaves that to the leader.
func (e *end) Ring(n *node) {
	switch {
	case !n.group.Leading():
	case e.wall > n.env.Wall():
		n.set(n.env.Mono()+wallPoll, e)
	default:
		n.set(n.env.Mono()+againAfter, e)
		n.group.Submit(e.AppendTo(nil), ignore)
	}
}

// ghost is a consumer that waits longer than any does whose node is alive.
type ghost struct {
	n *node
	Command
}

// Over says that the consumer waits no longer.
func (g *ghost) Over() bool { return !g.n.m.waits(g.Command) }

// Ring ends the wait, as that of a lease.
func (g *ghost) Ring(n *node) {
	if n.group.Leading() {
		n.set(n.env.Mono()+againAfter, g)
		n.group.Submit(g.AppendTo(nil), ignore)
	}
}

const (
	wallPoll = int64(50 * time.Millisecond)  // under bug W1, between two looks at the clock
	ackDelay = int64(500 * time.Millisecond) // under bug W5, before an ack leaves the memory
	insistAt = int64(100 * time.Millisecond) // under bug W7, before a command is sent again
)

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
