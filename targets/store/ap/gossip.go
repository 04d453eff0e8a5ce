package ap

import "github.com/ordeal-dev/ordeal/harness/actor"

const (
	// gossipEvery is the mean time between two comparisons of a node with one
	// and the same peer.
	gossipEvery = 1000 * ms
	// pushBytes is about how much goes into one message of anti-entropy.
	pushBytes = 48 << 10
)

// gossip is the timer that compares the node's trees with those of one peer
// after the other. Nodes that agree exchange one message of one hash.
type gossip struct{}

func (gossip) Over() bool { return false }

func (gossip) Ring(n *node) {
	peers := n.env.Nodes()
	n.gossip = (n.gossip + 1) % (peers - 1)
	to := actor.NodeID((int(n.self) + 1 + n.gossip) % peers)
	if all, some := n.sharedHash(to); some {
		m := treeMsg{level: levelAll, nodes: []treeNode{{hashes: []uint64{all}}}}
		n.env.Send(to, m.append(nil))
	}
	each := gossipEvery / int64(peers-1)
	n.timers.Set(n.env.Mono()+n.jitter.Between(each*3/4, each*5/4), gossip{})
}

// shares reports whether the node and the peer both own a shard.
func (n *node) shares(shard int, peer actor.NodeID) bool {
	return n.table.shards[shard] != nil && n.ring.owners[shard].has(peer)
}

// sharedHash covers all shards that both the node and the peer own, if any.
func (n *node) sharedHash(peer actor.NodeID) (hash uint64, some bool) {
	for i, s := range n.table.shards {
		if n.shares(i, peer) {
			hash, some = mix(hash^s.tree.root()), true
		}
	}
	return hash, some
}

// compareTrees answers with the next level of what differs.
func (n *node) compareTrees(from actor.NodeID, m *treeMsg) {
	next := treeMsg{level: m.level + 1}
	var leaves leafMsg
	for _, theirs := range m.nodes {
		switch {
		case m.level == levelAll:
			next.nodes = n.sharedRoots(from, theirs.hashes[0])
		case theirs.shard >= len(n.table.shards) || !n.shares(theirs.shard, from):
		case m.level == levelRoot:
			next.nodes = n.differentBranches(next.nodes, theirs)
		case m.level == levelBranch:
			next.nodes = n.differentLeaves(next.nodes, theirs)
		default:
			leaves.leaves = n.sumLeaves(leaves.leaves, theirs)
		}
	}
	if len(next.nodes) > 0 {
		n.env.Send(from, next.append(nil))
	}
	n.sendLeaves(from, leaves.leaves)
}

// sharedRoots returns the roots of all shards that the peer owns too, if
// together they differ from its own.
func (n *node) sharedRoots(peer actor.NodeID, theirs uint64) []treeNode {
	if ours, _ := n.sharedHash(peer); ours == theirs {
		return nil
	}
	var roots []treeNode
	for i, s := range n.table.shards {
		if n.shares(i, peer) {
			roots = append(roots, treeNode{shard: i, hashes: []uint64{s.tree.root()}})
		}
	}
	return roots
}

func (n *node) differentBranches(next []treeNode, theirs treeNode) []treeNode {
	t := &n.table.shards[theirs.shard].tree
	if t.root() == theirs.hashes[0] {
		return next
	}
	return append(next, treeNode{shard: theirs.shard, hashes: t.branchHashes()})
}

func (n *node) differentLeaves(next []treeNode, theirs treeNode) []treeNode {
	t := &n.table.shards[theirs.shard].tree
	for i, ours := range n.ranges(t.branchHashes()) {
		if ours != theirs.hashes[i] {
			next = append(next, treeNode{shard: theirs.shard, branch: i, hashes: t.leavesOf(i)})
		}
	}
	return next
}

// ranges returns the hashes of one level that are compared: all of them.
func (n *node) ranges(hashes []uint64) []uint64 {
	if n.cfg.Bugs.has(lastRange) {
		return hashes[:len(hashes)-1]
	}
	return hashes
}

// sumLeaves lists what the node has in the leaves that differ.
func (n *node) sumLeaves(sums []leafSum, theirs treeNode) []leafSum {
	s := n.table.shards[theirs.shard]
	for i, ours := range n.ranges(s.tree.leavesOf(theirs.branch)) {
		if ours == theirs.hashes[i] {
			continue
		}
		sum := leafSum{shard: theirs.shard, leaf: theirs.branch*fan + i}
		for it := s.leafs[sum.leaf]; it != nil; it = it.next {
			sum.entries = append(sum.entries, entrySum{it.key, it.ver, it.hash})
		}
		sums = append(sums, sum)
	}
	return sums
}

// sendLeaves sends lists of leaves in messages of bounded size.
func (n *node) sendLeaves(to actor.NodeID, sums []leafSum) {
	var m leafMsg
	size := 0
	for i, sum := range sums {
		m.leaves = append(m.leaves, sum)
		for _, e := range sum.entries {
			size += len(e.key) + 20
		}
		if size >= pushBytes || i == len(sums)-1 {
			n.env.Send(to, m.append(nil))
			m, size = leafMsg{}, 0
		}
	}
}

// compareLeaves sends the peer what it lacks, and asks it for what it has.
func (n *node) compareLeaves(from actor.NodeID, m *leafMsg) {
	var push []entry
	var want wantMsg
	for _, sum := range m.leaves {
		if sum.shard >= len(n.table.shards) || !n.shares(sum.shard, from) {
			continue
		}
		listed := make(map[string]bool, len(sum.entries))
		for i := range sum.entries {
			theirs := &sum.entries[i]
			listed[theirs.key] = true
			ours := n.table.items[theirs.key]
			if ours != nil && n.cfg.Bugs.has(namesOnly) {
				continue
			}
			if ours.behind(theirs) {
				want.keys = append(want.keys, theirs.key)
			}
			if ours.ahead(theirs) {
				push = append(push, ours.entry)
			}
		}
		for it := n.table.shards[sum.shard].leafs[sum.leaf]; it != nil; it = it.next {
			if !listed[it.key] {
				push = append(push, it.entry)
			}
		}
	}
	if len(push)+len(want.keys) > 0 {
		n.note(factDiffers)
	}
	n.push(from, push)
	if len(want.keys) > 0 {
		n.env.Send(from, want.append(nil))
	}
}

// behind reports whether the peer has what it, which may be nil, should
// become. Two entries of one version are exchanged both ways, for only their
// values tell which one wins.
func (it *item) behind(theirs *entrySum) bool {
	return it == nil || it.hash != theirs.hash && it.ver.compare(theirs.ver) <= 0
}

// ahead reports whether the peer should become what it is.
func (it *item) ahead(theirs *entrySum) bool {
	return it != nil && it.hash != theirs.hash && it.ver.compare(theirs.ver) >= 0
}

// wanted returns the entries of keys that a peer asked for.
func (n *node) wanted(keys []string) []entry {
	var found []entry
	for _, k := range keys {
		if e := n.table.get(k); e != nil {
			found = append(found, *e)
		}
	}
	return found
}

// push sends entries to another owner in messages of bounded size. Nothing is
// acknowledged: what gets lost will be found again.
func (n *node) push(to actor.NodeID, entries []entry) {
	for from, i, size := 0, 0, 0; i < len(entries); i++ {
		size += entries[i].size()
		if size >= pushBytes || i == len(entries)-1 {
			m := storeMsg{hint: nobody, entries: entries[from : i+1]}
			n.env.Send(to, m.append(nil))
			from, size = i+1, 0
		}
	}
}
