package linear

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/anishathalye/porcupine"
	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Definition is what certificates call what this checker decides.
const Definition = "linearizable"

// Order is the evidence that the operations on a key are linearizable: their
// order, by the indices of their invocations. Each operation that was ok is in
// it, and those without an answer that took effect.
type Order struct {
	Order []int    `json:"order"`
	Took  [][2]int `json:"took,omitempty"` // dequeues without an answer, each with the enqueue of an element that it took
}

// Orders is the evidence that a history is linearizable.
type Orders struct {
	Orders []Order `json:"orders"`
}

// Refuted is the evidence that the operations on a key have no order, found by a
// search, which whoever verifies it does again.
type Refuted struct {
	Proof string `json:"proof"` // "search"
	Rule  string `json:"rule"`  // "prefix": all that began until then; "closed": of these, Ops
	Until *int   `json:"until"` // the index of a completion after which nothing matters
	Ops   []int  `json:"ops,omitempty"`
	Blind []int  `json:"blind,omitempty"` // those of Ops that are taken for writes, although they are compare-and-sets
	// Time is the real time that it takes: pairs of operations of which the first
	// ended before the second began. Nil is all of it.
	Time *[][2]int `json:"time,omitempty"`
}

// Parameters returns the model as certificates name it, or an error if it has
// an option that they cannot.
func (m Model) Parameters() (map[string]string, error) {
	p := map[string]string{"model": m.Name}
	if m.NilMatchesAny {
		p["nil"] = "any"
	}
	if slices.Contains(m.Options, "permits") {
		p["permits"] = strconv.Itoa(m.Permits)
	}
	if m.Limit > 0 {
		p["limit"] = strconv.Itoa(m.Limit)
	}
	if m.Owners && slices.Contains(m.Options, "owner") {
		p["owner"] = "process"
	}
	if nothingThere(m.Initial) {
		return p, nil
	}
	text := m.Initial.Text()
	if m.Initial.Kind() != history.KindString {
		text = m.Initial.String()
	}
	if !scalar(text).Equal(m.Initial) {
		return nil, checkers.NoClaimf("the initial value %v has no form that a certificate can hold", m.Initial)
	}
	p["initial"] = text
	return p, nil
}

// claim puts the evidence for a verdict together, key by key.
func (r Report) claim(m Model, verdict checkers.Verdict) (checkers.Claim, error) {
	parameters, err := m.Parameters()
	if err != nil {
		return checkers.Claim{}, err
	}
	claim := checkers.Claim{Definition: Definition, Parameters: parameters, Verdict: verdict}
	all := Orders{Orders: []Order{}}
	for _, k := range r.Keys {
		if k.Verdict != verdict {
			continue // it is idle, or does not matter
		}
		if k.prove == nil {
			return claim, checkers.NoClaimf("the engine %s gives no evidence", k.Engine)
		}
		evidence, err := k.prove()
		if err != nil {
			return claim, err
		}
		order, ok := evidence.(Order)
		if !ok {
			claim.Evidence = evidence
			return claim, nil
		}
		all.Orders = append(all.Orders, order)
	}
	claim.Evidence = all
	return claim, nil
}

// again does the searches of a key once more and returns the evidence they find.
// To do that is cheaper than to keep the evidence that nobody may ask for.
type again struct {
	calls []history.Call
	opts  Options
}

func (a again) prove() (any, error) {
	b := newBudget(context.Background(), a.opts)
	defer b.stop()
	parts, err := a.parts()
	if err != nil {
		return nil, err
	}
	order := Order{}
	var merged []step
	for _, p := range parts {
		result := p.search(a.opts.Engine, b)
		switch result.verdict {
		case checkers.Unknown:
			return nil, checkers.NoClaimf("the search for it %s", b.reason())
		case checkers.Invalid:
			return a.refuted(p, result, b)
		}
		var ops []int32
		if result.search != nil {
			ops = result.search.order(func(op int32, x *act) { order.Took = p.took(order.Took, op, x) })
		} else if ops, err = p.porcupineOrder(b); err != nil {
			return nil, err
		}
		merged = append(merged, p.steps(ops)...)
	}
	order.Order = weave(a.calls, merged)
	return order, nil
}

