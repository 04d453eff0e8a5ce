package ledger

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// doubleVote is two votes of a validator in one step.
type doubleVote struct {
	validator string
	a, b      vote
}

// doubleVotes returns the evidence against validators: one piece for each step.
func (l *ledger) doubleVotes() []doubleVote {
	var steps intern.Table
	var first []vote
	var told []bool
	var found []doubleVote
	for _, v := range l.cast {
		step := history.List(v.text.Get("validator"), v.text.Get("height"), v.text.Get("round"), v.text.Get("step"))
		id := steps.ID(step)
		if int(id) == len(first) {
			first, told = append(first, v), append(told, false)
			continue
		}
		if !told[id] && !first[id].text.Get("block").Equal(v.text.Get("block")) {
			told[id] = true
			found = append(found, doubleVote{checkers.KeyName(v.text.Get("validator")), first[id], v})
		}
	}
	return found
}

// votes judges the votes of validators that are not Byzantine.
func (l *ledger) votes() error {
	for _, d := range l.doubleVotes() {
		if slices.Contains(l.opts.Byzantine, d.validator) {
			continue
		}
		l.add(rules.Finding{Rule: DoubleSign, Ops: []int{d.a.by.Index, d.b.by.Index}, Item: d.validator, Why: fmt.Sprintf(
			"process %v%s at %s was shown the vote %v; process %v%s at %s was shown the vote %v of the same validator in the same step for another block",
			d.a.by.Process, through(d.a.by), l.clock.At(d.a.by), d.a.text, d.b.by.Process, through(d.b.by), l.clock.At(d.b.by), d.b.text)})
	}
	return nil
}

// measure takes the numbers that break no rule.
func (l *ledger) measure() error {
	first, last := make(map[string]*view), make(map[string]*view)
	for _, v := range l.byEnd() {
		n := l.report.Nodes[v.Invoke.Node]
		n.Observations++
		if old := last[v.Invoke.Node]; old != nil {
			left := l.blocks[old.tip].level + 1
			if m := l.meet(old.tip, v.tip); m != none {
				left = l.blocks[old.tip].level - l.blocks[m].level
			}
			if left > 0 {
				n.Reorgs++
			}
			n.DeepestReorg = max(n.DeepestReorg, int(left))
			if span := v.Complete.Time - first[v.Invoke.Node].Complete.Time; span > 0 {
				n.Growth = float64(l.blocks[v.tip].level-l.blocks[first[v.Invoke.Node].tip].level) / (float64(span) / 1e9)
			}
		} else {
			first[v.Invoke.Node] = v
		}
		last[v.Invoke.Node] = v
		l.report.Nodes[v.Invoke.Node] = n
	}
	l.shape()
	return nil
}

// shape counts tips, and the share of the longest chain that honest miners made.
func (l *ledger) shape() {
	parents := make([]bool, len(l.blocks))
	best := none
	for i := range l.blocks {
		b := &l.blocks[i]
		if b.adopter == nil {
			continue
		}
		if b.parent != none {
			parents[b.parent] = true
		}
		if best == none || b.level > l.blocks[best].level {
			best = int32(i)
		}
	}
	for i := range l.blocks {
		if l.blocks[i].adopter != nil && !parents[i] {
			l.report.Tips++
		}
	}
	honest, all := 0, 0
	for id := best; id != none; id = l.blocks[id].parent {
		all++
		if !slices.Contains(l.opts.Byzantine, l.blocks[id].miner) {
			honest++
		}
	}
	if all > 0 {
		l.report.Quality = float64(honest) / float64(all)
	}
}
