package ap

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// reader takes bytes apart. After the first error it is at its end, and all
// that it returns is zero.
type reader struct {
	b    []byte
	bad  bool
	text string // ends where b ends: the strings that are returned are parts of it
}

func (r *reader) fail() { r.b, r.bad = nil, true }

// more reports whether there is something left, for lists that go on to the end.
func (r *reader) more() bool { return len(r.b) > 0 }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// fixed takes a number of eight bytes, as hashes and stamps are written.
func (r *reader) fixed() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	n := binary.BigEndian.Uint64(r.b)
	r.b = r.b[8:]
	return n
}

func (r *reader) string() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	if len(r.text) < len(r.b) {
		r.text = string(r.b) // one copy for all strings to come
	}
	s := r.text[len(r.text)-len(r.b):][:n]
	r.b = r.b[n:]
	return s
}

// node takes the number of a node; anything that is none is an error.
func (r *reader) node() actor.NodeID {
	id := r.byte()
	if id >= maxNodes {
		r.fail()
	}
	return actor.NodeID(id)
}

func (r *reader) version() version {
	return version{at: stamp(r.fixed()), node: r.node()}
}

func (r *reader) entry() entry {
	e := entry{ver: r.version()}
	e.dead = r.byte() != 0
	e.key = r.string()
	e.value = r.string()
	return e
}

func appendVersion(b []byte, v version) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(v.at)), byte(v.node))
}

func appendEntry(b []byte, e *entry) []byte {
	b = appendVersion(b, e.ver)
	b = append(b, flag(e.dead))
	b = wire.AppendString(b, e.key)
	return wire.AppendString(b, e.value)
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// The kinds of messages between nodes. The first byte of a message is its kind.
const (
	msgBeat    byte = iota + 1 // heartbeat
	msgStore                   // entries to be kept
	msgAck                     // all entries of a store message are on disk
	msgRead                    // what is under a key?
	msgValue                   // the answer
	msgScan                    // which keys have a prefix?
	msgScanned                 // the answer
	msgTree                    // hashes of one level of Merkle trees
	msgLeaf                    // versions of the entries of leaves
	msgWant                    // keys whose entries the sender lacks
)

// beatMsg says that its sender lives, and whether it hears the receiver.
type beatMsg struct{ hears bool }

func (m beatMsg) append(b []byte) []byte { return append(b, msgBeat, flag(m.hears)) }

func (m *beatMsg) parse(r *reader) { m.hears = r.byte() != 0 }

// nobody stands where there could be a node.
const nobody actor.NodeID = -1

// storeMsg asks the receiver to keep entries, as an owner of their shards or
// for the owner that hint names. It wants an ack unless id is 0.
type storeMsg struct {
	id      uint64
	hint    actor.NodeID // nobody if the receiver is an owner
	entries []entry
}

func (m *storeMsg) append(b []byte) []byte {
	b = append(b, msgStore)
	b = binary.BigEndian.AppendUint64(b, m.id)
	b = append(b, byte(m.hint+1))
	for i := range m.entries {
		b = appendEntry(b, &m.entries[i])
	}
	return b
}

func (m *storeMsg) parse(r *reader) {
	m.id = r.fixed()
	hint := r.byte()
	if hint > maxNodes {
		r.fail()
	}
	m.hint = actor.NodeID(hint) - 1
	for r.more() {
		m.entries = append(m.entries, r.entry())
	}
}

// ackMsg says that what came in the store message of this id is on disk.
type ackMsg struct{ id uint64 }

func (m ackMsg) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(append(b, msgAck), m.id)
}

func (m *ackMsg) parse(r *reader) { m.id = r.fixed() }

// readMsg asks for the newest entry of a key.
type readMsg struct {
	id  uint64
	key string
}

func (m readMsg) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, msgRead), m.id)
	return append(b, m.key...)
}

func (m *readMsg) parse(r *reader) {
	m.id = r.fixed()
	m.key = string(r.b)
	r.b = nil
}

// valueMsg answers a readMsg; entry is nil if there is none.
type valueMsg struct {
	id    uint64
	entry *entry
}

func (m valueMsg) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, msgValue), m.id)
	if m.entry != nil {
		b = appendEntry(b, m.entry)
	}
	return b
}

func (m *valueMsg) parse(r *reader) {
	m.id = r.fixed()
	if r.more() {
		e := r.entry()
		m.entry = &e
	}
}

// scanMsg asks for the keys of some shards that begin with prefix.
type scanMsg struct {
	id     uint64
	prefix string
	shards []int
}

func (m *scanMsg) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, msgScan), m.id)
	b = wire.AppendString(b, m.prefix)
	return appendShards(b, m.shards)
}

