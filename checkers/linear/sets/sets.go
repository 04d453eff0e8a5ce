// Package sets decides in n log n whether the operations on a set to which
// elements are only added are linearizable.
//
// A read that saw the whole set says which elements had been added before it and
// which had not. So what two reads saw must contain one another: sorted by size,
// reads form levels, and each element was first added between the reads of two
// levels, or after all reads. Give each element the earliest moment at which it
// can have been added: after what must come before it began, which is the reads
// that did not see it, whatever these were after, the first of its adds, and
// who was told that it was not there. If something had ended by then that must
// come after it, there is no order; and if not, each operation can take effect
// as early as it can after the elements it saw.
//
// An add without an answer happened if its element was seen. To add an element
// again changes nothing.
package sets

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	Add    Kind = iota // adds Value
	Remove             // removes Value: takes a search
	Has                // was told that Value was there
	Lacks              // was told that Value was not there
	Read               // saw Saw, and nothing else
)

// Forever is the end of an operation that got no answer.
const Forever int32 = math.MaxInt32

// Op is an operation. Times must be different from each other, but for Forever.
// Without an answer there are only adds and removes.
type Op struct {
	Kind     Kind
	Value    int32   // the element, from 0 on without large gaps
	Inv, Res int32   // when it began and ended
	Saw      []int32 // of a read: sorted, each element once
}

// Result says whether operations are linearizable.
type Result struct {
	// Order is an order that explains the operations, as places in their list.
	// It has all that got an answer. It is nil if there is a violation.
	Order     []int32
	Violation *Violation
}

// Violation is a proof that operations are not linearizable. Operations are
// named by their places in the list.
type Violation struct {
	// Op is an operation that looked at the set and cannot be explained: what
	// must come before it began after something had ended that must come after it,
	// or what it saw was not added in time.
	Op int32
	// Element is one that this was seen by, or -1.
	Element int32
	Core    []int32 // operations that show it, in the order of their places
}

// ErrUndecided is the error of problems that take a search: elements were
// removed.
var ErrUndecided = errors.New("these operations take a search: elements were removed")

// none is no operation.
const none int32 = -1

