// Package ask is what clients of the filesystem say to their node, and what they
// are told: the bodies of requests and answers of package request.
package ask

import (
	"errors"

	"github.com/ordeal-dev/ordeal/targets/files/namespace"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Op says what is asked for.
type Op byte

// The operations.
const (
	// Space is a command or a query of the namespace: create, rename, delete,
	// truncate, list. Its answer is that of the namespace.
	Space Op = iota + 1
	// Write gives a file a new content, all or nothing: it is opened, written
	// and closed, and holds the content once that is answered OK.
	Write
	// Append adds data at the end of a file, which is created if need be. Once it
	// is answered OK the data are on the disks of all replicas.
	Append
	// Read answers with Found and the content.
	Read
	// Sync answers with Found and how many bytes of the file are durable.
	Sync
)

// Request is the body of a request.
type Request struct {
	Op   Op
	Name string
	Data []byte
	// Command is what a request of kind Space is about; Name and Data say nothing then.
	Command namespace.Command
}

// ReadOnly reports whether a request changes nothing.
func (r *Request) ReadOnly() bool {
	return r.Op == Read || r.Op == Sync || r.Op == Space && r.Command.Kind == namespace.List
}

// AppendTo appends r as bytes to b.
func (r *Request) AppendTo(b []byte) []byte {
	b = append(b, byte(r.Op))
	if r.Op == Space {
		return r.Command.Append(b)
	}
	return append(wire.AppendString(b, r.Name), r.Data...)
}

var errOp = errors.New("a request for what is no operation of clients")

// Parse is the inverse of [Request.AppendTo]. It refuses commands that are not
// for clients.
func Parse(b []byte) (r Request, err error) {
	d := wire.NewDecoder(b)
	r.Op = Op(d.Byte())
	switch r.Op {
	case Space:
		r.Command, err = namespace.ParseCommand(d.Rest())
		if err == nil && r.Command.Kind > namespace.Truncate && r.Command.Kind != namespace.List {
			err = errOp
		}
		return r, err
	case Write, Append, Read, Sync:
		r.Name, r.Data = d.String(), d.Rest()
		return r, d.Err()
	default:
		return r, errOp
	}
}

// Codes of answers beside those of package request. All of them say that nothing
// has happened.
const (
	// Missing: there is no such file.
	Missing = request.Own + iota
)
