// Package cp is the store in its consistent mode: one log, replicated by Raft,
// whose entries every node applies in the same order to the same keys.
//
// # The road of a request
//
// The node that gets a request from a client keeps it until it is answered. A
// leader serves it itself, any other node forwards it over the cluster's own
// network to the leader it knows, and forwards it anew when the leader changes
// or has not answered for a while. Writes carry the name (Client, Seq) that the
// client gave them, and a table of sessions, which is replicated with the data,
// has each applied once however often it arrives. Reads wait until a majority
// has confirmed that the leader still was one when the read came in (ReadIndex,
// section 6.4 of Ongaro's dissertation) and until the leader has applied all
// that was committed by then.
//
// A node that knows of no leader for a while answers that it is unavailable,
// which is definite: the request never left it. Once a write was handed over,
// only its answer says how it ended; without one it is unknown.
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
// seeded timer that makes it forget its leader and then campaign. The wall clock is read once
// for each write and kept as metadata. Nothing depends on it.
package cp

import (
	"math"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// Bug names a defect that can be switched on.
type Bug string

// The bugs of this mode.
const (
	// CP1: the leader answers reads from its own state without asking a
	// quorum whether it still leads (etcd 0.4.1, Consul's stale reads).
	CP1 Bug = "CP1"
	// CP4: entries, terms and votes are acknowledged when they were written,
	// and synced about once a second (NATS JetStream 2.12.1).
	CP4 Bug = "CP4"
)

// Config holds the settings of a node. The zero value is a good one.
type Config struct {
	SnapshotEvery uint64       // entries applied between two snapshots; 0 means 1000
	Sessions      int          // clients remembered, the latest ones; 0 means 4096
	Bugs          map[Bug]bool // off unless true
}

const (
	tickEvery     = int64(100 * time.Millisecond)  // between two ticks, and so heartbeats, of a leader
	electionTicks = 5                              // ticks without a quorum after which a leader steps down
	electionBase  = electionTicks * tickEvery      // silence after which a follower forgets its leader; it campaigns up to as long after that
	leaderWait    = int64(300 * time.Millisecond)  // how long a request waits for a leader to be known
	requestLimit  = int64(1000 * time.Millisecond) // how long a request that was handed over waits for its answer
	resendEvery   = int64(250 * time.Millisecond)  // between two attempts to hand a request to the same leader
	probeEvery    = int64(10 * time.Millisecond)   // between two attempts to send the same entries to the same node
	snapshotWait  = int64(500 * time.Millisecond)  // after which a snapshot without an answer counts as lost
	lazySync      = int64(time.Second)             // between two syncs under bug CP4, give or take a half
	never         = int64(math.MaxInt64)
)

// node is one replica. All fields from rn on are in use only after recovery.
type node struct {
	env actor.Env
	cfg Config
	id  uint64 // in Raft, where nodes count from 1

	rn      *raft.RawNode // nil until what is on the disk was read
	stirred bool          // Raft was told something since it was last asked what it wants; see tell
	decoder *decoder
	sent    *raftpb.Message // the last message that was sent, nil if there is none
	wire    []byte          // how it was written; leaders tell most followers the same
	log     *memLog         // what Raft may read back: all that went to the disk or is on its way
	machine *machine
	disk    *storage
	role    raft.StateType
	lead    uint64 // the leader this node knows of, 0 for none
	term    uint64
	vote    uint64
	resend  bool   // the leader has changed since the open requests were handed over
	readyAt uint64 // the commit index found at boot

	inbox    requests  // requests of this node's own clients
	led      leadWork  // what this node does as the leader
	snapSent []int64   // when a snapshot was sent to which node and is not answered yet
	probed   []probe   // the last append that was sent to which node
	told     []uint64  // the commit index that was last sent to which node
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
	sync     int64 // under bug CP4
	armed    int64 // what the runtime was asked for
}

// New returns a node that begins to read its disk.
func New(env actor.Env, cfg Config) actor.Node {
	if cfg.SnapshotEvery == 0 {
		cfg.SnapshotEvery = 1000
	}
	if cfg.Sessions == 0 {
		cfg.Sessions = 4096
	}
	n := &node{
		env:  env,
		cfg:  cfg,
		id:   uint64(env.Self()) + 1,
		rand: env.Choices("election"),
		due:  deadlines{tick: never, forget: never, campaign: never, requests: never, sync: never, armed: never},
	}
	n.machine = newMachine(cfg.Sessions)
	n.disk = newStorage(env.Disk(), cfg.Bugs[CP4])
	n.disk.settled = n.settled
	n.disk.image = n.image
	n.disk.saved = n.saved
	n.inbox = newRequests(env.Choices("tag").Uint64())
	n.snapSent, n.told, n.probed = make([]int64, env.Nodes()), make([]uint64, env.Nodes()), make([]probe, env.Nodes())
	n.recover()
	return n
}

// Receive takes a message of another node. While the node recovers it behaves
// as if it were not there yet.
func (n *node) Receive(from actor.NodeID, msg []byte) {
	if n.rn == nil || len(msg) == 0 {
		return
	}
	switch msg[0] {
	case wireRaft:
		n.step(from, msg[1:])
	case wireForward:
		n.forwarded(from, msg[1:])
	case wireAnswer:
		n.answered(msg[1:])
	}
	n.advance()
}

// Serve takes a request of a client.
func (n *node) Serve(req actor.RequestID, body []byte) {
	if n.rn == nil {
		n.env.Reply(req, kv.Response{Code: kv.Unavailable}.AppendTo(nil))
		return
	}
	n.accept(req, body)
	n.advance()
}

// Wake does what is due.
func (n *node) Wake() {
	n.due.armed = never
	if n.rn == nil {
		return
	}
	now := n.env.Mono()
	n.runTimers(now)
	n.expire(now)
	n.advance()
}

// Status says how the node sees the cluster.
func (n *node) Status() actor.Status {
	if n.rn == nil {
		return actor.Status{Role: "recovering"}
	}
	return actor.Status{
		Ready:   n.ready(),
		Role:    roleName(n.role),
		Term:    n.term,
		Applied: n.machine.applied,
		Digests: map[string]string{"all": n.machine.digestText()},
	}
}

// ready reports whether the node knows a leader and has applied all that it
// knew to be committed when it started. A leader must also have applied an
// entry of its own term: before that, what others had committed may be missing.
func (n *node) ready() bool {
	if n.lead == 0 || n.machine.applied < n.readyAt {
		return false
	}
	term, err := n.log.Term(n.machine.applied)
	return !n.leading() || err == nil && term == n.term
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

func (n *node) leading() bool { return n.role == raft.StateLeader }
