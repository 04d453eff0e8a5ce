package cp

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// tell returns Raft, which is about to be told something.
func (n *node) tell() *raft.RawNode {
	n.stirred = true
	return n.rn
}

// advance does all that Raft asks for, and goes to sleep. Raft asks for nothing
// that nobody told it to, and finding that out is not free.
func (n *node) advance() {
	for {
		n.resendIfLed()
		n.askReads()
		if !n.stirred || !n.rn.HasReady() {
			break
		}
		n.stirred = false
		n.handle(n.rn.Ready())
	}
	n.stirred = false
	n.answerReads()
	n.snapshot()
	n.disk.start()
	if n.disk.lazy && n.due.sync == never {
		n.due.sync = n.env.Mono() + n.rand.Between(lazySync/2, lazySync*3/2)
	}
	n.arm()
}

func (n *node) handle(rd raft.Ready) {
	if rd.HardState != nil {
		n.voted(rd.HardState)
	}
	if rd.SoftState != nil {
		n.turn(rd.SoftState)
	}
	n.led.confirm(rd.ReadStates)
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			n.save(m)
		case raft.LocalApplyThread:
			n.apply(m)
		default:
			n.send(m)
		}
	}
}

// voted notes a new term or vote. Whoever has voted waits for the winner.
func (n *node) voted(h *raftpb.HardState) {
	if v := h.GetVote(); v != 0 && v != n.id && (v != n.vote || h.GetTerm() != n.term) {
		n.waitForLeader(n.env.Mono())
	}
	n.term, n.vote = h.GetTerm(), h.GetVote()
}

// turn notes a new role or leader.
func (n *node) turn(s *raft.SoftState) {
	led := n.leading()
	n.resend = n.resend || s.Lead != n.lead
	n.role, n.lead = s.RaftState, s.Lead
	now := n.env.Mono()
	switch {
	case n.leading() && !led:
		n.due.tick = now + tickEvery
		clear(n.snapSent)
		clear(n.told)
		clear(n.probed)
		n.env.Logf("cp: became the leader of term %d", n.term)
	case led && !n.leading():
		n.led = leadWork{round: n.led.round} // those who ask will ask the next leader
		n.waitForLeader(now)
		n.env.Logf("cp: no longer the leader; term %d", n.term)
	}
}

// save puts what Raft wants to be durable on its way to the disk. A commit
// index alone is not worth a write: the leader tells it again.
func (n *node) save(m *raftpb.Message) {
	if s := m.GetSnapshot(); !raft.IsEmptySnap(s) {
		n.install(s)
	}
	h := n.log.hard
	if m.Term != nil {
		h = hardState{m.GetTerm(), m.GetVote(), m.GetCommit()}
	}
	changed := h.term != n.log.hard.term || h.vote != n.log.hard.vote
	n.log.hard = h
	n.log.append(m.GetEntries())
	if changed || len(m.GetEntries()) > 0 {
		n.disk.record(h, m.GetEntries())
	}
	if len(m.GetResponses()) > 0 && !n.disk.hold(m.GetResponses()) {
		n.deliver(m.GetResponses())
	}
}

// install takes over a snapshot that the leader sent.
func (n *node) install(s *raftpb.Snapshot) {
	f := &snapshotFile{index: s.GetMetadata().GetIndex(), term: s.GetMetadata().GetTerm(), data: s.GetData()}
	if err := n.machine.restore(f.data); err != nil {
		panic("cp: the leader's snapshot cannot be read: " + err.Error())
	}
	n.env.Logf("cp: took over the leader's snapshot up to entry %d", f.index)
	n.log.reset(f.index, f.term)
	n.disk.snap = f
}

// snapshot saves the state when enough has changed since the last time.
func (n *node) snapshot() {
	last := n.log.snap.GetMetadata().GetIndex()
	if n.machine.applied < last+n.cfg.SnapshotEvery || n.disk.snap != nil || n.disk.busy {
		return
	}
	term, err := n.log.Term(n.machine.applied)
	n.must(err)
	n.disk.snap = &snapshotFile{index: n.machine.applied, term: term, data: n.machine.encode()}
}

