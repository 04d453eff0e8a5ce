package history

import "unsafe" // for the sizes of types only

// A history of a million operations has a few dozen different strings and
// millions of small lists. The arena keeps one copy of each short string and
// carves the rest out of slabs, so that reading costs few allocations and a
// value no more memory than its content.
type arena struct {
	texts  map[string]*boxed
	boxes  []boxed
	values []Value
	grow   int   // length of the next slab
	bytes  int64 // memory in use, about
}

// Strings longer than maxInterned are taken to be payload, and a history with
// more than maxTexts different short ones to have unique strings.
const (
	maxInterned = 40
	maxTexts    = 1 << 14
	firstSlab   = 32
	lastSlab    = 2048
)

func newArena() *arena {
	return &arena{texts: make(map[string]*boxed), grow: firstSlab}
}

// text returns a string, keyword or tagged value with the given text.
func (a *arena) text(kind Kind, b []byte) Value {
	if len(b) > maxInterned {
		return Value{kind: kind, ref: a.box(string(b), nil)}
	}
	if box, ok := a.texts[string(b)]; ok {
		return Value{kind: kind, ref: box}
	}
	box := a.box(string(b), nil)
	if len(a.texts) < maxTexts {
		a.texts[box.str] = box
	}
	return Value{kind: kind, ref: box}
}

// list returns a collection with a copy of the given elements.
func (a *arena) list(kind Kind, elems []Value) Value {
	return Value{kind: kind, ref: a.box("", a.copy(elems))}
}

func (a *arena) box(s string, elems []Value) *boxed {
	if len(a.boxes) == 0 {
		a.boxes = make([]boxed, a.next())
	}
	a.bytes += int64(unsafe.Sizeof(boxed{})) + int64(len(s))
	box := &a.boxes[0]
	a.boxes = a.boxes[1:]
	box.str, box.elems = s, elems
	return box
}

func (a *arena) copy(elems []Value) []Value {
	n := len(elems)
	if n == 0 {
		return nil
	}
	a.bytes += int64(n) * int64(unsafe.Sizeof(Value{}))
	if n > lastSlab/4 {
		return append([]Value(nil), elems...)
	}
	if len(a.values) < n {
		a.values = make([]Value, max(n, a.next()))
	}
	c := a.values[:n:n]
	a.values = a.values[n:]
	copy(c, elems)
	return c
}

func (a *arena) next() int {
	n := a.grow
	a.grow = min(2*n, lastSlab)
	return n
}
