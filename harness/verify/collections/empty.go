package collections

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// gotNothing reports whether an operation asked for any element, and got none.
func gotNothing(o *claim.Op) bool {
	switch {
	case !o.Happened() || !o.Complete.Value.IsNil():
		return false
	case o.Invoke.F == "receive":
		return o.Invoke.Value.IsNil()
	default:
		return o.Invoke.F == "dequeue"
	}
}

// settled reports whether what an operation took out was given back, or done, before
// another one began.
func (g *good) settled(out, before *claim.Op) bool {
	token, fenced := out.Complete.Value.Get("token").Int()
	for _, b := range g.backs {
		if given, ok := b.Invoke.Value.Get("token").Int(); fenced && ok && given == token && b.Happened() && b.Before(before) {
			return true
		}
	}
	return false
}

// waits reports whether an element waited as long as an operation took, unless one of
// unknown outcome had got it.
func (d *deliveries) waits(g *good, o *claim.Op) bool {
	if len(g.puts) != 1 || g.acked != 1 || !g.puts[0].Before(o) {
		return false
	}
	for _, b := range g.backs {
		if b.Invoke.F == "ack" && b.Inv < o.Res {
			return false
		}
	}
	times := 0
	for _, out := range g.outs {
		if out.Inv > o.Res {
			continue
		}
		if !g.settled(out, o) {
			return false
		}
		times++
	}
	return times < max(1, d.most)
}

// wrong reports whether an operation got nothing although something waited.
func (d *deliveries) wrong(o *claim.Op) bool {
	if d.drainers > 0 {
		return false
	}
	waiting, lost := 0, 0
	for i := range d.goods {
		g := &d.goods[i]
		if d.waits(g, o) {
			waiting++
		}
		for _, out := range g.outs {
			if d.ordered && out.Inv < o.Res && !ofDead(out) && !g.settled(out, o) {
				return false
			}
		}
	}
	for _, l := range d.lost {
		if l.Inv < o.Res {
			lost++
		}
	}
	return waiting > lost && (!d.ordered || lost == 0)
}

// right confirms that nobody got nothing who should have got something.
func (d *deliveries) right() error {
	if !d.honest {
		return nil
	}
	for _, o := range d.nothing {
		if d.wrong(o) {
			return fmt.Errorf("index %d got nothing, although something waited", o.Inv)
		}
	}
	return nil
}

// overlooked confirms that an operation got nothing although an element waited, whose
// enqueue is the other one given.
func (d *deliveries) overlooked(ops []*claim.Op) error {
	if len(ops) != 2 || !d.honest || ops[0].Invoke.F != "enqueue" || !gotNothing(ops[1]) || !d.waits(d.good(ops[0].Invoke.Value), ops[1]) || !d.wrong(ops[1]) {
		return fmt.Errorf("the operations do not show that somebody got nothing although an element waited")
	}
	return nil
}
