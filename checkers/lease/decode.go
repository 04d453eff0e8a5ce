package lease

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// call takes in an operation. Operations of other names are ignored.
func (j *judge) call(c history.Call) error {
	o := op{c, c.Invoke.Index, math.MaxInt}
	if c.Type() == history.OK {
		o.res = c.Complete.Index
	}
	switch c.Invoke.F {
	case "acquire":
		return j.got(o, history.Value{}, "ttl")
	case "receive":
		if o.res == math.MaxInt || c.Complete.Value.IsNil() {
			return nil
		}
		m := c.Complete.Value.Get("message")
		if m.IsNil() {
			return fmt.Errorf("a receive has to return a map with a message, or nil, not %v", c.Complete.Value)
		}
		return j.got(o, m, "visibility")
	case "renew":
		return j.renewed(o, history.Value{}, "ttl")
	case "extend":
		j.accepted(o)
		return j.renewed(o, c.Invoke.Value.Get("message"), "visibility")
	case "release":
		j.ends(o, history.Value{})
	case "ack", "nack":
		j.accepted(o)
		return j.done(o)
	case "write":
		return j.wrote(o)
	case "leader":
		return j.led(o)
	}
	return nil
}

// thing returns a lock, or a message of a queue.
func (j *judge) thing(key, message history.Value) (int32, *thing) {
	id := j.ids.ID(history.List(key, message))
	if int(id) == len(j.things) {
		t := thing{title: "the lock"}
		switch {
		case !message.IsAbsent():
			t.title = "message " + checkers.KeyName(message)
		case !key.IsAbsent():
			t.title = "lock " + checkers.KeyName(key)
		}
		j.things = append(j.things, t)
	}
	return id, &j.things[id]
}

// got begins a hold. A process that asks again holds nothing for certain while it
// waits.
func (j *judge) got(o op, message history.Value, limit string) error {
	j.ends(o, message)
	if o.res == math.MaxInt {
		return nil
	}
	v := o.Complete.Value
	h := hold{op: o, until: math.MaxInt}
	h.token, h.fenced = v.Get("token").Int()
	if !v.Get(limit).IsNil() {
		if err := j.limit(&h, o, v.Get(limit)); err != nil {
			return err
		}
	}
	id, t := j.thing(o.Invoke.Key, message)
	j.holder[holder{id, o.Invoke.Process}] = len(t.holds)
	t.holds = append(t.holds, h)
	j.report.Held++
	j.report.judged++
	return nil
}

// limit gives a hold a time from the invocation of an operation on.
func (j *judge) limit(h *hold, o op, v history.Value) error {
	ms, ok := v.Int()
	if !ok || ms <= 0 || ms > math.MaxInt32 {
		return fmt.Errorf("the time of a lease has to be a number of milliseconds, not %v", v)
	}
	h.ttl, h.end = ms, max(1, o.Invoke.Time+ms*1e6-j.opts.Drift.Nanoseconds())
	return nil
}

// renewed makes the hold of a process longer, if there is one and it lasts.
func (j *judge) renewed(o op, message history.Value, limit string) error {
	id, t := j.thing(o.Invoke.Key, message)
	at, ok := j.holder[holder{id, o.Invoke.Process}]
	if !ok || o.res == math.MaxInt {
		return nil
	}
	h := &t.holds[at]
	if h.end == 0 || h.until < math.MaxInt || o.Invoke.Time >= h.end {
		return nil
	}
	v := o.Complete.Value.Get(limit)
	if v.IsNil() {
		v = history.Int(h.ttl)
	}
	longer := *h
	if err := j.limit(&longer, o, v); err != nil {
		return err
	}
	if longer.end > h.end {
		*h = longer
		h.renewals = append(h.renewals, o.inv)
	}
	return nil
}

// ends notes that a process began to give something back.
func (j *judge) ends(o op, message history.Value) {
	id, t := j.thing(o.Invoke.Key, message)
	if at, ok := j.holder[holder{id, o.Invoke.Process}]; ok && t.holds[at].until == math.MaxInt {
		t.holds[at].until, t.holds[at].back = o.inv, o.Invoke
	}
}

// accepted notes the token with which something was done about a message.
func (j *judge) accepted(o op) {
	if token, ok := o.Invoke.Value.Get("token").Int(); ok && o.res != math.MaxInt {
		_, t := j.thing(o.Invoke.Key, o.Invoke.Value.Get("message"))
		t.used = append(t.used, write{o, token})
		j.report.judged++
	}
}

func (j *judge) done(o op) error {
	m := o.Invoke.Value.Get("message")
	if m.IsNil() {
		return fmt.Errorf("the value of %s has to be a map with a message, not %v", o.Invoke.F, o.Invoke.Value)
	}
	j.ends(o, m)
	if _, t := j.thing(o.Invoke.Key, m); o.Invoke.F == "ack" && o.res != math.MaxInt {
		t.acks = append(t.acks, o)
	}
	return nil
}

func (j *judge) wrote(o op) error {
	token, ok := o.Invoke.Value.Get("token").Int()
	switch {
	case !ok:
		return nil // it has no token: not a write that is fenced
	case o.Type() == history.Fail:
		j.report.Fenced++
	case o.res != math.MaxInt:
		_, t := j.thing(o.Invoke.Key, history.Value{})
		t.writes = append(t.writes, write{o, token})
		j.report.Writes++
		j.report.judged++
	}
	return nil
}

// led judges who is said to lead a term.
func (j *judge) led(o op) error {
	if o.res == math.MaxInt {
		return nil
	}
	v := o.Complete.Value
	term, ok := v.Get("term").Int()
	if !ok {
		return fmt.Errorf("a leader has to be a map with a term, not %v", v)
	}
	node := fmt.Sprintf("%v %q", o.Invoke.Key, o.Invoke.Node)
	j.nodes[node] = append(j.nodes[node], o)
	j.report.judged++
	if v.Get("leader").IsNil() {
		return nil
	}
	key := fmt.Sprintf("%v %d", o.Invoke.Key, term)
	first, known := j.terms[key]
	switch {
	case !known:
		j.terms[key] = o
		j.report.Terms++
	case !first.Complete.Value.Get("leader").Equal(v.Get("leader")):
		j.add(TwoLeaders, nil, fmt.Sprintf("%s was told that %s leads term %d, and %s that %s does",
			j.who(first), checkers.KeyName(first.Complete.Value.Get("leader")), term, j.who(o), checkers.KeyName(v.Get("leader"))), first, o)
	}
	return nil
}

func term(o op) int64 {
	n, _ := o.Complete.Value.Get("term").Int()
	return n
}

// regress finds nodes that went back to an earlier term.
func (j *judge) regress() {
	var names []string
	for node := range j.nodes {
		names = append(names, node)
	}
	slices.Sort(names)
	for _, node := range names {
		list := j.nodes[node]
		ended := slices.SortedFunc(slices.Values(list), func(a, b op) int { return cmp.Compare(a.res, b.res) })
		var top *op
		for _, o := range list {
			for ; len(ended) > 0 && ended[0].res < o.inv; ended = ended[1:] {
				if top == nil || term(ended[0]) > term(*top) {
					top = &ended[0]
				}
			}
			if top != nil && term(o) < term(*top) {
				j.add(TermRegressed, nil, fmt.Sprintf("%s was told of term %d by %s; after that, %s asked the same node and was told of term %d",
					j.who(*top), term(*top), j.clock.At(top.Complete), j.who(o), term(o)), *top, o)
			}
		}
	}
}
