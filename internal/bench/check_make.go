package main

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// object answers the operations of clients one at a time, so that the histories
// are valid: each operation takes effect at one moment between its records.
type object interface {
	// plan makes up the next operation of a client.
	plan(client int) (f string, value history.Value)
	// apply carries it out and returns its result, and whether it succeeded.
	apply(client int, f string, value history.Value) (result history.Value, ok bool)
}

// call is an operation of a client.
type call struct {
	process history.Process
	state   int // 0: none, 1: called, 2: it took effect
	crashes bool
	invoked int // its place in the history
	f       string
	value   history.Value
	result  history.Value
	ok      bool
}

// player lets clients operate on an object and records it.
type player struct {
	rng    *rand.Rand
	object object
	calls  []call
	next   history.Process // a number that no client has had
	every  int             // each so many-th operation crashes; 0: none
	begun  int
	ops    []history.Op
}

// play records n operations of some clients, of which some crashed: nobody knows
// whether they took effect, and their clients go on under other numbers.
func play(rng *rand.Rand, n, clients, crashes int, o object) *history.History {
	p := &player{rng: rng, object: o, calls: make([]call, clients), next: history.Process(clients), ops: make([]history.Op, 0, 2*n)}
	if crashes > 0 {
		p.every = n / crashes
	}
	for c := range p.calls {
		p.calls[c].process = history.Process(c)
	}
	for len(p.ops) < 2*n {
		c := rng.IntN(clients)
		if p.calls[c].state > 0 || p.begun < n {
			p.step(c)
		}
	}
	return &history.History{Ops: p.ops}
}

// step takes a client one step further.
func (p *player) step(client int) {
	c := &p.calls[client]
	switch c.state {
	case 0:
		p.begun++
		c.f, c.value = p.object.plan(client)
		c.crashes = p.every > 0 && p.begun%p.every == 0
		c.invoked = len(p.ops)
		p.record(c, history.Invoke, c.value)
		c.state = 1
	case 1:
		if !c.crashes || p.rng.IntN(2) == 0 {
			c.result, c.ok = p.object.apply(client, c.f, c.value)
			p.link(c)
		}
		c.state = 2
	case 2:
		c.state = 0
		switch {
		case c.crashes:
			p.record(c, history.Info, c.value)
			c.process, p.next = p.next, p.next+1
		case c.ok:
			p.record(c, history.OK, c.result)
		default:
			p.record(c, history.Fail, c.value)
		}
	}
}

// link has the invocation of a linked write say what it replaced: who writes a
// linked value knows that before he does.
func (p *player) link(c *call) {
	if d, ok := p.object.(*database); ok && d.kind == "linked-register" {
		c.value = c.result
		p.ops[c.invoked].Value = c.result
	}
}

func (p *player) record(c *call, typ history.Type, value history.Value) {
	at := len(p.ops)
	p.ops = append(p.ops, history.Op{Index: at, Time: int64(at) * 1000, Process: c.process, Type: typ, F: c.f, Value: value})
}

// register is one value. Writes write new ones, and compare-and-sets go from what
// their client saw last to a new one.
type register struct {
	rng  *rand.Rand
	now  history.Value
	last int64
	seen []history.Value // by client
}

func newRegister(rng *rand.Rand, clients int) *register {
	return &register{rng: rng, seen: make([]history.Value, clients)}
}

func (r *register) plan(client int) (string, history.Value) {
	switch kind := r.rng.IntN(4); {
	case kind == 0:
		r.last++
		return "write", history.Int(r.last)
	case kind == 1 && !r.seen[client].IsNil():
		r.last++
		return "cas", history.List(r.seen[client], history.Int(r.last))
	default:
		return "read", history.Nil
	}
}

func (r *register) apply(client int, f string, value history.Value) (history.Value, bool) {
	switch {
	case f == "read":
		value = r.now
		if value.IsAbsent() {
			value = history.Nil
		}
		r.seen[client] = value
	case f == "write":
		r.now, r.seen[client] = value, value
	case !r.now.Equal(value.Elems()[0]):
		r.seen[client] = r.now
		return value, false
	default:
		r.now, r.seen[client] = value.Elems()[1], value.Elems()[1]
	}
	return value, true
}

