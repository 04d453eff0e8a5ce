package txn

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// outer is what a transaction did with a key as others can see it: the version
// it read before it wrote, and the one that it left.
type outer struct {
	key         int32
	first, last int32 // none if it did not read first, or did not write
	info        bool
	txn         int32
}

// entry is the version at which the transaction met the key, and leaving the one
// at which it left it. A read of the initial version says less than a write.
func (s *study) entry(o outer) int32 {
	if o.first != none && (o.first != s.objects[o.key].initial || o.last == none) {
		return o.first
	}
	return o.last
}

func (o outer) leaving() int32 {
	if o.last != none {
		return o.last
	}
	return o.first
}

// registers finds what is wrong with what was read from registers, and in which
// order their versions came.
func (s *study) registers() {
	var reads pairs
	var outers []outer
	at := make([]int32, len(s.objects)) // the place of a key among the outers of a transaction
	for _, st := range s.steps {
		if !st.write {
			s.show(st.ver)
		}
	}
	for t := range s.txns {
		if s.stopped(t) {
			return
		}
		if !s.live(int32(t)) {
			continue
		}
		s.internalRegisters(int32(t))
		outers = s.outside(outers, int32(t), at)
		for _, st := range s.of(int32(t)) {
			if !st.write && st.ver != none {
				reads.add(st.ver, int32(t), 0)
			}
		}
	}
	s.reads = reads.relation(len(s.vers))
	s.succ = s.versionOrders(outers)
}

// outside appends what a transaction did as others can see it. at is scratch.
func (s *study) outside(outers []outer, t int32, at []int32) []outer {
	from := len(outers)
	ok := s.txns[t].typ == history.OK
	for _, st := range s.of(t) {
		if !st.write && !ok {
			continue
		}
		i := int(at[st.key])
		if i < from || i >= len(outers) || outers[i].key != st.key {
			i = len(outers)
			at[st.key] = int32(i)
			o := outer{key: st.key, first: none, last: none, info: !ok, txn: t}
			if !st.write {
				o.first = st.ver
			}
			outers = append(outers, o)
		}
		if st.write {
			outers[i].last = st.ver
		}
	}
	return outers
}

// internalRegisters looks for reads that contradict what the same transaction
// did before, and for those of versions that they cannot have seen.
func (s *study) internalRegisters(t int32) {
	if !s.happened(t) {
		return
	}
	for len(s.expect) < len(s.objects) {
		s.expect = append(s.expect, expectation{txn: none})
	}
	found := false
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		st := &s.steps[i]
		if st.ver == none {
			continue
		}
		e := &s.expect[st.key]
		met := st.ver
		if st.write {
			met = s.replaced(st.ver)
		}
		if met != none {
			if e.txn == t && e.ver != met && !found {
				found = true
				s.internal(t, st, s.value(e.ver).String())
			}
			s.wrongRegister(t, st, met, e.txn != t || e.ver != met)
		}
		e.txn, e.ver = t, st.ver
	}
}

// wrongRegister looks for versions that nobody may read, or write on top of.
func (s *study) wrongRegister(t int32, st *step, v int32, fresh bool) {
	ver := &s.vers[v]
	switch {
	case ver.elem == none || !fresh:
	case ver.writer == t:
		if !s.wroteBefore(t, st, v) {
			s.future(t, v)
		}
	case ver.writer == none && ver.failed != none:
		s.abortedRead(t, v)
	case ver.writer == none:
		s.thinAir(t, v)
	}
	s.intermediate(t, st, v)
}

// wroteBefore reports whether the transaction had written a version before a step.
func (s *study) wroteBefore(t int32, before *step, v int32) bool {
	for i := s.txns[t].lo; &s.steps[i] != before; i++ {
		if s.steps[i].write && s.steps[i].ver == v {
			return true
		}
	}
	return false
}

// versionOrders infers the order of versions of each key, from one source after
// the other. What a source says about a key is dropped if it would make its
// versions come after themselves; of real time, what only neighbours say is then
// tried alone.
func (s *study) versionOrders(outers []outer) relation {
	s.outers = s.byKey(outers)
	var all pairs
	for k := range s.objects {
		if s.stopped(k * pace / 64) {
			break
		}
		list := s.outers[k]
		var order pairs
		for _, edges := range s.sources(int32(k), list) {
			next := order.with(edges)
			loop := s.circle(&next)
			if loop == nil {
				order = next
				continue
			}
			s.cyclicVersions(int32(k), loop, &next)
			if edges.tag[0] == byTime {
				next = order.with(s.adjacent(list))
				if s.circle(&next) == nil {
					order = next
				}
			}
		}
		for i := range order.from {
			all.add(order.from[i], order.to[i], order.tag[i])
		}
	}
	return all.relation(len(s.vers))
}

