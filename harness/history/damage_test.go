package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// honest checks the one promise that matters about a damaged file: what is read
// is what was written, or a part of its beginning that says so, or an error.
func honest(h *History, err error, ops []Op) error {
	var corrupt *CorruptError
	switch {
	case errors.As(err, &corrupt):
		return nil
	case err != nil:
		return fmt.Errorf("not a CorruptError: %w", err)
	case h.Torn == nil && !sameOps(h.Ops, ops):
		return fmt.Errorf("silently read as another history:\n%s", showOps(h.Ops))
	case len(h.Ops) > len(ops) || !sameOps(h.Ops, ops[:len(h.Ops)]):
		return fmt.Errorf("torn, but not a beginning of the history:\n%s", showOps(h.Ops))
	}
	return nil
}

// A file that was cut at any byte gives everything that was flushed before the
// cut, and says where it stops.
func TestCutWritten(t *testing.T) {
	t.Parallel()
	ops := register(12)
	file := written(t, ops, 7)
	ends := frameEnds(t, file)
	for n := range file {
		h, err := Read(bytes.NewReader(file[:n]))
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if n == 1 {
			continue // "(": the list that was cut could be of EDN as well
		}
		whole := 0
		for whole < len(ends) && ends[whole] <= int64(n) {
			whole++
		}
		if want := min(7*whole, len(ops)); !sameOps(h.Ops, ops[:want]) {
			t.Fatalf("cut at %d: %d operations, want %d", n, len(h.Ops), want)
		}
		start := int64(0)
		if whole > 0 {
			start = ends[whole-1]
		}
		if atEnd := int64(n) == start; atEnd != (h.Torn == nil) || !atEnd && h.Torn.Offset != start {
			t.Fatalf("cut at %d, where the last whole frame ends at %d: torn %+v", n, start, h.Torn)
		}
	}
}

// frameEnds returns where the frames of a file end.
func frameEnds(t *testing.T, file []byte) (ends []int64) {
	t.Helper()
	src, err := sniff(newBuffered(file))
	if err != nil {
		t.Fatal(err)
	}
	z := src.(*zstdSource)
	for {
		if _, _, err := z.next(); errors.Is(err, io.EOF) {
			return ends
		} else if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, z.offset)
	}
}

func TestCutPlain(t *testing.T) {
	t.Parallel()
	ops := register(6)
	for notation, text := range notations(ops) {
		for n := range text {
			h, err := Read(strings.NewReader(text[:n]))
			if err != nil {
				t.Fatalf("%s cut at %d: %v", notation, n, err)
			}
			if err := honest(h, err, ops); err != nil && !strings.Contains(err.Error(), "silently") {
				t.Fatalf("%s cut at %d: %v", notation, n, err)
			}
			if h.Torn == nil && strings.Count(text[:n], "type") != len(h.Ops) {
				t.Fatalf("%s cut at %d: %d operations, and it says nothing", notation, n, len(h.Ops))
			}
			if want := strings.Count(text[:n], "}"); len(h.Ops) != want {
				t.Fatalf("%s cut at %d: %d operations, want %d", notation, n, len(h.Ops), want)
			}
		}
	}
}

func TestCutGzip(t *testing.T) {
	t.Parallel()
	ops := register(6)
	first := gzipped(t, lines(ops[:5], AppendJSON))
	file := append(slices.Clone(first), gzipped(t, lines(ops[5:], AppendJSON))...)
	for n := 1; n < len(file); n++ {
		h, err := Read(bytes.NewReader(file[:n]))
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		want := 0
		if n >= len(first) {
			want = 5
		}
		if !sameOps(h.Ops, ops[:want]) || (h.Torn == nil) != (n == len(first)) {
			t.Fatalf("cut at %d: %d operations, torn %v", n, len(h.Ops), h.Torn)
		}
	}
}

// Every bit of every byte, and all bits of one at once.
func TestFlipEveryByte(t *testing.T) {
	t.Parallel()
	ops := register(9)
	files := map[string][]byte{
		"written":    written(t, ops, 7),
		"zstd":       zstdStream(t, lines(ops, AppendJSON), zstd.WithWindowSize(zstd.MinWindowSize)),
		"gzip":       gzipped(t, lines(ops, AppendEDN)),
		"one record": written(t, ops[:1], 1),
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := ops
			if name == "one record" {
				want = ops[:1]
			}
			for at := 0; at < len(file); at += stride {
				for _, flip := range []byte{1, 2, 4, 8, 16, 32, 64, 128, 255} {
					bad := slices.Clone(file)
					bad[at] ^= flip
					h, err := Read(bytes.NewReader(bad))
					if err := honest(h, err, want); err != nil {
						t.Fatalf("byte %d of %d flipped by %#x: %v", at, len(file), flip, err)
					}
				}
			}
		})
	}
}

