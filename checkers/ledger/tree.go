package ledger

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// plant gives every block its level and its jump pointer, parents before
// children, and leaves out the observations of blocks whose chain does not lead
// to a genesis block, because nobody described a part of it.
func (l *ledger) plant() error {
	children := make([][]int32, len(l.blocks))
	var order []int32
	for i := range l.blocks {
		b := &l.blocks[i]
		b.level = loose
		switch {
		case b.by == nil:
		case b.parent == none:
			b.level, b.jump, b.total = 0, int32(i), b.work
			order = append(order, int32(i))
		default:
			children[b.parent] = append(children[b.parent], int32(i))
		}
	}
	for n := 0; n < len(order); n++ {
		for _, c := range children[order[n]] {
			l.graft(c, order[n])
			order = append(order, c)
		}
	}
	l.views = slices.DeleteFunc(l.views, func(v view) bool {
		gone := l.blocks[v.tip].level == loose || v.final != none && l.blocks[v.final].level == loose
		switch {
		case gone && !v.balances:
			l.report.Loose++
			l.report.judged--
		case gone:
			l.report.LooseBalances++
			l.report.judged--
		}
		return gone
	})
	return nil
}

// loose is the level of a block that is on no known chain.
const loose int32 = -1

// graft puts a block on its parent. Its jump pointer is as long as two of those
// below if these are equal, so that the lengths are those of skew binary numbers.
func (l *ledger) graft(id, parent int32) {
	b, p := &l.blocks[id], &l.blocks[parent]
	b.level = p.level + 1
	if b.work > 0 && p.total > 0 {
		b.total = p.total + b.work
	}
	far := &l.blocks[p.jump]
	b.jump = parent
	if p.level-far.level == far.level-l.blocks[far.jump].level {
		b.jump = far.jump
	}
}

// below returns the block of a chain at a level, or none if it is too short.
func (l *ledger) below(tip, level int32) int32 {
	if level < 0 || l.blocks[tip].level < level {
		return none
	}
	for l.blocks[tip].level > level {
		if b := &l.blocks[tip]; l.blocks[b.jump].level >= level {
			tip = b.jump
		} else {
			tip = b.parent
		}
	}
	return tip
}

// on reports whether block b is on the chain that ends in tip.
func (l *ledger) on(b, tip int32) bool { return l.below(tip, l.blocks[b].level) == b }

// meet returns the last block that two chains share, or none.
func (l *ledger) meet(a, b int32) int32 {
	level := min(l.blocks[a].level, l.blocks[b].level)
	a, b = l.below(a, level), l.below(b, level)
	for a != b {
		x, y := &l.blocks[a], &l.blocks[b]
		switch {
		case x.parent == none:
			return none
		case x.jump != y.jump:
			a, b = x.jump, y.jump
		default:
			a, b = x.parent, y.parent
		}
	}
	return a
}

// adopt finds for each block the first observation that has it on its chain, and
// the blocks whose height is wrong.
func (l *ledger) adopt() error {
	for i := range l.views {
		v := &l.views[i]
		for id := v.tip; id != none && l.blocks[id].adopter == nil; id = l.blocks[id].parent {
			b := &l.blocks[id]
			b.adopter = v
			l.report.Adopted++
			if b.parent != none && b.height != l.blocks[b.parent].height+1 {
				l.add(rules.Finding{Rule: InvalidBlock, Ops: []int{v.Invoke.Index, b.by.Index}, Item: l.blockName(id), Why: fmt.Sprintf(
					"%s, whose chain has block %s of height %d on top of block %s of height %d",
					l.saw(v), l.blockName(id), b.height, l.blockName(b.parent), l.blocks[b.parent].height)})
			}
		}
	}
	return nil
}

func (l *ledger) blockName(id int32) string   { return checkers.KeyName(l.ids.Value(id)) }
func (l *ledger) txName(id int32) string      { return checkers.KeyName(l.names.Value(id)) }
func (l *ledger) accountName(id int32) string { return checkers.KeyName(l.accounts.Value(id)) }

// saw describes an observation: "process 1 through n2 saw tip b7 at 3 ms".
func (l *ledger) saw(v *view) string {
	return fmt.Sprintf("process %v%s saw tip %s at %s", v.Invoke.Process, through(v.Invoke), l.blockName(v.tip), l.clock.At(v.Invoke))
}

func through(op *history.Op) string {
	if op.Node == "" {
		return ""
	}
	return " through " + op.Node
}
