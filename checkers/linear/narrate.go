package linear

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// The most that an explanation of a search has of something.
const (
	maxSteps   = 6 // of the longest order, the last ones
	maxReasons = 3 // why the operation that blocks it was refused
	maxOrders  = 3 // that answers allow
)

// anomaly explains why operations have no order. If since is not nil, everything
// before that moment was left out, and else other operations of the whole were.
func (p *problem) anomaly(since *int32, whole *problem, b *budget) checkers.Anomaly {
	a := checkers.Anomaly{Name: nameless}
	if k, ok := tie(p, whole, b); ok {
		a.Name = k.name()
		if k.left = trials; k.explain(&a) {
			a.Explanation = p.since(p.clock(), since) + a.Explanation
			return a
		}
	}
	a.Ops, a.Edges = nil, nil
	for i := range p.ops {
		a.Ops = append(a.Ops, p.index(int32(i)))
	}
	clock := p.clock()
	f, ok := newFrontier(p, b)
	if !ok {
		a.Explanation = fmt.Sprintf("no order of these %d operations that keeps to real time explains them: more than %d are open at a time", len(p.ops), width)
		return a
	}
	f.record, f.limit, f.outlook = true, patience/10, nil
	if _, done := f.run(); !done {
		a.Explanation = fmt.Sprintf("no order of these %d operations that keeps to real time explains all that was found", len(p.ops))
		return a
	}
	blocked := &p.ops[f.events[f.deep].op]
	if n, ok := p.object.(named); ok && a.Name == nameless {
		if name := n.name(blocked, nil); name != "" {
			a.Name = name
		}
	}
	a.Explanation = fmt.Sprintf("%s%s fits in no order that keeps to real time: %s%s", p.since(clock, since),
		p.did(clock, blocked), p.after(clock, f.best), strings.Join(f.reasons(blocked), "; in another order "))
	return a
}

// explain explains a violation of few operations: by an argument about their
// order, by counting, by the orders that their answers allow, or by how far an
// order gets. It reports false if all that takes too long.
func (k *knot) explain(a *checkers.Anomaly) bool {
	ops := uint64(1)<<len(k.ops) - 1
	if proof := k.argue(); proof != nil {
		a.Explanation, a.Edges, ops = proof.tell()
	} else if text, counted := k.count(); text != "" {
		a.Explanation, ops = text, counted
		a.Edges = k.timeEdges(reduced(k.among(ops)))
	} else if text, needed := k.alternatives(); text != "" {
		a.Explanation, a.Edges = text, k.timeEdges(needed)
	} else {
		a.Explanation, a.Edges = k.blocked(), k.timeEdges(reduced(k.before))
	}
	for i := range k.ops {
		if ops&(1<<i) != 0 {
			a.Ops = append(a.Ops, k.index(int32(i)))
		}
	}
	return !k.spent()
}

// tell puts an argument into words, and says which operations it takes.
func (a *reasoning) tell() (string, []checkers.Edge, uint64) {
	ops := uint64(0)
	var edges []checkers.Edge
	var list []string
	for _, f := range a.proof() {
		ops |= f.via | 1<<f.from | 1<<f.to
		edges = append(edges, a.edge(f))
		list = append(list, f.why)
	}
	var text string
	if a.stuck != nil {
		text = a.stuck.why
		ops |= a.stuck.via | 1<<a.stuck.to
	} else {
		last := len(list) - 1
		text = strings.Join(list[:last], "; and ") + "; but " + list[last]
	}
	for seen := uint64(0); seen != ops; {
		i := bits.TrailingZeros64(ops &^ seen)
		seen |= 1 << i
		if a.ops[i].isInfo() {
			ops |= 1 << a.by[i]
		}
		if a.call(i).Type() != history.OK {
			text += fmt.Sprintf("; %s had no answer, but it happened, for %s has what it found from nobody else", a.called(i), a.called(a.by[i]))
		}
	}
	return text, edges, ops
}

// edge is a fact for readers.
func (k *knot) edge(f fact) checkers.Edge {
	e := checkers.Edge{From: k.index(int32(f.from)), To: k.index(int32(f.to)), Kind: f.kind, Why: f.why}
	for i := range k.ops {
		if f.via&(1<<i) != 0 {
			e.Via = append(e.Via, k.index(int32(i)))
		}
	}
	return e
}

// among is the real time among some operations.
func (k *knot) among(ops uint64) []uint64 {
	before := make([]uint64, len(k.ops))
	for i := range k.ops {
		if ops&(1<<i) != 0 {
			before[i] = k.before[i] & ops
		}
	}
	return before
}

// timeEdges returns real time as steps.
func (k *knot) timeEdges(before []uint64) []checkers.Edge {
	var edges []checkers.Edge
	for _, p := range pairs(before) {
		edges = append(edges, k.edge(fact{from: p[0], to: p[1], kind: realTime, why: k.overBefore(p[0], p[1])}))
	}
	return edges
}

// overBefore says that one operation ended before another began.
func (k *knot) overBefore(a, b int) string {
	clock := k.clock()
	return fmt.Sprintf("%s ended at %s, before %s began at %s", k.called(a), clock.At(k.call(a).Complete), k.called(b), clock.At(k.call(b).Invoke))
}

func (k *knot) call(i int) history.Call { return k.calls[k.ops[i].call] }

