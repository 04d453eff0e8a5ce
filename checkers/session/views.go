package session

import (
	"context"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
)

// views is the search for an order of each session, in which its reads find the
// last write: for PRAM, where operations of other sessions are only their writes
// in their order, and for causal memory, where so and rf of everything count.
type views struct {
	*study
	memory bool
	rest   []int32 // all operations, in an order that suits what sessions did not see
	base   []int32 // of an operation, its place in an order by so and rf, if there is one

	// Of the session that is looked at: by operation, the first place in the session
	// at which it must have happened; and what has to come before it because of reads.
	at    []int32
	given func(v int32, to []int32) []int32
	need  []demand
	head  []int32 // of an operation, the last demand that it comes later, plus one
	next  []int32 // of a demand, the one before it for the same operation, plus one
	seen  []int32 // what happened before or at its reads
	stack []int32
}

// judgeViews judges PRAM or, with memory, causal memory.
func (s *study) judgeViews(ctx context.Context, memory bool) outcome {
	x := &views{study: s, memory: memory, at: make([]int32, len(s.ops)), head: make([]int32, len(s.ops))}
	for v := range x.at {
		x.at[v] = never
	}
	x.use(everyone)
	order := causality.Order(len(s.ops), x.given)
	if len(order) < len(s.ops) {
		return outcome{found: s.loops(ctx, x.given, nil, CyclicHB)}
	}
	x.rest = order
	if order = causality.Order(len(s.ops), s.before); len(order) == len(s.ops) {
		x.base = make([]int32, len(s.ops))
		for i, v := range order {
			x.base[v] = int32(i)
		}
	}
	var found []finding
	for p := range s.lines {
		if context.Cause(ctx) != nil && len(found) == 0 {
			return outcome{unknown: stopped(ctx, "sessions", p, len(s.lines))}
		}
		x.session(int32(p))
		s.report.Forced += len(x.need)
		if bad, cycle := x.broken(); bad != nil || cycle != nil {
			s.report.Anomalies++
			if len(found) < checkers.MaxAnomalies && (len(found) == 0 || context.Cause(ctx) == nil) {
				found = append(found, x.finding(int32(p), bad, cycle))
			}
		}
		x.forget()
	}
	if len(found) > 0 {
		return outcome{found: found}
	}
	return outcome{certify: x.evidence}
}

// use begins with a session, or with what holds for all of them.
func (x *views) use(p int32) {
	x.given = func(v int32, to []int32) []int32 {
		if o := &x.ops[v]; !x.memory && o.session != p {
			if o.write && o.prevW != none {
				to = append(to, o.prevW)
			}
			if x.sooner != nil {
				to = append(to, x.sooner[v]...)
			}
			return to
		}
		return x.before(v, to)
	}
	x.need, x.next, x.seen = x.need[:0], x.next[:0], x.seen[:0]
}

// forget makes room for the next session.
func (x *views) forget() {
	for _, v := range x.seen {
		x.at[v], x.head[v] = never, 0
	}
}

// session finds what has to come before what in the order of session p. First
// from the beginning to the end, which operations happened before which read; then
// backwards, which writes of its key have to come before the one that it found. Such
// a write may thereby have happened before earlier reads, which are looked at
// after that, but never before later ones, for which it had happened anyway.
func (x *views) session(p int32) {
	x.use(p)
	line := x.lines[p]
	for i, v := range line {
		x.happen(v, int32(i))
	}
	for i := len(line) - 1; i >= 0; i-- {
		r := line[i]
		o := &x.ops[r]
		if o.write {
			continue
		}
		for _, c := range x.writes[o.key] {
			n := sort.Search(len(c.ops), func(k int) bool { return x.at[c.ops[k]] > int32(i) })
			if n == 0 || c.ops[n-1] == o.from {
				continue
			}
			w := c.ops[n-1]
			x.need = append(x.need, demand{from: w, to: o.from, read: r})
			if o.from == none {
				return
			}
			x.next = append(x.next, x.head[o.from])
			x.head[o.from] = int32(len(x.need))
			x.happen(w, x.at[o.from])
		}
	}
}

