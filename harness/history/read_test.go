package history

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/klauspost/compress/zstd"
)

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zstdStream packs like the zstd command does: one frame that does not say how
// long it is.
func zstdStream(t testing.TB, text string, options ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, options...)
	if err != nil {
		t.Fatal(err)
	}
	// Two writes, so that the encoder has to begin without knowing the length.
	for _, part := range []string{text[:len(text)/2], text[len(text)/2:]} {
		if _, err := io.WriteString(z, part); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// written packs operations as the recorder does, with a flush after every
// batch of them.
func written(t testing.TB, ops []Op, batch int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	for part := range slices.Chunk(ops, batch) {
		for i := range part {
			if err := w.Append(&part[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jsonArray(ops []Op) string {
	return "[" + strings.Join(strings.Split(strings.TrimSpace(lines(ops, AppendJSON)), "\n"), ",\n") + "]\n"
}

// notations are the same history in every notation.
func notations(ops []Op) map[string]string {
	return map[string]string{
		"jsonl":      lines(ops, AppendJSON),
		"json array": jsonArray(ops),
		"edn lines":  lines(ops, AppendEDN),
		"edn vector": "[" + lines(ops, AppendEDN) + "]",
	}
}

// packings are the same text in every packing.
func packings(t testing.TB, text string) map[string][]byte {
	skippable := []byte{0x55, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}
	half := len(text) / 2
	return map[string][]byte{
		"plain":            []byte(text),
		"gzip":             gzipped(t, text),
		"gzip members":     append(gzipped(t, text[:half]), gzipped(t, text[half:])...),
		"zstd":             zstdStream(t, text),
		"zstd no checksum": zstdStream(t, text, zstd.WithEncoderCRC(false)),
		"zstd frames":      slices.Concat(skippable, zstdStream(t, text[:half]), skippable, zstdStream(t, text[half:])),
	}
}

// Every notation in every packing, however the bytes arrive.
func TestFormats(t *testing.T) {
	t.Parallel()
	ops := register(300)
	for notation, text := range notations(ops) {
		for packing, file := range packings(t, text) {
			for arrival, r := range map[string]io.Reader{
				"at once":     bytes.NewReader(file),
				"by the byte": iotest.OneByteReader(bytes.NewReader(file)),
				"with EOF":    iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(file))),
			} {
				h, err := Read(r)
				if err != nil {
					t.Errorf("%s, %s, %s: %v", notation, packing, arrival, err)
				} else if h.Torn != nil || h.Indexes != nil || !sameOps(h.Ops, ops) {
					t.Errorf("%s, %s, %s: torn %v, %d operations", notation, packing, arrival, h.Torn, len(h.Ops))
				}
			}
		}
	}
}

// Text that is larger than any buffer, and forms that are.
func TestLargeFiles(t *testing.T) {
	t.Parallel()
	ops := register(4_000)
	ops[7].Value = String(strings.Repeat("é", 300_000))
	ops[8].Value = Ints(make([]int64, 100_000)...)
	for notation, text := range notations(ops) {
		for packing, file := range map[string][]byte{"plain": []byte(text), "zstd": zstdStream(t, text)} {
			if h, err := Read(bytes.NewReader(file)); err != nil || !sameOps(h.Ops, ops) {
				t.Errorf("%s, %s: %v", notation, packing, err)
			}
		}
	}
	if h, err := Read(bytes.NewReader(written(t, ops, len(ops)))); err != nil || !sameOps(h.Ops, ops) {
		t.Errorf("written: %v", err)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl.zst")
	if _, err := Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(path, written(t, register(10), 7), 0o600); err != nil {
		t.Fatal(err)
	}
	if h, err := Open(path); err != nil || len(h.Ops) != 20 {
		t.Errorf("got %v, %v", h, err)
	}
	if err := os.WriteFile(path, []byte("no history"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err == nil || !strings.HasPrefix(err.Error(), path+": byte 0, line 1: ") {
		t.Errorf("an error without the path: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	for packing, file := range packings(t, lines(register(300), AppendJSON)) {
		for _, n := range []int{0, 3, 8, len(file) / 2} {
			_, err := Read(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) {
				t.Errorf("%s: after %d bytes: %v", packing, n, err)
			}
		}
	}
}

// An extract of a history keeps the indexes of its file on the side.
func TestFileIndex(t *testing.T) {
	t.Parallel()
	h := mustRead(t, `{"index":0,"type":"ok"}{"index":5,"type":"ok"}{"type":"ok"}{"index":9,"type":"ok"}{"index":9,"type":"ok"}{"index":3,"type":"ok"}`)
	for i, want := range []int64{0, 5, 2, 9, 9, 3} {
		if h.Ops[i].Index != i || h.FileIndex(i) != want {
			t.Errorf("record %d has index %d, in the file %d, want %d", i, h.Ops[i].Index, h.FileIndex(i), want)
		}
	}
	if len(h.Warnings) != 1 || h.Warnings[0].Count != 2 || h.Warnings[0].Offset != 82 {
		t.Errorf("warnings %+v", h.Warnings)
	}
	if dense := mustRead(t, lines(register(3), AppendJSON)); dense.Indexes != nil || dense.FileIndex(4) != 4 {
		t.Errorf("indexes %v of a dense history", dense.Indexes)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	h := mustRead(t, `{"type":"ok","time":5}
{"type":"ok"}

{"type":"ok","time":4}
{"type":"ok","time":null}
{"type":"ok","time":3}`)
	for i, want := range []int64{5, 5, 4, 4, 3} {
		if h.Ops[i].Time != want {
			t.Errorf("record %d has time %d, want %d", i, h.Ops[i].Time, want)
		}
	}
	if len(h.Warnings) != 1 || h.Warnings[0].Line != 4 || !strings.Contains(h.Warnings[0].String(), "line 4: the time goes back") {
		t.Errorf("warnings %v", h.Warnings)
	}
}

// Names that repeat are held once. Not parallel, because it counts allocations.
func TestInterning(t *testing.T) {
	text := lines(register(2000), AppendJSON)
	a := testing.AllocsPerRun(3, func() { mustRead(t, text) })
	if a > 400 {
		t.Errorf("%v allocations for 4000 operations", a)
	}
}

// A million operations should not take much more than what they say.
func TestSizes(t *testing.T) {
	t.Parallel()
	if op, value := unsafe.Sizeof(Op{}), unsafe.Sizeof(Value{}); op > 120 || value > 24 {
		t.Errorf("an operation takes %d bytes and a value %d, want 120 and 24", op, value)
	}
}

// What a history takes is its operations and their values; the buffers of the
// reader go. Not parallel, because it measures the memory of all.
func TestMemory(t *testing.T) {
	file := written(t, register(20_000), 1<<20)
	if got := memory(t, file) / 40_000; got > 170 {
		t.Errorf("an operation takes %.0f bytes, want 150", got)
	}
}

// Lists lie side by side in memory, but one cannot grow into the next.
func TestListsAreSeparate(t *testing.T) {
	t.Parallel()
	h := mustRead(t, `{"type":"ok","value":[1,2]}{"type":"ok","value":[3,4]}`)
	_ = append(h.Ops[0].Value.Elems(), Int(9))
	if got := h.Ops[1].Value; !got.Equal(Ints(3, 4)) {
		t.Errorf("the second list became %v", got)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	h := &History{Ops: []Op{
		{F: "write", Type: Invoke}, {F: "read", Type: Invoke}, {F: "read", Type: OK}, {F: "write", Type: Info},
		{F: "write", Type: Invoke}, {F: "write", Type: Fail}, {F: "read", Type: Invoke}, {F: "fault", Type: Info, Process: Nemesis},
	}}
	byF, all := h.Counts()
	want := []Count{{F: "read", Invoke: 2, OK: 1}, {F: "write", Invoke: 2, Fail: 1, Info: 1}}
	if !slices.Equal(byF, want) || all != (Count{Invoke: 4, OK: 1, Fail: 1, Info: 1}) || byF[0].Open() != 1 {
		t.Errorf("got %+v and %+v", byF, all)
	}
}
