package history

import (
	"bytes"
	"io"
	"runtime"
	"testing"
)

// BenchmarkAppend is the cost of recording one operation, compression and
// frames included, into memory.
func BenchmarkAppend(b *testing.B) {
	ops := register(5000)
	var disk counter
	w := NewWriter(&disk)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := w.Append(&ops[n%len(ops)]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(disk)/float64(n), "disk-B/op")
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// BenchmarkWriterStart is what a short run pays before its first operation and
// at its end.
func BenchmarkWriterStart(b *testing.B) {
	op := register(1)[0]
	b.ReportAllocs()
	for b.Loop() {
		w := NewWriter(io.Discard)
		if err := w.Append(&op); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	ops := register(5000)
	var buf []byte
	n := 0
	for b.Loop() {
		buf = AppendJSON(buf[:0], &ops[n%len(ops)])
		n++
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkRead is the speed of reading, from the bytes of a file in memory to
// a history; MB/s are of the text, also where the file is packed.
func BenchmarkRead(b *testing.B) {
	ops := register(50_000)
	jsonl, edn := lines(ops, AppendJSON), lines(ops, AppendEDN)
	txns := lines(transactions(20_000), AppendJSON)
	for _, c := range []struct {
		name string
		file []byte
		text int
		ops  int
	}{
		{"jsonl", []byte(jsonl), len(jsonl), len(ops)},
		{"written", written(b, ops, len(ops)), len(jsonl), len(ops)},
		{"gzip", gzipped(b, jsonl), len(jsonl), len(ops)},
		{"edn", []byte(edn), len(edn), len(ops)},
		{"transactions", []byte(txns), len(txns), 40_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(c.text))
			b.ReportAllocs()
			for b.Loop() {
				h, err := Read(bytes.NewReader(c.file))
				if err != nil || len(h.Ops) != c.ops {
					b.Fatalf("%v: %d operations", err, len(h.Ops))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.ops), "ns/record")
			b.ReportMetric(memory(b, c.file)/float64(c.ops), "mem-B/op")
			b.ReportMetric(float64(len(c.file))/float64(c.ops), "disk-B/op")
		})
	}
}

// memory returns how many bytes a history takes once it is read.
func memory(b testing.TB, file []byte) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	h, err := Read(bytes.NewReader(file))
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(h)
	return float64(after.HeapAlloc) - float64(before.HeapAlloc)
}

// transactions makes n list-append transactions of one append and one read of
// a list of eight.
func transactions(n int) []Op {
	ops := make([]Op, 0, 2*n)
	for i := range n {
		key := Int(int64(i % 30))
		appends := List(String("append"), key, Int(int64(i)))
		list := make([]int64, 8)
		for j := range list {
			list[j] = int64(i + j)
		}
		op := Op{Index: 2 * i, Time: int64(i) * 1_000_017, Process: Process(i % 20), F: "txn",
			Value: List(appends, List(String("r"), key, Nil))}
		done := op
		done.Index, done.Type, done.Time = op.Index+1, OK, op.Time+500
		done.Value = List(appends, List(String("r"), key, Ints(list...)))
		ops = append(ops, op, done)
	}
	return ops
}
