package history

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// FrameSize is how many bytes of text go into one frame: a little less than
// the window of the encoder, which compresses lines about as well as any
// larger one, and starts faster.
const FrameSize = 64 << 10

// FrameWriter writes lines of text into a file of zstd frames. Each frame holds
// whole lines, carries a checksum and can be read without the others, so what
// was flushed stays readable whatever happens afterwards.
//
// A frame ends when [FrameSize] bytes of text are in it, and at Flush and Sync.
// Neither time nor the number of processors has a say: the same calls give the
// same bytes.
//
// A FrameWriter is not safe for concurrent use. After an error it refuses
// everything with the same error.
type FrameWriter struct {
	name    string // for messages
	w       io.Writer
	file    *os.File // nil when w is no file of ours
	named   bool     // the directory is known to hold the name of the file
	enc     *zstd.Encoder
	text    []byte // lines of the frame that is open
	frame   []byte // compressed, reused
	lines   int64  // in all
	flushed int64  // lines in frames that w has taken
	offset  int64  // bytes that w has taken in whole frames
	err     error
}

// NewFrameWriter returns a writer of frames to w. Sync flushes to w and does
// nothing else.
func NewFrameWriter(w io.Writer) *FrameWriter {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(true),
		zstd.WithWindowSize(FrameSize),
		zstd.WithLowerEncoderMem(true))
	return &FrameWriter{name: "stream", w: w, enc: enc, err: err}
}

// CreateFrames creates the file at path, which must not exist, and returns a
// writer of frames to it.
func CreateFrames(path string) (*FrameWriter, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists already and is never written over; name another file or remove it: %w", path, os.ErrExist)
	}
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	f := NewFrameWriter(file)
	f.name, f.file = path, file
	return f, f.err
}

// Line appends one line, which must not contain a newline.
func (f *FrameWriter) Line(line []byte) error {
	if f.err != nil {
		return f.err
	}
	f.text = append(f.text, line...)
	return f.endLine()
}

// endLine is called when the text of a line has been appended.
func (f *FrameWriter) endLine() error {
	f.text = append(f.text, '\n')
	f.lines++
	if len(f.text) >= FrameSize-FrameSize/16 {
		return f.Flush()
	}
	return nil
}

// Lines returns how many lines were written, and how many of them are in frames
// that were handed to the operating system.
func (f *FrameWriter) Lines() (written, flushed int64) { return f.lines, f.flushed }

// Flush ends the frame and hands it to the operating system: it survives the
// end of this process from now on.
func (f *FrameWriter) Flush() error {
	if f.err != nil || len(f.text) == 0 {
		return f.err
	}
	f.frame = f.enc.EncodeAll(f.text, f.frame[:0])
	n, err := f.w.Write(f.frame)
	if err == nil && n < len(f.frame) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return f.fail("writing", err)
	}
	f.text = f.text[:0]
	f.offset += int64(n)
	f.flushed = f.lines
	return nil
}

// Sync flushes and waits until the disk has everything: it survives the end of
// this machine from now on.
func (f *FrameWriter) Sync() error {
	if err := f.Flush(); err != nil || f.file == nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return f.fail("syncing", err)
	}
	if !f.named {
		if err := syncDir(filepath.Dir(f.name)); err != nil {
			return f.fail("syncing the directory of", err)
		}
		f.named = true
	}
	return nil
}

// syncDir makes the names in a directory as durable as the files.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	return errors.Join(err, dir.Close())
}

// Close flushes and closes the file. It returns the first error of all.
func (f *FrameWriter) Close() error {
	err := f.Flush()
	if f.file == nil {
		return err
	}
	file := f.file
	f.file = nil
	if closeErr := file.Close(); err == nil && closeErr != nil {
		return f.fail("closing", closeErr)
	}
	if err == nil {
		f.err = fmt.Errorf("%s: written to after it was closed: %w", f.name, os.ErrClosed)
	}
	return err
}

func (f *FrameWriter) fail(doing string, err error) error {
	f.err = fmt.Errorf("%s %s after %d bytes: %w; its first %d lines are whole and readable: make room, then run again or judge those",
		doing, f.name, f.offset, err, f.flushed)
	return f.err
}
