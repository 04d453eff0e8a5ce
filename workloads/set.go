package workloads

import (
	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/converge"
	"github.com/ordeal-dev/ordeal/checkers/set"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// elements generates additions to a set, each of an element of its own, and
// now and then a read of the whole set.
type elements struct {
	source choice.Source
	kinds  []choice.Weighted
	n      uint64 // operations so far
	added  int64  // elements so far
}

func newElements(p Params) gen.Gen {
	reads := p.Options.Int("reads")
	return &elements{source: p.Choices, kinds: []choice.Weighted{{Name: "add", Weight: 100 - reads}, {Name: "read", Weight: reads}}}
}

// Next returns the addition of the next element, or a read.
func (g *elements) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	next := *g
	next.n++
	op := history.Op{F: choice.Weigh(g.source.Stream("set", g.n), g.kinds)}
	if op.F == "add" {
		next.added++
		op.Value = history.Int(next.added)
	}
	result := gen.Emit(ctx, op)
	if result.Kind != gen.Ready {
		return result, g // the same operation is offered again
	}
	return result, &next
}

// Update changes nothing: what to add does not depend on what happened.
func (g *elements) Update(*gen.Context, *history.Op) gen.Gen { return g }

// finalSetReads has a client of every node read the set.
func finalSetReads(Params) gen.Gen {
	return gen.OnClients(gen.EachNode(gen.Ops(history.Op{F: "read"})))
}

// Set is additions to one set, and reads of the whole of it.
func Set() Workload {
	return Workload{
		Name:   "set",
		Doc:    "additions to a set, each element once, and final reads through every node",
		Level:  Eventual,
		Levels: []string{Linearizable, CausalConvergent, CausalWrites, Eventual},
		Options: []Option{
			Number("reads", 5, 1, 99, "reads of the whole set, in percent of the operations under load"),
		},
		Fs:        []string{"add", "read"},
		Generator: newElements,
		Final:     finalSetReads,
		Checkers:  judgeSet,
		Recovered: judgeRecoveredSet,
	}
}

// judgeSet looks at the last read alone unless the level says more of the
// others. What is causal says nothing of them: they are reads of many keys, and
// the levels between linearizable and eventual speak of one key at a time.
func judgeSet(level string, _ Options) []checkers.Checker {
	if level == Linearizable {
		return []checkers.Checker{set.New(set.Options{Linearizable: true})}
	}
	return []checkers.Checker{set.NewLast()}
}

// judgeRecoveredSet looks at the final reads through every node.
func judgeRecoveredSet(level string, _ Options) []checkers.Checker {
	all := []checkers.Checker{converge.New(converge.Options{Unordered: true})}
	if level != Linearizable {
		all = append(all, set.New(set.Options{}))
	}
	return all
}

// setFull judges what becomes of each element of a set, in histories that were
// recorded elsewhere.
func setFull() Workload {
	return Workload{
		Name: set.Name, Doc: "additions to a set, and reads of the whole of it that say for how long each element was there",
		Level: Eventual, Levels: []string{Linearizable, Eventual}, Fs: []string{"add", "read"},
		Checkers: func(level string, _ Options) []checkers.Checker {
			return []checkers.Checker{set.New(set.Options{Linearizable: level == Linearizable})}
		},
	}
}
