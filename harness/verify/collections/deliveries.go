package collections

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// deliveries is a queue.
type deliveries struct {
	name                    numbers
	goods                   []good
	plain, exactly, atMost  bool
	ordered                 bool
	takers, drainers, moved int // of unknown outcome; and operations that were ok
	leased                  *leased
	most                    int         // deliveries before an element is a dead letter; 0: any number
	lost                    []*claim.Op // dequeues and receives of unknown outcome that did not ask for dead letters
	honest                  bool        // who gets nothing has to be right
	nothing                 []*claim.Op // dequeues and receives that got nothing, of nothing in particular
}

// good is what happened to an element.
type good struct {
	tried bool // an enqueue of it was invoked
	puts  []*claim.Op
	outs  []*claim.Op
	acked int         // enqueues that were ok
	begun []int       // when enqueues were invoked that did not fail
	out   []int       // when it had come out, sorted
	taken []int       // the same, but for what came out under a lease
	acks  bool        // an ack of it may have happened
	backs []*claim.Op // acks and nacks that may have
}

func totalQueue(c *claim.Claim) error {
	most, err := mostDeliveries(c)
	if err != nil {
		return err
	}
	on, err := c.Flags("exactly-once", "at-most-once", "ordered", "never-falsely-empty")
	if err != nil {
		return err
	}
	leases := slices.ContainsFunc(c.Ops, func(o claim.Op) bool { return o.Invoke.F == "receive" })
	return decide(c, func(ops []*claim.Op) (subject, error) {
		return newDeliveries(ops, deliveries{exactly: on["exactly-once"], atMost: on["at-most-once"], ordered: on["ordered"], honest: on["never-falsely-empty"], most: most, leased: newLeased(ops, leases)})
	})
}

func plainQueue(c *claim.Claim) error {
	if _, err := c.Flags(); err != nil {
		return err
	}
	return decide(c, func(ops []*claim.Op) (subject, error) { return newDeliveries(ops, deliveries{plain: true}) })
}

func newDeliveries(ops []*claim.Op, d deliveries) (*deliveries, error) {
	for _, o := range ops {
		if o.Invoke.F == "enqueue" {
			d.name = append(d.name, o.Invoke.Value)
		}
		if o.Invoke.F == "drain" && o.Happened() {
			if _, err := claim.Listed(o); err != nil {
				return nil, err
			}
		}
		if o.Invoke.F == "receive" {
			if err := receipt(o); err != nil {
				return nil, err
			}
		}
		d.name = append(d.name, delivered(o)...)
	}
	d.name = d.name.sorted()
	d.goods = make([]good, len(d.name))
	for _, o := range ops {
		d.take(o)
	}
	for i := range d.goods {
		slices.Sort(d.goods[i].out)
		slices.Sort(d.goods[i].taken)
	}
	return &d, nil
}

// delivered returns the elements that an operation took out.
func delivered(o *claim.Op) []history.Value {
	switch {
	case !o.Happened():
		return nil
	case o.Invoke.F == "drain":
		return o.Complete.Value.Elems()
	case o.Invoke.F == "dequeue" && !o.Complete.Value.IsNil():
		return []history.Value{o.Complete.Value}
	case o.Invoke.F == "receive" && !o.Complete.Value.IsNil():
		return []history.Value{o.Complete.Value.Get("message")}
	default:
		return nil
	}
}

func (d *deliveries) take(o *claim.Op) {
	unknown := !o.Happened() && !o.Failed()
	if o.Happened() && slices.Contains([]string{"enqueue", "dequeue", "receive", "drain"}, o.Invoke.F) {
		d.moved++
	}
	if o.Invoke.F == "enqueue" {
		g := d.good(o.Invoke.Value)
		g.tried, g.puts = true, append(g.puts, o)
	}
	if gotNothing(o) {
		d.nothing = append(d.nothing, o)
	}
	switch {
	case (o.Invoke.F == "ack" || o.Invoke.F == "nack") && !o.Failed():
		if i, known := d.name.of(o.Invoke.Value.Get("message")); known {
			d.goods[i].acks = d.goods[i].acks || o.Invoke.F == "ack"
			d.goods[i].backs = append(d.goods[i].backs, o)
		}
	case (o.Invoke.F == "dequeue" || o.Invoke.F == "receive") && unknown:
		d.takers++
		if !ofDead(o) {
			d.lost = append(d.lost, o)
		}
	case o.Invoke.F == "drain" && unknown:
		d.drainers++
	case o.Invoke.F == "enqueue" && !o.Failed():
		g := d.good(o.Invoke.Value)
		g.begun = append(g.begun, o.Inv)
		if o.Happened() {
			g.acked++
		}
	}
	for _, v := range delivered(o) {
		if !v.IsNil() {
			g := d.good(v)
			g.out, g.outs = append(g.out, o.Res), append(g.outs, o)
			if !underLease(o) {
				g.taken = append(g.taken, o.Res)
			}
		}
	}
}

func (d *deliveries) good(v history.Value) *good {
	i, _ := d.name.of(v)
	return &d.goods[i]
}

