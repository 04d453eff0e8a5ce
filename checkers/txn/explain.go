package txn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// cycle reports a cycle: who the transactions are, and a sentence for each edge.
func (s *study) cycle(c []dep, milder bool) {
	name := classify(c)
	s.count[name]++
	if s.count[name] > checkers.MaxAnomalies {
		return
	}
	c = rotate(c)
	label := make(map[int32]string, len(c))
	var members, steps []string
	txns := make([]int32, len(c))
	for i, d := range c {
		txns[i] = d.from
		label[d.from] = fmt.Sprintf("T%d", i+1)
		members = append(members, fmt.Sprintf("T%d is index %d by %s, %s to %s", i+1, s.index(d.from), s.who(d.from), s.begin(d.from), s.end(d.from)))
	}
	a := Anomaly{Anomaly: checkers.Anomaly{Name: name}, Milder: milder}
	s.members = txns
	for _, d := range c {
		e := s.edge(d, label[d.from], label[d.to])
		steps = append(steps, e.Why)
		a.Cycle = append(a.Cycle, e)
		a.Edges = append(a.Edges, checkers.Edge{From: e.From, To: e.To, Kind: edgeKinds[d.kind], Key: e.Key, Via: e.Via, Why: e.Why})
		a.proof.Cycle = append(a.proof.Cycle, proofEdge{edgeKinds[d.kind], e.From, e.To, e.Steps, e.Via})
		if a.Key == "" {
			a.Key = e.Key
		}
	}
	a.Ops = s.indices(s.members)
	a.Explanation = fmt.Sprintf("%s. %s. So each of them came before itself", strings.Join(members, "; "), strings.Join(steps, "; "))
	s.list = append(s.list, a)
}

// rotate makes a cycle begin with the transaction that began first.
func rotate(c []dep) []dep {
	first := 0
	for i := range c {
		if c[i].from < c[first].from {
			first = i
		}
	}
	return append(slices.Clone(c[first:]), c[:first]...)
}

// edge explains a dependency of b on a.
func (s *study) edge(d dep, a, b string) Edge {
	e := Edge{From: s.index(d.from), To: s.index(d.to), Kind: kindNames[d.kind]}
	switch d.kind {
	case pr:
		e.Why = fmt.Sprintf("%s came before %s, which the same process began later", a, b)
	case rt:
		e.Why = fmt.Sprintf("%s finished at %s, before %s began at %s", a, s.end(d.from), b, s.begin(d.to))
	case wr:
		v := s.readFrom(d)
		s.name(&e, v, none)
		s.between(&e, s.writing(d.from, v), s.exactly(d.to, v))
		e.Why = fmt.Sprintf("%s read %s = %s, which %s %s", b, e.Key, s.shown(d.to, v), a, s.opts.Workload.wrote())
		if s.opts.Workload == ListAppend {
			e.Why = fmt.Sprintf("%s read %s = %s, whose last element %s appended", b, e.Key, s.shown(d.to, v), a)
		}
	case ww:
		v, next := s.overwrote(d)
		s.name(&e, v, next)
		s.between(&e, s.writing(d.from, v), s.onTop(d.to, v, next))
		why, via := s.reason(v, next)
		e.Via = s.inOrder(via)
		e.Why = fmt.Sprintf("%s %s %s to %s before %s %s %s: %s", a, s.opts.Workload.wrote(), e.Value, e.Key, b, s.opts.Workload.wrote(), e.Next, why)
	case rw:
		v, next := s.missed(d)
		s.name(&e, v, next)
		read := s.without(d.from, v, next)
		s.between(&e, read, s.onTop(d.to, v, next))
		why, via := s.reason(v, next)
		e.Via = s.inOrder(via)
		got := s.got(&s.steps[read.step])
		e.Why = fmt.Sprintf("%s read %s = %s, without the %s that %s %s: %s", a, e.Key, got, e.Next, b, s.opts.Workload.wrote(), why)
		switch {
		case s.opts.Workload == ListAppend && s.vers[v].elem == none:
			e.Why = fmt.Sprintf("%s read %s = [], without the %s that %s appended", a, e.Key, e.Next, b)
		case contains(s.steps[read.step].list, s.value(next)):
			e.Why = fmt.Sprintf("%s read %s = %s, which ends with %s, and the %s that %s appended came right after that: %s", a, e.Key, got, e.Value, e.Next, b, why)
		}
	}
	return e
}

func (s *study) name(e *Edge, v, next int32) {
	e.Key, e.Value = s.keyName(s.vers[v].key), s.value(v).String()
	if next != none {
		e.Next = s.value(next).String()
	}
}

// between notes which steps an edge is between.
func (s *study) between(e *Edge, a, b spot) {
	e.Steps = []int{int(a.step - s.txns[a.txn].lo), int(b.step - s.txns[b.txn].lo)}
}