// Damage to any frame but the last is damage in the middle, and is reported
// where the frame begins.
func TestFlipMiddleFrame(t *testing.T) {
	t.Parallel()
	ops := register(12)
	file := written(t, ops, 6)
	ends := frameEnds(t, file)
	for at := ends[0]; at < ends[1]; at++ {
		bad := slices.Clone(file)
		bad[at] ^= 0x10
		h, err := Read(bytes.NewReader(bad))
		var corrupt *CorruptError
		if err == nil && sameOps(h.Ops, ops) && h.Torn == nil {
			continue // a bit that nobody uses
		}
		if !errors.As(err, &corrupt) || corrupt.Offset != ends[0] && corrupt.Offset != ends[1]-4 || corrupt.Ops < 6 {
			t.Fatalf("byte %d: %+v, %v", at, h, err)
		}
		if corrupt.Offset == ends[0] && corrupt.Line != 7 {
			t.Fatalf("byte %d: line %d, want 7", at, corrupt.Line)
		}
		prefix, err := Read(bytes.NewReader(file[:corrupt.Offset]))
		if err != nil || len(prefix.Ops) < 6 {
			t.Fatalf("the advice to cut the file at byte %d does not help: %v", corrupt.Offset, err)
		}
	}
}

// What a crash of the whole machine leaves behind: blocks of zeros, or of
// something else, where the last frames were to be.
func TestGarbageTail(t *testing.T) {
	t.Parallel()
	ops := register(12)
	file := written(t, ops, 6)
	ends := frameEnds(t, file)
	last := ends[len(ends)-2]
	both := slices.Clone(file[last:])
	both[len(both)-1] ^= 1 // the checksum
	both = slices.Concat(both, both)
	for name, tail := range map[string][]byte{
		"two damaged frames":   both,
		"zeros":                make([]byte, 5000),
		"a frame, then zeros":  append(slices.Clone(file[last:len(file)-9]), make([]byte, 5000)...),
		"text":                 []byte(strings.Repeat("no frame ", 600)),
		"a frame of something": bytes.Repeat(zstdMagic, 20),
	} {
		h, err := Read(bytes.NewReader(append(slices.Clone(file[:last]), tail...)))
		if err != nil || h.Torn == nil || h.Torn.Offset != last || !sameOps(h.Ops, ops[:len(h.Ops)]) || len(h.Ops) != 18 {
			t.Errorf("%s: %v, %+v", name, err, h)
		}
	}
	for notation, text := range map[string]string{"jsonl": lines(ops, AppendJSON), "edn": lines(ops, AppendEDN)} {
		h, err := Read(strings.NewReader(text + strings.Repeat("\x00", 70_000)))
		if err != nil || h.Torn == nil || !sameOps(h.Ops, ops) || h.Torn.Offset != int64(len(text)) {
			t.Errorf("%s and zeros: %v, %+v", notation, err, h)
		}
	}
}

// A line of text that makes no sense is damage in the middle when operations
// follow it, however far behind.
func TestDamagedText(t *testing.T) {
	t.Parallel()
	ops := register(2000)
	for notation, text := range notations(ops) {
		for _, r := range []string{`}`, `"`, `[`, "\x00", `{"a":`} {
			at := strings.Index(text, "\n") + 1
			at += strings.Index(text[at:], "{")
			_, err := Read(iotest.HalfReader(strings.NewReader(text[:at] + r + text[at:])))
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) || corrupt.Line != 2 || corrupt.Offset != int64(at) || corrupt.Ops != 1 {
				t.Errorf("%s with %s in line 2, byte %d: %v", notation, r, at, err)
			}
		}
	}
}

