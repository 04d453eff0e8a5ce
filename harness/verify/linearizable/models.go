package linearizable

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// machine is the object that the operations of a history used: it says what one process
// after the other would have been answered.
type machine interface {
	// apply has the object do what o asks for and fails if it would not have
	// answered like that. It returns how to take that back; several are taken
	// back in the reverse order.
	apply(o *claim.Op, a answer) (undo func(), err error)
	// guesses lists the answers, apart from the unknown one, that an operation
	// without a known answer can have had and that would have changed the object
	// in different ways.
	guesses(o *claim.Op) []answer
	// state is a text that two objects share only if they are in the same state.
	state() string
}

// answer is what an operation was answered, if that is known.
type answer struct {
	known bool
	value history.Value
}

// options are the parameters of a claim.
type options map[string]string

// parameters are the values that parameters can have, if these are few.
var parameters = map[string][]string{
	"model": nil, "initial": nil, "permits": nil, "limit": nil, "nil": {"any", "value"}, "owner": {"process", "none"},
}

// check fails if there are parameters that mean nothing.
func (p options) check() error {
	for name, value := range p {
		values, ok := parameters[name]
		if !ok || values != nil && !slices.Contains(values, value) {
			return fmt.Errorf("the parameter %s=%s means nothing here", name, value)
		}
	}
	return nil
}

// lenient reports whether nil as the result of a read says that the result is
// unknown, as in histories for Knossos.
func (p options) lenient() bool { return p["nil"] == "any" }

// answer returns what an operation was answered, as far as the history tells.
func (p options) answer(o *claim.Op) answer {
	v := o.Value()
	return answer{o.Happened() && !v.IsAbsent() && !(p.lenient() && v.IsNil()), v}
}

// initial is what a register or a counter holds before everything.
func (p options) initial() history.Value {
	text, ok := p["initial"]
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return history.Int(n)
	}
	switch {
	case !ok || text == "nil" || text == "null":
		return history.Nil
	case text == "true" || text == "false":
		return history.Bool(text == "true")
	default:
		return history.String(text)
	}
}

// number returns a parameter that is a number.
func (p options) number(name string, otherwise int64) (int64, error) {
	text, ok := p[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the parameter %s is %q: it must be a number", name, text)
	}
	return n, nil
}

// models makes the objects. Each is described where its type is.
var models = map[string]func(options) (machine, error){
	"register":        func(p options) (machine, error) { return newRegister(p, false, false), nil },
	"cas-register":    func(p options) (machine, error) { return newRegister(p, true, false), nil },
	"kv":              func(p options) (machine, error) { return newRegister(p, true, true), nil },
	"multi-register":  newMultiRegister,
	"mutex":           newLock,
	"semaphore":       newLock,
	"reentrant-mutex": newReentrant,
	"fifo-queue":      func(options) (machine, error) { return new(fifo), nil },
	"unordered-queue": newBag,
	"set":             func(options) (machine, error) { return &set{in: make(map[string]bool)}, nil },
	"counter":         newCounter,
	"log":             func(options) (machine, error) { return new(journal), nil },
}

// verbs are the operations that each model has.
var verbs = map[string][]string{
	"register":        {"read", "write", "delete"},
	"cas-register":    {"read", "write", "delete", "cas"},
	"kv":              {"read", "write", "delete", "cas", "get", "put", "append"},
	"multi-register":  {"txn", "read", "write"},
	"mutex":           {"acquire", "release"},
	"semaphore":       {"acquire", "release"},
	"reentrant-mutex": {"acquire", "release"},
	"fifo-queue":      {"enqueue", "dequeue"},
	"unordered-queue": {"enqueue", "dequeue"},
	"set":             {"add", "remove", "contains", "read"},
	"counter":         {"add", "increment", "decrement", "read"},
	"log":             {"append", "read"},
}

