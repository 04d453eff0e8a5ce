// Package kv is the language in which clients talk to the reference store:
// requests and responses, and how they are written as bytes. Both modes of the
// store speak it.
package kv

import (
	"encoding/binary"

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
type Code uint8

// The codes. Only Unknown is indefinite: the request may have been or may yet
// be applied. After all others but OK it certainly was not and will not be.
const (
	OK          Code = iota + 1
	NotFound         // there is no value under the key
	Mismatch         // CAS: another value is there; Value tells which
	Unavailable      // this node cannot serve now: it knows no leader or reaches no quorum
	Unsupported      // the store has no such operation in this mode
	Unknown          // the outcome is not known: the leader or the quorum was lost on the way
	BadRequest       // the request could not be read
)

// Response is the answer to a request.
type Response struct {
	Code  Code
	Value string   // of Get, and of CAS that ended in Mismatch
	Keys  []string // of Keys, sorted
}

// AppendTo appends r as bytes to b.
func (r Request) AppendTo(b []byte) []byte {
	b = append(b, byte(r.Op))
	b = binary.AppendUvarint(b, r.Client)
	b = binary.AppendUvarint(b, r.Seq)
	b = wire.AppendString(b, r.Key)
	b = wire.AppendString(b, r.Value)
	return wire.AppendString(b, r.Old)
}

// ParseRequest is the inverse of [Request.AppendTo].
func ParseRequest(b []byte) (Request, error) {
	d := wire.NewDecoder(b)
	r := Request{Op: Op(d.Byte()), Client: d.Uvarint(), Seq: d.Uvarint(), Key: d.String(), Value: d.String(), Old: d.String()}
	return r, d.Done()
}

// AppendTo appends r as bytes to b.
func (r Response) AppendTo(b []byte) []byte {
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
	d := wire.NewDecoder(b)
	r := Response{Code: Code(d.Byte()), Value: d.String()}
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		r.Keys = append(r.Keys, d.String())
	}
	return r, d.Done()
}
