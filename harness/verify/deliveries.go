package verify

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Queues whose order does not matter: enqueue puts an element in, dequeue takes
// one out, and drain takes out a list of them. A dequeue of nil took nothing.
//
// In total-queue an element comes out, if it does, because an enqueue of it did not
// fail, and not before the first of these was invoked; and it comes out as often as
// enqueues of it were ok. With the parameter exactly-once it comes out no more often
// than enqueues of it did not fail. With at-most-once, every dequeue of unknown
// outcome may have taken one element, and every such drain all.
//
// In queue nothing has to come out, and at each moment no element has come out more
// often than enqueues of it were invoked by then that did not fail.
//
//	lost               an enqueue of the element that was ok
//	unexpected         the dequeue or drain
//	aborted-dequeue    an enqueue of the element, and the dequeue or drain
//	premature-dequeue  an enqueue of the element, and the dequeue or drain
//	duplicated         enqueues of the element, and dequeues or drains of it, more
//	                   than there can be

// deliveries is a queue.
type deliveries struct {
	name                    numbers
	goods                   []good
	plain, exactly, atMost  bool
	takers, drainers, moved int // of unknown outcome; and operations that were ok
}

// good is what happened to an element.
type good struct {
	tried bool  // an enqueue of it was invoked
	acked int   // enqueues that were ok
	begun []int // when enqueues were invoked that did not fail
	out   []int // when it had come out, sorted
}

func totalQueue(c *claim) error {
	on, err := c.flags("exactly-once", "at-most-once")
	if err != nil {
		return err
	}
	return c.decide(func(ops []*op) (subject, error) {
		return newDeliveries(ops, deliveries{exactly: on["exactly-once"], atMost: on["at-most-once"]})
	})
}

func plainQueue(c *claim) error {
	if _, err := c.flags(); err != nil {
		return err
	}
	return c.decide(func(ops []*op) (subject, error) { return newDeliveries(ops, deliveries{plain: true}) })
}

func newDeliveries(ops []*op, d deliveries) (*deliveries, error) {
	for _, o := range ops {
		if o.Invoke.F == "enqueue" {
			d.name = append(d.name, o.Invoke.Value)
		}
		if o.Invoke.F == "drain" && o.happened() {
			if _, err := listed(o); err != nil {
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
	}
	return &d, nil
}

// delivered returns the elements that an operation took out.
func delivered(o *op) []history.Value {
	switch {
	case !o.happened():
		return nil
	case o.Invoke.F == "drain":
		return o.Complete.Value.Elems()
	case o.Invoke.F == "dequeue" && !o.Complete.Value.IsNil():
		return []history.Value{o.Complete.Value}
	default:
		return nil
	}
}

func (d *deliveries) take(o *op) {
	unknown := !o.happened() && !o.failed()
	if o.happened() && slices.Contains([]string{"enqueue", "dequeue", "drain"}, o.Invoke.F) {
		d.moved++
	}
	if o.Invoke.F == "enqueue" {
		d.good(o.Invoke.Value).tried = true
	}
	switch {
	case o.Invoke.F == "dequeue" && unknown:
		d.takers++
	case o.Invoke.F == "drain" && unknown:
		d.drainers++
	case o.Invoke.F == "enqueue" && !o.failed():
		g := d.good(o.Invoke.Value)
		g.begun = append(g.begun, o.inv)
		if o.happened() {
			g.acked++
		}
	}
	for _, v := range delivered(o) {
		if !v.IsNil() {
			g := d.good(v)
			g.out = append(g.out, o.res)
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
		missing += max(0, g.acked-len(g.out))
		if d.tooEarly(g, never) || (d.plain || d.exactly) && len(g.out) > len(g.begun) {
			return 0, fmt.Errorf("%v came out %d times, which the %d enqueues of it that did not fail cannot explain", d.name[i], len(g.out), len(g.begun))
		}
	}
	if missing > 0 && !d.plain && !d.excused() {
		return 0, fmt.Errorf("%d acknowledged elements never came out", missing)
	}
	return judged, nil
}

// tooEarly reports whether an element had come out by some time that was not in
// the queue by then. Unless each enqueue is worth one dequeue, the first is enough
// for all.
func (d *deliveries) tooEarly(g good, by int) bool {
	for k, out := range g.out {
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

func (d *deliveries) shows(anomaly string, ops []*op) error {
	if anomaly == "unexpected" && len(ops) == 1 {
		return d.unexpected(ops[0])
	}
	at := slices.IndexFunc(ops, func(o *op) bool { return o.Invoke.F == "enqueue" })
	if at < 0 {
		return unknown(anomaly, ops)
	}
	v := ops[at].Invoke.Value
	var acked, out int // of the operations
	var last *op
	for _, o := range ops {
		n := 0
		for _, w := range delivered(o) {
			if w.Equal(v) {
				n++
			}
		}
		switch {
		case o.Invoke.F == "enqueue" && o.Invoke.Value.Equal(v):
			if o.happened() {
				acked++
			}
		case n > 0:
			out, last = out+n, o
		default:
			return fmt.Errorf("index %d has nothing to do with %v", o.Invoke.Index, v)
		}
	}
	return d.confirm(anomaly, v, acked, out, last)
}

// confirm sees whether an element went the way that an anomaly says, given how many
// of the operations that are to show it were acknowledged enqueues of it, how often
// it came out of them, and the last of which it did.
func (d *deliveries) confirm(anomaly string, v history.Value, acked, out int, last *op) error {
	g := d.good(v)
	shown := false
	switch anomaly {
	case "lost":
		shown = !d.plain && acked == 1 && out == 0 && g.acked > len(g.out) && !d.excused()
	case "aborted-dequeue":
		shown = out > 0 && len(g.begun) == 0
	case "premature-dequeue":
		shown = out > 0 && len(g.begun) > 0 && d.tooEarly(*g, last.res)
	case "duplicated":
		shown = (d.plain || d.exactly) && out > len(g.begun)
	}
	if !shown {
		return fmt.Errorf("the operations do not show %q for %v, of which %d enqueues were ok and %d may have happened, and which came out %d times",
			anomaly, v, g.acked, len(g.begun), len(g.out))
	}
	return nil
}

// unexpected confirms that an operation took out what nobody had tried to put in.
func (d *deliveries) unexpected(o *op) error {
	for _, v := range delivered(o) {
		if g := d.good(v); !v.IsNil() && !g.tried {
			return nil
		}
	}
	return fmt.Errorf("an enqueue was invoked of every element that index %d took out", o.Invoke.Index)
}