// fifo is a queue of elements that are all different.
type fifo struct {
	rng  *rand.Rand
	last int64
	head int64 // the last one that came out
	in   []history.Value
}

func (q *fifo) plan(int) (string, history.Value) {
	if q.rng.IntN(2) == 0 {
		return "dequeue", history.Nil
	}
	q.last++
	return "enqueue", history.Int(q.last)
}

func (q *fifo) apply(_ int, f string, value history.Value) (history.Value, bool) {
	if f == "enqueue" {
		q.in = append(q.in, value)
		return value, true
	}
	if int(q.head) == len(q.in) {
		return value, false
	}
	q.head++
	return q.in[q.head-1], true
}

// database carries out transactions of one to four steps on keys, of which ten are
// in use at a time; after 32 writes a key is given up for a new one.
type database struct {
	rng   *rand.Rand
	kind  string // list-append, rw-register or linked-register
	pool  []int64
	next  int64 // a key that was never used
	count map[int64]int64
	state map[int64][]history.Value // what was written to a key
}

const (
	keysInUse    = 10
	writesOfAKey = 32
	stepsAtMost  = 4
)

// What the steps of transactions and linked values are called.
var (
	readStep   = history.String("r")
	writeStep  = history.String("w")
	appendStep = history.String("append")
	newest     = history.String("value")
	previous   = history.String("previous")
)

func newDatabase(rng *rand.Rand, kind string) *database {
	d := &database{rng: rng, kind: kind, next: keysInUse, count: make(map[int64]int64), state: make(map[int64][]history.Value)}
	for k := range int64(keysInUse) {
		d.pool = append(d.pool, k)
	}
	return d
}

func (d *database) plan(int) (string, history.Value) {
	steps := make([]history.Value, 1+d.rng.IntN(stepsAtMost))
	for i := range steps {
		at := d.rng.IntN(len(d.pool))
		k := d.pool[at]
		if d.rng.IntN(2) == 0 {
			steps[i] = history.List(readStep, history.Int(k), history.Nil)
			continue
		}
		d.count[k]++
		steps[i] = d.write(history.Int(k), d.count[k])
		if d.count[k] == writesOfAKey {
			d.pool[at], d.next = d.next, d.next+1
		}
	}
	return "txn", history.List(steps...)
}

// write returns a step. What a linked value replaces is not known yet.
func (d *database) write(key history.Value, n int64) history.Value {
	switch d.kind {
	case "list-append":
		return history.List(appendStep, key, history.Int(n))
	case "rw-register":
		return history.List(writeStep, key, history.Int(n))
	default:
		return history.List(writeStep, key, history.Map(newest, history.Int(n), previous, history.Nil))
	}
}

func (d *database) apply(_ int, _ string, planned history.Value) (history.Value, bool) {
	steps := make([]history.Value, len(planned.Elems()))
	for i, st := range planned.Elems() {
		parts := st.Elems()
		k, _ := parts[1].Int()
		now := d.state[k]
		if parts[0].Text() != "r" {
			steps[i] = d.link(st, now)
			d.state[k] = append(now, steps[i].Elems()[2])
			continue
		}
		seen := history.Nil
		switch {
		case d.kind == "list-append":
			seen = history.List(append([]history.Value(nil), now...)...) // as a reader of files makes it
		case len(now) > 0:
			seen = now[len(now)-1]
		}
		steps[i] = history.List(readStep, parts[1], seen)
	}
	return history.List(steps...), true
}

// link has a linked value name the one that it replaces.
func (d *database) link(st history.Value, now []history.Value) history.Value {
	if d.kind != "linked-register" || len(now) == 0 {
		return st
	}
	parts := st.Elems()
	return history.List(writeStep, parts[1], history.Map(newest, parts[2].Get("value"), previous, now[len(now)-1].Get("value")))
}
