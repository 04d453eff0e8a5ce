package stream

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge collects messages and readers.
type judge struct {
	Report
	ctx       context.Context
	clock     checkers.Clock
	ids       intern.Table // of messages
	messages  []message
	producers intern.Table
	readers   []*reader // in the order of their first fetch
	found     map[string][]checkers.Anomaly
}

// message is a pair of a producer and a counter.
type message struct {
	producer int32
	counter  int64
	publish  history.Call // the one that was ok, or else the last one that did not fail, or any
}

// reader is a process that fetches.
type reader struct {
	process history.Process
	node    string
	got     []delivery    // each message once
	has     map[int32]int // by message, its place in got
	end     int           // when it began to look for more and had come to the end, or -1
	look    history.Call
}

// delivery is a message with the fetch that returned it.
type delivery struct {
	message int32
	fetch   history.Call
}

func check(ctx context.Context, calls []history.Call, opts Options) (Report, error) {
	j := &judge{ctx: ctx, clock: checkers.ClockOf(calls), found: map[string][]checkers.Anomaly{}}
	j.Counts, j.Nodes = map[string]int{}, []Counts{}
	by := map[history.Process]*reader{}
	for i, c := range calls {
		err := j.stop(i)
		if err == nil && c.Invoke.F == "publish" {
			err = j.publish(c)
		}
		if err != nil {
			return j.Report, err
		}
	}
	for i, c := range calls {
		err := j.stop(i)
		if err == nil && c.Invoke.F == "fetch" && c.Type() == history.OK {
			r := by[c.Invoke.Process]
			if r == nil {
				r = &reader{process: c.Invoke.Process, node: c.Invoke.Node, end: -1, has: map[int32]int{}}
				by[c.Invoke.Process] = r
				j.readers = append(j.readers, r)
			}
			err = j.fetch(r, c, opts)
		}
		if err != nil {
			return j.Report, err
		}
	}
	j.losses()
	j.divergence()
	for _, name := range order {
		j.Anomalies = append(j.Anomalies, j.found[name]...)
	}
	return j.Report, nil
}

// id numbers a message.
func (j *judge) id(op *history.Op, v history.Value) (int32, error) {
	pair := v.Elems()
	if v.Kind() != history.KindList || len(pair) != 2 {
		return 0, fmt.Errorf("index %d: a message has to be [producer, counter], but it is %v", op.Index, v)
	}
	n, ok := pair[1].Int()
	if !ok {
		return 0, fmt.Errorf("index %d: the counter of a message has to be an integer, but it is %v", op.Index, pair[1])
	}
	id := j.ids.ID(v)
	if int(id) == len(j.messages) {
		j.messages = append(j.messages, message{producer: j.producers.ID(pair[0]), counter: n})
	}
	return id, nil
}

func (j *judge) publish(c history.Call) error {
	id, err := j.id(c.Invoke, c.Invoke.Value)
	if err != nil {
		return err
	}
	j.Attempts++
	rank := map[history.Type]int{history.OK: 3, history.Info: 2, history.Fail: 1}
	if m := &j.messages[id]; m.publish.Invoke == nil || rank[c.Type()] > rank[m.publish.Type()] {
		m.publish = c
	}
	return nil
}

func (j *judge) fetch(r *reader, c history.Call, opts Options) error {
	j.Fetches++
	list := c.Complete.Value
	if list.Kind() != history.KindList && !list.IsNil() {
		return fmt.Errorf("index %d: a fetch has to return a list of messages, but it returned %v", c.Complete.Index, list)
	}
	for _, v := range list.Elems() {
		id, err := j.id(c.Complete, v)
		if err != nil {
			return err
		}
		j.expected(c, id)
		if at, ok := r.has[id]; ok {
			if !opts.AtLeastOnce {
				first := r.got[at].fetch
				j.note(Duplicate, r.node, fmt.Sprintf("%s got %v, which it had got at %s", j.who(c), v, j.clock.At(first.Invoke)), first.Invoke.Index, c.Invoke.Index)
			}
			continue
		}
		r.has[id] = len(r.got)
		r.got = append(r.got, delivery{id, c})
	}
	if len(list.Elems()) == 0 || c.Complete.Final {
		r.end, r.look = c.Invoke.Index, c
	}
	return nil
}

