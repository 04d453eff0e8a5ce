// Package queues makes up histories of queues for the tests of their monitors,
// decides them by brute force, and has the certificates of results confirmed.
package queues

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers/linear/fifo"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// Mix says which histories to make.
type Mix struct {
	Ops, Open              int // how many operations, and how many at a time
	Empties, Guesses, Lost bool
	Repeat                 bool    // elements are enqueued again
	Bag                    bool    // the queue has no order
	Honest                 float64 // how often a dequeue is answered what a queue would answer
}

// maker simulates a queue: an operation takes effect at some time between its
// beginning and its end, or, if it gets no answer, maybe never.
type maker struct {
	Mix
	rng   *rand.Rand
	ops   []fifo.Op
	open  []*pending
	queue []int32
	fresh int32
	now   int32
}

type pending struct {
	at   int
	done bool
	got  int32
}

// Random makes a history.
func Random(rng *rand.Rand, m Mix) []fifo.Op {
	g := &maker{Mix: m, rng: rng}
	for len(g.ops) < m.Ops || len(g.open) > 0 {
		if len(g.ops) < m.Ops && len(g.open) < m.Open && (len(g.open) == 0 || rng.IntN(2) == 0) {
			g.begin()
		} else {
			g.end()
		}
		g.now++
	}
	if !m.Empties {
		g.ops = slices.DeleteFunc(g.ops, func(o fifo.Op) bool { return o.Kind == fifo.Empty })
	}
	return g.ops
}

func (g *maker) begin() {
	o := fifo.Op{Kind: fifo.Dequeue, Inv: g.now, Res: fifo.Forever}
	if g.rng.IntN(2) == 0 {
		o.Kind, o.Value = fifo.Enqueue, g.fresh
		if g.fresh++; g.Repeat && g.rng.IntN(3) == 0 {
			o.Value = g.rng.Int32N(g.fresh)
		}
	}
	g.open = append(g.open, &pending{at: len(g.ops)})
	g.ops = append(g.ops, o)
}

func (g *maker) end() {
	for _, p := range g.open {
		if g.rng.IntN(3) == 0 {
			g.effect(p)
		}
	}
	i := g.rng.IntN(len(g.open))
	p := g.open[i]
	g.open = slices.Delete(g.open, i, i+1)
	o := &g.ops[p.at]
	lost := g.rng.IntN(6) == 0
	switch {
	case o.Kind == fifo.Enqueue && g.Lost && lost:
		return
	case o.Kind == fifo.Dequeue && g.Guesses && lost:
		o.Kind = fifo.Guess
		return
	}
	g.effect(p)
	if o.Res = g.now; o.Kind == fifo.Enqueue {
		return
	}
	if g.rng.Float64() > g.Honest {
		p.got = g.rng.Int32N(g.fresh+2) - 1
	}
	if o.Value = p.got; p.got == fifo.None {
		o.Kind, o.Value = fifo.Empty, 0
	}
}

func (g *maker) effect(p *pending) {
	if p.done {
		return
	}
	p.done = true
	if o := g.ops[p.at]; o.Kind == fifo.Enqueue {
		g.queue = append(g.queue, o.Value)
		return
	}
	p.got = fifo.None
	if len(g.queue) > 0 {
		i := 0
		if g.Bag {
			i = g.rng.IntN(len(g.queue))
		}
		p.got = g.queue[i]
		if i == 0 {
			g.queue = g.queue[1:]
		} else {
			g.queue = slices.Delete(g.queue, i, i+1)
		}
	}
}

// Brute decides by the definition: it tries every order.
func Brute(ops []fifo.Op, bag bool) bool {
	b := &brute{ops: ops, bag: bag, dead: make(map[string]bool)}
	return b.try(0, nil)
}

type brute struct {
	ops  []fifo.Op
	bag  bool
	dead map[string]bool
}

