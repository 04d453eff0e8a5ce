package history

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep collections may nest before a text is taken for an
// attack. The deepest values that a workload has reason to record nest to
// about ten.
const maxDepth = 500

// errShort says that the text ends before the form does: there may be more to
// come, or the file was cut.
var errShort = errors.New("the text ends in the middle of a form")

// syntaxError says that the text is not JSON or EDN.
type syntaxError struct {
	at     int // position in the parser's buffer
	reason string
}

func (e *syntaxError) Error() string { return e.reason }

// opError says that a well-formed object is no record of a history.
type opError struct{ reason string }

func (e *opError) Error() string { return e.reason }

// parser reads forms, of JSON or EDN, from a buffer. It is a recursive descent
// that runs once over the bytes and keeps no reference to them.
type parser struct {
	b     []byte
	i     int
	depth int
	stack []Value // the elements of the collections that are open
	arena *arena
}

func (p *parser) fail(format string, args ...any) error {
	return &syntaxError{at: p.i, reason: fmt.Sprintf(format, args...)}
}

// unexpected says that there is something else where want should be, or
// nothing more at all.
func (p *parser) unexpected(want string) error {
	if p.i >= len(p.b) {
		return errShort
	}
	r, _ := utf8.DecodeRune(p.b[p.i:])
	return p.fail("%s expected, but there is %q", want, r)
}

// enter begins a collection; leave must be called when it ends well.
func (p *parser) enter() error {
	p.i++
	p.depth++
	if p.depth > maxDepth {
		return p.fail("collections nest deeper than %d", maxDepth)
	}
	return nil
}

func (p *parser) leave() {
	p.i++
	p.depth--
}

// collect makes a collection of what was pushed since the stack had this
// length.
func (p *parser) collect(kind Kind, since int) Value {
	v := p.arena.list(kind, p.stack[since:])
	p.stack = p.stack[:since]
	return v
}

// record is one operation as it stands in a file.
type record struct {
	op       Op
	index    int64
	hasIndex bool
	hasTime  bool
	hasType  bool
	skip     bool // a record that is no operation: Jepsen's :sleep and :log
}

// set stores the value of a field; unknown fields are ignored.
func (r *record) set(key []byte, v Value) error {
	switch string(key) {
	case "index":
		return r.setIndex(v)
	case "time":
		return r.setTime(v)
	case "process":
		return r.setProcess(v)
	case "type":
		return r.setType(v)
	case "f":
		r.op.F = nameOf(v)
	case "key":
		r.op.Key = v
	case "value":
		r.op.Value = v
	case "node":
		r.op.Node = nameOf(v)
	case "error":
		r.op.Error = errorText(v)
	case "final", "final?":
		r.op.Final, _ = v.Bool()
	}
	return nil
}

// setIndex takes an index; nil and negative numbers stand for none.
func (r *record) setIndex(v Value) error {
	n, ok := v.Int()
	if !ok && v.kind != KindNil {
		return &opError{fmt.Sprintf("index %s is not a 64-bit integer", brief(v))}
	}
	r.index, r.hasIndex = n, ok && n >= 0
	return nil
}

func (r *record) setTime(v Value) error {
	n, ok := v.Int()
	if !ok && v.kind != KindNil {
		return &opError{fmt.Sprintf("time %s is not a 64-bit integer of nanoseconds", brief(v))}
	}
	r.op.Time, r.hasTime = n, ok
	return nil
}

func (r *record) setProcess(v Value) error {
	n, ok := v.Int()
	switch {
	case ok && n >= 0 && n <= math.MaxInt32:
		r.op.Process = Process(n)
	case v.kind == KindNil:
		r.op.Process = NoProcess
	case v.Text() == "nemesis":
		r.op.Process = Nemesis
	default:
		return &opError{fmt.Sprintf("process %s is neither a number from 0 to %d nor nemesis", brief(v), math.MaxInt32)}
	}
	return nil
}

func (r *record) setType(v Value) error {
	name := v.Text()
	r.hasType = true
	if name == "sleep" || name == "log" {
		r.skip = true
		return nil
	}
	t, err := ParseType(name)
	if err != nil {
		return &opError{fmt.Sprintf("type %s is not one of invoke, ok, fail and info", brief(v))}
	}
	r.op.Type = t
	return nil
}

// finish is called after the last field.
func (r *record) finish() error {
	if !r.hasType {
		return &opError{"an object without a type is no operation"}
	}
	if v := r.op.Value; v.kind == KindTuple {
		r.op.Key, r.op.Value = v.ref.elems[0], v.ref.elems[1]
	}
	return nil
}

// nameOf returns the text of a name, as Jepsen writes keywords and JSON
// strings, and "" for nil.
func nameOf(v Value) string {
	switch v.kind {
	case Absent, KindNil:
		return ""
	case KindString, KindKeyword, KindTagged:
		return v.ref.str
	default:
		return v.String()
	}
}

// errorText makes one line of an error: Jepsen's are names, or vectors of a
// name and details.
func errorText(v Value) string {
	if v.kind != KindList || len(v.ref.elems) == 0 {
		return nameOf(v)
	}
	text := nameOf(v.ref.elems[0])
	sep := ": "
	for _, e := range v.ref.elems[1:] {
		if detail := nameOf(e); detail != "" {
			text += sep + detail
			sep = " "
		}
	}
	return text
}

// brief shortens a value for a message.
func brief(v Value) string {
	s := v.String()
	if len(s) > 60 {
		return string(bytes.ToValidUTF8([]byte(s[:57]), nil)) + "..."
	}
	return s
}

// parseInt reads an optional sign and digits, and says whether they were that
// and nothing else, and fit into 64 bits.
func parseInt(b []byte) (int64, bool) {
	if len(b) > 0 && len(b) <= 18 {
		return parseSmallInt(b)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

func parseSmallInt(b []byte) (int64, bool) {
	digits := b
	if b[0] == '-' || b[0] == '+' {
		digits = b[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if b[0] == '-' {
		n = -n
	}
	return n, true
}