// byKey groups what transactions did by key, in their order.
func (s *study) byKey(outers []outer) [][]outer {
	size := make([]int, len(s.objects))
	for _, o := range outers {
		size[o.key]++
	}
	by := make([][]outer, len(s.objects))
	for k, n := range size {
		by[k] = make([]outer, 0, n)
	}
	for _, o := range outers {
		by[o.key] = append(by[o.key], o)
	}
	return by
}

// sources returns what each source says about the versions of a key.
func (s *study) sources(k int32, list []outer) []pairs {
	sources := []pairs{s.afterInitial(k, list)}
	if s.opts.Workload == LinkedRegister {
		sources = append(sources, s.linked(k, list))
	}
	if s.opts.TransactionOrder != nil {
		sources = append(sources, s.ordered(list))
	}
	if s.opts.WFRKeys {
		sources = append(sources, s.followReads(k, list))
	}
	if s.opts.SequentialKeys {
		sources = append(sources, s.sequential(list))
	}
	if s.opts.LinearizableKeys && !s.bare {
		sources = append(sources, s.linearizable(list))
	}
	return slices.DeleteFunc(sources, func(p pairs) bool { return len(p.from) == 0 })
}

// afterInitial puts every version that was met after the initial one. Of a linked
// register those say enough that name it.
func (s *study) afterInitial(k int32, list []outer) pairs {
	var p pairs
	if s.opts.Workload == LinkedRegister {
		return p
	}
	initial := s.objects[k].initial
	met := make(map[int32]bool)
	for _, o := range list {
		for _, v := range []int32{o.first, o.last} {
			if v != none && v != initial && !met[v] {
				met[v] = true
				p.add(initial, v, byInitial)
			}
		}
	}
	return p
}

// linked takes the versions' word for it: what a transaction left comes after
// what its writes replaced.
func (s *study) linked(k int32, list []outer) pairs {
	var p pairs
	for _, o := range list {
		if o.last == none || !s.happened(o.txn) {
			continue
		}
		for _, st := range s.of(o.txn) {
			if from := s.replaced(st.ver); st.write && st.key == k && s.vers[from].writer != o.txn {
				p.add(from, o.last, byLink)
			}
		}
	}
	return p
}

// followReads puts what a transaction wrote after what it had read.
func (s *study) followReads(k int32, list []outer) pairs {
	var p pairs
	for _, o := range list {
		if o.first != none && o.first != s.objects[k].initial && o.last != none && o.first != o.last {
			p.add(o.first, o.last, byWFR)
		}
	}
	return p
}

// placed returns those of a list that wrote and have a place in the order that the
// database gave, in this order.
func (s *study) placed(list []outer) []outer {
	place := func(o outer) int { return s.opts.TransactionOrder[s.index(o.txn)] }
	list = slices.DeleteFunc(slices.Clone(list), func(o outer) bool {
		_, ok := s.opts.TransactionOrder[s.index(o.txn)]
		return !ok || o.last == none || !s.happened(o.txn)
	})
	slices.SortStableFunc(list, func(a, b outer) int { return cmp.Compare(place(a), place(b)) })
	return list
}

// ordered puts versions in the order of the transactions that wrote them.
func (s *study) ordered(list []outer) pairs {
	var p pairs
	list = s.placed(list)
	for i := 1; i < len(list); i++ {
		p.add(list[i-1].last, list[i].last, byOrder)
	}
	return p
}

// sequential puts versions in the order in which a process met them.
func (s *study) sequential(list []outer) pairs {
	var p pairs
	last := make(map[history.Process]int32)
	for _, o := range list {
		process := s.calls[s.txns[o.txn].call].Invoke.Process
		v := s.entry(o)
		if before, ok := last[process]; ok && before != v {
			p.add(before, v, byProcess)
		}
		if !o.info {
			last[process] = o.leaving()
		}
	}
	return p
}

