package txn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// findings are the anomalies of a history: how many there are of each name, and
// the first ones in words.
type findings struct {
	list  []Anomaly
	count map[string]int
}

// spot is a step of a transaction, by its place in the study.
type spot struct{ txn, step int32 }

// shape is an anomaly in words, with the steps that show it.
type shape struct {
	spots []spot
	extra []int // where else to look, by the name
	cycle []proofEdge
	why   string
}

// find counts an anomaly, and keeps it if it is one of the first of its name.
func (s *study) find(name string, key int32, of func() shape) {
	s.count[name]++
	if s.count[name] > checkers.MaxAnomalies {
		return
	}
	sh := of()
	a := Anomaly{Anomaly: checkers.Anomaly{Name: name, Explanation: sh.why}}
	var txns []int32
	for _, at := range sh.spots {
		txns = append(txns, at.txn)
		if at.step != none {
			a.proof.Ops = append(a.proof.Ops, s.index(at.txn))
			a.proof.Steps = append(a.proof.Steps, int(at.step-s.txns[at.txn].lo))
		}
	}
	a.proof.Steps, a.proof.Cycle = append(a.proof.Steps, sh.extra...), sh.cycle
	a.Ops = s.indices(txns)
	if key != none {
		a.Key = s.keyName(key)
	}
	s.list = append(s.list, a)
}

// reading returns the first step of a transaction that shows a version.
func (s *study) reading(t, v int32) spot {
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		st := &s.steps[i]
		if !st.write && st.key == s.vers[v].key && (st.ver == v || s.vers[v].elem != none && contains(st.list, s.value(v))) {
			return spot{t, i}
		}
	}
	return s.naming(t, v)
}

// naming returns the step of a transaction that wrote a linked value on top of a
// version.
func (s *study) naming(t, v int32) spot {
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		if st := &s.steps[i]; st.write && s.replaced(st.ver) == v {
			return spot{t, i}
		}
	}
	panic("txn: a version that is not shown")
}

// writing returns the step of a transaction that wrote a version.
func (s *study) writing(t, v int32) spot {
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		if st := &s.steps[i]; st.write && st.ver == v {
			return spot{t, i}
		}
	}
	panic("txn: a version that was not written")
}

// here returns where a step of a transaction is.
func (s *study) here(t int32, st *step) spot {
	for i := s.txns[t].lo; i < s.txns[t].hi; i++ {
		if &s.steps[i] == st {
			return spot{t, i}
		}
	}
	panic("txn: a step of another transaction")
}

func contains(list []history.Value, e history.Value) bool {
	return slices.ContainsFunc(list, func(x history.Value) bool { return same(x, e) })
}

func (s *study) indices(txns []int32) []int {
	ops := make([]int, len(txns))
	for i, t := range txns {
		ops[i] = s.index(t)
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

func (s *study) keyName(k int32) string { return checkers.KeyName(s.keys.Value(k)) }

func (s *study) who(t int32) string {
	return fmt.Sprintf("process %v", s.calls[s.txns[t].call].Invoke.Process)
}

func (s *study) begin(t int32) string { return s.clock.At(s.calls[s.txns[t].call].Invoke) }

func (s *study) end(t int32) string {
	if c := s.calls[s.txns[t].call].Complete; c != nil {
		return s.clock.At(c)
	}
	return "the end"
}

// didRead says who read what.
func (s *study) didRead(t int32, key int32, what string) string {
	return fmt.Sprintf("%s read %s = %s in its transaction of %s", s.who(t), s.keyName(key), what, s.begin(t))
}

// shown writes what a read of transaction t returned that is, or has, version v.
func (s *study) shown(t, v int32) string {
	text := s.value(v).String()
	for _, st := range s.of(t) {
		switch {
		case st.write || st.key != s.vers[v].key || s.opts.Workload != ListAppend:
		case st.ver == v:
			return brief(st.list)
		case slices.ContainsFunc(st.list, func(e history.Value) bool { return same(e, s.value(v)) }):
			text = brief(st.list)
		}
	}
	return text
}

// brief writes a list, and only the end of a long one.
func brief(list []history.Value) string {
	const most = 12
	if list == nil {
		return "nil"
	}
	if len(list) > most {
		return fmt.Sprintf("[(%d elements) %s]", len(list)-most, spaced(list[len(list)-most:]))
	}
	return "[" + spaced(list) + "]"
}

func spaced(list []history.Value) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = v.String()
	}
	return strings.Join(parts, " ")
}

// did says how a transaction used a version: it read it, or wrote on top of it.
func (s *study) did(t, v int32) string {
	if s.steps[s.reading(t, v).step].write {
		return s.on(t, v)
	}
	return s.didRead(t, s.vers[v].key, s.shown(t, v))
}

