package eventlog

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// some makes up a small history of everything that an operation on logs can record,
// which is often wrong in one way or another.
func some(rng *rand.Rand) *history.History {
	h := new(history.History)
	open := map[history.Process]history.Op{}
	fresh := int64(0)
	sent := []int64{1}
	for range 3 + rng.IntN(6) {
		p := history.Process(rng.IntN(3))
		op, busy := open[p]
		if !busy {
			op = history.Op{Process: p, F: []string{"send", "poll", "txn", "txn"}[rng.IntN(4)], Final: rng.IntN(4) == 0}
			var in []history.Value
			for range 1 + rng.IntN(2) {
				switch fresh++; {
				case op.F == "poll" || op.F == "txn" && rng.IntN(2) == 0:
					in = append(in, history.List(history.Keyword("poll")))
				case rng.IntN(6) == 0:
					in = append(in, send(rng.IntN(2), history.Int(sent[rng.IntN(len(sent))])))
				default:
					sent = append(sent, fresh)
					in = append(in, send(rng.IntN(2), history.Int(fresh)))
				}
			}
			switch rng.IntN(20) {
			case 0:
				op.F, in = []string{"assign", "subscribe"}[rng.IntN(2)], []history.Value{history.Int(int64(rng.IntN(2)))}
			case 1, 2, 3, 4, 5, 6, 7, 8:
				in = slices.Insert(in, rng.IntN(len(in)+1), beyond(rng))
			}
			op.Value = history.List(in...)
			open[p] = op
		} else {
			delete(open, p)
			op.Type = []history.Type{history.OK, history.OK, history.OK, history.OK, history.Fail, history.Info}[rng.IntN(6)]
			op.Value = done(rng, op.Value, sent)
		}
		op.Index, op.Time = len(h.Ops), int64(len(h.Ops))*1000
		h.Ops = append(h.Ops, op)
	}
	return h
}

func beyond(rng *rand.Rand) history.Value {
	name, n := history.String("generation"), history.Int(int64(1+rng.IntN(3)))
	switch rng.IntN(7) {
	case 0:
		return history.List(history.Keyword("init"), history.Map(history.String("id"), history.String("t"), history.String("epoch"), n))
	case 1:
		return history.List(history.Keyword("commit"), history.Map(history.Int(int64(rng.IntN(2))), history.Int(int64(rng.IntN(5)))))
	case 2, 3:
		return history.List(history.Keyword("from"), history.Map(history.Int(int64(rng.IntN(2))), history.Int(int64(rng.IntN(4)))))
	case 4:
		name = history.String("unknown")
	}
	return history.List(history.Keyword("assigned"), history.Map(history.String("group"), history.String([]string{"g", "h"}[rng.IntN(2)]), name, n, history.String("keys"), history.Ints(int64(rng.IntN(2)))))
}

// done makes up what came back.
func done(rng *rand.Rand, v history.Value, sent []int64) history.Value {
	var out []history.Value
	for _, m := range v.Elems() {
		parts := m.Elems()
		switch {
		case len(parts) == 3 && rng.IntN(5) > 0:
			m = history.List(parts[0], parts[1], history.List(history.Int(int64(rng.IntN(5))), parts[2]))
		case len(parts) == 1:
			var kvs []history.Value
			for k := range 2 {
				var got []history.Value
				for range rng.IntN(3) {
					got = append(got, history.Ints(int64(rng.IntN(5)), sent[rng.IntN(len(sent))]))
				}
				if got != nil || rng.IntN(2) == 0 {
					kvs = append(kvs, history.Int(int64(k)), history.List(got...))
				}
			}
			m = history.List(parts[0], history.Map(kvs...))
		}
		out = append(out, m)
	}
	return history.List(out...)
}

