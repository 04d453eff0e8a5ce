package eventlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge is a history, decoded, with what follows from it.
type judge struct {
	Report
	ctx        context.Context
	opts       Options
	subscribed bool // somebody subscribed
	assigns    bool // the history records what was assigned

	clock checkers.Clock
	txns  []txn
	raw   intern.Table // of keys as they are recorded
	ids   []int32      // of keys, by their number in raw
	names map[string]int32
	keys  []*partition // by number
	marks []mark       // by key, for the list of messages that is being looked at
	list  int          // its number
}

// txn is an operation that sends, polls, or changes what is polled.
type txn struct {
	history.Call
	sends []message
	polls []message
	keys  []int32 // of assign and subscribe
	empty []int32 // keys that a poll returned no messages for
	extra
	commit bool // what it sent certainly took effect
}

// message is a value that was sent or polled.
type message struct {
	key, value int32
	slot       int32 // where it is said to be, or -1
}

// partition is one log.
type partition struct {
	name    string
	values  intern.Table
	about   []about // by number of value
	offsets intern.Table
	slots   []slot  // by number of offset
	rank    []int32 // of slots that hold something, by number: their place in the log
	log     []int32 // slots that hold something, in the order of their offsets
	due     []int   // by place, from which index on it may be gone; nil if nothing is ever removed
}

// about is what is known of a value.
type about struct {
	writer      int32 // the last operation that sent it, plus one
	reader      int32 // the first operation that polled it and was ok, plus one
	witness     int32 // the first operation that polled it at all, plus one
	acked       int32 // the first operation that sent it and was ok, plus one
	maybe       bool  // some operation that sent it did not fail
	born        int   // when the first of those began, if maybe
	gone        bool  // retention or compaction may have removed it
	slots       int32 // how many offsets it is at
	first, last int32 // places in the log, if slots > 0
}

// slot is an offset with the values that were seen there.
type slot struct {
	offset int64
	held   []held
}

// held is a value with the first operation that shows it at an offset.
type held struct{ value, txn int32 }

// decode takes in all operations.
func (j *judge) decode(calls []history.Call) error {
	for i, c := range calls {
		t := txn{Call: c}
		err := j.stop(i)
		switch c.Invoke.F {
		case "assign", "subscribe":
			j.subscribed = j.subscribed || c.Invoke.F == "subscribe"
			for _, k := range c.Value().Elems() {
				t.keys = append(t.keys, j.key(k))
			}
		case "send", "poll", "txn", "rebalance", "commit", "init":
			if err == nil {
				err = j.micro(&t)
			}
		default:
			continue
		}
		if err != nil {
			return err
		}
		t.at = int32(len(j.txns))
		j.txns = append(j.txns, t)
	}
	return nil
}

// micro decodes micro-operations: those of the completion, if it has any.
func (j *judge) micro(t *txn) error {
	op := t.Invoke
	if t.Complete != nil && t.Complete.Value.Kind() == history.KindList {
		op = t.Complete
	}
	if c := t.Complete; t.Type() == history.Info && c != nil && c.Error != "" && !slices.Contains(j.InfoTxnCauses, c.Error) && len(j.InfoTxnCauses) < maxCauses {
		j.InfoTxnCauses = append(j.InfoTxnCauses, c.Error)
	}
	if op.Value.Kind() != history.KindList && !op.Value.IsNil() {
		return malformed(op, op.Value)
	}
	for _, m := range op.Value.Elems() {
		parts := m.Elems()
		switch {
		case len(parts) == 3 && parts[0].Text() == "send":
			t.sends = append(t.sends, j.sent(parts[1], parts[2]))
		case len(parts) == 1 && (parts[0].Text() == "poll" || parts[0].Text() == "abort"), len(parts) == 2 && parts[0].Text() == "poll" && parts[1].IsNil():
		case len(parts) == 2 && parts[0].Text() == "poll" && parts[1].Kind() == history.KindMap:
			if err := j.polled(t, op, parts[1].Elems()); err != nil {
				return err
			}
		case len(parts) == 2 && parts[1].Kind() == history.KindMap && j.more(t, parts[0].Text(), parts[1]):
		default:
			return malformed(op, m)
		}
	}
	if t.Type() == history.OK {
		j.Sent += len(t.sends)
		j.Polled += len(t.polls)
	}
	return nil
}

// stop returns an error if the time is over. It looks from time to time.
func (j *judge) stop(i int) error {
	if i%1024 != 0 || context.Cause(j.ctx) == nil {
		return nil
	}
	return fmt.Errorf("stopped: %w", context.Cause(j.ctx))
}

// maxCauses is how many causes are told apart.
const maxCauses = 100

func malformed(op *history.Op, v history.Value) error {
	return fmt.Errorf("index %d: the value of %s has to be a list of [\"send\", key, value], [\"send\", key, [offset, value]], [\"poll\"], [\"poll\", {key: [[offset, value], …]}] and what the package doc of eventlog lists beyond these, but it has %v",
		op.Index, op.F, v)
}

// key numbers a key. JSON only knows keys of maps that are strings, so 1 and "1"
// are the same key.
func (j *judge) key(v history.Value) int32 {
	n := j.raw.ID(v)
	if int(n) < len(j.ids) {
		return j.ids[n]
	}
	name := checkers.KeyName(v)
	id, ok := j.names[name]
	if !ok {
		id = int32(len(j.keys))
		j.names[name] = id
		j.keys = append(j.keys, &partition{name: name})
	}
	j.ids = append(j.ids, id)
	return id
}

func (j *judge) sent(key, v history.Value) message {
	m := message{key: j.key(key), slot: -1}
	p := j.keys[m.key]
	if v.Kind() == history.KindList && len(v.Elems()) == 2 {
		m.slot = p.slot(v.Elems()[0])
		v = v.Elems()[1]
	}
	m.value = p.value(v)
	return m
}

// polled decodes what a poll returned.
func (j *judge) polled(t *txn, op *history.Op, kvs []history.Value) error {
	for i := 0; i < len(kvs); i += 2 {
		k := j.key(kvs[i])
		p := j.keys[k]
		if len(kvs[i+1].Elems()) == 0 {
			t.empty = append(t.empty, k)
		}
		for _, pair := range kvs[i+1].Elems() {
			parts := pair.Elems()
			if len(parts) != 2 {
				return malformed(op, pair)
			}
			t.polls = append(t.polls, message{key: k, value: p.value(parts[1]), slot: p.slot(parts[0])})
		}
	}
	return nil
}

func (p *partition) value(v history.Value) int32 {
	id := p.values.ID(v)
	if int(id) == len(p.about) {
		p.about = append(p.about, about{})
	}
	return id
}

// slot numbers an offset; -1 stands for one that is not known.
func (p *partition) slot(v history.Value) int32 {
	n, ok := v.Int()
	if !ok {
		return -1
	}
	id := p.offsets.ID(v)
	if int(id) == len(p.slots) {
		p.slots = append(p.slots, slot{offset: n})
	}
	return id
}
