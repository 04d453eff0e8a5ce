package txn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
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
		e.Why = fmt.Sprintf("%s read %s = %s, which %s %s", b, e.Key, s.shown(d.to, v), a, s.opts.Workload.wrote())
		if s.opts.Workload == ListAppend {
			e.Why = fmt.Sprintf("%s read %s = %s, whose last element %s appended", b, e.Key, s.shown(d.to, v), a)
		}
	case ww:
		v, next := s.overwrote(d)
		s.name(&e, v, next)
		e.Why = fmt.Sprintf("%s %s %s to %s before %s %s %s: %s", a, s.opts.Workload.wrote(), e.Value, e.Key, b, s.opts.Workload.wrote(), e.Next, s.reason(v, next))
	case rw:
		v, next := s.missed(d)
		s.name(&e, v, next)
		e.Why = fmt.Sprintf("%s read %s = %s, without the %s that %s %s: %s", a, e.Key, s.shown(d.from, v), e.Next, b, s.opts.Workload.wrote(), s.reason(v, next))
		if s.opts.Workload == ListAppend && s.vers[v].elem == none {
			e.Why = fmt.Sprintf("%s read %s = [], without the %s that %s appended", a, e.Key, e.Next, b)
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

// reason says how one knows that version next came after v.
func (s *study) reason(v, next int32) string {
	at := slices.Index(s.succ.of(v), next)
	return s.because(v, next, s.succ.tags(v)[at])
}

func (s *study) because(v, next int32, why uint8) string {
	o := &s.objects[s.vers[v].key]
	a, b := s.value(v), s.value(next)
	switch why {
	case byRead:
		r := s.witness(o, slices.Index(o.states, next)+1)
		return fmt.Sprintf("%s read %s at %s", s.who(r), s.around(o, next), s.begin(r))
	case byAbsence:
		if len(o.longest) == 0 {
			return fmt.Sprintf("nobody read anything but the empty list, so %v came later", b)
		}
		r := s.witness(o, len(o.longest))
		return fmt.Sprintf("the longest read, by %s at %s, ends with %v and does not have %v, which came later", s.who(r), s.begin(r), a, b)
	case byInitial:
		return fmt.Sprintf("%v came after the initial state", b)
	case byLink:
		return fmt.Sprintf("%v names it as its previous", b)
	default:
		return s.assumed(v, next, why)
	}
}

// witness returns a transaction that read the first n elements of the longest
// list: one of those that are explained if possible, or one more.
func (s *study) witness(o *object, n int) int32 {
	for _, t := range s.members {
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

// assumed says how one knows by what the options assume.
func (s *study) assumed(v, next int32, why uint8) string {
	a, b := s.value(v), s.value(next)
	list := s.outers[s.vers[v].key]
	switch why {
	case byWFR:
		for _, o := range list {
			if o.first == v && o.last == next {
				return fmt.Sprintf("%s read %v and wrote %v in its transaction of %s", s.who(o.txn), a, b, s.begin(o.txn))
			}
		}
	case byProcess:
		last := make(map[string]outer)
		for _, o := range list {
			if before, ok := last[s.who(o.txn)]; ok && before.leaving() == v && s.entry(o) == next {
				return fmt.Sprintf("%s had %v at %s and then %v at %s", s.who(o.txn), a, s.begin(before.txn), b, s.begin(o.txn))
			}
			last[s.who(o.txn)] = o
		}
	case byTime:
		left, met := s.spanEnds(list, v, next)
		return fmt.Sprintf("%s had %v by %s, before %s, which met %v, began at %s", s.who(left), a, s.end(left), s.who(met), b, s.begin(met))
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
	var txns []int32
	for _, o := range s.outers[k] {
		if (slices.Contains(circle, o.first) || slices.Contains(circle, o.last)) && !slices.Contains(txns, o.txn) {
			txns = append(txns, o.txn)
		}
	}
	s.find("cyclic-versions", k, txns, func() string {
		var steps []string
		for i, v := range circle {
			next := circle[(i+1)%len(circle)]
			steps = append(steps, fmt.Sprintf("%v before %v (%s)", s.value(v), s.value(next), s.because(v, next, tagOf(p, v, next))))
		}
		return fmt.Sprintf("the versions of %s would have to come in a circle: %s", s.keyName(k), strings.Join(steps, ", "))
	})
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
