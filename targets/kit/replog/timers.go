package replog

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// runTimers ticks a leader, and has any other node forget a leader that was
// silent for too long and later campaign.
func (g *Group) runTimers(now int64) {
	if g.due.sync <= now {
		g.due.sync = never
		g.disk.sync()
	}
	if g.Leading() {
		if g.due.tick <= now {
			g.due.tick = now + tickEvery
			g.tell().Tick()
			g.giveUpSnapshots(now)
		}
		return
	}
	if g.due.forget <= now {
		g.due.forget = never
		g.must(g.tell().ForgetLeader())
	}
	if g.due.campaign <= now {
		g.waitForLeader(now)
		g.due.forget = never
		g.must(g.tell().Campaign())
	}
}

// waitForLeader starts the election timer anew.
func (g *Group) waitForLeader(now int64) {
	g.due.forget = now + electionBase
	g.due.campaign = g.due.forget + g.rand.Int64N(electionBase)
}

// giveUpSnapshots tells Raft of snapshots that were not answered: it waits for
// one of the two without end.
func (g *Group) giveUpSnapshots(now int64) {
	for i, sent := range g.snapSent {
		if sent != 0 && now-sent >= snapshotWait {
			g.snapSent[i] = 0
			g.tell().ReportSnapshot(uint64(i)+1, raft.SnapshotFailure)
		}
	}
}

// heard takes note that a leader or a candidate that got this node's vote is alive.
func (g *Group) heard(t raftpb.MessageType, term uint64) {
	switch t {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		if term >= g.term {
			g.waitForLeader(g.env.Mono())
		}
	default: // says nothing about a leader
	}
}

// arm asks the runtime to be woken for the first thing that is due.
func (g *Group) arm() {
	next := min(g.due.requests, g.due.sync)
	if g.Leading() {
		next = min(next, g.due.tick)
	} else {
		next = min(next, g.due.forget, g.due.campaign)
	}
	if next < g.due.armed {
		g.due.armed = next
		g.env.WakeAt(next)
	}
}

// must ends the node when Raft refuses what it cannot refuse.
func (g *Group) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("%s: raft refused a local step: %v", g.cfg.Name, err))
	}
}
