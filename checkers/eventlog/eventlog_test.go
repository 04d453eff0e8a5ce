package eventlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/eventlog.txt", func(d *datadriven.TestData) checkers.Checker {
		opts := Options{WWDeps: d.HasArg("ww-deps"), RWDeps: d.HasArg("rw-deps"), Compaction: d.HasArg("compaction")}
		if d.HasArg("sub-via") {
			d.ScanArgs(t, "sub-via", &opts.SubVia)
		}
		if d.HasArg("retention") {
			d.ScanArgs(t, "retention", &opts.Retention)
		}
		return New(opts)
	})
}

// entry is a message in a log of the simulation.
type entry struct {
	offset, value int64
}

// maker simulates a broker with two partitions. Offsets have gaps.
type maker struct {
	rng   *rand.Rand
	ops   []history.Op
	logs  [2][]entry
	fresh int64
	at    map[history.Process][2]int // by process, what it polls next
}

func (m *maker) call(p history.Process, f string, typ history.Type, in, out []history.Value) {
	op := history.Op{Index: len(m.ops), Time: int64(len(m.ops)) * 1e6, Process: p, F: f, Value: history.List(in...)}
	m.ops = append(m.ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, typ, history.List(out...)
	m.ops = append(m.ops, op)
}

func send(k int, v history.Value) history.Value {
	return history.List(history.Keyword("send"), history.Int(int64(k)), v)
}

func pair(e entry) history.Value { return history.Ints(e.offset, e.value) }

func (m *maker) send(p history.Process) {
	typ := []history.Type{history.OK, history.OK, history.OK, history.Info, history.Fail}[m.rng.IntN(5)]
	happened := typ == history.OK || typ == history.Info && m.rng.IntN(2) == 0
	var in, out []history.Value
	for range 1 + m.rng.IntN(3) {
		m.fresh++
		k := m.rng.IntN(2)
		in = append(in, send(k, history.Int(m.fresh)))
		if !happened {
			continue
		}
		e := entry{int64(2 * len(m.logs[k])), m.fresh}
		m.logs[k] = append(m.logs[k], e)
		out = append(out, send(k, pair(e)))
	}
	if typ != history.OK {
		out = in
	}
	m.call(p, []string{"send", "txn"}[m.rng.IntN(2)], typ, in, out)
}

func (m *maker) poll(p history.Process, most int) {
	at := m.at[p]
	var kvs []history.Value
	for k := range m.logs {
		var got []history.Value
		for n := 0; n < most && at[k] < len(m.logs[k]); n++ {
			got = append(got, pair(m.logs[k][at[k]]))
			at[k]++
		}
		kvs = append(kvs, history.Int(int64(k)), history.List(got...))
	}
	m.at[p] = at
	poll := history.List(history.Keyword("poll"))
	m.call(p, "poll", history.OK, []history.Value{poll}, []history.Value{history.List(history.Keyword("poll"), history.Map(kvs...))})
}

// valid makes a history of producers 0 and up, which are replaced when they crash,
// and consumers 100 and 101, which poll everything in the end.
func valid(rng *rand.Rand) *history.History {
	m := &maker{rng: rng, at: map[history.Process][2]int{}}
	producer := history.Process(0)
	for range 15 {
		if rng.IntN(2) == 0 {
			m.send(producer)
			if m.ops[len(m.ops)-1].Type == history.Info {
				producer++
			}
			continue
		}
		m.poll(history.Process(100+rng.IntN(2)), 3)
	}
	m.poll(100, 1000)
	m.poll(101, 1000)
	return &history.History{Ops: m.ops}
}

// edit replaces every message that a send returned or a poll got: by none, one or
// more. It is told where it is.
func edit(h *history.History, f func(op *history.Op, k, n int, e entry) []entry) {
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Type == history.Invoke {
			continue
		}
		n := 0
		var mops []history.Value
		for _, m := range op.Value.Elems() {
			parts := m.Elems()
			if parts[0].Text() == "send" {
				k, _ := parts[1].Int()
				v := parts[2]
				if list := v.Elems(); len(list) == 2 {
					for _, e := range f(op, int(k), n, entryOf(v)) {
						v = pair(e)
					}
				}
				mops = append(mops, send(int(k), v))
				continue
			}
			var kvs []history.Value
			for list := parts[1].Elems(); len(list) > 0; list = list[2:] {
				k, _ := list[0].Int()
				var got []history.Value
				for n, v := range list[1].Elems() {
					for _, e := range f(op, int(k), n, entryOf(v)) {
						got = append(got, pair(e))
					}
				}
				kvs = append(kvs, list[0], history.List(got...))
			}
			mops = append(mops, history.List(history.Keyword("poll"), history.Map(kvs...)))
		}
		op.Value = history.List(mops...)
	}
}

