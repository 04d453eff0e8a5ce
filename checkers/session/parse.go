package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// none stands for an operation that is not there, and for the initial state.
const none = causality.None

// never is a place that is not reached.
const never = 1 << 30

// op is an operation that happened.
type op struct {
	call    int32
	session int32
	at      int32 // its place in the session; one of unknown outcome is not in it, but goes off there
	prev    int32 // the one before it in the session, or none
	prevW   int32 // the write before it in the session, or none
	key     int32
	value   int32 // its number, or none for nil
	from    int32 // of a read, the write it found, or none
	write   bool
	leaf    bool // its outcome is unknown
}

// study is a history on the way to a verdict.
type study struct {
	opts   Options
	calls  []history.Call
	clock  checkers.Clock
	ops    []op
	lines  [][]int32 // by session, its operations
	keys   intern.Table
	values intern.Table
	pairs  map[[2]int32]*pair // of a key and a value
	wrong  []int32            // calls of reads that are wrong in themselves
	later  [][]int32          // by operation, the writes that are known to be the next version
	sooner [][]int32          // the same, backwards
	writes [][]column         // by key
	number []int32            // by call, its operation
	parts  intern.Table       // linked values without their links
	linked map[[2]int32]int32 // of a key and such a part, the whole value

	deletes map[int32][]int32 // by key: calls of deletes that may have happened
	empty   []bool            // by call: a read that found nothing, once something may have been deleted
	voids   []void            // these reads
	states  int               // how many a search for an order of everything may look at
	report  Report
}

// pair is who wrote a value to a key: calls.
type pair struct {
	writer, failed int32
	seen           bool
}

// column is what one session wrote to a key, or a single write of unknown
// outcome, in order.
type column struct {
	session int32
	leaf    bool
	ops     []int32
}

// access is a call as an operation on a register.
type access struct {
	key, value int32
	write      bool
}

func newStudy(ctx context.Context, calls []history.Call, opts Options) (*study, error) {
	const states = 1 << 16
	s := &study{opts: opts, calls: calls, states: states, clock: checkers.ClockOf(calls), pairs: make(map[[2]int32]*pair, len(calls)/2), linked: make(map[[2]int32]int32)}
	s.report.Guarantee = opts.Guarantee
	s.findDeletes()
	all := make([]access, len(calls))
	for i := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after reading %d of %d operations: %w", i, len(calls), context.Cause(ctx))
		}
		var err error
		if all[i], err = s.access(calls[i]); err == nil && all[i].write {
			err = s.written(int32(i), all[i])
		}
		if err != nil {
			return nil, fmt.Errorf("index %d: %w", calls[i].Invoke.Index, err)
		}
	}
	s.happen(all)
	s.index()
	return s, s.order()
}

// findDeletes finds the deletes of each key that may have happened, and which reads
// found nothing after one of them had begun. One that ended before the first one
// began found the initial state.
func (s *study) findDeletes() {
	for i, c := range s.calls {
		if c.Invoke.F == "delete" && c.Type() != history.Fail {
			key := s.keys.ID(c.Invoke.Key)
			if s.deletes == nil {
				s.deletes = make(map[int32][]int32)
			}
			s.deletes[key] = append(s.deletes[key], int32(i))
		}
	}
	if s.deletes == nil {
		return
	}
	s.empty = make([]bool, len(s.calls))
	for i, c := range s.calls {
		if f := c.Invoke.F; f != "read" && f != "r" || c.Type() != history.OK || !c.Value().IsNil() {
			continue
		}
		if key, known := s.keys.Find(c.Invoke.Key); known && len(s.deletes[key]) > 0 {
			s.empty[i] = s.calls[s.deletes[key][0]].Invoke.Index < c.Complete.Index
		}
	}
}

// isEmpty reports whether a call is a read that may have found a delete.
func (s *study) isEmpty(call int) bool { return s.empty != nil && s.empty[call] }

