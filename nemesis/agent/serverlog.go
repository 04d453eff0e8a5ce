package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	ringLines  = 50      // last lines of a server that are kept in memory
	ringLength = 4 << 10 // bytes of each of them
)

// serverLog is the log file of a server, and its last lines.
type serverLog struct {
	mu   sync.Mutex
	file *os.File
	room int64 // bytes that may still be written
	ring []string
}

func openLog(path string, limit int64) (*serverLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("agent: server log: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("agent: server log: %w", err)
	}
	return &serverLog{file: file, room: limit}, nil
}

// add writes a line. A log that has reached its limit or a full disk says so
// once, if it can, and loses the rest: the server must not be held up by it.
func (l *serverLog) add(stream, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if stream != StreamAgent {
		l.remember(text)
	}
	line := LogLine{Mono: Mono(), Stream: stream, Text: text}
	raw := line.String() + "\n"
	if l.room <= 0 {
		return
	}
	if l.room -= int64(len(raw)); l.room <= 0 {
		line.Stream, line.Text = StreamAgent, "the log has reached its limit, the rest is lost"
		raw = line.String() + "\n"
	}
	if _, err := io.WriteString(l.file, raw); err != nil {
		l.room = 0
	}
}

func (l *serverLog) remember(text string) {
	if len(text) > ringLength {
		text = text[:ringLength] + "…"
	}
	if len(l.ring) == ringLines {
		l.ring = append(l.ring[:0], l.ring[1:]...)
	}
	l.ring = append(l.ring, strings.ToValidUTF8(text, "\uFFFD"))
}

// last returns the last lines, oldest first.
func (l *serverLog) last() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.ring...)
}

// forget starts the last lines anew, for another process.
func (l *serverLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring = nil
}

// capture reads a stream of the server to its end, line by line.
func (l *serverLog) capture(stream string, r io.ReadCloser) {
	defer r.Close()
	in := bufio.NewReaderSize(r, maxLogLine)
	for {
		text, err := in.ReadSlice('\n')
		if len(text) > 0 {
			l.add(stream, strings.TrimSuffix(string(text), "\n"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