// argument returns what an operation was given; some recorders write that on
// the completion only.
func argument(o *claim.Op) history.Value {
	v := o.Invoke.Value
	if v.IsNil() && o.Complete != nil {
		v = o.Complete.Value
	}
	return claim.Known(v)
}

// unchanged takes back nothing.
func unchanged() {}

// errForeign is the error of an operation that the model does not have. Nothing
// can be said about a history with such an operation.
var errForeign = errors.New("the model has no such operation")

func unknownF(o *claim.Op) error {
	return fmt.Errorf("%w: %q", errForeign, o.Invoke.F)
}

// register holds one value, nil or the parameter initial at first.
//
//	read                 → the value
//	write v, delete      sets it to v, or to nil
//	cas [old new]        sets it to new; it must be old (model cas-register)
//
// As kv, it is one key of a store: get and put are read and write, append adds
// to the end of a text, and the empty text is the same as nil.
type register struct {
	value        history.Value
	swaps, texts bool
}

func newRegister(p options, swaps, texts bool) *register {
	r := &register{swaps: swaps, texts: texts}
	r.set(p.initial())
	return r
}

func (r *register) guesses(*claim.Op) []answer { return nil }

func (r *register) state() string { return claim.Name(r.value) }

func (r *register) apply(o *claim.Op, a answer) (func(), error) {
	switch f := o.Invoke.F; {
	case f == "read" || r.texts && f == "get":
		if a.known && !r.is(a.value) {
			return nil, fmt.Errorf("it read %v while the value was %v", a.value, r.value)
		}
		return unchanged, nil
	case f == "write" || r.texts && f == "put":
		return r.set(argument(o)), nil
	case f == "delete":
		return r.set(history.Nil), nil
	case f == "append" && r.texts && argument(o).Kind() == history.KindString:
		return r.set(history.String(asText(r.value) + argument(o).Text())), nil
	case f == "cas" && r.swaps:
		return r.swap(argument(o).Elems())
	default:
		return nil, unknownF(o)
	}
}

// plain makes nil of what is the same as nil.
func (r *register) plain(v history.Value) history.Value {
	if r.texts && v.Kind() == history.KindString && v.Text() == "" {
		return history.Nil
	}
	return claim.Known(v)
}

func (r *register) is(v history.Value) bool { return r.plain(v).Equal(r.value) }

func (r *register) set(v history.Value) func() {
	old := r.value
	r.value = r.plain(v)
	return func() { r.value = old }
}

func (r *register) swap(pair []history.Value) (func(), error) {
	if len(pair) != 2 {
		return nil, fmt.Errorf("%w: the value of a cas must be [old new]", errForeign)
	}
	if !r.is(pair[0]) {
		return nil, fmt.Errorf("it replaced %v while the value was %v", pair[0], r.value)
	}
	return r.set(pair[1]), nil
}

// asText is a value as a text to append to.
func asText(v history.Value) string {
	switch v.Kind() {
	case history.Absent, history.KindNil:
		return ""
	case history.KindString:
		return v.Text()
	default:
		return v.String()
	}
}

// multiRegister is many registers, at first nil, that transactions use. A
// transaction is a list of [f key value] with f read or write, or r or w.
type multiRegister struct {
	options
	values map[string]history.Value
}

func newMultiRegister(p options) (machine, error) {
	if _, ok := p["initial"]; ok {
		return nil, fmt.Errorf("a multi-register has no parameter initial")
	}
	return &multiRegister{p, make(map[string]history.Value)}, nil
}

func (m *multiRegister) guesses(*claim.Op) []answer { return nil }

