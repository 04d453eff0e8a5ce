package history

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// readBy reads a text in chunks of the given size; 0 is one record after the
// other.
func readBy(t *testing.T, packed []byte, size int, memory int64) (*History, string) {
	t.Helper()
	x, err := newText(bytes.NewReader(packed))
	if err != nil {
		return nil, err.Error()
	}
	x.memory, x.chunkSize, x.ahead = memory, size, size == 0
	if err := x.readOps(); err != nil {
		return nil, err.Error()
	}
	x.h.Ops = x.ops.join()
	return &x.h, ""
}

// In chunks or not, a file is the same history, and damage the same error.
func TestChunksMakeNoDifference(t *testing.T) {
	t.Parallel()
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	draw := rand.New(rand.NewPCG(5, 5))
	damaged, torn, read := 0, 0, 0
	for range rounds {
		packed := randomFile(t, draw)
		want, wantErr := readBy(t, packed, 0, 1<<40)
		got, gotErr := readBy(t, packed, 16+draw.IntN(300), 1<<40)
		if gotErr != wantErr {
			t.Fatalf("error %q, want %q, for\n%q", gotErr, wantErr, packed)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(Value.Equal)); diff != "" {
			t.Fatalf("%s for\n%q", diff, packed)
		}
		switch {
		case want == nil:
			damaged++
		case want.Torn != nil:
			torn++
		default:
			read++
		}
	}
	t.Logf("%d damaged, %d torn, %d read", damaged, torn, read)
	if damaged == 0 || torn == 0 || read == 0 {
		t.Error("one kind of file never came up")
	}
}

// randomFile makes a small file of lines, one in three with damage.
func randomFile(t *testing.T, draw *rand.Rand) []byte {
	t.Helper()
	edn := draw.IntN(2) == 0
	var b []byte
	for i := range 1 + draw.IntN(40) {
		op := Op{Index: i, Time: int64(i * 10), Process: Process(draw.IntN(3)), F: "write", Value: Int(draw.Int64N(1000))}
		switch draw.IntN(20) {
		case 0:
			op.Time -= 200
		case 1:
			op.Index = draw.IntN(9)
		case 2:
			op.Value = String("{\n}\n")
		case 3:
			b = append(b, "\n \n"...)
		}
		if edn {
			b = AppendEDN(b, &op)
		} else {
			b = AppendJSON(b, &op)
		}
		if edn && draw.IntN(20) == 0 {
			b = append(b, " ; a word\n#_ #_ 1 2"...)
		}
		b = append(b, '\n')
	}
	switch draw.IntN(6) {
	case 0:
		b = b[:draw.IntN(len(b))]
	case 1:
		b[draw.IntN(len(b))] ^= byte(1 << draw.IntN(8))
	case 2:
		b = append(b, "{\"process\":"...)
	}
	if draw.IntN(3) > 0 {
		return b
	}
	return framed(t, b, draw)
}

// framed packs a text into frames of zstd that end anywhere.
func framed(t *testing.T, text []byte, draw *rand.Rand) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var packed []byte
	for len(text) > 0 {
		n := min(1+draw.IntN(400), len(text))
		packed = z.EncodeAll(text[:n], packed)
		text = text[n:]
	}
	if draw.IntN(5) == 0 {
		packed = packed[:len(packed)-1-draw.IntN(min(20, len(packed)-1))]
	}
	return packed
}

// The limit on memory holds for chunks too.
func TestChunksKeepTheLimit(t *testing.T) {
	t.Parallel()
	var b []byte
	for i := range 5000 {
		b = fmt.Appendf(b, "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":\"%d\"}\n", i)
	}
	if h, err := readBy(t, b, 1<<10, 100<<10); h != nil || err == "" {
		t.Errorf("%d operations were read", len(h.Ops))
	}
}
