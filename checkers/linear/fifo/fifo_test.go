package fifo

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// mix says which random histories to make.
type mix struct {
	ops, open               int
	empties, guesses, infos bool
	honest                  float64
}

// random makes a history of a queue whose answers are right with probability
// m.honest.
func random(rng *rand.Rand, m mix) []Op {
	type pending struct {
		at   int
		done bool
		got  int32 // element, or None
	}
	var ops []Op
	var open []*pending
	var queue []int32
	fresh, now := int32(0), int32(0)
	effect := func(p *pending) {
		p.done = true
		if ops[p.at].Kind == Enqueue {
			queue = append(queue, ops[p.at].Value)
			return
		}
		p.got = None
		if len(queue) > 0 {
			p.got, queue = queue[0], queue[1:]
		}
	}
	for len(ops) < m.ops || len(open) > 0 {
		if len(ops) < m.ops && len(open) < m.open && (len(open) == 0 || rng.IntN(2) == 0) {
			o := Op{Kind: Enqueue, Value: fresh, Inv: now, Res: Forever}
			if rng.IntN(2) == 0 {
				o = Op{Kind: Dequeue, Inv: now, Res: Forever}
			} else {
				fresh++
			}
			open = append(open, &pending{at: len(ops)})
			ops = append(ops, o)
			now++
			continue
		}
		for _, p := range open {
			if !p.done && rng.IntN(3) == 0 {
				effect(p)
			}
		}
		i := rng.IntN(len(open))
		p := open[i]
		open = slices.Delete(open, i, i+1)
		o := &ops[p.at]
		o.Res = now
		now++
		switch lost := rng.IntN(6) == 0; {
		case o.Kind == Enqueue && m.infos && lost:
			o.Res = Forever
			continue
		case o.Kind == Dequeue && m.guesses && lost:
			o.Kind, o.Res = Guess, Forever
			continue
		}
		if !p.done {
			effect(p)
		}
		if o.Kind == Enqueue {
			continue
		}
		if rng.Float64() > m.honest {
			p.got = rng.Int32N(fresh+2) - 1
		}
		if o.Value = p.got; p.got == None {
			o.Kind = Empty
		}
	}
	if !m.empties {
		ops = slices.DeleteFunc(ops, func(o Op) bool { return o.Kind == Empty })
	}
	return ops
}

// brute decides by the definition: it tries every order.
func brute(ops []Op) bool {
	dead := make(map[string]bool)
	var try func(done uint32, queue []int32) bool
	try = func(done uint32, queue []int32) bool {
		key := string(append([]byte{byte(done), byte(done >> 8), byte(done >> 16)}, bytes(queue)...))
		if dead[key] {
			return false
		}
		end := int32(Forever)
		for i, o := range ops {
			if done&(1<<i) == 0 {
				end = min(end, o.Res)
			}
		}
		if end == Forever {
			return true
		}
		for i, o := range ops {
			if done&(1<<i) != 0 || o.Inv > end {
				continue
			}
			switch {
			case o.Kind == Enqueue:
				if try(done|1<<i, append(slices.Clone(queue), o.Value)) {
					return true
				}
			case o.Kind == Empty:
				if len(queue) == 0 && try(done|1<<i, queue) {
					return true
				}
			case len(queue) > 0 && (o.Kind == Guess || queue[0] == o.Value):
				if try(done|1<<i, queue[1:]) {
					return true
				}
			}
		}
		dead[key] = true
		return false
	}
	return try(0, nil)
}

func bytes(queue []int32) []byte {
	b := make([]byte, len(queue))
	for i, v := range queue {
		b[i] = byte(v)
	}
	return b
}

