// Package intern gives small dense numbers to values, so that checkers can
// index arrays with them instead of hashing values again and again.
//
// A [Table] numbers the values that it is given in the order of their first
// appearance. Small integers, which are nearly all values of real histories,
// cost one slice access, other integers and strings one map access; anything else is written out in a canonical
// form, in which sets and maps are sorted, so that values that are Equal get
// the same number.
package intern

import (
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Table numbers values. The zero Table is empty and ready for use. It is not
// safe for concurrent use.
type Table struct {
	dense  []int32          // numbers of small integers, plus one; 0 where there is none
	ints   map[int64]int32  // of the other integers
	nils   [2]int32         // numbers of absent and nil, plus one
	texts  map[string]int32 // of strings, which are the usual keys
	others map[string]int32 // of everything else, by canonical form
	values []history.Value  // by number
}

// ID returns the number of v, which is a new one if v was not seen before.
func (t *Table) ID(v history.Value) int32 {
	if id, ok := t.Find(v); ok {
		return id
	}
	id := int32(len(t.values))
	t.values = append(t.values, v)
	switch v.Kind() {
	case history.KindInt:
		n, _ := v.Int()
		t.setInt(n, id)
	case history.Absent, history.KindNil:
		t.nils[v.Kind()] = id + 1
	case history.KindString:
		set(&t.texts, v.Text(), id)
	default:
		set(&t.others, string(canonical(nil, v)), id)
	}
	return id
}

// Find returns the number of v, and whether it has one.
func (t *Table) Find(v history.Value) (int32, bool) {
	var id int32
	var ok bool
	switch v.Kind() {
	case history.KindInt:
		n, _ := v.Int()
		if uint64(n) < uint64(len(t.dense)) && t.dense[n] > 0 {
			return t.dense[n] - 1, true
		}
		id, ok = t.ints[n]
	case history.Absent, history.KindNil:
		return t.nils[v.Kind()] - 1, t.nils[v.Kind()] > 0
	case history.KindString:
		id, ok = t.texts[v.Text()]
	default:
		id, ok = t.others[string(canonical(nil, v))]
	}
	return id, ok
}

// Value returns the value with the given number.
func (t *Table) Value(id int32) history.Value { return t.values[id] }

// Len returns how many values have numbers.
func (t *Table) Len() int { return len(t.values) }

// setInt puts integers into a slice as long as it is not much longer than there
// are values, for most tests count up from zero.
func (t *Table) setInt(n int64, id int32) {
	const slack, room = 64, 8
	if uint64(n) >= uint64(slack+room*len(t.values)) {
		set(&t.ints, n, id)
		return
	}
	if grow := int(n) + 1 - len(t.dense); grow > 0 {
		t.dense = append(t.dense, make([]int32, grow)...)
	}
	t.dense[n] = id + 1
}

func set[K comparable](m *map[K]int32, k K, id int32) {
	if *m == nil {
		*m = make(map[K]int32)
	}
	(*m)[k] = id
}

// canonical appends a form of v that two values share only if they are equal:
// kind, content, and lengths in front of whatever could run together.
func canonical(b []byte, v history.Value) []byte {
	b = append(b, byte(v.Kind()))
	switch v.Kind() {
	case history.Absent, history.KindNil:
		return b
	case history.KindBool:
		truth, _ := v.Bool()
		return strconv.AppendBool(b, truth)
	case history.KindInt:
		n, _ := v.Int()
		return append(strconv.AppendInt(b, n, 10), ';')
	case history.KindFloat:
		f, _ := v.Float()
		return append(strconv.AppendFloat(b, f+0, 'g', -1, 64), ';')
	case history.KindString, history.KindKeyword, history.KindTagged:
		b = append(strconv.AppendInt(b, int64(len(v.Text())), 10), ':')
		return append(b, v.Text()...)
	default:
		return canonicalElems(b, v)
	}
}

func canonicalElems(b []byte, v history.Value) []byte {
	parts := make([]string, 0, len(v.Elems()))
	step := 1
	if v.Kind() == history.KindMap {
		step = 2
	}
	for i := 0; i+step <= len(v.Elems()); i += step {
		var part []byte
		for _, e := range v.Elems()[i : i+step] {
			part = canonical(part, e)
		}
		parts = append(parts, string(part))
	}
	if v.Kind() == history.KindSet || v.Kind() == history.KindMap {
		slices.Sort(parts)
	}
	b = append(strconv.AppendInt(b, int64(len(parts)), 10), ':')
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}
