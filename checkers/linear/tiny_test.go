package linear

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// TestAllTinyHistories compares the checker with the definition on all
// histories of two operations of each model, and of three if there is time.
func TestAllTinyHistories(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: these are many histories")
	}
	calls := 2
	if long() {
		calls = 3
	}
	for i, o := range things() {
		t.Run(fmt.Sprint(o.model.Name, i), func(t *testing.T) {
			t.Parallel()
			e := enumeration{t: t, thing: &o}
			e.collect(25)
			if calls == 3 {
				e.collect(12)
			}
			e.extend(nil, nil, calls)
			t.Logf("%d histories, %d of them invalid", e.count, e.invalid)
			if e.invalid == 0 {
				t.Error("none of them is invalid")
			}
		})
	}
}

// enumeration goes through all histories of a thing.
type enumeration struct {
	t       *testing.T
	thing   *thing
	uses    []history.Op               // what can be asked for
	results map[string][]history.Value // what can be answered, by f and argument
	count   int
	invalid int
}

// collect draws operations and results until it has those that there are.
func (e *enumeration) collect(draws int) {
	rng := rand.New(rand.NewPCG(12, 12))
	e.uses, e.results = nil, make(map[string][]history.Value)
	add := func(key string, v history.Value) {
		for _, w := range e.results[key] {
			if w.Equal(v) && w.Kind() == v.Kind() {
				return
			}
		}
		e.results[key] = append(e.results[key], v)
	}
	for range draws {
		f, arg := e.thing.draw(rng)
		key := f + arg.String()
		if e.results[key] == nil {
			e.uses = append(e.uses, history.Op{F: f, Value: arg})
		}
		for _, effect := range e.thing.can(e.thing.start, 0, f, arg) {
			if effect.result.IsAbsent() {
				continue
			}
			add(key, effect.result)
			if len(e.results[key]) < 4 {
				add(key, e.thing.lie(rng, f, effect.result))
			}
		}
		if len(e.results[key]) == 0 {
			add(key, arg)
		}
	}
}

// extend judges a history and all that begin with it and have so many calls more.
func (e *enumeration) extend(ops []history.Op, open []history.Op, calls int) {
	if len(ops) > 0 {
		e.judge(ops, open)
	}
	record := func(op history.Op) []history.Op {
		op.Index, op.Time = len(ops), int64(len(ops))*1e6
		return append(ops[:len(ops):len(ops)], op)
	}
	for i, op := range open {
		rest := slices.Concat(open[:i], open[i+1:])
		done := op
		done.Type = history.OK
		for _, v := range e.results[op.F+op.Value.String()] {
			done.Value = v
			e.extend(record(done), rest, calls)
		}
	}
	if calls == 0 {
		return
	}
	for _, op := range e.uses {
		op.Process, op.Type = history.Process(calls), history.Invoke
		e.extend(record(op), append(open[:len(open):len(open)], op), calls-1)
	}
}

func (e *enumeration) judge(ops, open []history.Op) {
	if len(open) > 0 && ops[len(ops)-1].Type == history.Invoke {
		return // what began at the end, and has no answer, changes nothing
	}
	valid, judged := agrees(e.t, e.thing, &history.History{Ops: ops}, Auto)
	if e.count++; judged && !valid {
		e.invalid++
	}
}
