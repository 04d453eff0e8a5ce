package adya

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core/coretest"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/adya.txt", func(d *datadriven.TestData) checkers.Checker {
		if d.Cmd == "predicate" {
			return NewPredicate()
		}
		return New(Options{})
	})
}

// inserts makes up inserts of a few keys.
func inserts(rng *rand.Rand) *history.History {
	h := new(history.History)
	for i := range 1 + rng.IntN(6) {
		op := history.Op{Process: history.Process(i), F: "insert", Index: 2 * i, Time: int64(i), Key: history.Int(int64(rng.IntN(3))), Value: history.List(history.Int(int64(i)), history.Nil)}
		h.Ops = append(h.Ops, op)
		op.Index, op.Type = op.Index+1, []history.Type{history.OK, history.Fail, history.Info}[rng.IntN(3)]
		h.Ops = append(h.Ops, op)
	}
	return h
}

// TestInserts compares the checker of inserts with its definition.
func TestInserts(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	found := map[checkers.Verdict]int{}
	n := 100_000
	if testing.Short() {
		n = 2_000
	}
	for i := range n {
		h := inserts(rng)
		r := New(Options{}).Check(t.Context(), h)
		coretest.Confirm(t, h, r)
		if i%20 == 0 {
			coretest.Refuse(t, h, r, []string{G2})
		}
		done := map[int64]int{}
		for _, op := range h.Ops {
			if k, _ := op.Key.Int(); op.Type == history.OK {
				done[k]++
			}
		}
		want := checkers.OK
		switch {
		case len(done) == 0:
			want = checkers.Unknown
		case slices.Max(slices.Collect(maps.Values(done))) > 1:
			want = checkers.Invalid
		}
		if r.Verdict != want {
			t.Fatalf("%v, want %v\n%v", r.Verdict, want, h.Ops)
		}
		found[want]++
	}
	if len(found) != 3 {
		t.Error(found)
	}
}

func micro(parts ...history.Value) history.Value { return history.List(parts...) }

// word and name are texts in micro-operations.
func word(s string) history.Value { return history.String(s) }

func name(k int) history.Value { return history.String(string(rune('a' + k))) }

// database runs transactions one after the other, over keys that are written once.
type database struct {
	rng   *rand.Rand
	ops   []history.Op
	state [4]history.Value
	fresh int64
	used  [4]bool
}

func (d *database) call(f string, typ history.Type, in, out history.Value) {
	op := history.Op{Process: history.Process(len(d.ops)), F: f, Index: len(d.ops), Time: int64(len(d.ops)) * 1e6, Value: in}
	d.ops = append(d.ops, op)
	op.Index, op.Time, op.Type, op.Value = op.Index+1, op.Time+1e6, typ, out
	d.ops = append(d.ops, op)
}

func predicates(rng *rand.Rand) history.Value {
	return []history.Value{
		history.Bool(true), micro(word("="), history.Int(int64(1+rng.IntN(6)))), micro(word("mod"), history.Int(2), history.Int(int64(rng.IntN(2)))),
	}[rng.IntN(3)]
}

func (d *database) txn() {
	typ := []history.Type{history.OK, history.OK, history.OK, history.OK, history.Fail, history.Info}[d.rng.IntN(6)]
	happened := typ == history.OK || typ == history.Info && d.rng.IntN(2) == 0
	before := d.state
	var in, out []history.Value
	for range 1 + d.rng.IntN(3) {
		k := d.rng.IntN(len(d.state))
		switch d.rng.IntN(3) {
		case 0:
			if d.used[k] {
				continue
			}
			d.used[k] = true
			d.fresh++
			d.state[k] = history.Int(d.fresh)
			in, out = append(in, micro(word("w"), name(k), d.state[k])), append(out, micro(word("w"), name(k), d.state[k]))
		case 1:
			in, out = append(in, micro(word("r"), name(k), history.Nil)), append(out, micro(word("r"), name(k), d.state[k]))
		default:
			p := predicates(d.rng)
			var kvs []history.Value
			for i, v := range d.state {
				if holds(p, v) {
					kvs = append(kvs, name(i), v)
				}
			}
			in, out = append(in, micro(word("rp"), p, history.Nil)), append(out, micro(word("rp"), p, history.Map(kvs...)))
		}
	}
	if !happened {
		d.state = before
	}
	d.call("txn", typ, history.List(in...), history.List(out...))
}

