package session_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// store makes a history of n operations by 20 clients on 30 registers, each of
// which takes effect when it ends; but with lag, a client reads from a copy that
// follows the store with some delay and never falls back, and that knows all that
// the client itself wrote. A thousandth of the writes has an unknown outcome, and
// the client goes on under another name.
func store(n int, lag bool) *history.History {
	const clients, keys = 20, 30
	rng := rand.New(rand.NewPCG(uint64(n), 5))
	h := &history.History{Ops: make([]history.Op, 0, 2*n)}
	log := make([][2]int, 0, n) // keys and values, in the order in which they took effect
	var state [keys]int
	copies := make([][keys]int, clients)
	upTo := make([]int, clients)
	process := make([]history.Process, clients)
	for c := range process {
		process[c] = history.Process(c)
	}
	top, value := history.Process(clients), 0
	open := make([]int, clients)
	for done := 0; done < n; {
		c := rng.IntN(clients)
		op := history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e4, Process: process[c]}
		if open[c] == 0 {
			op.F, op.Key, op.Value = "read", history.Int(int64(rng.IntN(keys))), history.Nil
			if rng.IntN(2) == 0 {
				value++
				op.F, op.Value = "write", history.Int(int64(value))
			}
			open[c] = len(h.Ops) + 1
			h.Ops = append(h.Ops, op)
			continue
		}
		done++
		was := h.Ops[open[c]-1]
		open[c] = 0
		op.F, op.Key, op.Value, op.Type = was.F, was.Key, was.Value, history.OK
		key, _ := was.Key.Int()
		if op.F == "write" {
			v, _ := was.Value.Int()
			state[key] = int(v)
			log = append(log, [2]int{int(key), int(v)})
			if rng.IntN(1000) == 0 {
				op.Type = history.Info
				process[c], top = top, top+1
			}
		}
		if !lag || op.F == "write" || rng.IntN(3) == 0 {
			for ; upTo[c] < len(log); upTo[c]++ {
				copies[c][log[upTo[c]][0]] = log[upTo[c]][1]
			}
		}
		if op.F == "read" && copies[c][key] != 0 {
			op.Value = history.Int(int64(copies[c][key]))
		}
		h.Ops = append(h.Ops, op)
	}
	return h
}

// size is how many operations a benchmark has: ORDEAL_OPS, or 100,000.
func size() int {
	if n, err := strconv.Atoi(os.Getenv("ORDEAL_OPS")); err == nil {
		return n
	}
	return 100_000
}

func BenchmarkCheck(b *testing.B) {
	for _, lag := range []bool{false, true} {
		h := store(size(), lag)
		for g := session.ReadYourWrites; g <= session.Sequential; g++ {
			b.Run(fmt.Sprintf("%v-lag=%v-%d", g, lag, size()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if r := session.New(session.Options{Guarantee: g}).Check(b.Context(), h); r.Verdict != checkers.OK {
						b.Fatal(r.Verdict, r.Reason, r.Anomalies)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size()), "ns/op-checked")
			})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	h := store(size(), true)
	for g := session.ReadYourWrites; g <= session.Sequential; g++ {
		b.Run(fmt.Sprintf("%v-%d", g, size()), func(b *testing.B) {
			raw := claim(b, session.New(session.Options{Guarantee: g}).Check(b.Context(), h))
			b.ReportMetric(float64(len(raw))/1e6, "MB")
			for b.Loop() {
				if _, err := verify.Claim(h, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