// A quote or bracket that was lost makes an operation swallow those behind it.
func TestSwallowedText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"{:type :ok}\n{:type :ok, :f \"x}\n{:type :ok}\n{:type :ok}\n",
		"[{:type :ok}\n {:type :ok, :value [1 2}\n {:type :ok}]",
		"[{:type :ok}\n {:type :ok, :value {:a 1\n {:type :ok}\n {:type :ok}]",
		"{:type :ok}\n{:type :ok, :value (1 2\n{:type :ok}\n",
	} {
		_, err := Read(strings.NewReader(text))
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.Line != 2 || corrupt.Ops != 1 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCorruptErrors(t *testing.T) {
	t.Parallel()
	good := `{"type":"ok"}` + "\n"
	for text, want := range map[string]string{
		"hello":                     `byte 0, line 1: an operation expected, but there is 'h'; is this a history? Wanted: operations as JSON Lines`,
		"<html>\n" + good:           `byte 0, line 1: an operation expected, but there is '<'`,
		good + "x\n" + good:         `byte 14, line 2: an operation in {braces} expected, but there is 'x'; the 1 records before it are whole: restore the file from a copy, or use them alone (head -c 14 FILE > PART)`,
		good + `{"name":"x"}`:       `byte 14, line 2: an object without a type is no operation`,
		"[" + good + "] x":          `byte 17, line 2: the end of the file expected, but there is 'x'`,
		"[" + good + good + "]":     `byte 15, line 2: "," or "]" expected, but there is '{'`,
		"{:type :ok}\n{:type :foo}": `byte 12, line 2: type :foo is not one of invoke, ok, fail and info`,
		"[:a :b]":                   `byte 1, line 1: an operation in {braces} expected, but there is ':'`,
		"; \x01":                    `byte 0, line 1: a control character in a comment`,
		"[1, 2, 3]":                 `an operation in {braces} expected, but there is '1'`,
		`["a"]`:                     `an operation in {braces} expected, but there is '"'`,
	} {
		_, err := Read(strings.NewReader(text))
		var corrupt *CorruptError
		if strings.Contains(text, "] x") || strings.Contains(text, "[{") && err == nil {
			// Nothing whole follows: this could be a torn tail, and is read as one.
			h := mustRead(t, text)
			if h.Torn == nil {
				t.Errorf("%q: not torn", text)
			}
			continue
		}
		if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v\nwant %s", text, err, want)
		}
	}
}

// Input that wants to hurt gets one clear error, and not all the memory.
func TestHostile(t *testing.T) {
	t.Parallel()
	endless := func(start string) io.Reader { return io.MultiReader(strings.NewReader(start), forever('a')) }
	for name, c := range map[string]struct {
		r    io.Reader
		want string
	}{
		"depth of JSON":      {strings.NewReader(`{"type":"ok","value":` + strings.Repeat("[", 10_000)), "nest deeper than 500"},
		"depth of EDN":       {strings.NewReader(`{:type :ok :value ` + strings.Repeat("#{", 10_000)), "nest deeper than 500"},
		"depth of tags":      {strings.NewReader(`{:type :ok :value ` + strings.Repeat("#a ", 10_000)), "nest deeper than 500"},
		"depth of discards":  {strings.NewReader(strings.Repeat("#_", 10_000)), "nest deeper than 500"},
		"an endless string":  {endless(`{"type":"ok","f":"`), "one record takes more than 67108864 bytes"},
		"an endless comment": {endless(`; `), "one record takes more than 67108864 bytes"},
	} {
		if _, err := Read(c.r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Four kilobytes that unpack to a string of 128 MiB, in blocks that repeat one
// byte, are not held unpacked.
func TestZipBomb(t *testing.T) {
	t.Parallel()
	start := `{"type":"ok","f":"`
	bomb := slices.Concat(zstdMagic, []byte{0x00, 7 << 3, byte(len(start) << 3), 0, 0}, []byte(start))
	for range 1024 {
		bomb = append(bomb, 0x02, 0x00, 0x10, 'a')
	}
	bomb = append(bomb, 1, 0, 0)
	if _, err := Read(bytes.NewReader(bomb)); err == nil || !strings.Contains(err.Error(), "one record takes more") {
		t.Errorf("%d bytes: %v", len(bomb), err)
	}
	for name, frame := range map[string][]byte{
		"a length of 2^60": slices.Concat(zstdMagic, []byte{0xe4, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0}),
		"a huge window":    slices.Concat(zstdMagic, []byte{0x04, 0xff, 1, 0, 0, 0, 0, 0, 0}),
		"a huge skip":      {0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x3f, 1},
	} {
		if h, err := Read(bytes.NewReader(frame)); err != nil || h.Torn == nil || len(h.Ops) > 0 {
			t.Errorf("%s: %v, %+v", name, err, h)
		}
	}
}

func TestReadWithin(t *testing.T) {
	t.Parallel()
	file := written(t, transactions(2000), 1<<20)
	if h, err := ReadWithin(bytes.NewReader(file), 4<<20); err != nil || len(h.Ops) != 4000 {
		t.Errorf("within 4 MiB: %v", err)
	}
	if _, err := ReadWithin(bytes.NewReader(file), 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("within 1 MiB: %v", err)
	}
}

type forever byte

func (c forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}