func (s *study) abortedRead(t, v int32) {
	ver := s.vers[v]
	s.find("G1a", ver.key, func() shape {
		return shape{spots: []spot{s.reading(t, v), s.writing(ver.failed, v)}, why: fmt.Sprintf("%s, but the transaction of %s that %s %v failed at %s, so it certainly did not happen",
			s.did(t, v), s.who(ver.failed), s.opts.Workload.wrote(), s.value(v), s.end(ver.failed))}
	})
}

func (s *study) thinAir(t, v int32) {
	ver := s.vers[v]
	s.find("thin-air-read", ver.key, func() shape {
		at := s.reading(t, v)
		e := max(0, slices.IndexFunc(s.steps[at.step].list, func(x history.Value) bool { return same(x, s.value(v)) }))
		return shape{spots: []spot{at}, extra: []int{e}, why: fmt.Sprintf("%s, but nobody ever wrote %v to %s", s.did(t, v), s.value(v), s.keyName(ver.key))}
	})
}

// intermediate reports a use of a version that its own transaction replaced.
func (s *study) intermediate(t int32, st *step, v int32) {
	ver := s.vers[v]
	w := ver.writer
	if w == none {
		w = ver.failed
	}
	if !ver.middle || w == t || w == none {
		return
	}
	s.find("G1b", ver.key, func() shape {
		return shape{spots: []spot{s.here(t, st), s.writing(w, v)}, why: fmt.Sprintf("%s: that is the middle of the transaction of %s of %s, which %s %s again after %v",
			s.did(t, v), s.who(w), s.begin(w), s.opts.Workload.wrote(), s.keyName(ver.key), s.value(v))}
	})
}

func (s *study) duplicate(t int32, st *step, v int32) {
	s.find("duplicate-elements", st.key, func() shape {
		spots := []spot{s.here(t, st)}
		if w := s.vers[v].writer; w != none {
			spots = append(spots, spot{w, none})
		}
		return shape{spots: spots, why: fmt.Sprintf("%s, which has %v twice, but it was appended once", s.didRead(t, s.vers[v].key, brief(st.list)), s.value(v))}
	})
}

// incompatible reports a read of a list that is not the beginning of the longest
// one: one for each key.
func (s *study) incompatible(t int32, st *step) {
	o := &s.objects[st.key]
	if o.forked {
		return
	}
	o.forked = true
	s.find("incompatible-order", st.key, func() shape {
		at := 0
		for at < len(st.list) && same(st.list[at], o.longest[at]) {
			at++
		}
		return shape{spots: []spot{s.here(t, st), s.longestRead(o, st.key)}, why: fmt.Sprintf("%s, and %s: they differ at element %d (%v and %v), but appends can only make one of them from the other if it begins with it",
			s.didRead(t, st.key, brief(st.list)), s.didRead(o.reader, st.key, brief(o.longest)), at+1, st.list[at], o.longest[at])}
	})
}

// longestRead returns the step that the longest list of a key is from.
func (s *study) longestRead(o *object, key int32) spot {
	for i := s.txns[o.reader].lo; i < s.txns[o.reader].hi; i++ {
		if st := &s.steps[i]; !st.write && st.key == key && len(st.list) == len(o.longest) {
			return spot{o.reader, i}
		}
	}
	panic("txn: nobody read the longest list")
}

func (s *study) internal(t int32, st *step, want string) {
	s.find("internal", st.key, func() shape {
		text := s.didRead(t, st.key, s.got(st))
		if st.write {
			text = s.did(t, s.replaced(st.ver))
		}
		return shape{spots: []spot{s.here(t, st)}, why: fmt.Sprintf("%s, but after what the same transaction had read and written before, it should have found %s", text, want)}
	})
}

// got writes what a read returned.
func (s *study) got(st *step) string {
	if s.opts.Workload == ListAppend {
		return brief(st.list)
	}
	return s.value(st.ver).String()
}

func (s *study) future(t, v int32) {
	s.find("future-read", s.vers[v].key, func() shape {
		return shape{spots: []spot{s.reading(t, v)}, extra: []int{int(s.writing(t, v).step - s.txns[t].lo)}, why: fmt.Sprintf("%s, but it %s %v itself only afterwards, later in the same transaction",
			s.did(t, v), s.opts.Workload.wrote(), s.value(v))}
	})
}

