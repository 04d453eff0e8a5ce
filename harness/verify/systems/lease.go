package systems

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// lease confirms that locks, leases on messages and the leadership of terms keep
// or break the rule of one holder at a time, and that tokens and terms grow. The
// parameters are drift and redelivery. Evidence is needed for invalid only; see
// roles.go.
func lease(c *claim.Claim) error {
	drift, err := time.ParseDuration(c.Parameters["drift"])
	if err != nil {
		return fmt.Errorf("the drift is wrong: %w", err)
	}
	l := &leases{drift: drift.Nanoseconds(), again: c.Parameters["redelivery"] == "true", ops: c.Ops, holds: map[*claim.Op]*heldTime{}, last: map[string]*heldTime{}}
	for i := range c.Ops {
		l.read(&c.Ops[i])
	}
	if l.judged == 0 {
		return fmt.Errorf("the history shows nothing of leases")
	}
	return byRoles(c, l.rules(), l.hold)
}

// leases is who held what.
type leases struct {
	drift  int64
	again  bool
	ops    []claim.Op
	holds  map[*claim.Op]*heldTime
	order  []*heldTime          // in the order of invocation
	last   map[string]*heldTime // by thing and process
	judged int
}

// heldTime is a time in which something was held for certain: from the end of an
// operation until a place in the history, and until a time if there is a limit.
type heldTime struct {
	*claim.Op
	thing string
	until int
	ttl   int64
	limit int64 // never if there is none
}

// thing returns what an operation holds, gives back or acknowledges.
func thing(o *claim.Op) string {
	m := o.Invoke.Value.Get("message")
	if o.Invoke.F == "receive" {
		m = o.Complete.Value.Get("message")
	}
	return fmt.Sprintf("%v %q %v %q", o.Invoke.Key.Kind(), idOf(o.Invoke.Key), m.Kind(), idOf(m))
}

// held is the key of last.
func held(o *claim.Op) string { return fmt.Sprint(o.Invoke.Process, " ", thing(o)) }

func (l *leases) read(o *claim.Op) {
	if receipt(o) {
		l.judged++
	}
	switch f := o.Invoke.F; {
	case f == "acquire", f == "receive" && o.Happened() && !o.Complete.Value.IsNil():
		l.giveBack(o)
		if o.Happened() {
			l.judged++
			h := &heldTime{Op: o, thing: thing(o), until: claim.Never, limit: claim.Never}
			l.count(h, o)
			l.holds[o], l.last[held(o)], l.order = h, h, append(l.order, h)
		}
	case f == "renew", f == "extend":
		if h := l.last[held(o)]; h != nil && o.Happened() && h.limit != claim.Never && h.until == claim.Never && o.Invoke.Time < h.limit {
			l.count(h, o)
		}
	case f == "release", f == "ack", f == "nack":
		l.giveBack(o)
	case f == "write" && o.Happened() && tokenOf(o.Invoke.Value) != "", f == "leader" && o.Happened():
		l.judged++
	}
}

func (l *leases) giveBack(o *claim.Op) {
	if h := l.last[held(o)]; h != nil {
		h.until = min(h.until, o.Inv)
	}
}

// count limits a hold by the time that an operation gave, from when it began,
// unless that makes it shorter than it is.
func (l *leases) count(h *heldTime, o *claim.Op) {
	ttl := h.ttl
	name := map[string]string{"acquire": "ttl", "renew": "ttl", "receive": "visibility", "extend": "visibility"}[o.Invoke.F]
	if ms, ok := o.Complete.Value.Get(name).Int(); ok {
		ttl = ms
	}
	if limit := max(1, o.Invoke.Time+ttl*1e6-l.drift); ttl > 0 && (h.limit == claim.Never || limit > h.limit) {
		h.ttl, h.limit = ttl, limit
	}
}

// at reports whether a thing was held when another operation ended.
func (h *heldTime) at(o *claim.Op) bool { return o.Res < h.until && o.Complete.Time < h.limit }

// tokenOf returns the token of a map, and "" if it has none.
func tokenOf(v history.Value) string {
	if _, ok := v.Get("token").Int(); !ok {
		return ""
	}
	return idOf(v.Get("token"))
}

func field(o *claim.Op, name string) int64 {
	v := o.Complete.Value
	if o.Invoke.F == "write" || receipt(o) {
		v = o.Invoke.Value
	}
	n, _ := v.Get(name).Int()
	return n
}

