package linearizable

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// searched confirms that some operations on one key have no order, by looking
// for one. There are two rules for which ones to take.
//
// prefix: all that began up to the record at the index until, as if the history
// ended behind it. What happened later cannot make up for it.
//
// closed: some operations, of the whole history or up to until, such that in an
// order of all of them the rest could be left out: see [linear.closed]. Those in
// blind are compare-and-sets that are taken for writes: whatever a compare-and-set
// did, a write would have done as well.
//
// If there are pairs in time, real time is taken from them alone: the search looks
// for an order of the operations that has the first of each pair in front of the
// second. If there is none, there is none that keeps to all of the real time.
//
// The search gives up after a number of steps: then the proof must be smaller.
func (l *linear) searched(p proof) error {
	behind, key, err := l.scope(p)
	if err != nil {
		return err
	}
	s := &search{dead: make(map[[sha256.Size]byte]bool)}
	if s.machine, err = l.machine(); err != nil {
		return err
	}
	for _, o := range l.on(key) {
		if o.Inv < behind {
			s.ops = append(s.ops, l.seen(o, behind))
		}
	}
	switch {
	case p.Rule == "closed":
		if err := l.closed(s, p); err != nil {
			return err
		}
	case p.Rule != "prefix" || p.Until == nil || len(p.Ops)+len(p.Blind) > 0:
		return fmt.Errorf("the search takes the rule prefix, with until, or closed, with ops")
	}
	s.ops = slices.DeleteFunc(s.ops, func(w wanted) bool { return !w.must && w.looks })
	slices.SortFunc(s.ops, func(a, b wanted) int { return cmp.Compare(a.Inv, b.Inv) })
	var explained bool
	if p.Time == nil {
		explained = s.explains(nil, 0)
	} else if explained, err = s.explainsPairs(*p.Time); err != nil {
		return err
	}
	switch {
	case s.foreign != nil:
		return s.foreign
	case s.spent():
		return fmt.Errorf("the search was given up after %d steps: the proof must name fewer operations, or end earlier", s.steps)
	case explained:
		return fmt.Errorf("there is an order that explains the operations")
	default:
		return nil
	}
}

// scope returns the first record behind the history of a proof, and the key it
// is about.
func (l *linear) scope(p proof) (behind int, key history.Value, err error) {
	behind = claim.Never
	if p.Until != nil && *p.Until < claim.Never {
		behind = *p.Until + 1
	}
	if len(p.Ops) > 0 {
		o, err := l.Op(p.Ops[0])
		if err != nil {
			return 0, key, err
		}
		return behind, o.Invoke.Key, nil
	}
	for i := range l.Ops {
		if o := &l.Ops[i]; o.Inv == behind-1 || o.Complete != nil && o.Complete.Index == behind-1 {
			return behind, o.Invoke.Key, nil
		}
	}
	return 0, key, fmt.Errorf("until is %d, which is no record of a client", behind-1)
}

// wanted is an operation that an order should have.
type wanted struct {
	*claim.Op
	end  int // when it had ended
	must bool
	answer
	looks bool // it leaves the object as it is
	write bool // it is a compare-and-set that is taken for a write
}

// seen is an operation as a history has it that ends in front of a record.
func (l *linear) seen(o *claim.Op, behind int) wanted {
	f := o.Invoke.F
	w := wanted{Op: o, end: claim.Never}
	w.looks = l.Parameters["model"] != "multi-register" && (f == "read" || f == "get" || f == "contains")
	if o.Res < behind {
		w.end, w.must, w.answer = o.Res, o.Happened(), l.answer(o)
	}
	return w
}

