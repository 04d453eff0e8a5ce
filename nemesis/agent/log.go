package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"
)

// The streams of a log.
const (
	StreamOut   = "out"   // the server's standard output
	StreamErr   = "err"   // its standard error
	StreamAgent = "agent" // what the agent has to say on the server: starts and exits
)

// LogLine is a line of a log file: "MONO STREAM TEXT".
type LogLine struct {
	Mono   int64 // when it was read from the server
	Stream string
	Text   string
}

var errLogLine = errors.New("not a line of a server log")

// ParseLog reads one line of a log file, without its newline.
func ParseLog(line string) (LogLine, error) {
	mono, rest, ok1 := strings.Cut(line, " ")
	stream, text, ok2 := strings.Cut(rest, " ")
	t, err := strconv.ParseInt(mono, 10, 64)
	if err != nil || !ok1 || !ok2 {
		return LogLine{}, fmt.Errorf("%w: %.80q", errLogLine, line)
	}
	return LogLine{Mono: t, Stream: stream, Text: text}, nil
}

// String is the line as in the file.
func (l LogLine) String() string {
	return strconv.FormatInt(l.Mono, 10) + " " + l.Stream + " " + l.Text
}

// maxLogLine bounds a line of a log; the server's longer ones are split.
const maxLogLine = 64 << 10

// ScanLog reads a log file to its end. A last line without a newline was torn
// by the end of the agent and is left out.
func ScanLog(r io.Reader) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		in := bufio.NewReaderSize(r, 2*maxLogLine)
		for {
			text, err := in.ReadSlice('\n')
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(LogLine{}, err)
				return
			}
			line, err := ParseLog(strings.TrimSuffix(string(text), "\n"))
			if !yield(line, err) {
				return
			}
		}
	}
}

// CopyLog writes a log file to w, for the hidden command "agent logs": from
// offset on, and, if follow is true, also what is added until ctx is done. It
// does not involve the agent, which no reader of a log can therefore hinder.
func CopyLog(ctx context.Context, file string, offset int64, follow bool, w io.Writer) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.Copy(w, f); err != nil || !follow {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
