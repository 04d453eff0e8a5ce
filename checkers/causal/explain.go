package causal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// winners lists what the final reads found, each value of a key once. Where
// more than one write can have left the value, all of them are listed as a group.
func (g *graph) winners(r *Report) []winner {
	last := make(map[item]int32)
	var found []item
	for _, i := range g.finals {
		it := item{g.nodes[i].key, g.nodes[i].from}
		if _, ok := last[it]; !ok {
			found = append(found, it)
		}
		last[it] = i
	}
	var winners []winner
	for group, it := range found {
		writes := g.writers[it]
		switch {
		case it.value == unset:
			writes = append([]int32{none}, g.deletes[it.key]...)
		case len(writes) == 0:
			r.foreign(g, last[it])
			continue
		}
		r.Judged++
		if len(writes) > 1 {
			r.Ambiguous++
		}
		for _, w := range writes {
			winners = append(winners, winner{read: last[it], write: w, loser: none, group: group})
		}
	}
	return winners
}

// foreign notes a final read of what nobody wrote.
func (r *Report) foreign(g *graph, read int32) {
	n := &g.nodes[read]
	r.Foreign++
	a := checkers.Anomaly{Name: ThinAirRead, Key: g.name(read), Ops: []int{n.Invoke.Index},
		Explanation: fmt.Sprintf("%s, but nobody ever wrote it", g.found(read))}
	if c, ok := g.failed[item{n.key, n.from}]; ok {
		a.Name, a.Ops = DirtyRead, []int{c.Invoke.Index, n.Invoke.Index}
		slices.Sort(a.Ops)
		a.Explanation = fmt.Sprintf("%s, but the write of it by process %v failed at %s, so it certainly did not happen",
			g.found(read), c.Invoke.Process, g.clock.At(c.Complete))
	}
	r.note(a)
}

func (r *Report) note(a checkers.Anomaly) {
	if len(r.Anomalies) < checkers.MaxAnomalies {
		r.Anomalies = append(r.Anomalies, a)
	}
}

// losses reports the groups of which no winner can be right.
func (r *Report) losses(g *graph, winners []winner) {
	for i := 0; i < len(winners); {
		j := i
		for j < len(winners) && winners[j].group == winners[i].group {
			j++
		}
		if !slices.ContainsFunc(winners[i:j], func(w winner) bool { return w.loser == none }) {
			r.Lost++
			if len(r.Anomalies) < checkers.MaxAnomalies {
				r.note(g.explain(winners[i:j]))
			}
		}
		i = j
	}
}

// explain shows for each write that can have won how an acknowledged one
// happened after it.
func (g *graph) explain(group []winner) checkers.Anomaly {
	read := group[0].read
	a := checkers.Anomaly{Name: LostCausalWrite, Key: g.name(read)}
	text := []string{g.found(read)}
	ops := []int32{read}
	chains := g.chains(group)
	for n, w := range group {
		if w.write == none {
			n := &g.nodes[w.loser]
			if len(group) == 1 {
				text = append(text, fmt.Sprintf("but %s, acknowledged at %s, and nothing was ever deleted there", g.did(w.loser), g.clock.At(n.Complete)))
				ops = append(ops, w.loser)
			}
			continue
		}
		text = append(text, g.tell(chains[n]))
		ops = append(ops, chains[n]...)
	}
	slices.SortFunc(ops, func(i, j int32) int { return cmp.Compare(g.nodes[i].Invoke.Index, g.nodes[j].Invoke.Index) })
	for _, i := range slices.Compact(ops) {
		a.Ops = append(a.Ops, g.nodes[i].Invoke.Index)
	}
	a.Explanation = strings.Join(text, "; ")
	return a
}

// mostShared is up to how many operations chains are made to share some.
const mostShared = 64

// chains returns for each write that can have won the chain to one that was lost
// to it. What one was lost to may be what another was lost to as well: operations
// are left out while the others show the same.
func (g *graph) chains(group []winner) [][]int32 {
	chains := make([][]int32, len(group))
	ops := []int32{group[0].read}
	for n, w := range group {
		if w.write != none {
			chains[n] = g.path(w)
			ops = append(ops, chains[n]...)
		}
	}
	slices.Sort(ops)
	ops = slices.Compact(ops)
	if len(group) == 1 || len(ops) > mostShared {
		return chains
	}
	for _, i := range slices.Clone(ops) {
		rest := slices.DeleteFunc(slices.Clone(ops), func(j int32) bool { return j == i })
		if fewer := g.chainsOf(group, rest); fewer != nil && i != group[0].read {
			ops, chains = rest, fewer
		}
	}
	return chains
}

// chainsOf returns chains that some operations suffice for, or nil.
func (g *graph) chainsOf(group []winner, ops []int32) [][]int32 {
	chains := make([][]int32, len(group))
	for n, w := range group {
		if w.write == none {
			continue
		}
		if chains[n] = g.pathOf(w, ops); chains[n] == nil {
			return nil
		}
	}
	return chains
}