// recorded is operations as a history has them, and their invocations.
func recorded(ops []Op) (*history.History, []int) {
	last := int32(0)
	for _, o := range ops {
		last = max(last, o.Inv)
		if o.Res != Forever {
			last = max(last, o.Res)
		}
	}
	h := &history.History{Ops: make([]history.Op, last+1)}
	for i := range h.Ops { // times that nothing happened at
		h.Ops[i] = history.Op{Index: i, Process: history.Nemesis, Type: history.Info, F: "log"}
	}
	index := make([]int, len(ops))
	for i, o := range ops {
		index[i] = int(o.Inv)
		f, given, got := "dequeue", history.Nil, history.Nil
		if o.Kind == Enqueue {
			f, given = "enqueue", history.Int(int64(o.Value))
			got = given
		} else if o.Kind == Dequeue {
			got = history.Int(int64(o.Value))
		}
		h.Ops[o.Inv] = history.Op{Index: int(o.Inv), Process: history.Process(i), F: f, Type: history.Invoke, Value: given}
		if o.Res != Forever {
			h.Ops[o.Res] = history.Op{Index: int(o.Res), Process: history.Process(i), F: f, Type: history.OK, Value: got}
		}
	}
	return h, index
}

// claim is what a certificate says of a result.
func claim(r Result, index []int) map[string]any {
	at := func(list []int32) []int {
		out := []int{}
		for _, i := range list {
			out = append(out, index[i])
		}
		return out
	}
	c := map[string]any{"definition": "linearizable", "parameters": map[string]string{"model": "fifo-queue"}, "verdict": "invalid"}
	switch v := r.Violation; {
	case v == nil:
		c["verdict"] = "ok"
		c["evidence"] = map[string]any{"orders": []any{map[string]any{"order": at(r.Order)}}}
	case v.Fault == Excess:
		c["evidence"] = map[string]any{"proof": "excess", "op": index[v.Op]}
	case v.Fault == Covered:
		c["evidence"] = map[string]any{"proof": "covered", "op": index[v.Op], "by": at(v.By)}
	default:
		var pairs [][]int
		for _, p := range v.Pairs {
			pairs = append(pairs, at(p[:]))
		}
		c["evidence"] = map[string]any{"proof": "passed", "pairs": pairs}
	}
	return c
}

func certified(t *testing.T, ops []Op, r Result) {
	t.Helper()
	h, index := recorded(ops)
	raw, err := json.Marshal(claim(r, index))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.VerifyClaim(h, raw); err != nil {
		t.Fatalf("%v\n%s\n%+v", err, raw, ops)
	}
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mix{
		"complete": {},
		"infos":    {infos: true},
		"guesses":  {infos: true, guesses: true},
		"empties":  {infos: true, empties: true},
		"all":      {infos: true, guesses: true, empties: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 25000
			if testing.Short() {
				n = 2000
			}
			agree(t, m, n)
		})
	}
}

func agree(t *testing.T, m mix, n int) {
	rng := rand.New(rand.NewPCG(1, 1))
	var valid, invalid, undecided int
	faults := make(map[Fault]int)
	for range n {
		m.ops, m.open, m.honest = 3+rng.IntN(7), 2+rng.IntN(3), []float64{1, .9, .7}[rng.IntN(3)]
		ops := random(rng, m)
		r, err := Check(t.Context(), ops)
		if errors.Is(err, ErrUndecided) {
			if undecided++; !m.guesses || !m.empties {
				t.Fatalf("%v: %+v", err, ops)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		want := brute(ops)
		if want != (r.Violation == nil) {
			t.Fatalf("brute force says %v, ours %+v: %+v", want, r.Violation, ops)
		}
		if certified(t, ops, r); want {
			valid++
			continue
		}
		invalid++
		faults[r.Violation.Fault]++
		if core := only(ops, r.Violation.Core); brute(core) {
			t.Fatalf("the core %v is linearizable: %+v", r.Violation, ops)
		}
	}
	t.Logf("%d valid, %d invalid, %d undecided, faults %v", valid, invalid, undecided, faults)
	if min(valid, invalid) < n/20 || undecided > n/5 {
		t.Errorf("one-sided")
	}
}

// only returns the operations of a core, and all dequeues without an answer.
func only(ops []Op, core []int32) []Op {
	var list []Op
	for i, o := range ops {
		if o.Kind == Guess || slices.Contains(core, int32(i)) {
			list = append(list, o)
		}
	}
	return list
}

func BenchmarkMillion(b *testing.B) {
	ops := random(rand.New(rand.NewPCG(2, 2)), mix{ops: 1000000, open: 50, infos: true, empties: true, honest: 1})
	for b.Loop() {
		if r, err := Check(b.Context(), ops); err != nil || r.Violation != nil {
			b.Fatal(r.Violation, err)
		}
	}
}
