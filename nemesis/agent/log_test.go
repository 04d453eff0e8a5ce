package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLogLineRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := LogLine{
			Mono:   rapid.Int64().Draw(t, "mono"),
			Stream: rapid.SampledFrom([]string{StreamOut, StreamErr, StreamAgent}).Draw(t, "stream"),
			Text:   rapid.String().Draw(t, "text"),
		}
		if got, err := ParseLog(want.String()); err != nil || got != want {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
	})
}

// What a server writes comes back line by line; long lines are split, the log
// ends at its limit, and a torn last line is left out.
func TestServerLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "log")
	l, err := openLog(path, 3*maxLogLine)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxLogLine+10)
	l.capture(StreamOut, io.NopCloser(strings.NewReader("one\n\nthree\xff\n"+long+"\nend")))
	if got := l.last(); len(got) != 6 || got[2] != "three\uFFFD" || got[5] != "end" || len(got[3]) > ringLength+3 {
		t.Errorf("last lines: %d", len(got))
	}
	l.add(StreamErr, strings.Repeat("y", 2*maxLogLine))
	l.add(StreamErr, "too late")
	io.WriteString(l.file, "12 out torn")
	var copied bytes.Buffer
	if err := CopyLog(t.Context(), path, 0, false, &copied); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for line, err := range ScanLog(&copied) {
		if err != nil || line.Mono == 0 {
			t.Fatalf("%+v, %v", line, err)
		}
		texts = append(texts, line.Text)
	}
	if len(texts) != 7 || texts[0] != "one" || texts[1] != "" || len(texts[3])+len(texts[4]) != len(long) || !strings.Contains(texts[6], "limit") {
		t.Errorf("%d lines", len(texts))
	}
	for range 2 * ringLines {
		l.add(StreamOut, "x")
	}
	if got := l.last(); len(got) != ringLines {
		t.Errorf("%d last lines", len(got))
	}
}

func TestScanLogStops(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"x\n", "1\n", "1 out\n", strings.Repeat("x", 3*maxLogLine) + "\n"} {
		for line, err := range ScanLog(strings.NewReader(bad)) {
			if err == nil {
				t.Errorf("%.20q gave %+v", bad, line)
			}
		}
	}
}

type lines struct{ got chan string }

func (l lines) Write(p []byte) (int, error) { l.got <- string(p); return len(p), nil }

func TestCopyLogFollows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	io.WriteString(f, "1 out first\n")
	ctx, cancel := context.WithCancel(t.Context())
	l, ended := lines{make(chan string)}, make(chan error)
	go func() { ended <- CopyLog(ctx, path, 6, true, l) }()
	if got := <-l.got; got != "first\n" {
		t.Errorf("%q", got)
	}
	io.WriteString(f, "2 out second\n")
	if got := <-l.got; got != "2 out second\n" {
		t.Errorf("%q", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := CopyLog(t.Context(), path+"x", 0, false, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	for _, bad := range []Config{{Socket: "/tmp/x"}, {Lease: time.Millisecond}} {
		if err := Serve(t.Context(), bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

var loopbackAny = netip.MustParseAddrPort("127.0.0.1:0")

// A responder remembers a bounded number of nonces, and answers whoever asks,
// before or after the arrival.
func TestResponder(t *testing.T) {
	t.Parallel()
	r, err := NewResponder(loopbackAny)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(chan Arrival)
	go func() { got <- r.Arrived(t.Context(), 7) }()
	if err := r.Send(r.Addr(), 7); err != nil {
		t.Fatal(err)
	}
	if a := <-got; !a.Arrived || a.From != r.Addr() {
		t.Errorf("%+v", a)
	}
	if a := r.Arrived(t.Context(), 7); !a.Arrived {
		t.Errorf("%+v", a)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if a := r.Arrived(ctx, 8); a.Arrived {
		t.Errorf("%+v", a)
	}
	for nonce := range uint64(2 * probeMemory) {
		r.record(nonce+1000, r.Addr())
	}
	if len(r.seen) != probeMemory || len(r.order) != probeMemory || len(r.waiting) != 0 {
		t.Errorf("%d, %d, %d", len(r.seen), len(r.order), len(r.waiting))
	}
}
