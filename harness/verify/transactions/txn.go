package transactions

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// transactions confirms a claim about transactions; see the package comment.
func transactions(c *claim.Claim) error {
	t, err := readTxns(c)
	if err != nil {
		return err
	}
	want, err := wanted(c)
	if err != nil {
		return err
	}
	if c.Verdict == claim.Valid {
		return t.valid(want)
	}
	return t.invalid(want)
}

// txns is a history as transactions.
type txns struct {
	*claim.Claim
	workload string
	list     []txn
	keys     map[word]int // numbers of keys
}

// txn is an operation with its micro-operations.
type txn struct {
	*claim.Op
	steps []step
}

// step is a micro-operation: a write of a value, or a read that returned one.
type step struct {
	write    bool
	key      int
	value    history.Value
	id       word // of the value
	part     word // of a linked value without its link; else the same
	previous word // of a linked value: the part that it says it replaced
}

// elems returns the list that was read.
func (s *step) elems() []history.Value { return s.value.Elems() }

// shows reports whether a read shows what another step writes, or a linked value
// says that it replaced it.
func (t *txns) shows(read, write *step) bool {
	switch {
	case read.write && t.workload == linked && write.write && read.key == write.key:
		return read.previous == write.part
	case read.write || !write.write || read.key != write.key:
		return false
	case t.workload == lists:
		return slices.ContainsFunc(read.elems(), write.value.Equal)
	default:
		return read.value.Equal(write.value)
	}
}

// The workloads.
const (
	lists     = "list-append"
	registers = "rw-register"
	linked    = "linked-register"
)

func readTxns(c *claim.Claim) (*txns, error) {
	t := &txns{Claim: c, workload: c.Parameters["workload"], list: make([]txn, len(c.Ops)), keys: make(map[word]int)}
	if t.workload != lists && t.workload != registers && t.workload != linked {
		return nil, fmt.Errorf("nobody here knows the workload %q", t.workload)
	}
	for i := range c.Ops {
		t.list[i].Op = &c.Ops[i]
		value := c.Ops[i].Value()
		if value.Kind() != history.KindList {
			return nil, fmt.Errorf("index %d is no transaction: %v", c.Ops[i].Inv, value)
		}
		for _, m := range value.Elems() {
			s, err := t.step(m, c.Ops[i].Happened())
			if err != nil {
				return nil, fmt.Errorf("index %d: %w", c.Ops[i].Inv, err)
			}
			t.list[i].steps = append(t.list[i].steps, s)
		}
	}
	return t, nil
}

// step reads a micro-operation. What a read returned matters only if the
// transaction was ok.
func (t *txns) step(m history.Value, ok bool) (step, error) {
	parts := m.Elems()
	if m.Kind() != history.KindList || len(parts) < 2 || len(parts) > 3 {
		return step{}, fmt.Errorf("%v is no micro-operation", m)
	}
	s := step{value: history.Nil}
	switch f := parts[0].Text(); {
	case f == "r" || f == "read":
	case t.workload == lists && (f == "append" || f == "a"), t.workload != lists && (f == "w" || f == "write"):
		s.write = true
	default:
		return step{}, fmt.Errorf("%v is no micro-operation of %s", m, t.workload)
	}
	if len(parts) == 3 {
		s.value = parts[2]
	}
	k := wordOf(parts[1])
	if _, known := t.keys[k]; !known {
		t.keys[k] = len(t.keys)
	}
	s.key = t.keys[k]
	switch {
	case s.write && s.value.IsNil():
		return step{}, fmt.Errorf("%v writes nil, which is the initial value", m)
	case t.workload == lists && ok && !s.write && !s.value.IsNil() && s.value.Kind() != history.KindList:
		return step{}, fmt.Errorf("%v is no read of a list", m)
	}
	s.id = wordOf(s.value)
	s.part = s.id
	if t.workload == linked && !s.value.IsNil() {
		s.part, s.previous = wordOf(s.value.Get("value")), wordOf(s.value.Get("previous"))
	}
	return s, nil
}

// on reports whether a parameter is true.
func given(c *claim.Claim, name string) bool { return c.Parameters[name] == "true" }

// met is what a transaction did with a register as others see it.
type met struct {
	key   int
	first *step // its first step on the key
	base  *step // that, if it was a read
	last  *step // its last write; nil if it wrote nothing
}

// mets returns what a transaction did with each of its keys.
func (x *txn) mets() []met {
	var list []met
	at := make(map[int]int, len(x.steps))
	for i := range x.steps {
		s := &x.steps[i]
		if !s.write && !x.Happened() {
			continue
		}
		n, ok := at[s.key]
		if !ok {
			n = len(list)
			at[s.key] = n
			list = append(list, met{key: s.key, first: s})
			if !s.write {
				list[n].base = s
			}
		}
		if s.write {
			list[n].last = s
		}
	}
	return list
}

// on returns what a transaction did with one key.
func (x *txn) on(key int) met {
	for _, m := range x.mets() {
		if m.key == key {
			return m
		}
	}
	return met{}
}

// entry is the version that the transaction met: what it read first, or if that
// is nothing or only the initial version, what it wrote last.
func (m *met) entry() word {
	if m.base != nil && (m.base.id != nothing || m.last == nil) {
		return m.base.id
	}
	return m.last.id
}

// leaving is the version that the transaction left.
func (m *met) leaving() word {
	if m.last != nil {
		return m.last.id
	}
	return m.base.id
}

// word identifies a value: equal values have equal words.
type word struct {
	num  int64
	text string // empty for an integer
	link bool   // it is what a link names, not a value
}

// linked returns the word as the name in a link.
func (w word) linked() word {
	w.link = true
	return w
}

// nothing is the initial version of a register.
var nothing = wordOf(history.Nil)

func wordOf(v history.Value) word {
	if n, ok := v.Int(); ok {
		return word{num: n}
	}
	if v.IsNil() {
		return word{text: "nil"}
	}
	return word{text: string(spell(nil, v))}
}

// spell writes a value so that no other one, unless it is equal, is written the
// same: each part with its kind and its length.
func spell(b []byte, v history.Value) []byte {
	b = append(b, byte(v.Kind()))
	if f, ok := v.Float(); ok && v.Kind() == history.KindFloat {
		return binary.BigEndian.AppendUint64(b, math.Float64bits(f+0))
	}
	if len(v.Elems()) == 0 {
		text := v.String()
		return append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	size := 1
	if v.Kind() == history.KindMap {
		size = 2
	}
	var parts []string
	for part := range slices.Chunk(v.Elems(), size) {
		var p []byte
		for _, e := range part {
			p = spell(p, e)
		}
		parts = append(parts, string(p))
	}
	if v.Kind() == history.KindMap || v.Kind() == history.KindSet {
		slices.Sort(parts)
	}
	return append(binary.AppendUvarint(b, uint64(len(parts))), strings.Join(parts, "")...)
}