// closed takes out of a search what is not listed, if it may.
//
// Of registers: for each value that a listed operation found, everything that
// may have written it must be listed. Then in an order of all operations, what a
// listed one found was written by a listed one, and still is the last value
// written if others are left out.
//
// Of queues: what is listed must be all operations on some values, dequeues
// that said that the queue was empty, and all dequeues of which nobody knows
// what they took. These may have taken something that is not listed, and need not
// have an order. What is left keeps its turn if others are left out.
//
// Of sets and logs: for each add, remove, append or contains that is listed, all
// adds, removes and appends of its element must be. The elements of the others
// are left out of what the listed reads saw.
func (l *linear) closed(s *search, p proof) error {
	listed, blind := make(map[int]bool), make(map[int]bool)
	for _, i := range p.Ops {
		listed[i] = true
	}
	for _, i := range p.Blind {
		blind[i] = true
	}
	needed := make(map[cell]bool)
	var kept, rest []wanted
	for _, w := range s.ops {
		found, _, err := l.depends(&w)
		switch {
		case err != nil:
			return err
		case !listed[w.Inv]:
			rest = append(rest, w)
			continue
		case blind[w.Inv] && w.Invoke.F != "cas":
			return fmt.Errorf("index %d: only a compare-and-set can be taken for a write", w.Inv)
		}
		delete(listed, w.Inv)
		if w.write = blind[w.Inv]; !w.write {
			for _, c := range found {
				needed[c] = true
			}
		}
		kept = append(kept, w)
	}
	if len(listed) > 0 {
		return fmt.Errorf("%d of the operations are none that can be listed", len(listed))
	}
	out, err := l.leftOut(rest, needed)
	if err != nil {
		return err
	}
	for i := range kept {
		kept[i].leaveOut(l.Parameters["model"], out)
	}
	s.ops = kept
	return nil
}

// leftOut returns the values that depend on operations that are not listed, of
// which none must be needed.
func (l *linear) leftOut(rest []wanted, needed map[cell]bool) (map[string]bool, error) {
	out := make(map[string]bool)
	for _, w := range rest {
		_, gave, err := l.depends(&w)
		if err != nil {
			return nil, err
		}
		for _, c := range gave {
			if needed[c] {
				return nil, fmt.Errorf("index %d: the operation must be listed, because what is listed may depend on it", w.Inv)
			}
			out[c.value] = true
		}
	}
	return out, nil
}

// depends returns what an operation depends on, and what depends on it.
func (l *linear) depends(w *wanted) (on, gives []cell, err error) {
	model, v := l.Parameters["model"], []cell{{value: claim.Name(argument(w.Op))}}
	anything := cell{at: "anything"}
	queue, elements := model == "fifo-queue" || model == "unordered-queue", model == "set" || model == "log"
	switch f := w.Invoke.F; {
	case queue && f == "enqueue":
		return append(v, anything), v, nil
	case queue && f == "dequeue" && !w.known:
		w.must = false
		return nil, []cell{anything}, nil
	case queue && f == "dequeue" && w.value.IsNil():
		return nil, nil, nil
	case queue && f == "dequeue":
		v[0].value = claim.Name(w.value)
		return append(v, anything), v, nil
	case elements && (f == "add" || f == "remove" || f == "append"):
		return v, v, nil
	case elements && f == "contains":
		return []cell{{value: claim.Name(claim.Known(w.Invoke.Value))}}, nil, nil
	case elements:
		return nil, nil, nil
	default:
		return l.cells(w.Op)
	}
}

// leaveOut takes elements out of what a read of a set or a log saw.
func (w *wanted) leaveOut(model string, out map[string]bool) {
	if w.Invoke.F != "read" || !w.known || model != "set" && model != "log" {
		return
	}
	elems := slices.DeleteFunc(slices.Clone(w.value.Elems()), func(e history.Value) bool { return out[claim.Name(e)] })
	w.value = history.List(elems...)
}

// What a search may take: steps, and bytes of states that it looks at.
const (
	maxSteps = 1 << 20
	maxBytes = 1 << 29
)

