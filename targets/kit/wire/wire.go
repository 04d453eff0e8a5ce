// Package wire writes and reads what nodes, clients and disks exchange: numbers,
// strings and bytes, one after the other, without names or types.
//
// The writers append to a slice, as those of package encoding/binary do. A
// [Decoder] takes the same bytes apart, in the same order. It remembers the first
// thing that went wrong, so that a message is read in one expression and asked
// once, at the end, whether it was sound.
package wire

import (
	"encoding/binary"
	"errors"
)

// errShort is returned for bytes that end before they should.
var errShort = errors.New("message is cut short or has bytes left over")

// AppendString appends the length of s and s itself.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendBytes appends the length of s and s itself.
func AppendBytes(b, s []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendUvarints appends unsigned numbers.
func AppendUvarints(b []byte, ns ...uint64) []byte {
	for _, n := range ns {
		b = binary.AppendUvarint(b, n)
	}
	return b
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

// More reports whether something is left.
func (d *Decoder) More() bool { return len(d.b) > 0 }

// Err returns the first error so far.
func (d *Decoder) Err() error { return d.err }

// Done returns the first error, or that of bytes that were left over.
func (d *Decoder) Done() error {
	if d.err == nil && len(d.b) > 0 {
		return errShort
	}
	return d.err
}
