// Package gen says what clients and the nemesis do, and when.
//
// A [Gen] is a value that is asked for the next operation. It answers in one of
// three ways: here is an operation, start it now; nothing at the moment, ask me
// again later ([Pending]); nothing ever again ([Done]). Generators are combined
// into bigger ones:
//
//	gen.Phases(
//		gen.TimeLimit(time.Minute, gen.Any(
//			gen.OnClients(gen.Rate(src, "rate", 200, gen.Mix(src, "mix", reads, writes))),
//			gen.OnNemesis(gen.Cycle(0, gen.Sequence(
//				gen.Sleep(10*time.Second), gen.Ops(cut), gen.Sleep(5*time.Second), gen.Ops(heal)))),
//		)),
//		gen.OnNemesis(gen.Ops(healAll)),
//		gen.Final(gen.OnClients(gen.EachNode(gen.Ops(read)))),
//	)
//
// # Pure values
//
// A generator never changes. Next and Update return its successor, and the
// caller decides which of them lives on. Generators read no clock but
// [Context.Time], start nothing, and draw no random number but from a
// [choice.Source] under a label of their own, by a counter that is part of
// their value. So the same generator, asked in the same situations, always
// gives the same operations; and [Simulate] shows its whole schedule without a
// thread, a cluster or a second of waiting.
//
// # The contract of Next
//
//   - Ready: the operation in the result has a process that is free in the
//     context. Its Time is the moment at which it was due: now, or earlier when
//     it had to wait for a free client. Whoever asked either starts it and
//     keeps the successor, or forgets both as if it had never asked.
//   - Pending: whoever asked keeps the successor and asks again when something
//     was started or completed, and at the latest at Result.Wake. How often that
//     happens is chance, so the successor must not count it: it is the generator
//     itself, unless that noted when it began to wait.
//   - Done: never ask again. The successor has no meaning.
//
// There are no operations in the future: a generator that knows that its next
// operation is due at some later time is Pending until then. A generator that
// is Pending without a time to wake at, while nothing is under way, would wait
// for ever; [Simulate] and the runner report that as an error.
//
// # The contract of Update
//
// Every operation that was started, and every completion, is shown to the
// generator through Update, whether it came from this generator or not.
// Combinators that restrict a generator to some threads or keys show it only
// what concerns those.
//
// # Threads, processes and nodes
//
// A thread is a client's place in the run, from 0; it belongs to the node
// thread mod nodes, for good. A process is the logical process that works on
// the thread just now: after an operation ended as info its process is retired
// and the thread goes on as process + number of clients. The nemesis is one
// more thread, which only generators under [OnNemesis] use.
//
// Most of the vocabulary, and what it means, is Jepsen's (jepsen.generator).
package gen

import (
	"errors"
	"math"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Gen is a generator of operations. See the package comment for the contract
// of its methods. Implement it on a pointer type: combinators compare
// generators with == to see whether anything changed.
type Gen interface {
	// Next says what to do now, and what the generator becomes by that.
	Next(ctx *Context) (Result, Gen)
	// Update returns what the generator becomes when ev, an operation that was
	// just started or completed, has happened. The type of one that was started
	// is Invoke, for the nemesis as well. Update must not change ev or keep it.
	// In the context, the thread of ev is already busy or free; after an info
	// the thread already has its new process.
	Update(ctx *Context, ev *history.Op) Gen
}

// Kind says what a [Result] is.
type Kind uint8

// The answers of a generator.
const (
	Done    Kind = iota // nothing ever again
	Pending             // nothing at the moment
	Ready               // an operation to start now
)

// Never is the time to wake at for a generator that only waits for operations
// to be started or completed.
const Never int64 = math.MaxInt64

// ErrStuck says that a generator waits for an operation to be started or
// completed while none is under way and none will be.
var ErrStuck = errors.New("gen: the generator waits for something to happen, but nothing is under way: " +
	"it may be restricted to threads that do not exist, or wait for its own operations")

// Result is what a generator answers. The zero Result is Done.
type Result struct {
	Kind Kind
	Op   history.Op // of Ready
	Wake int64      // of Pending: when to ask again at the latest, or Never

	// Queue is how many operations are due and were not started, the one in
	// Op included: the backlog of [Rate]. Of Done, it is how many were never
	// started at all.
	Queue int
}

// Wait returns the answer Pending, to be asked again at the given time at the
// latest. Use Never if only an event can change the answer.
func Wait(until int64) Result { return Result{Kind: Pending, Wake: until} }

// Emit returns op as the answer Ready, given to a free thread of the context,
// which is chosen fairly; or Pending if none is free. All generators of this
// package that make operations do it with Emit.
func Emit(ctx *Context, op history.Op) Result {
	p, ok := ctx.Pick()
	if !ok {
		return Wait(Never)
	}
	op.Process, op.Time, op.Type = p, ctx.Time, history.Invoke
	return Result{Kind: Ready, Op: op}
}

// Nothing returns a generator that is done. A nil Gen given to any combinator
// means the same.
func Nothing() Gen { return &nothing{} }

type nothing struct{ _ byte } // not of size zero, so that pointers differ

func (g *nothing) Next(*Context) (Result, Gen)      { return Result{}, g }
func (g *nothing) Update(*Context, *history.Op) Gen { return g }

func orNothing(g Gen) Gen {
	if g == nil {
		return Nothing()
	}
	return g
}

func orNothings(gens []Gen) []Gen {
	out := make([]Gen, len(gens))
	for i, g := range gens {
		out[i] = orNothing(g)
	}
	return out
}
