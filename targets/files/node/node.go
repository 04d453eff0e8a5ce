// Package node is a node of the filesystem: a name node, a data node, and the
// client library of those who use the filesystem through it, in one actor.
//
// # The name node
//
// All nodes have the namespace (package namespace), replicated by Raft (package
// replog). The leader of Raft is the active name node, the others are standbys;
// its term is its epoch. What needs no eyes, the namespace itself, is the same
// everywhere. What has to be seen, which data nodes are there and what they
// hold, only the active one knows, from reports that data nodes make to it
// (type active).
//
// # The data node
//
// A data node keeps replicas (package blocks), takes its place in pipelines, and
// obeys the active name node with the highest epoch that it has heard of, which
// it remembers on its disk. An order to remove something counts only as the
// answer to the latest report.
//
// # Writing
//
// A node writes for its clients as the holder of a file's lease (type stream).
// It keeps the lease while there is something to write and a little longer, and
// gives it up when another node asks. Data go down the chain of the block's
// nodes, the writer first, in packets that have a checksum each. A packet is
// acknowledged when it is on the disk of every node of the chain, and the next
// one is sent after that. If a node of the chain is silent or refuses, the block
// is recovered: those who answer agree on a length, get a new generation stamp,
// and the writer goes on in the next block, on nodes that are there. Who takes
// over a lease does the same first.
//
// # Reading
//
// A read asks the name node for the blocks, and one replica of each for the
// data, and takes nothing but the stamp that the name node said. Of a block that
// is being written it takes what was acknowledged, see type fetch.
package node

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/files/ask"
	"github.com/ordeal-dev/ordeal/targets/files/blocks"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
	"github.com/ordeal-dev/ordeal/targets/kit/mux"
	"github.com/ordeal-dev/ordeal/targets/kit/peers"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/timers"
)

// ms is a millisecond in the nanoseconds of the monotonic clock.
const ms = int64(1e6)

const (
	blockSize = 512 // bytes that a block may have; small, so that files have several

	requestLimit = 900 * ms // how long a request may take
	resendEvery  = 100 * ms // until a packet is sent again
	maxTries     = 3        // how often, until the pipeline is taken for broken
	recoverLimit = 200 * ms // how long a round of a recovery waits for nodes that do not answer
	yieldLimit   = 200 * ms // how long the holder of a lease may take to give it up
	fetchLimit   = 120 * ms // how long a replica may take to answer
	pauseABit    = 30 * ms  // between two attempts
	idleLimit    = 700 * ms // how long a lease is kept that nobody uses

	helloEvery = 300 * ms  // between two reports of a data node
	deadAfter  = 1500 * ms // silence after which a data node's replicas are replaced
	safeLimit  = 3000 * ms // how long safe mode waits for blocks that nobody reports
	copyLimit  = 1000 * ms // how long a copy may take until it is ordered anew
	leaseLimit = 2000 * ms // after which the lease of a writer that is gone is taken over
)

// Bug is a defect that the node can run with.
type Bug string

// The defects. Each is one decision taken otherwise.
const (
	FS1  Bug = "FS1"  // a data node writes on under a stamp that is not in force any more
	FS2  Bug = "FS2"  // a packet is acknowledged once the first node has it
	FS3  Bug = "FS3"  // the journal is acknowledged before it was synced
	FS4  Bug = "FS4"  // a rename is a delete and a create
	FS5  Bug = "FS5"  // a replica is one too many if more were reported than are needed
	FS6  Bug = "FS6"  // nobody looks at the stamp of a replica
	FS7  Bug = "FS7"  // a new replica is synced, but not the directory with its name
	FS8  Bug = "FS8"  // an active name node that was replaced goes on
	FS9  Bug = "FS9"  // data are acknowledged from the page cache
	FS10 Bug = "FS10" // a reader is shown what was not acknowledged
	FS11 Bug = "FS11" // the leases of an image of the namespace are not read
	FS12 Bug = "FS12" // whoever takes over a lease drops the open block instead of recovering it
)

// What has to happen now and then in a sound campaign, see [actor.Sometimes].
const (
	factPipeline = "a pipeline was recovered"
	factTaken    = "a lease was taken over"
	factCopied   = "a block was re-replicated"
	factStale    = "a stale replica was dropped"
	factSafe     = "safe mode waited for blocks"
)

