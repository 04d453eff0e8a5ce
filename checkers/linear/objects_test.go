package linear

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// thing is an object as its definition has it, written down once more and as
// plainly as possible, to compare with. A state is a list of numbers.
type thing struct {
	model Model
	start []int64
	// can returns everything that an operation may do in a state; nothing if it
	// is refused.
	can  func(state []int64, p history.Process, f string, arg history.Value) []effect
	draw func(rng *rand.Rand) (f string, arg history.Value)
	// lie returns a result that may be wrong instead of an honest one.
	lie func(rng *rand.Rand, f string, honest history.Value) history.Value
}

// effect is a result, absent if the operation has none, and the next state.
type effect struct {
	result history.Value
	state  []int64
}

func result(v history.Value, state ...int64) []effect { return []effect{{v, state}} }

var absent history.Value

// value is n, with 0 for nil.
func value(n int64) history.Value {
	if n == 0 {
		return history.Nil
	}
	return history.Int(n)
}

func integer(v history.Value) int64 {
	n, _ := v.Int()
	return n
}

func values(state []int64) history.Value {
	list := make([]history.Value, len(state))
	for i, n := range state {
		list[i] = history.Int(n)
	}
	return history.List(list...)
}

func element(rng *rand.Rand) history.Value { return history.Int(1 + rng.Int64N(3)) }

func someList(rng *rand.Rand) history.Value {
	list := make([]history.Value, rng.IntN(3))
	for i := range list {
		list[i] = element(rng)
	}
	return history.List(list...)
}

// oneOf draws one of the names.
func oneOf(rng *rand.Rand, names ...string) string { return names[rng.IntN(len(names))] }

func things() []thing {
	return []thing{
		registerThing(), multiThing(), mutexThing(false), mutexThing(true), reentrantThing(), semaphoreThing(),
		queueThing(FIFOQueue(), true), queueThing(UnorderedQueue(), false), setThing(true), setThing(false), counterThing(), kvThing(2), kvThing(9), logThing(),
	}
}

func registerThing() thing {
	return thing{
		model: CASRegister(), start: []int64{0},
		can: func(s []int64, _ history.Process, f string, arg history.Value) []effect {
			switch f {
			case "read":
				return result(value(s[0]), s[0])
			case "write":
				return result(absent, integer(arg))
			}
			if integer(arg.Elems()[0]) != s[0] {
				return nil
			}
			return result(absent, integer(arg.Elems()[1]))
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			switch f := oneOf(rng, "read", "read", "write", "cas"); f {
			case "write":
				return f, element(rng)
			case "cas":
				return f, history.List(value(rng.Int64N(4)), element(rng))
			default:
				return f, history.Nil
			}
		},
		lie: func(rng *rand.Rand, _ string, _ history.Value) history.Value { return value(rng.Int64N(4)) },
	}
}

func multiThing() thing {
	return thing{
		model: MultiRegister(), start: []int64{0, 0},
		can: func(s []int64, _ history.Process, _ string, arg history.Value) []effect {
			s = slices.Clone(s)
			var answer []history.Value
			for _, e := range arg.Elems() {
				k, v := integer(e.Elems()[1]), e.Elems()[2]
				if e.Elems()[0].Text() == "write" {
					s[k] = integer(v)
				} else {
					v = value(s[k])
				}
				answer = append(answer, history.List(e.Elems()[0], e.Elems()[1], v))
			}
			return []effect{{history.List(answer...), s}}
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			var txn []history.Value
			for range 1 + rng.IntN(2) {
				k := history.Int(rng.Int64N(2))
				if rng.IntN(2) == 0 {
					txn = append(txn, history.List(history.String("read"), k, history.Nil))
				} else {
					txn = append(txn, history.List(history.String("write"), k, history.Int(1+rng.Int64N(2))))
				}
			}
			return "txn", history.List(txn...)
		},
		lie: func(rng *rand.Rand, _ string, honest history.Value) history.Value {
			var answer []history.Value
			for _, e := range honest.Elems() {
				if e = history.List(slices.Clone(e.Elems())...); e.Elems()[0].Text() == "read" {
					e.Elems()[2] = value(rng.Int64N(3))
				}
				answer = append(answer, e)
			}
			return history.List(answer...)
		},
	}
}