// dirtyUpdates looks for versions of transactions that are ok and follow those
// of one that failed: the failure was built on.
func (s *study) dirtyUpdates(o *object) {
	failed := int32(none)
	for _, v := range o.order {
		ver := s.vers[v]
		switch {
		case ver.writer == none && ver.failed != none && failed == none:
			failed = v
		case ver.writer == none || s.txns[ver.writer].typ != history.OK:
		case failed != none:
			s.dirtyUpdate(failed, v, o)
			failed = none
		}
	}
}

func (s *study) dirtyUpdate(failed, v int32, o *object) {
	f, w, key := s.vers[failed].failed, s.vers[v].writer, s.vers[v].key
	s.find("dirty-update", key, func() shape {
		return shape{spots: []spot{s.writing(f, failed), s.writing(w, v), s.longestRead(o, key)}, why: fmt.Sprintf("%s: %v was appended by %s to a state that had %v of %s, whose transaction failed at %s",
			s.didRead(o.reader, key, brief(o.longest)), s.value(v), s.who(w), s.value(failed), s.who(f), s.end(f))}
	})
}

// lostUpdates looks for versions that two transactions read, and both replaced:
// linked values say themselves what they replaced.
func (s *study) lostUpdates() {
	var bases pairs
	first := make([]lastWrite, len(s.objects)) // what a transaction read first from a key
	for k := range first {
		first[k] = lastWrite{none, none}
	}
	for t := range s.txns {
		if s.stopped(t) {
			return
		}
		if !s.happened(int32(t)) {
			continue
		}
		for _, st := range s.of(int32(t)) {
			f := &first[st.key]
			switch p := s.replaced(st.ver); {
			case s.opts.Workload == LinkedRegister:
				if st.write && p != none && s.vers[p].writer != int32(t) {
					bases.add(p, int32(t), 0)
				}
			case f.txn != int32(t) && !st.write:
				*f = lastWrite{int32(t), st.ver}
			case f.txn == int32(t) && st.write && f.ver != none:
				bases.add(f.ver, int32(t), 0)
				f.ver = none
			}
		}
	}
	by := bases.relation(len(s.vers))
	for v := range s.vers {
		if txns := slices.Compact(by.of(int32(v))); len(txns) > 1 {
			s.lostUpdate(int32(v), txns)
		}
	}
}

// lostUpdate reports the transactions that replaced version v. Lists that end
// with the same element may differ before it: then they are not the same.
func (s *study) lostUpdate(v int32, txns []int32) {
	for len(txns) > 1 {
		base := s.base(txns[0], s.vers[v].key)
		var alike, rest []int32
		for _, t := range txns {
			if slices.EqualFunc(base, s.base(t, s.vers[v].key), same) {
				alike = append(alike, t)
			} else {
				rest = append(rest, t)
			}
		}
		if len(alike) > 1 {
			s.lost(v, alike)
		}
		txns = rest
	}
}

// base returns the list that a transaction read first.
func (s *study) base(t, key int32) []history.Value {
	for _, st := range s.of(t) {
		if st.key == key && !st.write {
			return st.list
		}
	}
	return nil
}

func (s *study) lost(v int32, txns []int32) {
	s.find("lost-update", s.vers[v].key, func() shape {
		a, b := txns[0], txns[1]
		if s.opts.Workload == LinkedRegister {
			return shape{spots: []spot{s.naming(a, v), s.naming(b, v)}, why: fmt.Sprintf("%s, and %s (%d transactions in all did that): only one of them can have replaced it, so one update is lost", s.on(a, v), s.on(b, v), len(txns))}
		}
		return shape{spots: []spot{s.basis(a, s.vers[v].key), s.basis(b, s.vers[v].key)}, why: fmt.Sprintf("%s and %s in their transactions of %s and %s (%d in all) both read %s = %s and both %s it: whoever came second did not see the first, so one update is lost",
			s.who(a), s.who(b), s.begin(a), s.begin(b), len(txns), s.keyName(s.vers[v].key), s.at(v), s.opts.Workload.wrote())}
	})
}

// basis returns the first read of a key by a transaction.
func (s *study) basis(t, key int32) spot {
	i := s.txns[t].lo
	for s.steps[i].key != key || s.steps[i].write {
		i++
	}
	return spot{t, i}
}

// on says which version a transaction wrote on top of another one.
func (s *study) on(t, v int32) string {
	st := &s.steps[s.naming(t, v).step]
	return fmt.Sprintf("%s wrote %v to %s in its transaction of %s, on top of %v", s.who(t), s.value(st.ver), s.keyName(st.key), s.begin(t), s.value(v))
}

// at writes a version as a state of its key.
func (s *study) at(v int32) string {
	if s.opts.Workload == ListAppend && s.vers[v].elem != none {
		return "[... " + s.value(v).String() + "]"
	}
	return s.value(v).String()
}
