// Package causality follows what happened before what among operations, or
// transactions, that are ordered by their sessions and by who read from whom.
//
// A [Graph] has one node for each of them. [Order] sorts nodes so that each comes
// after those it depends on. [Graph.Sweep] walks through them in such an order
// with a vector clock for each and finds, for every read, the latest writes of the
// same key that happened before it, one for each chain of nodes: whoever promises
// causality has to have them overwritten by what was read. This is the idea of
// AWDIT (Møldrup and Pavlogiannis, PLDI 2025), and takes time of the number of
// nodes times the number of chains.
//
// A chain is a session to begin with. When a session has ended and its last write
// happened before the first node of a new one, the new one goes on with its
// chain: so clients that crash and come back under another name do not make clocks
// longer and longer.
package causality

import (
	"context"
	"sort"
)

// None stands for a node that is not there: no predecessor, or the initial state
// that a read found.
const None = -1

// Read is a read of a key, with the node that wrote what it found.
type Read struct{ Key, From int32 }

// Graph says what nodes read and wrote. Node v depends on Prev[v] and on
// whatever it read from. Reads of v are Reads[ReadAt[v]:ReadAt[v+1]], and the keys
// that it wrote Writes[WriteAt[v]:WriteAt[v+1]], without repetition.
type Graph struct {
	Keys            int     // they are numbered from 0
	Prev            []int32 // the one before it in its session, or None
	ReadAt, WriteAt []int32
	Reads           []Read
	Writes          []int32
}

// Len returns the number of nodes.
func (g *Graph) Len() int { return len(g.Prev) }

// ReadsOf returns the reads of a node.
func (g *Graph) ReadsOf(v int32) []Read { return g.Reads[g.ReadAt[v]:g.ReadAt[v+1]] }

// WritesOf returns the keys that a node wrote.
func (g *Graph) WritesOf(v int32) []int32 { return g.Writes[g.WriteAt[v]:g.WriteAt[v+1]] }

// Before appends the nodes that v depends on directly.
func (g *Graph) Before(v int32, to []int32) []int32 {
	if g.Prev[v] != None {
		to = append(to, g.Prev[v])
	}
	for _, r := range g.ReadsOf(v) {
		if r.From != None {
			to = append(to, r.From)
		}
	}
	return to
}

// Order returns n nodes in an order in which each follows all that before appends
// for it, and which is otherwise close to that of their numbers. It returns
// fewer nodes if there is a cycle: those from which none can be reached backwards
// and that it met before it gave up.
func Order(n int, before func(v int32, to []int32) []int32) []int32 {
	o := sorter{before: before, state: make([]uint8, n), order: make([]int32, 0, n)}
	for v := range int32(n) {
		if o.state[v] == fresh && !o.visit(v) {
			break
		}
	}
	return o.order
}

// The states of a node that is being sorted.
const (
	fresh = iota
	open  // some of what it depends on has been sorted
	done
)

// sorter searches depth first, with a stack of its own.
type sorter struct {
	before func(int32, []int32) []int32
	state  []uint8
	order  []int32
	todo   []int32 // what has to come before the nodes of the stack, one after the other
	stack  []level
}

// level is a node with where its part of todo begins.
type level struct {
	node int32
	from int
}

func (o *sorter) visit(v int32) bool {
	o.push(v)
	for len(o.stack) > 0 {
		top := o.stack[len(o.stack)-1]
		if len(o.todo) == top.from {
			o.state[top.node] = done
			o.order = append(o.order, top.node)
			o.stack = o.stack[:len(o.stack)-1]
			continue
		}
		next := o.todo[len(o.todo)-1]
		o.todo = o.todo[:len(o.todo)-1]
		switch o.state[next] {
		case fresh:
			o.push(next)
		case open:
			return false
		}
	}
	return true
}

func (o *sorter) push(v int32) {
	o.state[v] = open
	o.stack = append(o.stack, level{v, len(o.todo)})
	o.todo = o.before(v, o.todo)
}

// Later is a write that happened before a read of its key and is not what was
// read.
type Later struct {
	Reader int32
	Read   int32 // its place in Graph.Reads
	Write  int32 // the node that wrote it
	After  bool  // it also happened after what was read; told only when clocks are kept
	Before bool  // it happened before what was read, so that nothing follows
}

// Sweep calls visit for the reads of g, taken in the given order, which must be
// one that [Order] returns for g.Before. With keep, it keeps the clocks of all
// writers, to tell Later.After; otherwise it frees them as soon as they were used.
// It returns how many chains there were, and the error of ctx if that ended first.
func (g *Graph) Sweep(ctx context.Context, order []int32, keep bool, visit func(Later)) (int, error) {
	s := sweep{
		g: g, keep: keep, visit: visit,
		clock: make([][]int32, g.Len()), users: make([]int32, g.Len()), chain: make([]int32, g.Len()), place: make([]int32, g.Len()),
		writes: make([][]column, g.Keys), follower: make([]int32, g.Len()),
	}
	for v := range s.follower {
		s.follower[v] = None
	}
	for v := range int32(g.Len()) {
		if p := g.Prev[v]; p != None {
			s.users[p]++
			if s.follower[p] == None {
				s.follower[p] = v
			}
		}
		for _, r := range g.ReadsOf(v) {
			if r.From != None {
				s.users[r.From]++
			}
		}
	}
	for i, v := range order {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return len(s.length), context.Cause(ctx)
		}
		s.node(v)
	}
	return len(s.length), nil
}

