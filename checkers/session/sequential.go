package session

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
)

// sequential looks for one order of everything where a guess was wrong: by all
// that reads make necessary, and where that leaves questions in a small history, by
// trying.
func (s *study) sequential(ctx context.Context) outcome {
	o := s.causal(ctx, true)
	if o.found != nil || o.unknown != nil {
		return o
	}
	q := &saturation{study: s}
	cycle, err := q.run(ctx)
	switch {
	case err != nil:
		return outcome{unknown: err}
	case cycle != nil:
		s.report.Anomalies++
		return outcome{found: []finding{s.finding(CyclicSC, s.prove(s.ops[cycle[0]].session, s.before, q.need, nil, cycle))}}
	}
	if order := s.serial(q.order()); order != nil {
		return s.serialized(order)
	}
	return q.try(ctx)
}

// guess returns an order of everything, if one comes from supposing that writes
// took effect when they ended or began, or nil.
func (s *study) guess() []int32 {
	for _, when := range [][]int{s.ends(true), s.ends(false), s.begins()} {
		order := make([]int32, len(s.ops))
		for v := range order {
			order[v] = int32(v)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(when[a], when[b]) })
		if order = s.serial(order); order != nil {
			return order
		}
	}
	return nil
}

func (s *study) serialized(order []int32) outcome {
	return outcome{certify: func() (okEvidence, error) { return okEvidence{Order: s.indices(order)}, nil }}
}

// ends returns by when each operation has probably taken effect: at its end, or at
// that of a read that found it. One of unknown outcome did so when its client gave
// up, if it was prompt.
func (s *study) ends(prompt bool) []int {
	when := make([]int, len(s.ops))
	for v := range s.ops {
		when[v] = never
		if c := s.calls[s.ops[v].call]; c.Complete != nil && (prompt || !s.ops[v].leaf) {
			when[v] = c.Complete.Index
		}
	}
	for v := range s.ops {
		if w := s.ops[v].from; w != none && !s.ops[v].write {
			when[w] = min(when[w], when[v])
		}
	}
	return when
}

// begins returns when each operation began.
func (s *study) begins() []int {
	when := make([]int, len(s.ops))
	for v := range s.ops {
		when[v] = s.indexOf(int32(v))
	}
	return when
}

// serial returns an order of everything in which writes to a key are in the given
// order, or nil.
func (s *study) serial(order []int32) []int32 {
	ahead := make([]int32, len(s.ops)) // of a write, the one before it on its key
	last := make([]int32, s.keys.Len())
	for k := range last {
		last[k] = none
	}
	for _, v := range order {
		if x := &s.ops[v]; x.write {
			ahead[v], last[x.key] = last[x.key], v
		}
	}
	found := make([][]int32, len(s.ops))     // of a write, the reads that found it
	initial := make([][]int32, s.keys.Len()) // of a key, the reads of the initial state
	for v := range s.ops {
		switch x := &s.ops[v]; {
		case x.write:
		case x.from == none:
			initial[x.key] = append(initial[x.key], int32(v))
		default:
			found[x.from] = append(found[x.from], int32(v))
		}
	}
	list := causality.Order(len(s.ops), func(v int32, to []int32) []int32 {
		x := &s.ops[v]
		switch {
		case !x.write:
		case ahead[v] == none:
			to = append(to, initial[x.key]...)
		default:
			to = append(append(to, ahead[v]), found[ahead[v]]...)
		}
		return s.before(v, to)
	})
	if len(list) < len(s.ops) {
		return nil
	}
	return list
}

// saturation is all that reads make necessary in one order of everything: if a
// write w of the key of a read comes before it, w comes before what it found; and if
// w comes after what it found, w comes after the read.
type saturation struct {
	*study
	need  []demand
	table *table
	clock [][]int32 // by operation and column: how far that had come
	width int32     // sessions, and writes of unknown outcome
	col   []int32   // of an operation, its column
}

// run returns a cycle, if there is one.
func (q *saturation) run(ctx context.Context) ([]int32, error) {
	const room = 1 << 26
	q.col, q.width = make([]int32, len(q.ops)), int32(len(q.lines))
	for v := range q.ops {
		if q.col[v] = q.ops[v].session; q.ops[v].leaf {
			q.col[v] = q.width
			q.width++
		}
	}
	if len(q.ops)*int(q.width) > room {
		return nil, fmt.Errorf("the order of writes is not known, and %d operations in %d sessions are too many to find out about it: values that show it would help (versions)", len(q.ops), q.width)
	}
	for n := -1; n < len(q.need); {
		if context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped while looking for what reads make necessary, with %d orders found: %w", len(q.need), context.Cause(ctx))
		}
		q.table = incoming(int32(len(q.ops)), q.need)
		order := q.order()
		if len(order) < len(q.ops) {
			nodes := make([]int32, len(q.ops))
			for v := range nodes {
				nodes[v] = int32(v)
			}
			return cycleOf(nodes, q.before), nil
		}
		q.clocks(order)
		n = len(q.need)
		for v := range q.ops {
			if !q.ops[v].write {
				q.read(int32(v))
			}
		}
	}
	return nil, nil
}

func (q *saturation) before(v int32, to []int32) []int32 {
	for _, d := range q.table.of(v) {
		to = append(to, d.from)
	}
	return q.study.before(v, to)
}

func (q *saturation) order() []int32 { return causality.Order(len(q.ops), q.before) }

