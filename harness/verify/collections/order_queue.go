package collections

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// inOrder reports whether an operation takes out what is first, and not something
// in particular.
func inOrder(o *claim.Op) bool { return o.Invoke.Value.IsNil() }

// overtook reports whether b was put in after a, and an operation took b out before
// another one took a out.
func overtook(a, b good, outB, outA *claim.Op) bool {
	return len(a.puts) == 1 && len(b.puts) == 1 && a.acked == 1 && a.puts[0].Before(b.puts[0]) &&
		inOrder(outA) && inOrder(outB) && outB.Before(outA)
}

// reordered confirms that four operations, two enqueues and two that took out what
// they put in, show that one element overtook the other.
func (d *deliveries) reordered(ops []*claim.Op) error {
	if !d.ordered {
		return fmt.Errorf("without the parameter ordered, elements may overtake each other")
	}
	for _, a := range ops {
		for _, b := range ops {
			if a.Invoke.F != "enqueue" || b.Invoke.F != "enqueue" {
				continue
			}
			ga, gb := *d.good(a.Invoke.Value), *d.good(b.Invoke.Value)
			for _, outB := range ops {
				for _, outA := range ops {
					if slices.Contains(gb.outs, outB) && slices.Contains(ga.outs, outA) && overtook(ga, gb, outB, outA) {
						return nil
					}
				}
			}
		}
	}
	return fmt.Errorf("the %d operations do not show that one element overtook another", len(ops))
}

// overtaken looks for any element that was overtaken. Of each it takes when it came
// out first and last; of the elements that were put in later, the one that came out
// first is enough.
func (d *deliveries) overtaken() bool {
	type place struct {
		good
		soon, late *claim.Op
	}
	var all []place
	for _, g := range d.goods {
		p := place{good: g}
		for _, o := range g.outs {
			if inOrder(o) && (p.soon == nil || o.Res < p.soon.Res) {
				p.soon = o
			}
			if inOrder(o) && (p.late == nil || o.Inv > p.late.Inv) {
				p.late = o
			}
		}
		if len(g.puts) == 1 && p.soon != nil {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.puts[0].Inv, b.puts[0].Inv) })
	soonest := make([]*claim.Op, len(all)+1) // of those from a place on
	for i := len(all) - 1; i >= 0; i-- {
		if soonest[i] = all[i].soon; soonest[i+1] != nil && soonest[i+1].Res < soonest[i].Res {
			soonest[i] = soonest[i+1]
		}
	}
	for _, a := range all {
		behind, _ := slices.BinarySearchFunc(all, a.puts[0].Res, func(p place, end int) int { return cmp.Compare(p.puts[0].Inv, end) })
		if a.acked == 1 && soonest[behind] != nil && soonest[behind].Before(a.late) {
			return true
		}
	}
	return false
}
