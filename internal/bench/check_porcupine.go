package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// patience is how long Porcupine may search. What it does not end in this time is
// a lower bound.
const patience = 5 * time.Second

// duel is a history of one register that both judge.
type duel struct {
	what                  string
	ops, clients, crashes int
	stale                 bool // a client that comes last reads the first value
}

var duels = []duel{
	{"1,000,000 operations of 2 clients", 1_000_000, 2, 0, false},
	{"10,000 operations of 10 clients", 10_000, 10, 0, false},
	{"2,000 operations of 10 clients, and a stale read", 2000, 10, 0, true},
	{"2,000 operations of 10 clients, 10 crashed, and a stale read", 2000, 10, 10, true},
}

func measurePorcupine() ([]figure, error) {
	var figures []figure
	for _, d := range duels {
		f, err := d.measure()
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// measure has us and Porcupine judge the same history, one after the other in one
// process.
func (d duel) measure() (figure, error) {
	rng := rand.New(rand.NewPCG(5, 6))
	h := play(rng, d.ops, d.clients, d.crashes, newRegister(rng, d.clients))
	want := checkers.OK
	if d.stale {
		addStaleRead(h)
		want = checkers.Invalid
	}
	start := time.Now()
	got := checkers.Run(context.Background(), linear.New(linear.Options{Model: linear.CASRegister()}), h).Verdict
	ours := time.Since(start).Seconds()
	list := operations(h)
	start = time.Now()
	their := porcupine.CheckOperationsTimeout(registerModel, list, patience)
	theirs := time.Since(start).Seconds()
	if got != want || their != porcupine.Unknown && (their == porcupine.Ok) != (want == checkers.OK) {
		return figure{}, fmt.Errorf("%s: we say %v, Porcupine %v, want %v", d.what, got, their, want)
	}
	ratio, note := strconv.FormatFloat(theirs/ours, 'f', digits(theirs/ours), 64), fmt.Sprintf("%.4f s, Porcupine %.4f s", ours, theirs)
	if their == porcupine.Unknown {
		ratio, note = "over "+ratio, fmt.Sprintf("%.4f s, Porcupine was stopped after %v", ours, patience)
	}
	return figure{"Porcupine against us, " + d.what, ratio, "times as long", note}, nil
}

// addStaleRead has a client read, at the end, the first value that was written.
func addStaleRead(h *history.History) {
	first := history.Nil
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Type == history.OK && op.F == "write" {
			first = op.Value
			break
		}
	}
	for _, op := range []history.Op{{Type: history.Invoke, Value: history.Nil}, {Type: history.OK, Value: first}} {
		op.Index, op.Time, op.Process, op.F = len(h.Ops), int64(len(h.Ops))*1000, 1<<20, "read"
		h.Ops = append(h.Ops, op)
	}
}

// act is an operation as the model of Porcupine takes it.
type act struct {
	f        string
	old, new int64 // the value, and for a compare-and-set the one that it expects
	open     bool  // nobody knows what became of it
}

// registerModel is a register with compare-and-set. It starts at 0, which nobody
// writes. What nobody knows the outcome of may be put to the end, where it does
// not matter.
var registerModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		switch a := input.(act); {
		case a.f == "read":
			return a.new == state.(int64), state
		case a.f == "write":
			return true, a.new
		case a.old == state.(int64):
			return true, a.new
		default:
			return a.open, state
		}
	},
}

// operations are those of the history that may have happened, but for reads of
// which nobody knows the result.
func operations(h *history.History) []porcupine.Operation {
	var list []porcupine.Operation
	open := make(map[history.Process]history.Op)
	for _, op := range h.Ops {
		if op.Type == history.Invoke {
			open[op.Process] = op
			continue
		}
		info := op.Type == history.Info
		if op.Type == history.Fail || info && op.F == "read" {
			continue
		}
		o := porcupine.Operation{ClientId: int(op.Process), Call: int64(open[op.Process].Index), Return: int64(op.Index), Input: input(op)}
		if info {
			o.Return = int64(len(h.Ops))
		}
		list = append(list, o)
	}
	return list
}

func input(op history.Op) act {
	a := act{f: op.F, open: op.Type == history.Info}
	if op.F == "cas" {
		a.old, _ = op.Value.Elems()[0].Int()
		a.new, _ = op.Value.Elems()[1].Int()
		return a
	}
	a.new, _ = op.Value.Int()
	return a
}