// without returns a step of a transaction that read a version and not the next one
// with it, if there is one: who reads a list that contradicts others may see both.
func (s *study) without(t, v, next int32) spot {
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		if st := &s.steps[i]; !st.write && st.ver == v && !contains(st.list, s.value(next)) {
			return spot{t, i}
		}
	}
	return s.exactly(t, v)
}

// exactly returns the step of a transaction that read a version.
func (s *study) exactly(t, v int32) spot {
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		if st := &s.steps[i]; !st.write && st.ver == v {
			return spot{t, i}
		}
	}
	panic("txn: a version that was not read")
}

// onTop returns the step of a transaction that wrote the version next after v: of
// linked values the one that names v.
func (s *study) onTop(t, v, next int32) spot {
	if s.opts.Workload != LinkedRegister || v == s.objects[s.vers[v].key].initial {
		return s.writing(t, next)
	}
	return s.naming(t, v)
}

// readFrom returns a version that the first transaction wrote and the second
// read.
func (s *study) readFrom(d dep) int32 {
	for _, st := range s.of(d.to) {
		if !st.write && st.ver != none && s.writer(st.ver) == d.from {
			return st.ver
		}
	}
	panic("txn: a wr without a version")
}

// overwrote returns versions that the two transactions wrote, one after the
// other.
func (s *study) overwrote(d dep) (v, next int32) {
	for _, st := range s.of(d.from) {
		if !st.write {
			continue
		}
		if n := s.next(st.ver, d.to); n != none {
			return st.ver, n
		}
	}
	panic("txn: a ww without versions")
}

// missed returns a version that the first transaction read, and the next one,
// which the second wrote.
func (s *study) missed(d dep) (v, next int32) {
	for _, st := range s.of(d.from) {
		if st.write || st.ver == none {
			continue
		}
		if n := s.next(st.ver, d.to); n != none && slices.Contains(s.reads.of(st.ver), d.from) {
			return st.ver, n
		}
	}
	panic("txn: an rw without versions")
}

// next returns a version after v that t wrote, or none.
func (s *study) next(v, t int32) int32 {
	for _, n := range s.succ.of(v) {
		if s.writer(n) == t {
			return n
		}
	}
	return none
}

// reason says how one knows that version next came after v, and by whom.
func (s *study) reason(v, next int32) (why string, via []int32) {
	at := slices.Index(s.succ.of(v), next)
	return s.because(v, next, s.succ.tags(v)[at])
}

func (s *study) because(v, next int32, why uint8) (text string, via []int32) {
	o := &s.objects[s.vers[v].key]
	a, b := s.value(v), s.value(next)
	switch why {
	case byRead:
		r := s.witness(o, slices.Index(o.states, next)+1)
		return fmt.Sprintf("%s read %s at %s", s.who(r), s.around(o, next), s.begin(r)), []int32{r}
	case byAbsence:
		if len(o.longest) == 0 {
			return fmt.Sprintf("nobody read anything but the empty list, so %v came later", b), nil
		}
		r := s.witness(o, len(o.longest))
		return fmt.Sprintf("the longest read, by %s at %s, ends with %v and does not have %v, which came later", s.who(r), s.begin(r), a, b), []int32{r}
	case byInitial:
		return fmt.Sprintf("%v came after the initial state", b), nil
	case byLink:
		at := s.naming(s.vers[next].writer, v)
		return fmt.Sprintf("%v names it as its previous", s.value(s.steps[at.step].ver)), nil
	default:
		return s.assumed(v, next, why)
	}
}

// witness returns a transaction that read the first n elements of the longest
// list: one of those that are explained if possible, or one more.
func (s *study) witness(o *object, n int) int32 {
	const few = 64 // of a long cycle it takes too long to ask each
	for _, t := range s.members[:min(len(s.members), few)] {
		for _, st := range s.of(t) {
			if len(st.list) >= n && &s.objects[st.key] == o && prefix(st.list, o.longest) {
				return t
			}
		}
	}
	s.members = append(s.members, o.reader)
	return o.reader
}

// around shows where in the longest read an element is.
func (s *study) around(o *object, v int32) string {
	at := slices.Index(o.states, v)
	from := max(0, at-2)
	text := "[" + spaced(o.longest[from:at+1])
	if from > 0 {
		text = "[... " + spaced(o.longest[from:at+1])
	}
	if at+1 < len(o.longest) {
		text += " ..."
	}
	return text + "]"
}

