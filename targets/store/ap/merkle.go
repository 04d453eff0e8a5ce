package ap

// fan is the number of children of each inner node of a Merkle tree: a tree
// has a root, fan branches, and fan*fan leaves.
const fan = 16

// tree is the Merkle tree over the entries of one shard. A key belongs to the
// leaf that its position says. The hash of a leaf is the sum of the hashes of
// its entries, so that a change costs the same however many there are; hashes
// above are those of their children, made anew when somebody asks.
type tree struct {
	leaves   [fan * fan]uint64
	branches [fan]uint64
	top      uint64
	dirty    uint32 // branches that no longer fit their leaves
	fresh    bool   // top fits the branches; false in the zero tree
}

// leafAt returns the leaf of a position. The high bits of a position choose the
// shard, so the low ones choose the leaf.
func leafAt(pos uint64) int { return int(pos % (fan * fan)) }

// change replaces an entry's hash in a leaf; 0 stands for none.
func (t *tree) change(leaf int, before, after uint64) {
	t.leaves[leaf] += after - before
	t.dirty |= 1 << (leaf / fan)
	t.fresh = false
}

// root returns the hash of the whole tree.
func (t *tree) root() uint64 {
	if t.fresh {
		return t.top
	}
	for i := range t.branches {
		if t.dirty>>i&1 != 0 {
			t.branches[i] = hashAll(t.leavesOf(i))
		}
	}
	t.dirty, t.fresh = 0, true
	t.top = hashAll(t.branches[:])
	return t.top
}

// branchHashes returns the hashes below the root.
func (t *tree) branchHashes() []uint64 {
	t.root()
	return t.branches[:]
}

// leavesOf returns the hashes below a branch.
func (t *tree) leavesOf(branch int) []uint64 { return t.leaves[branch*fan : (branch+1)*fan] }

// hashAll is the hash of an inner node. Nodes without entries have hash 0.
func hashAll(children []uint64) uint64 {
	var h, some uint64
	for _, c := range children {
		h = mix(h ^ c)
		some |= c
	}
	if some == 0 {
		return 0
	}
	return h
}