// called is a short name of an operation, with its time where others are called
// the same.
func (k *knot) called(i int) string {
	name := calling(k.call(i))
	for j := range k.ops {
		if j != i && calling(k.call(j)) == name {
			return fmt.Sprintf("%s at %s", name, k.clock().At(k.call(i).Invoke))
		}
	}
	return name
}

// calling says who called what.
func calling(c history.Call) string {
	if c.Invoke.F == "txn" {
		return fmt.Sprintf("the txn %v by process %v", c.Value(), c.Invoke.Process)
	}
	if v := argument(c); !nothingThere(c.Invoke.Value) {
		return fmt.Sprintf("the %s of %v by process %v", c.Invoke.F, v, c.Invoke.Process)
	}
	return fmt.Sprintf("the %s by process %v", c.Invoke.F, c.Invoke.Process)
}

// counted is a spec some of whose violations are seen by counting.
type counted interface {
	// count says why x, the last operation, cannot have had its answer, whatever the
	// order was, and which operations that takes; nothing if counting does not tell.
	count(x *act, k *knot) (string, uint64)
}

func (k *knot) count() (string, uint64) {
	c, ok := k.object.(counted)
	if !ok {
		return "", 0
	}
	return c.count(&k.ops[k.last], k)
}

// alternatives tells the orders that the answers allow, if they are few, and what
// speaks against each, for which it takes as little of the real time as possible.
func (k *knot) alternatives() (string, []uint64) {
	all := k.orders(maxOrders + 1)
	if len(all) == 0 || len(all) > maxOrders || k.spent() {
		return "", nil
	}
	needed := k.needed()
	var list []string
	for _, order := range all {
		list = append(list, fmt.Sprintf("%s, although %s", k.sequence(order), k.against(order, needed)))
	}
	ways := "one order"
	if len(all) > 1 {
		ways = fmt.Sprintf("%d orders", len(all))
	}
	return fmt.Sprintf("the answers allow only %s: %s", ways, strings.Join(list, "; or ")), needed
}

// against returns what an order does not keep to.
func (k *knot) against(order []int, needed []uint64) string {
	for _, p := range pairs(needed) {
		a, b := slices.Index(order, p[0]), slices.Index(order, p[1])
		if b >= 0 && a > b {
			return k.overBefore(p[0], p[1])
		}
	}
	panic("linear: an order that keeps to real time")
}

func (k *knot) sequence(order []int) string {
	var list []string
	for _, i := range order {
		list = append(list, k.called(i))
	}
	return strings.Join(list, ", then ")
}

// blocked tells the longest order, and why nothing can be next.
func (k *knot) blocked() string {
	order, end := k.furthest()
	if k.spent() {
		return ""
	}
	text := "none of these can be first: "
	if len(order) > 0 {
		text = fmt.Sprintf("these can be ordered thus: %s; after that %s, and none of the others can be next: ", k.sequence(order), k.holds(end.state))
	}
	var list []string
	for i := range k.ops {
		if x := &k.ops[i]; end.done&(1<<i) == 0 && k.before[i]&^end.done == 0 {
			list = append(list, fmt.Sprintf("%s cannot, for %s", k.did(k.clock(), x), k.why(end.state, x)))
		}
	}
	return text + strings.Join(list, "; ")
}

// after tells the end of the longest order.
func (p *problem) after(clock checkers.Clock, best []int32) string {
	if len(best) == 0 {
		return "at first "
	}
	var steps []string
	for _, i := range best[max(0, len(best)-maxSteps):] {
		steps = append(steps, p.did(clock, &p.ops[i]))
	}
	text := "after " + strings.Join(steps, ", then ") + ", "
	if left := len(best) - len(steps); left > 0 {
		text = fmt.Sprintf("after %d other operations, %s", left, strings.TrimPrefix(text, "after "))
	}
	return text
}

// reasons says why an operation was refused, wherever the search got to it.
func (f *frontier) reasons(blocked *act) []string {
	reasons := []string{f.why(f.reached, blocked)}
	for i := range f.seen.entries {
		e := &f.seen.entries[i]
		if int(e.event) != f.deep+1 {
			continue
		}
		if why := f.why(e.state, blocked); !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	slices.Sort(reasons[1:])
	if more := len(reasons) - maxReasons; more > 0 {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("something else (%d more)", more))
	}
	return reasons
}

// since tells of the moment before which everything was left out.
func (p *problem) since(clock checkers.Clock, at *int32) string {
	if at == nil {
		return ""
	}
	for _, c := range p.calls {
		if c.Complete != nil && c.Complete.Index == int(*at) {
			return fmt.Sprintf("up to %s there is only one explanation, by which %s; from then on, ", clock.At(c.Complete), p.holds(p.first))
		}
	}
	return ""
}

// did says what an operation did, and when.
func (p *problem) did(clock checkers.Clock, x *act) string {
	c := p.calls[x.call]
	text := calling(c)
	if c.Type() != history.OK {
		return fmt.Sprintf("%s (from %s, without an answer)", text, clock.At(c.Invoke))
	}
	if v := c.Complete.Value; !v.IsAbsent() && !v.Equal(c.Invoke.Value) && c.Invoke.F != "txn" {
		text += fmt.Sprintf(" => %v", v)
	}
	return fmt.Sprintf("%s (%s to %s)", text, clock.At(c.Invoke), clock.At(c.Complete))
}
