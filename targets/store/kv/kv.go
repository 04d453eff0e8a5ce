// Package kv is the language in which clients talk to the reference store:
// requests and responses, and how they are written as bytes. Both modes of the
// store speak it.
package kv

import (
	"encoding/binary"
	"errors"
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

// errShort is returned for bytes that end before they should.
var errShort = errors.New("kv: message is cut short or has bytes left over")

// AppendTo appends r as bytes to b.
func (r Request) AppendTo(b []byte) []byte {
	b = append(b, byte(r.Op))
	b = binary.AppendUvarint(b, r.Client)
	b = binary.AppendUvarint(b, r.Seq)
	b = AppendString(b, r.Key)
	b = AppendString(b, r.Value)
	return AppendString(b, r.Old)
}

// ParseRequest is the inverse of [Request.AppendTo].
func ParseRequest(b []byte) (Request, error) {
	d := Decoder{b: b}
	r := Request{Op: Op(d.Byte()), Client: d.Uvarint(), Seq: d.Uvarint(), Key: d.String(), Value: d.String(), Old: d.String()}
	return r, d.Done()
}

// AppendTo appends r as bytes to b.
func (r Response) AppendTo(b []byte) []byte {
	b = append(b, byte(r.Code))
	b = AppendString(b, r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Keys)))
	for _, k := range r.Keys {
		b = AppendString(b, k)
	}
	return b
}

// ParseResponse is the inverse of [Response.AppendTo].
func ParseResponse(b []byte) (Response, error) {
	d := Decoder{b: b}
	r := Response{Code: Code(d.Byte()), Value: d.String()}
	for n := d.Uvarint(); n > 0 && d.err == nil; n-- {
		r.Keys = append(r.Keys, d.String())
	}
	return r, d.Done()
}

// AppendString appends the length of s and s itself.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Decoder takes bytes apart. After the first error all its methods return zero.
type Decoder struct {
	b   []byte
	err error
}

// NewDecoder returns a decoder of b.
func NewDecoder(b []byte) *Decoder { return &Decoder{b: b} }

// Byte takes one byte.
func (d *Decoder) Byte() byte {
	if len(d.b) == 0 {
		d.err = errShort
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

// Uvarint takes an unsigned number.
func (d *Decoder) Uvarint() uint64 {
	n, size := binary.Uvarint(d.b)
	if size <= 0 {
		d.b, d.err = nil, errShort
		return 0
	}
	d.b = d.b[size:]
	return n
}

// Bytes takes a length and as many bytes, without copying them.
func (d *Decoder) Bytes() []byte {
	n := d.Uvarint()
	if n > uint64(len(d.b)) {
		d.b, d.err = nil, errShort
		return nil
	}
	s := d.b[:n:n]
	d.b = d.b[n:]
	return s
}

// String takes a length and a string.
func (d *Decoder) String() string { return string(d.Bytes()) }

// Uint64 takes eight bytes, the least significant first.
func (d *Decoder) Uint64() uint64 {
	if len(d.b) < 8 {
		d.b, d.err = nil, errShort
		return 0
	}
	n := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return n
}

// Rest takes all that is left, without copying it.
func (d *Decoder) Rest() []byte {
	b := d.b
	d.b = nil
	return b
}

// Err returns the first error so far.
func (d *Decoder) Err() error { return d.err }

// Done returns the first error, or that of bytes that were left over.
func (d *Decoder) Done() error {
	if d.err == nil && len(d.b) > 0 {
		return errShort
	}
	return d.err
}
