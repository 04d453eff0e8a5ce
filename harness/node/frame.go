package node

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxFrame bounds a message, a request and an answer, in bytes.
const MaxFrame = 64 << 20

// Between nodes, a connection begins with a hello, [magic u32][from u32], and
// goes on with frames [len u32][body]; a length of all ones is a heartbeat.
//
// Between a client and a node, frames are [len u32][id u64][kind u8][body] both
// ways, where len counts from the id on. An answer carries the id and the kind
// of its request. All numbers are big endian.
const (
	peerMagic  = 0x4f524432 // "ORD2"
	headerSize = 4
	heartbeat  = 1<<32 - 1
	clientMeta = 9 // id and kind
)

// Kinds of frames on the client port.
const (
	kindRequest byte = iota // a request for the actor
	kindStatus              // a request for the runtime, see StatusRequest
	kindPing                // answered at once by the connection; keeps it from going stale
)

var errFrameSize = errors.New("node: frame longer than allowed")

// readFrame reads [len][body] and returns the body, nil for a heartbeat.
func readFrame(r *bufio.Reader) ([]byte, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	switch {
	case n == heartbeat:
		return nil, nil
	case n > MaxFrame:
		return nil, fmt.Errorf("%w: %d bytes", errFrameSize, n)
	default:
		return readBody(r, int(n))
	}
}

// readBody reads n bytes without trusting n: it reserves no more than what
// arrives, so a wrong length costs no memory.
func readBody(r *bufio.Reader, n int) ([]byte, error) {
	const chunk = 64 << 10
	body := make([]byte, 0, min(n, chunk))
	for len(body) < n {
		at := len(body)
		body = append(body, make([]byte, min(n-at, max(chunk, at)))...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// writeFrame writes [len][body].
func writeFrame(w *bufio.Writer, body []byte) error {
	if err := writeLength(w, uint32(len(body))); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

func writeLength(w *bufio.Writer, n uint32) error {
	_, err := w.Write(binary.BigEndian.AppendUint32(w.AvailableBuffer(), n))
	return err
}

// clientFrame is a request or an answer.
type clientFrame struct {
	id   uint64
	kind byte
	body []byte
}

func (f clientFrame) bytes() []byte {
	buf := make([]byte, 0, 4+clientMeta+len(f.body))
	buf = binary.BigEndian.AppendUint32(buf, uint32(clientMeta+len(f.body)))
	buf = binary.BigEndian.AppendUint64(buf, f.id)
	buf = append(buf, f.kind)
	return append(buf, f.body...)
}

func readClientFrame(r *bufio.Reader) (clientFrame, error) {
	body, err := readFrame(r)
	if err != nil {
		return clientFrame{}, err
	}
	if len(body) < clientMeta {
		return clientFrame{}, fmt.Errorf("node: frame of %d bytes is too short for a request", len(body))
	}
	return clientFrame{
		id:   binary.BigEndian.Uint64(body),
		kind: body[8],
		body: body[clientMeta:],
	}, nil
}

func appendHello(buf []byte, from uint32) []byte {
	buf = binary.BigEndian.AppendUint32(buf, peerMagic)
	return binary.BigEndian.AppendUint32(buf, from)
}

func readHello(r *bufio.Reader) (from uint32, err error) {
	var hello [8]byte
	if _, err := io.ReadFull(r, hello[:]); err != nil {
		return 0, err
	}
	if magic := binary.BigEndian.Uint32(hello[:]); magic != peerMagic {
		return 0, fmt.Errorf("node: %#x is not the hello of a node of this version", magic)
	}
	return binary.BigEndian.Uint32(hello[4:]), nil
}
