package txn

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// none stands for a transaction, version or key that is not there.
const none = -1

// step is a micro-operation of a transaction.
type step struct {
	list  []history.Value // what a read of a list returned
	key   int32
	ver   int32 // the version that was written or read; none if it is not known
	write bool
}

// txn is a transaction: one call, whose steps are a range of study.steps.
type txn struct {
	call   int32
	lo, hi int32
	typ    history.Type // OK, Fail or Info
	seen   bool         // one of its writes was read, or it was ok: it happened
}

// version is what a write made of a key: for lists, the state that ends with
// the element that was appended.
type version struct {
	key    int32
	elem   int32 // its number in the key's table; none for the initial version, below that in study.oddValues
	writer int32 // transaction; none if nobody wrote it
	failed int32 // a transaction that failed and had tried to write it, or none
	pos    int32 // lists: its place in the order of versions from 1 on, or 0
	middle bool  // its writer wrote the key again in the same transaction
}

// object is what the transactions say about one key.
type object struct {
	elems   intern.Table    // of linked registers, the value parts
	vers    []int32         // versions by number of the element
	linked  []history.Value // linked registers: the values as they are, by number
	odd     []int32         // linked registers: versions whose value part is that of another one
	initial int32
	longest []history.Value // lists: the longest that was read
	reader  int32           // lists: by whom
	states  []int32         // lists: the versions that its elements made
	order   []int32         // lists: the same without repetitions
	forked  bool            // lists: an incompatible order was found
	clean   int             // lists: how many of its elements nothing is wrong with, plus one; 0 if that was not asked
}

// study is a history on the way from calls to a verdict.
type study struct {
	opts    Options
	calls   []history.Call
	txns    []txn
	steps   []step
	keys    intern.Table
	objects []object
	vers    []version
	bare    bool // completions only: nobody knows when anything began

	succ  relation // versions that come next
	reads relation // transactions that read a version
	prev  []int32  // linked registers: by version, the one that it says it replaced

	oddValues []history.Value // linked registers: values whose value part another one has too
	clock     checkers.Clock

	members []int32   // transactions of the cycle that is being explained, and of what proves it
	outers  [][]outer // registers: by key, what transactions did

	expect []expectation // lists: by key, of the transaction that is looked at
	number []int32       // registers: by version, scratch for its number in a small graph; else none

	ok int
	findings

	done func() bool // reports whether there is no time left; nil if there always is
	late bool
}

// errLate is why a history is unknown that was not read to its end.
var errLate = errors.New("stopped before all transactions were read")

// pace is how many steps of a long loop are made before it looks at the time.
const pace = 1 << 12

// stopped reports, in step i of a long loop, whether there is no time left.
func (s *study) stopped(i int) bool {
	if !s.late && i%pace == 0 {
		s.late = s.over()
	}
	return s.late
}

// over reports whether there is no time left.
func (s *study) over() bool { return s.done != nil && s.done() }

// parse reads the transactions out of the calls.
func (s *study) parse() error {
	s.txns, s.vers = make([]txn, 0, len(s.calls)), make([]version, 0, len(s.calls)+len(s.calls)/2)
	s.steps = make([]step, 0, 3*len(s.calls))
	var last []lastWrite
	for i := range s.calls {
		if s.stopped(i) {
			return errLate
		}
		c := &s.calls[i]
		t := txn{call: int32(i), lo: int32(len(s.steps)), typ: c.Type()}
		t.seen = t.typ == history.OK
		value := c.Value()
		if value.Kind() != history.KindList {
			return fmt.Errorf("index %d: %s is not a transaction: want a list of micro-operations such as [[\"r\",\"x\",null]]", c.Invoke.Index, value)
		}
		s.txns = append(s.txns, t)
		for _, m := range value.Elems() {
			if err := s.micro(int32(len(s.txns)-1), m, &last); err != nil {
				return err
			}
		}
		s.txns[len(s.txns)-1].hi = int32(len(s.steps))
		if t.typ == history.OK {
			s.ok++
		}
	}
	return s.backlinks()
}

// lastWrite is the version that a transaction wrote last to a key.
type lastWrite struct{ txn, ver int32 }