func serial(rng *rand.Rand) *history.History {
	d := &database{rng: rng, fresh: 3}
	var kvs []history.Value
	for k := range d.state {
		if d.state[k] = history.Nil; rng.IntN(2) == 0 {
			d.state[k] = history.Int(int64(k))
			kvs = append(kvs, name(k), d.state[k])
		}
	}
	d.call("init", history.OK, history.Map(kvs...), history.Map(kvs...))
	for range 2 + rng.IntN(6) {
		d.txn()
	}
	return &history.History{Ops: d.ops}
}

// disturb changes something that was read.
func disturb(rng *rand.Rand, h *history.History) {
	for range 1 + rng.IntN(2) {
		op := &h.Ops[rng.IntN(len(h.Ops))]
		if op.F != "txn" || op.Type != history.OK || len(op.Value.Elems()) == 0 {
			continue
		}
		list := slices.Clone(op.Value.Elems())
		i := rng.IntN(len(list))
		parts := slices.Clone(list[i].Elems())
		switch parts[0].Text() {
		case "r":
			parts[2] = []history.Value{history.Nil, history.Int(int64(rng.IntN(8)))}[rng.IntN(2)]
		case "rp":
			kvs := slices.Clone(parts[2].Elems())
			if at := 2 * rng.IntN(4); at < len(kvs) && rng.IntN(2) == 0 {
				kvs = slices.Delete(kvs, at, at+2)
			} else if at < len(kvs) {
				kvs[at+1] = history.Int(int64(rng.IntN(8)))
			}
			parts[2] = history.Map(kvs...)
		}
		list[i] = micro(parts...)
		op.Value = history.List(list...)
	}
}

// explains reports whether the transactions in some order return what they did; those
// that are unknown may be left out. It is the definition of serializability.
func explains(h *history.History) bool {
	state := map[string]history.Value{}
	var txns []history.Call
	calls, _ := h.Calls()
	for _, c := range calls {
		if c.Invoke.F == "init" {
			for kvs := c.Invoke.Value.Elems(); len(kvs) > 0; kvs = kvs[2:] {
				state[kvs[0].Text()] = kvs[1]
			}
		} else if c.Type() != history.Fail {
			txns = append(txns, c)
		}
	}
	var search func(done int, state map[string]history.Value) bool
	search = func(done int, state map[string]history.Value) bool {
		left := false
		for i, c := range txns {
			if done&(1<<i) != 0 {
				continue
			}
			left = left || c.Type() == history.OK
			if next, ok := run(c, state); ok && search(done|1<<i, next) {
				return true
			}
		}
		return !left
	}
	return search(0, state)
}

// run runs a transaction, and reports whether it returns what it did.
func run(c history.Call, before map[string]history.Value) (map[string]history.Value, bool) {
	state := maps.Clone(before)
	for _, m := range c.Value().Elems() {
		parts := m.Elems()
		switch k := parts[1].Text(); {
		case parts[0].Text() == "w":
			state[k] = parts[2]
		case c.Type() != history.OK:
		case parts[0].Text() == "r":
			if v := state[k]; !(v.IsNil() && parts[2].IsNil()) && !v.Equal(parts[2]) {
				return nil, false
			}
		default:
			n := 0
			for k, v := range state {
				if holds(parts[1], v) {
					if n++; !parts[2].Get(k).Equal(v) {
						return nil, false
					}
				}
			}
			if n != len(parts[2].Elems())/2 {
				return nil, false
			}
		}
	}
	return state, true
}

