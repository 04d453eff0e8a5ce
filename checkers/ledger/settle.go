package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
)

// promise is a way in which an observation can settle a block for good.
type promise struct {
	fork, reversal string // the rules
	what           string
	block          func(v *view) int32
}

// settled judges finality and confirmation.
func (l *ledger) settled() error {
	if l.opts.Provisional {
		return nil
	}
	final := promise{FinalityFork, FinalityReversal, "final", func(v *view) int32 { return v.final }}
	deep := promise{ConfirmedFork, DeepReorg, fmt.Sprintf("confirmed %d times", l.opts.Depth), l.confirmed}
	for _, p := range []promise{final, deep} {
		l.forks(p)
		l.reversals(p)
	}
	return nil
}

// stalled finds observations of the final phase by which nothing has become final
// since the load, although there was time.
func (l *ledger) stalled() error {
	if l.opts.Provisional || l.opts.Inclusion <= 0 {
		return nil
	}
	l.still = make(map[string][]*view)
	low, end := make(map[string]*view), int64(0)
	for i := range l.views {
		if v := &l.views[i]; !v.Invoke.Final {
			end = max(end, v.Complete.Time)
			if old := low[v.Invoke.Node]; v.final != none && (old == nil || l.blocks[v.final].height > l.blocks[old.final].height) {
				low[v.Invoke.Node] = v
			}
		}
	}
	for i := range l.views {
		v := &l.views[i]
		old := low[v.Invoke.Node]
		if !v.Invoke.Final || v.final == none || old == nil || v.Invoke.Time < end+l.opts.Inclusion.Nanoseconds() ||
			l.blocks[v.final].height > l.blocks[old.final].height {
			continue
		}
		l.still[v.Invoke.Node] = append(l.still[v.Invoke.Node], v)
		why := fmt.Sprintf("%s, with a final block of height %d, and had that by %s", l.saw(old), l.blocks[old.final].height, l.clock.At(old.Complete))
		l.add(rules.Finding{Rule: StalledFinality, Ops: []int{old.Invoke.Index, v.Invoke.Index}, Why: fmt.Sprintf(
			"%s; after all faults were over, %s, with a final block of height %d", why, l.saw(v), l.blocks[v.final].height),
			Edges: []checkers.Edge{{From: old.Invoke.Index, To: v.Invoke.Index, Kind: "rt", Why: why}}})
	}
	return nil
}

// confirmed returns the highest confirmed block of an observation, or none.
func (l *ledger) confirmed(v *view) int32 {
	if l.opts.Depth < 0 {
		return none
	}
	return l.below(v.tip, l.blocks[v.tip].level-int32(min(l.opts.Depth, 1<<30))+1)
}

// forks finds settled blocks of which neither builds on the other. As long as
// there are none, all that is settled is on the chain of the highest.
func (l *ledger) forks(p promise) {
	var top *view
	for i := range l.views {
		v := &l.views[i]
		b := p.block(v)
		if b == none {
			continue
		}
		if top == nil || l.on(p.block(top), b) {
			top = v
			continue
		}
		if a := p.block(top); !l.on(b, a) {
			l.add(rules.Finding{Rule: p.fork, Ops: []int{top.Invoke.Index, v.Invoke.Index}, Why: fmt.Sprintf(
				"%s, by which block %s of height %d is %s; %s, by which block %s of height %d is; neither of the two blocks builds on the other",
				l.saw(top), l.blockName(a), l.blocks[a].height, p.what, l.saw(v), l.blockName(b), l.blocks[b].height) + l.signers(p)})
		}
	}
}

// signers says who can be held to account for a fork of what was final.
func (l *ledger) signers(p promise) string {
	if p.fork != FinalityFork || len(l.cast) == 0 {
		return ""
	}
	var names []string
	for _, d := range l.doubleVotes() {
		names = append(names, d.validator)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "; no validator was seen to vote twice, so the fault is in the protocol or its implementation"
	}
	return "; validators that were seen to vote twice: " + strings.Join(names, ", ")
}

// reversals finds observations whose chain lacks what had been settled. It goes
// through invocations in order, with the settled blocks that are known by then:
// of each node, and of all nodes.
func (l *ledger) reversals(p promise) {
	ended := l.byEnd()
	late := ended
	nodes := make(map[string]*view)
	var all, aged *view
	top := func(old, v *view) *view {
		if old == nil || l.blocks[p.block(v)].level >= l.blocks[p.block(old)].level {
			return v
		}
		return old
	}
	for i := range l.views {
		v := &l.views[i]
		for ; len(ended) > 0 && ended[0].Complete.Index < v.Invoke.Index; ended = ended[1:] {
			if o := ended[0]; p.block(o) != none {
				nodes[o.Invoke.Node], all = top(nodes[o.Invoke.Node], o), top(all, o)
			}
		}
		for ; len(late) > len(ended) && late[0].Complete.Time+l.opts.Delta.Nanoseconds() < v.Invoke.Time; late = late[1:] {
			if p.block(late[0]) != none {
				aged = top(aged, late[0])
			}
		}
		before := nodes[v.Invoke.Node]
		if v.Invoke.Final {
			if all != nil && (p.reversal != FinalityReversal || !l.behind(v, p.block(all))) {
				before = all
			}
		} else if l.opts.Delta > 0 && (before == nil || aged != nil && l.blocks[p.block(aged)].level > l.blocks[p.block(before)].level) {
			before = aged
		}
		if before != nil && !l.on(p.block(before), v.tip) {
			l.reversed(p, before, v)
			delete(nodes, v.Invoke.Node) // it has another chain now: what it settled before was told
		}
	}
}

// behind reports whether a view of the final phase may lack block b, which another node
// has finalized: its own node stands still, and all that it has taken for final since then
// is on both chains.
func (l *ledger) behind(v *view, b int32) bool {
	contradicts := func(w *view) bool { return !l.on(w.final, b) || !l.on(w.final, v.tip) }
	still := l.still[v.Invoke.Node]
	return len(still) > 0 && !slices.ContainsFunc(still, contradicts) && (v.final == none || !contradicts(v))
}

func (l *ledger) byEnd() []*view {
	views := make([]*view, len(l.views))
	for i := range l.views {
		views[i] = &l.views[i]
	}
	slices.SortFunc(views, func(a, b *view) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
	return views
}

func (l *ledger) reversed(p promise, old, v *view) {
	b := p.block(old)
	shared := "the two chains share nothing"
	if m := l.meet(old.tip, v.tip); m != none {
		shared = fmt.Sprintf("the last block that both have is %s of height %d", l.blockName(m), l.blocks[m].height)
	}
	why := fmt.Sprintf("%s, by which block %s of height %d was %s, and had that by %s", l.saw(old), l.blockName(b), l.blocks[b].height, p.what, l.clock.At(old.Complete))
	then := fmt.Sprintf("%s, of height %d, whose chain does not have it: %s", l.saw(v), l.blocks[v.tip].height, shared)
	l.add(rules.Finding{Rule: p.reversal, Ops: []int{old.Invoke.Index, v.Invoke.Index}, Why: why + "; after that, " + then,
		Edges: []checkers.Edge{{From: old.Invoke.Index, To: v.Invoke.Index, Kind: "rt", Why: why}}})
}
