package logs

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// metadata is the state that all nodes share. It is changed by commands in the
// order of the Raft log, and by nothing else.
type metadata struct {
	cfg   *Config
	nodes int

	brokers   []broker    // by node
	parts     []partition // by number
	ids       uint64      // the last one that a producer got
	producers []producer  // with a name, sorted by it
	ended     []ending    // transactions whose markers are not all committed, oldest first
	groups    []group     // sorted by name

	met string // a fact that the last command brought about; it is not part of the state
}

// broker is what is known of a node.
type broker struct {
	life  uint64 // differs from one start of the node to the next; 0 before the first
	alive bool
}

// partition says who holds a partition and who leads it.
type partition struct {
	replicas []actor.NodeID // in the order of preference; never changes
	leader   actor.NodeID   // or nobody
	epoch    uint64         // of the leader
	version  uint64         // raised by every change
	isr      []actor.NodeID // in the order of replicas, never empty
}

const nobody actor.NodeID = -1

// producer is one with a name. While a transaction is open, it is the one of the
// current epoch.
type producer struct {
	name  string
	txn   txnID
	open  bool
	parts []int // of the open transaction, sorted
}

// ending is how a transaction ended.
type ending struct {
	txn    txnID
	commit bool
	parts  []int // whose leaders still have to commit a marker
}

// group shares the partitions among its members.
type group struct {
	name       string
	generation uint64
	members    []member // sorted by name
	owners     []string // by partition, the member; "" for none
	offsets    []int64  // by partition, what was committed
}

type member struct {
	name string
	node actor.NodeID // of its client
}

func newMetadata(cfg *Config, nodes int) *metadata {
	m := &metadata{cfg: cfg, nodes: nodes, brokers: make([]broker, nodes)}
	for p := range cfg.partitions() {
		replicas := cfg.replicasOf(p, nodes)
		m.parts = append(m.parts, partition{replicas: replicas, leader: nobody, isr: replicas})
	}
	return m
}

// Apply executes a command.
func (m *metadata) Apply(_ uint64, cmd []byte) []byte {
	m.met = ""
	if len(cmd) == 0 {
		return []byte{refused}
	}
	d := wire.NewDecoder(cmd[1:])
	switch cmd[0] {
	case cmdRegister:
		return m.register(nodeID(d), d.Uvarint(), d)
	case cmdFence:
		return m.fence(nodeID(d), d.Uvarint(), d)
	case cmdAlter:
		return m.alter(small(d), d.Uvarint(), d.Uvarint(), readNodes(d), d)
	case cmdInit:
		return m.init(d.String(), d)
	case cmdBegin:
		return m.begin(readTxn(d), readNumbers(d), d)
	case cmdEnd:
		return m.end(readTxn(d), d.Uvarint() == 1, readMembership(d), readPositions(d), d)
	case cmdExpire:
		return m.expire(readTxn(d), d)
	case cmdMarked:
		return m.marked(d)
	case cmdJoin:
		return m.join(d.String(), d.String(), nodeID(d), d)
	case cmdLeave:
		return m.leave(d.String(), d.String(), d)
	case cmdCommit:
		return m.commit(readMembership(d), readPositions(d), d)
	default:
		return []byte{refused}
	}
}

func readTxn(d *wire.Decoder) txnID { return txnID{d.Uvarint(), d.Uvarint()} }

// Read answers a query.
func (m *metadata) Read(query []byte) []byte {
	if len(query) == 0 || query[0] != cmdSync {
		return []byte{refused}
	}
	d := wire.NewDecoder(query[1:])
	name, who := d.String(), d.String()
	if d.Done() != nil {
		return []byte{refused}
	}
	g := m.group(name)
	if g == nil || !g.has(who) {
		return []byte{stale}
	}
	return g.share(who)
}

