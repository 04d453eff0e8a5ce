package replog

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// load is a set of clients that do one operation after the other and write
// down what they saw.
type load struct {
	w       *world
	clients []*caller
	open    map[actor.RequestID]*caller
	nextReq actor.RequestID
	nextVal int
	keys    int
	stopped bool
	history []porcupine.Operation
	codes   map[kv.Code]int
	lost    int // requests that nobody answered
}

type caller struct {
	l      *load
	id     uint64 // changes after a request of which the end is not known
	thread int
	host   int
	seq    uint64
	rand   *choice.Stream
	req    actor.RequestID
	asked  kv.Request
	since  int64
}

const opTimeout = 1000 * ms

// startLoad has clients of every node work until stop.
func startLoad(w *world, clients, keys int, pause int64) *load {
	l := &load{w: w, open: map[actor.RequestID]*caller{}, keys: keys, codes: map[kv.Code]int{}}
	w.replies = l.reply
	for i := range clients {
		c := &caller{l: l, id: uint64(i) + 1, thread: i, host: i % len(w.hosts), rand: w.src.Stream("client", uint64(i))}
		l.clients = append(l.clients, c)
		w.after(c.rand.Int64N(pause+1), func() { c.next(pause) })
	}
	return l
}

func (c *caller) next(pause int64) {
	if c.l.stopped {
		return
	}
	l := c.l
	c.seq++
	l.nextVal++
	c.asked = kv.Request{Client: c.id, Seq: c.seq, Key: "k" + strconv.Itoa(c.rand.IntN(l.keys))}
	switch c.rand.IntN(10) {
	case 0, 1, 2, 3:
		c.asked.Op = kv.Get
	case 4:
		c.asked.Op, c.asked.Old, c.asked.Value = kv.CAS, c.lastSeen(), strconv.Itoa(l.nextVal)
	case 5:
		c.asked.Op = kv.Delete
	default:
		c.asked.Op, c.asked.Value = kv.Put, strconv.Itoa(l.nextVal)
	}
	l.nextReq++
	req := l.nextReq
	c.req, c.since = req, l.w.now
	l.open[req] = c
	l.w.hosts[c.host].request(req, c.asked)
	l.w.after(opTimeout, func() {
		if l.open[req] == c {
			l.lost++
			l.finish(c, kv.Response{Code: kv.Unknown})
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

// lastSeen is a value that may be there: that of some write not long ago.
func (c *caller) lastSeen() string {
	for i := len(c.l.history) - 1; i >= 0; i-- {
		req, resp := c.l.history[i].Input.(kv.Request), c.l.history[i].Output.(kv.Response)
		if req.Key == c.asked.Key && resp.Code == kv.OK {
			if req.Op == kv.Get {
				return resp.Value
			}
			return req.Value
		}
	}
	return ""
}

func (l *load) reply(host int, req actor.RequestID, resp kv.Response) {
	if c := l.open[req]; c != nil && c.host == host {
		l.finish(c, resp)
	}
}

// finish records what happened. What certainly did not happen is left out,
// what may have happened stays open for ever.
func (l *load) finish(c *caller, resp kv.Response) {
	delete(l.open, c.req)
	l.codes[resp.Code]++
	op := porcupine.Operation{ClientId: c.thread, Input: c.asked, Call: c.since, Output: resp, Return: l.w.now}
	switch resp.Code {
	case kv.Unavailable:
		return
	case kv.Unknown:
		if c.asked.Op.ReadOnly() {
			return
		}
		op.Return = never
		c.id += 1000
		c.seq = 0
	}
	l.history = append(l.history, op)
}

// check judges what the clients saw.
func (l *load) check(t *testing.T) {
	t.Helper()
	if res := porcupine.CheckOperationsTimeout(register, l.history, 10*time.Second); res != porcupine.Ok {
		t.Fatalf("the history of %d operations is not linearizable: %v", len(l.history), res)
	}
}

// register is a key by itself: "" is nothing.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		var keys []string
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(kv.Request).Key
			if byKey[key] == nil {
				keys = append(keys, key)
			}
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, key := range keys {
			parts = append(parts, byKey[key])
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		was, req, resp := state.(string), input.(kv.Request), output.(kv.Response)
		open := resp.Code == kv.Unknown
		switch req.Op {
		case kv.Get:
			return resp.Code == kv.OK && resp.Value == was || resp.Code == kv.NotFound && was == "", was
		case kv.Put:
			return true, req.Value
		case kv.Delete:
			return open || (resp.Code == kv.OK) == (was != ""), ""
		default:
			if was == req.Old && resp.Code != kv.Mismatch {
				return true, req.Value
			}
			return open || resp.Code == kv.Mismatch && was != req.Old, was
		}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, output) },
}