// column is what one chain wrote to a key, in its order.
type column struct {
	chain int32
	nodes []int32
}

type sweep struct {
	g     *Graph
	keep  bool
	visit func(Later)

	clock    [][]int32 // of a node: by chain, how many of its writers happened before or are the node itself
	users    []int32   // how often the clock of a node is still needed
	chain    []int32
	place    []int32 // how many writers its chain had with it
	follower []int32 // the next of its session

	length []int32 // by chain: writers
	tail   []int32 // by chain: the last node that was put there
	writes [][]column
	spare  [][]int32
}

// node computes the clock of v, shows its reads, and files its writes.
func (s *sweep) node(v int32) {
	clock := s.first(v)
	for _, r := range s.g.ReadsOf(v) {
		if r.From != None {
			clock = join(clock, s.clock[r.From])
		}
	}
	s.assign(v, clock)
	for at := s.g.ReadAt[v]; at < s.g.ReadAt[v+1]; at++ {
		s.read(v, at, clock)
	}
	s.release(v)
	if c := s.chain[v]; len(s.g.WritesOf(v)) > 0 {
		s.length[c]++
		for int(c) >= len(clock) {
			clock = append(clock, 0)
		}
		clock[c] = s.length[c]
		for _, k := range s.g.WritesOf(v) {
			s.file(k, c, v)
		}
	}
	s.place[v] = s.length[s.chain[v]]
	s.clock[v] = clock
	if s.users[v] == 0 {
		s.free(v)
	}
}

// first returns a clock that begins with that of the session, which is taken
// over if nobody else needs it.
func (s *sweep) first(v int32) []int32 {
	p := s.g.Prev[v]
	switch {
	case p != None && s.users[p] == 1 && !s.kept(p):
		c := s.clock[p]
		s.clock[p] = nil
		return c
	case len(s.spare) > 0:
		c := s.spare[len(s.spare)-1]
		s.spare = s.spare[:len(s.spare)-1]
		if p == None {
			return c[:0]
		}
		return append(c[:0], s.clock[p]...)
	case p == None:
		return make([]int32, 0, len(s.length)+1)
	default:
		return append(make([]int32, 0, len(s.length)+1), s.clock[p]...)
	}
}

// join makes a clock at least as late as another one.
func join(clock, other []int32) []int32 {
	for len(clock) < len(other) {
		clock = append(clock, 0)
	}
	for c, n := range other {
		clock[c] = max(clock[c], n)
	}
	return clock
}

// assign finds a chain that v can go on with, or begins one.
func (s *sweep) assign(v int32, clock []int32) {
	c := int32(None)
	if p := s.g.Prev[v]; p != None && s.tail[s.chain[p]] == p {
		c = s.chain[p]
	} else {
		for i, n := range clock {
			if n == s.length[i] && s.follower[s.tail[i]] == None {
				c = int32(i)
				break
			}
		}
	}
	if c == None {
		c = int32(len(s.length))
		s.length, s.tail = append(s.length, 0), append(s.tail, None)
	}
	s.chain[v], s.tail[c] = c, v
}

// read shows the writes to the key of a read that happened before it.
func (s *sweep) read(v, at int32, clock []int32) {
	r := s.g.Reads[at]
	columns := s.writes[r.Key]
	for i := range columns {
		col := &columns[i]
		if int(col.chain) >= len(clock) {
			continue
		}
		w := s.latest(col, clock[col.chain])
		if w == None || w == r.From || w == v {
			continue
		}
		l := Later{Reader: v, Read: at, Write: w}
		if r.From != None {
			l.Before = s.happened(w, r.From)
			l.After = s.keep && s.happened(r.From, w)
		}
		s.visit(l)
	}
}

// latest returns the last node of a column that is among the first n writers of
// its chain. Most are near the end.
func (s *sweep) latest(col *column, n int32) int32 {
	const near = 8
	hi := len(col.nodes)
	for stop := hi - near; hi > 0 && hi > stop; hi-- {
		if w := col.nodes[hi-1]; s.place[w] <= n {
			return w
		}
	}
	at := sort.Search(hi, func(i int) bool { return s.place[col.nodes[i]] > n })
	if at == 0 {
		return None
	}
	return col.nodes[at-1]
}

// happened reports whether node a, a writer, happened before b, whose clock is
// there.
func (s *sweep) happened(a, b int32) bool {
	c := s.chain[a]
	return a != b && int(c) < len(s.clock[b]) && s.clock[b][c] >= s.place[a]
}

// file notes that a node wrote a key.
func (s *sweep) file(k, chain, v int32) {
	for i := range s.writes[k] {
		if col := &s.writes[k][i]; col.chain == chain {
			col.nodes = append(col.nodes, v)
			return
		}
	}
	s.writes[k] = append(s.writes[k], column{chain, []int32{v}})
}

// release gives back the clocks that v needed.
func (s *sweep) release(v int32) {
	if p := s.g.Prev[v]; p != None {
		s.drop(p)
	}
	for _, r := range s.g.ReadsOf(v) {
		if r.From != None {
			s.drop(r.From)
		}
	}
}

func (s *sweep) drop(v int32) {
	s.users[v]--
	if s.users[v] == 0 {
		s.free(v)
	}
}

func (s *sweep) kept(v int32) bool { return s.keep && len(s.g.WritesOf(v)) > 0 }

func (s *sweep) free(v int32) {
	if c := s.clock[v]; c != nil && !s.kept(v) {
		s.spare = append(s.spare, c)
		s.clock[v] = nil
	}
}
