package linear

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// capped is how long Porcupine may try in a benchmark. What takes longer gives
// a lower bound.
const capped = 10 * time.Second

// wide is 20,000 operations of 50 clients, none crashed.
func wide() *history.History {
	return random(rand.New(rand.NewPCG(8, 8)), mix{calls: 20000, processes: 50, unique: true, honest: 1})
}

// crashed is 2,000 operations of 10 clients, of which 30 writes never came back,
// with a stale read at the end. Half of the 30 were seen.
func crashed() *history.History {
	h := random(rand.New(rand.NewPCG(9, 9)), mix{calls: 2000, processes: 10, unique: true, honest: 1})
	left := 30
	var ops []history.Op
	dead := make(map[history.Process]bool)
	for i, op := range h.Ops {
		if op.Type == history.OK && op.F == "write" && left > 0 && i%20 == 0 {
			left--
			dead[op.Process] = true
			op.Type = history.Info
			ops = append(ops, op)
			continue
		}
		ops = append(ops, op)
	}
	stale := []history.Op{{Type: history.Invoke, F: "read", Value: history.Nil}, {Type: history.OK, F: "read", Value: history.Int(1)}}
	for _, op := range stale {
		op.Process = 1e6
		ops = append(ops, op)
	}
	for i := range ops {
		ops[i].Index, ops[i].Time = i, int64(i)*1e6
	}
	return &history.History{Ops: ops}
}

func zonesAlone(b *testing.B, h *history.History) checkers.Verdict {
	return New(Options{Engine: Zones, Workers: 1}).Check(b.Context(), h).Verdict
}

// porcupineAlone is what a user of Porcupine would have: the search, without our
// front end, which drops what nobody saw, and without making violations small.
func porcupineAlone(b *testing.B, h *history.History) checkers.Verdict {
	opts := Options{Timeout: capped}.filled()
	calls, err := checkers.Paired(h)
	if err != nil {
		b.Fatal(err)
	}
	r, err := opts.Model.decode(calls)
	if err != nil {
		b.Fatal(err)
	}
	limit := newBudget(b.Context(), opts)
	defer limit.stop()
	return r.problem(r.ops).porcupine(limit)
}

func benchmark(b *testing.B, h *history.History, judge func(*testing.B, *history.History) checkers.Verdict) {
	var v checkers.Verdict
	for b.Loop() {
		v = judge(b, h)
	}
	if v == checkers.Unknown {
		b.Log("stopped by its budget: the time is a lower bound")
	}
}

func BenchmarkZonesWide(b *testing.B)        { benchmark(b, wide(), zonesAlone) }
func BenchmarkPorcupineWide(b *testing.B)    { benchmark(b, wide(), porcupineAlone) }
func BenchmarkZonesCrashed(b *testing.B)     { benchmark(b, crashed(), zonesAlone) }
func BenchmarkPorcupineCrashed(b *testing.B) { benchmark(b, crashed(), porcupineAlone) }

// BenchmarkZonesMillion is 1,000,000 operations of 50 clients on one key.
func BenchmarkZonesMillion(b *testing.B) {
	h := random(rand.New(rand.NewPCG(10, 10)), mix{calls: 1000000, processes: 50, unique: true, cas: true, honest: 1})
	benchmark(b, h, zonesAlone)
}

// BenchmarkRatio judges the same histories with both engines in one run and
// reports how many times as long Porcupine takes, or at least takes.
func BenchmarkRatio(b *testing.B) {
	for _, c := range []struct {
		name string
		make func() *history.History
	}{{"wide", wide}, {"crashed", crashed}} {
		b.Run(c.name, func(b *testing.B) {
			h := c.make()
			for b.Loop() {
				ratio(b, h)
			}
		})
	}
}

func ratio(b *testing.B, h *history.History) {
	const rounds = 10
	start := time.Now()
	for range rounds {
		zonesAlone(b, h)
	}
	zones := time.Since(start) / rounds
	start = time.Now()
	v := porcupineAlone(b, h)
	b.ReportMetric(float64(zones.Nanoseconds()), "zones-ns")
	b.ReportMetric(float64(time.Since(start))/float64(zones), "porcupine/zones")
	bound := 0.0
	if v == checkers.Unknown {
		bound = 1
	}
	b.ReportMetric(bound, "lower-bound")
}

// busy is 3,000 operations of k clients that are nearly always busy, on an object
// of a few states; at the end one that cannot be, if the history is to be invalid.
func busy(o thing, k int, last ...history.Op) *history.History {
	return after(o.history(rand.New(rand.NewPCG(14, uint64(k))), 3000, k, 1, false), last)
}

// BenchmarkSearch judges the same histories along the frontier and with
// Porcupine, valid and invalid ones.
func BenchmarkSearch(b *testing.B) {
	none := history.Nil
	for _, c := range []struct {
		name string
		o    thing
		last []history.Op
	}{
		{"rmw", registerThing(), []history.Op{did(0, "read", none, history.Int(1)), did(0, "read", none, history.Int(2))}},
		{"counter", counterThing(), []history.Op{did(0, "read", none, history.Int(1)), did(0, "read", none, history.Int(2))}},
		{"mutex", mutexThing(false), []history.Op{did(0, "acquire"), did(0, "acquire")}},
	} {
		for _, k := range []int{4, 8, 12} {
			for _, e := range []Engine{Frontier, Porcupine} {
				valid, invalid := busy(c.o, k), busy(c.o, k, c.last...)
				search := func(b *testing.B, h *history.History) checkers.Verdict {
					return onlySearch(b, c.o.model, h, e)
				}
				b.Run(fmt.Sprintf("%s/%d/valid/%v", c.name, k, e), func(b *testing.B) { benchmark(b, valid, search) })
				b.Run(fmt.Sprintf("%s/%d/invalid/%v", c.name, k, e), func(b *testing.B) { benchmark(b, invalid, search) })
			}
		}
	}
}

// onlySearch looks for an order and does not make violations small.
func onlySearch(b *testing.B, m Model, h *history.History, e Engine) checkers.Verdict {
	opts := Options{Model: m, Timeout: capped}.filled()
	calls, err := checkers.Paired(h)
	if err != nil {
		b.Fatal(err)
	}
	limit := newBudget(b.Context(), opts)
	defer limit.stop()
	parts, err := again{calls, opts}.parts()
	if err != nil {
		b.Fatal(err)
	}
	return parts[0].search(e, limit).verdict
}
