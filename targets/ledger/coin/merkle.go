package coin

import "crypto/sha256"

// What is hashed begins with a tag, so that nobody can show an inner node of
// a tree for a transfer. A node without a sibling goes up as it is: doubling it
// would give two lists of transfers one root (CVE-2012-2459).
const (
	leafTag = 0
	nodeTag = 1
)

func join(left, right Hash) Hash {
	b := append(append(append(make([]byte, 0, 1+2*sha256.Size), nodeTag), left[:]...), right[:]...)
	return sha256.Sum256(b)
}

// Root returns the root of the Merkle tree over transfers: the zero hash for none.
func Root(txs []Transfer) Hash { return rootOf(names(txs)) }

// rootOf returns the root over leafs, whose memory it uses.
func rootOf(level []Hash) Hash {
	for len(level) > 1 {
		level = up(level)
	}
	if len(level) == 0 {
		return Hash{}
	}
	return level[0]
}

// names returns the names of transfers: the leafs of a tree.
func names(txs []Transfer) []Hash {
	level := make([]Hash, len(txs))
	for i := range txs {
		level[i] = txs[i].Hash()
	}
	return level
}

// up returns the level above, in the same memory.
func up(level []Hash) []Hash {
	n := 0
	for i := 0; i < len(level); i += 2 {
		if i+1 < len(level) {
			level[n] = join(level[i], level[i+1])
		} else {
			level[n] = level[i]
		}
		n++
	}
	return level[:n]
}

// Path is what leads from a leaf of a Merkle tree to its root: on each level
// the sibling, and on which side it is. A level without a sibling is left out.
type Path []Step

// Step is one level of a path.
type Step struct {
	Left    bool // the sibling is on the left
	Sibling Hash
}

// PathOf returns the path of the transfer with the given number.
func PathOf(txs []Transfer, i int) Path { return pathOf(names(txs), i) }

// pathOf returns the path of a leaf. It uses the memory of the leafs.
func pathOf(level []Hash, i int) Path {
	var p Path
	for ; len(level) > 1; level, i = up(level), i/2 {
		if s := i ^ 1; s < len(level) {
			p = append(p, Step{Left: s < i, Sibling: level[s]})
		}
	}
	return p
}

// Root returns the root of a tree in which the path leads from the leaf.
func (p Path) Root(leaf Hash) Hash {
	for _, s := range p {
		if s.Left {
			leaf = join(s.Sibling, leaf)
		} else {
			leaf = join(leaf, s.Sibling)
		}
	}
	return leaf
}