// register brings a node back. If it is a new life of the node, what it led has
// to be led anew.
func (m *metadata) register(node actor.NodeID, life uint64, d *wire.Decoder) []byte {
	if d.Done() != nil || int(node) >= m.nodes {
		return []byte{refused}
	}
	b := &m.brokers[node]
	if b.life != life {
		m.unseat(node)
	}
	b.life, b.alive = life, true
	m.elect()
	return []byte{done}
}

// fence takes a node for dead: it leads nothing, and is in no ISR that has other
// members. All that was committed is with those as well.
func (m *metadata) fence(node actor.NodeID, life uint64, d *wire.Decoder) []byte {
	if d.Done() != nil || int(node) >= m.nodes || m.brokers[node] != (broker{life, true}) {
		return []byte{refused}
	}
	m.brokers[node].alive = false
	for p := range m.parts {
		if part := &m.parts[p]; len(part.isr) > 1 && slices.Contains(part.isr, node) {
			part.isr = slices.DeleteFunc(slices.Clone(part.isr), func(id actor.NodeID) bool { return id == node })
			part.version++
		}
	}
	m.unseat(node)
	m.elect()
	for g := range m.groups {
		m.drop(&m.groups[g], func(who member) bool { return who.node == node })
	}
	return []byte{done}
}

// unseat takes the partitions that a node leads from it.
func (m *metadata) unseat(node actor.NodeID) {
	for p := range m.parts {
		if part := &m.parts[p]; part.leader == node {
			part.leader = nobody
			part.version++
		}
	}
}

// elect gives a leader to each partition that has none, if it can.
func (m *metadata) elect() {
	for p := range m.parts {
		part := &m.parts[p]
		if part.leader != nobody {
			continue
		}
		id, clean := m.candidate(part)
		if id == nobody {
			continue
		}
		if !clean {
			part.isr = []actor.NodeID{id}
		}
		part.leader = id
		part.epoch++
		part.version++
	}
}

// candidate returns who is to lead a partition, and whether it has all that was
// committed.
func (m *metadata) candidate(part *partition) (id actor.NodeID, clean bool) {
	if m.cfg.Bugs[Q1] {
		id = m.living(part.replicas)
		return id, slices.Contains(part.isr, id)
	}
	if id = m.living(inOrder(part.replicas, part.isr)); id != nobody || !m.cfg.Unclean {
		return id, true
	}
	return m.living(part.replicas), false
}

// living returns the first of the nodes that is alive, or nobody.
func (m *metadata) living(ids []actor.NodeID) actor.NodeID {
	for _, id := range ids {
		if m.brokers[id].alive {
			return id
		}
	}
	return nobody
}

// inOrder returns the members of a set in the order of all.
func inOrder(all, set []actor.NodeID) []actor.NodeID {
	return slices.DeleteFunc(slices.Clone(all), func(id actor.NodeID) bool { return !slices.Contains(set, id) })
}

// alter gives a partition the ISR that its leader asks for, unless something has
// changed since.
func (m *metadata) alter(p int, epoch, version uint64, isr []actor.NodeID, d *wire.Decoder) []byte {
	if d.Done() != nil || p >= len(m.parts) {
		return []byte{refused}
	}
	part := &m.parts[p]
	dead := slices.ContainsFunc(isr, func(id actor.NodeID) bool { return int(id) >= m.nodes || !m.brokers[id].alive })
	if part.epoch != epoch || part.version != version || dead || !slices.Contains(isr, part.leader) {
		return []byte{stale}
	}
	part.isr = inOrder(part.replicas, isr)
	part.version++
	return []byte{done}
}

// init gives a producer an id, and one with a name an epoch that is newer than
// all before. What was open is aborted.
func (m *metadata) init(name string, d *wire.Decoder) []byte {
	if d.Done() != nil {
		return []byte{refused}
	}
	if name == "" {
		m.ids++
		return wire.AppendUvarints([]byte{done}, m.ids, 0)
	}
	i, found := slices.BinarySearchFunc(m.producers, name, func(p producer, name string) int { return cmp.Compare(p.name, name) })
	if !found {
		m.ids++
		m.producers = slices.Insert(m.producers, i, producer{name: name, txn: txnID{m.ids, 0}})
	}
	p := &m.producers[i]
	if p.open {
		m.met = factFenced
	}
	m.close(p, false)
	return wire.AppendUvarints([]byte{done}, p.txn.id, p.txn.epoch)
}