// circle returns versions of a key that come after each other in a circle, or nil.
func (s *study) circle(p *pairs) []int32 {
	for len(s.number) < len(s.vers) {
		s.number = append(s.number, none)
	}
	var vers []int32
	id := func(v int32) int32 {
		if s.number[v] == none {
			s.number[v] = int32(len(vers))
			vers = append(vers, v)
		}
		return s.number[v]
	}
	small := pairs{make([]int32, 0, len(p.from)), make([]int32, 0, len(p.from)), make([]uint8, 0, len(p.from))}
	for i := range p.from {
		small.add(id(p.from[i]), id(p.to[i]), ww)
	}
	for _, v := range vers {
		s.number[v] = none
	}
	r := small.relation(len(vers))
	comp, count := r.components(ww)
	if int(count) == len(vers) {
		return nil
	}
	var circle []int32
	for _, n := range cycleIn(&r, comp) {
		circle = append(circle, vers[n])
	}
	return circle
}

// cycleIn returns the nodes of a short cycle.
func cycleIn(r *relation, comp []int32) []int32 {
	l := &local{relation: *r, txns: len(comp), from: make([]int32, len(r.to))}
	var starts []int32
	for v := range comp {
		for i := r.off[v]; i < r.off[v+1]; i++ {
			l.from[i] = int32(v)
			if comp[v] == comp[r.to[i]] {
				starts = append(starts, i)
			}
		}
	}
	var nodes []int32
	for _, d := range l.shortest(&l.relation, ww, starts, func(e int32) (int32, int32) { return l.to[e], l.from[e] }) {
		nodes = append(nodes, d.from)
	}
	return nodes
}

// span is when a version was met: it was there at the latest when the first who
// left it had finished, and at the earliest it went when the last who met it
// began.
type span struct {
	ver         int32
	left, begun int // indices; none if nobody did
}

// linearizable puts versions in real-time order: one comes before another if
// somebody had left the one before somebody who met the other began. Only the
// last versions that were left are compared, the others follow from them.
func (s *study) linearizable(list []outer) pairs {
	spans := s.spans(list)
	type event struct {
		index int
		span  int
		begin bool
	}
	var events []event
	for i, sp := range spans {
		if sp.left != none {
			events = append(events, event{sp.left, i, false})
		}
		if sp.begun != none {
			events = append(events, event{sp.begun, i, true})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return a.index - b.index })
	var p pairs
	var last []int
	for _, e := range events {
		sp := spans[e.span]
		if !e.begin {
			last = leave(&p, spans, last, e.span)
			continue
		}
		for _, i := range last {
			if i != e.span {
				p.add(spans[i].ver, sp.ver, byTime)
			}
		}
	}
	return p
}

// leave adds a version to those that were left last, and drops those that it
// comes after.
func leave(p *pairs, spans []span, last []int, now int) []int {
	x := spans[now]
	kept, late := last[:0], false
	for _, i := range last {
		v := spans[i]
		if x.left < v.begun {
			p.add(x.ver, v.ver, byTime)
		}
		if v.left < x.begun {
			p.add(v.ver, x.ver, byTime)
			continue
		}
		late = late || x.left < v.begun
		kept = append(kept, i)
	}
	if !late {
		kept = append(kept, now)
	}
	return kept
}

func (s *study) spans(list []outer) []span {
	var spans []span
	number := make(map[int32]int)
	of := func(v int32) *span {
		n, ok := number[v]
		if !ok {
			n = len(spans)
			number[v] = n
			spans = append(spans, span{v, none, none})
		}
		return &spans[n]
	}
	for _, o := range list {
		c := s.calls[s.txns[o.txn].call]
		if v := s.entry(o); v != none {
			sp := of(v)
			sp.begun = max(sp.begun, c.Invoke.Index)
		}
		if v := o.leaving(); v != none && !o.info {
			if sp := of(v); sp.left == none || c.Complete.Index < sp.left {
				sp.left = c.Complete.Index
			}
		}
	}
	return spans
}

// adjacent puts versions in real-time order that were met right after one
// another: without what follows through a transaction that met one version and
// left another.
func (s *study) adjacent(list []outer) pairs {
	var p pairs
	type event struct {
		index int
		of    int
		begin bool
	}
	var events []event
	for i, o := range list {
		c := s.calls[s.txns[o.txn].call]
		events = append(events, event{c.Invoke.Index, i, true})
		if !o.info {
			events = append(events, event{c.Complete.Index, i, false})
		}
	}
	slices.SortFunc(events, func(a, b event) int { return a.index - b.index })
	var last []int
	for _, e := range events {
		o := list[e.of]
		if !e.begin {
			last = slices.DeleteFunc(last, func(i int) bool {
				return s.calls[s.txns[list[i].txn].call].Complete.Index < s.index(o.txn)
			})
			last = append(last, e.of)
			continue
		}
		for _, i := range last {
			if v := list[i].leaving(); v != s.entry(o) {
				p.add(v, s.entry(o), byTime)
			}
		}
	}
	return p
}