// search looks for an order.
type search struct {
	ops     []wanted // in the order of their invocations
	machine machine
	dead    map[[sha256.Size]byte]bool // states that were found to lead nowhere
	before  map[int][]int              // operations that must be in front of others, if only these must
	steps   int
	bytes   int
	foreign error // of an operation that the model does not have
}

// spent reports whether the search must be given up.
func (s *search) spent() bool { return s.steps >= maxSteps || s.bytes >= maxBytes }

// explainsPairs reports whether the operations have an order that keeps to the real
// time between some of them.
func (s *search) explainsPairs(pairs [][2]int) (bool, error) {
	place := make(map[int]int)
	var all []int
	for i, w := range s.ops {
		place[w.Inv] = i
		all = append(all, i)
	}
	s.before = make(map[int][]int)
	for _, p := range pairs {
		a, ok := place[p[0]]
		b, also := place[p[1]]
		switch {
		case !ok || !also:
			return false, fmt.Errorf("the operations at index %d and %d are not both among those that have no order", p[0], p[1])
		case !s.ops[a].must || s.ops[a].end >= p[1]:
			return false, fmt.Errorf("the operation at index %d did not end before that at index %d began", p[0], p[1])
		}
		s.before[b] = append(s.before[b], a)
	}
	return s.explains(all, len(s.ops)), nil
}

// waits reports whether an operation must have another one in front of it that is
// still open.
func (s *search) waits(i int, open []int) bool {
	return slices.ContainsFunc(s.before[i], func(j int) bool { return slices.Contains(open, j) })
}

// explains reports whether the operations from next on, and the open ones, which
// began before, have an order. It is true as well when the search cannot go on.
func (s *search) explains(open []int, next int) bool {
	for ; next < len(s.ops) && s.ops[next].Inv < s.deadline(open); next++ {
		open = append(open, next)
	}
	if !slices.ContainsFunc(open, func(i int) bool { return s.ops[i].must }) {
		return next == len(s.ops)
	}
	text := s.state(open, next)
	state := sha256.Sum256([]byte(text))
	if s.dead[state] {
		return false
	}
	s.steps, s.bytes = s.steps+1, s.bytes+len(text)+8*len(open)
	if s.spent() {
		return true
	}
	for n, i := range open {
		if s.waits(i, open) {
			continue
		}
		w := &s.ops[i]
		rest := func() []int { return slices.Delete(slices.Clone(open), n, n+1) }
		for _, a := range s.answers(w) {
			undo, err := s.apply(w, a)
			if errors.Is(err, errForeign) {
				s.foreign = fmt.Errorf("index %d: %w", w.Inv, err)
				return true
			}
			if err != nil {
				continue
			}
			if s.explains(rest(), next) {
				return true
			}
			undo()
			if w.looks {
				// It could only look on, so when it looks makes no difference.
				s.dead[state] = true
				return false
			}
		}
	}
	s.dead[state] = true
	return false
}

// deadline returns when the first of the open operations that must have an
// order ended.
func (s *search) deadline(open []int) int {
	end := claim.Never
	for _, i := range open {
		if s.ops[i].must {
			end = min(end, s.ops[i].end)
		}
	}
	return end
}

// state is a text that two moments of the search share only if the same orders
// are left.
func (s *search) state(open []int, next int) string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(next))
	for _, i := range open {
		b.WriteByte(' ')
		b.WriteString(strconv.Itoa(i))
	}
	b.WriteByte('/')
	b.WriteString(s.machine.state())
	return b.String()
}

// answers lists what an operation may have been answered.
func (s *search) answers(w *wanted) []answer {
	if w.known {
		return []answer{w.answer}
	}
	return append(s.machine.guesses(w.Op), answer{})
}

func (s *search) apply(w *wanted, a answer) (func(), error) {
	if r, ok := s.machine.(*register); ok && w.write {
		return r.set(argument(w.Op).Elems()[1]), nil
	}
	return s.machine.apply(w.Op, a)
}
