// Package kv is the language in which clients talk to the reference store:
// requests and responses, and how they are written as bytes. Both modes of the
// store speak it. How requests are named and how they end when the store has
// nothing to say is the business of package request.
package kv

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Op is what a request asks for.
type Op uint8

// The operations. Keys lists all keys that begin with Key and have a value.
const (
	Get Op = iota + 1
	Put
	CAS
	Delete
	Keys
)

// ReadOnly reports whether an operation changes nothing.
func (o Op) ReadOnly() bool { return o == Get || o == Keys }

// Known reports whether there is such an operation.
func (o Op) Known() bool { return o >= Get && o <= Keys }

// Request is a client's request. Client and Seq name it for good: a request
// that arrives twice under one name is applied once.
type Request struct {
	Op     Op
	Client uint64 // unique to the client for the length of the run
	Seq    uint64 // counts the client's requests
	Key    string
	Value  string // of Put and CAS: the new value
	Old    string // of CAS: the value that must be there; "" means none
}

// Code says how a request ended.
type Code = request.Code

// The codes. Only Unknown is indefinite: the request may have been or may yet
// be applied. After all others but OK it certainly was not and will not be.
const (
	OK          = request.OK
	Unavailable = request.Unavailable
	Unknown     = request.Unknown
	BadRequest  = request.BadRequest

	NotFound    = request.Own + iota // there is no value under the key
	Mismatch                         // CAS: another value is there; Value tells which
	Unsupported                      // the store has no such operation in this mode
)

// Response is the answer to a request.
type Response struct {
	Code  Code
	Value string   // of Get, and of CAS that ended in Mismatch
	Keys  []string // of Keys, sorted
}

// AppendTo appends r as bytes to b: a named request, as a node takes it.
func (r Request) AppendTo(b []byte) []byte {
	b = request.Request{Client: r.Client, Seq: r.Seq, ReadOnly: r.Op.ReadOnly()}.AppendTo(b)
	return r.AppendBody(b)
}

// AppendBody appends what is asked for, without the name.
func (r Request) AppendBody(b []byte) []byte {
	b = append(b, byte(r.Op))
	b = wire.AppendString(b, r.Key)
	b = wire.AppendString(b, r.Value)
	return wire.AppendString(b, r.Old)
}

// ParseRequest is the inverse of [Request.AppendTo].
func ParseRequest(b []byte) (Request, error) {
	named, err := request.Parse(b)
	if err != nil {
		return Request{}, err
	}
	r, err := ParseBody(named.Body)
	r.Client, r.Seq = named.Client, named.Seq
	return r, err
}

// ParseBody is the inverse of [Request.AppendBody].
func ParseBody(b []byte) (Request, error) {
	d := wire.NewDecoder(b)
	r := Request{Op: Op(d.Byte()), Key: d.String(), Value: d.String(), Old: d.String()}
	return r, d.Done()
}

// AppendTo appends r as bytes to b: an answer, as a client gets it. What the
// store found is the body of an answer that is OK.
func (r Response) AppendTo(b []byte) []byte {
	switch r.Code {
	case Unavailable, Unknown, BadRequest:
		return append(b, byte(r.Code))
	default:
		return r.AppendBody(append(b, byte(OK)))
	}
}

// AppendBody appends what the store found.
func (r Response) AppendBody(b []byte) []byte {
	b = append(b, byte(r.Code))
	b = wire.AppendString(b, r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Keys)))
	for _, k := range r.Keys {
		b = wire.AppendString(b, k)
	}
	return b
}

// ParseResponse is the inverse of [Response.AppendTo].
func ParseResponse(b []byte) (Response, error) {
	code, body, err := request.ParseAnswer(b)
	if err != nil || code != OK {
		return Response{Code: code}, err
	}
	return ParseFound(body)
}

// ParseFound is the inverse of [Response.AppendBody].
func ParseFound(b []byte) (Response, error) {
	d := wire.NewDecoder(b)
	r := Response{Code: Code(d.Byte()), Value: d.String()}
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		r.Keys = append(r.Keys, d.String())
	}
	return r, d.Done()
}
