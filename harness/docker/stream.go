package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/pkg/stdcopy"
)

// demux takes apart the standard output and error of a container.
func demux(stdout, stderr io.Writer, from io.Reader) (int64, error) {
	return stdcopy.StdCopy(stdout, stderr, from)
}

// execStream is the standard streams of a command in a container, as one
// stream of bytes. What the command writes to its standard error becomes part
// of the error with which reading ends.
type execStream struct {
	raw    types.HijackedResponse
	out    *io.PipeReader
	stderr limited
}

func newExecStream(raw types.HijackedResponse) *execStream {
	r, w := io.Pipe()
	s := &execStream{raw: raw, out: r}
	go func() {
		_, err := demux(w, &s.stderr, raw.Reader)
		w.CloseWithError(s.ending(err))
	}()
	return s
}

// ending is the error of a reader: why the stream ended, if anybody said.
func (s *execStream) ending(err error) error {
	if err == nil {
		err = io.EOF
	}
	if text := s.stderr.String(); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

func (s *execStream) Read(p []byte) (int, error)  { return s.out.Read(p) }
func (s *execStream) Write(p []byte) (int, error) { return s.raw.Conn.Write(p) }

func (s *execStream) Close() error {
	s.raw.Close()
	return s.out.Close()
}

// limited keeps the beginning of what is written to it.
type limited struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const limit = 4 << 10
	if room := limit - l.buf.Len(); room > 0 {
		l.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.buf.String())
}

// run runs a command in a container to its end and returns its output.
func (e *engine) run(ctx context.Context, id string, command ...string) ([]byte, error) {
	raw, err := e.exec(ctx, id, command...)
	if err != nil {
		return nil, err
	}
	s := newExecStream(raw)
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	out, err := io.ReadAll(s.out)
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return out, err
}
