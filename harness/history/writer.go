package history

import "io"

// Writer writes a history as the runner records it: one JSON object a line, in
// the frames of a [FrameWriter], which explains what a crash leaves behind.
type Writer struct{ frames *FrameWriter }

// NewWriter returns a writer of a history to w.
func NewWriter(w io.Writer) *Writer { return &Writer{NewFrameWriter(w)} }

// Create creates the file at path, which must not exist, and returns a writer
// of a history to it.
func Create(path string) (*Writer, error) {
	frames, err := CreateFrames(path)
	if err != nil {
		return nil, err
	}
	return &Writer{frames}, nil
}

// Append adds one record. It is buffered; see Flush and Sync.
func (w *Writer) Append(op *Op) error {
	f := w.frames
	if f.err != nil {
		return f.err
	}
	f.text = AppendJSON(f.text, op)
	return f.endLine()
}

// Flush hands what was appended to the operating system.
func (w *Writer) Flush() error { return w.frames.Flush() }

// Sync flushes and waits for the disk.
func (w *Writer) Sync() error { return w.frames.Sync() }

// Close flushes and closes the file. It returns the first error of all.
func (w *Writer) Close() error { return w.frames.Close() }

// Ops returns how many operations were appended, and how many of them were
// handed to the operating system.
func (w *Writer) Ops() (appended, flushed int64) { return w.frames.Lines() }
