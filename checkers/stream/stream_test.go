package stream

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core/coretest"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/stream.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{AtLeastOnce: d.HasArg("at-least-once")})
	})
}

// broker simulates a stream with three nodes.
type broker struct {
	rng  *rand.Rand
	ops  []history.Op
	log  []history.Value
	next map[int]int // by producer, its counter
	at   [3]int      // by node, what its reader fetches next
}

func (b *broker) call(op history.Op, typ history.Type, out history.Value) {
	op.Index, op.Time = len(b.ops), int64(len(b.ops))*1e6
	b.ops = append(b.ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, typ, out
	b.ops = append(b.ops, op)
}

func (b *broker) publish() {
	p := b.rng.IntN(3)
	b.next[p]++
	v := history.Ints(int64(p), int64(b.next[p]))
	typ := []history.Type{history.OK, history.OK, history.OK, history.Info, history.Fail}[b.rng.IntN(5)]
	if typ == history.OK || typ == history.Info && b.rng.IntN(2) == 0 {
		b.log = append(b.log, v)
	}
	b.call(history.Op{Process: history.Process(10 + len(b.ops)), F: "publish", Value: v}, typ, v)
}

func (b *broker) fetch(node, most int, final bool) {
	n := min(most, len(b.log)-b.at[node])
	got := slices.Clone(b.log[b.at[node] : b.at[node]+n])
	b.at[node] += n
	b.call(history.Op{Process: history.Process(node), Node: string(rune('a' + node)), F: "fetch", Final: final}, history.OK, history.List(got...))
}

func valid(rng *rand.Rand, size int) *history.History {
	b := &broker{rng: rng, next: map[int]int{}}
	for range 4 + rng.IntN(size) {
		b.publish()
		if rng.IntN(3) == 0 {
			b.fetch(rng.IntN(3), rng.IntN(4), false)
		}
	}
	for node := range 3 {
		b.fetch(node, len(b.log), true)
	}
	return &history.History{Ops: b.ops}
}

// edit replaces the messages that a reader got; nth counts them.
func edit(h *history.History, process history.Process, f func(nth int, v history.Value) []history.Value) {
	n := 0
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.F != "fetch" || op.Type != history.OK || process >= 0 && op.Process != process {
			continue
		}
		var list []history.Value
		for _, v := range op.Value.Elems() {
			list = append(list, f(n, v)...)
			n++
		}
		op.Value = history.List(list...)
	}
}

// acked returns the messages that were acknowledged, of one producer, in order.
func acked(h *history.History, producer int64) []history.Value {
	var list []history.Value
	for _, op := range h.Ops {
		if op.F == "publish" && op.Type == history.OK {
			if p, _ := op.Value.Elems()[0].Int(); p == producer {
				list = append(list, op.Value)
			}
		}
	}
	return list
}

// without drops messages from what a reader got, or all of them did.
func without(h *history.History, process history.Process, lost func(v history.Value) bool) {
	edit(h, process, func(_ int, v history.Value) []history.Value {
		if lost(v) {
			return nil
		}
		return []history.Value{v}
	})
}

func older(v, than history.Value) bool {
	p, _ := v.Elems()[0].Int()
	q, _ := than.Elems()[0].Int()
	return p == q && v.Elems()[1].Compare(than.Elems()[1]) < 0
}

// mutations corrupt what one reader, or -1 for all, got of a producer that has at least
// three messages.
var mutations = []struct {
	name  string
	apply func(h *history.History, process history.Process, list []history.Value)
}{
	{LostMiddle, func(h *history.History, process history.Process, list []history.Value) {
		without(h, process, func(v history.Value) bool { return v.Equal(list[1]) })
	}},
	{LostPrefix, func(h *history.History, process history.Process, list []history.Value) {
		without(h, process, func(v history.Value) bool { return older(v, list[2]) })
	}},
	{LostPostfix, func(h *history.History, process history.Process, list []history.Value) {
		without(h, process, func(v history.Value) bool { return older(list[0], v) })
	}},
	{Diverged, func(h *history.History, _ history.Process, list []history.Value) {
		without(h, 0, func(v history.Value) bool { return v.Equal(list[1]) })
	}},
	{Diverged, func(h *history.History, _ history.Process, list []history.Value) { swap(h, 0, list) }},
	{Reorder, swap},
	{Duplicate, func(h *history.History, process history.Process, list []history.Value) {
		edit(h, process, func(_ int, v history.Value) []history.Value {
			if v.Equal(list[2]) {
				return []history.Value{list[0], v}
			}
			return []history.Value{v}
		})
	}},
	{Aborted, func(h *history.History, _ history.Process, list []history.Value) {
		for i := range h.Ops {
			if op := &h.Ops[i]; op.F == "publish" && op.Type == history.OK && op.Value.Equal(list[0]) {
				op.Type = history.Fail
			}
		}
	}},
	{Unexpected, func(h *history.History, process history.Process, list []history.Value) {
		edit(h, process, func(_ int, v history.Value) []history.Value {
			if v.Equal(list[2]) {
				return []history.Value{history.Ints(7, 7), v}
			}
			return []history.Value{v}
		})
	}},
}