// Facts lists what has to happen now and then in a sound campaign.
func Facts() []string {
	return append([]string{factPipeline, factTaken, factCopied, factStale, factSafe}, replog.Facts()...)
}

// Config is what a filesystem is set to. All nodes have the same.
type Config struct {
	Replication   int  // how many nodes hold each block
	Near          bool // a read takes what the nearest replica has, whatever its stamp
	StandbyReads  bool // lists and reads ask the namespace of their own node
	SnapshotEvery uint64
	Sessions      int
	Bugs          map[Bug]bool
}

// node is a node of the filesystem.
type node struct {
	env   actor.Env // of all but the name node's Raft
	outer actor.Env
	cfg   Config
	self  actor.NodeID
	mux   *mux.Mux

	group  *replog.Group
	space  *namespace.Machine
	active *active // nil on standbys

	store      *blocks.Store
	loading    int // how much has yet to be read from the disk
	pipes      map[uint64]*pipe
	recovering map[uint64]uint64 // by block: the stamp that it was prepared for
	bad        map[uint64]bool   // replicas that are damaged
	promised   promises          // and those of them that are on the disk:
	kept       promises
	reports    uint64 // the number of the last one; begins elsewhere after each start

	streams map[string]*stream // by name
	writers map[uint64]*stream // by the block that they write

	peers   *peers.Peers
	timers  timers.Timers[*node]
	waiting map[uint64]func(from actor.NodeID, m *message) // for answers
	ids     uint64                                         // the last id; begins elsewhere after each start
	rand    *choice.Stream
}

// New boots a node.
func New(env actor.Env, cfg Config) actor.Node {
	n := &node{
		outer: env, cfg: cfg, self: env.Self(), mux: mux.New(env),
		pipes: map[uint64]*pipe{}, recovering: map[uint64]uint64{}, bad: map[uint64]bool{},
		streams: map[string]*stream{}, writers: map[uint64]*stream{},
		waiting: map[uint64]func(actor.NodeID, *message){}, rand: env.Choices("files"),
	}
	n.ids, n.reports = n.rand.Uint64()>>8, n.rand.Uint64()>>8
	n.space = namespace.New(namespace.Config{Replication: cfg.Replication, Forgetful: cfg.Bugs[FS11]})
	n.parts()
	n.store = blocks.New(n.env.Disk(), blocks.Options{Logf: n.env.Logf, Lazy: cfg.Bugs[FS9], Nameless: cfg.Bugs[FS7]})
	n.peers = peers.New(n.env)
	n.loading = 2
	n.loadPromises(func() { n.loaded() })
	n.store.Load(func() { n.loaded() })
	n.beat()
	return n
}

// parts makes the two components of the node: the name node's Raft, and all else.
func (n *node) parts() {
	n.mux.Part(1, "data-", func(env actor.Env) mux.Component {
		n.env = env
		return rest{n}
	})
	n.mux.Part(2, "meta-", func(env actor.Env) mux.Component {
		n.group = replog.New(env, replog.Config{
			Name: "files", SnapshotEvery: n.cfg.SnapshotEvery, Sessions: n.cfg.Sessions, Turned: n.turned,
			LocalReads: n.cfg.Bugs[FS8], Lazy: n.cfg.Bugs[FS3],
		}, n.space)
		return n.group
	})
}

// rest is the component that is all of the node but the name node's Raft.
type rest struct{ *node }

// Receive takes a message of the same component on another node.
func (r rest) Receive(from actor.NodeID, msg []byte) { r.receive(from, msg) }

// Wake does what is due.
func (r rest) Wake() { r.ring() }

// Receive takes a message of another node.
func (n *node) Receive(from actor.NodeID, msg []byte) { n.mux.Receive(from, msg) }

// Wake does what is due.
func (n *node) Wake() { n.mux.Wake() }

// loaded notes that something was read from the disk.
func (n *node) loaded() {
	n.loading--
	n.kept = n.promised
}

// Serve takes a request of a client.
func (n *node) Serve(id actor.RequestID, body []byte) {
	r, err := request.Parse(body)
	if err != nil {
		n.outer.Reply(id, request.Answer(request.BadRequest, nil))
		return
	}
	q, err := ask.Parse(r.Body)
	switch {
	case err != nil || q.Op == ask.Append && (len(q.Data) > blockSize || len(q.Data) == 0):
		n.outer.Reply(id, request.Answer(request.BadRequest, nil))
	case n.loading > 0:
		n.outer.Reply(id, request.Answer(request.Unavailable, nil))
	case q.Op == ask.Write, q.Op == ask.Append:
		n.write(q.Name, &job{req: id, draft: q.Op == ask.Write, data: q.Data})
	case q.Op == ask.Space:
		n.serveSpace(id, r, &q.Command)
	default:
		n.read(id, q.Name, q.Op == ask.Sync)
	}
}