func entryOf(v history.Value) entry {
	o, _ := v.Elems()[0].Int()
	n, _ := v.Elems()[1].Int()
	return entry{o, n}
}

// place is a message in a poll.
type place struct {
	op, k, n int
	entry
}

// polls returns the messages of all polls, or of those that hold.
func polls(h *history.History, holds func(p place) bool) []place {
	var list []place
	edit(h, func(op *history.Op, k, n int, e entry) []entry {
		if p := (place{op.Index, k, n, e}); op.F == "poll" && holds(p) {
			list = append(list, p)
		}
		return []entry{e}
	})
	return list
}

// mutations corrupt a history at a message that was polled, which must be there.
var mutations = []struct {
	name  string
	fits  func(h *history.History, p place) bool
	apply func(h *history.History, p place)
}{
	{InconsistentOffsets, nil, func(h *history.History, p place) {
		at(h, p, func(e entry) []entry { return []entry{{e.offset, e.value - 1}} })
	}},
	{Duplicate, nil, func(h *history.History, p place) {
		at(h, p, func(e entry) []entry { return []entry{e, {e.offset + 1, e.value}} })
	}},
	{LostWrite, follows, func(h *history.History, p place) {
		edit(h, func(op *history.Op, _, _ int, e entry) []entry {
			if op.F == "poll" && e.value == p.value {
				return nil
			}
			return []entry{e}
		})
	}},
	{TornTransaction, partly, func(h *history.History, p place) {
		edit(h, func(op *history.Op, _, _ int, e entry) []entry {
			if op.F == "poll" && e.value == p.value {
				return nil
			}
			return []entry{e}
		})
	}},
	{Truncation, acknowledged, func(h *history.History, p place) {
		m := &maker{ops: h.Ops}
		m.call(200, "send", history.OK, []history.Value{send(p.k, history.Int(999))}, []history.Value{send(p.k, pair(entry{p.offset, 999}))})
		h.Ops = m.ops
	}},
	{ThinAirRead, nil, func(h *history.History, p place) {
		at(h, p, func(e entry) []entry { return []entry{{e.offset, -7}} })
	}},
	{IntNonmonotonicPoll, nil, func(h *history.History, p place) {
		at(h, p, func(e entry) []entry { return []entry{e, e} })
	}},
	{IntPollSkip, inside, func(h *history.History, p place) {
		at(h, p, func(entry) []entry { return nil })
	}},
	{NonmonotonicPoll, first, func(h *history.History, p place) {
		at(h, p, func(e entry) []entry { return []entry{before(h, p), e} })
	}},
	{PollSkip, func(h *history.History, p place) bool { return first(h, p) && follows(h, p) }, func(h *history.History, p place) {
		at(h, p, func(entry) []entry { return nil })
	}},
	{G1a, nil, func(h *history.History, p place) {
		h.Ops[sender(h, p)].Type = history.Fail
	}},
	{Unseen, acknowledged, func(h *history.History, p place) {
		edit(h, func(op *history.Op, k, _ int, e entry) []entry {
			if op.F == "poll" && k == p.k && e.offset >= p.offset {
				return nil
			}
			return []entry{e}
		})
	}},
	{PrecommittedRead, acknowledged, func(h *history.History, p place) {
		op := &h.Ops[sender(h, p)]
		poll := history.List(history.Keyword("poll"), history.Map(history.Int(int64(p.k)), history.List(pair(p.entry))))
		op.Value = history.List(append(slices.Clone(op.Value.Elems()), poll)...)
	}},
}

