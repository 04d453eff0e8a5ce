package linear

import (
	"context"
	"fmt"
	"hash/maphash"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/ordeal-dev/ordeal/checkers"
)

// budget is what the searches of one check may use together. When it is
// exhausted, all of them come to an end.
type budget struct {
	ctx      context.Context
	cancel   context.CancelFunc
	deadline time.Time
	timeout  time.Duration
	memory   uint64
	base     uint64
	spent    atomic.Pointer[string] // what ran out
}

func newBudget(ctx context.Context, opts Options) *budget {
	b := &budget{timeout: opts.Timeout, deadline: time.Now().Add(opts.Timeout), memory: opts.Memory, base: heap()}
	b.ctx, b.cancel = context.WithCancel(ctx)
	return b
}

func (b *budget) stop() { b.cancel() }

// look ends the search if time or memory are exhausted, and reports whether it
// has ended.
func (b *budget) look() bool {
	switch {
	case b.ctx.Err() != nil:
		b.exhaust("was stopped: " + context.Cause(b.ctx).Error())
	case time.Now().After(b.deadline):
		b.exhaust(fmt.Sprintf("ran out of its time of %v", b.timeout))
	case heap() > b.base+b.memory:
		b.exhaust(fmt.Sprintf("ran out of its memory of %d MiB", b.memory>>20))
	}
	return b.spent.Load() != nil
}

func (b *budget) exhaust(what string) { b.spent.CompareAndSwap(nil, &what) }

// heap returns the bytes in use by objects of the heap.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// lookEvery is how many steps a search makes between looks at its budget.
const lookEvery = 1 << 10

// linearizable searches for an order of the operations with Porcupine. It
// returns Unknown when the budget is exhausted.
func linearizable(ops []op, values int, b *budget) checkers.Verdict {
	steps := 0
	states := boxed(values)
	model := porcupine.Model{
		Init: func() any { return states[initial] },
		StepContext: func(ctx context.Context, state, input, _ any) (bool, any) {
			// Refusing every step brings the search to its end: it goes back
			// through what it had and finds nothing more to try.
			if steps++; steps%lookEvery == 0 && b.look() || b.spent.Load() != nil || ctx.Err() != nil {
				return false, state
			}
			to, ok := step(input.(*op), state.(int32))
			return ok, states[to]
		},
		Equal: func(a, b any) bool { return a.(int32) == b.(int32) },
		Hash:  func(state any) uint64 { return maphash.Comparable(seed, state.(int32)) },
	}
	if b.look() {
		return checkers.Unknown
	}
	result := porcupine.CheckOperationsTimeout(model, operations(ops), max(time.Until(b.deadline), time.Millisecond))
	switch {
	case result == porcupine.Ok:
		return checkers.OK
	case result == porcupine.Unknown:
		b.exhaust(fmt.Sprintf("ran out of its time of %v", b.timeout))
		return checkers.Unknown
	case b.look():
		return checkers.Unknown
	default:
		return checkers.Invalid
	}
}

// seed is that of the hashes of states, which never leave a search.
var seed = maphash.MakeSeed()

// boxed returns the numbers of values as interfaces, so that a step does not
// have to allocate one.
func boxed(values int) []any {
	states := make([]any, values)
	for v := range states {
		states[v] = int32(v)
	}
	return states
}

// step applies an operation to a register that holds v. A compare-and-set whose
// outcome is unknown may come last, where nobody sees what it did, so it can be
// taken to apply exactly where it finds its value.
func step(o *op, v int32) (int32, bool) {
	switch {
	case o.isRead():
		return v, o.from == v
	case !o.isCAS() || o.from == v:
		return o.to, true
	default:
		return v, o.isInfo()
	}
}

func operations(ops []op) []porcupine.Operation {
	list := make([]porcupine.Operation, len(ops))
	for i := range ops {
		list[i] = porcupine.Operation{Input: &ops[i], Call: int64(ops[i].inv), Return: int64(ops[i].res)}
	}
	return list
}

// absurd finds an observation that no order can explain, because every write of
// its value began after it, or there is none. It takes no search to see that.
// Info operations need not have happened, so they can always be explained.
func absurd(ops []op, values int) (finding, bool) {
	first := make([]int32, values)
	for v := range first {
		first[v] = none
	}
	for i, o := range ops {
		if o.to != none && first[o.to] == none {
			first[o.to] = int32(i)
		}
	}
	for i, o := range ops {
		switch {
		case o.from == none || o.from == initial || o.isInfo():
		case first[o.from] == none:
			return finding{kind: unwritten, ops: []int32{int32(i)}}, true
		case o.res < ops[first[o.from]].inv:
			return finding{kind: future, ops: []int32{first[o.from], int32(i)}}, true
		}
	}
	return finding{}, false
}

// search has the key judged by Porcupine, and makes a violation small.
func (k *KeyReport) search(r *register, ops []op, b *budget) {
	k.Engine = Porcupine.String()
	if f, ok := absurd(ops, r.values.Len()); ok {
		k.Verdict = checkers.Invalid
		k.Anomalies = newZones(r, ops).explain([]finding{f}, 1)
		return
	}
	k.Verdict = linearizable(ops, r.values.Len(), b)
	switch k.Verdict {
	case checkers.Unknown:
		k.Reason = fmt.Sprintf("the search for an order of %d operations %s", len(ops), *b.spent.Load())
	case checkers.Invalid:
		k.Anomalies = []checkers.Anomaly{explainSearch(r, reduce(ops, r.values.Len(), b))}
	}
}
