package cp

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// runTimers ticks a leader, and has any other node forget a leader that was
// silent for too long and later campaign.
func (n *node) runTimers(now int64) {
	if n.due.sync <= now {
		n.due.sync = never
		n.disk.syncLazily()
	}
	if n.leading() {
		if n.due.tick <= now {
			n.due.tick = now + tickEvery
			n.tell().Tick()
			n.giveUpSnapshots(now)
		}
		return
	}
	if n.due.forget <= now {
		n.due.forget = never
		n.must(n.tell().ForgetLeader())
	}
	if n.due.campaign <= now {
		n.waitForLeader(now)
		n.due.forget = never
		n.must(n.tell().Campaign())
	}
}

// waitForLeader starts the election timer anew.
func (n *node) waitForLeader(now int64) {
	n.due.forget = now + electionBase
	n.due.campaign = n.due.forget + n.rand.Int64N(electionBase)
}

// giveUpSnapshots tells Raft of snapshots that were not answered: it waits for
// one of the two without end.
func (n *node) giveUpSnapshots(now int64) {
	for i, sent := range n.snapSent {
		if sent != 0 && now-sent >= snapshotWait {
			n.snapSent[i] = 0
			n.tell().ReportSnapshot(uint64(i)+1, raft.SnapshotFailure)
		}
	}
}

// heard takes note that a leader or a candidate that got this node's vote is alive.
func (n *node) heard(t raftpb.MessageType, term uint64) {
	switch t {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		if term >= n.term {
			n.waitForLeader(n.env.Mono())
		}
	default: // says nothing about a leader
	}
}

// arm asks the runtime to be woken for the first thing that is due.
func (n *node) arm() {
	next := min(n.due.requests, n.due.sync)
	if n.leading() {
		next = min(next, n.due.tick)
	} else {
		next = min(next, n.due.forget, n.due.campaign)
	}
	if next < n.due.armed {
		n.due.armed = next
		n.env.WakeAt(next)
	}
}

// must ends the node when Raft refuses what it cannot refuse.
func (n *node) must(err error) {
	if err != nil {
		panic("cp: raft refused a local step: " + err.Error())
	}
}
