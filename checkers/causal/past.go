package causal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// winner is a write that may have outlived all others on its key, as a final
// read showed.
type winner struct {
	read  int32 // the last final read that found it
	write int32 // or none, for the initial value
	loser int32 // an acknowledged write to the key that happened after it, or none
	group int   // winners of which one must be the right one
}

// judge finds out for each winner whether an acknowledged write to the same key
// happened after it.
func (g *graph) judge(ctx context.Context, winners []winner) error {
	g.sort()
	bySession := map[history.Process][]int{}
	var rest []int
	for j := range winners {
		w := &winners[j]
		if w.write == none {
			w.loser = g.loser(w, func(int32) bool { return true })
			continue
		}
		p := g.nodes[w.write].Invoke.Process
		bySession[p] = append(bySession[p], j)
		rest = append(rest, j)
	}
	if len(bySession)*wordBits < len(rest) {
		return g.sessionsFirst(ctx, winners, bySession)
	}
	for i := 0; i < len(rest); i += wordBits {
		if err := g.mark(ctx, winners, rest[i:min(i+wordBits, len(rest))]); err != nil {
			return fmt.Errorf("stopped after %d of %d winners: %w", i, len(rest), err)
		}
	}
	return nil
}

// wordBits is how many winners are marked at a time.
const wordBits = 64

// sort puts writes where they begin and reads where they end: a read ends after the
// write that it read from has begun, and before the next operation of its process
// begins.
func (g *graph) sort() {
	g.order = make([]int32, len(g.nodes))
	for i := range g.order {
		g.order[i] = int32(i)
	}
	at := func(i int32) int {
		if n := &g.nodes[i]; n.to == none {
			return n.Complete.Index
		}
		return g.nodes[i].Invoke.Index
	}
	slices.SortFunc(g.order, func(a, b int32) int { return cmp.Compare(at(a), at(b)) })
}

// spread lets take look at all nodes, in order, until it changes nothing more. Only a
// history that contradicts itself, or a cas that reads from a write that began later,
// needs more than two rounds.
func (g *graph) spread(ctx context.Context, take func(i int32) bool) error {
	for changed := true; changed; {
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		changed = false
		for _, i := range g.order {
			changed = take(i) || changed
		}
	}
	return nil
}

// sessionsFirst takes the winners of one process after the other: an operation comes
// after a winner if it comes after as late an operation of the process.
func (g *graph) sessionsFirst(ctx context.Context, winners []winner, bySession map[history.Process][]int) error {
	past := make([]int32, len(g.nodes)) // the last operation of the process that came before, or is it
	done := 0
	for _, p := range slices.Sorted(maps.Keys(bySession)) {
		for i := range past {
			past[i] = none
		}
		err := g.spread(ctx, func(i int32) bool {
			n, last := &g.nodes[i], past[i]
			if n.Invoke.Process == p {
				last = i
			}
			if n.prev != none {
				last = max(last, past[n.prev])
			}
			if n.source != none {
				last = max(last, past[n.source])
			}
			grew := last > past[i]
			past[i] = last
			return grew
		})
		if err != nil {
			return fmt.Errorf("stopped after %d of %d processes: %w", done, len(bySession), err)
		}
		for _, j := range bySession[p] {
			w := &winners[j]
			w.loser = g.loser(w, func(i int32) bool { return past[i] >= w.write })
		}
		done++
	}
	return nil
}

// mark finds out for at most 64 winners what happened after them.
func (g *graph) mark(ctx context.Context, winners []winner, some []int) error {
	for i := range g.nodes {
		g.nodes[i].reaches = 0
	}
	for bit, j := range some {
		g.nodes[winners[j].write].reaches |= 1 << bit
	}
	err := g.spread(ctx, func(i int32) bool {
		n := &g.nodes[i]
		bits := n.reaches
		if n.prev != none {
			bits |= g.nodes[n.prev].reaches
		}
		if n.source != none {
			bits |= g.nodes[n.source].reaches
		}
		grew := bits != n.reaches
		n.reaches = bits
		return grew
	})
	for bit, j := range some {
		w := &winners[j]
		w.loser = g.loser(w, func(i int32) bool { return g.nodes[i].reaches&(1<<bit) != 0 })
	}
	return err
}

// loser returns the first acknowledged write that w must not have outlived: one that
// comes after it.
func (g *graph) loser(w *winner, after func(i int32) bool) int32 {
	for _, i := range g.writes[g.nodes[w.read].key] {
		if g.lostTo(i, w) && after(i) {
			return i
		}
	}
	return none
}