func mutexThing(owners bool) thing {
	m := Mutex()
	m.Owners = owners
	return thing{
		model: m, start: []int64{0},
		can: func(s []int64, p history.Process, f string, _ history.Value) []effect {
			switch {
			case f == "acquire" && s[0] == 0:
				return result(absent, int64(p)+1)
			case f == "release" && s[0] != 0 && (!owners || s[0] == int64(p)+1):
				return result(absent, 0)
			}
			return nil
		},
		draw: func(rng *rand.Rand) (string, history.Value) { return oneOf(rng, "acquire", "release"), history.Nil },
	}
}

func reentrantThing() thing {
	m := ReentrantMutex()
	m.Limit = 2
	return thing{
		model: m, start: []int64{0, 0},
		can: func(s []int64, p history.Process, f string, _ history.Value) []effect {
			switch {
			case f == "acquire" && s[1] == 0:
				return result(absent, int64(p), 1)
			case s[1] == 0 || s[0] != int64(p):
				return nil
			case f == "acquire" && s[1] == 1:
				return result(absent, s[0], 2)
			case f == "release" && s[1] == 1:
				return result(absent, 0, 0)
			case f == "release":
				return result(absent, s[0], 1)
			}
			return nil
		},
		draw: func(rng *rand.Rand) (string, history.Value) { return oneOf(rng, "acquire", "release"), history.Nil },
	}
}

func semaphoreThing() thing {
	return thing{
		model: Semaphore(3), start: []int64{0},
		can: func(s []int64, _ history.Process, f string, arg history.Value) []effect {
			n := integer(arg)
			if n == 0 {
				n = 1
			}
			if f == "release" {
				n = -n
			}
			if s[0]+n < 0 || s[0]+n > 3 {
				return nil
			}
			return result(absent, s[0]+n)
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			return oneOf(rng, "acquire", "acquire", "release"), value(rng.Int64N(3))
		},
	}
}

func queueThing(m Model, fifo bool) thing {
	return thing{
		model: m,
		can: func(s []int64, _ history.Process, f string, arg history.Value) []effect {
			if f == "enqueue" {
				s = append(slices.Clone(s), integer(arg))
				if !fifo {
					slices.Sort(s)
				}
				return []effect{{absent, s}}
			}
			if len(s) == 0 {
				return []effect{{history.Nil, s}}
			}
			var all []effect
			for i, v := range s {
				if i == 0 || !fifo {
					all = append(all, effect{history.Int(v), slices.Delete(slices.Clone(s), i, i+1)})
				}
			}
			return all
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			if f := oneOf(rng, "enqueue", "dequeue"); f == "dequeue" {
				return f, history.Nil
			}
			return "enqueue", element(rng)
		},
		lie: func(rng *rand.Rand, _ string, _ history.Value) history.Value { return value(rng.Int64N(4)) },
	}
}

func setThing(whole bool) thing {
	return thing{
		model: Set(),
		can: func(s []int64, _ history.Process, f string, arg history.Value) []effect {
			at, there := slices.BinarySearch(s, integer(arg))
			switch {
			case f == "read":
				return []effect{{values(s), s}}
			case f == "contains":
				return []effect{{history.Bool(there), s}}
			case there && f == "remove":
				s = slices.Delete(slices.Clone(s), at, at+1)
			case !there && f == "add":
				s = slices.Insert(slices.Clone(s), at, integer(arg))
			}
			return []effect{{absent, s}}
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			f := oneOf(rng, "add", "add", "remove", "contains", "read")
			if f == "read" && !whole {
				f = "contains"
			}
			if f == "read" {
				return f, history.Nil
			}
			return f, element(rng)
		},
		lie: func(rng *rand.Rand, f string, _ history.Value) history.Value {
			if f == "contains" {
				return history.Bool(rng.IntN(2) == 0)
			}
			v := someList(rng).Elems()
			slices.SortFunc(v, func(a, b history.Value) int { return int(integer(a) - integer(b)) })
			return history.List(slices.CompactFunc(v, history.Value.Equal)...)
		},
	}
}

