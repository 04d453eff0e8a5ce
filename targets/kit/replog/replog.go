// Package replog is a replicated log: every node of a cluster applies the same
// commands in the same order to a [Machine] of its own, so that the machines stay
// equal, and the cluster works as long as a majority of its nodes do. The order
// is found by Raft (Ongaro and Ousterhout, USENIX ATC 2014), from etcd's library.
//
// A [Group] is a component of a node: the node hands it messages, wake-ups and
// requests, and it answers through the node's environment. A node may be in
// several groups, see package mux.
//
// # The road of a request
//
// The node that gets a request from a client keeps it until it is answered. A
// leader serves it itself, any other node forwards it over the cluster's own
// network to the leader it knows, and forwards it anew when the leader changes
// or has not answered for a while. Commands carry the name (Client, Seq) that the
// client gave them, and a table of sessions, which is replicated with the machine,
// has each applied once however often it arrives. Reads wait until a majority
// has confirmed that the leader still was one when the read came in (ReadIndex,
// section 6.4 of Ongaro's dissertation) and until the leader has applied all
// that was committed by then.
//
// A node that knows of no leader for a while answers that it is unavailable,
// which is definite: the request never left it. Once a command was handed over,
// only its answer says how it ended; without one it is unknown.
//
// A node submits commands of its own by the same road: see [Group.Submit].
//
// # What is on the disk
//
// The file "wal" holds the log, the term and the vote; the file "snap" the
// state up to some entry. Both are replaced only by writing another file,
// syncing it, renaming it and syncing the directory. Appends to "wal" are
// checksummed and numbered. Nothing that Raft counts on (a vote, an
// acknowledged entry, the leader's own copy included) leaves the node before
// the sync that covers it has completed; meanwhile the node goes on, and what
// accumulates goes to the disk as one batch. What is torn at the end of "wal" was
// never counted on and is dropped; what is damaged before a record that says
// it had been synced ends the node with a panic, as does any error of the disk.
//
// # Time
//
// Raft's own election timeouts are drawn from a source that cannot be seeded,
// so they are not used: only leaders are ticked, and every other node has a
// seeded timer that makes it forget its leader and then campaign. The wall clock
// is never read. Machines have no clock either: what depends on time goes into a
// command, submitted by a node that has seen that the time has come.
package replog

import (
	"math"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
)

// Machine is the replicated state. It is deterministic: machines that applied the
// same commands are equal, and answer alike. What they are handed they may keep,
// but not change, and the same holds for what they return.
type Machine interface {
	// Apply executes a command that was committed, and returns the answer. It
	// must be able to take anything that a node of the cluster may submit.
	Apply(index uint64, cmd []byte) (answer []byte)
	// Read answers a query. It changes nothing.
	Read(query []byte) (answer []byte)
	// Encode returns the whole state, the same bytes on every replica, and
	// Restore replaces the state by one that Encode returned.
	Encode() []byte
	Restore(state []byte) error
	// Digest is a hash of the state. It is asked for often.
	Digest() string
}

// Config holds the settings of a group. All but Name may be left out.
type Config struct {
	Name          string // what the node is called in the words with which it dies, and in its log
	SnapshotEvery uint64 // entries applied between two snapshots; 0 means 200
	Sessions      int    // clients remembered, the latest ones; 0 means 4096

	// Turned is called when the node becomes the leader of a term, and when it
	// is no longer one.
	Turned func(leading bool, term uint64)
	// Applied is called on every node when its machine has applied a command.
	Applied func(index uint64, cmd []byte)

	// Defects that can be switched on.

	// LocalReads: the leader answers reads from its own state without asking a
	// quorum whether it still leads.
	LocalReads bool
	// Lazy: entries, terms and votes are acknowledged when they were written,
	// and synced about once a second.
	Lazy bool
	// Lease: a quorum's word that the node leads is good for as long as others
	// keep to it, by the given clock.
	Lease Lease
	// Forgetful: nobody remembers which commands were applied.
	Forgetful bool
	// BareSnapshots: snapshots do not say which commands were applied.
	BareSnapshots bool
	// EarlySnapshots: a snapshot is labelled with the entry after the last one
	// that was applied to what is in it, if there is such an entry.
	EarlySnapshots bool
	// Hasty: a new file gets its name before what is in it was synced.
	Hasty bool
	// Amnesiac: a log with a torn end is thrown away as a whole, and the node goes
	// on without it.
	Amnesiac bool
	// Definite: a command that nobody has answered is said to have failed.
	Definite bool
}