func (j *judge) who(c history.Call) string {
	node := ""
	if c.Invoke.Node != "" {
		node = " on " + c.Invoke.Node
	}
	return fmt.Sprintf("process %v, reading%s at %s,", c.Invoke.Process, node, j.clock.At(c.Invoke))
}

// expected notes a message that nobody can have published by the end of a fetch.
func (j *judge) expected(c history.Call, id int32) {
	switch p := j.messages[id].publish; {
	case p.Invoke == nil:
		j.note(Unexpected, c.Invoke.Node, fmt.Sprintf("%s got %v, which nobody published", j.who(c), j.ids.Value(id)), c.Invoke.Index)
	case p.Type() == history.Fail:
		j.note(Aborted, c.Invoke.Node, fmt.Sprintf("%s got %v, which process %v published at %s, and that failed", j.who(c), j.ids.Value(id), p.Invoke.Process, j.clock.At(p.Invoke)), p.Invoke.Index, c.Invoke.Index)
	case p.Invoke.Index > c.Complete.Index:
		j.note(Unexpected, c.Invoke.Node, fmt.Sprintf("%s got %v, which nobody had published by then", j.who(c), j.ids.Value(id)), c.Invoke.Index)
	}
}

// place is a node, or all of them.
type place struct {
	node string
	got  []delivery // maybe more than once
	end  int
	look history.Call
}

func (p *place) add(r *reader) {
	p.got = append(p.got, r.got...)
	if r.end > p.end {
		p.end, p.look = r.end, r.look
	}
}

// losses looks at each node, and at all together.
func (j *judge) losses() {
	all := &place{end: -1}
	var nodes []*place
	for _, r := range j.readers {
		all.add(r)
		at := slices.IndexFunc(nodes, func(p *place) bool { return p.node == r.node })
		if at < 0 {
			at = len(nodes)
			nodes = append(nodes, &place{node: r.node, end: -1})
		}
		nodes[at].add(r)
	}
	acked := 0
	for _, m := range j.messages {
		if m.acked() {
			acked++
		}
	}
	j.Acknowledged = acked
	if len(j.readers) == 0 {
		return
	}
	j.Global = j.lost(all)
	slices.SortFunc(nodes, func(a, b *place) int { return cmp.Compare(a.node, b.node) })
	for _, p := range nodes {
		if p.node != "" {
			j.Nodes = append(j.Nodes, j.lost(p))
		}
	}
}

func (m *message) acked() bool { return m.publish.Invoke != nil && m.publish.Type() == history.OK }

// lost looks for what is not in a place.
func (j *judge) lost(p *place) Counts {
	n := Counts{Node: p.node}
	have := make([]bool, len(j.messages))
	first, last := make([]int, j.producers.Len()), make([]int, j.producers.Len()) // places in p.got, plus one
	for i, d := range p.got {
		m := &j.messages[d.message]
		if !have[d.message] {
			have[d.message] = true
			n.Read++
		}
		if at := &first[m.producer]; *at == 0 || m.counter < j.messages[p.got[*at-1].message].counter {
			*at = i + 1
		}
		if at := &last[m.producer]; *at == 0 || m.counter > j.messages[p.got[*at-1].message].counter {
			*at = i + 1
		}
	}
	for id := range j.messages {
		m := &j.messages[id]
		if have[id] || !m.acked() {
			continue
		}
		what := fmt.Sprintf("process %v published %v, and it was acknowledged at %s; nobody ever got it", m.publish.Invoke.Process, j.ids.Value(int32(id)), j.clock.At(m.publish.Complete))
		if p.node != "" {
			what += " from " + p.node
		}
		earlier, later := first[m.producer], last[m.producer]
		switch {
		case later > 0 && j.messages[p.got[later-1].message].counter > m.counter:
			name, d := LostPrefix, p.got[later-1]
			what += fmt.Sprintf(", but %s got %v, which is later", j.who(d.fetch), j.ids.Value(d.message))
			ops := []int{m.publish.Invoke.Index, d.fetch.Invoke.Index}
			if e := p.got[earlier-1]; j.messages[e.message].counter < m.counter {
				name = LostMiddle
				what += fmt.Sprintf(", and %s got %v, which is earlier", j.who(e.fetch), j.ids.Value(e.message))
				ops = append(ops, e.fetch.Invoke.Index)
				n.LostMiddle++
			} else {
				n.LostPrefix++
			}
			j.note(name, p.node, what, ops...)
		case m.publish.Complete.Index < p.end:
			n.LostPostfix++
			j.note(LostPostfix, p.node, what+fmt.Sprintf(", although %s came to the end", j.who(p.look)), m.publish.Invoke.Index, p.look.Invoke.Index)
		default:
			n.Unread++
		}
	}
	return n
}

