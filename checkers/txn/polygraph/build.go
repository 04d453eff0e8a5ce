package polygraph

import "slices"

// none stands for a version, node or literal that is not there.
const none = -1

// network is the graph of what is known, and the versions whose order is not.
//
// Node t is transaction t: for levels with snapshots, where it begins, and node
// len(Txns)+t is where it commits. Then come nodes that stand for many edges at
// once.
type network struct {
	*History
	level Level
	vers  []version
	first []int32 // by transaction, its first version; they are in the order of Writes
	reads [][]int32
	// The chain of the initial version of each key, and who read that version.
	initial []int32 // by key, the first version of the chain, or none
	lost    *lost
	circle  int32 // one of some versions that were made of each other in a circle, or none
	timed   bool  // it keeps real time, at least nearly
	helpers []helper
	links
	out, in csr
}

// version is what a transaction left of a key.
type version struct {
	txn, key int32
	next     int32 // the version that was made of it, or none
	head     int32 // the first one of its chain
	tail     int32 // of the first one of a chain, the last one
	readers  int32 // the node that all who read it lead to; none if nobody did
	primal   bool  // of the first one of a chain: the chain began with the initial version
}

// lost is an update that was lost: two transactions read the same version, and
// both replaced it.
type lost struct {
	Pair
	read Read
}

// helper is a node between transactions.
type helper struct {
	kind Kind  // of the edge through it
	key  int32 // for WW and RW
	ver  int32 // for the readers of a version
}

// links collects edges.
type links struct {
	from, to []int32
	kind     []Kind
}

func (l *links) add(from, to int32, kind Kind) {
	l.from, l.to, l.kind = append(l.from, from), append(l.to, to), append(l.kind, kind)
}

// inner marks the edge from the beginning of a transaction to its commit, and
// those behind a helper, which go with the edge before them.
const inner = Kind(255)

// csr has the edges of each node side by side.
type csr struct {
	off, to []int32
	kind    []Kind
}

func (l *links) csr(nodes int, from, to []int32) csr {
	c := csr{make([]int32, nodes+1), make([]int32, len(to)), make([]Kind, len(to))}
	for _, f := range from {
		c.off[f+1]++
	}
	for i := range nodes {
		c.off[i+1] += c.off[i]
	}
	next := slices.Clone(c.off)
	for i, f := range from {
		c.to[next[f]], c.kind[next[f]] = to[i], l.kind[i]
		next[f]++
	}
	return c
}

// begin and commit are the nodes of a transaction.
func (n *network) begin(t int32) int32 { return t }

func (n *network) commit(t int32) int32 {
	if n.level.Snapshot() {
		return int32(len(n.Txns)) + t
	}
	return t
}

// txn returns the transaction of a node, or none if it is a helper.
func (n *network) txn(node int32) int32 {
	t := int32(len(n.Txns))
	switch {
	case node < t:
		return node
	case n.level.Snapshot() && node < 2*t:
		return node - t
	default:
		return none
	}
}

func (n *network) helper(node int32) *helper { return &n.helpers[int(node)-n.own()] }

// own is how many nodes are transactions.
func (n *network) own() int {
	if n.level.Snapshot() {
		return 2 * len(n.Txns)
	}
	return len(n.Txns)
}

func (n *network) nodes() int { return n.own() + len(n.helpers) }

func (n *network) help(h helper) int32 {
	n.helpers = append(n.helpers, h)
	return int32(n.nodes() - 1)
}

// version returns the version that t left of key, or none.
func (n *network) version(t, key int32) int32 {
	if t == Initial {
		return none
	}
	if i := slices.Index(n.Txns[t].Writes, key); i >= 0 {
		return n.first[t] + int32(i)
	}
	return none
}

// chain returns the first version of the chain that t has part in.
func (n *network) chain(t, key int32) *version { return &n.vers[n.vers[n.version(t, key)].head] }

// build draws what is known, and what a guide asks for, if there is one.
func build(h *History, level Level, g *guide) *network {
	n := &network{History: h, level: level}
	n.number()
	n.chains()
	if n.lost != nil || n.circle != none {
		return n // there is nothing more to find out
	}
	room := 6 * (len(h.Txns) + len(n.vers)/2)
	n.from, n.to, n.kind = make([]int32, 0, room), make([]int32, 0, room), make([]Kind, 0, room)
	n.helpers = make([]helper, 0, len(h.Txns)+len(n.vers)/2)
	n.data()
	if level.Snapshot() {
		for t := range h.Txns {
			n.add(n.begin(int32(t)), n.commit(int32(t)), inner)
		}
	}
	if level.sessions() {
		n.sessions()
	}
	if level.realtime() {
		g = &guide{}
	}
	if n.timed = g != nil; n.timed {
		n.realtime(g)
	}
	n.out = n.csr(n.nodes(), n.from, n.to)
	n.in = n.csr(n.nodes(), n.to, n.from)
	n.links = links{}
	return n
}

// number gives numbers to versions, and finds those that were read.
func (n *network) number() {
	n.first = make([]int32, len(n.Txns)+1)
	total := 0
	for t := range n.Txns {
		n.first[t+1] = n.first[t] + int32(len(n.Txns[t].Writes))
		total += len(n.Txns[t].Reads)
	}
	n.vers = make([]version, 0, n.first[len(n.Txns)])
	for t := range n.Txns {
		for _, k := range n.Txns[t].Writes {
			n.vers = append(n.vers, version{txn: int32(t), key: k, next: none, head: none, readers: none})
		}
	}
	n.reads = make([][]int32, len(n.Txns))
	all := make([]int32, 0, total)
	for t := range n.Txns {
		from := len(all)
		for _, r := range n.Txns[t].Reads {
			all = append(all, n.version(r.From, r.Key))
		}
		n.reads[t] = all[from:]
	}
}

