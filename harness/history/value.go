package history

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Kind says what a [Value] holds.
type Kind uint8

// The kinds of values. Absent is the zero Value: a field that was not there at
// all, which is not the same as Nil, a value that somebody wrote down as nil.
const (
	Absent Kind = iota
	KindNil
	KindBool
	KindInt
	KindFloat
	KindString
	KindKeyword // an EDN keyword, without its colon; JSON writes it as a string
	KindList    // an EDN vector or list, a JSON array
	KindSet     // an EDN set; JSON writes it as an array
	KindMap     // an EDN map, a JSON object
	KindTuple   // Jepsen's independent [key value]
	KindTagged  // any other tagged EDN element, symbol, ratio or big number, kept as text
)

// Value is a typed value of an operation: what was written, what was read, or
// the key it happened to. Values are immutable and small (24 bytes); integers
// are 64 bits and stay integers whatever format they travel through.
type Value struct {
	kind Kind
	num  int64 // KindInt; KindBool as 0 or 1; KindFloat as its bits
	ref  *boxed
}

// boxed is what does not fit into a word.
type boxed struct {
	str   string
	elems []Value // of lists, sets and tuples; of maps, keys and values by turns
}

// Nil is the value that was recorded as nil or null.
var Nil = Value{kind: KindNil}

// Bool returns a boolean value.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// Int returns an integer value.
func Int(n int64) Value { return Value{kind: KindInt, num: n} }

// Float returns a floating point value.
func Float(f float64) Value { return Value{kind: KindFloat, num: int64(math.Float64bits(f))} }

// String returns a string value.
func String(s string) Value { return Value{kind: KindString, ref: &boxed{str: s}} }

// Keyword returns an EDN keyword; name comes without the colon.
func Keyword(name string) Value { return Value{kind: KindKeyword, ref: &boxed{str: name}} }

// Tagged returns an element that is kept as the text it was read from.
func Tagged(text string) Value { return Value{kind: KindTagged, ref: &boxed{str: text}} }

// List returns a list. It takes ownership of elems.
func List(elems ...Value) Value { return Value{kind: KindList, ref: &boxed{elems: elems}} }

// Ints returns a list of integers.
func Ints(ns ...int64) Value {
	elems := make([]Value, len(ns))
	for i, n := range ns {
		elems[i] = Int(n)
	}
	return List(elems...)
}

// Set returns a set, in the order given. It takes ownership of elems.
func Set(elems ...Value) Value { return Value{kind: KindSet, ref: &boxed{elems: elems}} }

// Tuple returns Jepsen's independent tuple of a key and a value.
func Tuple(key, value Value) Value {
	return Value{kind: KindTuple, ref: &boxed{elems: []Value{key, value}}}
}

// Map returns a map from keys and values given by turns, in the order given.
// It takes ownership of kvs and panics if their number is odd.
func Map(kvs ...Value) Value {
	if len(kvs)%2 != 0 {
		panic("history: Map needs a value for every key")
	}
	return Value{kind: KindMap, ref: &boxed{elems: kvs}}
}

// Kind returns the kind of v.
func (v Value) Kind() Kind { return v.kind }

// IsAbsent reports whether there is no value at all.
func (v Value) IsAbsent() bool { return v.kind == Absent }

// IsNil reports whether v is nil or absent.
func (v Value) IsNil() bool { return v.kind <= KindNil }

// Int returns the integer that v holds, and whether it holds one.
func (v Value) Int() (int64, bool) { return v.num, v.kind == KindInt }

// Bool returns the boolean that v holds, and whether it holds one.
func (v Value) Bool() (value, ok bool) { return v.num != 0, v.kind == KindBool }

// Float returns the number that v holds as a float, and whether v is a number.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case KindInt:
		return float64(v.num), true
	case KindFloat:
		return v.float(), true
	default:
		return 0, false
	}
}

func (v Value) float() float64 { return math.Float64frombits(uint64(v.num)) }

// Text returns the text of a string, keyword or tagged element, and "" for
// everything else.
func (v Value) Text() string {
	switch v.kind {
	case KindString, KindKeyword, KindTagged:
		return v.ref.str
	default:
		return ""
	}
}

// Elems returns the elements of a list, set or tuple, and the keys and values
// of a map by turns. The caller must not change them.
func (v Value) Elems() []Value {
	if v.ref == nil {
		return nil
	}
	return v.ref.elems
}

// Get returns what a map holds under a string or keyword key, or Absent.
func (v Value) Get(key string) Value {
	if v.kind != KindMap {
		return Value{}
	}
	for i := 0; i < len(v.ref.elems); i += 2 {
		if v.ref.elems[i].Text() == key {
			return v.ref.elems[i+1]
		}
	}
	return Value{}
}

// Equal reports whether v and w are the same value. Sets and maps are equal
// whatever the order of their elements; a list is never equal to a set.
func (v Value) Equal(w Value) bool { return v.Compare(w) == 0 }

// Compare orders values: by kind first, then by content. It is a total order,
// so values can be sorted and used in ordered indices.
func (v Value) Compare(w Value) int {
	if v.kind != w.kind {
		return cmp.Compare(v.kind, w.kind)
	}
	switch v.kind {
	case Absent, KindNil:
		return 0
	case KindBool, KindInt:
		return cmp.Compare(v.num, w.num)
	case KindFloat:
		return cmp.Compare(v.float(), w.float())
	case KindString, KindKeyword, KindTagged:
		return strings.Compare(v.ref.str, w.ref.str)
	case KindList, KindTuple:
		return slices.CompareFunc(v.ref.elems, w.ref.elems, Value.Compare)
	case KindSet:
		return slices.CompareFunc(sortedElems(v), sortedElems(w), Value.Compare)
	default: // KindMap
		return slices.CompareFunc(sortedPairs(v), sortedPairs(w), func(a, b [2]Value) int {
			return cmp.Or(a[0].Compare(b[0]), a[1].Compare(b[1]))
		})
	}
}

func sortedElems(v Value) []Value {
	elems := slices.Clone(v.ref.elems)
	slices.SortFunc(elems, Value.Compare)
	return elems
}

func sortedPairs(v Value) [][2]Value {
	pairs := make([][2]Value, 0, len(v.ref.elems)/2)
	for i := 0; i < len(v.ref.elems); i += 2 {
		pairs = append(pairs, [2]Value{v.ref.elems[i], v.ref.elems[i+1]})
	}
	slices.SortFunc(pairs, func(a, b [2]Value) int { return a[0].Compare(b[0]) })
	return pairs
}

// String returns v as an engineer would write it down: JSON, but with sets in
// #{braces} and keywords with their colon.
func (v Value) String() string {
	switch v.kind {
	case Absent:
		return "-"
	case KindNil:
		return "nil"
	case KindBool:
		return strconv.FormatBool(v.num != 0)
	case KindInt:
		return strconv.FormatInt(v.num, 10)
	case KindFloat:
		return strconv.FormatFloat(v.float(), 'g', -1, 64)
	case KindString:
		return strconv.Quote(v.ref.str)
	case KindKeyword:
		return ":" + v.ref.str
	case KindTagged:
		return v.ref.str
	case KindSet:
		return "#{" + joinValues(v.ref.elems) + "}"
	case KindMap:
		return "{" + joinValues(v.ref.elems) + "}"
	default:
		return "[" + joinValues(v.ref.elems) + "]"
	}
}

func joinValues(vs []Value) string {
	parts := make([]string, len(vs))
	for i, v := range vs {
		parts[i] = v.String()
	}
	return strings.Join(parts, " ")
}