// access reads a call. Where there is no key, a value of two is key and value.
func (s *study) access(c history.Call) (a access, err error) {
	key, value := c.Invoke.Key, c.Value()
	switch f := c.Invoke.F; f {
	case "read", "r":
	case "write", "w":
		a.write = true
		if value.IsNil() {
			value = c.Invoke.Value
		}
	case "delete":
		return access{key: s.keys.ID(key), value: s.values.ID(tombstone(c)), write: true}, nil
	default:
		return a, fmt.Errorf("%s is neither read, write nor delete", f)
	}
	pair := c.Invoke.Value
	if pair.IsNil() {
		pair = value
	}
	if key.IsAbsent() && isPair(pair) {
		key = pair.Elems()[0]
		switch {
		case value.IsNil():
		case !isPair(value) || !value.Elems()[0].Equal(key):
			return a, fmt.Errorf("it was invoked with key %v, but returned %v", key, value)
		default:
			value = value.Elems()[1]
		}
	}
	a.key, a.value = s.keys.ID(key), none
	if !value.IsNil() {
		a.value = s.values.ID(value)
	}
	if a.write && a.value == none {
		return a, fmt.Errorf("a write of nil cannot be told from the initial state")
	}
	return a, nil
}

// tombstone is what a delete writes: a value of its own.
func tombstone(c history.Call) history.Value {
	return history.Map(history.String("deleted by"), history.Int(int64(c.Invoke.Index)))
}

func isPair(v history.Value) bool {
	return len(v.Elems()) == 2 && (v.Kind() == history.KindTuple || v.Kind() == history.KindList)
}

// written notes who wrote a value.
func (s *study) written(i int32, a access) error {
	p := s.pair(a)
	switch {
	case s.calls[i].Type() == history.Fail:
		p.failed = i
	case p.writer != none:
		return fmt.Errorf("index %d wrote the same value to this key: values have to be unique, or nobody can say which write was read", s.calls[p.writer].Invoke.Index)
	default:
		p.writer = i
		return s.link(a)
	}
	return nil
}

// link notes which value a part of it stands for.
func (s *study) link(a access) error {
	if s.opts.Versions != Linked {
		return nil
	}
	value := s.values.Value(a.value)
	if value.Kind() != history.KindMap || value.Get("value").IsNil() {
		return fmt.Errorf("%v is not a linked value: want {\"value\": v, \"previous\": p}", value)
	}
	at := [2]int32{a.key, s.parts.ID(value.Get("value"))}
	if _, twice := s.linked[at]; twice {
		return fmt.Errorf("%v was written to this key before: values have to be unique", value.Get("value"))
	}
	s.linked[at] = a.value
	return nil
}

func (s *study) pair(a access) *pair {
	at := [2]int32{a.key, a.value}
	if s.pairs[at] == nil {
		s.pairs[at] = &pair{writer: none, failed: none}
	}
	return s.pairs[at]
}

// happen makes operations of the calls that were ok, and of writes of unknown
// outcome that somebody read or names as the one that he replaced.
func (s *study) happen(all []access) {
	for i, a := range all {
		switch {
		case s.calls[i].Type() != history.OK || s.isEmpty(i):
		case a.write:
			s.report.Writes++
			s.mark(all, a)
		case a.value != none:
			s.report.Reads++
			s.mark(all, a)
		default:
			s.report.Reads++
		}
	}
	s.ops = make([]op, 0, len(all))
	s.number = make([]int32, len(all))
	sessions := &sessions{study: s, byName: make(map[string]int32), byProcess: make(map[history.Process]int32)}
	for i, a := range all {
		s.number[i] = none
		c := s.calls[i]
		if typ := c.Type(); typ != history.OK && !(typ == history.Info && a.write && s.pair(a).seen) {
			continue
		}
		if !a.write && a.value != none && s.pair(a).writer == none {
			s.wrong = append(s.wrong, int32(i))
			continue
		}
		session := sessions.of(c)
		if s.isEmpty(i) {
			s.voids = append(s.voids, void{call: int32(i), session: session, at: int32(len(s.lines[session])), key: a.key})
			continue
		}
		s.number[i] = int32(len(s.ops))
		s.add(op{call: int32(i), session: session, key: a.key, value: a.value, write: a.write, from: none, leaf: c.Type() == history.Info})
	}
	for v := range s.ops {
		if o := &s.ops[v]; !o.write && o.value != none {
			o.from = s.writer(access{key: o.key, value: o.value})
		}
	}
	s.report.Sessions, s.report.Keys = len(s.lines), s.keys.Len()
}

// sessions numbers the sessions.
type sessions struct {
	*study
	byName    map[string]int32
	byProcess map[history.Process]int32
}

