package causal

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const (
	none int32 = -1 // no operation
	many int32 = -2 // more than one write can be meant
)

// node is an operation of a client that happened, or may have.
type node struct {
	history.Call
	key     int32
	from    int32 // the value it read, or none
	to      int32 // the value it wrote, or none; deletes write nil
	prev    int32 // the operation of its process before it, or none
	source  int32 // the write that it read from, or none
	reaches uint64
}

func (n *node) acknowledged() bool { return n.to != none && n.Type() == history.OK }

// item is a value under a key.
type item struct{ key, value int32 }

// graph is the operations with the two steps that lead to each of them.
type graph struct {
	nodes        []node // in the order of invocation
	finals       []int32
	writers      map[item][]int32 // not of nil
	failed       map[item]history.Call
	deletes      map[int32][]int32 // by key
	writes       [][]int32         // by key, deletes included
	keys, values intern.Table
	acknowledged int
	clock        checkers.Clock
	order        []int32 // nodes, in an order in which steps nearly always lead forward
}

func newGraph(ctx context.Context, calls []history.Call) (*graph, error) {
	g := &graph{
		nodes:   make([]node, 0, len(calls)),
		writers: make(map[item][]int32, len(calls)),
		failed:  make(map[item]history.Call),
		deletes: make(map[int32][]int32),
		clock:   checkers.ClockOf(calls),
	}
	g.values.ID(history.Nil)
	last := make(map[history.Process]int32)
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations: %w", i, len(calls), context.Cause(ctx))
		}
		n, ok := g.decode(c)
		if !ok {
			continue
		}
		if c.Type() == history.Fail {
			g.failed[item{n.key, n.to}] = c
			continue
		}
		n.prev = none
		if p, ok := last[c.Invoke.Process]; ok {
			n.prev = p
		}
		last[c.Invoke.Process] = int32(len(g.nodes))
		g.add(n)
	}
	g.connect()
	return g, nil
}

// unset is the number of nil among the values.
const unset int32 = 0

// decode reads a call as an operation on registers. Reads that were not ok and
// other operations say nothing.
func (g *graph) decode(c history.Call) (node, bool) {
	n := node{Call: c, from: none, to: none, source: none}
	v := c.Invoke.Value
	if v.IsNil() && c.Complete != nil {
		v = c.Complete.Value
	}
	switch c.Invoke.F {
	case "read":
		if c.Type() != history.OK || c.Complete.Value.IsAbsent() {
			return n, false
		}
		n.from = g.values.ID(c.Complete.Value)
	case "write":
		n.to = g.values.ID(v)
	case "delete":
		n.to = unset
	case "cas":
		if len(v.Elems()) != 2 {
			return n, false
		}
		n.from, n.to = g.values.ID(v.Elems()[0]), g.values.ID(v.Elems()[1])
	default:
		return n, false
	}
	n.key = g.keys.ID(c.Invoke.Key)
	return n, true
}

func (g *graph) add(n node) {
	i := int32(len(g.nodes))
	g.nodes = append(g.nodes, n)
	if n.acknowledged() {
		g.acknowledged++
	}
	switch {
	case n.to == unset:
		g.deletes[n.key] = append(g.deletes[n.key], i)
	case n.to != none:
		g.writers[item{n.key, n.to}] = append(g.writers[item{n.key, n.to}], i)
	case n.Invoke.Final:
		g.finals = append(g.finals, i)
	}
	for int(n.key) >= len(g.writes) {
		g.writes = append(g.writes, nil)
	}
	if n.to != none {
		g.writes[n.key] = append(g.writes[n.key], i)
	}
}

// connect finds the write that each operation read from. What more than one
// write can have left connects nothing, and neither does nil.
func (g *graph) connect() {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.from == none || n.from == unset {
			continue
		}
		if w := g.writers[item{n.key, n.from}]; len(w) == 1 && w[0] != int32(i) {
			n.source = w[0]
		}
	}
}

// lostTo reports whether write i was acknowledged before the final read that
// found w, and is another one.
func (g *graph) lostTo(i int32, w *winner) bool {
	n := &g.nodes[i]
	return i != w.write && n.acknowledged() && n.Complete.Index < g.nodes[w.read].Invoke.Index
}
