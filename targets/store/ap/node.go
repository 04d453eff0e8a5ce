package ap

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
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
	journal  journal
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
}

func newNode(env actor.Env, cfg Config) *node {
	n := &node{
		env: env, cfg: cfg, self: env.Self(), ring: newRing(env.Nodes(), cfg.N),
		peers: peers.New(env), handoffs: make([]handoff, env.Nodes()),
		ids:    env.Choices("ids").Uint64(),
		writes: make(map[uint64]*write), reads: make(map[uint64]*read), scans: make(map[uint64]*scan),
		recent: newRecent(),
		repair: env.Choices("read-repair"), jitter: env.Choices("anti-entropy"),
	}
	n.table = newTable(n.ring, 1<<uint(n.self))
	n.hints = newHints(len(n.ring.walks), env.Nodes())
	n.clock = clock{self: n.self, wall: env.Wall, logical: cfg.Conflict == HLC, ask: n.askCeiling}
	n.journal = journal{disk: env.Disk(), apply: n.durable, fail: n.fail, live: n.live, snap: n.snapshot}
	return n
}

// recover reads the log and makes the node ready. It runs once, at the start.
func (n *node) recover() {
	disk := n.env.Disk()
	disk.List(func(names []string, err error) {
		if err != nil {
			n.fail(err)
			return
		}
		if slices.Contains(names, newFile) {
			disk.Remove(newFile, n.failOn)
		}
		if !slices.Contains(names, logFile) {
			n.journal.rewrite(n.begin)
			return
		}
		disk.Read(logFile, n.replay)
	})
}

// replay takes the log of an earlier life. What is in it may be in the page
// cache only, so it is synced before anybody hears of it. A log with a torn
// tail is written anew, because nothing can be appended to it.
func (n *node) replay(log []byte, err error) {
	if err != nil {
		n.fail(err)
		return
	}
	end, err := readLog(log, n.remember)
	if err != nil {
		panic(fmt.Sprintf("ap: %s: %v", logFile, err))
	}
	if end < len(log) {
		n.env.Logf("%s: the last write was torn at byte %d of %d; what is before it is kept", logFile, end, len(log))
		n.journal.rewrite(n.begin)
		return
	}
	n.journal.size, n.journal.busy = len(log), true
	s := n.journal.begin(n.begin)
	n.env.Disk().Sync(logFile, s.step)
	n.env.Disk().SyncDir(s.last)
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
		if n.env.Nodes() > 1 {
			n.timers.Set(now+n.jitter.Int64N(gossipEvery), gossip{})
		}
		n.env.Logf("ready: %d keys, %d hints, log of %d bytes", len(n.table.items), len(n.hints.keys), n.journal.size)
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

func (n *node) failOn(err error) {
	if err != nil && !errors.Is(err, actor.ErrNotExist) {
		n.fail(err)
	}
}

// settle ends every call: it starts what the call left to be written, and asks
// to be woken for the first timer.
func (n *node) settle() {
	if n.failed {
		return
	}
	n.journal.flush()
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
	added := false
	for i := range m.entries {
		e := &m.entries[i]
		n.clock.see(e.ver.at)
		if m.hint == nobody && n.table.has(e) {
			continue
		}
		n.journal.add(pending{rec: keep(e, m.hint)})
		added = true
	}
	switch {
	case m.id == 0:
	case added:
		last := &n.journal.queue[len(n.journal.queue)-1]
		last.ack, last.from, last.id = true, from, m.id
	default:
		n.ack(from, m.id)
	}
}

// keep returns the record that stores e, for a node that hint may name.
func keep(e *entry, hint actor.NodeID) record {
	if hint == nobody {
		return record{kind: recordItem, entry: *e}
	}
	return record{kind: recordHint, node: hint, entry: *e}
}

func (n *node) ack(to actor.NodeID, id uint64) {
	if to == n.self {
		n.acked(to, id)
		return
	}
	n.env.Send(to, ackMsg{id}.append(nil))
}

// durable applies records that have reached the disk.
func (n *node) durable(done []pending) {
	if n.failed {
		return
	}
	for i := range done {
		n.applyPending(&done[i])
	}
	n.settle()
}

func (n *node) applyPending(p *pending) {
	switch x := &p.rec; x.kind {
	case recordCeiling:
		n.clock.raise(x.ceiling)
	case recordItem:
		n.table.put(x.entry)
	case recordHint:
		n.hints.add(x.node, x.entry, n.ring.shardOf(x.entry.key))
	}
	if p.ack {
		n.ack(p.from, p.id)
	}
}

func (n *node) askCeiling(ceiling stamp) {
	n.journal.add(pending{rec: record{kind: recordCeiling, ceiling: ceiling}})
}

func (n *node) live() int { return n.table.bytes + n.hints.bytes }

// snapshot appends records that make up all that the node holds.
func (n *node) snapshot(b []byte) []byte {
	for _, s := range n.table.shards {
		if s == nil {
			continue
		}
		for _, it := range s.items {
			b = (&record{kind: recordItem, entry: it.entry}).append(b)
		}
	}
	for _, h := range n.hints.live() {
		for id := range actor.NodeID(n.env.Nodes()) {
			if h.owners.has(id) {
				b = (&record{kind: recordHint, node: id, entry: h.entry}).append(b)
			}
		}
	}
	ceiling := max(n.clock.ceiling, n.clock.last)
	return (&record{kind: recordCeiling, ceiling: ceiling}).append(b)
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
