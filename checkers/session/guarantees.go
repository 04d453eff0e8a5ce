package session

import (
	"context"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
)

// demand says that operation from has to come before operation to, because of a
// read: it has to see write from, and found to, which is none for the initial
// state. With after, from is the read itself, and to is a write that comes after
// what it found.
type demand struct {
	from, to, read int32
	after          bool
}

// run is a row of reads of one session that found the same write.
type run struct{ at, source int32 }

// runs are those of one session for a key. Node first+i of the graph stands for
// all that was found up to run i.
type runs struct {
	session int32
	first   int32
	list    []run
	place   map[int32]int32 // of a source, its first run
}

// ordering is the search for the orders of writes that a session guarantee asks
// for.
type ordering struct {
	*study
	g     Guarantee
	prevR []int32  // of an operation, the read before it in its session, or none
	found [][]runs // by key
	nodes int32    // operations, and runs
	ends  [][2]int32
	need  [][]demand // by session
}

// orders judges a session guarantee.
func (s *study) orders(ctx context.Context, g Guarantee) outcome {
	o := &ordering{study: s, g: g, prevR: make([]int32, len(s.ops)), nodes: int32(len(s.ops))}
	last := make([]int32, len(s.lines))
	for p := range last {
		last[p] = none
	}
	for v := range s.ops {
		x := &s.ops[v]
		o.prevR[v] = last[x.session]
		if !x.write {
			last[x.session] = int32(v)
		}
	}
	if g == WritesFollowReads {
		o.collect()
	}
	o.need = make([][]demand, len(s.lines))
	bound, total := make([]int32, len(s.lines)), 0
	for p := range s.lines {
		if context.Cause(ctx) != nil {
			return outcome{unknown: stopped(ctx, "sessions", p, len(s.lines))}
		}
		clear(bound)
		o.session(int32(p), bound)
		total += len(o.need[p])
	}
	s.report.Forced = total
	all := slices.Concat(o.need...)
	if order := o.sorted(everyone, all); order != nil {
		return outcome{certify: func() (okEvidence, error) { return okEvidence{Order: s.indices(order)}, nil }}
	}
	if found := o.circles(ctx, all); len(found) > 0 {
		return outcome{found: found}
	}
	if context.Cause(ctx) != nil {
		return outcome{unknown: stopped(ctx, "sessions", 0, len(s.lines))}
	}
	return outcome{certify: func() (okEvidence, error) {
		if err := s.roomForViews(); err != nil {
			return okEvidence{}, err
		}
		var e okEvidence
		for p, line := range s.lines {
			if len(line) > 0 {
				e.Views = append(e.Views, view{s.indexOf(line[0]), s.indices(o.sorted(int32(p), o.need[p]))})
			}
		}
		return e, nil
	}}
}

// everyone stands for all sessions at once.
const everyone = none

// collect files the reads of each key by their sessions.
func (o *ordering) collect() {
	o.found = make([][]runs, o.keys.Len())
	place := make(map[[2]int32]int)
	for v := range o.ops {
		x := &o.ops[v]
		if x.write || x.from == none {
			continue
		}
		at, ok := place[[2]int32{x.key, x.session}]
		if !ok {
			at = len(o.found[x.key])
			place[[2]int32{x.key, x.session}] = at
			o.found[x.key] = append(o.found[x.key], runs{session: x.session, place: make(map[int32]int32)})
		}
		c := &o.found[x.key][at]
		if n := len(c.list); n == 0 || c.list[n-1].source != x.from {
			if _, again := c.place[x.from]; !again {
				c.place[x.from] = int32(n)
			}
			c.list = append(c.list, run{x.at, x.from})
		}
	}
	for k := range o.found {
		for i := range o.found[k] {
			c := &o.found[k][i]
			c.first = o.nodes
			o.nodes += int32(len(c.list))
			for j, r := range c.list {
				before := int32(none)
				if j > 0 {
					before = c.first + int32(j) - 1
				}
				o.ends = append(o.ends, [2]int32{before, r.source})
			}
		}
	}
}

// session finds what the reads of a session have to see. Bound says, for the
// writers that the session has read, how far their sessions had come.
func (o *ordering) session(p int32, bound []int32) {
	latest := make(map[int32]int32) // by key: own write, or what was read last
	for _, v := range o.lines[p] {
		x := &o.ops[v]
		if x.write {
			if o.g == ReadYourWrites {
				latest[x.key] = v
			}
			continue
		}
		if x.from != none {
			w := &o.ops[x.from]
			bound[w.session] = max(bound[w.session], w.at)
		}
		switch o.g {
		case ReadYourWrites, MonotonicReads:
			if w, ok := latest[x.key]; ok {
				o.demand(p, w, v)
			}
		case MonotonicWrites:
			for _, c := range o.writes[x.key] {
				if w := o.lastBefore(c, bound[c.session]); w != none {
					o.demand(p, w, v)
				}
			}
		default:
			for i := range o.found[x.key] {
				o.follow(p, v, &o.found[x.key][i], bound)
			}
		}
		if o.g == MonotonicReads && x.from != none {
			latest[x.key] = x.from
		}
	}
}