// pathOf is path, by some operations only; nil if they are too few.
func (g *graph) pathOf(w winner, ops []int32) []int32 {
	if !slices.Contains(ops, w.write) {
		return nil
	}
	from := map[int32]int32{w.write: none}
	for queue := []int32{w.write}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		if g.nodes[i].key == g.nodes[w.read].key && g.nodes[i].to != none && g.lostTo(i, &w) {
			path := []int32{}
			for ; i != none; i = from[i] {
				path = append(path, i)
			}
			slices.Reverse(path)
			return path
		}
		for _, j := range ops {
			_, seen := from[j]
			if !seen && (g.nodes[j].source == i || j > i && g.nodes[j].Invoke.Process == g.nodes[i].Invoke.Process) {
				from[j] = i
				queue = append(queue, j)
			}
		}
	}
	return nil
}

// path returns the shortest chain of operations from a winner to a write that
// was lost to it. Each operation was done by the process of the one before it,
// later, or has read from it.
func (g *graph) path(w winner) []int32 {
	sessions, at := g.sessions()
	readers := make(map[int32][]int32)
	for i := range g.nodes {
		if s := g.nodes[i].source; s != none {
			readers[s] = append(readers[s], int32(i))
		}
	}
	from := make([]int32, len(g.nodes))
	for i := range from {
		from[i] = many
	}
	from[w.write] = none
	swept := make([]bool, len(g.nodes))
	queue := []int32{w.write}
	if g.nodes[w.read].source == w.write { // the final read is shown anyway: of two chains that are as short, the one by it shows less
		readers[w.write] = append([]int32{w.read}, readers[w.write]...)
	}
	visit := func(i, by int32) {
		if from[i] == many {
			from[i] = by
			queue = append(queue, i)
		}
	}
	for n := 0; n < len(queue); n++ {
		i := queue[n]
		if g.nodes[i].key == g.nodes[w.read].key && g.nodes[i].to != none && g.lostTo(i, &w) {
			return trace(from, i)
		}
		for _, j := range readers[i] {
			visit(j, i)
		}
		// What comes later in the process than something that was here before has
		// been visited from there.
		session := sessions[g.nodes[i].Invoke.Process]
		for k := at[i] + 1; k < len(session) && !swept[session[k]]; k++ {
			swept[session[k]] = true
			visit(session[k], i)
		}
	}
	panic("causal: the loser is not reachable")
}

// sessions lists the operations of each process in order, and says at which
// place of its list each operation is.
func (g *graph) sessions() (map[history.Process][]int32, []int) {
	sessions := make(map[history.Process][]int32)
	at := make([]int, len(g.nodes))
	for i := range g.nodes {
		p := g.nodes[i].Invoke.Process
		at[i] = len(sessions[p])
		sessions[p] = append(sessions[p], int32(i))
	}
	return sessions, at
}

func trace(from []int32, i int32) []int32 {
	var path []int32
	for ; i != none; i = from[i] {
		path = append(path, i)
	}
	slices.Reverse(path)
	return path
}

// tell says a path step by step.
func (g *graph) tell(path []int32) string {
	steps := []string{"but " + g.did(path[0])}
	for n := 1; n < len(path); n++ {
		i, by := path[n], path[n-1]
		if g.nodes[i].source == by {
			steps = append(steps, g.did(i))
		} else {
			steps = append(steps, "then "+g.did(i))
		}
	}
	last := &g.nodes[path[len(path)-1]]
	return fmt.Sprintf("%s, acknowledged at %s: this last write causally follows the first, and was lost to it",
		strings.Join(steps, ", "), g.clock.At(last.Complete))
}

// found says what a final read found.
func (g *graph) found(read int32) string {
	n := &g.nodes[read]
	at := ""
	if n.Invoke.Node != "" {
		at = " through " + n.Invoke.Node
	}
	return fmt.Sprintf("the final value%s is %v, as process %v read%s at %s", g.key("of", read), g.values.Value(n.from), n.Invoke.Process, at, g.clock.At(n.Invoke))
}

// did says what an operation did and when it began.
func (g *graph) did(i int32) string {
	n := &g.nodes[i]
	var what string
	switch {
	case n.to == unset:
		what = "deleted the value" + g.key("of", i)
	case n.to != none && n.from != none:
		what = fmt.Sprintf("replaced %v by %v%s", g.values.Value(n.from), g.values.Value(n.to), g.key("in", i))
	case n.to != none:
		what = fmt.Sprintf("wrote %v%s", g.values.Value(n.to), g.key("to", i))
	default:
		what = fmt.Sprintf("read %v%s", g.values.Value(n.from), g.key("from", i))
	}
	return fmt.Sprintf("process %v %s at %s", n.Invoke.Process, what, g.clock.At(n.Invoke))
}

// key names the key of an operation after a preposition, if it has one.
func (g *graph) key(preposition string, i int32) string {
	if k := g.name(i); k != "" {
		return " " + preposition + " " + k
	}
	return ""
}

func (g *graph) name(i int32) string { return checkers.KeyName(g.keys.Value(g.nodes[i].key)) }
