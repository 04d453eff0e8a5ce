package ledger

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
)

// weighed finds observations whose chain has less work than one that the same
// node had before. A node forgets no block that it had on its chain, so there is
// one excuse only: that it is bound to a block that the old chain lacks.
func (l *ledger) weighed() error {
	ended := l.byEnd()
	had := make(map[string][]*view) // by node, those that ended
	most := make(map[string]int64)  // work of these
	for i := range l.views {
		v := &l.views[i]
		for ; len(ended) > 0 && ended[0].Complete.Index < v.Invoke.Index; ended = ended[1:] {
			if o := ended[0]; !o.balances && l.blocks[o.tip].total > 0 {
				had[o.Invoke.Node] = append(had[o.Invoke.Node], o)
				most[o.Invoke.Node] = max(most[o.Invoke.Node], l.blocks[o.tip].total)
			}
		}
		if v.balances || l.blocks[v.tip].total == 0 || l.blocks[v.tip].total >= most[v.Invoke.Node] {
			continue
		}
		for _, old := range had[v.Invoke.Node] {
			if l.lighter(old, v) {
				l.lightened(old, v)
				break
			}
		}
	}
	return nil
}

// lighter reports whether a node should not have left one chain for another.
func (l *ledger) lighter(old, v *view) bool {
	if l.blocks[old.tip].total <= l.blocks[v.tip].total {
		return false
	}
	return v.bound == none || l.blocks[v.bound].level != loose && l.on(v.bound, old.tip)
}

func (l *ledger) lightened(old, v *view) {
	why := fmt.Sprintf("%s, whose chain has %d work, and had that by %s", l.saw(old), l.blocks[old.tip].total, l.clock.At(old.Complete))
	l.add(rules.Finding{Rule: LighterChain, Ops: []int{old.Invoke.Index, v.Invoke.Index}, Why: fmt.Sprintf(
		"%s; after that, %s, whose chain has %d work, and the node was not bound to a block that the first chain lacks",
		why, l.saw(v), l.blocks[v.tip].total),
		Edges: []checkers.Edge{{From: old.Invoke.Index, To: v.Invoke.Index, Kind: "rt", Why: why}}})
}
