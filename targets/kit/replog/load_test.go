package replog

import (
	"cmp"
	"slices"
	"strconv"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// load is a set of clients that do one operation after the other and write
// down what they saw.
type load struct {
	w       *world
	open    map[actor.RequestID]*caller
	nextReq actor.RequestID
	stopped bool
	history []operation
	codes   map[request.Code]int
}

type caller struct {
	l     *load
	id    uint64 // changes after a request of which the end is not known
	host  int
	seq   uint64
	rand  *choice.Stream
	req   actor.RequestID
	asked request.Request
	since int64
}

// operation is what a client did.
type operation struct {
	asked        request.Request
	told         reply
	since, until int64
}

const opTimeout = 1000 * ms

// startLoad has clients of every node work until stop.
func startLoad(w *world, clients int, pause int64) *load {
	l := &load{w: w, open: map[actor.RequestID]*caller{}, codes: map[request.Code]int{}}
	w.replies = l.reply
	for i := range clients {
		c := &caller{l: l, id: uint64(i) + 1, host: i % len(w.hosts), rand: w.src.Stream("client", uint64(i))}
		w.after(c.rand.Int64N(pause+1), func() { c.next(pause) })
	}
	return l
}

func (c *caller) next(pause int64) {
	l := c.l
	if l.stopped {
		return
	}
	c.seq++
	l.nextReq++
	req := l.nextReq
	c.asked = add(c.id, c.seq, strconv.FormatUint(uint64(req), 10)) // no two are equal
	if c.rand.Chance(2, 5) {
		c.asked = look(c.id, c.seq)
	}
	c.req, c.since = req, l.w.now
	l.open[req] = c
	l.w.hosts[c.host].request(req, c.asked)
	l.w.after(opTimeout, func() {
		if l.open[req] == c {
			l.finish(c, reply{code: request.Unknown})
		}
	})
	l.w.after(pause+c.rand.Int64N(pause+1), func() { c.again(pause) })
}

// again goes on once the open request has ended.
func (c *caller) again(pause int64) {
	if c.l.open[c.req] == c {
		c.l.w.after(pause, func() { c.again(pause) })
		return
	}
	c.next(pause)
}

func (l *load) reply(host int, req actor.RequestID, r reply) {
	if c := l.open[req]; c != nil && c.host == host {
		l.finish(c, r)
	}
}

// finish records what happened. What may have happened stays open for ever.
func (l *load) finish(c *caller, r reply) {
	delete(l.open, c.req)
	l.codes[r.code]++
	op := operation{c.asked, r, c.since, l.w.now}
	if r.code == request.Unknown {
		op.until = never
		c.id += 1000
		c.seq = 0
	}
	l.history = append(l.history, op)
}

// check sees that the history is linearizable, once all nodes agree: that the list
// has each command at most once and none that failed, that it explains every
// answer, and that it keeps to real time.
func (l *load) check(t *testing.T) {
	t.Helper()
	commands := l.w.hosts[0].node.state.machine.(*list).commands
	places := map[string]int{}
	for i, cmd := range commands {
		if places[cmd] > 0 {
			t.Fatalf("command %s was applied twice, as number %d and %d", cmd, places[cmd], i+1)
		}
		places[cmd] = i + 1
	}
	for _, op := range l.history {
		place, cmd := op.told.place, string(op.asked.Body)
		switch {
		case op.told.code == request.Unavailable && !op.asked.ReadOnly && places[cmd] > 0:
			t.Errorf("command %s failed and was applied", cmd)
		case op.told.code != request.OK:
		case place > len(commands) || place > 0 && commands[place-1] != op.told.cmd || place == 0 && op.told.cmd != "":
			t.Errorf("%v was told %v, which is not in the list", op.asked, op.told)
		case !op.asked.ReadOnly && places[cmd] != place:
			t.Errorf("%v was told %v, and is number %d", op.asked, op.told, places[cmd])
		}
	}
	l.realTime(t, places)
}

// realTime sees that no operation saw less of the list, and no command stands
// further ahead in it, than what had ended before it began.
func (l *load) realTime(t *testing.T, places map[string]int) {
	t.Helper()
	begun := slices.Clone(l.history)
	for i, op := range begun {
		if !op.asked.ReadOnly {
			begun[i].told.place = places[string(op.asked.Body)]
		}
	}
	ended := slices.Clone(begun)
	slices.SortFunc(begun, func(a, b operation) int { return cmp.Compare(a.since, b.since) })
	slices.SortFunc(ended, func(a, b operation) int { return cmp.Compare(a.until, b.until) })
	seen := 0 // of the list, by what has ended
	for _, op := range begun {
		for len(ended) > 0 && ended[0].until < op.since {
			seen, ended = max(seen, ended[0].told.place), ended[1:]
		}
		place := op.told.place
		if op.asked.ReadOnly && op.told.code == request.OK && place < seen || !op.asked.ReadOnly && place > 0 && place <= seen {
			t.Errorf("%v at %d has place %d, and %d were seen before", op.asked, op.since, place, seen)
		}
	}
}