func (b *brute) try(done uint32, queue []int32) bool {
	key := []byte{byte(done), byte(done >> 8), byte(done >> 16)}
	for _, v := range queue {
		key = append(key, byte(v))
	}
	if b.dead[string(key)] {
		return false
	}
	end := fifo.Forever
	for i, o := range b.ops {
		if done&(1<<i) == 0 {
			end = min(end, o.Res)
		}
	}
	if end == fifo.Forever {
		return true
	}
	for i, o := range b.ops {
		if done&(1<<i) == 0 && o.Inv <= end && b.apply(o, done|1<<i, queue) {
			return true
		}
	}
	b.dead[string(key)] = true
	return false
}

// apply tries an operation next, and then all others.
func (b *brute) apply(o fifo.Op, done uint32, queue []int32) bool {
	switch o.Kind {
	case fifo.Enqueue:
		queue = append(slices.Clone(queue), o.Value)
		if b.bag {
			slices.Sort(queue)
		}
		return b.try(done, queue)
	case fifo.Empty:
		return len(queue) == 0 && b.try(done, queue)
	}
	for i, v := range queue {
		if (o.Kind == fifo.Guess || v == o.Value) && b.try(done, slices.Delete(slices.Clone(queue), i, i+1)) {
			return true
		}
		if !b.bag {
			break
		}
	}
	return false
}

// Recorded returns operations as a history has them.
func Recorded(ops []fifo.Op) *history.History {
	last := int32(0)
	for _, o := range ops {
		last = max(last, o.Inv)
		if o.Res != fifo.Forever {
			last = max(last, o.Res)
		}
	}
	h := &history.History{Ops: make([]history.Op, last+1)}
	for i := range h.Ops { // some may be of operations that were taken out
		h.Ops[i] = history.Op{Index: i, Process: history.Nemesis, Type: history.Info, F: "log"}
	}
	for i, o := range ops {
		f, given, got := "dequeue", history.Nil, history.Nil
		switch o.Kind {
		case fifo.Enqueue:
			f, given = "enqueue", history.Int(int64(o.Value))
			got = given
		case fifo.Dequeue:
			got = history.Int(int64(o.Value))
		}
		h.Ops[o.Inv] = history.Op{Index: int(o.Inv), Process: history.Process(i), F: f, Type: history.Invoke, Value: given}
		if o.Res != fifo.Forever {
			h.Ops[o.Res] = history.Op{Index: int(o.Res), Process: history.Process(i), F: f, Type: history.OK, Value: got}
		}
	}
	return h
}

// Evidence returns what a certificate says of a result.
func Evidence(ops []fifo.Op, r fifo.Result) any {
	at := func(list []int32) []int32 {
		out := make([]int32, len(list))
		for i, op := range list {
			out[i] = ops[op].Inv
		}
		return out
	}
	switch v := r.Violation; {
	case v == nil:
		return map[string]any{"orders": []any{map[string]any{"order": at(r.Order)}}}
	case v.Fault == fifo.Excess:
		return map[string]any{"proof": "excess", "op": ops[v.Op].Inv}
	case v.Fault == fifo.Covered:
		return map[string]any{"proof": "covered", "op": ops[v.Op].Inv, "by": at(v.By)}
	default:
		var pairs [][]int32
		for _, p := range v.Pairs {
			pairs = append(pairs, at(p[:]))
		}
		return map[string]any{"proof": "passed", "pairs": pairs}
	}
}

// Confirm has the certificate of a result confirmed.
func Confirm(t testing.TB, model string, ops []fifo.Op, r fifo.Result) {
	t.Helper()
	verdict := "ok"
	if r.Violation != nil {
		verdict = "invalid"
	}
	raw, err := json.Marshal(map[string]any{
		"definition": "linearizable", "parameters": map[string]string{"model": model},
		"verdict": verdict, "evidence": Evidence(ops, r),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(Recorded(ops), raw); err != nil {
		t.Fatalf("%v\n%s\n%+v", err, raw, ops)
	}
}

// Only returns the operations of a core, and all dequeues without an answer.
func Only(ops []fifo.Op, core []int32) []fifo.Op {
	var list []fifo.Op
	for i, o := range ops {
		if o.Kind == fifo.Guess || slices.Contains(core, int32(i)) {
			list = append(list, o)
		}
	}
	return list
}
