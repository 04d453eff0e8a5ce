package collections

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// leased is what is known of the times at which messages of a queue were leased.
type leased struct {
	some    bool // there are receives at all
	last    int64
	longest int64
	empty   map[string]int64 // by what was asked for, the last receive that found nothing; -1 for none
}

// newLeased looks for leases of a queue. A lease can begin until the operation that
// got or extended it, or that nobody knows the end of, was over.
func newLeased(ops []*claim.Op, some bool) *leased {
	l := &leased{some: some, empty: map[string]int64{}}
	for _, o := range ops {
		f := o.Invoke.F
		if f != "receive" && f != "extend" {
			continue
		}
		asked := ""
		if !o.Invoke.Value.IsNil() {
			asked = o.Invoke.Value.String()
		}
		if _, known := l.empty[asked]; f == "receive" && !known {
			l.empty[asked] = -1
		}
		switch {
		case o.Failed():
		case f == "receive" && o.Happened() && o.Complete.Value.IsNil():
			l.empty[asked] = max(l.empty[asked], o.Invoke.Time)
		default:
			l.last = max(l.last, o.Invoke.Time)
			if o.Complete != nil {
				l.last = max(l.last, o.Complete.Time)
			}
			if o.Happened() {
				ms, _ := o.Complete.Value.Get("visibility").Int()
				l.longest = max(l.longest, ms)
			}
		}
	}
	return l
}

// over reports whether the queue was seen empty when no lease can have lasted any
// more. Where nothing is leased, there is nothing to wait for.
func (l *leased) over() bool {
	if !l.some {
		return true
	}
	for _, at := range l.empty {
		if at < 0 || at < l.last+l.longest*1e6 {
			return false
		}
	}
	return len(l.empty) > 0
}

// receipt sees that a receive has the form that it has to have.
func receipt(o *claim.Op) error {
	if !o.Happened() || o.Complete.Value.IsNil() {
		return nil
	}
	v := o.Complete.Value
	if v.Get("message").IsNil() {
		return fmt.Errorf("index %d: a receive has to return a map with a message, or nil, not %v", o.Complete.Index, v)
	}
	if _, ok := v.Get("visibility").Int(); !ok && !v.Get("visibility").IsNil() {
		return fmt.Errorf("index %d: the time of a lease has to be a number, not %v", o.Complete.Index, v)
	}
	return nil
}

// underLease reports whether what came out may come back.
func underLease(o *claim.Op) bool {
	return o.Invoke.F == "receive" && !o.Complete.Value.Get("visibility").IsNil()
}