// chains links each version with the one that was made of it. If several were,
// which no level allows, the first is linked.
func (n *network) chains() {
	n.initial = make([]int32, n.Keys)
	for k := range n.initial {
		n.initial[k] = none
	}
	linked := make([]bool, len(n.vers))
	for t := range n.Txns {
		for i, r := range n.Txns[t].Reads {
			v := n.version(int32(t), r.Key)
			if v == none {
				continue
			}
			next := &n.initial[r.Key]
			if r.From != Initial {
				next = &n.vers[n.reads[t][i]].next
			}
			if *next == none {
				*next, linked[v] = v, true
			} else if n.lost == nil {
				n.lost = &lost{Pair{n.vers[*next].txn, int32(t)}, r}
			}
		}
	}
	for _, v := range n.initial {
		if v != none {
			linked[v] = false
		}
	}
	for v := range n.vers {
		if !linked[v] {
			n.chainFrom(int32(v))
		}
	}
	n.circle = int32(slices.IndexFunc(n.vers, func(v version) bool { return v.head == none }))
	for _, v := range n.initial {
		if v != none {
			n.vers[v].primal = true
		}
	}
}

func (n *network) chainFrom(head int32) {
	tail := head
	for v := head; v != none; v = n.vers[v].next {
		n.vers[v].head, tail = head, v
	}
	n.vers[head].tail = tail
}

// data draws what reads show: who wrote comes before who read, who read before
// who made the next version, and the chain of the initial version before others.
func (n *network) data() {
	first := make([]int32, n.Keys) // the helper of who read the last version of the initial chain
	for k := range first {
		first[k] = none
	}
	for t := range n.Txns {
		for i, r := range n.Txns[t].Reads {
			n.read(int32(t), r, n.reads[t][i], first)
		}
	}
	n.afterInitial(first)
}

// read draws the edges of one read.
func (n *network) read(t int32, r Read, v int32, first []int32) {
	next := n.initial[r.Key]
	if v != none {
		if n.vers[v].txn != t {
			n.add(n.commit(n.vers[v].txn), n.begin(t), WR)
		}
		next = n.vers[v].next
	}
	switch {
	case next != none:
		if w := n.vers[next].txn; w != t {
			n.add(n.begin(t), n.commit(w), RW)
		}
	case v == none || n.vers[n.vers[v].head].primal:
		if first[r.Key] == none {
			first[r.Key] = n.help(helper{kind: RW, key: r.Key, ver: v})
		}
		n.add(n.begin(t), first[r.Key], RW)
	default:
		if n.vers[v].readers == none {
			n.vers[v].readers = n.help(helper{kind: RW, key: r.Key, ver: v})
		}
		n.add(n.begin(t), n.vers[v].readers, RW)
	}
}

// afterInitial puts all other chains of a key after the one that began with its
// initial version, and after those who read the last version of that.
func (n *network) afterInitial(readers []int32) {
	writers := make([]int32, n.Keys)
	for k, v := range n.initial {
		writers[k] = none
		if v != none {
			writers[k] = n.help(helper{kind: WW, key: int32(k), ver: n.vers[v].tail})
			n.add(n.commit(n.vers[n.vers[v].tail].txn), writers[k], WW)
		}
	}
	for v := range n.vers {
		ver := &n.vers[v]
		if ver.head != int32(v) || ver.primal {
			continue
		}
		if from := writers[ver.key]; from != none {
			n.add(from, n.begin(ver.txn), inner)
		}
		if from := readers[ver.key]; from != none {
			n.add(from, n.commit(ver.txn), inner)
		}
	}
}

// sessions puts the transactions of each session in order. One whose end is not
// known may have had its effect at any later time.
func (n *network) sessions() {
	last := make(map[int32]int32)
	for t := range n.Txns {
		s := n.Txns[t].Session
		if before, ok := last[s]; ok {
			n.add(n.commit(before), n.begin(int32(t)), Session)
		}
		if n.Txns[t].End != Never {
			last[s] = int32(t)
		}
	}
}

// realtime puts transactions after those that had ended when they began, or some
// time before, through moments: one for each run of ends without a beginning
// between.
func (n *network) realtime(g *guide) {
	ends := make([]int32, 0, len(n.Txns))
	for t := range n.Txns {
		if n.Txns[t].End != Never && !g.free[int32(t)] {
			ends = append(ends, int32(t))
		}
	}
	slices.SortFunc(ends, func(a, b int32) int { return n.Txns[a].End - n.Txns[b].End })
	now := int32(none)
	for t := range n.Txns {
		next := int32(none)
		for ; len(ends) > 0 && n.Txns[ends[0]].End+g.before < n.Txns[t].Begin; ends = ends[1:] {
			if next == none {
				next = n.help(helper{kind: Realtime})
			}
			n.add(n.commit(ends[0]), next, Realtime)
		}
		if next != none && now != none {
			n.add(now, next, inner)
		}
		if next != none {
			now = next
		}
		if now != none && !g.free[int32(t)] {
			n.add(now, n.begin(int32(t)), inner)
		}
	}
}
