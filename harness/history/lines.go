package history

import (
	"bytes"
	"io"
)

// ReadLines reads what a [FrameWriter] wrote, or any file of lines, plain or
// packed, and calls each for every line, without its newline. The line is
// valid only during the call; an error from each ends the reading.
//
// It treats damage like [Read] does: a torn tail is returned, with all lines
// before it given out, and damage in the middle is a [*CorruptError].
func ReadLines(r io.Reader, each func(line []byte) error) (*Torn, error) {
	t, err := newText(r)
	if err != nil {
		return nil, err
	}
	for {
		nl := bytes.IndexByte(t.b[t.form:], '\n')
		switch {
		case nl >= 0:
			if err := each(t.b[t.form : t.form+nl]); err != nil {
				return nil, err
			}
			t.form += nl + 1
			t.whole++
		case !t.eof:
			if err := t.fill(); err != nil {
				return nil, err
			}
		case t.broken != nil:
			err := t.packedTail()
			return t.h.Torn, err
		case t.form < len(t.b):
			return &Torn{Offset: t.offset(t.form), Reason: "the last line does not end"}, nil
		default:
			return nil, nil
		}
	}
}
