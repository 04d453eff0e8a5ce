package logs

import (
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Client is a producer and a consumer in one. Its operations are those of the
// checker of logs: send, poll, txn, assign, subscribe, commit and init.
type Client struct {
	request.Caller
	cfg *Config

	// Consumer: what it polls, and from where.
	at    []position
	fresh []position // those of them that the history does not know
	who   membership // of a group, or none
	known bool       // the history knows of the assignment

	// Producer.
	plain  uint64 // without a name; 0 before the first send
	name   string // of transactions
	txn    txnID  // the next one; 0 if it needs a new epoch
	seq    uint64
	untold bool // the history does not know of the epoch
}

// NewClient returns a client of a log. One that is not idempotent sends without
// numbers.
func NewClient(cfg Config) *Client { return &Client{cfg: &cfg} }

// Limits of a poll.
const (
	pollMost  = 50
	finalMost = 500
	finalTime = 700 * ms // how long a final poll looks for the end
)

// Invoke does one operation.
func (c *Client) Invoke(env client.Env, op history.Op) history.Op {
	switch op.F {
	case "assign":
		return c.assign(op)
	case "subscribe":
		return c.subscribe(env, op)
	case "poll":
		return c.poll(env, op)
	case "commit":
		return c.commit(env, op)
	case "init":
		return c.initialize(env, op)
	case "send":
		if c.name == "" {
			return c.send(env, op)
		}
		return c.transact(env, op)
	case "txn":
		return c.transact(env, op)
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
}

// part returns the number of a partition, or -1.
func (c *Client) part(key history.Value) int {
	for p := range c.cfg.partitions() {
		if c.cfg.PartitionName(p) == key.Text() {
			return p
		}
	}
	return -1
}

func (c *Client) key(p int) history.Value { return history.String(c.cfg.PartitionName(p)) }

// assign has the client poll some partitions: those that it has not polled yet
// from their end on, and in the final phase, as some clients do at any time, from
// their beginning.
func (c *Client) assign(op history.Op) history.Op {
	var at, fresh []position
	for _, key := range op.Value.Elems() {
		p := c.part(key)
		if p < 0 {
			return client.Fail(op, "bad-request: no partition "+key.String())
		}
		old := slices.IndexFunc(c.at, func(x position) bool { return x.part == p })
		switch {
		case old >= 0 && c.who.group == "" && !op.Final:
			at = append(at, c.at[old])
			fresh = append(fresh, slices.DeleteFunc(slices.Clone(c.fresh), func(x position) bool { return x.part != p })...)
		case op.Final || op.Process%beginners == 0:
			at, fresh = append(at, position{p, 0}), append(fresh, position{p, 0})
		default:
			at = append(at, position{p, fromEnd})
		}
	}
	c.at, c.fresh, c.who = at, fresh, membership{}
	return client.OK(op, op.Value)
}

// beginners is one client of how many begins at the beginning of a partition.
const beginners = 4

// theGroup is the one that all who subscribe are in.
const theGroup = "g"

// subscribe has the client join its group. What it owns it learns when it polls.
func (c *Client) subscribe(env client.Env, op history.Op) history.Op {
	who := membership{group: theGroup, member: "p" + op.Process.String()}
	answer, end := c.ask(env, op, true, joinCommand(who.group, who.member, nodeOf(env)))
	if end != nil {
		return *end
	}
	if answer[0] != done {
		return client.Fail(op, "refused")
	}
	c.at, c.fresh, c.who, c.known = nil, nil, who, false
	return client.OK(op, op.Value)
}

// ask sends a request, and returns the answer, which is not empty, or how the
// operation ends without one.
func (c *Client) ask(env client.Env, op history.Op, readOnly bool, body []byte) ([]byte, *history.Op) {
	code, answer, err := c.Call(env, op, body[0] == cmdSync || body[0] == reqPoll, body)
	switch {
	case err != nil:
		end := client.Broken(op, err, readOnly)
		return nil, &end
	case code != request.OK:
		end := request.Ended(op, code, readOnly)
		return nil, &end
	case len(answer) == 0:
		end := request.Ended(op, request.Unknown, readOnly)
		return nil, &end
	}
	return answer, nil
}

// poll is an operation that polls once, and in the final phase to the end.
func (c *Client) poll(env client.Env, op history.Op) history.Op {
	micro, end := c.fetch(env, op, true)
	if end != nil {
		return *end
	}
	c.fresh = nil
	return client.OK(op, history.List(micro...))
}

// fetch polls, and returns micro-operations: what the client was assigned and from
// where it polls, if that is new, and what came back. If it fails nothing was polled. Where it commits by itself, what polls before
// this one returned is committed.
func (c *Client) fetch(env client.Env, op history.Op, commits bool) ([]history.Value, *history.Op) {
	micro, end := c.sync(env, op)
	if end != nil {
		return nil, end
	}
	if len(c.fresh) > 0 {
		micro = append(micro, history.List(history.String("from"), c.offsets(c.fresh)))
	}
	before := slices.Clone(c.at)
	got := make([][]history.Value, c.cfg.partitions())
	ended := make([]bool, c.cfg.partitions())
	began := env.Now()
	for {
		if end := c.once(env, op, commits, got, ended); end != nil {
			c.at, c.known = before, false
			return nil, end
		}
		if !op.Final || !slices.ContainsFunc(c.at, func(p position) bool { return !ended[p.part] }) || int64(env.Now()-began) > finalTime {
			break
		}
	}
	c.known = true
	var kvs []history.Value
	for p, list := range got {
		if len(list) > 0 || ended[p] {
			kvs = append(kvs, c.key(p), history.List(list...))
		}
	}
	return append(micro, history.List(history.String("poll"), history.Map(kvs...))), nil
}

// once polls once, and moves on.
func (c *Client) once(env client.Env, op history.Op, commits bool, got [][]history.Value, ended []bool) *history.Op {
	if len(c.at) == 0 {
		return nil
	}
	most := pollMost
	if op.Final {
		most = finalMost
	}
	answer, end := c.ask(env, op, true, pollRequest(c.who, commits, most, c.at))
	if end != nil {
		return end
	}
	d := wire.NewDecoder(answer[1:])
	for range count(d) {
		m := readPollAnswer(d)
		i := slices.IndexFunc(c.at, func(p position) bool { return p.part == m.part })
		if i < 0 || d.Err() != nil {
			break
		}
		c.at[i].offset, ended[m.part] = m.next, m.end
		for _, x := range m.messages {
			got[m.part] = append(got[m.part], history.List(history.Int(x.offset), valueOf(x.key, x.value)))
		}
	}
	return nil
}

// sync asks what the client owns as a member of a group. If that has changed it
// begins where the group is.
func (c *Client) sync(env client.Env, op history.Op) ([]history.Value, *history.Op) {
	if c.who.group == "" {
		return nil, nil
	}
	answer, end := c.ask(env, op, true, syncQuery(c.who.group, c.who.member))
	if end == nil && answer[0] == stale {
		answer, end = c.ask(env, op, true, joinCommand(c.who.group, c.who.member, nodeOf(env)))
	}
	if end != nil {
		return nil, end
	}
	if answer[0] != done {
		failed := client.Fail(op, "refused")
		return nil, &failed
	}
	d := wire.NewDecoder(answer[1:])
	generation, own := d.Uvarint(), readPositions(d)
	same := slices.EqualFunc(own, c.at, func(a, b position) bool { return a.part == b.part })
	if c.known && generation == c.who.generation && same {
		return nil, nil
	}
	c.known, c.at, c.fresh, c.who.generation = false, own, slices.Clone(own), generation
	return []history.Value{c.assigned()}, nil
}

// assigned says what the client owns.
func (c *Client) assigned() history.Value {
	var keys []history.Value
	for _, p := range c.at {
		keys = append(keys, c.key(p.part))
	}
	return history.List(history.String("assigned"), history.Map(
		history.String("group"), history.String(c.who.group), history.String("generation"), history.Int(int64(c.who.generation)),
		history.String("member"), history.String(c.who.member), history.String("keys"), history.List(keys...)))
}

// commit commits what was polled up to now for the group.
func (c *Client) commit(env client.Env, op history.Op) history.Op {
	if c.who.group == "" || !c.known {
		return client.Fail(op, "no-assignment")
	}
	answer, end := c.ask(env, op, false, commitCommand(c.who, c.at))
	if end != nil {
		return *end
	}
	if answer[0] != done {
		c.known = false
		return client.Fail(op, "stale-generation")
	}
	return client.OK(op, history.List(c.committed(c.at)))
}

// committed says what was committed for the group.
func (c *Client) committed(offsets []position) history.Value {
	return history.List(history.String("commit"), c.offsets(offsets))
}

// offsets returns positions as the history has them.
func (c *Client) offsets(list []position) history.Value {
	var kvs []history.Value
	for _, p := range list {
		kvs = append(kvs, c.key(p.part), history.Int(p.offset))
	}
	return history.Map(kvs...)
}

// valueOf returns a message as the history has it.
func valueOf(key, value string) history.Value {
	if key == "" {
		return number(value)
	}
	return history.Map(history.String("key"), history.String(key), history.String("value"), number(value))
}

func number(s string) history.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return history.Int(n)
	}
	if s == "" {
		return history.Nil
	}
	return history.String(s)
}

// recordOf is the inverse of valueOf.
func recordOf(v history.Value) record {
	if v.Kind() == history.KindMap {
		return record{key: v.Get("key").Text(), value: request.Text(v.Get("value"))}
	}
	return record{value: request.Text(v)}
}