// Lease is a clock by which a leader may measure how long it leads.
type Lease uint8

// The clocks: none, so that each read asks a quorum; the one on the wall, which
// may be moved; and one that stands still, so that a lease lasts as long as the
// node takes itself for the leader.
const (
	NoLease Lease = iota
	WallLease
	EndlessLease
)

const (
	tickEvery     = int64(100 * time.Millisecond) // between two ticks, and so heartbeats, of a leader
	electionTicks = 5                             // ticks without a quorum after which a leader steps down
	electionBase  = electionTicks * tickEvery     // silence after which a follower forgets its leader; it campaigns up to as long after that
	leaderWait    = int64(300 * time.Millisecond) // how long a request waits for a leader to be known
	requestLimit  = int64(800 * time.Millisecond) // how long a request that was handed over waits for its answer
	resendEvery   = int64(250 * time.Millisecond) // between two attempts to hand a request to the same leader
	probeEvery    = int64(10 * time.Millisecond)  // between two attempts to send the same entries to the same node
	snapshotWait  = int64(500 * time.Millisecond) // after which a snapshot without an answer counts as lost
	lazySync      = int64(time.Second)            // between two syncs if they are lazy, give or take a half
	noteEvery     = int64(500 * time.Millisecond) // between two notes of what happens all the time
	never         = int64(math.MaxInt64)
)

// Facts are what happens in a group now and then, see [actor.Sometimes]: a
// campaign in which one of them never did has not tried hard.
func Facts() []string { return []string{factElection, factRetry, factSnapshot, factTorn} }

const (
	factElection = "a leader was elected while requests waited"
	factRetry    = "a command that had been applied came again"
	factSnapshot = "a node took over the leader's snapshot"
	factTorn     = "a torn log was mended"
)

// These are noted as well, for what goes wrong there goes wrong within
// milliseconds: faults may wait for them. They are too rare, or too common, to
// tell a good campaign by.
const (
	factDeposed = "a leader with unanswered commands was one no longer"
	factQueued  = "reads waited for the round before theirs"
	factSaved   = "a snapshot was saved, and the log not yet written anew"
)

// Group is one node's part in a replicated log. All fields from rn on are in use
// only after recovery.
type Group struct {
	env actor.Env
	cfg Config
	id  uint64 // in Raft, where nodes count from 1

	rn        *raft.RawNode // nil until what is on the disk was read
	advancing bool          // advance is under way, and will see to whatever comes up
	stirred   bool          // Raft was told something since it was last asked what it wants; see tell
	decoder   *decoder
	sent      *raftpb.Message // the last message that was sent, nil if there is none
	wire      []byte          // how it was written; leaders tell most followers the same
	log       *memLog         // what Raft may read back: all that went to the disk or is on its way
	state     *state
	disk      *storage
	role      raft.StateType
	lead      uint64 // the leader this node knows of, 0 for none
	term      uint64
	vote      uint64
	resend    bool   // the leader has changed since the open requests were handed over
	readyAt   uint64 // the commit index found at boot

	inbox    inbox     // requests of this node and of its own clients
	led      leadWork  // what this node does as the leader
	snapSent []int64   // when a snapshot was sent to which node and is not answered yet
	probed   []probe   // the last append that was sent to which node
	told     []uint64  // the commit index that was last sent to which node
	queued   int64     // when factQueued was last noted, 0 for never
	due      deadlines // what the node waits for
	rand     *choice.Stream
}

