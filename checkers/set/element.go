package set

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// set is one set with all that was done to it.
type set struct {
	key      history.Value
	clock    checkers.Clock
	ids      intern.Table
	elements []element      // by number; those that were never added are not in it
	reads    []read         // the ok ones, in the order of invocation
	adds     []history.Call // in the order of invocation
	odd      intern.Table   // elements that were unexpected
}

// element is what is known of an element.
type element struct {
	add         *history.Op // the first invocation that did not fail, or else the first one
	open        bool        // an add of it did not fail
	ack         *history.Op // the completion of the first add that was ok
	acked       *history.Op // the invocation of that add
	known       *history.Op // the completion that made it known
	knower      *read       // the read of that completion, if it was one
	lastPresent *read
	lastAbsent  *read
	finalAbsent *read // a final read without it
	duplicated  bool
}

// read is a read that was ok, with the numbers of its elements, each once.
type read struct {
	history.Call
	has []int32
}

// call takes in an operation. Operations other than add and read are ignored.
func (s *set) call(c history.Call) error {
	switch {
	case c.Invoke.F == "add":
		s.added(c)
	case c.Invoke.F == "read" && c.Type() == history.OK && !c.Complete.Value.IsAbsent():
		if k := c.Complete.Value.Kind(); k != history.KindList && k != history.KindSet && k != history.KindNil {
			return fmt.Errorf("index %d: a read of a set has to return a list or a set of its elements, not %v; see what the client records", c.Complete.Index, c.Complete.Value)
		}
		s.reads = append(s.reads, read{Call: c})
	}
	return nil
}

func (s *set) added(c history.Call) {
	id := s.ids.ID(c.Invoke.Value)
	if int(id) == len(s.elements) {
		s.elements = append(s.elements, element{add: c.Invoke})
	}
	s.adds = append(s.adds, c)
	e := &s.elements[id]
	if !e.open && c.Type() != history.Fail {
		e.add, e.open = c.Invoke, true
	}
	if c.Type() == history.OK && (e.ack == nil || c.Complete.Index < e.ack.Index) {
		e.ack, e.acked, e.known = c.Complete, c.Invoke, c.Complete
	}
}

// judge adds what there is to say about the set to the report.
func (s *set) judge(ctx context.Context, r *Report) error {
	in := make([]int32, len(s.elements)) // the last read that had an element, from 1
	for i := range s.reads {
		if context.Cause(ctx) != nil {
			return fmt.Errorf("stopped after %d of %d reads: %w", i, len(s.reads), context.Cause(ctx))
		}
		rd := &s.reads[i]
		r.Reads++
		if rd.Invoke.Final {
			r.FinalReads++
		}
		s.take(rd, in, int32(i+1), r)
		for _, id := range rd.has {
			s.elements[id].present(rd)
		}
	}
	if err := s.lastAbsences(ctx); err != nil {
		return err
	}
	for id := range s.elements {
		s.outcome(r, int32(id))
	}
	if n := len(s.reads); n > 0 {
		r.OK += len(s.reads[n-1].has)
	}
	return nil
}

// take numbers the elements of a read, the n-th, and notes what is wrong with it
// alone.
func (s *set) take(rd *read, in []int32, n int32, r *Report) {
	elems := rd.Complete.Value.Elems()
	rd.has = make([]int32, 0, len(elems))
	var again map[int32]int
	for _, v := range elems {
		id, ok := s.ids.Find(v)
		switch {
		case !ok || s.elements[id].open && rd.Complete.Index < s.elements[id].add.Index:
			s.unexpected(r, rd, v)
		case in[id] != n:
			in[id] = n
			rd.has = append(rd.has, id)
		case again == nil:
			again = map[int32]int{id: 1}
		default:
			again[id]++
		}
	}
	s.duplicates(r, rd, again)
}

// present takes in that a read has the element. Reads come in the order of their
// invocations.
func (e *element) present(rd *read) {
	e.lastPresent = rd
	if e.known == nil || rd.Complete.Index < e.known.Index {
		e.known, e.knower = rd.Complete, rd
	}
}

// lastAbsences finds out for each element the last read to begin that did not have
// it, among those that can have had it, and the last such final read.
//
// Going back from the last read, an element is looked at again only if the read
// before had it, so all looks together are as many as there are elements in reads.
func (s *set) lastAbsences(ctx context.Context) error {
	s.overlapping()
	err := s.backwards(ctx, func(rd *read) bool { return true }, func(e *element, rd *read) { e.lastAbsent = rd })
	if err != nil {
		return err
	}
	return s.backwards(ctx, func(rd *read) bool { return rd.Invoke.Final }, func(e *element, rd *read) { e.finalAbsent = rd })
}

// overlapping finds for each element the last read to begin before its add that was
// still going on then. Only if no read began later, it matters whether that had it.
func (s *set) overlapping() {
	var open []*read // a stack: those that came back are taken off when they are on top
	next := 0
	for _, c := range s.adds {
		for ; next < len(s.reads) && s.reads[next].Invoke.Index < c.Invoke.Index; next++ {
			open = append(open, &s.reads[next])
		}
		for len(open) > 0 && open[len(open)-1].Complete.Index < c.Invoke.Index {
			open = open[:len(open)-1]
		}
		id, _ := s.ids.Find(c.Invoke.Value)
		if e := &s.elements[id]; len(open) > 0 && e.add == c.Invoke && e.lastPresent != open[len(open)-1] {
			e.lastAbsent = open[len(open)-1]
		}
	}
}

// backwards calls found with each element and the last read to begin, among those
// that count, that began after its add and does not have it.
func (s *set) backwards(ctx context.Context, counts func(*read) bool, found func(*element, *read)) error {
	in := make([]int32, len(s.elements)) // the last read that was seen to have an element, from 1
	left := make([]int32, len(s.elements))
	for id := range left {
		left[id] = int32(id)
	}
	for i, rd := range slices.Backward(s.reads) {
		if context.Cause(ctx) != nil {
			return fmt.Errorf("stopped with %d of %d reads to go: %w", i+1, len(s.reads), context.Cause(ctx))
		}
		if !counts(&rd) {
			continue
		}
		for _, id := range rd.has {
			in[id] = int32(i + 1)
		}
		kept := left[:0]
		for _, id := range left {
			switch e := &s.elements[id]; {
			case e.add.Index > rd.Invoke.Index: // and than that of all reads to come
			case in[id] == int32(i+1):
				kept = append(kept, id)
			default:
				found(e, &s.reads[i])
			}
		}
		left = kept
	}
	return nil
}

// began is the index at which a read was invoked; -1 for no read.
func (r *read) began() int {
	if r == nil {
		return -1
	}
	return r.Invoke.Index
}

// name returns the key of the set, if it has one.
func (s *set) name() string { return checkers.KeyName(s.key) }