// happen notes that v and all before it happened at a place of the session.
func (x *views) happen(v, at int32) {
	x.stack = append(x.stack[:0], v)
	for len(x.stack) > 0 {
		v := x.stack[len(x.stack)-1]
		x.stack = x.stack[:len(x.stack)-1]
		if x.at[v] <= at {
			continue
		}
		if x.at[v] == never {
			x.seen = append(x.seen, v)
		}
		x.at[v] = at
		x.stack = x.given(v, x.stack)
		for d := x.head[v]; d > 0; d = x.next[d-1] {
			x.stack = append(x.stack, x.need[d-1].from)
		}
	}
}

// broken returns a read of the initial state that should have found a write, or a
// circle. Whatever is in one happened at the same place, and something in it goes
// against the order by so and rf.
func (x *views) broken() (*demand, []int32) {
	places := make(map[int32]bool)
	for i := range x.need {
		switch d := &x.need[i]; {
		case d.to == none:
			return d, nil
		case x.base != nil && x.base[d.from] > x.base[d.to]:
			places[x.at[d.to]] = true
		}
	}
	if len(places) == 0 && x.base != nil {
		return nil, nil
	}
	local := make(map[int32]int32)
	var nodes []int32
	for _, v := range x.seen {
		if x.base == nil || places[x.at[v]] {
			local[v] = int32(len(nodes))
			nodes = append(nodes, v)
		}
	}
	return nil, x.circle(nodes, local)
}

// finding explains what is broken.
func (x *views) finding(p int32, bad *demand, cycle []int32) finding {
	name := CyclicHB
	if bad != nil {
		name = WriteHBInitRead
	}
	return x.study.finding(name, x.prove(p, x.given, x.need, bad, cycle))
}

// evidence returns the order of each session: what happened at its first
// operation, at the second, and so on.
func (x *views) evidence() (okEvidence, error) {
	var e okEvidence
	if err := x.roomForViews(); err != nil {
		return e, err
	}
	for p, line := range x.lines {
		if len(line) == 0 {
			continue
		}
		x.session(int32(p))
		nodes := slices.Clone(x.seen)
		slices.SortFunc(nodes, func(a, b int32) int {
			if x.base == nil || x.at[a] != x.at[b] {
				return int(x.at[a] - x.at[b])
			}
			return int(x.base[a] - x.base[b])
		})
		list := x.arrange(int32(p), nodes)
		for _, v := range x.rest {
			if x.ops[v].write && x.at[v] == never {
				list = append(list, v)
			}
		}
		e.Views = append(e.Views, view{x.indexOf(line[0]), x.indices(list)})
		x.forget()
	}
	return e, nil
}

// arrange sorts what happened at the same place by what reads make necessary, and
// keeps the writes and what the session did itself.
func (x *views) arrange(p int32, nodes []int32) []int32 {
	local := make(map[int32]int32, len(nodes))
	for i, v := range nodes {
		local[v] = int32(i)
	}
	order := causality.Order(len(nodes), func(i int32, to []int32) []int32 {
		for _, w := range x.all(nodes[i], nil) {
			to = append(to, local[w])
		}
		return to
	})
	list := make([]int32, 0, len(nodes))
	for _, i := range order {
		if v := nodes[i]; x.ops[v].write || x.ops[v].session == p {
			list = append(list, v)
		}
	}
	slices.SortStableFunc(list, func(a, b int32) int { return int(x.at[a] - x.at[b]) })
	return list
}

// all appends what comes before an operation, given or because of reads.
func (x *views) all(v int32, to []int32) []int32 {
	to = x.given(v, to)
	for d := x.head[v]; d > 0; d = x.next[d-1] {
		to = append(to, x.need[d-1].from)
	}
	return to
}

// circle returns a cycle among nodes, or nil.
func (x *views) circle(nodes []int32, local map[int32]int32) []int32 {
	before := func(i int32, to []int32) []int32 {
		from := len(to)
		to = x.all(nodes[i], to)
		kept := to[:from]
		for _, w := range to[from:] {
			if at, ok := local[w]; ok {
				kept = append(kept, at)
			}
		}
		return kept
	}
	if len(causality.Order(len(nodes), before)) == len(nodes) {
		return nil
	}
	return cycleOf(nodes, before)
}