// deadlines are times on the monotonic clock. They may be earlier than what
// they stand for: the node wakes, sees that nothing is due, and sleeps again.
type deadlines struct {
	tick     int64 // of a leader
	forget   int64 // the leader is given up
	campaign int64
	requests int64 // the first limit of a request
	sync     int64 // if syncs are lazy
	armed    int64 // what the runtime was asked for
}

// New returns a group that begins to read its disk, and a machine that is empty.
func New(env actor.Env, cfg Config, m Machine) *Group {
	if cfg.SnapshotEvery == 0 {
		cfg.SnapshotEvery = 200
	}
	switch {
	case cfg.Forgetful:
		cfg.Sessions = 0
	case cfg.Sessions == 0:
		cfg.Sessions = 4096
	}
	g := &Group{
		env:   env,
		cfg:   cfg,
		id:    uint64(env.Self()) + 1,
		state: newState(m, cfg),
		disk:  newStorage(env.Disk(), cfg),
		inbox: newInbox(env),
		rand:  env.Choices("election"),
		due:   deadlines{tick: never, forget: never, campaign: never, requests: never, sync: never, armed: never},
	}
	g.disk.settled = g.settled
	g.disk.image = g.image
	g.disk.saved = g.saved
	g.snapSent, g.told, g.probed = make([]int64, env.Nodes()), make([]uint64, env.Nodes()), make([]probe, env.Nodes())
	g.recover()
	return g
}

// Receive takes a message of the group on another node. While the node recovers
// it behaves as if it were not there yet.
func (g *Group) Receive(from actor.NodeID, msg []byte) {
	if g.rn == nil || len(msg) == 0 {
		return
	}
	switch msg[0] {
	case wireRaft:
		g.step(from, msg[1:])
	case wireForward:
		g.forwarded(from, msg[1:])
	case wireAnswer:
		g.answered(msg[1:])
	}
	g.advance()
}

// Wake does what is due.
func (g *Group) Wake() {
	g.due.armed = never
	if g.rn == nil {
		return
	}
	now := g.env.Mono()
	g.runTimers(now)
	g.expire(now)
	g.advance()
}

// Leader returns the node that this one takes for the leader, if it knows one.
func (g *Group) Leader() (actor.NodeID, bool) { return actor.NodeID(g.lead) - 1, g.lead != 0 }

// Leading reports whether this node is the leader, as far as it knows: another
// one may have been elected since.
func (g *Group) Leading() bool { return g.role == raft.StateLeader }

// Term returns the term that the node is in, and 0 before it has recovered.
func (g *Group) Term() uint64 { return g.term }

// Status says how the node sees the group. The digest of the machine is called
// "all"; that of who was answered what is called "sessions".
func (g *Group) Status() actor.Status {
	if g.rn == nil {
		return actor.Status{Role: "recovering"}
	}
	return actor.Status{
		Ready:   g.ready(),
		Role:    roleName(g.role),
		Term:    g.term,
		Applied: g.state.applied,
		Digests: map[string]string{"all": g.state.machine.Digest(), "sessions": g.state.sessions.digestText()},
	}
}

// ready reports whether the node knows a leader and has applied all that it
// knew to be committed when it started. A leader must also have applied an
// entry of its own term: before that, what others had committed may be missing.
func (g *Group) ready() bool {
	if g.lead == 0 || g.state.applied < g.readyAt {
		return false
	}
	term, err := g.log.Term(g.state.applied)
	return !g.Leading() || err == nil && term == g.term
}

func roleName(s raft.StateType) string {
	switch s {
	case raft.StateLeader:
		return "leader"
	case raft.StateFollower:
		return "follower"
	default:
		return "candidate"
	}
}
