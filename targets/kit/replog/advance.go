package replog

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// tell returns Raft, which is about to be told something.
func (g *Group) tell() *raft.RawNode {
	g.stirred = true
	return g.rn
}

// advance does all that Raft asks for, and goes to sleep. Raft asks for nothing
// that nobody told it to, and finding that out is not free. What the owner is told
// on the way may make it ask for more, which is seen to before this returns.
func (g *Group) advance() {
	if g.advancing {
		return
	}
	g.advancing = true
	for g.work() {
	}
	g.advancing = false
	g.snapshot()
	g.disk.start()
	if g.cfg.Lazy && g.due.sync == never {
		g.due.sync = g.env.Mono() + g.rand.Between(lazySync/2, lazySync*3/2)
	}
	g.arm()
}

// work does something that is to be done, and reports whether there was anything.
func (g *Group) work() bool {
	g.resendIfLed()
	g.askReads()
	if g.stirred {
		g.stirred = false
		if g.rn.HasReady() {
			g.handle(g.rn.Ready())
			return true
		}
	}
	return g.answerReads()
}

func (g *Group) handle(rd raft.Ready) {
	if rd.HardState != nil {
		g.voted(rd.HardState)
	}
	if rd.SoftState != nil {
		g.turn(rd.SoftState)
	}
	g.led.confirm(rd.ReadStates)
	for _, m := range rd.Messages {
		switch m.GetTo() {
		case raft.LocalAppendThread:
			g.save(m)
		case raft.LocalApplyThread:
			g.apply(m)
		default:
			g.send(m)
		}
	}
}

// voted notes a new term or vote. Whoever has voted waits for the winner.
func (g *Group) voted(h *raftpb.HardState) {
	if v := h.GetVote(); v != 0 && v != g.id && (v != g.vote || h.GetTerm() != g.term) {
		g.waitForLeader(g.env.Mono())
	}
	g.term, g.vote = h.GetTerm(), h.GetVote()
}

// turn notes a new role or leader.
func (g *Group) turn(s *raft.SoftState) {
	led := g.Leading()
	g.resend = g.resend || s.Lead != g.lead
	g.role, g.lead = s.RaftState, s.Lead
	switch {
	case g.Leading() && !led:
		g.ascend()
	case led && !g.Leading():
		if len(g.led.writes) > 0 {
			actor.Sometimes(g.env, factDeposed)
		}
		g.led = leadWork{round: g.led.round} // those who ask will ask the next leader
		g.waitForLeader(g.env.Mono())
		g.env.Logf("%s: no longer the leader; term %d", g.cfg.Name, g.term)
	default:
		return
	}
	if g.cfg.Turned != nil {
		g.cfg.Turned(g.Leading(), g.term)
	}
}

// ascend begins the work of a leader.
func (g *Group) ascend() {
	g.due.tick = g.env.Mono() + tickEvery
	clear(g.snapSent)
	clear(g.told)
	clear(g.probed)
	g.env.Logf("%s: became the leader of term %d", g.cfg.Name, g.term)
	if len(g.inbox.open) > 0 {
		actor.Sometimes(g.env, factElection)
	}
}

// save puts what Raft wants to be durable on its way to the disk. A commit
// index alone is not worth a write: the leader tells it again.
func (g *Group) save(m *raftpb.Message) {
	if s := m.GetSnapshot(); !raft.IsEmptySnap(s) {
		g.install(s)
	}
	h := g.log.hard
	if m.Term != nil {
		h = hardState{m.GetTerm(), m.GetVote(), m.GetCommit()}
	}
	changed := h.term != g.log.hard.term || h.vote != g.log.hard.vote
	g.log.hard = h
	g.log.append(m.GetEntries())
	if changed || len(m.GetEntries()) > 0 {
		g.disk.record(h, m.GetEntries())
	}
	if len(m.GetResponses()) > 0 && !g.disk.hold(m.GetResponses()) {
		g.deliver(m.GetResponses())
	}
}

// install takes over a snapshot that the leader sent.
func (g *Group) install(s *raftpb.Snapshot) {
	f := &snapshotFile{index: s.GetMetadata().GetIndex(), term: s.GetMetadata().GetTerm(), data: s.GetData()}
	if err := g.state.restore(f.index, f.data); err != nil {
		panic(fmt.Sprintf("%s: the leader's snapshot cannot be read: %v", g.cfg.Name, err))
	}
	g.env.Logf("%s: took over the leader's snapshot up to entry %d", g.cfg.Name, f.index)
	actor.Sometimes(g.env, factSnapshot)
	g.log.reset(f.index, f.term)
	g.disk.snap = f
}

