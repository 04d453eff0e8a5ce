package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/files/ask"
	"github.com/ordeal-dev/ordeal/targets/files/namespace"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// Files that are written as a whole and names that come and go are in two
// directories, so that a list of the latter is not full of the former.
const (
	contents = "content/"
	names    = "names/"
	streams  = "streams/"
)

// content returns what is written for a tag: a text of one to three blocks that
// says the tag over and over, and how long it is to be.
func content(tag string) []byte {
	size := len(tag)
	for _, c := range []byte(tag) {
		size = (size*31 + int(c)) % 1200
	}
	b := fmt.Appendf(nil, "%s in %d bytes:", tag, size+100)
	for len(b) < size+100 {
		b = append(append(b, ' '), tag...)
	}
	return b[:size+100]
}

// tagOf returns the tag of a content. What is not all of one content is none.
func tagOf(b []byte) history.Value {
	tag, _, _ := strings.Cut(string(b), " ")
	if !bytes.Equal(b, content(tag)) {
		return history.String(fmt.Sprintf("not a whole content: %d bytes that begin with %.30q", len(b), b))
	}
	return request.Value(tag)
}

// filesClient does the operations of the workload files.
type filesClient struct{ caller request.Caller }

// Invoke does one operation.
func (c *filesClient) Invoke(env client.Env, op history.Op) history.Op {
	switch op.F {
	case "read", "write":
		return c.content(env, op)
	case "list":
		return c.list(env, op)
	}
	cmd := namespace.Command{Name: names + request.Text(op.Value)}
	switch op.F {
	case "create":
		cmd.Kind = namespace.Create
	case "delete":
		cmd.Kind = namespace.Delete
	case "rename":
		pair := op.Value.Elems()
		if len(pair) != 2 {
			return client.Fail(op, "bad-request: rename wants [from to]")
		}
		cmd.Kind, cmd.Name, cmd.To = namespace.Rename, names+request.Text(pair[0]), names+request.Text(pair[1])
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
	op, a := space(&c.caller, env, op, &cmd)
	if a != nil {
		return client.OK(op, op.Value)
	}
	return op
}

// space asks the namespace for something. The answer is nil if there is none, or
// if it is not OK; then the operation is complete.
func space(caller *request.Caller, env client.Env, op history.Op, cmd *namespace.Command) (history.Op, *namespace.Answer) {
	q := ask.Request{Op: ask.Space, Command: *cmd}
	code, body, err := caller.Call(env, op, q.ReadOnly(), q.AppendTo(nil))
	switch {
	case err != nil:
		return client.Broken(op, err, q.ReadOnly()), nil
	case code != request.OK:
		return request.Ended(op, code, q.ReadOnly()), nil
	}
	a, err := namespace.ParseAnswer(body)
	switch {
	case err != nil:
		return client.Broken(op, err, q.ReadOnly()), nil
	case a.Code != namespace.OK:
		return client.Fail(op, a.Code.String()), nil
	}
	return op, &a
}

func (c *filesClient) list(env client.Env, op history.Op) history.Op {
	op, a := space(&c.caller, env, op, &namespace.Command{Kind: namespace.List, Name: names})
	if a == nil {
		return op
	}
	var all []history.Value
	for _, e := range a.Entries {
		all = append(all, request.Value(strings.TrimPrefix(e.Name, names)), history.Int(int64(e.Inode)))
	}
	return client.OK(op, history.Map(all...))
}

func (c *filesClient) content(env client.Env, op history.Op) history.Op {
	q := ask.Request{Op: ask.Read, Name: contents + request.Text(op.Key)}
	if op.F == "write" {
		q.Op, q.Data = ask.Write, content(request.Text(op.Value))
	}
	code, body, err := c.caller.Call(env, op, q.ReadOnly(), q.AppendTo(nil))
	switch {
	case err != nil:
		return client.Broken(op, err, q.ReadOnly())
	case code == request.OK && op.F == "write":
		return client.OK(op, op.Value)
	case code == request.OK:
		return client.OK(op, tagOf(body))
	case code == ask.Missing && op.F == "read":
		return client.OK(op, history.Nil)
	default:
		return request.Ended(op, code, q.ReadOnly())
	}
}

// recordSize is the bytes of a record of the workload append.
const recordSize = 48

// record returns what is appended for a record.
func record(v history.Value) []byte { return fmt.Appendf(nil, "%-*s\n", recordSize-1, request.Text(v)) }

// records takes a stream apart. What is left over, and what does not look like a
// record, is one that nobody appended.
func records(b []byte) history.Value {
	var all []history.Value
	for len(b) > 0 {
		part := b[:min(recordSize, len(b))]
		b = b[len(part):]
		v := request.Value(strings.TrimRight(string(part), " \n"))
		if !bytes.Equal(part, record(v)) {
			v = history.String(fmt.Sprintf("not a record: %.60q", part))
		}
		all = append(all, v)
	}
	return history.List(all...)
}

// appendClient does the operations of the workload append.
type appendClient struct{ caller request.Caller }

// Invoke does one operation.
func (c *appendClient) Invoke(env client.Env, op history.Op) history.Op {
	q := ask.Request{Name: streams + request.Text(op.Key)}
	switch op.F {
	case "append":
		q.Op, q.Data = ask.Append, record(op.Value)
	case "sync":
		q.Op = ask.Sync
	case "read":
		q.Op = ask.Read
	default:
		return client.Fail(op, "bad-request: no operation "+op.F)
	}
	code, body, err := c.caller.Call(env, op, q.ReadOnly(), q.AppendTo(nil))
	switch {
	case err != nil:
		return client.Broken(op, err, q.ReadOnly())
	case code != request.OK && code != ask.Missing || code == ask.Missing && op.F == "append":
		return request.Ended(op, code, q.ReadOnly())
	case op.F == "append":
		return client.OK(op, op.Value)
	case op.F == "read":
		return client.OK(op, records(body))
	default:
		size, _ := binary.Uvarint(body)
		return client.OK(op, history.Int(int64(size/recordSize)))
	}
}
