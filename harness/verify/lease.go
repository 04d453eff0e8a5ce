package verify

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// lease confirms that locks, leases on messages and the leadership of terms keep
// or break the rule of one holder at a time, and that tokens and terms grow. The
// parameters are drift and redelivery. Evidence is needed for invalid only; see
// roles.go.
func lease(c *claim) error {
	drift, err := time.ParseDuration(c.Parameters["drift"])
	if err != nil {
		return fmt.Errorf("the drift is wrong: %w", err)
	}
	l := &leases{drift: drift.Nanoseconds(), again: c.Parameters["redelivery"] == "true", ops: c.ops, holds: map[*op]*heldTime{}, last: map[string]*heldTime{}}
	for i := range c.ops {
		l.read(&c.ops[i])
	}
	if l.judged == 0 {
		return fmt.Errorf("the history shows nothing of leases")
	}
	return c.byRoles(l.rules(), l.hold)
}

// leases is who held what.
type leases struct {
	drift  int64
	again  bool
	ops    []op
	holds  map[*op]*heldTime
	order  []*heldTime          // in the order of invocation
	last   map[string]*heldTime // by thing and process
	judged int
}

// heldTime is a time in which something was held for certain: from the end of an
// operation until a place in the history, and until a time if there is a limit.
type heldTime struct {
	*op
	thing string
	until int
	ttl   int64
	limit int64 // never if there is none
}

// thing returns what an operation holds, gives back or acknowledges.
func thing(o *op) string {
	m := o.Invoke.Value.Get("message")
	if o.Invoke.F == "receive" {
		m = o.Complete.Value.Get("message")
	}
	return fmt.Sprintf("%v %q %v %q", o.Invoke.Key.Kind(), idOf(o.Invoke.Key), m.Kind(), idOf(m))
}

// held is the key of last.
func held(o *op) string { return fmt.Sprint(o.Invoke.Process, " ", thing(o)) }

func (l *leases) read(o *op) {
	switch f := o.Invoke.F; {
	case f == "acquire", f == "receive" && o.happened() && !o.Complete.Value.IsNil():
		l.giveBack(o)
		if o.happened() {
			l.judged++
			h := &heldTime{op: o, thing: thing(o), until: never, limit: never}
			l.count(h, o)
			l.holds[o], l.last[held(o)], l.order = h, h, append(l.order, h)
		}
	case f == "renew", f == "extend":
		if h := l.last[held(o)]; h != nil && o.happened() && h.limit != never && h.until == never && o.Invoke.Time < h.limit {
			l.count(h, o)
		}
	case f == "release", f == "ack", f == "nack":
		l.giveBack(o)
	case f == "write" && o.happened() && tokenOf(o.Invoke.Value) != "", f == "leader" && o.happened():
		l.judged++
	}
}

func (l *leases) giveBack(o *op) {
	if h := l.last[held(o)]; h != nil {
		h.until = min(h.until, o.inv)
	}
}

// count limits a hold by the time that an operation gave, from when it began,
// unless that makes it shorter than it is.
func (l *leases) count(h *heldTime, o *op) {
	ttl := h.ttl
	name := map[string]string{"acquire": "ttl", "renew": "ttl", "receive": "visibility", "extend": "visibility"}[o.Invoke.F]
	if ms, ok := o.Complete.Value.Get(name).Int(); ok {
		ttl = ms
	}
	if limit := max(1, o.Invoke.Time+ttl*1e6-l.drift); ttl > 0 && (h.limit == never || limit > h.limit) {
		h.ttl, h.limit = ttl, limit
	}
}

// at reports whether a thing was held when another operation ended.
func (h *heldTime) at(o *op) bool { return o.res < h.until && o.Complete.Time < h.limit }

// tokenOf returns the token of a map, and "" if it has none.
func tokenOf(v history.Value) string {
	if _, ok := v.Get("token").Int(); !ok {
		return ""
	}
	return idOf(v.Get("token"))
}

func field(o *op, name string) int64 {
	v := o.Complete.Value
	if o.Invoke.F == "write" {
		v = o.Invoke.Value
	}
	n, _ := v.Get(name).Int()
	return n
}