// snapshot saves the state when enough has changed since the last time.
func (g *Group) snapshot() {
	last := g.log.snap.GetMetadata().GetIndex()
	if g.state.applied < last+g.cfg.SnapshotEvery || g.disk.snap != nil || g.disk.busy {
		return
	}
	index := g.state.applied
	if g.cfg.EarlySnapshots {
		index = min(index+1, g.log.last())
	}
	term, err := g.log.Term(index)
	g.must(err)
	g.disk.snap = &snapshotFile{index: index, term: term, data: g.state.encode()}
}

// saved takes note that a snapshot is durable, and drops the log that it
// covers, but for a tail for nodes that are a little behind.
func (g *Group) saved(f *snapshotFile) {
	if f.index <= g.log.snap.GetMetadata().GetIndex() {
		return
	}
	actor.Sometimes(g.env, factSaved)
	g.log.snap = g.log.snapshotOf(f.index, f.term, f.data)
	if keep := g.cfg.SnapshotEvery / 10; f.index > keep {
		g.log.compact(f.index - keep)
	}
}

// apply executes committed entries. Those without data, which new leaders write,
// change nothing.
func (g *Group) apply(m *raftpb.Message) {
	for _, e := range m.GetEntries() {
		if len(e.GetData()) == 0 {
			g.state.applied = e.GetIndex()
			continue
		}
		r := g.parseEntry(e.GetIndex(), e.GetData())
		o, first := g.state.apply(e.GetIndex(), r)
		if first && g.cfg.Applied != nil {
			g.cfg.Applied(e.GetIndex(), r.Body)
		}
		if w, waits := g.led.writes[nameOf(r)]; waits {
			delete(g.led.writes, nameOf(r))
			g.reply(w, o)
		}
	}
	g.deliver(m.GetResponses())
}

// settled takes back messages that waited for the disk.
func (g *Group) settled(ms []*raftpb.Message) {
	if g.rn == nil {
		g.boot()
	}
	g.deliver(ms)
	g.advance()
}

// deliver hands messages to this node's Raft or to the network.
func (g *Group) deliver(ms []*raftpb.Message) {
	for _, m := range ms {
		if m.GetTo() == g.id {
			_ = g.tell().Step(m) // it errs on answers that came too late, as it should
		} else {
			g.send(m)
		}
	}
}

// send sends a message of Raft, unless all it has to say is a new commit index.
// The next entry or heartbeat says that as well, and nobody waits for it:
// followers do not answer reads. Where no entries went out of late it is how a
// node is asked that does not answer, whether it has lost them. An append that repeats an index is a probe,
// which waits a little before it is repeated.
func (g *Group) send(m *raftpb.Message) {
	to := int(m.GetTo()) - 1
	switch m.GetType() {
	case raftpb.MsgSnap:
		g.snapSent[to] = g.env.Mono()
	case raftpb.MsgApp:
		if g.probed[to].again(m, g.env.Mono()) {
			return
		}
		if m.GetCommit() > g.told[to] && len(m.GetEntries()) == 0 && g.env.Mono()-g.probed[to].at < tickEvery {
			g.told[to] = m.GetCommit()
			return
		}
		g.told[to] = max(g.told[to], m.GetCommit())
	}
	if g.sent == nil || !sameOnWire(g.sent, m) {
		g.sent, g.wire = m, appendMessage(make([]byte, 0, sizeHint(m)), m)
	}
	g.env.Send(actor.NodeID(to), g.wire)
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
func (g *Group) step(from actor.NodeID, b []byte) {
	m, err := g.decoder.parse(b, from, g.env.Self())
	if err != nil {
		g.env.Logf("%s: dropped a message of %v that cannot be read", g.cfg.Name, from)
		return
	}
	if m.GetType() == raftpb.MsgApp {
		g.compare(m)
	}
	g.heard(m.GetType(), m.GetTerm())
	_ = g.tell().Step(m) // it errs on messages that came too late, as it should
}

// compare ends the node if a leader's log differs from its own where it is
// committed. That cannot be unless someone lost what it had acknowledged, and
// Raft, which relies on it, would probe without end.
func (g *Group) compare(m *raftpb.Message) {
	if m.GetTerm() < g.term || m.GetIndex() > g.log.hard.commit {
		return
	}
	if term, err := g.log.Term(m.GetIndex()); err == nil && term != m.GetLogTerm() {
		panic(fmt.Sprintf("%s: committed entry %d is of term %d here and of term %d at the leader: an acknowledged entry was lost",
			g.cfg.Name, m.GetIndex(), term, m.GetLogTerm()))
	}
}

// image returns the log as it is in memory.
func (g *Group) image() logImage {
	return logImage{hard: g.log.hard, base: g.log.base, term: g.log.baseTerm, ents: g.log.ents}
}