// option returns one of the ways in which a log can be looked at.
func option(n int) Options {
	return []Options{
		{}, {SubVia: "assign"}, {SubVia: "assign", RWDeps: true}, {WWDeps: true}, {Allow: []string{Unseen, LostWrite}},
		{SubVia: "assign", RWDeps: true, Allow: []string{
			Unseen, LostWrite, InconsistentOffsets, Duplicate, Truncation, TornTransaction, ThinAirRead, G1a, PrecommittedRead, PollSkip, NonmonotonicPoll,
			IntPollSkip, IntNonmonotonicPoll, NonmonotonicSend, IntNonmonotonicSend, DoubleAssignment, CommitAhead, ZombieCommit, ZombieWrite,
		}},
		{Compaction: true},
		{Retention: 1 + n%3},
		{SubVia: "assign", Retention: n / 9 % 3, Compaction: n%2 == 0, Allow: []string{
			Unseen, LostWrite, InconsistentOffsets, Duplicate, Truncation, TornTransaction, ThinAirRead, G1a, PrecommittedRead,
			IntNonmonotonicPoll, NonmonotonicSend, IntNonmonotonicSend, DoubleAssignment, ZombieCommit, ZombieWrite,
		}},
	}[n%9]
}

// keyed makes records of all messages of a history: a number with one of two keys, some
// of them tombstones.
func keyed(h *history.History) *history.History {
	record := func(v history.Value) history.Value {
		n, ok := v.Int()
		if !ok {
			return v
		}
		value := history.Int(n)
		if n%5 == 4 {
			value = history.Nil
		}
		return history.Map(history.String("key"), history.Int(n%2), history.String("value"), value, history.String("id"), v)
	}
	placed := func(v history.Value) history.Value {
		if pair := v.Elems(); v.Kind() == history.KindList && len(pair) == 2 {
			return history.List(pair[0], record(pair[1]))
		}
		return record(v)
	}
	for i := range h.Ops {
		list := slices.Clone(h.Ops[i].Value.Elems())
		for n, m := range list {
			switch parts := m.Elems(); {
			case len(parts) == 3:
				list[n] = history.List(parts[0], parts[1], placed(parts[2]))
			case len(parts) == 2 && parts[0].Text() == "poll":
				kvs := slices.Clone(parts[1].Elems())
				for k := 1; k < len(kvs); k += 2 {
					var got []history.Value
					for _, pair := range kvs[k].Elems() {
						got = append(got, placed(pair))
					}
					kvs[k] = history.List(got...)
				}
				list[n] = history.List(parts[0], history.Map(kvs...))
			}
		}
		if h.Ops[i].F != "assign" && h.Ops[i].F != "subscribe" {
			h.Ops[i].Value = history.List(list...)
		}
	}
	return h
}

// TestAgainstVerifier compares the checker with the package verify, which decides
// from the definitions: each must find what the other does, in the whole history and
// in the core alone.
func TestAgainstVerifier(t *testing.T) {
	t.Parallel()
	n := 100_000
	switch {
	case testing.Short():
		n = 2_000
	case os.Getenv("ORDEAL_LONG") != "":
		n = 2_000_000
	}
	rng := rand.New(rand.NewPCG(7, 8))
	found := map[string]int{}
	for i := range n {
		h := some(rng)
		if i%100 == 0 {
			h = valid(rng)
		}
		if option(i).Compaction {
			h = keyed(h)
		}
		r := result(t, h, option(i), i%100 == 3)
		found[r.Verdict.String()]++
		for _, a := range r.Anomalies {
			found[a.Name]++
		}
	}
	if found["ok"] == 0 {
		t.Error("no history was ok")
	}
	t.Log(found)
}

// result checks h and has the certificate verified, with the operations of anomalies
// as they were found, or after all were dropped that need not be there.
func result(t *testing.T, h *history.History, opts Options, cut bool) checkers.Result {
	t.Helper()
	if cut {
		return judged(t, h, opts)
	}
	j, err := check(t.Context(), h, opts)
	if err != nil {
		return checkers.Unknownf("%v", err)
	}
	r := j.result()
	r.Certify = func() (checkers.Claim, error) { return j.claim(opts, r) }
	certified(t, h, r)
	return r
}

// TestRefused damages certificates and sees them refused.
func TestRefused(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 10))
	kinds := map[string]int{}
	for i := range 500 {
		h := some(rng)
		if i%4 == 0 {
			h = valid(rng)
		}
		if option(i).Compaction {
			h = keyed(h)
		}
		r := New(option(i)).Check(t.Context(), h)
		if r.Verdict == checkers.Unknown {
			continue
		}
		claim, err := r.Claim()
		if err != nil {
			t.Fatal(err)
		}
		for what, bad := range damaged(rng, h, claim) {
			kinds[what]++
			if err := confirm(t, h, bad); err == nil {
				t.Fatalf("%s: confirmed %+v, but true is %+v\n%v", what, bad, claim, h.Ops)
			}
		}
	}
	if len(kinds) < 12 {
		t.Error(kinds)
	}
}

