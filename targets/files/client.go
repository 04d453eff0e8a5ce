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

// Files that are written as a whole and names that come and go are in different
// directories, so that a list of the latter is not full of the former.
const (
	contents = "content/"
	moved    = "moved/"
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

// cutLength is to how many bytes a content is cut: to anything from its tag to
// nearly all of it, so that some blocks are cut, and others go.
func cutLength(whole []byte) int {
	const head = 30 // the tag is in there
	return head + (len(whole)-head)*(len(whole)%19)/19
}

// tagOf returns the tag of a content, and {"cut": TAG} for one that was cut. What is
// neither is none.
func tagOf(b []byte) history.Value {
	tag, _, _ := strings.Cut(string(b), " ")
	switch whole := content(tag); {
	case bytes.Equal(b, whole):
		return request.Value(tag)
	case bytes.Equal(b, whole[:cutLength(whole)]):
		return history.Map(history.String("cut"), request.Value(tag))
	default:
		return history.String(fmt.Sprintf("not a whole content: %d bytes that begin with %.30q", len(b), b))
	}
}

// filesClient does the operations of the workload files.
type filesClient struct{ caller request.Caller }

// Invoke does one operation.
func (c *filesClient) Invoke(env client.Env, op history.Op) history.Op {
	switch op.F {
	case "read":
		return c.read(env, op)
	case "write":
		if cut := op.Value.Get("cut"); !cut.IsNil() {
			return c.truncate(env, op, cut)
		}
		return c.write(env, op)
	case "move":
		key := request.Text(op.Key)
		return change(&c.caller, env, op, &namespace.Command{Kind: namespace.Rename, Name: contents + key, To: moved + key})
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
	return change(&c.caller, env, op, &cmd)
}

// change has the namespace carry out a command.
func change(caller *request.Caller, env client.Env, op history.Op, cmd *namespace.Command) history.Op {
	op, a := space(caller, env, op, cmd)
	if a != nil {
		return client.OK(op, op.Value)
	}
	return op
}

// truncate cuts the content with a tag, which the file is known to have, in the
// directory where it is.
func (c *filesClient) truncate(env client.Env, op history.Op, tag history.Value) history.Op {
	cmd := namespace.Command{Kind: namespace.Truncate, Length: uint64(cutLength(content(request.Text(tag))))}
	var end history.Op
	for _, dir := range []string{contents, moved} {
		cmd.Name = dir + request.Text(op.Key)
		if end = change(&c.caller, env, op, &cmd); end.Type != history.Fail || end.Error != namespace.NotFound.String() {
			break
		}
	}
	return end
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

func (c *filesClient) write(env client.Env, op history.Op) history.Op {
	q := ask.Request{Op: ask.Write, Name: contents + request.Text(op.Key), Data: content(request.Text(op.Value))}
	code, _, err := c.caller.Call(env, op, false, q.AppendTo(nil))
	switch {
	case err != nil:
		return client.Broken(op, err, false)
	case code == request.OK:
		return client.OK(op, op.Value)
	default:
		return request.Ended(op, code, false)
	}
}

// read looks for a file in the directory where files are written, and then in that
// to which they are moved, once: so what is in neither was not there yet at first.
func (c *filesClient) read(env client.Env, op history.Op) history.Op {
	for _, dir := range []string{contents, moved} {
		q := ask.Request{Op: ask.Read, Name: dir + request.Text(op.Key)}
		code, body, err := c.caller.Call(env, op, true, q.AppendTo(nil))
		switch {
		case err != nil:
			return client.Broken(op, err, true)
		case code == request.OK:
			return client.OK(op, tagOf(body))
		case code != ask.Missing:
			return request.Ended(op, code, true)
		}
	}
	return client.OK(op, history.Nil)
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
	case "remove":
		return change(&c.caller, env, op, &namespace.Command{Kind: namespace.Delete, Name: q.Name})
	case "move":
		return change(&c.caller, env, op, &namespace.Command{Kind: namespace.Rename, Name: q.Name, To: streams + request.Text(op.Value)})
	case "cut":
		n, number := op.Value.Int()
		if !number || n < 0 {
			return client.Fail(op, "bad-request: cut wants the number of records that are left")
		}
		return change(&c.caller, env, op, &namespace.Command{Kind: namespace.Truncate, Name: q.Name, Length: uint64(n) * recordSize})
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