// lastBefore returns the last write of a session before a place in it, or none.
func (s *study) lastBefore(c column, at int32) int32 {
	if c.leaf || at == 0 {
		return none
	}
	n := sort.Search(len(c.ops), func(i int) bool { return s.ops[c.ops[i]].at >= at })
	if n == 0 {
		return none
	}
	return c.ops[n-1]
}

// follow has read v see what a session had read of its key.
func (o *ordering) follow(p, v int32, c *runs, bound []int32) {
	n := int32(sort.Search(len(c.list), func(i int) bool { return c.list[i].at >= bound[c.session] }))
	if n == 0 {
		return
	}
	first, ok := c.place[o.ops[v].from]
	if !ok || first >= n {
		o.demand(p, c.first+n-1, v)
		return
	}
	if first > 0 {
		o.demand(p, c.first+first-1, v)
	}
	for _, r := range c.list[first+1 : n] {
		o.demand(p, r.source, v)
	}
}

func (o *ordering) demand(p, from, read int32) {
	if to := o.ops[read].from; from != to {
		o.need[p] = append(o.need[p], demand{from: from, to: to, read: read})
	}
}

// given appends what comes before a node in the order of session p, whatever was
// read; for everyone, in that of any session.
func (o *ordering) given(p, v int32, to []int32) []int32 {
	if v >= int32(len(o.ops)) {
		ends := o.ends[v-int32(len(o.ops))]
		if ends[0] != none {
			to = append(to, ends[0])
		}
		return append(to, ends[1])
	}
	x := &o.ops[v]
	if o.sooner != nil {
		to = append(to, o.sooner[v]...)
	}
	switch {
	case o.g == WritesFollowReads:
		if !x.write && x.from != none {
			to = append(to, x.from)
		}
		if o.prevR[v] != none {
			to = append(to, o.prevR[v])
		}
	case x.write && x.prevW != none && (o.g == MonotonicWrites || o.g == ReadYourWrites && (p == everyone || x.session == p)):
		to = append(to, x.prevW)
	}
	return to
}

// sorted returns an order of the writes, or nil.
func (o *ordering) sorted(p int32, need []demand) []int32 {
	in := incoming(o.nodes, need)
	if in == nil {
		return nil
	}
	order := causality.Order(int(o.nodes), func(v int32, to []int32) []int32 {
		for _, d := range in.of(v) {
			to = append(to, d.from)
		}
		return o.given(p, v, to)
	})
	if len(order) < int(o.nodes) {
		return nil
	}
	return slices.DeleteFunc(order, func(v int32) bool { return v >= int32(len(o.ops)) || !o.ops[v].write })
}

// table is demands, sorted by what comes later.
type table struct {
	at   []int32
	list []demand
}

func (t *table) of(v int32) []demand { return t.list[t.at[v]:t.at[v+1]] }

// incoming sorts demands, unless one is that something comes before the initial
// state.
func incoming(nodes int32, need []demand) *table {
	t := &table{at: make([]int32, nodes+2), list: make([]demand, len(need))}
	for _, d := range need {
		if d.to == none {
			return nil
		}
		t.at[d.to+2]++
	}
	for i := 2; i < len(t.at); i++ {
		t.at[i] += t.at[i-1]
	}
	for _, d := range need {
		t.list[t.at[d.to+1]] = d
		t.at[d.to+1]++
	}
	return t
}