func (l *leases) rules() map[string]roleRule {
	two := func(f string, broken func(a, b *claim.Op) bool) roleRule {
		return roleRule{2, func(o []*claim.Op, _ string) bool {
			return o[0] != o[1] && o[1].Invoke.F == f && o[0].Happened() && o[1].Happened() && broken(o[0], o[1])
		}}
	}
	fenced := func(a, b *claim.Op) bool {
		return l.holds[a] != nil && l.holds[b] != nil && thing(a) == thing(b) && tokenOf(a.Complete.Value) != "" && tokenOf(b.Complete.Value) != ""
	}
	same := func(a, b *claim.Op) bool { return a.Invoke.F == b.Invoke.F && idOf(a.Invoke.Key) == idOf(b.Invoke.Key) }
	return map[string]roleRule{ // the operations are a and b
		"overlap": {2, func(o []*claim.Op, _ string) bool {
			a, b := l.holds[o[0]], l.holds[o[1]]
			return a != nil && b != nil && a != b && a.thing == b.thing && a.Res < b.Res && a.at(a.Op) && a.at(b.Op) && b.at(b.Op)
		}},
		"token-reused": {2, func(o []*claim.Op, _ string) bool {
			return o[0] != o[1] && fenced(o[0], o[1]) && field(o[0], "token") == field(o[1], "token")
		}},
		"token-regressed": {2, func(o []*claim.Op, _ string) bool {
			return fenced(o[0], o[1]) && o[0].Before(o[1]) && field(o[0], "token") > field(o[1], "token")
		}},
		"stale-write": two("write", func(a, b *claim.Op) bool {
			return same(a, b) && a.Before(b) && tokenOf(a.Invoke.Value) != "" && tokenOf(b.Invoke.Value) != "" && field(a, "token") > field(b, "token")
		}),
		"stale-ack":   {2, func(o []*claim.Op, _ string) bool { return l.stale(o[0], o[1]) }},
		"spent-ack":   {2, func(o []*claim.Op, _ string) bool { return l.spent(o[0], o[1]) }},
		"foreign-ack": {2, func(o []*claim.Op, _ string) bool { return l.apart() && l.foreign(o[0], o[1]) }},
		"acked-again": two("receive", func(a, b *claim.Op) bool {
			return !l.again && a.Invoke.F == "ack" && thing(a) == thing(b) && a.Before(b)
		}),
		"two-leaders": two("leader", func(a, b *claim.Op) bool {
			return same(a, b) && field(a, "term") == field(b, "term") && leaderOf(a) != "" && leaderOf(b) != "" && leaderOf(a) != leaderOf(b)
		}),
		"term-regressed": two("leader", func(a, b *claim.Op) bool {
			return same(a, b) && a.Invoke.Node == b.Invoke.Node && a.Before(b) && field(a, "term") > field(b, "term")
		}),
	}
}

// stale reports whether b did something about a message that a had received before
// with a higher token.
func (l *leases) stale(a, b *claim.Op) bool {
	return l.holds[a] != nil && a.Invoke.F == "receive" && receipt(b) && thing(a) == thing(b) && a.Before(b) &&
		tokenOf(a.Complete.Value) != "" && field(a, "token") > field(b, "token")
}

// spent reports whether b did something with a token that a had given back before. An
// ack may come twice.
func (l *leases) spent(a, b *claim.Op) bool {
	return receipt(a) && receipt(b) && a.Before(b) && thing(a) == thing(b) && field(a, "token") == field(b, "token") &&
		(a.Invoke.F == "nack" || a.Invoke.F == "ack" && b.Invoke.F != "ack")
}

// foreign reports whether b did something about a message with a token that had come
// with another one before.
func (l *leases) foreign(a, b *claim.Op) bool {
	return l.tokened(a) && receipt(b) && a.Before(b) && thing(a) != thing(b) && field(a, "token") == field(b, "token")
}

// tokened reports whether an operation received a message with a token.
func (l *leases) tokened(o *claim.Op) bool {
	return l.holds[o] != nil && o.Invoke.F == "receive" && tokenOf(o.Complete.Value) != ""
}

// apart reports whether no token came with two messages.
func (l *leases) apart() bool {
	of := make(map[int64]string)
	for _, h := range l.order {
		if !l.tokened(h.Op) {
			continue
		}
		token := field(h.Op, "token")
		if other, known := of[token]; known && other != h.thing {
			return false
		}
		of[token] = h.thing
	}
	return true
}

