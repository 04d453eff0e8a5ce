package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// caller sends requests to the node that a client belongs to.
type caller struct{ request.Caller }

// call sends a request and returns what the store found.
func (c *caller) call(env client.Env, op history.Op, req kv.Request) (kv.Response, error) {
	code, body, err := c.Call(env, op, req.Op.ReadOnly(), req.AppendBody(make([]byte, 0, 64)))
	if err != nil || code != kv.OK {
		return kv.Response{Code: code}, err
	}
	resp, err := kv.ParseFound(body)
	if err != nil {
		return resp, fmt.Errorf("bad-answer: %w", err)
	}
	return resp, nil
}

// ended completes an operation whose request came back with neither a result
// nor a finding.
func ended(op history.Op, code kv.Code, readOnly bool) history.Op {
	switch code {
	case kv.NotFound:
		return client.Fail(op, "not-found")
	case kv.Mismatch:
		return client.Fail(op, "mismatch")
	case kv.Unsupported:
		return client.Fail(op, "unsupported")
	default:
		return request.Ended(op, code, readOnly)
	}
}

// registerClient does read, write and cas on registers: keys of the store.
type registerClient struct{ caller }

// Invoke does one operation.
func (c *registerClient) Invoke(env client.Env, op history.Op) history.Op {
	req := kv.Request{Key: request.Text(op.Key)}
	switch op.F {
	case "read":
		req.Op = kv.Get
	case "write":
		req.Op, req.Value = kv.Put, request.Text(op.Value)
	case "delete":
		req.Op = kv.Delete
	case "cas":
		pair := op.Value.Elems()
		if len(pair) != 2 {
			return client.Fail(op, "bad-request: cas wants [old new]")
		}
		req.Op, req.Old, req.Value = kv.CAS, request.Text(pair[0]), request.Text(pair[1])
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
	resp, err := c.call(env, op, req)
	switch {
	case err != nil:
		return client.Broken(op, err, op.F == "read")
	case resp.Code == kv.OK && op.F == "read":
		return client.OK(op, request.Value(resp.Value))
	case resp.Code == kv.OK:
		return client.OK(op, op.Value)
	case resp.Code == kv.NotFound && op.F == "read":
		return client.OK(op, history.Nil)
	default:
		return ended(op, resp.Code, op.F == "read")
	}
}

// setClient does add and read on one set: each element is a key of the store.
type setClient struct{ caller }

// Invoke does one operation.
func (c *setClient) Invoke(env client.Env, op history.Op) history.Op {
	prefix := "set/" + request.Text(op.Key) + "/"
	switch op.F {
	case "add":
		resp, err := c.call(env, op, kv.Request{Op: kv.Put, Key: prefix + request.Text(op.Value), Value: "1"})
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
		vs[i] = request.Value(strings.TrimPrefix(k, prefix))
	}
	slices.SortFunc(vs, history.Value.Compare)
	return history.List(vs...)
}