// circles looks for sessions that have no order. Whatever circle a session has is
// part of one that all of them have together.
func (o *ordering) circles(ctx context.Context, all []demand) []finding {
	union := digraph.New(int(o.nodes))
	var to []int32
	for v := range o.nodes {
		for _, w := range o.given(everyone, v, to[:0]) {
			union.Add(int(w), int(v))
		}
	}
	for _, d := range all {
		if d.to != none {
			union.Add(int(d.from), int(d.to))
		}
	}
	components := union.Components()
	of := make([]int32, o.nodes)
	for c, nodes := range components {
		for _, v := range nodes {
			of[v] = int32(c) + 1
		}
	}
	var found []finding
	note := func(p int32, need []demand, cycle []int32) {
		o.report.Anomalies++
		if len(found) < checkers.MaxAnomalies && (len(found) == 0 || context.Cause(ctx) == nil) {
			found = append(found, o.finding(o.g.String(), o.shape(p, need, cycle)))
		}
	}
	for c, nodes := range components { // those that need no reads
		for _, p := range o.sessionsOf(nodes) {
			if cycle := o.circle(p, nodes, of, int32(c)+1, nil); cycle != nil {
				note(p, nil, cycle)
				break
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	for p, need := range o.need {
		if len(found) > 0 && context.Cause(ctx) != nil {
			break
		}
		o.circlesOf(int32(p), need, components, of, note)
	}
	return found
}

// sessionsOf returns whose orders can differ among nodes, before anything is read:
// one of the sessions, but all of them if each has only its own writes in order.
func (o *ordering) sessionsOf(nodes []int32) []int32 {
	var list []int32
	for _, v := range o.real(nodes) {
		list = append(list, o.ops[v].session)
	}
	slices.Sort(list)
	if list = slices.Compact(list); o.g != ReadYourWrites {
		list = list[:min(1, len(list))]
	}
	return list
}

// circlesOf looks for one circle of a session in each component.
func (o *ordering) circlesOf(p int32, need []demand, components [][]int32, of []int32, note func(int32, []demand, []int32)) {
	inside := make(map[int32][]demand)
	for _, d := range need {
		switch {
		case d.to == none:
			note(p, []demand{d}, nil)
			return
		case of[d.from] > 0 && of[d.from] == of[d.to]:
			inside[of[d.to]] = append(inside[of[d.to]], d)
		}
	}
	for c := range components {
		if list := inside[int32(c)+1]; list != nil {
			if cycle := o.circle(p, components[c], of, int32(c)+1, list); cycle != nil {
				note(p, list, cycle)
			}
		}
	}
}

// circle returns a cycle of a component in the order of session p, or nil.
func (o *ordering) circle(p int32, nodes []int32, of []int32, c int32, need []demand) []int32 {
	local := make(map[int32]int32, len(nodes))
	for i, v := range nodes {
		local[v] = int32(i)
	}
	g := digraph.New(len(nodes))
	var to []int32
	for i, v := range nodes {
		for _, w := range o.given(p, v, to[:0]) {
			if of[w] == c {
				g.Add(int(local[w]), i)
			}
		}
	}
	for _, d := range need {
		g.Add(int(local[d.from]), int(local[d.to]))
	}
	components := g.Components()
	if len(components) == 0 {
		return nil
	}
	cycle := g.Cycle(components[0], func(int32) bool { return true })
	for i, v := range cycle {
		cycle[i] = nodes[v]
	}
	return cycle
}

// real leaves out of a cycle what only stands for others.
func (o *ordering) real(cycle []int32) []int32 {
	var writes []int32
	for _, v := range cycle {
		if v < int32(len(o.ops)) && o.ops[v].write {
			writes = append(writes, v)
		}
	}
	return writes
}

// shape turns a circle into a proof.
func (o *ordering) shape(p int32, need []demand, cycle []int32) proof {
	pr := proof{session: p, cycle: o.real(cycle)}
	if cycle == nil {
		d := need[0]
		d.from = o.member(d.from)
		pr.rules = append(pr.rules, step{d, o.witness(d)})
		return pr
	}
	in := incoming(o.nodes, need)
	start := slices.Index(cycle, pr.cycle[0])
	from := none
	for i := range cycle {
		a, b := cycle[(start+i)%len(cycle)], cycle[(start+i+1)%len(cycle)]
		if a < int32(len(o.ops)) && o.ops[a].write {
			from = int(a)
		}
		at := slices.IndexFunc(in.of(b), func(d demand) bool { return d.from == a })
		if at < 0 || slices.Contains(o.given(p, b, nil), a) {
			continue
		}
		d := in.of(b)[at]
		d.from = int32(from)
		pr.rules = append(pr.rules, step{d, o.witness(d)})
	}
	return pr
}

// member returns one of those that a node stands for.
func (o *ordering) member(v int32) int32 {
	if v < int32(len(o.ops)) {
		return v
	}
	return o.ends[v-int32(len(o.ops))][1]
}

// witness returns how a read can see a write: the path that the guarantee says.
func (o *ordering) witness(d demand) []int32 {
	line := o.lines[o.ops[d.read].session][:o.ops[d.read].at+1]
	if o.g == ReadYourWrites {
		return []int32{d.from, d.read}
	}
	for _, r := range line {
		x := &o.ops[r]
		if x.write || x.from == none {
			continue
		}
		var path []int32
		switch {
		case o.g == MonotonicReads && x.from == d.from && r != d.read:
			path = []int32{d.from, r}
		case o.g == MonotonicWrites && o.soon(d.from, x.from):
			path = []int32{d.from, x.from, r}
		case o.g == WritesFollowReads:
			w := &o.ops[x.from]
			at := slices.IndexFunc(o.lines[w.session][:w.at], func(v int32) bool { return o.ops[v].from == d.from && !o.ops[v].write })
			if at < 0 {
				continue
			}
			path = []int32{d.from, o.lines[w.session][at], x.from, r}
		default:
			continue
		}
		if r != d.read {
			path = append(path, d.read)
		}
		return path
	}
	return nil
}