func counterThing() thing {
	return thing{
		model: Counter(), start: []int64{0},
		can: func(s []int64, _ history.Process, f string, arg history.Value) []effect {
			if f == "read" {
				return result(history.Int(s[0]), s[0])
			}
			return result(absent, s[0]+integer(arg))
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			if f := oneOf(rng, "add", "read"); f == "read" {
				return f, history.Nil
			}
			return "add", history.Int(rng.Int64N(4) - 1)
		},
		lie: func(rng *rand.Rand, _ string, _ history.Value) history.Value { return history.Int(rng.Int64N(5)) },
	}
}

func letters(state []int64) history.Value {
	text := ""
	for _, n := range state {
		text += fmt.Sprint(n)
	}
	return history.String(text)
}

// kvThing is one key of a store of texts of so many digits. Where there are many,
// texts are unique most of the time.
func kvThing(letterCount int) thing {
	digits := func(v history.Value) []int64 {
		var list []int64
		for _, c := range v.Text() {
			list = append(list, int64(c-'0'))
		}
		return list
	}
	return thing{
		model: KV(),
		can: func(s []int64, _ history.Process, f string, arg history.Value) []effect {
			switch f {
			case "get":
				return []effect{{letters(s), s}}
			case "put":
				return []effect{{absent, digits(arg)}}
			case "delete":
				return []effect{{absent, nil}}
			case "append":
				return []effect{{absent, append(slices.Clone(s), digits(arg)...)}}
			}
			if letters(s).Text() != arg.Elems()[0].Text() {
				return nil
			}
			return []effect{{absent, digits(arg.Elems()[1])}}
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			text := func(n int) history.Value {
				s := ""
				for range rng.IntN(n) {
					s += fmt.Sprint(1 + rng.IntN(letterCount))
				}
				if s == "" && letterCount > 2 {
					s = fmt.Sprint(1 + rng.IntN(letterCount))
				}
				return history.String(s)
			}
			switch f := oneOf(rng, "get", "get", "get", "put", "append", "append", "delete", "cas"); f {
			case "get", "delete":
				return f, history.Nil
			case "cas":
				return f, history.List(text(3), text(3))
			default:
				return f, text(3)
			}
		},
		lie: func(rng *rand.Rand, _ string, _ history.Value) history.Value {
			return history.String(oneOf(rng, "", "1", "2", "12", "21", "11"))
		},
	}
}

func logThing() thing {
	return thing{
		model: Log(),
		can: func(s []int64, _ history.Process, f string, arg history.Value) []effect {
			if f == "read" {
				return []effect{{values(s), s}}
			}
			return []effect{{absent, append(slices.Clone(s), integer(arg))}}
		},
		draw: func(rng *rand.Rand) (string, history.Value) {
			if f := oneOf(rng, "append", "read"); f == "read" {
				return f, history.Nil
			}
			return "append", element(rng)
		},
		lie: func(rng *rand.Rand, _ string, _ history.Value) history.Value { return someList(rng) },
	}
}

// history makes a random history: operations take effect at some time between
// their beginnings and their ends, and tell the truth about it with the given
// probability. Without an answer, they may take effect later, or never.
func (o *thing) history(rng *rand.Rand, calls, processes int, truth float64, info bool) *history.History {
	g := &inUse{thing: o, rng: rng, state: o.start, open: make(map[history.Process]*running), truth: truth, info: info}
	for p := range processes {
		g.idle = append(g.idle, history.Process(p))
	}
	for begun := 0; begun < calls || len(g.busy) > 0; {
		if begun < calls && len(g.idle) > 0 && (len(g.busy) == 0 || rng.IntN(2) == 0) {
			g.invoke()
			begun++
		} else if len(g.busy) > 0 {
			g.complete()
		}
		for _, p := range g.busy {
			if rng.IntN(3) == 0 {
				g.effect(g.open[p])
			}
		}
		for _, r := range g.lost {
			if rng.IntN(4) == 0 {
				g.effect(r)
			}
		}
	}
	return &history.History{Ops: g.ops}
}