func (m *multiRegister) state() string {
	var parts []string
	for k, v := range m.values {
		if !v.IsNil() {
			parts = append(parts, k+"="+claim.Name(v))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func (m *multiRegister) apply(o *claim.Op, a answer) (func(), error) {
	if o.Invoke.F != "txn" && o.Invoke.F != "read" && o.Invoke.F != "write" {
		return nil, unknownF(o)
	}
	var undos []func()
	undo := func() {
		for _, u := range slices.Backward(undos) {
			u()
		}
	}
	for _, e := range transaction(o) {
		u, err := m.step(e.Elems(), a.known)
		if err != nil {
			undo()
			return nil, err
		}
		undos = append(undos, u)
	}
	return undo, nil
}

// transaction returns the steps of a transaction, with what it read if it is ok.
func transaction(o *claim.Op) []history.Value {
	if v := o.Value(); !v.IsNil() {
		return v.Elems()
	}
	return o.Invoke.Value.Elems()
}

func (m *multiRegister) step(e []history.Value, answered bool) (func(), error) {
	if len(e) != 3 {
		return nil, fmt.Errorf("%w: a step of a transaction must be [f key value]", errForeign)
	}
	f, k, v := e[0].Text(), claim.Name(e[1]), claim.Known(e[2])
	old := claim.Known(m.values[k])
	switch {
	case f == "write" || f == "w":
		m.values[k] = v
		return func() { m.values[k] = old }, nil
	case f != "read" && f != "r":
		return nil, fmt.Errorf("%w: a transaction has no step %q", errForeign, f)
	case answered && !e[2].IsAbsent() && !(m.lenient() && v.IsNil()) && !old.Equal(v):
		return nil, fmt.Errorf("it read %v at %v while the value was %v", v, e[1], old)
	}
	return unchanged, nil
}

// lock hands out permits, as many as the parameter permits says (1 if there is
// none). acquire and release take the number of permits (1 if there is none). If
// the parameter owner is process, only who acquired can release; else anyone. A
// mutex has one permit, whatever value its operations have.
type lock struct {
	permits int64
	owners  bool
	mutex   bool
	taken   map[history.Process]int64
	all     int64
}

func newLock(p options) (machine, error) {
	l := &lock{permits: 1, mutex: p["model"] == "mutex", owners: p["owner"] == "process", taken: make(map[history.Process]int64)}
	if l.mutex {
		return l, nil
	}
	var err error
	l.permits, err = p.number("permits", 1)
	return l, err
}

func (l *lock) guesses(*claim.Op) []answer { return nil }

func (l *lock) state() string {
	var parts []string
	for p, n := range l.taken {
		if n != 0 {
			parts = append(parts, fmt.Sprint(p, n))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func (l *lock) apply(o *claim.Op, _ answer) (func(), error) {
	n, p := amount(o), o.Invoke.Process
	if l.mutex {
		n = 1
	}
	if !l.owners {
		p = 0
	}
	switch {
	case o.Invoke.F != "acquire" && o.Invoke.F != "release":
		return nil, unknownF(o)
	case n < 1:
		return nil, fmt.Errorf("%w: %s of %d permits", errForeign, o.Invoke.F, n)
	case o.Invoke.F == "release":
		n = -n
	}
	if l.taken[p]+n < 0 || l.all+n > l.permits {
		return nil, fmt.Errorf("%s while %d of %d were taken, %d of them by it", o.Invoke.F, l.all, l.permits, l.taken[p])
	}
	l.taken[p] += n
	l.all += n
	return func() { l.taken[p] -= n; l.all -= n }, nil
}

// amount returns the number that an operation was given, or 1.
func amount(o *claim.Op) int64 {
	if n, ok := o.Invoke.Value.Int(); ok && n > -1<<31 && n < 1<<31 {
		return n
	}
	return 1
}

// reentrant is a mutex that the process that holds it may acquire again, as
// often as the parameter limit says (without limit if that is 0, or there is
// none); it is free after as many releases.
type reentrant struct {
	owner history.Process
	held  int64
	limit int64
}

func newReentrant(p options) (machine, error) {
	limit, err := p.number("limit", 0)
	return &reentrant{limit: limit}, err
}

func (m *reentrant) guesses(*claim.Op) []answer { return nil }

func (m *reentrant) state() string { return fmt.Sprint(m.owner, m.held) }

func (m *reentrant) apply(o *claim.Op, _ answer) (func(), error) {
	old, p := *m, o.Invoke.Process
	switch {
	case o.Invoke.F != "acquire" && o.Invoke.F != "release":
		return nil, unknownF(o)
	case m.held > 0 && m.owner != p:
		return nil, fmt.Errorf("%s while process %v held it", o.Invoke.F, m.owner)
	case o.Invoke.F == "acquire" && m.limit > 0 && m.held == m.limit:
		return nil, fmt.Errorf("process %v held it %d times already", p, m.held)
	case o.Invoke.F == "acquire":
		m.owner, m.held = p, m.held+1
	case m.held == 0:
		return nil, fmt.Errorf("release while nobody held it")
	default:
		m.held--
	}
	if m.held == 0 {
		m.owner = 0
	}
	return func() { *m = old }, nil
}

// fifo is a queue: enqueue v puts v at the end, dequeue takes what is in front
// and is answered nil if there is unchanged.
type fifo struct {
	elems []string
	front int
}

func (q *fifo) guesses(*claim.Op) []answer { return nil }

func (q *fifo) state() string { return strings.Join(q.elems[q.front:], " ") }

func (q *fifo) apply(o *claim.Op, a answer) (func(), error) {
	empty := q.front == len(q.elems)
	switch {
	case o.Invoke.F == "enqueue":
		// What was taken back may still be there.
		q.elems = append(q.elems, claim.Name(argument(o)))
		return func() { q.elems = q.elems[:len(q.elems)-1] }, nil
	case o.Invoke.F != "dequeue":
		return nil, unknownF(o)
	case empty && a.known && !a.value.IsNil():
		return nil, fmt.Errorf("it took %v from an empty queue", a.value)
	case empty:
		return unchanged, nil
	case a.known && q.elems[q.front] != claim.Name(a.value):
		return nil, fmt.Errorf("it was answered %v, which was not in front", a.value)
	}
	q.front++
	return func() { q.front-- }, nil
}

// bag is a queue without an order: dequeue takes any element, and is answered
// nil if there is none.
type bag struct {
	count map[string]int
	value map[string]history.Value // of everything that ever was there
	size  int
}

func newBag(options) (machine, error) {
	return &bag{count: make(map[string]int), value: make(map[string]history.Value)}, nil
}

// guesses lists what is in the bag.
func (b *bag) guesses(o *claim.Op) []answer {
	if o.Invoke.F != "dequeue" {
		return nil
	}
	var all []answer
	for _, n := range slices.Sorted(maps.Keys(b.count)) {
		all = append(all, answer{true, b.value[n]})
	}
	return all
}

func (b *bag) state() string {
	var parts []string
	for n, c := range b.count {
		parts = append(parts, fmt.Sprint(n, c))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func (b *bag) apply(o *claim.Op, a answer) (func(), error) {
	switch {
	case o.Invoke.F == "enqueue":
		v := argument(o)
		b.value[claim.Name(v)] = v
		return b.add(claim.Name(v), 1), nil
	case o.Invoke.F != "dequeue":
		return nil, unknownF(o)
	case !a.known:
		return unchanged, nil
	case a.value.IsNil() && b.size > 0:
		return nil, fmt.Errorf("it was answered nil while %d elements were there", b.size)
	case a.value.IsNil():
		return unchanged, nil
	case b.count[claim.Name(a.value)] == 0:
		return nil, fmt.Errorf("it took %v, which was not there", a.value)
	}
	return b.add(claim.Name(a.value), -1), nil
}

func (b *bag) add(n string, by int) func() {
	change := func(by int) {
		b.size += by
		if b.count[n] += by; b.count[n] == 0 {
			delete(b.count, n)
		}
	}
	change(by)
	return func() { change(-by) }
}

// set is a set of elements: add v, remove v, whether or not v is in it; contains
// v → whether it is (as true, or [v true]); read → all elements.
type set struct{ in map[string]bool }

func (s *set) guesses(*claim.Op) []answer { return nil }

func (s *set) state() string { return strings.Join(slices.Sorted(maps.Keys(s.in)), " ") }

func (s *set) apply(o *claim.Op, a answer) (func(), error) {
	v := argument(o)
	switch o.Invoke.F {
	case "add":
		return s.put(claim.Name(v), true), nil
	case "remove":
		return s.put(claim.Name(v), false), nil
	case "contains":
		return unchanged, s.contains(claim.Known(o.Invoke.Value), a)
	case "read":
		return unchanged, s.read(a)
	default:
		return nil, unknownF(o)
	}
}

func (s *set) put(n string, in bool) func() {
	old := s.in[n]
	set := func(in bool) {
		if delete(s.in, n); in {
			s.in[n] = true
		}
	}
	set(in)
	return func() { set(old) }
}

func (s *set) contains(v history.Value, a answer) error {
	if !a.known {
		return nil
	}
	result := a.value
	if pair := result.Elems(); len(pair) == 2 {
		result = pair[1]
	}
	switch said, ok := result.Bool(); {
	case !ok:
		return fmt.Errorf("%w: contains must be answered true or false, not %v", errForeign, a.value)
	case said != s.in[claim.Name(v)]:
		return fmt.Errorf("it was answered %v about %v", said, v)
	}
	return nil
}

func (s *set) read(a answer) error {
	if !a.known {
		return nil
	}
	seen := make(map[string]bool)
	for _, e := range a.value.Elems() {
		n := claim.Name(e)
		if seen[n] = true; !s.in[n] {
			return fmt.Errorf("it saw %v, which was not there", e)
		}
	}
	if len(seen) != len(s.in) {
		return fmt.Errorf("it saw %d elements of %d", len(seen), len(s.in))
	}
	return nil
}

// counter is a number, at first 0 or the parameter initial: add n, increment n
// and decrement n, where n is 1 if there is none; read → the number.
type counter struct{ n int64 }

func newCounter(p options) (machine, error) {
	n, _ := p.initial().Int()
	return &counter{n}, nil
}

func (c *counter) guesses(*claim.Op) []answer { return nil }

func (c *counter) state() string { return strconv.FormatInt(c.n, 10) }

func (c *counter) apply(o *claim.Op, a answer) (func(), error) {
	by := amount(o)
	if _, ok := o.Invoke.Value.Int(); !ok && !o.Invoke.Value.IsNil() && o.Invoke.F != "read" {
		return nil, fmt.Errorf("%w: %s of %v", errForeign, o.Invoke.F, o.Invoke.Value)
	}
	switch o.Invoke.F {
	case "read":
		if n, ok := a.value.Int(); a.known && (!ok || n != c.n) {
			return nil, fmt.Errorf("it read %v while the number was %d", a.value, c.n)
		}
		return unchanged, nil
	case "decrement":
		by = -by
	case "add", "increment":
	default:
		return nil, unknownF(o)
	}
	c.n += by
	return func() { c.n -= by }, nil
}

// journal is a log: append v puts v at the end, read → the list of all.
type journal struct{ elems []string }

func (j *journal) guesses(*claim.Op) []answer { return nil }

func (j *journal) state() string { return strings.Join(j.elems, " ") }

func (j *journal) apply(o *claim.Op, a answer) (func(), error) {
	switch o.Invoke.F {
	case "append":
		j.elems = append(j.elems, claim.Name(argument(o)))
		return func() { j.elems = j.elems[:len(j.elems)-1] }, nil
	case "read":
		if a.known && !slices.EqualFunc(j.elems, a.value.Elems(), func(n string, v history.Value) bool { return n == claim.Name(v) }) {
			return nil, fmt.Errorf("it read %v from a log of %d", a.value, len(j.elems))
		}
		return unchanged, nil
	default:
		return nil, unknownF(o)
	}
}
