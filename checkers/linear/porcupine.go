package linear

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/anishathalye/porcupine"
	"github.com/ordeal-dev/ordeal/checkers"
)

// porcupine searches for an order with Porcupine, for which it makes no
// difference how many operations are open at a time. It returns Unknown when the
// budget is exhausted.
func (p *problem) porcupine(b *budget) checkers.Verdict {
	if p.guesses() {
		b.exhaust("gave up: Porcupine cannot follow operations that may have done one of many things, and for the frontier too many are open")
		return checkers.Unknown
	}
	result := porcupine.CheckOperationsTimeout(p.porcupineModel(b), p.operations(), b.left())
	return b.verdict(result)
}

// verdict reads a result of Porcupine.
func (b *budget) verdict(result porcupine.CheckResult) checkers.Verdict {
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

// guesses reports whether there are operations that may do several things.
func (p *problem) guesses() bool {
	v, ok := p.object.(various)
	for i := range p.ops {
		if ok && p.ops[i].isInfo() && v.variants(&p.ops[i]) != nil {
			return true
		}
	}
	return false
}

func (p *problem) porcupineModel(b *budget) porcupine.Model {
	steps := 0
	states := make(boxes)
	return porcupine.Model{
		Init: func() any { return states.of(p.first) },
		StepContext: func(ctx context.Context, state, input, _ any) (bool, any) {
			// Refusing every step brings the search to its end: it goes back
			// through what it had and finds nothing more to try.
			if steps++; steps%lookEvery == 0 && b.look() || b.spent.Load() != nil || context.Cause(ctx) != nil {
				return false, state
			}
			x := input.(*act)
			to, ok := p.step(state.(int64), x)
			if !ok {
				// What has no answer may come last, where nobody sees what it did.
				return x.isInfo(), state
			}
			return true, states.of(to)
		},
		Equal: func(a, b any) bool { return a.(int64) == b.(int64) },
		Hash:  func(state any) uint64 { return maphash.Comparable(seed, state.(int64)) },
	}
}

// seed is that of the hashes of states, which never leave a search.
var seed = maphash.MakeSeed()

// boxes has states as interfaces, so that a step does not have to allocate one.
type boxes map[int64]any

func (b boxes) of(state int64) any {
	box, ok := b[state]
	if !ok {
		box = state
		b[state] = box
	}
	return box
}

func (p *problem) operations() []porcupine.Operation {
	list := make([]porcupine.Operation, len(p.ops))
	for i := range p.ops {
		list[i] = porcupine.Operation{Input: &p.ops[i], Call: int64(p.ops[i].inv), Return: int64(p.ops[i].res)}
	}
	return list
}