// micro reads one step of transaction t.
func (s *study) micro(t int32, m history.Value, last *[]lastWrite) error {
	parts := m.Elems()
	c := &s.calls[s.txns[t].call]
	if m.Kind() != history.KindList || len(parts) < 2 || len(parts) > 3 {
		return fmt.Errorf("index %d: %s is not a micro-operation: want [function key value]", c.Invoke.Index, m)
	}
	write, err := s.opts.Workload.writes(parts[0].Text())
	if err != nil {
		return fmt.Errorf("index %d: %s: %w", c.Invoke.Index, m, err)
	}
	value := history.Nil
	if len(parts) == 3 {
		value = parts[2]
	}
	if s.opts.Workload == LinkedRegister && !value.IsNil() && !isLinked(value) {
		return fmt.Errorf("index %d: %s is not a linked value: want {\"value\": v, \"previous\": p}", c.Invoke.Index, value)
	}
	k := s.key(parts[1])
	for len(*last) < len(s.objects) {
		*last = append(*last, lastWrite{none, none})
	}
	if write {
		return s.write(t, k, value, &(*last)[k])
	}
	return s.read(t, k, value)
}

// isLinked reports whether v has the fields of a linked value, and no others: a
// field that nobody knows would tell versions apart that are to be one.
func isLinked(v history.Value) bool {
	if v.Kind() != history.KindMap || v.Get("value").IsNil() {
		return false
	}
	fields := len(v.Elems()) / 2
	return fields == 1 || fields == 2 && !v.Get("previous").IsAbsent()
}

// key numbers a key. Keys that JSON made strings are not those that were
// integers: whoever mixes them has two keys.
func (s *study) key(v history.Value) int32 {
	k := s.keys.ID(v)
	if int(k) == len(s.objects) {
		s.objects = append(s.objects, object{initial: int32(len(s.vers)), reader: none})
		s.vers = append(s.vers, version{key: k, elem: none, writer: none, failed: none})
	}
	return k
}

// version numbers what was, or would be, written to a key.
func (s *study) version(k int32, v history.Value) int32 {
	o := &s.objects[k]
	part := v
	if s.opts.Workload == LinkedRegister {
		part = v.Get("value")
	}
	e := o.elems.ID(part)
	if int(e) < len(o.vers) {
		if s.opts.Workload == LinkedRegister && !sameLink(o.linked[e], v) {
			return s.oddVersion(k, v)
		}
		return o.vers[e]
	}
	o.vers = append(o.vers, s.addVersion(k, e))
	if s.opts.Workload == LinkedRegister {
		o.linked = append(o.linked, v)
	}
	return o.vers[e]
}

func (s *study) addVersion(k, elem int32) int32 {
	s.vers = append(s.vers, version{key: k, elem: elem, writer: none, failed: none})
	return int32(len(s.vers) - 1)
}

// sameLink reports whether two linked values with the same value part are equal.
func sameLink(a, b history.Value) bool {
	if len(a.Elems()) == 4 && len(b.Elems()) == 4 {
		return same(a.Get("previous"), b.Get("previous"))
	}
	return a.Equal(b)
}

// oddVersion numbers a linked value whose value part another one has too. There
// is no room for those in the numbers of elements: they come from above.
func (s *study) oddVersion(k int32, v history.Value) int32 {
	for _, w := range s.objects[k].odd {
		if s.value(w).Equal(v) {
			return w
		}
	}
	s.oddValues = append(s.oddValues, v)
	w := s.addVersion(k, -1-int32(len(s.oddValues)))
	s.objects[k].odd = append(s.objects[k].odd, w)
	return w
}

// write records a write. A value that is written to a key twice leaves open who
// was read; only one of the attempts may have had a chance.
func (s *study) write(t, k int32, value history.Value, last *lastWrite) error {
	if value.IsNil() {
		return fmt.Errorf("index %d: a write of nil to key %v cannot be told from the initial state", s.index(t), s.keys.Value(k))
	}
	v := s.version(k, value)
	ver := &s.vers[v]
	switch {
	case s.txns[t].typ == history.Fail:
		ver.failed = t
	case ver.writer != none:
		return fmt.Errorf("index %d: %v was written to key %v by index %d already: values have to be unique, or nobody can say which write was read",
			s.index(t), value, s.keys.Value(k), s.index(ver.writer))
	default:
		ver.writer, ver.middle = t, false
	}
	if last.txn == t && (s.txns[t].typ != history.Fail || s.vers[last.ver].writer == none) {
		s.vers[last.ver].middle = true
	}
	*last = lastWrite{t, v}
	s.steps = append(s.steps, step{key: k, ver: v, write: true})
	return nil
}

