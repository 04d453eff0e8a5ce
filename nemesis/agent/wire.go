package agent

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxFrame bounds a frame, so that a hostile length costs nothing.
const maxFrame = 1 << 20

// frame is a message in either direction: a request has Op, a reply has not and
// repeats the request's ID, an event has Event and no ID. Error without an ID is
// the last frame of a session: why the agent ended it.
type frame struct {
	ID    uint64          `json:"id,omitempty"`
	Op    string          `json:"op,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
	Error string          `json:"error,omitempty"`
	Event *Event          `json:"event,omitempty"`
}

var errFrame = errors.New("bad frame")

// encode returns the bytes of a frame on the wire.
func encode(f frame) ([]byte, error) {
	body, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	if len(body) > maxFrame {
		return nil, fmt.Errorf("%w: %d bytes are more than %d", errFrame, len(body), maxFrame)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), nil
}

// decode reads the next frame. It returns io.EOF only between frames.
func decode(r io.Reader) (frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxFrame {
		return frame{}, fmt.Errorf("%w: length %d is not in 1…%d", errFrame, n, maxFrame)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return frame{}, fmt.Errorf("%w: %d bytes announced: %w", errFrame, n, io.ErrUnexpectedEOF)
	}
	var f frame
	if err := json.Unmarshal(body, &f); err != nil {
		return frame{}, fmt.Errorf("%w: %w", errFrame, err)
	}
	return f, nil
}