// divergence compares the order of each reader with that of producers, and with the
// reader that got most.
func (j *judge) divergence() {
	var most *reader
	for _, r := range j.readers {
		j.reordered(r)
		if most == nil || len(r.got) > len(most.got) {
			most = r
		}
	}
	for _, r := range j.readers {
		if r != most && !j.differ(most, r) {
			j.differ(r, most)
		}
	}
}

// reordered looks for messages of a producer that come after later ones.
func (j *judge) reordered(r *reader) {
	last := map[int32]delivery{} // by producer, the one with the highest counter so far
	for _, d := range r.got {
		m := &j.messages[d.message]
		before, ok := last[m.producer]
		if ok && j.messages[before.message].counter > m.counter {
			j.note(Reorder, r.node, fmt.Sprintf("%s got %v, after it had got %v at %s", j.who(d.fetch), j.ids.Value(d.message), j.ids.Value(before.message), j.clock.At(before.fetch.Invoke)),
				before.fetch.Invoke.Index, d.fetch.Invoke.Index)
			continue
		}
		last[m.producer] = d
	}
}

// differ compares reader b with reader a, and reports whether it found that they do not
// see one stream.
func (j *judge) differ(a, b *reader) bool {
	at := make([]int, len(j.messages)) // where a has it, plus one
	for i, d := range a.got {
		at[d.message] = i + 1
	}
	has := make([]bool, len(j.messages))
	furthest := -1 // of what b has: where in b
	for i, d := range b.got {
		has[d.message] = true
		if at[d.message] == 0 {
			continue
		}
		if furthest >= 0 && at[b.got[furthest].message] > at[d.message] {
			f := b.got[furthest]
			j.note(Diverged, "", fmt.Sprintf("%s got %v, and %s got %v; %s got %v before, and %s got %v after that: they do not see one stream",
				j.who(a.got[at[d.message]-1].fetch), j.ids.Value(d.message), j.who(a.got[at[f.message]-1].fetch), j.ids.Value(f.message),
				j.who(f.fetch), j.ids.Value(f.message), j.who(d.fetch), j.ids.Value(d.message)),
				a.got[at[d.message]-1].fetch.Invoke.Index, a.got[at[f.message]-1].fetch.Invoke.Index, f.fetch.Invoke.Index, d.fetch.Invoke.Index)
			return true
		}
		furthest = i
	}
	if furthest < 0 {
		return false
	}
	f := b.got[furthest]
	for _, d := range a.got[:at[f.message]-1] {
		if !has[d.message] {
			j.note(Diverged, "", fmt.Sprintf("%s got %v, and then %v, at %s; %s got %v, but process %v never got %v, which is before it: they do not see one stream",
				j.who(d.fetch), j.ids.Value(d.message), j.ids.Value(f.message), j.clock.At(a.got[at[f.message]-1].fetch.Invoke),
				j.who(f.fetch), j.ids.Value(f.message), b.process, j.ids.Value(d.message)),
				d.fetch.Invoke.Index, a.got[at[f.message]-1].fetch.Invoke.Index, f.fetch.Invoke.Index)
			return true
		}
	}
	return false
}