// at replaces one message.
func at(h *history.History, p place, by func(e entry) []entry) {
	edit(h, func(op *history.Op, k, n int, e entry) []entry {
		if op.Index == p.op && k == p.k && n == p.n && op.F == "poll" {
			return by(e)
		}
		return []entry{e}
	})
}

// sender returns the completion of the send of a message.
func sender(h *history.History, p place) int {
	for i, op := range h.Ops {
		for _, m := range op.Value.Elems() {
			if parts := m.Elems(); op.Type == history.Invoke && len(parts) == 3 && parts[2].Equal(history.Int(p.value)) {
				return i + 1
			}
		}
	}
	return -1
}

func acknowledged(h *history.History, p place) bool { return h.Ops[sender(h, p)].Type == history.OK }

// follows reports whether the same poll got something after the message, which was
// acknowledged.
func follows(h *history.History, p place) bool {
	return acknowledged(h, p) && len(polls(h, func(q place) bool { return q.op == p.op && q.k == p.k && q.n > p.n })) > 0
}

// partly reports whether the message is of a transaction of which something else was
// polled, and others polled something after it.
func partly(h *history.History, p place) bool {
	op := h.Ops[sender(h, p)]
	mates := 0
	for _, m := range op.Value.Elems() {
		if len(m.Elems()) == 3 && len(m.Elems()[2].Elems()) == 2 && entryOf(m.Elems()[2]).value != p.value {
			mates += len(polls(h, func(q place) bool { return q.value == entryOf(m.Elems()[2]).value }))
		}
	}
	return op.F == "txn" && mates > 0 && follows(h, p)
}

// inside reports whether the message is between two others of one poll.
func inside(h *history.History, p place) bool { return p.n > 0 && follows(h, p) }

// first reports whether the message begins a poll that is not the first one of
// the process that got any.
func first(h *history.History, p place) bool { return p.n == 0 && before(h, p) != entry{} }

// before returns the message that the process polled last before it.
func before(h *history.History, p place) entry {
	var last entry
	for _, q := range polls(h, func(q place) bool { return q.op < p.op && q.k == p.k && h.Ops[q.op].Process == h.Ops[p.op].Process }) {
		last = q.entry
	}
	return last
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			for done := 0; done < 100; {
				h := valid(rng)
				if r := New(Options{SubVia: "assign"}).Check(t.Context(), h); r.Verdict == checkers.Invalid {
					t.Fatalf("flagged before: %+v\n%v", r.Anomalies, h.Ops)
				}
				all := polls(h, func(p place) bool { return m.fits == nil || m.fits(h, p) })
				if len(all) == 0 {
					continue
				}
				p := all[rng.IntN(len(all))]
				m.apply(h, p)
				r, err := Check(h, Options{SubVia: "assign"})
				if err != nil || !slices.Contains(r.BadErrorTypes, m.name) {
					t.Fatalf("%+v: %v %v\n%v", p, r.BadErrorTypes, err, h.Ops)
				}
				done++
			}
		})
	}
}

// TestOrderOfSends swaps the places of two messages of one producer everywhere.
func TestOrderOfSends(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	seen := map[string]int{}
	for range 2000 {
		h := valid(rng)
		all := polls(h, func(p place) bool { return h.Ops[p.op].Process == 100 && acknowledged(h, p) })
		if len(all) < 2 {
			continue
		}
		a, b := all[rng.IntN(len(all))], all[rng.IntN(len(all))]
		from, to := sender(h, a), sender(h, b)
		if a.k != b.k || a.offset >= b.offset || h.Ops[from].Process != h.Ops[to].Process {
			continue
		}
		other := map[int64]entry{a.value: b.entry, b.value: a.entry}
		edit(h, func(op *history.Op, k, _ int, e entry) []entry {
			o, ok := other[e.value]
			switch {
			case !ok || k != a.k:
				return []entry{e}
			case op.F != "poll":
				return []entry{{o.offset, e.value}}
			default:
				return []entry{{e.offset, o.value}}
			}
		})
		want := NonmonotonicSend
		if from == to {
			want = IntNonmonotonicSend
		}
		r, err := Check(h, Options{})
		if err != nil || !slices.Contains(r.BadErrorTypes, want) && !slices.Contains(r.BadErrorTypes, IntNonmonotonicSend) {
			t.Fatalf("%v and %v: %v %v, want %s\n%v", a, b, r.BadErrorTypes, err, want, h.Ops)
		}
		seen[want]++
	}
	if len(seen) < 2 {
		t.Error(seen)
	}
}