// inUse is a thing in use.
type inUse struct {
	*thing
	rng   *rand.Rand
	ops   []history.Op
	state []int64
	idle  []history.Process
	busy  []history.Process
	open  map[history.Process]*running
	lost  []*running
	next  history.Process
	truth float64
	info  bool
}

type running struct {
	op     history.Op
	done   bool
	failed bool
	result history.Value
}

func (g *inUse) record(op history.Op) {
	op.Index, op.Time = len(g.ops), int64(len(g.ops))*1e6
	g.ops = append(g.ops, op)
}

func (g *inUse) invoke() {
	p := g.idle[0]
	g.idle = g.idle[1:]
	f, arg := g.draw(g.rng)
	op := history.Op{Process: p, Type: history.Invoke, F: f, Value: arg}
	g.open[p] = &running{op: op}
	g.busy = append(g.busy, p)
	g.record(op)
}

func (g *inUse) effect(r *running) {
	if r.done {
		return
	}
	r.done = true
	all := g.can(g.state, r.op.Process, r.op.F, r.op.Value)
	if len(all) == 0 {
		r.failed = true
		return
	}
	e := all[g.rng.IntN(len(all))]
	g.state, r.result = e.state, e.result
}

func (g *inUse) complete() {
	i := g.rng.IntN(len(g.busy))
	p := g.busy[i]
	g.busy = slices.Delete(g.busy, i, i+1)
	r := g.open[p]
	op := r.op
	if g.info && g.rng.IntN(4) == 0 {
		op.Type = history.Info
		g.lost = append(g.lost, r)
		g.next++
		g.idle = append(g.idle, 100+g.next)
		if g.rng.IntN(2) == 0 {
			g.record(op)
		}
		return
	}
	g.idle = append(g.idle, p)
	g.effect(r)
	op.Type = history.OK
	if !r.result.IsAbsent() {
		op.Value = r.result
	}
	lies := g.rng.Float64() > g.truth
	if lies && g.lie != nil && !r.result.IsAbsent() {
		op.Value = g.lie(g.rng, op.F, r.result)
	}
	if r.failed && !(lies && g.rng.IntN(2) == 0) {
		op.Type = history.Fail
	}
	g.record(op)
}

// possible decides by the definition: it tries every order of the operations
// that keeps to real time, with and without those whose outcome is unknown.
func (o *thing) possible(h *history.History) bool {
	calls, err := h.Calls()
	if err != nil {
		panic(err)
	}
	calls = slices.DeleteFunc(calls, func(c history.Call) bool { return c.Type() == history.Fail })
	return o.from(calls, 0, o.start, make(map[string]bool))
}

func (o *thing) from(calls []history.Call, done uint64, state []int64, dead map[string]bool) bool {
	key := fmt.Sprint(done, state)
	if dead[key] {
		return false
	}
	finished := true
	for i, c := range calls {
		if done&(1<<i) != 0 {
			continue
		}
		finished = finished && c.Type() != history.OK
		if !ready(calls, done, i) {
			continue
		}
		for _, e := range o.can(state, c.Invoke.Process, c.Invoke.F, c.Invoke.Value) {
			fits := c.Type() != history.OK || e.result.IsAbsent() || e.result.Equal(c.Complete.Value)
			if fits && o.from(calls, done|1<<i, e.state, dead) {
				return true
			}
		}
	}
	dead[key] = true
	return finished
}

// ready reports whether everything that ended before call i began is done.
func ready(calls []history.Call, done uint64, i int) bool {
	for j, c := range calls {
		if done&(1<<j) == 0 && c.Type() == history.OK && c.Complete.Index < calls[i].Invoke.Index {
			return false
		}
	}
	return true
}