// close ends the current epoch of a producer, and the transaction in it.
func (m *metadata) close(p *producer, commit bool) {
	if p.open && len(p.parts) > 0 {
		m.ended = append(m.ended, ending{p.txn, commit, p.parts})
	}
	p.open, p.parts = false, nil
	p.txn.epoch++
}

// current returns the producer of a transaction, or nil if its epoch is over.
func (m *metadata) current(t txnID) *producer {
	i := slices.IndexFunc(m.producers, func(p producer) bool { return p.txn.id == t.id })
	if i < 0 || m.producers[i].txn != t && !m.cfg.Bugs[Q7] {
		return nil
	}
	return &m.producers[i]
}

func (m *metadata) begin(t txnID, parts []int, d *wire.Decoder) []byte {
	if d.Done() != nil || slices.ContainsFunc(parts, func(p int) bool { return p >= len(m.parts) }) {
		return []byte{refused}
	}
	p := m.current(t)
	if p == nil {
		return []byte{fenced}
	}
	p.open = true
	p.parts = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(p.parts), parts...))))
	return []byte{done}
}

// end ends a transaction. If its group has another generation meanwhile, its
// offsets cannot be committed, and so nothing is. The answer is the next epoch.
func (m *metadata) end(t txnID, commit bool, who membership, offsets []position, d *wire.Decoder) []byte {
	if d.Done() != nil || !m.fit(offsets) {
		return []byte{refused}
	}
	p := m.current(t)
	switch {
	case p == nil:
		return []byte{fenced}
	case commit && who.group != "":
		g := m.group(who.group)
		if !g.current(who) {
			m.met = factRebalance
			if g != nil && m.cfg.Bugs[Q14] {
				g.note(offsets)
			}
			m.close(p, false)
			return wire.AppendUvarints([]byte{stale}, p.txn.epoch)
		}
		g.note(offsets)
	}
	m.close(p, commit)
	return wire.AppendUvarints([]byte{done}, p.txn.epoch)
}

// expire aborts a transaction that takes too long.
func (m *metadata) expire(t txnID, d *wire.Decoder) []byte {
	if p := m.current(t); d.Done() == nil && p != nil && p.txn == t && p.open {
		m.met = factExpired
		m.close(p, false)
		return []byte{done}
	}
	return []byte{refused}
}

// marked forgets what leaders have committed markers for.
func (m *metadata) marked(d *wire.Decoder) []byte {
	for range count(d) {
		t, p := readTxn(d), small(d)
		for i := range m.ended {
			if e := &m.ended[i]; e.txn == t {
				e.parts = slices.DeleteFunc(slices.Clone(e.parts), func(q int) bool { return q == p })
			}
		}
	}
	m.ended = slices.DeleteFunc(m.ended, func(e ending) bool { return len(e.parts) == 0 })
	return []byte{done}
}

// fit reports whether positions are in partitions that there are.
func (m *metadata) fit(ps []position) bool {
	return !slices.ContainsFunc(ps, func(p position) bool { return p.part >= len(m.parts) || p.offset < 0 })
}

// writes returns the transaction that a record of t belongs to, if that is open
// and has announced that it sends to partition p.
func (m *metadata) writes(t txnID, p int) (txnID, bool) {
	x := m.current(t)
	if x == nil || !x.open || !slices.Contains(x.parts, p) {
		return t, false
	}
	return x.txn, true
}

// over reports whether the epoch of a transaction is over.
func (m *metadata) over(t txnID) bool {
	i := slices.IndexFunc(m.producers, func(p producer) bool { return p.txn.id == t.id })
	return i >= 0 && m.producers[i].txn.epoch > t.epoch && !m.cfg.Bugs[Q7]
}