// definition finds lost writes, duplicates, inconsistent offsets and unseen messages
// straight from what they are.
func definition(h *history.History) map[string]int {
	type spot struct{ k, offset int64 }
	type message struct{ k, value int64 }
	at, where := map[spot]map[int64]bool{}, map[message]map[int64]bool{}
	polled, acked := map[message]bool{}, map[message]bool{}
	put := func(k int64, v history.Value) {
		e := entryOf(v)
		s, m := spot{k, e.offset}, message{k, e.value}
		if at[s] == nil {
			at[s] = map[int64]bool{}
		}
		if where[m] == nil {
			where[m] = map[int64]bool{}
		}
		at[s][e.value], where[m][e.offset] = true, true
	}
	for _, op := range h.Ops {
		for _, m := range op.Value.Elems() {
			parts := m.Elems()
			if op.Type != history.OK || len(parts) < 2 {
				continue
			}
			if len(parts) == 3 {
				k, _ := parts[1].Int()
				put(k, parts[2])
				acked[message{k, entryOf(parts[2]).value}] = true
				continue
			}
			for list := parts[1].Elems(); len(list) > 0; list = list[2:] {
				k, _ := list[0].Int()
				for _, v := range list[1].Elems() {
					put(k, v)
					polled[message{k, entryOf(v).value}] = true
				}
			}
		}
	}
	found := map[string]int{}
	for _, values := range at {
		if len(values) > 1 {
			found[InconsistentOffsets]++
		}
	}
	for _, offsets := range where {
		if len(offsets) > 1 {
			found[Duplicate]++
		}
	}
	for m := range acked {
		if polled[m] {
			continue
		}
		found[Unseen]++
		last := int64(-1)
		for o := range where[m] {
			last = max(last, o)
		}
		for other, offsets := range where {
			least := int64(1 << 60)
			for o := range offsets {
				least = min(least, o)
			}
			if other.k == m.k && polled[other] && least >= last {
				found[LostWrite]++
				break
			}
		}
	}
	return found
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	sum := map[string]int{}
	for range 3000 {
		h := valid(rng)
		edit(h, func(op *history.Op, _, _ int, e entry) []entry {
			if op.F == "poll" && rng.IntN(20) == 0 {
				return [][]entry{nil, {{e.offset + 2, e.value}}, {{e.offset + 1, e.value}}, nil}[rng.IntN(4)]
			}
			return []entry{e}
		})
		r, err := Check(h, Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := definition(h)
		for _, typ := range []string{InconsistentOffsets, Duplicate, Unseen, LostWrite} {
			got := 0
			if r.Errors[typ] != nil {
				got = r.Errors[typ].Count
			}
			// A send of unknown outcome counts where something of it was polled, and
			// then at its offset, which the definition above does not know.
			if got != want[typ] && (typ != LostWrite || got < want[typ]) {
				t.Fatalf("%s: %d, want %d\n%+v\n%v", typ, got, want[typ], r.Errors[typ], h.Ops)
			}
			sum[typ] += got
		}
	}
	t.Log(fmt.Sprint(sum))
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	poll := func(got ...entry) history.Value {
		var list []history.Value
		for _, e := range got {
			list = append(list, pair(e))
		}
		return history.List(history.List(history.Keyword("poll"), history.Map(history.Int(0), history.List(list...))))
	}
	hostile.Feed(t, New(Options{WWDeps: true}), []string{"send", "poll", "txn", "assign", "subscribe"}, []history.Value{
		history.List(send(0, history.Ints(0, 1)), send(0, history.Ints(2, 3))), history.List(send(0, history.Ints(1, 2))), history.List(send(0, history.Int(1))),
		poll(entry{0, 1}), poll(entry{1, 2}, entry{2, 3}), poll(entry{3, 4}, entry{0, 2}), history.Ints(0),
	})
}