// honest confirms that no token was used that had been given back, or for another
// message than the one with which it came.
func (l *leases) honest() error {
	back, acked, from := map[string]int{}, map[string]int{}, map[int64]*heldTime{} // when that was over first
	soonest := func(of map[string]int, o *claim.Op, token string) {
		if at, known := of[token]; !known || o.Res < at {
			of[token] = o.Res
		}
	}
	for i := range l.ops {
		o := &l.ops[i]
		switch {
		case l.tokened(o):
			if h := from[field(o, "token")]; h == nil || o.Res < h.Res {
				from[field(o, "token")] = l.holds[o]
			}
		case receipt(o) && o.Invoke.F == "nack":
			soonest(back, o, thing(o)+tokenOf(o.Invoke.Value))
		case receipt(o) && o.Invoke.F == "ack":
			soonest(acked, o, thing(o)+tokenOf(o.Invoke.Value))
		}
	}
	apart := l.apart()
	for i := range l.ops {
		o := &l.ops[i]
		if !receipt(o) {
			continue
		}
		token := thing(o) + tokenOf(o.Invoke.Value)
		at, nacked := back[token]
		done, settled := acked[token]
		if nacked && at < o.Inv || settled && done < o.Inv && o.Invoke.F != "ack" {
			return fmt.Errorf("index %d has a token that had been given back", o.Inv)
		}
		if h := from[field(o, "token")]; apart && h != nil && h.thing != thing(o) && h.Before(o) {
			return fmt.Errorf("index %d has a token of another message", o.Inv)
		}
	}
	return nil
}

// receipt reports whether an operation did something with the token of a message.
func receipt(o *claim.Op) bool {
	return slices.Contains([]string{"ack", "nack", "extend"}, o.Invoke.F) && o.Happened() && tokenOf(o.Invoke.Value) != ""
}

func leaderOf(o *claim.Op) string { return idOf(o.Complete.Value.Get("leader")) }

// hold confirms that no rule is broken.
func (l *leases) hold() error {
	if err := l.alone(); err != nil {
		return err
	}
	if err := l.honest(); err != nil {
		return err
	}
	groups := make(map[string][]*claim.Op) // what has to grow
	leader, token := make(map[string]string), make(map[string]*claim.Op)
	acked := make(map[string]int)
	received := make(map[string][]*claim.Op)
	for _, h := range l.order {
		received[h.thing] = append(received[h.thing], h.Op)
	}
	for i := range l.ops {
		if o := &l.ops[i]; o.Invoke.F == "ack" && o.Happened() {
			if at, ok := acked[thing(o)]; !ok || o.Res < at {
				acked[thing(o)] = o.Res
			}
		}
	}
	for i := range l.ops {
		o := &l.ops[i]
		if !o.Happened() {
			continue
		}
		if receipt(o) && slices.ContainsFunc(received[thing(o)], func(a *claim.Op) bool { return l.stale(a, o) }) {
			return fmt.Errorf("index %d has a token that was out of date", o.Inv)
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
		case "acquire", "receive":
			if l.holds[o] == nil {
				continue
			}
			key += thing(o)
			if t := tokenOf(o.Complete.Value); t != "" {
				if token[key+t] != nil {
					return fmt.Errorf("indexes %d and %d got one token", token[key+t].Inv, o.Inv)
				}
				token[key+t] = o
				groups[key] = append(groups[key], o)
			}
			if at, ok := acked[thing(o)]; ok && o.Invoke.F == "receive" && at < o.Inv && !l.again {
				return fmt.Errorf("index %d receives what was acknowledged", o.Inv)
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
	order := slices.DeleteFunc(slices.Clone(l.order), func(h *heldTime) bool { return !h.at(h.Op) })
	slices.SortFunc(order, func(a, b *heldTime) int { return cmp.Compare(a.Res, b.Res) })
	last := make(map[string]*heldTime)
	for _, h := range order {
		if old := last[h.thing]; old != nil && old.at(h.Op) {
			return fmt.Errorf("index %d got what index %d still held", h.Inv, old.Inv)
		}
		last[h.thing] = h
	}
	return nil
}

// growing confirms that no operation has a lower token or term than one that ended
// before it began. They are in the order of their invocations.
func growing(ops []*claim.Op) error {
	value := func(o *claim.Op) int64 {
		if o.Invoke.F == "leader" {
			return field(o, "term")
		}
		return field(o, "token")
	}
	ended := slices.SortedFunc(slices.Values(ops), func(a, b *claim.Op) int { return cmp.Compare(a.Res, b.Res) })
	var top *claim.Op
	for _, o := range ops {
		for ; len(ended) > 0 && ended[0].Before(o); ended = ended[1:] {
			if top == nil || value(ended[0]) > value(top) {
				top = ended[0]
			}
		}
		if top != nil && value(o) < value(top) {
			return fmt.Errorf("index %d has a lower token or term than index %d before it", o.Inv, top.Inv)
		}
	}
	return nil
}
