package run

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/store"
	"github.com/ordeal-dev/ordeal/nemesis"
)

// Recording is what an earlier run left that can be repeated.
type Recording struct {
	Choices []history.Op // what generators and faults decided
	Trace   []byte       // of all that was delivered; empty in worlds that have none
}

// ReadRecording reads the recording of a run. Its choices may also be there as
// plain lines, under the name without .zst: the form in which they are edited.
func ReadRecording(dir *store.Run) (*Recording, error) {
	path := dir.Path(strings.TrimSuffix(store.ChoicesFile, ".zst"))
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		path = dir.Path(store.ChoicesFile)
	}
	choices, err := history.Open(path)
	if err != nil {
		return nil, err
	}
	trace, err := os.ReadFile(dir.Path(store.TraceFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &Recording{Choices: choices.Ops, Trace: trace}, nil
}

// generators returns generators that do what was recorded, at the same times.
// The runner of the nemesis gets the aims that were taken.
func (r *Recording) generators(runner *nemesis.Runner, clients int) (load, faults gen.Gen, err error) {
	if len(r.Choices) == 0 {
		return nil, nil, errors.New("the recording has no choices to follow")
	}
	var ops, steps []history.Op
	choices, end := r.load()
	for _, op := range choices {
		switch {
		case op.Process != history.Nemesis:
			ops = append(ops, op)
		case op.Value.Get("step").Text() == "aim":
			runner.Follow(op.Value)
		default:
			steps = append(steps, op)
		}
	}
	first := r.Choices[0].Time
	return &script{ops: ops, first: first, end: end, clients: clients}, &script{ops: steps, first: first, end: end}, nil
}

// load returns the choices that were made under load, and when that ended.
// What healed the rest and the final phase are no choices: they follow from the
// plan. A run that was cut short has no end; it is over with its last choice.
func (r *Recording) load() (choices []history.Op, end int64) {
	for i, op := range r.Choices {
		over := op.Process == history.Nemesis && op.Value.Get("step").Text() == healAll
		if over || op.Final {
			return r.Choices[:i], op.Time
		}
	}
	return r.Choices, 0
}

// script starts recorded operations at their recorded times. If it is asked
// for the first time only after the first of them was due, as when a cluster
// took longer to get ready, all times are moved by as much.
type script struct {
	ops     []history.Op
	first   int64 // the time of the first operation of the whole recording
	end     int64 // of the load; the script is not done before
	clients int   // 0 for the nemesis
	asked   bool
	shift   int64
}

// Next returns the next operation when it is due and its thread is free.
func (s *script) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	if !s.asked {
		next := *s
		next.asked, next.shift = true, max(0, ctx.Time-s.first)
		s = &next
	}
	if len(s.ops) == 0 {
		if end := s.end + s.shift; ctx.Time < end {
			return gen.Wait(end), s
		}
		return gen.Result{}, s
	}
	op := s.ops[0]
	if due := op.Time + s.shift; ctx.Time < due {
		return gen.Wait(due), s
	}
	process, free := s.process(ctx, op)
	if !free {
		return gen.Wait(gen.Never), s
	}
	next := *s
	next.ops = s.ops[1:]
	return gen.Result{Kind: gen.Ready, Op: history.Op{
		Process: process, Time: ctx.Time, Type: history.Invoke, F: op.F, Key: op.Key, Value: op.Value,
	}}, &next
}

// process returns the process that works on the recorded thread now.
func (s *script) process(ctx *gen.Context, op history.Op) (p history.Process, free bool) {
	if s.clients == 0 {
		return history.Nemesis, ctx.NemesisFree()
	}
	thread := int(op.Process) % s.clients
	return ctx.Process(thread), ctx.IsFree(thread)
}

// Update changes nothing.
func (s *script) Update(*gen.Context, *history.Op) gen.Gen { return s }
