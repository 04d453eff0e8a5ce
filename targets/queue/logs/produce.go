package logs

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

func nodeOf(env client.Env) actor.NodeID { return actor.NodeID(env.Node()) }

// initialize makes the client the producer of a name.
func (c *Client) initialize(env client.Env, op history.Op) history.Op {
	name := ""
	for _, m := range op.Value.Elems() {
		if parts := m.Elems(); len(parts) == 2 {
			name = parts[1].Get("id").Text()
		}
	}
	if name == "" {
		return client.Fail(op, "bad-request: init wants an id")
	}
	c.name = name
	if end := c.epoch(env, op); end != nil {
		return *end
	}
	c.untold = false
	return client.OK(op, history.List(c.inited()))
}

// epoch gets the client an epoch of its name. If that is lost on the way the
// client has none, and nobody has one.
func (c *Client) epoch(env client.Env, op history.Op) *history.Op {
	c.txn = txnID{}
	answer, end := c.ask(env, op, true, initCommand(c.name))
	if end != nil {
		return end
	}
	if answer[0] != done {
		failed := client.Fail(op, "refused")
		return &failed
	}
	c.txn, c.untold = readTxn(wire.NewDecoder(answer[1:])), true
	return nil
}

func (c *Client) inited() history.Value {
	return history.List(history.String("init"), history.Map(
		history.String("id"), history.String(c.name), history.String("epoch"), history.Int(int64(c.txn.epoch))))
}

// send sends messages outside of transactions, one after the other. If one of them
// fails those before it are in the log for good, so that all of it has not failed.
func (c *Client) send(env client.Env, op history.Op) history.Op {
	if c.plain == 0 && c.cfg.Idempotent {
		answer, end := c.ask(env, op, true, initCommand(""))
		if end != nil {
			return *end
		}
		c.plain = wire.NewDecoder(answer[1:]).Uvarint()
	}
	micro := slices.Clone(op.Value.Elems())
	for i, m := range micro {
		r := record{txn: txnID{c.plain, 0}}
		if end := c.append(env, op, &micro[i], m, r); end != nil {
			if i > 0 {
				return client.Info(withValue(op, micro), "a part of it was sent: "+end.Error)
			}
			return *end
		}
	}
	return client.OK(op, history.List(micro...))
}

func withValue(op history.Op, micro []history.Value) history.Op {
	op.Value = history.List(micro...)
	return op
}

// append sends one message, and puts what came of it into the history.
func (c *Client) append(env client.Env, op history.Op, into *history.Value, m history.Value, r record) *history.Op {
	parts := m.Elems()
	p := c.part(parts[1])
	if p < 0 {
		failed := client.Fail(op, "bad-request: no partition "+parts[1].String())
		return &failed
	}
	c.seq++
	x := recordOf(parts[2])
	r.key, r.value, r.seq = x.key, x.value, c.seq
	answer, end := c.ask(env, op, false, sendRequest(p, r))
	switch {
	case end != nil:
		return end
	case answer[0] != done:
		failed := client.Fail(op, "fenced")
		return &failed
	case len(answer) > 1:
		offset := int64(wire.NewDecoder(answer[1:]).Uvarint())
		*into = history.List(parts[0], parts[1], history.List(history.Int(offset), parts[2]))
	}
	return nil
}

// transact does a transaction. Before it was asked to commit it certainly has
// not, and whatever goes wrong aborts it; what it polled is to be polled again.
func (c *Client) transact(env client.Env, op history.Op) history.Op {
	if c.name == "" {
		c.name = "p" + op.Process.String()
	}
	before := slices.Clone(c.at)
	end := c.tryTransaction(env, op)
	if end.Type == history.Fail {
		c.at, c.known = before, false
	}
	return end
}

func (c *Client) tryTransaction(env client.Env, op history.Op) history.Op {
	if c.txn.id == 0 {
		if end := c.epoch(env, op); end != nil {
			return *end
		}
	}
	micro, end := c.steps(env, op)
	if end != nil {
		if end.Error == "fenced" {
			c.txn = txnID{}
		} else {
			c.abort(env, op)
		}
		return client.Fail(op, end.Error)
	}
	if c.untold {
		micro = append([]history.Value{c.inited()}, micro...)
	}
	return c.finish(env, op, micro)
}

// steps announces where the transaction will send to, and does what it is made of.
func (c *Client) steps(env client.Env, op history.Op) ([]history.Value, *history.Op) {
	steps := op.Value.Elems()
	var parts []int
	for _, m := range steps {
		if x := m.Elems(); len(x) == 3 {
			parts = append(parts, max(c.part(x[1]), 0))
		}
	}
	if len(parts) > 0 {
		answer, end := c.ask(env, op, true, beginCommand(c.txn, parts))
		if end == nil && answer[0] != done {
			failed := client.Fail(op, "fenced")
			end = &failed
		}
		if end != nil {
			return nil, end
		}
	}
	var micro []history.Value
	for _, m := range steps {
		switch m.Elems()[0].Text() {
		case "send":
			micro = append(micro, m)
			if end := c.append(env, op, &micro[len(micro)-1], m, record{kind: inTxn, txn: c.txn}); end != nil {
				return nil, end
			}
		case "poll":
			polled, end := c.fetch(env, op, false)
			if end != nil {
				return nil, end
			}
			micro = append(micro, polled...)
		case "abort":
			failed := client.Fail(op, "aborted")
			return nil, &failed
		}
	}
	return micro, nil
}

// finish asks for the commit. Only if nobody knows what became of that is the
// outcome of the transaction unknown.
func (c *Client) finish(env client.Env, op history.Op, micro []history.Value) history.Op {
	who, offsets := c.consumed(op)
	answer, end := c.ask(env, withValue(op, micro), false, endCommand(c.txn, true, who, offsets))
	switch {
	case end != nil && end.Type == history.Fail:
		c.abort(env, op)
		return client.Fail(op, end.Error)
	case end != nil:
		return *end
	case answer[0] == done:
		c.txn.epoch = wire.NewDecoder(answer[1:]).Uvarint()
		c.untold = false
		if len(offsets) > 0 {
			micro = append(micro, c.committed(offsets))
		}
		c.fresh = nil
		return client.OK(op, history.List(micro...))
	case answer[0] == stale:
		c.txn.epoch = wire.NewDecoder(answer[1:]).Uvarint()
		c.known = false
		return client.Fail(op, "stale-generation")
	default:
		c.txn = txnID{}
		return client.Fail(op, "fenced")
	}
}

// consumed returns what a transaction of a member of a group commits with it.
func (c *Client) consumed(op history.Op) (membership, []position) {
	polls := slices.ContainsFunc(op.Value.Elems(), func(m history.Value) bool { return m.Elems()[0].Text() == "poll" })
	if c.who.group == "" || !polls {
		return membership{}, nil
	}
	return c.who, c.at
}

// abort aborts the transaction. If the answer is lost the client needs a new
// epoch, which aborts it as well.
func (c *Client) abort(env client.Env, op history.Op) {
	t := c.txn
	c.txn, c.known = txnID{}, false
	answer, end := c.ask(env, op, true, endCommand(t, false, membership{}, nil))
	if end == nil && answer[0] == done {
		c.txn = txnID{t.id, wire.NewDecoder(answer[1:]).Uvarint()}
	}
}
