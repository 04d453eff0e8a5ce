package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// caller sends requests to the node that a client belongs to, and gives each
// a name of its own. It tries once: a retry is the business of the store.
type caller struct{ seq uint64 }

// call sends a request. A process number is never used by two clients at a
// time, and the index of an invocation only grows, so that the name of a
// request is unique even if the process goes on with a new client.
func (c *caller) call(env client.Env, op history.Op, req kv.Request) (kv.Response, error) {
	c.seq = max(c.seq+1, uint64(op.Index)+1)
	req.Client, req.Seq = uint64(op.Process)+1, c.seq
	answer, err := env.Call(env.Node(), req.AppendTo(make([]byte, 0, 64)))
	if err != nil {
		return kv.Response{}, err
	}
	resp, err := kv.ParseResponse(answer)
	if err != nil {
		return resp, fmt.Errorf("bad-answer: %w", err)
	}
	return resp, nil
}

// ended completes an operation whose request came back with neither a result
// nor a finding. Only codes that are known to be definite end a write as failed.
func ended(op history.Op, code kv.Code, readOnly bool) history.Op {
	switch code {
	case kv.NotFound, kv.Mismatch, kv.Unavailable, kv.Unsupported, kv.BadRequest:
		return client.Fail(op, codeName(code))
	default:
		if readOnly {
			return client.Fail(op, codeName(code))
		}
		return client.Info(op, codeName(code))
	}
}

// codeName is how a code stands in a history.
func codeName(c kv.Code) string {
	switch c {
	case kv.NotFound:
		return "not-found"
	case kv.Mismatch:
		return "mismatch"
	case kv.Unavailable:
		return "unavailable"
	case kv.Unsupported:
		return "unsupported"
	case kv.Unknown:
		return "unknown"
	case kv.BadRequest:
		return "bad-request"
	default:
		return fmt.Sprintf("code-%d", c)
	}
}

// registerClient does read, write and cas on registers: keys of the store.
type registerClient struct{ caller }

// Invoke does one operation.
func (c *registerClient) Invoke(env client.Env, op history.Op) history.Op {
	req := kv.Request{Key: text(op.Key)}
	switch op.F {
	case "read":
		req.Op = kv.Get
	case "write":
		req.Op, req.Value = kv.Put, text(op.Value)
	case "cas":
		pair := op.Value.Elems()
		if len(pair) != 2 {
			return client.Fail(op, "bad-request: cas wants [old new]")
		}
		req.Op, req.Old, req.Value = kv.CAS, text(pair[0]), text(pair[1])
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
	resp, err := c.call(env, op, req)
	switch {
	case err != nil:
		return client.Broken(op, err, op.F == "read")
	case resp.Code == kv.OK && op.F == "read":
		return client.OK(op, value(resp.Value))
	case resp.Code == kv.OK:
		return client.OK(op, op.Value)
	case resp.Code == kv.NotFound && op.F == "read":
		return client.OK(op, history.Nil)
	default:
		return ended(op, resp.Code, op.F == "read")
	}
}

// text is how a key or a value is written in the store; nil is "", which stands for none.
func text(v history.Value) string {
	if n, ok := v.Int(); ok {
		return strconv.FormatInt(n, 10)
	}
	return v.Text()
}

// value is the inverse of text for values.
func value(s string) history.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return history.Int(n)
	}
	return history.String(s)
}

// setClient does add and read on one set: each element is a key of the store.
type setClient struct{ caller }

// Invoke does one operation.
func (c *setClient) Invoke(env client.Env, op history.Op) history.Op {
	prefix := "set/" + text(op.Key) + "/"
	switch op.F {
	case "add":
		resp, err := c.call(env, op, kv.Request{Op: kv.Put, Key: prefix + text(op.Value), Value: "1"})
		switch {
		case err != nil:
			return client.Broken(op, err, false)
		case resp.Code == kv.OK:
			return client.OK(op, op.Value)
		default:
			return ended(op, resp.Code, false)
		}
	case "read":
		resp, err := c.call(env, op, kv.Request{Op: kv.Keys, Key: prefix})
		switch {
		case err != nil:
			return client.Broken(op, err, true)
		case resp.Code == kv.OK:
			return client.OK(op, elements(resp.Keys, prefix))
		default:
			return ended(op, resp.Code, true)
		}
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
}

// elements returns the set whose elements are in the keys, in their order.
func elements(keys []string, prefix string) history.Value {
	vs := make([]history.Value, len(keys))
	for i, k := range keys {
		vs[i] = value(strings.TrimPrefix(k, prefix))
	}
	slices.SortFunc(vs, history.Value.Compare)
	return history.List(vs...)
}
