package eventlog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// cycles looks for operations that are each before the other: one sent what the
// other sent something after (ww), or what the other polled (wr), or ended before
// the other began (realtime). Cycles of ww alone are G0, those with a wr are G1c,
// and with realtime their names say so.
func (j *judge) cycles(opts Options) {
	if opts.WWDeps {
		g := digraph.New(len(j.txns))
		ww := j.sentAfter(g)
		j.find(g, ww, G0, false)
		j.realtime(ww, ww, G0)
	}
	g := digraph.New(len(j.txns))
	var ww [][2]int32
	if opts.WWDeps {
		ww = j.sentAfter(g)
	}
	wr := j.polledBy(g)
	j.find(g, wr, G1c, false)
	j.realtime(append(ww, wr...), wr, G1c)
}

// realtime looks for the cycles of the given edges and of realtime that have one
// of the others. That one operation ended before another began is a path: from the
// first to the point in time at which it ended, on from point to point, and to the
// second from the last point before it began.
func (j *judge) realtime(edges, wanted [][2]int32, name string) {
	events := j.events()
	ends := 0
	for _, e := range events {
		if e.End {
			ends++
		}
	}
	g := digraph.New(len(j.txns) + ends)
	for _, e := range edges {
		g.Add(int(e[0]), int(e[1]))
	}
	now := len(j.txns) - 1
	for _, e := range events {
		switch {
		case e.End && j.txns[e.Call].Type() == history.OK:
			if now++; now > len(j.txns) {
				g.Add(now-1, now)
			}
			g.Add(e.Call, now)
		case !e.End && now >= len(j.txns):
			g.Add(now, e.Call)
		}
	}
	j.find(g, wanted, name+"-realtime", true)
}

// components returns the number of the component of each node, from 1, and 0 for
// nodes that are on no cycle.
func components(g *digraph.Graph) []int32 {
	of := make([]int32, g.Len())
	for c, nodes := range g.Components() {
		for _, v := range nodes {
			of[v] = int32(c + 1)
		}
	}
	return of
}

// find notes one cycle for each component that has one of the wanted edges: the
// shortest of those that it tries, and with realtime if that is asked for.
func (j *judge) find(g *digraph.Graph, wanted [][2]int32, name string, realtime bool) {
	const tries = 16
	component := components(g)
	best, tried := map[int32][]int32{}, map[int32]int{}
	var found []int32
	for _, e := range wanted {
		c := component[e[0]]
		if c == 0 || c != component[e[1]] || tried[c] == tries && !(realtime && j.precedes(e[1], e[0])) || len(best[c]) == 2 {
			continue
		}
		tried[c] = min(tried[c]+1, tries)
		cycle := j.close(g, e, func(v int32) bool { return component[v] == c }, realtime)
		if cycle == nil {
			continue
		}
		if best[c] == nil {
			found = append(found, c)
		}
		if best[c] == nil || len(cycle) < len(best[c]) {
			best[c] = cycle
		}
	}
	for _, c := range found {
		j.cycle(name, best[c])
	}
}

// close returns the operations of a shortest cycle with an edge, or nil if that has
// no realtime although it should.
func (j *judge) close(g *digraph.Graph, e [2]int32, may func(int32) bool, realtime bool) []int32 {
	if realtime && j.precedes(e[1], e[0]) {
		return []int32{e[1], e[0]}
	}
	nodes := g.Path(e[1], e[0], may)
	cycle := j.operations(slices.Clone(nodes))
	if realtime && len(cycle) == len(nodes) {
		return nil
	}
	return cycle
}

// precedes reports whether operation a ended before operation b began.
func (j *judge) precedes(a, b int32) bool {
	t := &j.txns[a]
	return t.Type() == history.OK && t.Complete.Index < j.txns[b].Invoke.Index
}

// operations returns the nodes that are operations, not points in time.
func (j *judge) operations(nodes []int32) []int32 {
	return slices.DeleteFunc(nodes, func(v int32) bool { return int(v) >= len(j.txns) })
}