func swap(h *history.History, process history.Process, list []history.Value) {
	edit(h, process, func(_ int, v history.Value) []history.Value {
		switch {
		case v.Equal(list[0]):
			return []history.Value{list[1]}
		case v.Equal(list[1]):
			return []history.Value{list[0]}
		}
		return []history.Value{v}
	})
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			draw := func(rng *rand.Rand) *history.History { return valid(rng, 12) }
			hurt := func(rng *rand.Rand, h *history.History) bool {
				list := acked(h, int64(rng.IntN(3)))
				if len(list) >= 3 {
					m.apply(h, history.Process(rng.IntN(4)-1), list)
				}
				return len(list) >= 3
			}
			count := func(h *history.History) int {
				report, err := Check(h, Options{})
				if err != nil {
					t.Fatal(err)
				}
				return report.Counts[m.name]
			}
			coretest.Mutated(t, New(Options{}), 200, draw, hurt, count, order)
		})
	}
}

// some makes up a stream in which much is wrong.
func some(rng *rand.Rand) *history.History {
	b := &broker{rng: rng, next: map[int]int{}}
	for range 2 + rng.IntN(5) {
		if rng.IntN(2) == 0 {
			v := history.Ints(int64(rng.IntN(2)), int64(rng.IntN(4)))
			typ := []history.Type{history.OK, history.OK, history.Info, history.Fail}[rng.IntN(4)]
			b.call(history.Op{Process: history.Process(10 + rng.IntN(2) + 2*len(b.ops)), F: "publish", Value: v}, typ, v)
			continue
		}
		var got []history.Value
		for range rng.IntN(4) {
			got = append(got, history.Ints(int64(rng.IntN(2)), int64(rng.IntN(4))))
		}
		p := rng.IntN(3)
		b.call(history.Op{Process: history.Process(p), Node: []string{"", "a", "b"}[p], F: "fetch", Final: rng.IntN(4) == 0}, history.OK, history.List(got...))
	}
	return &history.History{Ops: b.ops}
}

// TestAgainstVerifier compares the checker with the package verify, which decides from
// the definitions: each finds what the other does.
func TestAgainstVerifier(t *testing.T) {
	t.Parallel()
	coretest.Agrees(t, order, 200, func(rng *rand.Rand, i int) (*history.History, checkers.Checker, checkers.Result) {
		h := some(rng)
		if i%10 == 0 {
			h = valid(rng, 4)
			coretest.Shuffle(rng, h)
		}
		opts := Options{AtLeastOnce: i%2 == 0}
		return h, New(opts), result(t, h, opts, i%50 == 0)
	})
}

// result judges h; only if cut, anomalies are cut down to what they need.
func result(t *testing.T, h *history.History, opts Options, cut bool) checkers.Result {
	t.Helper()
	report, err := Check(h, opts)
	if cut || err != nil || len(report.Anomalies) == 0 {
		return New(opts).Check(t.Context(), h)
	}
	parameters := map[string]string{"at-least-once": map[bool]string{true: "true", false: "false"}[opts.AtLeastOnce]}
	return coretest.Uncut(report.Anomalies, checkers.Claim{Definition: Name, Parameters: parameters})
}

func TestHostile(t *testing.T) {
	t.Parallel()
	m := func(ns ...int64) history.Value {
		var list []history.Value
		for _, n := range ns {
			list = append(list, history.Ints(0, n))
		}
		return history.List(list...)
	}
	hostile.Feed(t, New(Options{}), []string{"publish", "fetch"}, []history.Value{history.Ints(0, 1), history.Ints(0, 2), history.Ints(0, 3), m(1), m(1, 2), m(2, 1), m(3, 1), m()})
}

func TestStops(t *testing.T) {
	t.Parallel()
	coretest.Stops(t, New(Options{}), valid(rand.New(rand.NewPCG(1, 1)), 4))
}

func FuzzCheck(f *testing.F) {
	coretest.Fuzz(f, New(Options{}), some, func(rng *rand.Rand) *history.History { return valid(rng, 8) })
}
