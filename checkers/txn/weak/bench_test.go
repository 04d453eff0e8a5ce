package weak_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// database makes a history of n transactions of 1 to 4 steps by 20 clients on a
// store that is serializable: a transaction takes effect when it ends. A thousandth
// has an unknown outcome, and its client goes on under another name. A key is given
// up after some writes, so that there are always 30 in use.
func database(n int) *history.History {
	const clients, keys, writes = 20, 30, 32
	rng := rand.New(rand.NewPCG(uint64(n), 5))
	h := &history.History{Ops: make([]history.Op, 0, 2*n)}
	type register struct{ key, value, writes int }
	store := make([]register, keys)
	top := 0
	for k := range store {
		store[k].key, top = top, top+1
	}
	process := make([]history.Process, clients)
	open := make([]int, clients) // index of the invocation plus one
	plans := make([][]history.Value, clients)
	next := history.Process(clients)
	for c := range process {
		process[c] = history.Process(c)
	}
	read, write := history.String("r"), history.String("w")
	for begun := 0; begun < n; {
		c := rng.IntN(clients)
		op := history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e4, Process: process[c], F: "txn"}
		if open[c] == 0 {
			begun++
			open[c] = op.Index + 1
			plans[c] = nil
			for range 1 + rng.IntN(4) {
				f := read
				if rng.IntN(2) == 0 {
					f = write
				}
				plans[c] = append(plans[c], f, history.Int(int64(rng.IntN(keys))))
			}
			op.Value = history.List() // until it ends
			h.Ops = append(h.Ops, op)
			continue
		}
		var done []history.Value
		mine := map[int]int{}
		for i := 0; i < len(plans[c]); i += 2 {
			at, _ := plans[c][i+1].Int()
			r := &store[at]
			v := history.Nil
			if plans[c][i].Text() == "w" {
				if r.writes++; r.writes > writes {
					*r, top = register{top, 0, 1}, top+1
				}
				r.value++
				mine[r.key] = r.value
			}
			if r.value > 0 {
				v = history.Int(int64(r.value))
			}
			done = append(done, history.List(plans[c][i], history.Int(int64(r.key)), v))
		}
		op.Type, op.Value = history.OK, history.List(done...)
		h.Ops[open[c]-1].Value = op.Value
		open[c] = 0
		if rng.IntN(1000) == 0 {
			op.Type = history.Info
			process[c], next = next, next+1
		}
		h.Ops = append(h.Ops, op)
	}
	return h
}

// size is how many transactions a benchmark has: ORDEAL_TXNS, or 100,000.
func size() int {
	if n, err := strconv.Atoi(os.Getenv("ORDEAL_TXNS")); err == nil {
		return n
	}
	return 100_000
}

func BenchmarkCheck(b *testing.B) {
	h := database(size())
	for level := weak.ReadCommitted; level <= weak.Causal; level++ {
		b.Run(fmt.Sprintf("%v-%d", level, size()), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r := weak.New(weak.Options{Level: level}).Check(b.Context(), h); r.Verdict != checkers.OK {
					b.Fatal(r.Verdict, r.Reason, r.Anomalies)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size()), "ns/txn")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	h := database(size())
	for level := weak.ReadCommitted; level <= weak.Causal; level++ {
		raw := claim(b, weak.New(weak.Options{Level: level}).Check(b.Context(), h))
		b.Run(fmt.Sprintf("%v-%d", level, size()), func(b *testing.B) {
			for b.Loop() {
				if _, err := verify.Claim(h, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