// of returns the session of a call, which may be a new one.
func (x *sessions) of(c history.Call) int32 {
	next := int32(len(x.lines))
	var n int32
	var known bool
	if x.opts.PerServer {
		name := fmt.Sprint(c.Invoke.Process, c.Invoke.Node)
		if n, known = x.byName[name]; !known {
			n, x.byName[name] = next, next
		}
	} else if n, known = x.byProcess[c.Invoke.Process]; !known {
		n, x.byProcess[c.Invoke.Process] = next, next
	}
	if !known {
		x.lines = append(x.lines, nil)
	}
	return n
}

// mark notes that a value is there, and with linked values those it came from.
func (s *study) mark(all []access, a access) {
	for p := s.pair(a); !p.seen; p = s.pair(a) {
		p.seen = true
		if s.opts.Versions != Linked || p.writer == none {
			return
		}
		previous, ok := s.previous(all[p.writer])
		if !ok {
			return
		}
		a = previous
	}
}

// add puts an operation at the end of its session.
func (s *study) add(o op) {
	v := int32(len(s.ops))
	line := s.lines[o.session]
	o.at, o.prev, o.prevW = int32(len(line)), none, none
	if len(line) > 0 {
		o.prev = line[len(line)-1]
		if o.prevW = s.ops[o.prev].prevW; s.ops[o.prev].write {
			o.prevW = o.prev
		}
	}
	if o.leaf {
		s.report.Unknown++
	} else {
		s.lines[o.session] = append(line, v)
	}
	s.ops = append(s.ops, o)
}

// index sorts the writes of each key by their sessions.
func (s *study) index() {
	s.writes = make([][]column, s.keys.Len())
	place := make(map[[2]int32]int)
	for v := range s.ops {
		o := &s.ops[v]
		if !o.write {
			continue
		}
		cols := s.writes[o.key]
		at, ok := place[[2]int32{o.key, o.session}]
		if ok && !o.leaf {
			cols[at].ops = append(cols[at].ops, int32(v))
			continue
		}
		if !o.leaf {
			place[[2]int32{o.key, o.session}] = len(cols)
		}
		s.writes[o.key] = append(cols, column{o.session, o.leaf, []int32{int32(v)}})
	}
}

// order finds which writes are known to come after which.
func (s *study) order() error {
	if s.opts.Versions == Hidden {
		return nil
	}
	s.later, s.sooner = make([][]int32, len(s.ops)), make([][]int32, len(s.ops))
	if s.opts.Versions == Linked {
		for v := range s.ops {
			if p, ok := s.previous(access{key: s.ops[v].key, value: s.ops[v].value}); ok && s.ops[v].write {
				s.follow(s.writer(p), int32(v))
			}
		}
		return nil
	}
	for _, cols := range s.writes {
		var all []int32
		for _, c := range cols {
			all = append(all, c.ops...)
		}
		for _, v := range all {
			if value := s.values.Value(s.ops[v].value); value.Kind() != history.KindInt {
				return fmt.Errorf("index %d: %v is no integer, so versions do not increase", s.indexOf(v), value)
			}
		}
		slices.SortFunc(all, func(a, b int32) int { return cmp.Compare(s.version(a), s.version(b)) })
		for i := 1; i < len(all); i++ {
			s.follow(all[i-1], all[i])
		}
	}
	return nil
}

func (s *study) version(v int32) int64 {
	n, _ := s.values.Value(s.ops[v].value).Int()
	return n
}

func (s *study) follow(a, b int32) {
	s.later[a], s.sooner[b] = append(s.later[a], b), append(s.sooner[b], a)
}

// previous finds the value that a linked value says it replaced.
func (s *study) previous(a access) (access, bool) {
	if a.value == none {
		return a, false
	}
	want := s.values.Value(a.value).Get("previous")
	part, known := s.parts.Find(want)
	value, ok := s.linked[[2]int32{a.key, part}]
	return access{key: a.key, value: value, write: true}, ok && known && !want.IsNil()
}

// writer returns the operation that wrote a value.
func (s *study) writer(a access) int32 { return s.number[s.pair(a).writer] }

func (s *study) indexOf(v int32) int { return s.calls[s.ops[v].call].Invoke.Index }

// indices returns the indices of the invocations of operations; -1 is the initial
// state.
func (s *study) indices(ops []int32) []int {
	list := make([]int, len(ops))
	for i, v := range ops {
		if list[i] = -1; v != none {
			list[i] = s.indexOf(v)
		}
	}
	return list
}

// soon reports whether a comes before b in one session.
func (s *study) soon(a, b int32) bool {
	x, y := &s.ops[a], &s.ops[b]
	return x.session == y.session && !x.leaf && x.at < y.at
}
