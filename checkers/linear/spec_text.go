package linear

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// The verbs of a text. The value that was observed is a, the one that was
// written or appended b.
const (
	textGet verb = iota + 1
	textPut
	textAppend
	textCAS
)

// textSpec is one key of a store whose values are appended to. Keys that nobody
// appends to are registers, and judged as such. A state is the number of a value.
type textSpec struct {
	model  Model
	values intern.Table
	steps  map[transition]int64
}

func newTextSpec(m Model) spec {
	s := &textSpec{model: m, steps: make(map[transition]int64)}
	s.values.ID(noText(m.Initial))
	return s
}

// noText makes the empty text, and what is not there, nil.
func noText(v history.Value) history.Value {
	if v.IsAbsent() || v.Kind() == history.KindString && v.Text() == "" {
		return history.Nil
	}
	return v
}

func (s *textSpec) id(v history.Value) int64 { return int64(s.values.ID(noText(v))) }

func (s *textSpec) decode(c history.Call) (act, error) {
	switch s.model.fs[c.Invoke.F] {
	case reads:
		if v, ok := outcome(c, s.model.NilMatchesAny); ok {
			return act{verb: textGet, a: s.id(v)}, nil
		}
		return act{verb: anything}, nil
	case writes:
		return act{verb: textPut, b: s.id(argument(c))}, nil
	case deletes:
		return act{verb: textPut, b: s.id(history.Nil)}, nil
	case swaps:
		old, replacement, err := pairOf(c)
		return act{verb: textCAS, a: s.id(old), b: s.id(replacement)}, err
	}
	if c.Invoke.F != "append" {
		return act{}, unknownF(s.model.Name, c)
	}
	return act{verb: textAppend, b: s.id(argument(c))}, nil
}

func (s *textSpec) start() int64 { return 0 }

func (s *textSpec) pure(x *act) bool { return x.verb == anything || x.verb == textGet }

// useful keeps what may have come to light. While nothing overwrites it, what
// was put is in front of the text, and what was appended is somewhere in it.
func (s *textSpec) useful(ops []act) func(*act) bool {
	var seen []string
	for i := range ops {
		if x := &ops[i]; x.verb == textGet || x.verb == textCAS {
			seen = append(seen, s.text(x.a))
		}
	}
	return func(x *act) bool {
		holds := strings.HasPrefix
		if x.verb == textAppend {
			holds = strings.Contains
		}
		if !s.isText(x.b) {
			return true // a list that grows, of which a prefix says little
		}
		for _, text := range seen {
			if holds(text, s.text(x.b)) {
				return true
			}
		}
		return false
	}
}

func (s *textSpec) text(v int64) string { return s.values.Value(int32(v)).Text() }

func (s *textSpec) isText(v int64) bool {
	value := s.values.Value(int32(v))
	return value.IsNil() || value.Kind() == history.KindString
}

// extended returns a text with another one behind it, or a list with another
// element.
func (s *textSpec) extended(v, w int64) history.Value {
	added := s.values.Value(int32(w))
	if s.isText(v) && s.isText(w) {
		return history.String(s.text(v) + s.text(w))
	}
	return history.List(append(slices.Clone(s.values.Value(int32(v)).Elems()), added)...)
}

func (s *textSpec) step(v int64, x *act) (int64, bool) {
	switch x.verb {
	case textGet:
		return v, x.a == v
	case textPut:
		return x.b, true
	case textCAS:
		return x.b, x.a == v
	case textAppend:
		t := transition{v, x.kind()}
		to, ok := s.steps[t]
		if !ok {
			to = s.id(s.extended(v, x.b))
			s.steps[t] = to
		}
		return to, true
	default:
		return v, true
	}
}

func (s *textSpec) finds(x *act) bool { return x.verb == textGet || x.verb == textCAS }

// leads holds of a text if it is in front of what was found.
func (s *textSpec) leads(v int64, x *act) bool {
	return v == x.a || !s.isText(v) || !s.isText(x.a) || strings.HasPrefix(s.text(x.a), s.text(v))
}

// saves holds of what replaces the text with one that leads to what was found.
func (s *textSpec) saves(y, x *act) bool {
	return (y.verb == textPut || y.verb == textCAS) && s.leads(y.b, x)
}

func (s *textSpec) holds(v int64) string {
	return fmt.Sprintf("it held %v", s.values.Value(int32(v)))
}

func (s *textSpec) why(v int64, x *act) string {
	return fmt.Sprintf("it held %v, not %v", s.values.Value(int32(v)), s.values.Value(int32(x.a)))
}
