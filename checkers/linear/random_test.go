package linear

import (
	"math/rand/v2"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// mix says which random histories to make.
type mix struct {
	calls, processes, values int
	unique, cas, info, fail  bool
	honest                   float64 // how often a read returns what a register would
}

// random makes a history of one register. Its reads are right with probability
// m.honest, so that both verdicts are frequent.
func random(rng *rand.Rand, m mix) *history.History {
	g := &maker{rng: rng, mix: m, value: history.Nil, open: make(map[history.Process]*pending)}
	for p := range m.processes {
		g.idle = append(g.idle, history.Process(p))
	}
	next := history.Process(m.processes)
	for g.begun < m.calls || len(g.open) > 0 && rng.IntN(4) > 0 {
		if g.begun < m.calls && len(g.idle) > 0 && (len(g.busy) == 0 || rng.IntN(2) == 0) {
			g.invoke()
			continue
		}
		if len(g.busy) == 0 {
			break
		}
		if g.complete() == history.Info {
			g.idle[len(g.idle)-1] = next
			next++
		}
	}
	return &history.History{Ops: g.ops}
}

type pending struct {
	op      history.Op
	applied bool
	result  history.Value
}

// maker simulates a register: an operation takes effect at some time between
// its invocation and its completion, or, if it crashes, maybe later or never.
type maker struct {
	mix
	rng   *rand.Rand
	ops   []history.Op
	value history.Value
	begun int
	fresh int64
	idle  []history.Process
	busy  []history.Process
	open  map[history.Process]*pending
}

func (g *maker) record(op history.Op) {
	op.Index = len(g.ops)
	op.Time = int64(len(g.ops)) * 1e6
	g.ops = append(g.ops, op)
}

func (g *maker) written() history.Value {
	if g.unique {
		g.fresh++
		return history.Int(g.fresh)
	}
	return history.Int(int64(1 + g.rng.IntN(g.values)))
}

func (g *maker) guess() history.Value {
	n := g.fresh
	if !g.unique {
		n = int64(g.values)
	}
	if v := g.rng.Int64N(n + 2); v > 0 {
		return history.Int(v)
	}
	return history.Nil
}

func (g *maker) invoke() {
	p := g.idle[0]
	g.idle = g.idle[1:]
	op := history.Op{Process: p, Type: history.Invoke, F: "read", Value: history.Nil}
	switch k := g.rng.IntN(4); {
	case k == 0 && g.cas:
		old := g.value
		if g.rng.Float64() > g.honest {
			old = g.guess()
		}
		op.F, op.Value = "cas", history.List(old, g.written())
	case k <= 1:
		op.F, op.Value = "write", g.written()
	}
	g.begun++
	g.open[p] = &pending{op: op}
	g.busy = append(g.busy, p)
	g.record(op)
	g.apply()
}

// apply lets some of the open operations take effect.
func (g *maker) apply() {
	for _, p := range g.busy {
		if o := g.open[p]; !o.applied && g.rng.IntN(3) == 0 {
			g.effect(o)
		}
	}
}

func (g *maker) effect(o *pending) {
	o.applied = true
	switch o.op.F {
	case "read":
		o.result = g.value
	case "write":
		g.value = o.op.Value
	case "cas":
		o.result = history.Bool(false)
		if pair := o.op.Value.Elems(); g.value.Equal(pair[0]) {
			g.value, o.result = pair[1], history.Bool(true)
		}
	}
}

func (g *maker) complete() history.Type {
	i := g.rng.IntN(len(g.busy))
	p := g.busy[i]
	g.busy = append(g.busy[:i:i], g.busy[i+1:]...)
	g.idle = append(g.idle, p)
	o := g.open[p]
	delete(g.open, p)
	op := o.op
	op.Type = history.OK
	switch {
	case g.info && g.rng.IntN(5) == 0:
		op.Type = history.Info
	case g.fail && g.rng.IntN(8) == 0 && !o.applied:
		op.Type = history.Fail
	case !o.applied:
		g.effect(o)
	}
	lied := g.rng.Float64() > g.honest
	if op.Type == history.OK && op.F == "read" {
		op.Value = o.result
		if lied {
			op.Value = g.guess()
		}
	}
	if done, ok := o.result.Bool(); ok && !done && op.Type == history.OK && !lied {
		op.Type = history.Fail
	}
	g.record(op)
	g.apply()
	return op.Type
}

// brute decides by the definition: it tries every order of the operations that
// keeps to real time, with and without those whose outcome is unknown.
func brute(h *history.History) bool {
	calls, err := h.Calls()
	if err != nil {
		panic(err)
	}
	var b bruteForce
	for _, c := range calls {
		if c.Type() != history.Fail {
			b.calls = append(b.calls, c)
		}
	}
	b.dead = make(map[bruteState]bool)
	return b.from(0, history.Nil)
}

type bruteForce struct {
	calls []history.Call
	dead  map[bruteState]bool
}

type bruteState struct {
	done  uint64
	value string
}

func (b *bruteForce) from(done uint64, value history.Value) bool {
	state := bruteState{done, value.String()}
	if b.dead[state] {
		return false
	}
	finished := true
	for i, c := range b.calls {
		if done&(1<<i) != 0 {
			continue
		}
		finished = finished && c.Type() == history.Info
		if !b.ready(done, i) {
			continue
		}
		if next, ok := apply(c, value); ok && b.from(done|1<<i, next) {
			return true
		}
	}
	b.dead[state] = true
	return finished
}

// ready reports whether everything that ended before call i began is done.
func (b *bruteForce) ready(done uint64, i int) bool {
	for j, c := range b.calls {
		if done&(1<<j) == 0 && c.Type() == history.OK && c.Complete.Index < b.calls[i].Invoke.Index {
			return false
		}
	}
	return true
}

func apply(c history.Call, value history.Value) (history.Value, bool) {
	switch c.Invoke.F {
	case "read":
		return value, c.Type() == history.Info || c.Value().Equal(value)
	case "write":
		return c.Invoke.Value, true
	default:
		pair := c.Invoke.Value.Elems()
		return pair[1], pair[0].Equal(value)
	}
}