// serveSpace has the namespace carry out a command or answer a query.
func (n *node) serveSpace(id actor.RequestID, r request.Request, c *namespace.Command) {
	r.Body, r.ReadOnly = c.Append(nil), c.Kind == namespace.List
	switch {
	case r.ReadOnly && n.cfg.StandbyReads:
		n.outer.Reply(id, request.Answer(request.OK, n.space.Read(r.Body)))
	case c.Kind == namespace.Rename && n.cfg.Bugs[FS4]:
		n.renameInTwo(id, c)
	default:
		n.group.Serve(id, r)
	}
}

// renameInTwo is what bug FS4 takes for a rename.
func (n *node) renameInTwo(id actor.RequestID, c *namespace.Command) {
	reply := func(a *namespace.Answer, out request.Code) {
		if out == request.OK {
			n.outer.Reply(id, request.Answer(out, a.Append(nil)))
		} else {
			n.outer.Reply(id, request.Answer(request.Unknown, nil))
		}
	}
	n.submit(&namespace.Command{Kind: namespace.Delete, Name: c.Name}, func(a *namespace.Answer, out request.Code) {
		if out != request.OK || a.Code != namespace.OK {
			reply(a, out)
			return
		}
		n.submit(&namespace.Command{Kind: namespace.Create, Name: c.To}, reply)
	})
}

// submit puts a command into the journal.
func (n *node) submit(c *namespace.Command, done func(a *namespace.Answer, out request.Code)) {
	n.group.Submit(c.Append(nil), func(b []byte, out request.Code) { done(answerOf(b, out), out) })
}

// query asks the namespace: that of the active name node, which makes sure that
// it still is the active one; or that of this node, if that is enough.
func (n *node) query(c *namespace.Command, done func(a *namespace.Answer, out request.Code)) {
	if n.cfg.StandbyReads {
		done(answerOf(n.space.Read(c.Append(nil)), request.OK), request.OK)
		return
	}
	n.group.Query(c.Append(nil), func(b []byte, out request.Code) { done(answerOf(b, out), out) })
}

func answerOf(b []byte, out request.Code) *namespace.Answer {
	if out != request.OK {
		return nil
	}
	a, err := namespace.ParseAnswer(b)
	if err != nil {
		panic("files: the namespace answered what cannot be read: " + err.Error())
	}
	return &a
}

// send sends a message, which may be to this node itself.
func (n *node) send(to actor.NodeID, m *message) {
	if to == n.self {
		n.take(to, m)
		return
	}
	n.env.Send(to, m.encode())
}

// receive takes a message of another node.
func (n *node) receive(from actor.NodeID, b []byte) {
	m, err := parseMessage(b)
	if err != nil {
		n.env.Logf("files: dropped a message of %v that cannot be read", from)
		return
	}
	n.peers.Heard(from)
	if n.loading == 0 || m.kind == msgBeat {
		n.take(from, &m)
	}
}

// take does what a message asks for.
func (n *node) take(from actor.NodeID, m *message) {
	switch m.kind {
	case msgBeat:
		n.peers.Told(from, m.flag)
	case msgPacket:
		n.packet(from, m)
	case msgAcked:
		n.acked(from, m)
	case msgRefuse:
		n.refused(m)
	case msgKnown:
		n.knows(m)
	case msgPrepare:
		n.prepare(from, m)
	case msgFinish:
		n.finish(from, m)
	case msgFetch:
		n.fetch(from, m)
	case msgYield:
		n.yield(from, m)
	case msgPrepared, msgFinished, msgFetched, msgYielded:
		if f := n.waiting[m.id]; f != nil {
			f(from, m)
		}
	case msgHello:
		n.hello(from, m)
	case msgReport:
		n.heard(from, m)
	case msgDrop:
		n.drop(m)
	case msgCopy:
		n.copyTo(m)
	case msgPut:
		n.put(m)
	}
}

// await has f called with all answers that come under an id.
func (n *node) await(f func(from actor.NodeID, m *message)) (id uint64) {
	n.ids++
	n.waiting[n.ids] = f
	return n.ids
}

