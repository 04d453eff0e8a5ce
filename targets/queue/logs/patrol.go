package logs

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// patrol is what a node looks after, a few times a second: whether it is known to
// be alive, who lags, who has left, and what takes too long. Nothing rests on it
// but how long things take.
type patrol struct {
	led         int64            // when the leader of the metadata was last known and connected
	registering bool             // a registration is under way
	marking     bool             // a report of markers is under way
	fencing     []actor.NodeID   // nodes whose fencing is under way
	seen        map[string]int64 // members of groups, and when they were last heard of
	open        map[txnID]int64  // transactions, and when this node first saw that they are open
	flush       int64            // under bug Q3: when the journal is written next
}

// Over implements timers.Alarm.
func (*patrol) Over() bool { return false }

// Ring implements timers.Alarm.
func (p *patrol) Ring(n *node) {
	now := n.env.Mono()
	n.timers.Set(now+tickEvery, p)
	if id, ok := n.group.Leader(); ok && n.peers.Connected(id) {
		p.led = now
	}
	if !n.registered() && !p.registering && n.group.Status().Ready {
		p.registering = true
		n.submit(registerCommand(n.self, n.life), func(bool) { p.registering = false })
	}
	for _, l := range n.held {
		if l == nil {
			continue
		}
		if l.leading {
			n.narrow(l)
			n.advance(l)
		}
		if l.clean(n.cfg) {
			actor.Sometimes(n.env, factCleaned)
		}
	}
	n.report()
	n.expel(now)
	if n.group.Leading() {
		n.fenceSilent()
		n.expireTxns(now)
	}
}

// submit hands a command of this node to the metadata. ok says that it was
// applied, and did what it should.
func (n *node) submit(cmd []byte, then func(ok bool)) {
	n.group.Submit(cmd, func(answer []byte, code request.Code) {
		then(code == request.OK && len(answer) > 0 && answer[0] == done)
		n.nudge()
	})
}

// beat tells the other nodes that this one is there.
func (n *node) beat() { n.timers.Set(n.peers.Beat(beatMessage), heartbeat{}) }

// heartbeat is the alarm of the next one.
type heartbeat struct{}

// Over implements timers.Alarm.
func (heartbeat) Over() bool { return false }

// Ring implements timers.Alarm.
func (heartbeat) Ring(n *node) { n.beat() }

// report tells the metadata which markers are committed.
func (n *node) report() {
	if n.patrol.marking {
		return
	}
	var marks []mark
	for _, e := range n.meta.ended {
		for _, p := range e.parts {
			l := n.held[p]
			if l == nil || !l.leading {
				continue
			}
			if o, has := l.ended[e.txn]; has && o.marker < l.high {
				marks = append(marks, mark{e.txn, p})
			}
		}
	}
	if len(marks) == 0 {
		return
	}
	n.patrol.marking = true
	n.submit(markedCommand(marks), func(bool) { n.patrol.marking = false })
}

// sawMember notes that a member of a group is there.
func (n *node) sawMember(names []byte) {
	d := wire.NewDecoder(names)
	if _, who := d.String(), d.String(); d.Err() == nil {
		n.patrol.seen[who] = n.env.Mono()
	}
}

// expel reports members gone that belong to this node and were not heard of. Of
// those that were there before the node was, the time begins with the node.
func (n *node) expel(now int64) {
	for i := range n.meta.groups {
		g := &n.meta.groups[i]
		for _, x := range slices.Clone(g.members) {
			at, known := n.patrol.seen[x.name]
			switch {
			case x.node != n.self:
			case !known:
				n.patrol.seen[x.name] = now
			case now-at > memberLimit:
				n.patrol.seen[x.name] = now
				n.submit(leaveCommand(g.name, x.name), func(bool) {})
			}
		}
	}
}

// fenceSilent takes nodes for dead that were not heard of.
func (n *node) fenceSilent() {
	for id, b := range n.meta.brokers {
		if peer := actor.NodeID(id); b.alive && !n.peers.Alive(peer) && !slices.Contains(n.patrol.fencing, peer) {
			n.patrol.fencing = append(n.patrol.fencing, peer)
			n.submit(fenceCommand(peer, b.life), func(bool) {
				n.patrol.fencing = slices.DeleteFunc(n.patrol.fencing, func(id actor.NodeID) bool { return id == peer })
			})
		}
	}
}

// expireTxns aborts transactions that take too long.
func (n *node) expireTxns(now int64) {
	open := map[txnID]int64{}
	for i := range n.meta.producers {
		p := &n.meta.producers[i]
		if !p.open {
			continue
		}
		since, known := n.patrol.open[p.txn]
		if !known {
			since = now
		}
		open[p.txn] = since
		if now-since > txnLimit {
			open[p.txn] = now
			n.submit(expireCommand(p.txn), func(bool) {})
		}
	}
	n.patrol.open = open
}

// nudge has the node look at the metadata soon: they change in calls of their own.
func (n *node) nudge() {
	if !n.news {
		n.news = true
		n.timers.Set(n.env.Mono(), nudge{n})
		n.timers.Arm(n.env)
	}
}

// nudge is an alarm that is over once the node has looked.
type nudge struct{ n *node }

// Over implements timers.Alarm.
func (x nudge) Over() bool { return !x.n.news }

// Ring implements timers.Alarm: the node looks at the end of the call.
func (nudge) Ring(*node) {}
