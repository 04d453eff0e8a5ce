package linearizable

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// impossibleSet confirms that an operation that looked at a set to which
// elements are only added cannot be explained.
//
// Call it r. What saw an element that r did not see comes after r, and so does
// the add of an element that r did not see. What did not see an element that r
// saw comes before r. That is a contradiction if something comes both before and
// after r; if something that comes after r, or r itself, ended before something
// began that comes before r, or r itself; or before each add of an element began
// that r saw.
func (l *linear) impossibleSet(index int) error {
	o, err := l.Op(index)
	if err != nil {
		return err
	}
	r, err := l.view(o)
	if err != nil {
		return err
	}
	if r == nil || l.Parameters["model"] != "set" {
		return fmt.Errorf("index %d: the operation did not look at a set", index)
	}
	a, err := l.around(o, r)
	if err != nil {
		return err
	}
	if a.both || a.end < a.begin {
		return nil
	}
	for v := range r.in {
		if first, ok := a.added[v]; !ok || first > a.end {
			return nil
		}
	}
	return fmt.Errorf("index %d: what the operation saw may have been so", index)
}

// around is what comes before and after an operation that looked at a set.
type around struct {
	end   int            // of the first to end of what comes after it, and itself
	begin int            // of the last to begin of what comes before it, and itself
	both  bool           // something comes before and after it
	added map[string]int // when the first add of an element began
}

// around looks at all operations on the key of o, which saw r.
func (l *linear) around(o *claim.Op, r *view) (*around, error) {
	a := &around{end: o.Res, begin: o.Inv, added: make(map[string]int)}
	for _, z := range l.on(o.Invoke.Key) {
		var before, after bool
		switch z.Invoke.F {
		case "add":
			v := claim.Name(argument(z))
			if _, ok := a.added[v]; !ok {
				a.added[v] = z.Inv
			}
			after = z.Happened() && r.without(v)
		case "read", "contains":
			s, err := l.view(z)
			if err != nil {
				return nil, err
			}
			before, after = s != nil && s.lacks(r), s != nil && r.lacks(s)
		default:
			return nil, fmt.Errorf("index %d: the proof is about sets to which elements are only added", z.Inv)
		}
		if after {
			a.end = min(a.end, z.Res)
		}
		if before {
			a.begin = max(a.begin, z.Inv)
		}
		a.both = a.both || before && after
	}
	return a, nil
}

// view is what an operation saw of a set: all that is in it, or whether one
// element is.
type view struct {
	in  map[string]bool
	out string // the only element that is known not to be in it
	all bool   // what is not in in, is not in the set
}

// view returns what an operation saw, or nil if it saw nothing.
func (l *linear) view(o *claim.Op) (*view, error) {
	a := l.answer(o)
	switch {
	case !a.known || o.Invoke.F != "read" && o.Invoke.F != "contains":
		return nil, nil
	case o.Invoke.F == "read":
		s := &view{in: make(map[string]bool), all: true}
		for _, e := range a.value.Elems() {
			s.in[claim.Name(e)] = true
		}
		return s, nil
	}
	v, said := claim.Name(claim.Known(o.Invoke.Value)), a.value
	if pair := said.Elems(); len(pair) == 2 {
		said = pair[1]
	}
	switch in, ok := said.Bool(); {
	case !ok:
		return nil, fmt.Errorf("index %d: contains must be answered true or false", o.Inv)
	case in:
		return &view{in: map[string]bool{v: true}}, nil
	default:
		return &view{out: v}, nil
	}
}

// without reports whether v is known not to be in the set.
func (s *view) without(v string) bool { return s.all && !s.in[v] || s.out == v }

// lacks reports whether t saw an element that s saw was not there.
func (s *view) lacks(t *view) bool {
	if !s.all {
		return t.in[s.out]
	}
	for v := range t.in {
		if !s.in[v] {
			return true
		}
	}
	return false
}