func (m *scanMsg) parse(r *reader) {
	m.id = r.fixed()
	m.prefix = r.string()
	m.shards = r.shards()
}

func appendShards(b []byte, shards []int) []byte {
	b = binary.AppendUvarint(b, uint64(len(shards)))
	for _, s := range shards {
		b = binary.AppendUvarint(b, uint64(s))
	}
	return b
}

func (r *reader) shards() []int {
	var shards []int
	for n := r.uint(); n > 0 && !r.bad; n-- {
		shards = append(shards, r.shard())
	}
	return shards
}

// shard takes the number of a shard.
func (r *reader) shard() int {
	n := r.uint()
	if n >= maxNodes*virtual {
		r.fail()
		return 0
	}
	return int(n)
}

// scannedMsg answers a scanMsg: entries without their values.
type scannedMsg struct {
	id     uint64
	shards []int
	found  []entry // without values
}

func (m *scannedMsg) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(append(b, msgScanned), m.id)
	b = appendShards(b, m.shards)
	for i := range m.found {
		e := &m.found[i]
		b = append(appendVersion(b, e.ver), flag(e.dead))
		b = wire.AppendString(b, e.key)
	}
	return b
}

func (m *scannedMsg) parse(r *reader) {
	m.id = r.fixed()
	m.shards = r.shards()
	for r.more() {
		e := entry{ver: r.version()}
		e.dead = r.byte() != 0
		e.key = r.string()
		m.found = append(m.found, e)
	}
}

// The levels of a treeMsg.
const (
	levelAll    byte = iota // one hash over the roots of all shards that both nodes own
	levelRoot               // of each such shard, its root
	levelBranch             // of each shard that differs, the hashes below the root
	levelLeaf               // of each branch that differs, the hashes below it
	levels
)

// treeMsg tells the receiver hashes of the sender's Merkle trees. The receiver
// answers with the next level of what differs, and so on by turns.
type treeMsg struct {
	level byte
	nodes []treeNode
}

// treeNode is a node of a Merkle tree.
type treeNode struct {
	shard  int
	branch int // at levelLeaf
	hashes []uint64
}

func (m *treeMsg) append(b []byte) []byte {
	b = append(b, msgTree, m.level)
	for _, n := range m.nodes {
		b = binary.AppendUvarint(b, uint64(n.shard))
		b = append(b, byte(n.branch))
		for _, h := range n.hashes {
			b = binary.BigEndian.AppendUint64(b, h)
		}
	}
	return b
}

func (m *treeMsg) parse(r *reader) {
	m.level = r.byte()
	if m.level >= levels {
		r.fail()
	}
	width := 1
	if m.level >= levelBranch {
		width = fan
	}
	for r.more() {
		n := treeNode{shard: r.shard(), branch: int(r.byte()) % fan}
		for range width {
			n.hashes = append(n.hashes, r.fixed())
		}
		m.nodes = append(m.nodes, n)
	}
}

// leafMsg tells the receiver which entries the sender has in some leaves.
type leafMsg struct{ leaves []leafSum }

// leafSum lists the entries of one leaf.
type leafSum struct {
	shard   int
	leaf    int
	entries []entrySum
}

// entrySum is an entry with its value made short.
type entrySum struct {
	key  string
	ver  version
	hash uint64
}

func (m *leafMsg) append(b []byte) []byte {
	b = append(b, msgLeaf)
	for _, l := range m.leaves {
		b = binary.AppendUvarint(b, uint64(l.shard))
		b = append(b, byte(l.leaf))
		b = binary.AppendUvarint(b, uint64(len(l.entries)))
		for _, e := range l.entries {
			b = appendVersion(b, e.ver)
			b = binary.BigEndian.AppendUint64(b, e.hash)
			b = wire.AppendString(b, e.key)
		}
	}
	return b
}

func (m *leafMsg) parse(r *reader) {
	for r.more() {
		l := leafSum{shard: r.shard(), leaf: int(r.byte())}
		for n := r.uint(); n > 0 && !r.bad; n-- {
			l.entries = append(l.entries, entrySum{ver: r.version(), hash: r.fixed(), key: r.string()})
		}
		m.leaves = append(m.leaves, l)
	}
}

// wantMsg asks for the entries of keys, to be sent in store messages.
type wantMsg struct{ keys []string }

func (m *wantMsg) append(b []byte) []byte {
	b = append(b, msgWant)
	for _, k := range m.keys {
		b = wire.AppendString(b, k)
	}
	return b
}

func (m *wantMsg) parse(r *reader) {
	for r.more() {
		m.keys = append(m.keys, r.string())
	}
}