// parts decodes the calls as the check did.
func (a again) parts() ([]*problem, error) {
	if !a.opts.Model.isRegister(a.calls) {
		p, err := newProblem(a.opts.Model, a.calls)
		if err != nil {
			return nil, err
		}
		return p.parts(), nil
	}
	r, err := a.opts.Model.decode(a.calls)
	if err != nil {
		return nil, err
	}
	return []*problem{r.problem(dropUnobserved(r.ops, r.values.Len()))}, nil
}

// took notes which element a dequeue without an answer took, by its enqueue.
func (p *problem) took(list [][2]int, op int32, x *act) [][2]int {
	if p.ops[op].verb == x.verb {
		return list // it is clear what it did
	}
	put := slices.IndexFunc(p.ops, func(y act) bool { return y.verb == queuePut && y.a == x.a })
	return append(list, [2]int{p.index(op), p.index(int32(put))})
}

// index returns the index of the invocation of an operation.
func (p *problem) index(op int32) int { return p.calls[p.ops[op].call].Invoke.Index }

// step is an operation of an order, and a moment at which it may have taken effect.
type step struct {
	call, at int32
}

// steps gives each operation of an order the first moment that it can have.
func (p *problem) steps(order []int32) []step {
	list := make([]step, len(order))
	last := none
	for i, op := range order {
		last = max(last, p.ops[op].inv)
		list[i] = step{p.ops[op].call, last}
	}
	return list
}

