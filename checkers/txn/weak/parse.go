package weak

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// none stands for a transaction or version that is not there.
const none = causality.None

// step is a micro-operation; reads of transactions that were not ok are not used.
type step struct {
	key, ver int32 // ver is none for the initial state
	kind     stepKind
}

type stepKind uint8

const (
	unused stepKind = iota
	read
	write
)

// txn is a transaction.
type txn struct {
	call   int32
	lo, hi int32 // its steps
	typ    history.Type
	node   int32 // its place among those that committed, or none
}

// version is a value of a key.
type version struct {
	key, elem int32
	writer    int32 // of those that did not fail, or none
	failed    int32 // one that failed, or none
	at        int32 // its writer's step, counted from the first of all transactions
	middle    bool  // its writer wrote the key again
}

// own is what a transaction wrote last to a key.
type own struct{ txn, ver int32 }

// study is a history on the way to a verdict.
type study struct {
	opts   Options
	calls  []history.Call
	clock  checkers.Clock
	txns   []txn
	steps  []step
	vers   []version
	keys   intern.Table
	values []intern.Table // by key
	byElem [][]int32      // by key and number of the value, the version
	last   []own          // by key, while transactions are looked at one by one

	graph  causality.Graph // of the transactions that committed
	nodes  []int32         // their numbers among all
	stepOf []int32         // by read of the graph, its place in the transaction
	wrong  []misread
	forced []forced

	report Report
}

func newStudy(ctx context.Context, calls []history.Call, opts Options) (*study, error) {
	s := &study{opts: opts, calls: calls, clock: checkers.ClockOf(calls), txns: make([]txn, 0, len(calls)), steps: make([]step, 0, 3*len(calls))}
	s.report.Level = opts.Level
	for i := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after reading %d of %d transactions: %w", i, len(calls), context.Cause(ctx))
		}
		if err := s.parse(int32(i)); err != nil {
			return nil, err
		}
	}
	s.commit()
	s.build()
	s.report.Keys, s.report.Reads = s.keys.Len(), len(s.graph.Reads)
	return s, nil
}

// parse reads a call as a transaction.
func (s *study) parse(call int32) error {
	c := s.calls[call]
	value := c.Value()
	if value.Kind() != history.KindList {
		return fmt.Errorf("index %d: %s is not a transaction: want a list of micro-operations such as [[\"r\",\"x\",null]]", c.Invoke.Index, value)
	}
	t := int32(len(s.txns))
	s.txns = append(s.txns, txn{call: call, lo: int32(len(s.steps)), typ: c.Type(), node: none})
	if c.Type() == history.OK {
		s.report.Transactions++
	}
	for _, m := range value.Elems() {
		if err := s.micro(t, m); err != nil {
			return fmt.Errorf("index %d: %s: %w", c.Invoke.Index, m, err)
		}
	}
	s.txns[t].hi = int32(len(s.steps))
	return nil
}

// micro reads one step of transaction t.
func (s *study) micro(t int32, m history.Value) error {
	parts := m.Elems()
	if m.Kind() != history.KindList || len(parts) < 2 || len(parts) > 3 {
		return fmt.Errorf("this is not a micro-operation: want [function key value]")
	}
	value := history.Nil
	if len(parts) == 3 {
		value = parts[2]
	}
	k := s.keys.ID(parts[1])
	if int(k) == len(s.values) {
		s.values, s.byElem, s.last = append(s.values, intern.Table{}), append(s.byElem, nil), append(s.last, own{none, none})
	}
	switch f := parts[0].Text(); {
	case f == "r" || f == "read":
		return s.read(t, k, value)
	case s.opts.Lists && (f == "append" || f == "a"), !s.opts.Lists && (f == "w" || f == "write"):
		return s.write(t, k, value)
	case s.opts.Lists:
		return fmt.Errorf("want r or append")
	default:
		return fmt.Errorf("want r or w")
	}
}

func (s *study) read(t, k int32, value history.Value) error {
	st := step{key: k, ver: none}
	if s.txns[t].typ == history.OK {
		st.kind = read
		if s.opts.Lists && !value.IsNil() {
			if value.Kind() != history.KindList {
				return fmt.Errorf("this read returned no list")
			}
			list := value.Elems()
			if value = history.Nil; len(list) > 0 {
				value = list[len(list)-1]
			}
		}
		if !value.IsNil() {
			st.ver = s.version(k, value)
		}
	}
	s.steps = append(s.steps, st)
	return nil
}

// write records a write. A value that is written to a key twice leaves open who
// was read; one of those that did not fail is too many.
func (s *study) write(t, k int32, value history.Value) error {
	if value.IsNil() {
		return fmt.Errorf("a write of nil cannot be told from the initial state")
	}
	v := s.version(k, value)
	ver := &s.vers[v]
	switch {
	case s.txns[t].typ == history.Fail:
		ver.failed = t
	case ver.writer != none:
		return fmt.Errorf("index %d wrote the same value to this key: values have to be unique, or nobody can say which write was read", s.index(ver.writer))
	default:
		ver.writer, ver.at = t, int32(len(s.steps))
	}
	if last := s.last[k]; last.txn == t && s.vers[last.ver].writer == t {
		s.vers[last.ver].middle = true
	}
	s.last[k] = own{t, v}
	s.steps = append(s.steps, step{k, v, write})
	return nil
}

