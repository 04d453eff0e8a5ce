package logs

import (
	"github.com/ordeal-dev/ordeal/harness/actor"
)

// following is what a follower remembers, for one epoch.
type following struct {
	leader actor.NodeID // or nobody
	id     uint64       // of its last fetch
	asked  bool         // that is not answered yet
}

// follow begins to follow the leader of an epoch.
func (n *node) follow(l *replica) {
	if n.cfg.Bugs[Q8] && l.high < l.next {
		n.drop(l, l.high)
	}
	n.fetch(l)
}

// fetch asks the leader for what comes next. It says up to where the log is on
// disk, so it waits until all of it is.
func (n *node) fetch(l *replica) {
	if l.leading || l.leader == nobody || l.leader == n.self || l.asked || l.synced < l.next {
		return
	}
	l.id++
	l.asked = true
	m := fetch{part: l.part, epoch: l.epoch, id: l.id, next: l.next, last: l.lastEpoch()}
	n.env.Send(l.leader, m.append(nil))
	n.timers.Set(n.env.Mono()+fetchLimit, unanswered{l, l.id})
}

// unanswered is the alarm of a fetch.
type unanswered struct {
	l  *replica
	id uint64
}

// Over implements timers.Alarm.
func (u unanswered) Over() bool { return !u.l.asked || u.l.id != u.id }

// Ring implements timers.Alarm.
func (u unanswered) Ring(n *node) {
	u.l.asked = false
	n.fetch(u.l)
}

// fetched takes the answer of the leader. One that comes twice, or too late, is
// not the one that is waited for.
func (n *node) fetched(from actor.NodeID, m fetched) {
	if !n.inRange(m.part) || n.held[m.part] == nil {
		return
	}
	l := n.held[m.part]
	if l.leading || !l.asked || from != l.leader || m.epoch != l.epoch || m.id != l.id {
		return
	}
	l.asked = false
	switch {
	case m.first > 0 && m.first >= l.next:
		l.reset(m.first)
		n.keepStart(l)
	case m.differs:
		_, end := l.upTo(m.upTo)
		actor.Sometimes(n.env, factCut)
		n.drop(l, min(end, m.end))
	}
	if !m.differs {
		for i := range m.records {
			if r := m.records[i]; r.offset >= l.next {
				n.store(l, r)
			}
		}
		l.high = max(l.high, min(m.high, l.next))
	}
	n.fetch(l)
}

// keepStart brings the beginning of a log that was emptied to the disk.
func (n *node) keepStart(l *replica) {
	l.cuts++
	n.keep(l, l.startEntry())
}

// stored goes on when something of a log has reached the disk.
func (n *node) stored(l *replica) {
	if l.leading {
		n.advance(l)
	} else {
		n.fetch(l)
	}
}
