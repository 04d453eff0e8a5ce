package linear

import (
	"context"
	"fmt"
	"runtime/metrics"
	"sync/atomic"
	"time"

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
	steps    int                    // of each search along the frontier; 0 is no limit
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
	case context.Cause(b.ctx) != nil:
		b.exhaust("was stopped: " + context.Cause(b.ctx).Error())
	case time.Now().After(b.deadline):
		b.exhaust(fmt.Sprintf("ran out of its time of %v", b.timeout))
	case heap() > b.base+b.memory:
		b.exhaust(fmt.Sprintf("ran out of its memory of %d MiB", b.memory>>20))
	}
	return b.spent.Load() != nil
}

func (b *budget) exhaust(what string) { b.spent.CompareAndSwap(nil, &what) }

// reason says what ran out.
func (b *budget) reason() string {
	if what := b.spent.Load(); what != nil {
		return *what
	}
	return fmt.Sprintf("was ended after %d steps", b.steps)
}

// heap returns the bytes in use by objects of the heap.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// lookEvery is how many steps a search makes between looks at its budget.
const lookEvery = 1 << 10

// left returns the time that is left, which is never none at all.
func (b *budget) left() time.Duration { return max(time.Until(b.deadline), time.Millisecond) }

// found is what a search found out about a problem.
type found struct {
	verdict checkers.Verdict
	engine  Engine
	search  *frontier // if it was the frontier that searched
}

// search looks for an order of the operations of p: along the frontier, or with
// Porcupine if too many operations are open at a time for that. It says unknown
// when the budget is exhausted.
func (p *problem) search(engine Engine, b *budget) found {
	if b.look() {
		return found{verdict: checkers.Unknown, engine: engine}
	}
	if engine != Porcupine {
		if f, ok := newFrontier(p, b); ok {
			return found{f.verdict(), Frontier, f}
		} else if engine == Auto && b.steps > 0 {
			return found{verdict: checkers.Unknown, engine: Porcupine} // which has no turns
		} else if engine == Frontier {
			b.exhaust(fmt.Sprintf("gave up: more than %d operations are open at a time, which is too many for the frontier", width))
			return found{verdict: checkers.Unknown, engine: Frontier}
		}
	}
	return found{verdict: p.porcupine(b), engine: Porcupine}
}

// verdict searches for an order.
func (f *frontier) verdict() checkers.Verdict {
	switch found, done := f.run(); {
	case found:
		return checkers.OK
	case done:
		return checkers.Invalid
	default:
		return checkers.Unknown
	}
}

// search has the key judged by search, part by part, and makes a violation small.
func (k *KeyReport) search(p *problem, opts Options, b *budget) {
	for _, part := range p.parts() {
		result := part.search(opts.Engine, b)
		k.Engine = result.engine.String()
		switch result.verdict {
		case checkers.Unknown:
			k.Verdict = checkers.Unknown
			k.exhausted(len(part.ops), b)
		case checkers.Invalid:
			k.Verdict, k.Reason, k.putOff = checkers.Invalid, "", false
			k.Anomalies = []checkers.Anomaly{part.explain(result, b)}
			return
		}
	}
}

// exhausted says why the key is undecided.
func (k *KeyReport) exhausted(ops int, b *budget) {
	what := b.spent.Load()
	if k.putOff = what == nil; k.putOff {
		k.Reason = fmt.Sprintf("the search for an order of %d operations was put off, and another key is invalid", ops)
		return
	}
	k.Reason = fmt.Sprintf("the search for an order of %d operations %s", ops, *what)
}

// searchRegister has a register judged by search, and makes a violation small.
func (k *KeyReport) searchRegister(r *register, ops []op, opts Options, b *budget) {
	k.Engine = opts.Engine.String()
	if f, ok := absurd(ops, r.values.Len()); ok {
		k.Verdict = checkers.Invalid
		k.Anomalies = newZones(r, ops).explain([]finding{f}, 1)
		k.prove = func() (any, error) { return unwrittenBy(r, ops, f), nil }
		return
	}
	k.prove = again{r.calls, opts}.prove
	result := r.problem(ops).search(opts.Engine, b)
	k.Verdict, k.Engine = result.verdict, result.engine.String()
	switch k.Verdict {
	case checkers.Unknown:
		k.exhausted(len(ops), b)
	case checkers.Invalid:
		k.Anomalies = []checkers.Anomaly{r.explainSearch(ops, result, b)}
	}
}