// assumed says how one knows by what the options assume, and by whom.
func (s *study) assumed(v, next int32, why uint8) (text string, via []int32) {
	a, b := s.value(v), s.value(next)
	list := s.outers[s.vers[v].key]
	switch why {
	case byWFR:
		for _, o := range list {
			if o.first == v && o.last == next {
				return fmt.Sprintf("%s read %v and wrote %v in its transaction of %s", s.who(o.txn), a, b, s.begin(o.txn)), []int32{o.txn}
			}
		}
	case byProcess:
		last := make(map[history.Process]outer)
		for _, o := range list {
			p := s.calls[s.txns[o.txn].call].Invoke.Process
			if before, ok := last[p]; ok && before.leaving() == v && s.entry(o) == next {
				return fmt.Sprintf("%s had %v at %s and then %v at %s", s.who(o.txn), a, s.begin(before.txn), b, s.begin(o.txn)), []int32{before.txn, o.txn}
			}
			if !o.info {
				last[p] = o
			}
		}
	case byOrder:
		list = s.placed(list)
		for i := 1; i < len(list); i++ {
			if x, y := list[i-1], list[i]; x.last == v && y.last == next {
				return fmt.Sprintf("the database says that the transaction of %s of %s, which wrote %v, came before that of %s of %s, which wrote %v",
					s.who(x.txn), s.begin(x.txn), a, s.who(y.txn), s.begin(y.txn), b), []int32{x.txn, y.txn}
			}
		}
	case byTime:
		left, met := s.spanEnds(list, v, next)
		return fmt.Sprintf("%s had %v by %s, before %s, which met %v, began at %s", s.who(left), a, s.end(left), s.who(met), b, s.begin(met)), []int32{left, met}
	}
	panic("txn: versions in an order that nobody saw")
}

// spanEnds returns the first transaction that left v, and the last one that met
// next.
func (s *study) spanEnds(list []outer, v, next int32) (left, met int32) {
	left, met = none, none
	for _, o := range list {
		if o.leaving() == v && !o.info && (left == none || s.calls[s.txns[o.txn].call].Complete.Index < s.calls[s.txns[left].call].Complete.Index) {
			left = o.txn
		}
		if s.entry(o) == next && (met == none || s.index(o.txn) > s.index(met)) {
			met = o.txn
		}
	}
	return left, met
}

// cyclicVersions reports versions of a key that come after each other in a
// circle, by what the sources say.
func (s *study) cyclicVersions(k int32, circle []int32, p *pairs) {
	s.find("cyclic-versions", k, func() shape {
		var steps []string
		sh := shape{}
		for i, v := range circle {
			next := circle[(i+1)%len(circle)]
			tag := tagOf(p, v, next)
			why, via := s.because(v, next, tag)
			steps = append(steps, fmt.Sprintf("%v before %v (%s)", s.value(v), s.value(next), why))
			sh.cycle = append(sh.cycle, s.comesBefore(k, v, next, tag, via)...)
			for _, t := range append(via, s.meeting(k, v).txn, s.meeting(k, next).txn) {
				if t != none {
					sh.spots = append(sh.spots, spot{t, none})
				}
			}
		}
		sh.why = fmt.Sprintf("the versions of %s would have to come in a circle: %s", s.keyName(k), strings.Join(steps, ", "))
		return sh
	})
}

// comesBefore returns the proof that a version of a key comes before another one.
// A transaction that wrote several versions says of each what it replaced.
func (s *study) comesBefore(k, v, next int32, tag uint8, via []int32) []proofEdge {
	if tag != byLink {
		return []proofEdge{s.versionEdge(s.meeting(k, v), s.meeting(k, next), via)}
	}
	var list []proofEdge
	from, w := s.meeting(k, v), s.vers[next].writer
	for i := s.txns[w].lo; i < s.txns[w].hi; i++ {
		if st := &s.steps[i]; st.write && st.key == k {
			list = append(list, s.versionEdge(from, spot{w, i}, nil))
			from = spot{w, i}
		}
	}
	return list
}

// versionEdge says that the version at one step comes before that at another.
func (s *study) versionEdge(a, b spot, via []int32) proofEdge {
	e := proofEdge{Kind: "version", From: -1, To: s.index(b.txn), Steps: []int{0, int(b.step - s.txns[b.txn].lo)}, Via: s.inOrder(via)}
	if a.txn != none {
		e.From, e.Steps[0] = s.index(a.txn), int(a.step-s.txns[a.txn].lo)
	}
	return e
}

// meeting returns a step that read or wrote a version of a key. Nobody has to
// have read the initial one.
func (s *study) meeting(k, v int32) spot {
	for _, o := range s.outers[k] {
		for i := s.txns[o.txn].lo; i < s.txns[o.txn].hi; i++ {
			if st := &s.steps[i]; st.key == k && st.ver == v {
				return spot{o.txn, i}
			}
		}
	}
	return spot{none, none}
}

// inOrder returns the indices of transactions.
func (s *study) inOrder(txns []int32) []int {
	var list []int
	for _, t := range txns {
		list = append(list, s.index(t))
	}
	return list
}

// tagOf returns the tag of a pair.
func tagOf(p *pairs, from, to int32) uint8 {
	for i := range p.from {
		if p.from[i] == from && p.to[i] == to {
			return p.tag[i]
		}
	}
	panic("txn: not a pair")
}
