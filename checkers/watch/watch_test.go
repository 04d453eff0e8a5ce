package watch

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core/coretest"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/watch.txt", func(*datadriven.TestData) checkers.Checker { return New(Options{}) })
}

// event is one of the store of the simulation.
type event struct {
	key      string
	revision int
	deleted  bool
	value    int
	prev     history.Value
	create   bool
}

func (e event) encode() history.Value {
	typ, value := "put", history.Int(int64(e.value))
	if e.deleted {
		typ, value = "delete", history.Nil
	}
	return rulestest.Fields("type", typ, "key", e.key, "value", value, "revision", e.revision, "prev", e.prev, "create", e.create)
}

// store simulates one with watchers.
type store struct {
	rng   *rand.Rand
	ops   []history.Op
	log   [][]event // by revision, less one
	state map[string]int
	fresh int
}

func (s *store) call(p int, f string, typ history.Type, in, out history.Value) {
	op := history.Op{Index: len(s.ops), Time: int64(len(s.ops)) * 1e6, Process: history.Process(p), F: f, Value: in}
	s.ops = append(s.ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, typ, out
	s.ops = append(s.ops, op)
}

var keys = []string{"a", "ab", "b", "bc"}

func (s *store) change(key string, deleted bool) event {
	e := event{key: key, revision: len(s.log) + 1, deleted: deleted, prev: history.Nil}
	old, there := s.state[key]
	e.create = !there && !deleted
	if there {
		e.prev = history.Int(int64(old))
	}
	if delete(s.state, key); !deleted {
		s.fresh++
		e.value, s.state[key] = s.fresh, s.fresh
	}
	return e
}

// write changes one or two keys. Now and then nobody knows that it did.
func (s *store) write() {
	typ := []history.Type{history.OK, history.OK, history.OK, history.OK, history.Info}[s.rng.IntN(5)]
	f, key := "put", keys[s.rng.IntN(len(keys))]
	in := rulestest.Fields("key", key)
	var events []event
	switch _, there := s.state[key]; {
	case s.rng.IntN(3) == 0:
		f, events = "txn", []event{s.change("a", false), s.change("b", false)}
		in = rulestest.Fields("ops", history.List(events[0].encode(), events[1].encode()))
	case there && s.rng.IntN(3) == 0:
		f, events = "delete", []event{s.change(key, true)}
	default:
		events = []event{s.change(key, false)}
		in = rulestest.Fields("key", key, "value", events[0].value)
	}
	s.log = append(s.log, events)
	out := in
	if typ == history.OK {
		out = rulestest.Fields("revision", len(s.log))
	}
	s.call(len(s.ops), f, typ, in, out)
}

// watch shows what a watcher gets, up to some revision.
func (s *store) watch() {
	from, until := 1+s.rng.IntN(len(s.log)), len(s.log)
	asked := [][]any{{"from", from}, {"from", from, "prefix", "a"}, {"from", from, "key", "b"}, {"from", from, "key", "ab", "end", "bb"}, {"prefix", "b"}}[s.rng.IntN(5)]
	in := rulestest.Fields(asked...)
	wants := func(key string) bool {
		switch len(asked) {
		case 2:
			return asked[0] == "from" || strings.HasPrefix(key, "b")
		case 4:
			return asked[2] == "prefix" && strings.HasPrefix(key, "a") || asked[2] == "key" && key == "b"
		default:
			return key >= "ab" && key < "bb"
		}
	}
	var parts, events []history.Value
	for r := from; r <= until; r++ {
		for _, e := range s.log[r-1] {
			if wants(e.key) {
				events = append(events, e.encode())
			}
		}
		if s.rng.IntN(2) == 0 && len(events) > 0 {
			parts, events = append(parts, rulestest.Fields("events", history.List(events...))), nil
		}
		if s.rng.IntN(4) == 0 && len(events) == 0 {
			parts = append(parts, rulestest.Fields("progress", r))
		}
	}
	if len(events) > 0 {
		parts = append(parts, rulestest.Fields("events", history.List(events...)))
	}
	s.call(len(s.ops), "watch", history.OK, in, rulestest.Fields("responses", history.List(parts...)))
}

func valid(rng *rand.Rand, size int) *history.History {
	s := &store{rng: rng, state: map[string]int{}}
	for range 3 + rng.IntN(size) {
		s.write()
		if rng.IntN(3) == 0 {
			s.watch()
		}
	}
	s.call(len(s.ops), "watch", history.OK, rulestest.Fields("from", 1), all(s.log))
	return &history.History{Ops: s.ops}
}

// all is what a watch of everything gets.
func all(log [][]event) history.Value {
	var parts []history.Value
	for _, events := range log {
		var list []history.Value
		for _, e := range events {
			list = append(list, e.encode())
		}
		parts = append(parts, rulestest.Fields("events", history.List(list...)))
	}
	return rulestest.Fields("responses", history.List(append(parts, rulestest.Fields("progress", len(log)))...))
}

// responses returns those of the last watch, which gets everything: each has the events
// of one revision, and the last one is a bookmark.
func responses(h *history.History) []history.Value {
	return slices.Clone(h.Ops[len(h.Ops)-1].Value.Get("responses").Elems())
}

func set(h *history.History, parts []history.Value) {
	h.Ops[len(h.Ops)-1].Value = rulestest.Fields("responses", history.List(parts...))
}

func events(part history.Value) []history.Value {
	return slices.Clone(part.Get("events").Elems())
}

// with returns an event with another field.
func with(e history.Value, name string, v history.Value) history.Value {
	list := slices.Clone(e.Elems())
	for i := 0; i < len(list); i += 2 {
		if list[i].Text() == name {
			list[i+1] = v
		}
	}
	return history.Map(list...)
}

// mutations change what the last watch got.
var mutations = []struct {
	name  string
	apply func(rng *rand.Rand, h *history.History, parts []history.Value) bool
}{
	{Missed, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := 1 + rng.IntN(len(parts)-2)
		set(h, slices.Delete(parts, i, i+1))
		return known(h, i+1)
	}},
	{NotResumed, func(_ *rand.Rand, h *history.History, parts []history.Value) bool {
		set(h, parts[1:])
		return known(h, 1)
	}},
	{Torn, func(_ *rand.Rand, h *history.History, parts []history.Value) bool {
		for i, p := range parts {
			if list := events(p); len(list) == 2 && known(h, i+1) {
				parts[i] = rulestest.Fields("events", history.List(list[0]))
				set(h, parts)
				return true
			}
		}
		return false
	}},
	{Conflicting, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := rng.IntN(len(parts) - 1)
		parts[i] = rulestest.Fields("events", history.List(with(events(parts[i])[0], "value", history.Int(-1))))
		set(h, parts)
		return known(h, i+1) && len(events(parts[i])) == 1 && events(parts[i])[0].Get("type").Text() == "put"
	}},
	{Phantom, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := rng.IntN(len(parts) - 1)
		parts[i] = rulestest.Fields("events", history.List(with(events(parts[i])[0], "value", history.Int(-1))))
		set(h, parts)
		return events(parts[i])[0].Get("type").Text() == "put"
	}},
	{Unordered, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := rng.IntN(len(parts) - 2)
		parts[i], parts[i+1] = parts[i+1], parts[i]
		set(h, parts)
		return true
	}},
	{Duplicate, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := rng.IntN(len(parts) - 1)
		set(h, slices.Insert(parts, i, parts[i]))
		return true
	}},
	{Split, func(_ *rand.Rand, h *history.History, parts []history.Value) bool {
		for i, p := range parts {
			if list := events(p); len(list) == 2 {
				parts[i] = rulestest.Fields("events", history.List(list[0]))
				set(h, slices.Insert(parts, i+1, rulestest.Fields("events", history.List(list[1]))))
				return true
			}
		}
		return false
	}},
	{BrokenBookmark, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := rng.IntN(len(parts) - 1)
		set(h, slices.Insert(parts, i, rulestest.Fields("progress", i+1+rng.IntN(2))))
		return true
	}},
	{BrokenBookmark, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		parts[len(parts)-1] = rulestest.Fields("progress", rng.IntN(len(parts)-1))
		set(h, parts)
		return true
	}},
	{Early, func(_ *rand.Rand, h *history.History, _ []history.Value) bool {
		h.Ops[len(h.Ops)-2].Value = rulestest.Fields("from", 2)
		return true
	}},
	{Unfiltered, func(_ *rand.Rand, h *history.History, parts []history.Value) bool {
		h.Ops[len(h.Ops)-2].Value = rulestest.Fields("from", 1, "prefix", "b")
		return slices.ContainsFunc(parts, func(p history.Value) bool {
			return slices.ContainsFunc(events(p), func(e history.Value) bool { return strings.HasPrefix(e.Get("key").Text(), "a") })
		})
	}},
	{WrongPrev, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := rng.IntN(len(parts) - 1)
		list := events(parts[i])
		list[0] = with(list[0], "prev", history.Int(-5))
		parts[i] = rulestest.Fields("events", history.List(list...))
		set(h, parts)
		return true
	}},
	{WrongCreate, func(rng *rand.Rand, h *history.History, parts []history.Value) bool {
		i := rng.IntN(len(parts) - 1)
		list := events(parts[i])
		was, _ := list[0].Get("create").Bool()
		list[0] = with(list[0], "create", history.Bool(!was))
		parts[i] = rulestest.Fields("events", history.List(list...))
		set(h, parts)
		return list[0].Get("type").Text() == "put"
	}},
	{RevisionOrder, func(_ *rand.Rand, h *history.History, _ []history.Value) bool {
		var acked []int
		for i, op := range h.Ops {
			if op.Type == history.OK && op.F != "watch" {
				acked = append(acked, i)
			}
		}
		if len(acked) < 2 {
			return false
		}
		a, b := acked[0], acked[1]
		h.Ops[a].Value, h.Ops[b].Value = h.Ops[b].Value, h.Ops[a].Value
		return true
	}},
}

