package pow

import (
	"slices"

	"github.com/ordeal-dev/ordeal/targets/ledger/coin"
)

// block is a block in the tree.
type block struct {
	*coin.Block
	name    coin.Hash
	parent  *block
	total   uint64 // the work of its chain
	mark    *block // the last checkpoint of its chain, itself included
	invalid bool   // its transfers do not fit the accounts, or those of a block below it do not
}

// tree is all blocks that the node has, whose chains it has as well.
type tree struct {
	blocks  map[coin.Hash]*block
	briefs  map[coin.Brief]*block
	order   []*block // as they came, the genesis block first
	genesis *block
}

func newTree(genesis *coin.Block) *tree {
	t := &tree{blocks: map[coin.Hash]*block{}, briefs: map[coin.Brief]*block{}}
	t.genesis = t.add(genesis, genesis.Hash(), nil)
	return t
}

// add puts a block on its parent.
func (t *tree) add(b *coin.Block, name coin.Hash, parent *block) *block {
	x := &block{Block: b, name: name, parent: parent, total: b.Work}
	x.mark = x
	if parent != nil {
		x.total += parent.total
		x.invalid = parent.invalid
		if b.Height%Epoch != 0 {
			x.mark = parent.mark
		}
	}
	t.blocks[name], t.briefs[name.Brief()] = x, x
	t.order = append(t.order, x)
	return x
}

// rivals reports whether there is another block of the same height.
func (t *tree) rivals(b *block) bool {
	return slices.ContainsFunc(t.order, func(x *block) bool { return x != b && x.Height == b.Height })
}

// at returns the block of the chain that ends in b at a height, or nil.
func (b *block) at(height uint64) *block {
	for b != nil && b.Height > height {
		switch {
		case b.mark != b && b.mark.Height >= height:
			b = b.mark
		case b.mark == b && b.parent.mark.Height >= height:
			b = b.parent.mark
		default:
			b = b.parent
		}
	}
	if b == nil || b.Height < height {
		return nil
	}
	return b
}

// on reports whether b is on the chain that ends in tip.
func (b *block) on(tip *block) bool { return tip.at(b.Height) == b }

// meet returns the last block that two chains share.
func meet(a, b *block) *block {
	h := min(a.Height, b.Height)
	a, b = a.at(h), b.at(h)
	for a != b {
		a, b = a.parent, b.parent
	}
	return a
}

// path returns the blocks above from up to tip, the lowest first.
func path(from, tip *block) []*block {
	var p []*block
	for b := tip; b != from; b = b.parent {
		p = append(p, b)
	}
	slices.Reverse(p)
	return p
}

// locator names blocks of the chain that ends in tip, ever fewer on the way
// down: who knows one of them knows where to begin.
func locator(tip *block) []coin.Hash {
	var l []coin.Hash
	for b, step := tip, uint64(1); b != nil; {
		l = append(l, b.name)
		if len(l) > 8 {
			step *= 2
		}
		switch {
		case b.parent == nil:
			return l
		case b.Height <= step:
			b = b.at(0)
		default:
			b = b.at(b.Height - step)
		}
	}
	return l
}

// Work starts at baseWork and stays between least and most.
const (
	baseWork  = 64
	leastWork = 16
	mostWork  = 512
)

// nextWork returns the work of a block on top of b that is found at a time:
// more if that was soon, less if it was late. Times are those of the chain.
func nextWork(b *coin.Header, time, interval int64) uint64 {
	switch gap := time - b.Time; {
	case b.Height == 0:
		return b.Work
	case gap < interval/2:
		return min(b.Work+b.Work/4, mostWork)
	case gap > 2*interval:
		return max(b.Work/2, leastWork)
	default:
		return b.Work
	}
}

// The time of the chain goes forward by minStep a block at least, and by four
// intervals at most: it follows the wall clocks of the miners, and a clock that
// jumps moves it by a little only. The first block sets it.
const minStep = ms

// timely returns the time nearest to a wall clock that a block on top of b may have.
func timely(b *coin.Header, wall, interval int64) int64 {
	if b.Height == 0 {
		return min(max(wall, minStep), 1<<62)
	}
	return min(max(wall, b.Time+minStep), b.Time+4*interval)
}

// Follows reports whether a block has the height, time and work that one on top
// of b may have.
func Follows(h, b *coin.Header, interval int64) bool {
	return h.Height == b.Height+1 && h.Time == timely(b, h.Time, interval) && h.Work == nextWork(b, h.Time, interval)
}