// saved takes note that a snapshot is durable, and drops the log that it
// covers, but for a tail for nodes that are a little behind.
func (n *node) saved(f *snapshotFile) {
	if f.index <= n.log.snap.GetMetadata().GetIndex() {
		return
	}
	n.log.snap = n.log.snapshotOf(f.index, f.term, f.data)
	if keep := n.cfg.SnapshotEvery / 10; f.index > keep {
		n.log.compact(f.index - keep)
	}
}

// apply executes committed entries.
func (n *node) apply(m *raftpb.Message) {
	for _, e := range m.GetEntries() {
		who, resp := n.machine.apply(e.GetIndex(), e.GetData())
		if w, waits := n.led.writes[who]; waits {
			delete(n.led.writes, who)
			n.reply(w, resp)
		}
	}
	n.deliver(m.GetResponses())
}

// settled takes back messages that waited for the disk.
func (n *node) settled(ms []*raftpb.Message) {
	if n.rn == nil {
		n.boot()
	}
	n.deliver(ms)
	n.advance()
}

// deliver hands messages to this node's Raft or to the network.
func (n *node) deliver(ms []*raftpb.Message) {
	for _, m := range ms {
		if m.GetTo() == n.id {
			_ = n.tell().Step(m) // it errs on answers that came too late, as it should
		} else {
			n.send(m)
		}
	}
}

// send sends a message of Raft, unless all it has to say is a new commit index.
// The next entry or heartbeat says that as well, and nobody waits for it:
// followers do not answer reads. An append that repeats an index is a probe,
// which waits a little before it is repeated.
func (n *node) send(m *raftpb.Message) {
	to := int(m.GetTo()) - 1
	switch m.GetType() {
	case raftpb.MsgSnap:
		n.snapSent[to] = n.env.Mono()
	case raftpb.MsgApp:
		if n.probed[to].again(m, n.env.Mono()) {
			return
		}
		if m.GetCommit() > n.told[to] && len(m.GetEntries()) == 0 {
			n.told[to] = m.GetCommit()
			return
		}
		n.told[to] = max(n.told[to], m.GetCommit())
	}
	if n.sent == nil || !sameOnWire(n.sent, m) {
		n.sent, n.wire = m, appendMessage(make([]byte, 0, sizeHint(m)), m)
	}
	n.env.Send(actor.NodeID(to), n.wire)
}

// probe is the last append with entries that a node was sent.
type probe struct {
	index uint64 // after which the entries come
	at    int64  // when that was, 0 for never
}

// again reports whether m begins where the last append did, and comes right
// after it. When a paused node goes on, it answers hundreds of heartbeats at
// once, and each answer makes Raft send all that the node has missed.
func (p *probe) again(m *raftpb.Message, now int64) bool {
	if len(m.GetEntries()) == 0 {
		return false
	}
	if p.at != 0 && p.index == m.GetIndex() && now-p.at < probeEvery {
		return true
	}
	p.index, p.at = m.GetIndex(), now
	return false
}

// step takes a message of another node's Raft.
func (n *node) step(from actor.NodeID, b []byte) {
	m, err := n.decoder.parse(b, from, n.env.Self())
	if err != nil {
		n.env.Logf("cp: dropped a message of %v that cannot be read", from)
		return
	}
	if m.GetType() == raftpb.MsgApp {
		n.compare(m)
	}
	n.heard(m.GetType(), m.GetTerm())
	_ = n.tell().Step(m) // it errs on messages that came too late, as it should
}

// compare ends the node if a leader's log differs from its own where it is
// committed. That cannot be unless someone lost what it had acknowledged, and
// Raft, which relies on it, would probe without end.
func (n *node) compare(m *raftpb.Message) {
	if m.GetTerm() < n.term || m.GetIndex() > n.log.hard.commit {
		return
	}
	if term, err := n.log.Term(m.GetIndex()); err == nil && term != m.GetLogTerm() {
		panic(fmt.Sprintf("cp: committed entry %d is of term %d here and of term %d at the leader: an acknowledged entry was lost", m.GetIndex(), term, m.GetLogTerm()))
	}
}

// image returns the log as it is in memory.
func (n *node) image() logImage {
	return logImage{hard: n.log.hard, base: n.log.base, term: n.log.baseTerm, ents: n.log.ents}
}