// known reports whether an operation was ok that made a revision.
func known(h *history.History, revision int) bool {
	return slices.ContainsFunc(h.Ops, func(op history.Op) bool {
		n, ok := op.Value.Get("revision").Int()
		return ok && op.Type == history.OK && int(n) == revision
	})
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			draw := func(rng *rand.Rand) *history.History { return valid(rng, 8) }
			hurt := func(rng *rand.Rand, h *history.History) bool { return m.apply(rng, h, responses(h)) }
			count := func(h *history.History) int {
				report, err := Check(h)
				if err != nil {
					t.Fatal(err)
				}
				return report.Counts[m.name]
			}
			coretest.Mutated(t, New(Options{}), 100, draw, hurt, count, order)
		})
	}
}

// some makes up watches that are often wrong.
func some(rng *rand.Rand) *history.History {
	s := &store{rng: rng, state: map[string]int{}}
	random := func() event {
		return event{
			key: keys[rng.IntN(3)], revision: 1 + rng.IntN(4), deleted: rng.IntN(4) == 0, value: rng.IntN(4), create: rng.IntN(2) == 0,
			prev: []history.Value{{}, history.Nil, history.Int(1)}[rng.IntN(3)],
		}
	}
	for range 1 + rng.IntN(4) {
		if rng.IntN(2) == 0 {
			e := random()
			in := rulestest.Fields("key", e.key, "value", e.value)
			typ := []history.Type{history.OK, history.OK, history.Fail, history.Info}[rng.IntN(4)]
			s.call(rng.IntN(3), []string{"put", "put", "delete"}[rng.IntN(3)], typ, in, rulestest.Fields("key", e.key, "value", e.value, "revision", e.revision))
			continue
		}
		var parts []history.Value
		for range rng.IntN(4) {
			p := rulestest.Fields("events", history.List(random().encode()))
			switch rng.IntN(4) {
			case 0:
				p = rulestest.Fields("progress", rng.IntN(5))
			case 1:
				p = rulestest.Fields("events", history.List(random().encode(), random().encode()))
			}
			parts = append(parts, p)
		}
		in := [][]any{{"from", rng.IntN(4)}, {"from", rng.IntN(4), "key", "a"}, {"from", rng.IntN(4), "key", "a", "end", "b"}, {"prefix", "a"}}[rng.IntN(4)]
		s.call(rng.IntN(3), "watch", history.OK, rulestest.Fields(in...), rulestest.Fields("responses", history.List(parts...)))
	}
	overlap(rng, s.ops)
	return &history.History{Ops: s.ops}
}