// Check decides whether operations are linearizable. It fails with
// [ErrUndecided], or when ctx ends.
func Check(ctx context.Context, ops []Op) (Result, error) {
	s, err := newSet(ops)
	if err != nil {
		return Result{}, err
	}
	if v := s.layers(); v != nil {
		return Result{Violation: v}, nil
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	if v := s.place(); v != nil {
		return Result{Violation: v}, nil
	}
	return Result{Order: s.order()}, context.Cause(ctx)
}

// element is an element of the set.
type element struct {
	add   int32 // the first of its adds, or none
	bound       // when it can have been added: at least not before the first of its adds
	level int32 // the first level whose reads saw it
	seen  bool
}

// bound is the earliest moment for something, and the operation that it cannot
// come before. Level is that of the element or the reads that this came from.
type bound struct {
	at    int32
	by    int32
	level int32
}

func (b bound) later(c bound) bound {
	if c.at > b.at {
		return c
	}
	return b
}

// set is a problem on its way to its order.
type set struct {
	ops      []Op
	elements []element
	reads    []int32 // by level
	levels   []level
	level    []int32
}

// level is the reads that saw the same.
type level struct {
	reads []int32
	first bound // the earliest moment for any of them
}

func newSet(ops []Op) (*set, error) {
	s := &set{ops: ops, level: make([]int32, len(ops))}
	size := int32(0)
	for i := range ops {
		switch o := &ops[i]; o.Kind {
		case Remove:
			return nil, ErrUndecided
		case Read:
			s.reads = append(s.reads, int32(i))
			if len(o.Saw) > 0 {
				size = max(size, o.Saw[len(o.Saw)-1]+1)
			}
		default:
			size = max(size, o.Value+1)
		}
	}
	s.elements = make([]element, size)
	for v := range s.elements {
		s.elements[v] = element{add: none, bound: bound{at: Forever, by: none}, level: none}
	}
	for i := range ops {
		s.note(int32(i))
	}
	return s, nil
}

// note takes up what an operation says of its element alone.
func (s *set) note(i int32) {
	o := &s.ops[i]
	if o.Kind == Read {
		return
	}
	e := &s.elements[o.Value]
	switch {
	case o.Kind == Add && (e.add == none || o.Inv < s.ops[e.add].Inv):
		e.add = i
	case o.Kind == Has:
		e.seen = true
	}
}

// layers sorts reads into levels and elements to them.
func (s *set) layers() *Violation {
	slices.SortFunc(s.reads, func(a, b int32) int {
		return cmp.Or(cmp.Compare(len(s.ops[a].Saw), len(s.ops[b].Saw)), cmp.Compare(a, b))
	})
	var last []int32
	for n, i := range s.reads {
		saw := s.ops[i].Saw
		fresh, missing := beyond(last, saw)
		if missing != none {
			return &Violation{Op: i, Element: missing, Core: pair(s.reads[n-1], i)}
		}
		if n == 0 || len(fresh) > 0 {
			s.levels = append(s.levels, level{})
		}
		at := int32(len(s.levels) - 1)
		for _, v := range fresh {
			if s.elements[v].add == none {
				return &Violation{Op: i, Element: v, Core: []int32{i}}
			}
			s.elements[v].level, s.elements[v].seen = at, true
		}
		l := &s.levels[at]
		l.reads = append(l.reads, i)
		s.level[i] = at
		last = saw
	}
	return nil
}

// beyond returns the elements of b that are not in a, and one of a that is not
// in b, if there is one.
func beyond(a, b []int32) (fresh []int32, missing int32) {
	for len(b) > 0 {
		switch {
		case len(a) == 0 || b[0] < a[0]:
			fresh = append(fresh, b[0])
			b = b[1:]
		case b[0] == a[0]:
			a, b = a[1:], b[1:]
		default:
			return nil, a[0]
		}
	}
	if len(a) > 0 {
		return nil, a[0]
	}
	return fresh, none
}

func pair(a, b int32) []int32 { return []int32{min(a, b), max(a, b)} }

// place finds the earliest moments of elements and levels, and whether
// everything that must come after them can.
func (s *set) place() *Violation {
	s.own()
	of := make([][]int32, len(s.levels)) // elements by level
	for v := range s.elements {
		if l := s.elements[v].level; l != none {
			of[l] = append(of[l], int32(v))
		}
	}
	from := bound{at: -1, by: none}
	for l := range s.levels {
		first := from
		for _, v := range of[l] {
			e := &s.elements[v]
			e.bound = from.later(e.bound)
			first = first.later(e.bound)
		}
		s.levels[l].first = first
		from = first
		for _, r := range s.levels[l].reads {
			from = from.later(bound{at: s.ops[r].Inv, by: r, level: int32(l)})
		}
	}
	for v := range s.elements {
		if e := &s.elements[v]; e.level == none {
			e.bound = from.later(e.bound)
		}
	}
	for i := range s.ops {
		if v := s.late(int32(i)); v != nil {
			return v
		}
	}
	return nil
}

// own finds the earliest moment of each element by the operations on it alone.
func (s *set) own() {
	for v := range s.elements {
		if e := &s.elements[v]; e.add != none {
			e.bound = bound{at: s.ops[e.add].Inv, by: e.add, level: e.level}
		}
	}
	for i, o := range s.ops {
		if o.Kind == Lacks {
			e := &s.elements[o.Value]
			e.bound = e.bound.later(bound{at: o.Inv, by: int32(i), level: e.level})
		}
	}
}

// late returns a violation if an operation ended before the earliest moment at
// which what it saw can have been there.
func (s *set) late(i int32) *Violation {
	o := &s.ops[i]
	var b bound
	switch o.Kind {
	case Lacks:
		return nil
	case Read:
		b = s.levels[s.level[i]].first
	default:
		b = s.elements[o.Value].bound
	}
	if b.at < o.Res || o.Kind == Add && o.Res == Forever {
		return nil
	}
	if b.by == none {
		return &Violation{Op: i, Element: o.Value, Core: []int32{i}} // nobody added it
	}
	by := &s.ops[b.by]
	v := &Violation{Op: i, Element: none, Core: pair(b.by, i)}
	switch {
	case by.Kind == Read:
		v.Op = b.by
	case o.Kind == Read || by.Value == o.Value:
		if v.Element = by.Value; by.Kind == Lacks {
			v.Op = b.by
		}
	default:
		// An element that was seen before this one was not added in time.
		v.Op, v.Element = s.levels[b.level].reads[0], by.Value
		v.Core = append(v.Core, v.Op)
		slices.Sort(v.Core)
	}
	return v
}

// moment is when an operation takes effect, and its rank among those that do so
// at the same time.
type moment struct {
	at, rank, op int32
}

// order puts each operation at the earliest moment that it can be at.
func (s *set) order() []int32 {
	var all []moment
	for i := range s.ops {
		if m, ok := s.moment(int32(i)); ok {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b moment) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank), cmp.Compare(a.op, b.op))
	})
	order := make([]int32, len(all))
	for i, m := range all {
		order[i] = m.op
	}
	return order
}

// moment returns when an operation takes effect, or false if it need not.
// Between the reads of a level and those of the next one come the adds, and
// who was told that something was there comes last.
func (s *set) moment(i int32) (moment, bool) {
	o := &s.ops[i]
	switch o.Kind {
	case Lacks:
		return moment{o.Inv, -1, i}, true
	case Read:
		l := s.level[i]
		return moment{max(o.Inv, s.levels[l].first.at), 2*l + 1, i}, true
	}
	e := &s.elements[o.Value]
	level := e.level
	if level == none {
		level = int32(len(s.levels))
	}
	switch {
	case o.Kind == Has:
		return moment{max(o.Inv, e.at), Forever, i}, true
	case i == e.add:
		return moment{e.at, 2 * level, i}, e.seen || o.Res != Forever
	default:
		return moment{max(o.Inv, e.at), Forever - 1, i}, o.Res != Forever
	}
}
