package work

import (
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/mux"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/timers"
)

const (
	waitLimit  = int64(250 * time.Millisecond)  // how long a receive waits for a message
	waitEnd    = int64(3000 * time.Millisecond) // after which the leader takes a consumer for gone
	againAfter = int64(500 * time.Millisecond)  // between two attempts of the leader to end the same thing
	noteEvery  = int64(500 * time.Millisecond)  // how long the same fact is not noted again
)

// node is one replica.
type node struct {
	env    actor.Env
	cfg    Config
	m      *machine
	mux    *mux.Mux
	group  *replog.Group
	clock  actor.Env // of the timers
	timers timers.Timers[*node]
	waits  map[Consumer]*wait // of this node's own clients
	noted  map[string]int64   // facts, and when
	own    *machine           // under bug W14, what the node has for itself
}

// New returns a node that begins to read its disk.
func New(env actor.Env, cfg Config) actor.Node {
	n := &node{env: env, cfg: cfg, m: newMachine(cfg), mux: mux.New(env), waits: map[Consumer]*wait{}, noted: map[string]int64{}}
	n.mux.Part('w', "work-", func(env actor.Env) mux.Component {
		n.clock = env
		return (*alarms)(n)
	})
	n.mux.Part('l', "log-", func(env actor.Env) mux.Component {
		n.group = replog.New(env, replog.Config{
			Name: "work", SnapshotEvery: cfg.SnapshotEvery, Sessions: cfg.Sessions, Turned: n.turned, Applied: n.applied,
		}, n.m)
		return n.group
	})
	return n
}

// alarms is the node as one of its two components: the one that waits for leases
// and consumers, beside the log.
type alarms node

// Receive is not called: whatever nodes tell each other is the business of the log.
func (*alarms) Receive(actor.NodeID, []byte) {}

// Wake does what is due.
func (a *alarms) Wake() {
	n := (*node)(a)
	for n.timers.Ring(n, n.env.Mono()) {
	}
	n.timers.Arm(n.clock)
}

// set sets an alarm, in whatever call the runtime is in just now: completions of
// the disk set some as well.
func (n *node) set(at int64, alarm timers.Alarm[*node]) {
	n.timers.Set(at, alarm)
	n.timers.Arm(n.clock)
}

// Receive takes a message of another node.
func (n *node) Receive(from actor.NodeID, msg []byte) { n.mux.Receive(from, msg) }

// Wake does what is due.
func (n *node) Wake() { n.mux.Wake() }

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
	case n.cfg.Bugs[W14] && !n.led():
		n.goOn(id, c)
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
	n.own = nil
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

// note says that something happened, if it has not just said so: faults wait for
// these moments, which come all the time where there is trouble.
func (n *node) note(fact string) {
	now := n.env.Mono()
	if at, noted := n.noted[fact]; noted && now-at < noteEvery {
		return
	}
	n.noted[fact] = now
	actor.Sometimes(n.env, fact)
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