// TestPredicates compares the checker with a search through all orders: what it calls
// invalid has none, and what was run one after the other is ok. What it says ok to has
// one, if no read was unclear.
func TestPredicates(t *testing.T) {
	t.Parallel()
	n := 100_000
	if testing.Short() {
		n = 2_000
	}
	rng := rand.New(rand.NewPCG(3, 4))
	found := map[string]int{}
	for i := range n {
		h := serial(rng)
		disturbed := i%4 > 0
		if disturbed {
			disturb(rng, h)
		}
		r := NewPredicate().Check(t.Context(), h)
		coretest.Confirm(t, h, r)
		if i%20 == 1 {
			confirm(t, h, r)
		}
		found[r.Verdict.String()]++
		for _, a := range r.Anomalies {
			found[a.Name]++
		}
		if !disturbed && r.Verdict == checkers.Invalid {
			t.Fatalf("flagged: %+v\n%v", r.Anomalies, h.Ops)
		}
		if r.Verdict == checkers.Unknown || i%4 == 0 {
			continue
		}
		report, _ := CheckPredicate(h)
		exists := explains(h)
		if r.Verdict == checkers.Invalid && exists {
			t.Fatalf("flagged: %+v\n%v", r.Anomalies, h.Ops)
		}
		if r.Verdict == checkers.OK && !exists && report.Unclear == 0 {
			t.Fatalf("not flagged\n%v", h.Ops)
		}
	}
	for _, name := range []string{"ok", "invalid", "unknown", G1a, Unexpected, Internal, PredicateMismatch, PredicateReadMiss, GSingle, GSinglePredicate, G2Predicate, G2Item} {
		if found[name] == 0 && !testing.Short() {
			t.Errorf("never %s: %v", name, found)
		}
	}
}

// confirm has a certificate confirmed, and sees damaged ones refused.
func confirm(t testing.TB, h *history.History, r checkers.Result) {
	t.Helper()
	coretest.Confirm(t, h, r)
	if r.Verdict == checkers.Unknown {
		return
	}
	claim, err := r.Claim()
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, c checkers.Claim) {
		t.Helper()
		raw, _ := json.Marshal(c)
		if _, err := verify.Claim(h, raw); err == nil {
			t.Fatalf("%s was confirmed: %s\n%v", what, raw, h.Ops)
		}
	}
	other := claim
	other.Verdict = checkers.OK + checkers.Invalid - claim.Verdict
	refused("another verdict", other)
	with := func(what, field string, v any) {
		bad := claim
		e := maps.Clone(claim.Evidence.(map[string]any))
		e[field] = v
		bad.Evidence = e
		refused(what, bad)
	}
	if claim.Verdict == checkers.OK {
		if order := claim.Evidence.(map[string]any)["order"].([]int); len(order) > 0 {
			with("a transaction less", "order", order[1:])
			with("a transaction twice", "order", append(slices.Clone(order[1:]), order[1%len(order)], order[0])[:len(order)+min(len(order)-1, 1)])
		}
		return
	}
	a := r.Anomalies[0]
	with("another name", "anomaly", "oddity")
	with("another key", "key", "nothing of the kind")
	with("an operation that is none", "ops", append(slices.Clone(a.Ops), len(h.Ops)))
	if len(a.Edges) > 0 {
		with("an edge less", "edges", a.Edges[1:])
		edges := slices.Clone(a.Edges)
		edges[0].Kind = "ww"
		with("another kind of edge", "edges", edges)
		with("an operation less", "ops", a.Ops[1:])
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, New(Options{}), []string{"insert"}, []history.Value{history.List(history.Int(1), history.Ints(1, 2)), history.List(history.Int(2), history.Ints(1, 2))})
	txn := func(parts ...history.Value) history.Value { return history.List(micro(parts...)) }
	hostile.Feed(t, NewPredicate(), []string{"txn", "txn", "init"}, []history.Value{
		txn(word("rp"), history.Bool(true), history.Map(word("a"), history.Int(1))), txn(word("r"), word("a"), history.Int(1)), txn(word("r"), word("b"), history.Int(2)),
		history.Map(word("a"), history.Int(1)),
	})
}

func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		if r := NewPredicate().Check(ctx, serial(rng)); r.Verdict != checkers.Unknown {
			t.Error(r.Verdict)
		}
	}
}

// FuzzPredicate lets the checker judge histories that the fuzzer makes up, and verifies
// each certificate.
func FuzzPredicate(f *testing.F) {
	f.Add([]byte("predicates"))
	f.Add([]byte{7, 0, 255})
	f.Fuzz(func(t *testing.T, seed []byte) {
		rng := rand.New(coretest.NewTape(seed))
		h := serial(rng)
		disturb(rng, h)
		confirm(t, h, NewPredicate().Check(t.Context(), h))
		h = inserts(rng)
		coretest.Confirm(t, h, New(Options{}).Check(t.Context(), h))
	})
}