// read records a read. Those of transactions that are not ok show nothing: what
// they returned, if anything, was never used.
func (s *study) read(t, k int32, value history.Value) error {
	st := step{key: k, ver: none}
	if s.txns[t].typ == history.OK {
		if s.opts.Workload == ListAppend {
			if value.Kind() != history.KindList && !value.IsNil() {
				return fmt.Errorf("index %d: a read of key %v returned %s, which is not a list", s.index(t), s.keys.Value(k), value)
			}
			st.list = value.Elems()
			if st.list == nil && !value.IsNil() {
				st.list = []history.Value{}
			}
		} else if st.ver = s.objects[k].initial; !value.IsNil() {
			st.ver = s.version(k, value)
		}
	}
	s.steps = append(s.steps, st)
	return nil
}

// index returns the index of a transaction's invocation.
func (s *study) index(t int32) int { return s.calls[s.txns[t].call].Invoke.Index }

// of returns the steps of a transaction.
func (s *study) of(t int32) []step { return s.steps[s.txns[t].lo:s.txns[t].hi] }

// live reports whether a transaction may have happened.
func (s *study) live(t int32) bool { return t != none && s.txns[t].typ != history.Fail }

// value returns what a version is known by.
func (s *study) value(v int32) history.Value {
	switch ver := s.vers[v]; {
	case ver.elem == none:
		return history.Nil
	case ver.elem < none:
		return s.oddValues[-2-ver.elem]
	case s.opts.Workload == LinkedRegister:
		return s.objects[ver.key].linked[ver.elem]
	default:
		return s.objects[ver.key].elems.Value(ver.elem)
	}
}

// happened reports whether a transaction took effect: it was ok, or somebody
// who took effect shows what it wrote.
func (s *study) happened(t int32) bool { return t != none && s.txns[t].seen }

// show notes that a version was seen, so that who wrote it took effect, and so
// on with what that was built on.
func (s *study) show(v int32) {
	for v != none && s.live(s.vers[v].writer) && !s.txns[s.vers[v].writer].seen {
		t := s.vers[v].writer
		s.txns[t].seen = true
		v = none
		for _, st := range s.of(t) {
			if p := s.replaced(st.ver); st.write && p != none {
				s.show(v)
				v = p
			}
		}
	}
}

// replaced returns the version that a linked one says it replaced, or none.
func (s *study) replaced(v int32) int32 {
	if v == none || s.prev == nil {
		return none
	}
	return s.prev[v]
}

// backlinks reads what the values of linked registers say they were built on.
func (s *study) backlinks() error {
	if s.opts.Workload != LinkedRegister {
		return nil
	}
	s.prev = make([]int32, len(s.vers), len(s.vers)+len(s.vers)/8)
	for k := range s.objects {
		if s.stopped(k) {
			return errLate
		}
		if err := s.link(int32(k)); err != nil {
			return err
		}
	}
	for t := range s.txns {
		if s.txns[t].typ != history.OK {
			continue
		}
		for _, st := range s.of(int32(t)) {
			if st.write {
				s.show(s.replaced(st.ver))
			}
		}
	}
	return nil
}

// link finds the versions that the versions of a key name. Where nobody tried to
// write that, it is a version of its own.
func (s *study) link(k int32) error {
	o := &s.objects[k]
	all := slices.Concat(o.vers, o.odd)
	parts := slices.Clone(o.vers)
	for _, v := range o.odd {
		id, _ := o.elems.Find(s.value(v).Get("value"))
		switch w := s.vers[parts[id]].writer; {
		case w != none && s.vers[v].writer != none:
			return fmt.Errorf("index %d and index %d write the value %v to key %v: values have to be unique, or nobody can say which write was read",
				s.index(w), s.index(s.vers[v].writer), s.value(v).Get("value"), s.keys.Value(k))
		case w == none:
			parts[id] = v
		}
	}
	s.prev[o.initial] = none
	for _, v := range all {
		p := s.value(v).Get("previous")
		from := o.initial
		if !p.IsNil() {
			if id, ok := o.elems.Find(p); ok {
				from = parts[id]
			} else {
				from = s.version(k, history.Map(history.Keyword("value"), p))
				parts, s.prev = append(parts, from), append(s.prev, none)
			}
		}
		s.prev[v] = from
	}
	return nil
}