// clocks computes for each operation how far the columns had come with it.
func (q *saturation) clocks(order []int32) {
	if q.clock == nil {
		all := make([]int32, len(q.ops)*int(q.width))
		q.clock = make([][]int32, len(q.ops))
		for v := range q.clock {
			q.clock[v] = all[v*int(q.width) : (v+1)*int(q.width)]
		}
	}
	var to []int32
	for _, v := range order {
		mine := q.clock[v]
		for _, w := range q.before(v, to[:0]) {
			for c, n := range q.clock[w] {
				mine[c] = max(mine[c], n)
			}
		}
		mine[q.col[v]] = q.rank(v)
	}
}

// rank returns the place of an operation in its column, from 1 on.
func (q *saturation) rank(v int32) int32 {
	if q.ops[v].leaf {
		return 1
	}
	return q.ops[v].at + 1
}

// precedes reports whether a comes before b.
func (q *saturation) precedes(a, b int32) bool { return a != b && q.clock[b][q.col[a]] >= q.rank(a) }

// read adds what a read makes necessary.
func (q *saturation) read(r int32) {
	x := &q.ops[r]
	for _, c := range q.writes[x.key] {
		n := sort.Search(len(c.ops), func(i int) bool { return !q.precedes(c.ops[i], r) })
		if n > 0 && x.from != none {
			if w := c.ops[n-1]; w != x.from && !q.precedes(w, x.from) {
				q.need = append(q.need, demand{from: w, to: x.from, read: r})
			}
		}
		n = 0
		if x.from != none {
			n = sort.Search(len(c.ops), func(i int) bool { return q.precedes(x.from, c.ops[i]) })
		}
		if n < len(c.ops) && !q.precedes(r, c.ops[n]) {
			q.need = append(q.need, demand{from: r, to: c.ops[n], read: r, after: true})
		}
	}
}

// try searches through all orders of a small history.
func (q *saturation) try(ctx context.Context) outcome {
	const most = 2000 // operations
	unknown := outcome{unknown: fmt.Errorf("the order of writes is not known, and what reads show does not decide: values that show it would help (versions)")}
	if len(q.ops) > most {
		return unknown
	}
	t := &trial{saturation: q, done: make([]bool, len(q.ops)), next: make([]int32, len(q.lines)), now: make([]int32, q.keys.Len()),
		seen: make(map[string]bool), left: q.states, ctx: ctx}
	for v := range q.ops {
		if q.ops[v].leaf {
			t.leaves = append(t.leaves, int32(v))
		}
	}
	for k := range t.now {
		t.now[k] = none
	}
	switch order, found := t.search(nil); {
	case found:
		return q.serialized(order)
	case t.left <= 0 || context.Cause(ctx) != nil:
		return unknown
	}
	q.report.Anomalies++
	all := make([]int32, len(q.ops))
	for v := range all {
		all[v] = int32(v)
	}
	a := checkers.Anomaly{Name: CyclicSC, Ops: q.indices(all)}
	a.Explanation = q.introduce(a.Ops) + fmt.Sprintf(". There is no order of these %d operations that keeps each session's own and in which each read finds the last write: all were tried", len(all))
	return outcome{found: []finding{{anomaly: a}}}
}

// trial is a search that puts one operation after the other.
type trial struct {
	*saturation
	done   []bool
	next   []int32 // by session, how many of its operations are done
	leaves []int32 // writes of unknown outcome
	now    []int32 // by key, the last write
	seen   map[string]bool
	left   int // how many states may still be looked at
	ctx    context.Context
}

// search returns an order that begins with the given one. Reads are put wherever
// they may be, for they change nothing.
func (t *trial) search(order []int32) ([]int32, bool) {
	from := len(order)
	order = t.reads(order)
	if len(order) == len(t.ops) {
		return order, true
	}
	if state := t.state(); !t.seen[state] && t.left > 0 && context.Cause(t.ctx) == nil {
		t.seen[state] = true
		t.left--
		for _, v := range t.writable() {
			x := &t.ops[v]
			was := t.now[x.key]
			t.put(v, 1)
			t.now[x.key] = v
			if full, ok := t.search(append(order, v)); ok {
				return full, true
			}
			t.put(v, -1)
			t.now[x.key] = was
		}
	}
	for _, v := range order[from:] {
		t.put(v, -1)
	}
	return nil, false
}

// put does an operation, or takes it back.
func (t *trial) put(v, by int32) {
	t.done[v] = by > 0
	if !t.ops[v].leaf {
		t.next[t.ops[v].session] += by
	}
}

// reads appends the reads that find the last write.
func (t *trial) reads(order []int32) []int32 {
	for again := true; again; {
		again = false
		for p, line := range t.lines {
			for int(t.next[p]) < len(line) {
				v := line[t.next[p]]
				if x := &t.ops[v]; x.write || t.now[x.key] != x.from || !t.ready(v) {
					break
				}
				t.put(v, 1)
				order, again = append(order, v), true
			}
		}
	}
	return order
}

// writable returns the writes that may be next.
func (t *trial) writable() []int32 {
	var list []int32
	for p, line := range t.lines {
		if int(t.next[p]) < len(line) {
			if v := line[t.next[p]]; t.ops[v].write && t.ready(v) {
				list = append(list, v)
			}
		}
	}
	for _, v := range t.leaves {
		if !t.done[v] && t.ready(v) {
			list = append(list, v)
		}
	}
	return list
}

// ready reports whether all that comes before an operation is done.
func (t *trial) ready(v int32) bool {
	for _, w := range t.before(v, nil) {
		if !t.done[w] {
			return false
		}
	}
	return true
}

// state tells what was done and what reads would find.
func (t *trial) state() string {
	var b []byte
	for _, n := range t.next {
		b = binary.AppendVarint(b, int64(n))
	}
	for _, v := range t.leaves {
		b = append(b, '0')
		if t.done[v] {
			b[len(b)-1] = '1'
		}
	}
	for _, w := range t.now {
		b = binary.AppendVarint(b, int64(w))
	}
	return string(b)
}