// forget ends await.
func (n *node) forget(id uint64) { delete(n.waiting, id) }

// expect awaits one answer: then is told once, with nil if none came in time. What
// comes twice, or late, is nobody's business any more.
func (n *node) expect(limit int64, then func(m *message)) (id uint64) {
	var late *alarm
	id = n.await(func(_ actor.NodeID, m *message) {
		late.stop()
		n.forget(id)
		then(m)
	})
	late = n.after(limit, func() {
		n.forget(id)
		then(nil)
	})
	return id
}

// alarm is something that is done once the time has come, unless it is stopped.
type alarm struct {
	do   func()
	over bool
}

// Ring implements timers.Alarm.
func (a *alarm) Ring(*node) {
	if !a.over {
		a.over = true
		a.do()
	}
}

// Over implements timers.Alarm.
func (a *alarm) Over() bool { return a.over }

func (a *alarm) stop() {
	if a != nil {
		a.over = true
	}
}

// after has something done in a while.
func (n *node) after(d int64, do func()) *alarm {
	a := &alarm{do: do}
	n.timers.Set(n.env.Mono()+d, a)
	n.timers.Arm(n.env)
	return a
}

// ring does all that is due.
func (n *node) ring() {
	for n.timers.Ring(n, n.env.Mono()) {
	}
	n.timers.Arm(n.env)
}

func (n *node) beat() {
	next := n.peers.Beat(func(hears bool) []byte { return (&message{kind: msgBeat, flag: hears}).encode() })
	n.after(next-n.env.Mono(), n.beat)
}

// choose returns the nodes that a new block is to be on: this one, and others
// that are there.
func (n *node) choose() []actor.NodeID {
	nodes := []actor.NodeID{n.self}
	all := n.env.Nodes()
	start := n.rand.IntN(all)
	for i := range all {
		id := actor.NodeID((start + i) % all)
		if id != n.self && n.peers.Connected(id) && len(nodes) < n.cfg.Replication {
			nodes = append(nodes, id)
		}
	}
	return nodes
}

// near returns nodes in the order in which they are to be asked: this one first,
// those that seem to be gone last.
func (n *node) near(nodes []actor.NodeID) []actor.NodeID {
	var own, there, gone []actor.NodeID
	for _, id := range nodes {
		switch {
		case id == n.self:
			own = append(own, id)
		case n.peers.Alive(id):
			there = append(there, id)
		default:
			gone = append(gone, id)
		}
	}
	if len(there) > 1 {
		n.rand.Shuffle(len(there), func(i, j int) { there[i], there[j] = there[j], there[i] })
	}
	return append(append(own, there...), gone...)
}

// tokens returns the leases that this node uses.
func (n *node) tokens() (all []uint64) {
	for _, name := range slices.Sorted(maps.Keys(n.streams)) {
		if s := n.streams[name]; s.token != 0 {
			all = append(all, s.token)
		}
	}
	return all
}

// Status says how the node sees itself. Besides the namespace there is a digest
// for each block, which is equal on all nodes that are to hold it if all do; and
// one for all blocks, which is equal if none is open or on too few nodes.
func (n *node) Status() actor.Status {
	s := n.group.Status()
	epoch, safe := n.space.Epoch()
	s.Ready = s.Ready && n.loading == 0 && epoch == s.Term && !safe
	if s.Digests == nil {
		return s
	}
	s.Digests = map[string]string{"namespace": s.Digests["all"], "blocks": "sound"}
	for _, b := range n.space.Blocks() {
		if b.Open || len(b.Nodes) < min(n.cfg.Replication, n.env.Nodes()) {
			s.Digests["blocks"] = fmt.Sprintf("%v: block %d is open or on %d nodes only", n.self, b.ID, len(b.Nodes))
			continue
		}
		for _, id := range b.Nodes {
			if id == n.self {
				s.Digests[fmt.Sprintf("block %d", b.ID)] = n.digest(b)
			}
		}
	}
	return s
}

func (n *node) digest(b *namespace.Block) string {
	r := n.store.Get(b.ID)
	if r == nil || r.Stamp != b.Stamp || r.Synced < b.Length || n.bad[b.ID] {
		return fmt.Sprintf("not as it is to be on %v", n.self)
	}
	return fmt.Sprintf("%d bytes, %08x", b.Length, r.Sum(b.Length))
}
