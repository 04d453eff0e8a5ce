package collections

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// mostDeliveries takes the parameter max-deliveries from a claim; 0 if it has none.
func mostDeliveries(c *claim.Claim) (int, error) {
	given, ok := c.Parameters["max-deliveries"]
	if !ok {
		return 0, nil
	}
	c.Parameters = maps.Clone(c.Parameters)
	delete(c.Parameters, "max-deliveries")
	n, err := strconv.Atoi(given)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("parameter max-deliveries=%s means nothing", given)
	}
	return n, nil
}

// ofDead reports whether an operation asks for dead letters.
func ofDead(o *claim.Op) bool {
	is, _ := o.Invoke.Value.Get("dead").Bool()
	return is
}

// lives returns the receives that got an element while it was none of the dead letters,
// and the one that first got it as one of these.
func (g *good) lives() (outs []*claim.Op, buried *claim.Op) {
	for _, o := range g.outs {
		switch {
		case o.Invoke.F != "receive":
		case !ofDead(o):
			outs = append(outs, o)
		case buried == nil || o.Res < buried.Res:
			buried = o
		}
	}
	return outs, buried
}

// again reports whether operations show that an element was handed out too often.
func (d *deliveries) again(g good, shown []*claim.Op) bool {
	outs, buried := g.lives()
	n := 0
	for _, o := range shown {
		if !slices.Contains(outs, o) {
			continue
		}
		if n++; len(g.begun) == 1 && slices.Contains(shown, buried) && buried.Before(o) {
			return true
		}
	}
	return len(g.begun) > 0 && n > d.most*len(g.begun)
}

// unseen returns how many deliveries of an element nobody saw before a receive, which
// is the first that got it as a dead letter.
func (d *deliveries) unseen(outs []*claim.Op, buried *claim.Op) int {
	n := d.most
	for _, o := range outs {
		if o.Inv < buried.Res {
			n--
		}
	}
	return max(0, n)
}

// tooSoon reports whether operations show that an element was a dead letter although
// receives without an answer cannot have got all that is missing of it and of those
// before it.
func (d *deliveries) tooSoon(g good, shown []*claim.Op) bool {
	outs, buried := g.lives()
	if !g.tried || !slices.Contains(shown, buried) || d.unseen(outs, buried) == 0 {
		return false
	}
	missing := 0
	for i := range d.goods {
		if outs, before := d.goods[i].lives(); d.goods[i].tried && before != nil && before.Res <= buried.Res {
			missing += d.unseen(outs, before)
		}
	}
	for _, o := range d.lost {
		if o.Inv < buried.Res {
			missing--
		}
	}
	return missing > 0
}

// counted confirms that no element was handed out too often, or was a dead letter too
// soon.
func (d *deliveries) counted() error {
	if d.most == 0 {
		return nil
	}
	for i, g := range d.goods {
		if d.again(g, g.outs) || d.tooSoon(g, g.outs) {
			return fmt.Errorf("%v was not handed out %d times before it was a dead letter", d.name[i], d.most)
		}
	}
	return nil
}
