package linear

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// The most that an explanation of a search has of something.
const (
	maxSteps   = 6 // of the longest order, the last ones
	maxReasons = 3 // why the operation that blocks it was refused
)

// named is a spec whose violations have a name of their own.
type named interface {
	// anomaly is what the field calls it if an operation is refused.
	anomaly(x *act) string
}

// anomaly explains why operations have no order: how far one gets, which
// operation cannot be next, and what speaks against it. If since is not nil,
// everything before that moment was left out.
func (p *problem) anomaly(since *int32, b *budget) checkers.Anomaly {
	a := checkers.Anomaly{Name: "nonlinearizable"}
	for i := range p.ops {
		a.Ops = append(a.Ops, p.calls[p.ops[i].call].Invoke.Index)
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
	if n, ok := p.object.(named); ok {
		a.Name = n.anomaly(blocked)
	}
	a.Explanation = fmt.Sprintf("%s%s fits in no order that keeps to real time: %s%s", p.since(clock, since),
		p.did(clock, blocked), p.after(clock, f.best), strings.Join(f.reasons(blocked), "; in another order "))
	return a
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
			return fmt.Sprintf("up to %s there is only one explanation; from then on, ", clock.At(c.Complete))
		}
	}
	return ""
}

// did says what an operation did, and when.
func (p *problem) did(clock checkers.Clock, x *act) string {
	c := p.calls[x.call]
	text := fmt.Sprintf("the %s by process %v", c.Invoke.F, c.Invoke.Process)
	if v := argument(c); !nothingThere(c.Invoke.Value) {
		text = fmt.Sprintf("the %s of %v by process %v", c.Invoke.F, v, c.Invoke.Process)
	}
	if c.Type() != history.OK {
		return fmt.Sprintf("%s (from %s, without an answer)", text, clock.At(c.Invoke))
	}
	if v := c.Complete.Value; !v.IsAbsent() && !v.Equal(c.Invoke.Value) {
		text += fmt.Sprintf(" => %v", v)
	}
	return fmt.Sprintf("%s (%s to %s)", text, clock.At(c.Invoke), clock.At(c.Complete))
}
