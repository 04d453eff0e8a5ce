package polygraph

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
)

// store makes histories of a store that is strictly serializable, or keeps strong
// snapshot isolation: clients whose transactions take effect between their
// records.
type store struct {
	rng      *rand.Rand
	clients  int
	steps    int // most operations of a transaction
	keys     int
	blind    bool // no transaction reads what it writes
	reads    float64
	snapshot bool
}

func (m store) history(txns int) *History {
	h := &History{Keys: m.keys, Txns: make([]Txn, 0, txns)}
	current := make([]int32, m.keys)
	for k := range current {
		current[k] = Initial
	}
	changed := make([]int, m.keys)
	type client struct {
		txn   int
		state int // 0 idle, 1 called, 2 began, 3 took effect
		began int
		keys  []int32
		write []bool
	}
	clients := make([]client, m.clients)
	clock := 0
	for done := 0; done < txns; {
		c := m.rng.IntN(m.clients)
		x := &clients[c]
		clock++
		switch x.state {
		case 0:
			if len(h.Txns) == txns {
				continue
			}
			*x = client{txn: len(h.Txns), state: 1}
			h.Txns = append(h.Txns, Txn{Session: int32(c), Begin: clock})
			for range 1 + m.rng.IntN(m.steps) {
				k, w := int32(m.rng.IntN(m.keys)), m.rng.Float64() >= m.reads
				if slices.Contains(x.keys, k) && (m.blind || slices.Contains(x.keys[slices.Index(x.keys, k)+1:], k)) {
					continue
				}
				x.keys, x.write = append(x.keys, k), append(x.write, w)
			}
		case 1, 2:
			t := &h.Txns[x.txn]
			if x.state == 1 {
				x.began = clock
				for i, k := range x.keys {
					if !x.write[i] && !slices.ContainsFunc(t.Reads, func(r Read) bool { return r.Key == k }) {
						t.Reads = append(t.Reads, Read{k, current[k]})
					}
				}
				x.state = 2
				if m.snapshot {
					continue
				}
			}
			clash := false
			for i, k := range x.keys {
				clash = clash || x.write[i] && changed[k] > x.began
			}
			if clash {
				x.state = 1 // the store tries again
				t.Reads = nil
				continue
			}
			for i, k := range x.keys {
				if x.write[i] && !slices.Contains(t.Writes, k) {
					t.Writes = append(t.Writes, k)
					current[k], changed[k] = int32(x.txn), clock
				}
			}
			x.state = 3
		case 3:
			h.Txns[x.txn].End = clock
			x.state = 0
			done++
		}
	}
	return h
}

func BenchmarkBlind(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		for _, keys := range []int{10, 100, 1000} {
			h := store{rng: rand.New(rand.NewPCG(1, 2)), clients: 20, steps: 4, keys: keys, blind: true, reads: 0.5}.history(n)
			for _, level := range []Level{Serializable, StrictSerializable, SnapshotIsolation} {
				b.Run(fmt.Sprintf("%d/%d keys/%v", n, keys, level), func(b *testing.B) {
					for range b.N {
						r := Solve(b.Context(), h, level, Options{})
						if r.Verdict != checkers.OK {
							b.Fatal(r.Verdict, r.Reason, r.Stats)
						}
						b.ReportMetric(float64(r.Stats.Choices), "choices")
						b.ReportMetric(float64(r.Stats.Conflicts), "conflicts")
						b.ReportMetric(float64(r.Stats.Rounds), "rounds")
					}
				})
			}
		}
	}
}
