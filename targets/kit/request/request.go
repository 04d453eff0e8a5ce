// Package request is how clients ask a replicated system for something, and how
// they learn how it ended.
//
// # Names
//
// A request may arrive twice: the node that got it hands it to a leader, hears
// nothing, and hands it to the next one. So each request has a name for good, the
// client's number and a number that grows with each of its requests, and a system
// that keeps its promises applies each name once. A client has one request under
// way at a time; one that comes after a later one was given up, and is refused.
//
// # Endings
//
// An answer begins with a [Code], and only one of the codes is indefinite: after
// Unknown the request may have been applied, or may yet be. A system that says
// Unavailable instead accuses itself of a write that it says did not happen, so
// Unavailable is for requests that certainly never left the node that got them,
// and for those that change nothing.
//
// A [Caller] tries once. Retries are the business of the system under test: it is
// their effects that are to be seen.
package request

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Request is what a client asks for.
type Request struct {
	Client, Seq uint64 // its name
	ReadOnly    bool   // it changes nothing, so it may be repeated at will
	Body        []byte // in the words of the system
}

// AppendTo appends r as bytes to b.
func (r Request) AppendTo(b []byte) []byte {
	flags := byte(0)
	if r.ReadOnly {
		flags = 1
	}
	b = binary.AppendUvarint(append(b, flags), r.Client)
	return append(binary.AppendUvarint(b, r.Seq), r.Body...)
}

var errFlags = errors.New("a request begins with a byte that is none of a request")

// Parse is the inverse of [Request.AppendTo]. The request keeps b.
func Parse(b []byte) (Request, error) {
	d := wire.NewDecoder(b)
	flags := d.Byte()
	r := Request{Client: d.Uvarint(), Seq: d.Uvarint(), ReadOnly: flags == 1, Body: d.Rest()}
	if err := d.Err(); err != nil {
		return r, err
	}
	if flags > 1 {
		return r, errFlags
	}
	return r, nil
}

// Code says how a request ended.
type Code uint8

// The codes. Systems number their own ways to refuse a request from Own on.
const (
	OK          Code = iota + 1
	Unavailable      // the node cannot serve now; nothing has happened and nothing will
	Unknown          // nobody knows whether it was or will be applied
	BadRequest       // it could not be read

	Own Code = 16
)

// String returns the code as it stands in histories.
func (c Code) String() string {
	switch c {
	case OK:
		return "ok"
	case Unavailable:
		return "unavailable"
	case Unknown:
		return "unknown"
	case BadRequest:
		return "bad-request"
	default:
		return fmt.Sprintf("code-%d", uint8(c))
	}
}

// Answer returns an answer as bytes.
func Answer(code Code, body []byte) []byte {
	return append(append(make([]byte, 0, 1+len(body)), byte(code)), body...)
}

// ParseAnswer is the inverse of [Answer].
func ParseAnswer(b []byte) (Code, []byte, error) {
	if len(b) == 0 || b[0] == 0 {
		return 0, nil, errors.New("an answer that does not begin with a code")
	}
	return Code(b[0]), b[1:], nil
}

// Caller sends requests for a client to the node that it belongs to, and gives
// each a name. The zero value is ready to use.
type Caller struct{ seq uint64 }

// Name returns the request that an operation makes, named. A process number is
// never used by two clients at a time, and the index of an invocation only grows,
// so that a name is unique even if the process goes on with a new client.
func (c *Caller) Name(op history.Op, readOnly bool, body []byte) Request {
	c.seq = max(c.seq+1, uint64(op.Index)+1)
	return Request{Client: uint64(op.Process) + 1, Seq: c.seq, ReadOnly: readOnly, Body: body}
}

// Call sends a request and waits for the answer. If there is an error, the
// operation ends as [client.Broken] says.
func (c *Caller) Call(env client.Env, op history.Op, readOnly bool, body []byte) (Code, []byte, error) {
	answer, err := env.Call(env.Node(), c.Name(op, readOnly, body).AppendTo(make([]byte, 0, 12+len(body))))
	if err != nil {
		return 0, nil, err
	}
	code, body, err := ParseAnswer(answer)
	if err != nil {
		return 0, nil, fmt.Errorf("bad-answer: %w", err)
	}
	return code, body, nil
}

// Ended completes an operation that was not OK. Only codes that are known to be
// definite end a change as failed.
func Ended(op history.Op, code Code, readOnly bool) history.Op {
	if readOnly || code == Unavailable || code == BadRequest {
		return client.Fail(op, code.String())
	}
	return client.Info(op, code.String())
}

// Text is how a key or a value of an operation is written in a request; nil is
// "", which stands for none.
func Text(v history.Value) string {
	if n, ok := v.Int(); ok {
		return strconv.FormatInt(n, 10)
	}
	return v.Text()
}

// Value is the inverse of [Text] for values that are numbers or other texts.
func Value(s string) history.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return history.Int(n)
	}
	return history.String(s)
}