// polledBy adds an edge from each sender to those who polled what it sent, and
// returns these edges.
func (j *judge) polledBy(g *digraph.Graph) [][2]int32 {
	var edges [][2]int32
	for r := range j.txns {
		if j.txns[r].Type() != history.OK {
			continue
		}
		for _, m := range j.txns[r].polls {
			if w := j.writer(m.key, m.value); w >= 0 && w != r {
				g.Add(w, r)
				edges = append(edges, [2]int32{int32(w), int32(r)})
			}
		}
	}
	return edges
}

// writer returns the operation that sent a value and took effect, or -1. One that
// failed, but whose value was polled, took effect.
func (j *judge) writer(k, value int32) int {
	a := &j.keys[k].about[value]
	w := int(a.writer) - 1
	if w < 0 || !j.txns[w].commit && a.witness == 0 {
		return -1
	}
	return w
}

// sentAfter adds an edge from each sender to the sender of what follows in the log.
// Where an offset has many values, all of them are at that place. It returns these
// edges.
func (j *judge) sentAfter(g *digraph.Graph) [][2]int32 {
	var edges [][2]int32
	var before, here []int
	for k, p := range j.keys {
		before = before[:0]
		for _, s := range p.log {
			here = here[:0]
			for _, h := range p.slots[s].held {
				if w := j.writer(int32(k), h.value); w >= 0 {
					here = append(here, w)
				}
			}
			for _, a := range before {
				for _, b := range here {
					if a != b {
						g.Add(a, b)
						edges = append(edges, [2]int32{int32(a), int32(b)})
					}
				}
			}
			if len(here) > 0 {
				before, here = here, before
			}
		}
	}
	return edges
}

// cycle notes a cycle.
func (j *judge) cycle(name string, nodes []int32) {
	j.note(name, func() checkers.Anomaly {
		var a checkers.Anomaly
		var edges []string
		for i, v := range nodes {
			from, to := &j.txns[v], &j.txns[nodes[(i+1)%len(nodes)]]
			what := ""
			if name == G1c || name == G1c+"-realtime" {
				what = j.wr(from, to)
			}
			if what == "" {
				what = j.ww(from, to)
			}
			if what == "" {
				what = fmt.Sprintf("process %v was done at %s, before process %v began at %s", from.Invoke.Process, j.clock.At(from.Complete), to.Invoke.Process, j.clock.At(to.Invoke))
			}
			a.Ops = append(a.Ops, from.Invoke.Index)
			edges = append(edges, what)
		}
		a.Explanation = strings.Join(edges, "; ") + ": each of them is before the other"
		return a
	})
}

// wr says what b polled of what a sent, or nothing.
func (j *judge) wr(a, b *txn) string {
	for _, s := range a.sends {
		for _, m := range b.polls {
			if m.key == s.key && m.value == s.value {
				return fmt.Sprintf("process %v sent %v to %s at %s, which process %v polled at %s",
					a.Invoke.Process, j.value(s), j.keys[s.key].name, j.clock.At(a.Invoke), b.Invoke.Process, j.clock.At(b.Invoke))
			}
		}
	}
	return ""
}

// ww says what b sent after what a sent.
func (j *judge) ww(a, b *txn) string {
	for _, s := range a.sends {
		p := j.keys[s.key]
		from := &p.about[s.value]
		for _, m := range b.sends {
			if m.key != s.key {
				continue
			}
			if to := &p.about[m.value]; from.slots > 0 && to.slots > 0 && from.first <= to.last {
				return fmt.Sprintf("process %v sent %v to %s at %s, at offset %d, before %v at offset %d, which process %v sent at %s",
					a.Invoke.Process, j.value(s), p.name, j.clock.At(a.Invoke), p.slots[p.log[from.first]].offset,
					j.value(m), p.slots[p.log[to.last]].offset, b.Invoke.Process, j.clock.At(b.Invoke))
			}
		}
	}
	return ""
}