func damaged(rng *rand.Rand, h *history.History, c checkers.Claim) map[string]checkers.Claim {
	bad := map[string]checkers.Claim{}
	with := func(what, field string, v any) {
		e := map[string]any{}
		for k, old := range c.Evidence.(map[string]any) {
			e[k] = old
		}
		e[field] = v
		d := c
		d.Evidence = e
		bad[what] = d
	}
	flipped := c
	flipped.Verdict = checkers.OK + checkers.Invalid - c.Verdict
	bad["another verdict"] = flipped
	odd := c
	odd.Parameters = map[string]string{"strict": "true"}
	bad["an unknown parameter"] = odd
	if c.Verdict == checkers.OK {
		order := c.Evidence.(map[string]any)["order"].([]int)
		flipped.Evidence = map[string]any{"anomaly": anyName(rng), "key": "0", "ops": []int{h.Ops[0].Index}}
		bad["a made up anomaly"] = flipped
		if len(order) < 2 {
			return bad
		}
		with("an operation less", "order", order[1:])
		with("an operation twice", "order", append(slices.Clone(order), order[0]))
		with("an operation that is none", "order", append(slices.Clone(order[1:]), len(h.Ops)))
		if first, last := h.Ops[order[0]], order[len(order)-1]; first.Type == history.Invoke && ended(h, order[0]) < last {
			swapped := slices.Clone(order)
			swapped[0], swapped[len(order)-1] = last, order[0]
			with("two swapped", "order", swapped)
		}
		return bad
	}
	e := c.Evidence.(map[string]any)
	flipped.Evidence = map[string]any{"order": []int{}}
	bad["no anomaly"] = flipped
	ops := e["ops"].([]int)
	with("another anomaly", "anomaly", "oddity")
	with("another key", "key", "nowhere")
	i := rng.IntN(len(ops))
	with("an operation less", "ops", slices.Delete(slices.Clone(ops), i, i+1))
	with("an operation twice", "ops", append(slices.Clone(ops), ops[len(ops)-1]))
	with("an operation that is none", "ops", append(slices.Clone(ops), len(h.Ops)))
	if len(ops) > 1 {
		swapped := slices.Clone(ops)
		swapped[0], swapped[1] = ops[1], ops[0]
		with("two swapped", "ops", swapped)
	}
	if edges := e["edges"].([]checkers.Edge); len(edges) > 1 {
		with("an edge less", "edges", edges[1:])
		other := slices.Clone(edges)
		other[0].Kind = "ww"
		with("another kind of edge", "edges", other)
		other = slices.Clone(edges)
		other[0].From, other[0].To = other[0].To, other[0].From
		with("an edge backwards", "edges", other)
	}
	return bad
}

func anyName(rng *rand.Rand) string { return order[rng.IntN(len(order))] }

// ended returns when the operation invoked at an index was ok, if it was.
func ended(h *history.History, index int) int {
	for _, op := range h.Ops[index+1:] {
		if op.Process == h.Ops[index].Process {
			if op.Type == history.OK {
				return op.Index
			}
			break
		}
	}
	return len(h.Ops)
}

// TestStops sees that the checker gives up when its time is over.
func TestStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := New(Options{}).Check(ctx, valid(rand.New(rand.NewPCG(1, 1)))); r.Verdict != checkers.Unknown {
		t.Error(r.Verdict)
	}
}

// FuzzCheck lets the checker judge histories that the fuzzer makes up, and verifies
// each certificate.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("logs hold messages at offsets"), uint8(1))
	f.Fuzz(func(t *testing.T, seed []byte, opts uint8) {
		rng := rand.New(&tape{seed, rand.NewPCG(1, 2)})
		h := some(rng)
		if option(int(opts)).Compaction {
			h = keyed(h)
		}
		judged(t, h, option(int(opts)))
	})
}

// tape is a source of the bytes that a fuzzer gives, and then of others.
type tape struct {
	left []byte
	then *rand.PCG
}

// Uint64 returns the next byte at all places of a number.
func (s *tape) Uint64() uint64 {
	if len(s.left) == 0 {
		return s.then.Uint64()
	}
	b := uint64(s.left[0])
	s.left = s.left[1:]
	return b * 0x0101010101010101
}
