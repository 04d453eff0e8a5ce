package eventlog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// edges are the steps from one operation to another, by kind.
type edges struct{ ww, wr, rw [][2]int32 }

// graph returns the edges of some kinds as a graph.
func (j *judge) graph(kinds ...[][2]int32) *digraph.Graph {
	g := digraph.New(len(j.txns))
	for _, list := range kinds {
		for _, e := range list {
			g.Add(int(e[0]), int(e[1]))
		}
	}
	return g
}

// cycles looks for operations that are each before the other: one sent what the
// other sent something after (ww), or what the other polled (wr), or polled up to
// where the other sent (rw), or ended before the other began (realtime). Cycles of
// ww alone are G0, those with a wr G1c, with one rw G-single, with more of them G2,
// and with realtime their names say so.
func (j *judge) cycles(opts Options) error {
	e := edges{wr: j.polledBy()}
	if opts.WWDeps {
		e.ww = j.sentAfter()
		j.find(j.graph(e.ww), nil, e.ww, G0)
		j.realtime(e.ww, e.ww, G0)
	}
	if err := j.stop(0); err != nil {
		return err
	}
	g := j.graph(e.ww, e.wr)
	j.find(g, nil, e.wr, G1c)
	j.realtime(slices.Concat(e.ww, e.wr), e.wr, G1c)
	if opts.RWDeps {
		e.rw = j.polledUpTo()
		j.find(j.graph(e.ww, e.wr, e.rw), g, e.rw, GSingle)
		j.realtime(slices.Concat(e.ww, e.wr), e.rw, GSingle)
	}
	return j.stop(0)
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
	g, base := digraph.New(len(j.txns)+ends), digraph.New(len(j.txns)+ends)
	for _, e := range edges {
		g.Add(int(e[0]), int(e[1]))
		base.Add(int(e[0]), int(e[1]))
	}
	single := name == GSingle
	if !single {
		base = nil
	}
	for _, e := range wanted {
		if single {
			g.Add(int(e[0]), int(e[1]))
		}
	}
	step := func(a, b int) {
		g.Add(a, b)
		if single {
			base.Add(a, b)
		}
	}
	now := len(j.txns) - 1
	for _, e := range events {
		switch {
		case e.End && j.txns[e.Call].Type() == history.OK:
			if now++; now > len(j.txns) {
				step(now-1, now)
			}
			step(e.Call, now)
		case !e.End && now >= len(j.txns):
			step(now, e.Call)
		}
	}
	j.find(g, base, wanted, name+"-realtime")
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
// shortest of those that it tries, and with realtime if the name says so. If there
// is a graph of the edges that G-single may have besides the wanted one, cycles
// within that come first.
func (j *judge) find(g, single *digraph.Graph, wanted [][2]int32, name string) {
	const tries = 16
	realtime := strings.HasSuffix(name, "-realtime")
	component := components(g)
	best, tried := map[int32][]int32{}, map[int32]int{}
	var found []int32
	look := func(g *digraph.Graph, e [2]int32) {
		c := component[e[0]]
		if c == 0 || c != component[e[1]] || tried[c] == tries && !(realtime && j.precedes(e[1], e[0])) || len(best[c]) == 2 {
			return
		}
		tried[c] = min(tried[c]+1, tries)
		cycle := j.close(g, e, func(v int32) bool { return component[v] == c }, realtime)
		if cycle == nil {
			return
		}
		if best[c] == nil {
			found = append(found, c)
		}
		if best[c] == nil || len(cycle) < len(best[c]) {
			best[c] = cycle
		}
	}
	if single == nil {
		single = g
	}
	for _, e := range wanted {
		look(single, e)
	}
	for _, c := range found {
		j.cycle(name, best[c])
	}
	if single == g {
		return
	}
	clear(tried)
	done := len(found)
	for _, e := range wanted {
		if best[component[e[0]]] == nil || slices.Contains(found[done:], component[e[0]]) {
			look(g, e)
		}
	}
	for _, c := range found[done:] {
		j.cycle(name, best[c])
	}
}

// close returns the operations of a shortest cycle with an edge, or nil if there is
// none or it has no realtime although it should.
func (j *judge) close(g *digraph.Graph, e [2]int32, may func(int32) bool, realtime bool) []int32 {
	if realtime && j.precedes(e[1], e[0]) {
		return []int32{e[1], e[0]}
	}
	nodes := g.Path(e[1], e[0], may)
	cycle := j.operations(slices.Clone(nodes))
	if len(nodes) == 0 || realtime && len(cycle) == len(nodes) {
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

// polledBy returns the edges from each sender to those who polled what it sent.
func (j *judge) polledBy() [][2]int32 {
	var edges [][2]int32
	for r := range j.txns {
		if j.txns[r].Type() != history.OK {
			continue
		}
		for _, m := range j.txns[r].polls {
			if w := j.writer(m.key, m.value); w >= 0 && w != r {
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

// sentAfter returns the edges from each sender to the sender of what follows in the
// log. Where an offset has many values, all of them are at that place.
func (j *judge) sentAfter() [][2]int32 {
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

// polledUpTo returns the edges from those who polled to the senders of what comes
// next after the last message that they got.
func (j *judge) polledUpTo() [][2]int32 {
	var edges [][2]int32
	for r := range j.txns {
		t := &j.txns[r]
		if t.Type() != history.OK {
			continue
		}
		j.ends(t, func(p *partition, k, place int32) {
			for _, h := range p.slots[p.log[place+1]].held {
				if w := j.writer(k, h.value); w >= 0 && w != r {
					edges = append(edges, [2]int32{int32(r), int32(w)})
				}
			}
		})
	}
	return edges
}

// ends calls f with the last place of each log that t polled, if that has a next.
func (j *judge) ends(t *txn, f func(p *partition, k, place int32)) {
	j.forget()
	for i := len(t.polls) - 1; i >= 0; i-- {
		m := t.polls[i]
		if j.marks[m.key].list == j.list {
			continue
		}
		j.marks[m.key].list = j.list
		p := j.keys[m.key]
		if place, _ := p.places(m); place >= 0 && int(place)+1 < len(p.log) {
			f(p, m.key, place)
		}
	}
}

// cycle notes a cycle. One of which every edge that was taken for an rw is another
// one too is none of these, and was found before.
func (j *judge) cycle(name string, nodes []int32) {
	var a checkers.Anomaly
	var steps []string
	rw := 0
	for i, v := range nodes {
		e := j.edge(&j.txns[v], &j.txns[nodes[(i+1)%len(nodes)]], name)
		a.Ops = append(a.Ops, e.From)
		a.Edges = append(a.Edges, e)
		steps = append(steps, e.Why)
		if e.Kind == "rw" {
			rw++
		}
	}
	switch {
	case !strings.HasPrefix(name, GSingle):
	case rw == 0:
		return
	case rw > 1:
		name = strings.Replace(name, GSingle, G2, 1)
	}
	a.Explanation = strings.Join(steps, "; ") + ": each of them is before the other"
	j.note(name, func() checkers.Anomaly { return a })
}

// edge says why one operation is before another, which is so.
func (j *judge) edge(from, to *txn, name string) checkers.Edge {
	e := checkers.Edge{From: from.Invoke.Index, To: to.Invoke.Index}
	if strings.HasSuffix(name, "-realtime") && j.precedes(from.at, to.at) {
		e.Kind = "rt"
		e.Why = fmt.Sprintf("process %v was done at %s, before process %v began at %s", from.Invoke.Process, j.clock.At(from.Complete), to.Invoke.Process, j.clock.At(to.Invoke))
		return e
	}
	if e.Kind, e.Why = "wr", ""; !strings.HasPrefix(name, G0) {
		e.Key, e.Why = j.wr(from, to)
	}
	if e.Why == "" && j.opts.WWDeps {
		e.Kind = "ww"
		e.Key, e.Why = j.ww(from, to)
	}
	if e.Why == "" {
		e.Kind = "rw"
		e.Key, e.Why = j.rw(from, to)
	}
	return e
}

// rw says what b sent right after what a polled.
func (j *judge) rw(a, b *txn) (key, why string) {
	j.ends(a, func(p *partition, k, place int32) {
		for _, h := range p.slots[p.log[place+1]].held {
			if w := j.writer(k, h.value); w == int(b.at) && why == "" {
				key, why = p.name, fmt.Sprintf("process %v polled %s up to offset %d at %s, but not %v at offset %d, which process %v sent at %s",
					a.Invoke.Process, p.name, p.slots[p.log[place]].offset, j.clock.At(a.Invoke), p.values.Value(h.value), p.slots[p.log[place+1]].offset, b.Invoke.Process, j.clock.At(b.Invoke))
			}
		}
	})
	return key, why
}

// wr says what b polled of what a sent, or nothing.
func (j *judge) wr(a, b *txn) (key, why string) {
	for _, s := range a.sends {
		for _, m := range b.polls {
			if b.Type() == history.OK && m.key == s.key && m.value == s.value && j.writer(s.key, s.value) == int(a.at) {
				return j.keys[s.key].name, fmt.Sprintf("process %v sent %v to %s at %s, which process %v polled at %s",
					a.Invoke.Process, j.value(s), j.keys[s.key].name, j.clock.At(a.Invoke), b.Invoke.Process, j.clock.At(b.Invoke))
			}
		}
	}
	return "", ""
}

// ww says what b sent after what a sent.
func (j *judge) ww(a, b *txn) (key, why string) {
	for _, s := range a.sends {
		p := j.keys[s.key]
		from := &p.about[s.value]
		for _, m := range b.sends {
			if m.key != s.key {
				continue
			}
			if to := &p.about[m.value]; from.slots > 0 && to.slots > 0 && from.first <= to.last {
				return p.name, fmt.Sprintf("process %v sent %v to %s at %s, at offset %d, before %v at offset %d, which process %v sent at %s",
					a.Invoke.Process, j.value(s), p.name, j.clock.At(a.Invoke), p.slots[p.log[from.first]].offset,
					j.value(m), p.slots[p.log[to.last]].offset, b.Invoke.Process, j.clock.At(b.Invoke))
			}
		}
	}
	return "", ""
}