func (d *deliveries) holds() (int, error) {
	judged, missing := d.moved, 0
	if d.plain {
		judged = 0
	}
	for i, g := range d.goods {
		if d.plain {
			judged += len(g.out)
		}
		missing += d.owed(g)
		if d.tooEarly(g, claim.Never) || len(d.once(g)) > len(g.begun) {
			return 0, fmt.Errorf("%v came out %d times, which the %d enqueues of it that did not fail cannot explain", d.name[i], len(g.out), len(g.begun))
		}
	}
	if missing > 0 && !d.plain && !d.excused() {
		return 0, fmt.Errorf("%d acknowledged elements never came out", missing)
	}
	if d.ordered && d.overtaken() {
		return 0, fmt.Errorf("an element came out after one that had been put in after it")
	}
	if err := d.counted(); err != nil {
		return 0, err
	}
	return judged, d.right()
}

// owed returns how often an element still has to come out. What came out under
// leases alone, and nobody can have acknowledged, comes back.
func (d *deliveries) owed(g good) int {
	if n := g.acked - len(g.out); n > 0 {
		return n
	}
	if g.acked > 0 && len(g.taken) == 0 && !g.acks && !d.atMost {
		return 1
	}
	return 0
}

// once returns when an element came out, of the times of which there may be no more
// than enqueues.
func (d *deliveries) once(g good) []int {
	switch {
	case d.plain:
		return g.taken
	case d.exactly:
		return g.out
	default:
		return nil
	}
}

// tooEarly reports whether an element had come out by some time that was not in
// the queue by then. Unless each enqueue is worth one dequeue, the first is enough
// for all.
func (d *deliveries) tooEarly(g good, by int) bool {
	if d.plain && len(g.out) > len(g.taken) {
		if len(g.begun) == 0 || g.out[0] <= by && g.out[0] < g.begun[0] {
			return true
		}
	}
	outs := g.out
	if d.plain {
		outs = g.taken
	}
	for k, out := range outs {
		if out > by {
			break
		}
		enough := k
		if !d.plain {
			enough = 0
		}
		if len(g.begun) > enough && out < g.begun[enough] || len(g.begun) == 0 {
			return true
		}
	}
	return false
}

// excused reports whether what never came out can have been taken by operations of
// unknown outcome.
func (d *deliveries) excused() bool {
	missing := 0
	for _, g := range d.goods {
		missing += max(0, g.acked-len(g.out))
	}
	return d.atMost && (d.drainers > 0 || missing <= d.takers)
}

func (d *deliveries) shows(anomaly string, ops []*claim.Op) error {
	if anomaly == "unexpected" && len(ops) == 1 {
		return d.unexpected(ops[0])
	}
	if anomaly == "reordered" {
		return d.reordered(ops)
	}
	if anomaly == "false-empty" {
		return d.overlooked(ops)
	}
	at := slices.IndexFunc(ops, func(o *claim.Op) bool { return o.Invoke.F == "enqueue" })
	if at < 0 {
		return unknown(anomaly, ops)
	}
	v := ops[at].Invoke.Value
	var acked, out int // of the operations
	var last *claim.Op
	for _, o := range ops {
		n := 0
		for _, w := range delivered(o) {
			if w.Equal(v) {
				n++
			}
		}
		switch {
		case o.Invoke.F == "enqueue" && o.Invoke.Value.Equal(v):
			if o.Happened() {
				acked++
			}
		case n > 0:
			out, last = out+n, o
		default:
			return fmt.Errorf("index %d has nothing to do with %v", o.Invoke.Index, v)
		}
	}
	if g := *d.good(v); anomaly == "over-delivered" && d.most > 0 && d.again(g, ops) || anomaly == "dead-too-soon" && d.most > 0 && d.tooSoon(g, ops) {
		return nil
	}
	return d.confirm(anomaly, v, acked, out, last)
}

// confirm sees whether an element went the way that an anomaly says, given how many
// of the operations that are to show it were acknowledged enqueues of it, how often
// it came out of them, and the last of which it did.
func (d *deliveries) confirm(anomaly string, v history.Value, acked, out int, last *claim.Op) error {
	g := d.good(v)
	shown := false
	switch anomaly {
	case "lost":
		shown = !d.plain && acked == 1 && out == 0 && d.owed(*g) > 0 && !d.excused() && d.leased.over()
	case "aborted-dequeue":
		shown = out > 0 && len(g.begun) == 0
	case "premature-dequeue":
		shown = out > 0 && len(g.begun) > 0 && d.tooEarly(*g, last.Res)
	case "duplicated":
		shown = out > len(g.begun) && len(d.once(*g)) > len(g.begun)
	}
	if !shown {
		return fmt.Errorf("the operations do not show %q for %v, of which %d enqueues were ok and %d may have happened, and which came out %d times",
			anomaly, v, g.acked, len(g.begun), len(g.out))
	}
	return nil
}

// unexpected confirms that an operation took out what nobody had tried to put in.
func (d *deliveries) unexpected(o *claim.Op) error {
	for _, v := range delivered(o) {
		if g := d.good(v); !v.IsNil() && !g.tried {
			return nil
		}
	}
	return fmt.Errorf("an enqueue was invoked of every element that index %d took out", o.Invoke.Index)
}