// version numbers a value of a key.
func (s *study) version(k int32, value history.Value) int32 {
	e := s.values[k].ID(value)
	if int(e) == len(s.byElem[k]) {
		s.byElem[k] = append(s.byElem[k], int32(len(s.vers)))
		s.vers = append(s.vers, version{key: k, elem: e, writer: none, failed: none})
	}
	return s.byElem[k][e]
}

// commit finds the transactions that happened: those that were ok, and those of
// unknown outcome from which an ok one read.
func (s *study) commit() {
	happened := make([]bool, len(s.txns))
	for t := range s.txns {
		if s.txns[t].typ != history.OK {
			continue
		}
		happened[t] = true
		for _, st := range s.of(int32(t)) {
			if st.kind == read && st.ver != none && s.vers[st.ver].writer != none {
				happened[s.vers[st.ver].writer] = true
			}
		}
	}
	for t, yes := range happened {
		if !yes {
			continue
		}
		s.txns[t].node = int32(len(s.nodes))
		s.nodes = append(s.nodes, int32(t))
		if s.txns[t].typ == history.Info {
			s.report.Unknown++
		}
	}
}

// build makes the graph of sessions and reads.
func (s *study) build() {
	g := &s.graph
	g.Keys = s.keys.Len()
	g.Prev = make([]int32, 0, len(s.nodes))
	g.ReadAt, g.WriteAt = make([]int32, 1, len(s.nodes)+1), make([]int32, 1, len(s.nodes)+1)
	for k := range s.last {
		s.last[k] = own{none, none}
	}
	last := make(map[history.Process]int32)
	for v, t := range s.nodes {
		p := s.call(t).Invoke.Process
		prev, ok := last[p]
		if !ok {
			prev = none
		}
		if s.txns[t].typ == history.OK {
			last[p] = int32(v) // what follows an unknown outcome need not be after it
		}
		g.Prev = append(g.Prev, prev)
		s.effects(t)
		g.ReadAt, g.WriteAt = append(g.ReadAt, int32(len(g.Reads))), append(g.WriteAt, int32(len(g.Writes)))
	}
}

// effects files the keys that a transaction wrote, and its reads from others; a
// read that is wrong in itself is put aside.
func (s *study) effects(t int32) {
	g := &s.graph
	from := len(g.Writes)
	for at, st := range s.of(t) {
		switch st.kind {
		case write:
			g.Writes = append(g.Writes, st.key)
			s.last[st.key] = own{t, st.ver}
		case read:
			switch name, external := s.inspect(t, at); {
			case name != "":
				s.wrong = append(s.wrong, misread{name, t, int32(at)})
			case external:
				g.Reads = append(g.Reads, causality.Read{Key: st.key, From: s.source(st)})
				s.stepOf = append(s.stepOf, int32(at))
			}
		}
	}
	slices.Sort(g.Writes[from:])
	g.Writes = g.Writes[:from+len(slices.Compact(g.Writes[from:]))]
}

// source returns the node that a read reads from.
func (s *study) source(st step) int32 {
	if st.ver == none {
		return none
	}
	return s.txns[s.vers[st.ver].writer].node
}

// misread is a read that is wrong whatever the order of transactions.
type misread struct {
	name string
	txn  int32
	step int32
}

// inspect returns what is wrong with a read in itself, or whether it read from
// another transaction.
func (s *study) inspect(t int32, at int) (name string, external bool) {
	st := s.of(t)[at]
	mine := int32(none) // what it wrote last
	if last := s.last[st.key]; last.txn == t {
		mine = last.ver
	}
	if st.ver == none {
		if mine != none {
			return NotMyOwnWrite, false
		}
		return "", true
	}
	ver := s.vers[st.ver]
	switch {
	case ver.writer == none && ver.failed == none:
		return ThinAirRead, false
	case ver.writer == none:
		return AbortedRead, false
	case ver.writer == t && st.ver == mine:
		return "", false
	case ver.writer == t && ver.at < s.txns[t].lo+int32(at):
		return NotMyLastWrite, false
	case ver.writer == t:
		return FutureRead, false
	case mine != none:
		return NotMyOwnWrite, false
	case ver.middle:
		return IntermediateRead, false
	default:
		return "", true
	}
}

func (s *study) of(t int32) []step { return s.steps[s.txns[t].lo:s.txns[t].hi] }

func (s *study) call(t int32) history.Call { return s.calls[s.txns[t].call] }

// index returns the index of a transaction's invocation.
func (s *study) index(t int32) int { return s.call(t).Invoke.Index }

// indices returns those of nodes.
func (s *study) indices(nodes []int32) []int {
	list := make([]int, len(nodes))
	for i, v := range nodes {
		list[i] = s.index(s.nodes[v])
	}
	return list
}

// value returns what a version is.
func (s *study) value(v int32) history.Value {
	if v == none {
		return history.Nil
	}
	return s.values[s.vers[v].key].Value(s.vers[v].elem)
}