func (l *leases) rules() map[string]roleRule {
	two := func(f string, broken func(a, b *op) bool) roleRule {
		return roleRule{2, func(o []*op, _ string) bool {
			return o[0] != o[1] && o[1].Invoke.F == f && o[0].happened() && o[1].happened() && broken(o[0], o[1])
		}}
	}
	fenced := func(a, b *op) bool {
		return l.holds[a] != nil && l.holds[b] != nil && thing(a) == thing(b) && tokenOf(a.Complete.Value) != "" && tokenOf(b.Complete.Value) != ""
	}
	same := func(a, b *op) bool { return a.Invoke.F == b.Invoke.F && idOf(a.Invoke.Key) == idOf(b.Invoke.Key) }
	return map[string]roleRule{ // the operations are a and b
		"overlap": {2, func(o []*op, _ string) bool {
			a, b := l.holds[o[0]], l.holds[o[1]]
			return a != nil && b != nil && a != b && a.thing == b.thing && a.res < b.res && a.at(a.op) && a.at(b.op) && b.at(b.op)
		}},
		"token-reused":    two("acquire", func(a, b *op) bool { return fenced(a, b) && field(a, "token") == field(b, "token") }),
		"token-regressed": two("acquire", func(a, b *op) bool { return fenced(a, b) && a.before(b) && field(a, "token") > field(b, "token") }),
		"stale-write": two("write", func(a, b *op) bool {
			return same(a, b) && a.before(b) && tokenOf(a.Invoke.Value) != "" && tokenOf(b.Invoke.Value) != "" && field(a, "token") > field(b, "token")
		}),
		"acked-again": two("receive", func(a, b *op) bool { return !l.again && a.Invoke.F == "ack" && thing(a) == thing(b) && a.before(b) }),
		"two-leaders": two("leader", func(a, b *op) bool {
			return same(a, b) && field(a, "term") == field(b, "term") && leaderOf(a) != "" && leaderOf(b) != "" && leaderOf(a) != leaderOf(b)
		}),
		"term-regressed": two("leader", func(a, b *op) bool {
			return same(a, b) && a.Invoke.Node == b.Invoke.Node && a.before(b) && field(a, "term") > field(b, "term")
		}),
	}
}

func leaderOf(o *op) string { return idOf(o.Complete.Value.Get("leader")) }

// hold confirms that no rule is broken.
func (l *leases) hold() error {
	if err := l.alone(); err != nil {
		return err
	}
	groups := make(map[string][]*op) // what has to grow
	leader, token := make(map[string]string), make(map[string]*op)
	acked := make(map[string]int)
	for i := range l.ops {
		if o := &l.ops[i]; o.Invoke.F == "ack" && o.happened() {
			if at, ok := acked[thing(o)]; !ok || o.res < at {
				acked[thing(o)] = o.res
			}
		}
	}
	for i := range l.ops {
		o := &l.ops[i]
		if !o.happened() {
			continue
		}
		key := fmt.Sprintf("%s %v %q", o.Invoke.F, o.Invoke.Key.Kind(), idOf(o.Invoke.Key))
		switch o.Invoke.F {
		case "leader":
			term := fmt.Sprint(key, field(o, "term"))
			if who := leaderOf(o); who != "" && leader[term] != "" && leader[term] != who {
				return fmt.Errorf("term %d has two leaders", field(o, "term"))
			} else if who != "" {
				leader[term] = who
			}
			groups[fmt.Sprintf("%s %q", key, o.Invoke.Node)] = append(groups[fmt.Sprintf("%s %q", key, o.Invoke.Node)], o)
		case "write":
			if tokenOf(o.Invoke.Value) != "" {
				groups[key] = append(groups[key], o)
			}
		case "acquire":
			if t := tokenOf(o.Complete.Value); t != "" {
				if token[key+t] != nil {
					return fmt.Errorf("indexes %d and %d got one token", token[key+t].inv, o.inv)
				}
				token[key+t] = o
				groups[key] = append(groups[key], o)
			}
		case "receive":
			if at, ok := acked[thing(o)]; ok && at < o.inv && !l.again && l.holds[o] != nil {
				return fmt.Errorf("index %d receives what was acknowledged", o.inv)
			}
		}
	}
	for _, ops := range groups {
		if err := growing(ops); err != nil {
			return err
		}
	}
	return nil
}

// alone confirms that nothing was held twice at once: nobody gets what the one
// before still held. Whoever came before that one did not hold it even then.
func (l *leases) alone() error {
	order := slices.DeleteFunc(slices.Clone(l.order), func(h *heldTime) bool { return !h.at(h.op) })
	slices.SortFunc(order, func(a, b *heldTime) int { return cmp.Compare(a.res, b.res) })
	last := make(map[string]*heldTime)
	for _, h := range order {
		if old := last[h.thing]; old != nil && old.at(h.op) {
			return fmt.Errorf("index %d got what index %d still held", h.inv, old.inv)
		}
		last[h.thing] = h
	}
	return nil
}

// growing confirms that no operation has a lower token or term than one that ended
// before it began. They are in the order of their invocations.
func growing(ops []*op) error {
	value := func(o *op) int64 {
		if o.Invoke.F == "leader" {
			return field(o, "term")
		}
		return field(o, "token")
	}
	ended := slices.SortedFunc(slices.Values(ops), func(a, b *op) int { return cmp.Compare(a.res, b.res) })
	var top *op
	for _, o := range ops {
		for ; len(ended) > 0 && ended[0].before(o); ended = ended[1:] {
			if top == nil || value(ended[0]) > value(top) {
				top = ended[0]
			}
		}
		if top != nil && value(o) < value(top) {
			return fmt.Errorf("index %d has a lower token or term than index %d before it", o.inv, top.inv)
		}
	}
	return nil
}
