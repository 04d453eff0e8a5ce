package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is written comes back, whenever it is flushed.
func TestWriterRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ops := inOrder(rapid.SliceOfN(drawOp(true), 0, 20).Draw(t, "ops"))
		var b bytes.Buffer
		w := NewWriter(&b)
		for i := range ops {
			if err := w.Append(&ops[i]); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "flush") {
				if err := w.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		h, err := Read(&b)
		if err != nil || h.Torn != nil || len(h.Warnings) > 0 || !sameOps(h.Ops, ops) {
			t.Fatalf("%v\n%s\ncame back as\n%s", err, showOps(ops), showOps(h.Ops))
		}
	})
}

// The same operations give the same bytes, on any number of processors and in
// any other company. Not parallel, because it changes GOMAXPROCS.
func TestSameBytes(t *testing.T) {
	ops := register(20_000)
	want := written(t, ops, len(ops))
	for _, procs := range []int{1, 2, 8} {
		before := runtime.GOMAXPROCS(procs)
		got := written(t, ops, len(ops))
		runtime.GOMAXPROCS(before)
		if !bytes.Equal(got, want) {
			t.Errorf("GOMAXPROCS=%d gives other bytes", procs)
		}
	}
	if ends := frameEnds(t, want); len(ends) < 50 || len(ends) > 100 {
		t.Errorf("%d frames in %d bytes", len(ends), len(want))
	}
}

// Nothing that was flushed is lost when the disk is full, the error comes at
// once and for good, and it says what to do.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	ops := register(5000)
	for _, room := range []int{0, 1, 5000, 50_000, 90_000} {
		disk := &fullAfter{room: room}
		w := NewWriter(disk)
		var first error
		for i := range ops {
			err := w.Append(&ops[i])
			if first != nil && err != first { //nolint:errorlint // the very same error
				t.Fatalf("room for %d: after %v came %v", room, first, err)
			}
			first = err
		}
		if err := w.Close(); first != nil && err != first { //nolint:errorlint // the very same error
			t.Fatalf("room for %d: closing says %v", room, err)
		} else if first == nil {
			first = err
		}
		if !errors.Is(first, syscall.ENOSPC) || !strings.Contains(first.Error(), "make room") {
			t.Fatalf("room for %d: %v", room, first)
		}
		_, flushed := w.Ops()
		h, err := Read(bytes.NewReader(disk.Bytes()))
		if err != nil || int64(len(h.Ops)) != flushed || !sameOps(h.Ops, ops[:flushed]) {
			t.Errorf("room for %d: %d were flushed, but %v, %d are there", room, flushed, err, len(h.Ops))
		}
		if want := fmt.Sprintf("its first %d lines are whole", flushed); !strings.Contains(first.Error(), want) {
			t.Errorf("room for %d: %v, want %q", room, first, want)
		}
	}
}

// fullAfter is a disk with room for some bytes.
type fullAfter struct {
	bytes.Buffer
	room int
}

func (d *fullAfter) Write(p []byte) (int, error) {
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func TestDevFull(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full here: %v", err)
	}
	defer full.Close()
	w := NewWriter(full)
	if err := w.Append(&Op{}); err != nil {
		t.Errorf("an append that is buffered: %v", err)
	}
	for range 2 {
		if err := w.Sync(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want no space left", err)
		}
	}
}

func TestShortWrite(t *testing.T) {
	t.Parallel()
	w := NewWriter(shortWriter{})
	if err := w.Append(&Op{}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v, want a short write", err)
	}
}

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl.zst")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	ops := register(3)
	for i := range ops {
		if err := w.Append(&ops[i]); err != nil {
			t.Fatal(err)
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		if h, err := Open(path); err != nil || !sameOps(h.Ops, ops[:i+1]) {
			t.Fatalf("after a sync: %v", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(&ops[0]); !errors.Is(err, os.ErrClosed) {
		t.Errorf("an append after closing: %v", err)
	}
	if _, err := Create(path); !errors.Is(err, os.ErrExist) || !strings.Contains(err.Error(), "name another file") {
		t.Errorf("a file that exists: %v", err)
	}
	if _, err := Create(filepath.Join(path, "x")); err == nil {
		t.Error("a file below a file was created")
	}
}

func TestReadLines(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := NewFrameWriter(&b)
	want := []string{"one", "", strings.Repeat("long ", 50_000), "last"}
	for i, line := range want {
		if err := w.Line([]byte(line)); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	check := func(file []byte, n int, wantTorn bool) {
		t.Helper()
		var got []string
		torn, err := ReadLines(bytes.NewReader(file), func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
		if err != nil || (torn != nil) != wantTorn || len(got) != n || strings.Join(got, "\n") != strings.Join(want[:n], "\n") {
			t.Errorf("%d lines, torn %v, error %v", len(got), torn, err)
		}
	}
	check(file, 4, false)
	check(file[:len(file)-1], 3, true)
	check([]byte("one\n\n"), 2, false)
	check([]byte("one\n\nlo"), 2, true)
	check(nil, 0, false)
	stop := errors.New("stop")
	if _, err := ReadLines(bytes.NewReader(file), func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the callback's error", err)
	}
	file[8] ^= 0xff
	var corrupt *CorruptError
	if _, err := ReadLines(bytes.NewReader(file), func([]byte) error { return nil }); !errors.As(err, &corrupt) {
		t.Errorf("a damaged first frame: %v", err)
	}
}
