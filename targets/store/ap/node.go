package ap

import (
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/kit/journal"
	"github.com/ordeal-dev/ordeal/targets/kit/peers"
	"github.com/ordeal-dev/ordeal/targets/kit/timers"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// ms is a millisecond in the nanoseconds of the monotonic clock.
const ms = int64(1e6)

// node is a node of the store.
type node struct {
	env  actor.Env
	cfg  Config
	self actor.NodeID
	ring *ring

	ready  bool
	failed bool // the disk failed: only a restart helps

	table    *table
	hints    *hints
	journal  *journal.Journal
	scratch  []byte // where records are written before they are handed to the journal
	clock    clock
	peers    *peers.Peers
	handoffs []handoff // by number
	timers   timers.Timers[*node]

	ids    uint64 // the last id of an operation; begins somewhere else after each start
	writes map[uint64]*write
	reads  map[uint64]*read
	scans  map[uint64]*scan
	// scanLast is the number of entries in the last answer to a scan, which the
	// next one is likely to be like.
	scanLast int
	recent   recent
	repair   *choice.Stream
	jitter   *choice.Stream
	gossip   int // the peer that trees were compared with last

	digests  map[string]string // what Status said last
	reported uint64            // the applied count then
	hinted   int               // the number of hints then
	view     string            // the peers that it named then
	noted    map[string]int64  // facts, and when
}

func newNode(env actor.Env, cfg Config) *node {
	n := &node{
		env: env, cfg: cfg, self: env.Self(), ring: newRing(env.Nodes(), cfg.N),
		peers: peers.New(env), handoffs: make([]handoff, env.Nodes()),
		ids:    env.Choices("ids").Uint64(),
		writes: make(map[uint64]*write), reads: make(map[uint64]*read), scans: make(map[uint64]*scan),
		recent: newRecent(), noted: make(map[string]int64),
		repair: env.Choices("read-repair"), jitter: env.Choices("anti-entropy"),
	}
	n.table = newTable(n.ring, 1<<uint(n.self))
	n.table.bare = cfg.Bugs.has(bareDeletes)
	n.hints = newHints(len(n.ring.walks), env.Nodes())
	n.clock = clock{self: n.self, wall: env.Wall, logical: cfg.Conflict == HLC, deaf: cfg.Bugs.has(deafClock), ask: n.askCeiling}
	n.clock.beyond = func() { n.note(factBeyond) }
	n.journal = journal.New(cfg.disk(env), journal.Config{
		Name: "ap", File: logFile, Settled: n.settle, Failed: n.fail, Live: n.live, Snapshot: n.snapshot,
	})
	return n
}

// remember applies a record of the log.
func (n *node) remember(x *record) {
	switch x.kind {
	case recordCeiling:
		n.clock.see(x.ceiling)
		return
	case recordItem:
		n.table.put(x.entry)
	case recordHint:
		n.hints.add(x.node, x.entry, n.ring.shardOf(x.entry.key))
	case recordDelivered:
		n.hints.delivered(x.node, x.entry.key, x.entry.ver)
	}
	n.clock.see(x.entry.ver.at)
}

// begin opens the node as soon as its clock may go on.
func (n *node) begin() {
	n.clock.see(wallStamp(n.env.Wall()))
	n.clock.await(n.clock.last, func() {
		n.ready = true
		now := n.env.Mono()
		n.timers.Set(now, heartbeat{})
		n.timers.Set(now+handoffEvery, handoffs{})
		if n.env.Nodes() > 1 {
			n.timers.Set(now+n.jitter.Int64N(gossipEvery), gossip{})
		}
		n.env.Logf("ready: %d keys, %d hints, log of %d bytes", len(n.table.items), len(n.hints.keys), n.journal.Size())
	})
	n.settle()
}

// fail takes the node out of service after an error of its disk: it does not
// know any more what is stored, and only a restart will tell.
func (n *node) fail(err error) {
	if n.failed {
		return
	}
	n.failed, n.ready = true, false
	n.env.Logf("out of service until it is restarted: the disk failed: %v", err)
}

// settle ends every call: it starts what the call left to be written, and asks
// to be woken for the first timer.
func (n *node) settle() {
	if n.failed {
		return
	}
	n.journal.Flush()
	n.timers.Arm(n.env)
}

// Wake implements [actor.Node].
func (n *node) Wake() {
	now := n.env.Mono()
	for !n.failed && n.timers.Ring(n, now) {
	}
	n.settle()
}

// Serve implements [actor.Node].
func (n *node) Serve(req actor.RequestID, body []byte) {
	r, err := kv.ParseRequest(body)
	switch {
	case err != nil:
		n.reply(req, kv.Response{Code: kv.BadRequest})
	case r.Op == kv.CAS:
		n.reply(req, kv.Response{Code: kv.Unsupported})
	case r.Op < kv.Get || r.Op > kv.Keys:
		n.reply(req, kv.Response{Code: kv.BadRequest})
	case !n.ready:
		n.reply(req, kv.Response{Code: kv.Unavailable})
	case r.Op == kv.Get:
		n.get(req, r.Key)
	case r.Op == kv.Keys:
		n.keys(req, r.Key)
	default:
		n.put(req, r)
	}
	n.settle()
}

func (n *node) reply(req actor.RequestID, r kv.Response) {
	n.env.Reply(req, r.AppendTo(nil))
}

// Receive implements [actor.Node].
func (n *node) Receive(from actor.NodeID, msg []byte) {
	if !n.ready || len(msg) == 0 {
		return
	}
	n.peers.Heard(from)
	r := reader{b: msg[1:]}
	n.dispatch(from, msg[0], &r)
	if r.bad || r.more() {
		panic(fmt.Sprintf("ap: message of kind %d and %d bytes from %v cannot be read: "+
			"are all nodes of one build?", msg[0], len(msg), from))
	}
	n.settle()
}

// message is one kind of message between nodes.
type message interface{ parse(r *reader) }

// take parses a message and reports whether all of it could be read.
func take(r *reader, m message) bool {
	m.parse(r)
	return !r.bad && !r.more()
}

func (n *node) dispatch(from actor.NodeID, kind byte, r *reader) {
	switch kind {
	case msgBeat:
		var m beatMsg
		if take(r, &m) {
			n.peers.Told(from, m.hears)
		}
	case msgStore:
		var m storeMsg
		if take(r, &m) {
			n.store(from, &m)
		}
	case msgAck:
		var m ackMsg
		if take(r, &m) {
			n.acked(from, m.id)
		}
	case msgRead:
		var m readMsg
		if take(r, &m) {
			n.env.Send(from, valueMsg{m.id, n.lookup(m.key)}.append(nil))
		}
	case msgValue:
		var m valueMsg
		if take(r, &m) {
			n.answered(from, &m)
		}
	default:
		n.dispatchRare(from, kind, r)
	}
}

func (n *node) dispatchRare(from actor.NodeID, kind byte, r *reader) {
	switch kind {
	case msgScan:
		var m scanMsg
		if take(r, &m) {
			n.scanFor(from, &m)
		}
	case msgScanned:
		var m scannedMsg
		if take(r, &m) {
			n.scanned(from, &m)
		}
	case msgTree:
		var m treeMsg
		if take(r, &m) {
			n.compareTrees(from, &m)
		}
	case msgLeaf:
		var m leafMsg
		if take(r, &m) {
			n.compareLeaves(from, &m)
		}
	case msgWant:
		var m wantMsg
		if take(r, &m) {
			n.push(from, n.wanted(m.keys))
		}
	default:
		r.fail()
	}
}

// lookup returns the newest entry of a key that the node holds for itself or
// for others, or nil.
func (n *node) lookup(key string) *entry {
	own, kept := n.table.get(key), n.hints.get(key)
	if own == nil || kept != nil && kept.compare(own) > 0 {
		return kept
	}
	return own
}

// store brings the entries of a message to disk, and acks them when all of them
// are there.
func (n *node) store(from actor.NodeID, m *storeMsg) {
	missing := make([]record, 0, len(m.entries))
	for i := range m.entries {
		e := &m.entries[i]
		n.clock.hear(e.ver.at)
		switch {
		case m.hint != nobody && n.cfg.Bugs.has(fewHints) && n.hints.perOwner[m.hint] >= mostHints:
		case m.hint != nobody && n.cfg.Bugs.has(volatileHints):
			n.hints.add(m.hint, *e, n.ring.shardOf(e.key))
		case m.hint != nobody:
			missing = append(missing, record{kind: recordHint, node: m.hint, entry: *e})
		case !n.table.has(e):
			missing = append(missing, record{kind: recordItem, entry: *e})
		}
	}
	for i, x := range missing {
		var then func()
		if i == len(missing)-1 {
			then = func() { n.ack(from, m.id) }
		}
		n.keep(x, then)
	}
	if len(missing) == 0 {
		n.ack(from, m.id)
	}
}

// ack tells a node that what it sent under an id is on disk, if it wants to know.
func (n *node) ack(to actor.NodeID, id uint64) {
	if id == 0 {
		return
	}
	if to == n.self {
		n.acked(to, id)
		return
	}
	n.env.Send(to, ackMsg{id}.append(nil))
}

func (n *node) askCeiling(ceiling stamp) {
	n.keep(record{kind: recordCeiling, ceiling: ceiling}, nil)
}

// Status implements [actor.Node]. Besides the hash of every shard that the node
// owns, the digests say of every shard for which the node keeps hints how many
// they are, which agrees with no owner, and in the digest "view" which peers
// the node does not hear: replicas have not converged while hints are still to
// be handed over or a node does not know yet that the network has healed.
func (n *node) Status() actor.Status {
	s := actor.Status{Ready: n.ready, Role: "replica", Applied: n.table.applied}
	if n.ready {
		s.Digests = n.digestsNow()
	}
	return s
}

func (n *node) digestsNow() map[string]string {
	view := n.describeView()
	if n.digests != nil && n.reported == n.table.applied && n.hinted == len(n.hints.keys) && n.view == view {
		return n.digests
	}
	n.reported, n.hinted, n.view = n.table.applied, len(n.hints.keys), view
	n.digests = make(map[string]string, len(n.table.shards)+1)
	for i, name := range n.table.names {
		if s := n.table.shards[i]; s != nil {
			n.digests[name] = s.text()
		} else if h := n.hints.perShard[i]; h > 0 {
			n.digests[name] = fmt.Sprintf("%d hints to hand over", h)
		}
	}
	n.digests["view"] = view
	return n.digests
}

func (n *node) describeView() string {
	var missing []string
	for id := range actor.NodeID(n.env.Nodes()) {
		if !n.peers.Connected(id) {
			missing = append(missing, id.String())
		}
	}
	if missing == nil {
		return "all nodes are up"
	}
	return "no contact with " + strings.Join(missing, " ")
}