// weave makes one order of those of independent parts, and of the operations that
// fit anywhere, which no part has.
func weave(calls []history.Call, steps []step) []int {
	there := make([]bool, len(calls))
	for _, s := range steps {
		there[s.call] = true
	}
	for i, c := range calls {
		if c.Type() == history.OK && !there[i] {
			steps = append(steps, step{int32(i), int32(c.Invoke.Index)})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	order := make([]int, len(steps))
	for i, s := range steps {
		order[i] = calls[s.call].Invoke.Index
	}
	return order
}

// porcupineOrder has Porcupine tell the order that it finds.
func (p *problem) porcupineOrder(b *budget) ([]int32, error) {
	result, info := porcupine.CheckOperationsVerbose(p.porcupineModel(b), p.operations(), b.left())
	if b.verdict(result) != checkers.OK {
		return nil, checkers.NoClaimf("Porcupine did not find the order again")
	}
	var order []int32
	state := p.first
	for _, i := range info.PartialLinearizations()[0][0] {
		to, ok := p.step(state, &p.ops[i])
		if !ok {
			continue // it has no answer, and did not happen
		}
		state = to
		order = append(order, int32(i))
	}
	return order, nil
}

// refuted returns the evidence that a part has no order: few operations, if that
// can be, with the real time among them that it takes.
func (a again) refuted(p *problem, result found, b *budget) (any, error) {
	until := int(p.last())
	if result.search == nil {
		return Refuted{Proof: "search", Rule: "prefix", Until: &until}, p.repeatable(until, b)
	}
	until = p.until(result, b)
	proof := Refuted{Proof: "search", Rule: "closed", Until: &until}
	rest, ok := p, false
	if !a.opts.Model.isRegister(a.calls) {
		proof.Ops, rest, ok = p.closed(a.opts.Model, until, b)
	} else if len(p.ops) <= manyOps {
		r, err := a.opts.Model.decode(a.calls)
		if err != nil {
			return nil, err
		}
		proof.Ops, proof.Blind, rest = r.closed(result, b)
		ok = true
	}
	if k, small := tie(rest, rest, b); ok && small && !k.possible(k.before, 0) {
		proof.Time = k.time()
		return proof, nil
	}
	if ok && result.search.steps >= small {
		return proof, nil
	}
	proof = Refuted{Proof: "search", Rule: "prefix", Until: &until}
	if k, small := tie(p.ended(int32(until)), p, b); small && !k.possible(k.before, 0) {
		proof.Time = k.time()
	}
	return proof, p.repeatable(until, b)
}

// time returns the pairs of the real time that it takes.
func (k *knot) time() *[][2]int {
	list := make([][2]int, 0, len(k.ops))
	for _, p := range pairs(k.needed()) {
		list = append(list, [2]int{k.index(int32(p[0])), k.index(int32(p[1]))})
	}
	if k.spent() {
		return nil
	}
	return &list
}

// verifiable is how many steps a search may take that somebody else is to repeat
// by simpler means.
const verifiable = 200_000

// repeatable fails if whoever verifies that nothing explains the history up to a
// time would have to search for too long. They have no foresight.
func (p *problem) repeatable(until int, b *budget) error {
	f, ok := newFrontier(p.ended(int32(until)), b)
	if ok {
		f.outlook, f.limit = nil, verifiable
		_, ok = f.run()
	}
	if !ok {
		return checkers.NoClaimf("the search that would confirm it takes too long")
	}
	return nil
}

// until returns a response such that what was known then had no order. The
// search knows a little more at each response: answers that were yet to come.
func (p *problem) until(result found, b *budget) int {
	return int(p.fatal(result.search, b, p.hindsight(result.search.until()), p.ended))
}

// hindsight reports whether it makes a difference to know the answers that came
// later.
func (p *problem) hindsight(until int32) bool {
	f, ok := p.object.(forgetful)
	return ok && slices.ContainsFunc(p.ops, func(x act) bool {
		y := f.forget(x)
		return x.inv < until && x.res > until && x.kind() != y.kind()
	})
}

// closed returns the operations on the values that a small violation needs, if
// the model is one whose values others can be left out of. They are all
// operations on these values, and with them those on none in particular. It also
// returns what is left of the problem with these alone.
func (p *problem) closed(m Model, until int, b *budget) ([]int, *problem, bool) {
	r, reduces := p.object.(reducible)
	v, ok := p.object.(valued)
	whole, err := decoded(m, p.calls)
	if !ok || !reduces || err != nil {
		return nil, p, false
	}
	e := &effort{b, patience}
	core := p.ended(int32(until)).dropPure(e).dropValues(r, e)
	whole = whole.ended(int32(until))
	kept, there := make([]bool, r.size()), make([]bool, len(p.calls))
	for i := range core.ops {
		x := &core.ops[i]
		there[x.call] = true
		if n, ok := v.value(x); ok {
			kept[n] = true
		}
	}
	var ops []int
	rest, out := whole.with(nil), make([]bool, r.size())
	for i := range whole.ops {
		x := &whole.ops[i]
		n, ok := v.value(x)
		if ok && kept[n] || !ok && (there[x.call] || !p.pure(x)) {
			ops = append(ops, whole.index(int32(i)))
			rest.ops = append(rest.ops, *x)
		} else if ok && !p.pure(x) {
			out[n] = true
		}
	}
	for n, leave := range out {
		if leave {
			rest = rest.with(rest.object.(reducible).without(rest.ops, int64(n)))
		}
	}
	return ops, rest, true
}

// closed returns what a small violation needs: of each value that was found, all
// that may have written it, with those that are taken for writes. What had been
// overwritten needs a write that came in between. It also returns the problem with
// these alone.
func (r *register) closed(result found, b *budget) (ops, blind []int, rest *problem) {
	core := reduce(r, dropUnobserved(r.ops, r.values.Len()), result, b)
	from := make(map[int32]int32) // by call, what it found; none if that does not matter
	found := make(map[int32]bool)
	for _, o := range core {
		from[o.call] = o.from
		found[o.from] = true
	}
	listed := make(map[int32]bool)
	for _, o := range r.ops {
		_, ok := from[o.call]
		if listed[o.call] = listed[o.call] || ok; ok || o.isRead() || !found[o.to] || o.inv >= result.search.until() {
			continue
		}
		listed[o.call] = true
		if i := covering(r.ops, o, earliest(core, o.to)); i >= 0 {
			listed[r.ops[i].call] = true
		}
	}
	var left []op
	for _, o := range r.ops {
		if !listed[o.call] {
			continue
		}
		ops = append(ops, r.calls[o.call].Invoke.Index)
		if v, ok := from[o.call]; o.isCAS() && (!ok || v == none) {
			blind = append(blind, r.calls[o.call].Invoke.Index)
			o.from = none
		}
		left = append(left, o)
	}
	return ops, blind, r.problem(left).prefix(result.search.until())
}

// small is how many steps a search may take so that it is not worth while to
// prove with fewer operations.
var small = 1 << 16