// overlap lets neighbouring calls of different processes be concurrent.
func overlap(rng *rand.Rand, ops []history.Op) {
	for i := 1; i+1 < len(ops); i += 2 {
		if a, b := &ops[i], &ops[i+1]; a.Process != b.Process && rng.IntN(2) == 0 {
			*a, *b = *b, *a
			a.Index, b.Index, a.Time, b.Time = b.Index, a.Index, b.Time, a.Time
			i += 2
		}
	}
}

// TestAgainstVerifier compares the checker with the package verify, which decides from
// the definitions: each finds what the other does.
func TestAgainstVerifier(t *testing.T) {
	t.Parallel()
	coretest.Agrees(t, order, 200, func(rng *rand.Rand, i int) (*history.History, checkers.Checker, checkers.Result) {
		h := some(rng)
		if i%20 == 0 {
			h = valid(rng, 4)
			coretest.Shuffle(rng, h)
		}
		return h, New(Options{}), result(t, h, i%50 == 0)
	})
}

// result judges h; only if cut, anomalies are cut down to what they need.
func result(t *testing.T, h *history.History, cut bool) checkers.Result {
	t.Helper()
	calls, err := checkers.Paired(h)
	if err != nil {
		t.Fatal(err)
	}
	if cut {
		return New(Options{}).Check(t.Context(), h)
	}
	report, err := check(t.Context(), calls)
	if err != nil {
		return checkers.Unknownf("%v", err)
	}
	if len(report.Anomalies) == 0 {
		return report.result(t.Context(), calls)
	}
	return coretest.Uncut(report.Anomalies, checkers.Claim{Definition: Name})
}

func TestHostile(t *testing.T) {
	t.Parallel()
	e := func(revision int) history.Value {
		return rulestest.Fields("responses", history.List(rulestest.Fields("events", history.List(event{key: "a", revision: revision, value: revision}.encode())), rulestest.Fields("progress", 2)))
	}
	hostile.Feed(t, New(Options{}), []string{"put", "delete", "txn", "watch", "watch"}, []history.Value{
		e(1), e(2), e(3), e(4), rulestest.Fields("key", "a", "value", 1, "revision", 2), rulestest.Fields("key", "a", "value", 3, "revision", 3), rulestest.Fields("from", 2, "key", "a"),
	})
}

func TestStops(t *testing.T) {
	t.Parallel()
	coretest.Stops(t, New(Options{}), valid(rand.New(rand.NewPCG(1, 1)), 4))
}

func FuzzCheck(f *testing.F) {
	coretest.Fuzz(f, New(Options{}), some, func(rng *rand.Rand) *history.History { return valid(rng, 8) })
}
