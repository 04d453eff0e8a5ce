package causal

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/confirm"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/causal.txt", func(*datadriven.TestData) checkers.Checker { return New() })
}

// random makes a history of writes and reads of few keys, in which reads find
// anything that was written before, and final reads find anything at all.
func random(rng *rand.Rand, calls int) *history.History {
	h := new(history.History)
	add := func(p history.Process, typ history.Type, f string, key int64, v history.Value, final bool) {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: p, Type: typ, F: f,
			Key: history.Int(key), Value: v, Final: final})
	}
	const keys = 2
	var written [keys][]int64
	next, crashes := int64(0), history.Process(0)
	for range calls {
		p, key := history.Process(rng.IntN(3))+3*crashes, int64(rng.IntN(keys))
		if n := len(written[key]); n > 0 && rng.IntN(2) == 0 {
			add(p, history.Invoke, "read", key, history.Nil, false)
			add(p, history.OK, "read", key, history.Int(written[key][rng.IntN(n)]), false)
			continue
		}
		next++
		written[key] = append(written[key], next)
		add(p, history.Invoke, "write", key, history.Int(next), false)
		typ := history.OK
		if rng.IntN(5) == 0 {
			typ = history.Info
		}
		add(p, typ, "write", key, history.Int(next), false)
		if typ == history.Info {
			crashes++
		}
	}
	for key := range int64(keys) {
		if n := len(written[key]); n > 0 {
			add(1000, history.Invoke, "read", key, history.Nil, true)
			add(1000, history.OK, "read", key, history.Int(written[key][rng.IntN(n)]), true)
		}
	}
	return h
}

// closure judges by the definition: it closes the steps transitively and looks
// at every pair of writes.
func closure(h *history.History) map[string]bool {
	calls, _ := h.Calls()
	before := make([][]bool, len(calls))
	for i, a := range calls {
		before[i] = make([]bool, len(calls))
		for j, b := range calls {
			session := a.Invoke.Process == b.Invoke.Process && i < j
			reads := a.Invoke.F == "write" && b.Invoke.F == "read" && a.Invoke.Value.Equal(b.Value())
			before[i][j] = session || reads
		}
	}
	for k := range calls {
		for i := range calls {
			for j := range calls {
				before[i][j] = before[i][j] || before[i][k] && before[k][j]
			}
		}
	}
	lost := make(map[string]bool)
	for i, f := range calls {
		for j, w := range calls {
			for _, r := range calls {
				if r.Invoke.Final && r.Value().Equal(f.Invoke.Value) && f.Invoke.F == "write" && w.Invoke.F == "write" &&
					w.Type() == history.OK && w.Invoke.Key.Equal(f.Invoke.Key) && i != j && before[i][j] {
					lost[f.Invoke.Key.String()] = true
				}
			}
		}
	}
	return lost
}

func TestCores(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	var count [3]int
	for range 4000 {
		h := random(rng, 4+rng.IntN(14))
		r, err := Check(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		want := closure(h)
		if len(want) != r.Lost || r.Foreign > 0 {
			t.Fatalf("lost keys %v, found %+v in\n%v", want, r.Anomalies, h.Ops)
		}
		for _, a := range r.Anomalies {
			if !want[a.Key] {
				t.Fatalf("key %s is fine: %+v", a.Key, a)
			}
			proves(t, h, a)
		}
		count[r.Lost]++
	}
	t.Logf("keys lost: %v", count)
}

// proves fails unless the operations of an anomaly are enough to show it.
func proves(t *testing.T, h *history.History, a checkers.Anomaly) {
	t.Helper()
	part := new(history.History)
	calls, _ := h.Calls()
	for _, c := range calls {
		if slices.Contains(a.Ops, c.Invoke.Index) {
			part.Ops = append(part.Ops, *c.Invoke, *c.Complete)
		}
	}
	for _, op := range a.Ops {
		if !slices.IsSorted(a.Ops) || len(closure(part)) != 1 {
			t.Fatalf("%+v does not prove it", a)
		}
		var rest history.History
		for i := 0; i < len(part.Ops); i += 2 {
			if part.Ops[i].Index != op {
				rest.Ops = append(rest.Ops, part.Ops[i], part.Ops[i+1])
			}
		}
		if len(closure(&rest)) > 0 {
			t.Fatalf("%+v does not need %d", a, op)
		}
	}
}

// small makes a history of two clients that write, delete and read two registers, with
// final reads at the end, mostly.
func small(choose confirm.Choose, calls int) *history.History {
	began := 0
	return confirm.Sessions(choose, calls, 2, func() history.Op {
		began++
		op := history.Op{F: "read", Key: history.Int(int64(choose(2))), Value: history.Nil}
		switch choose(6) {
		case 0, 1, 2:
			op.F, op.Value = "write", history.Int(int64(1+choose(4)))
		case 3:
			op.F = []string{"delete", "cas", "read", "read"}[choose(4)]
			if op.F == "cas" {
				op.Value = history.Ints(int64(1+choose(2)), int64(1+choose(4)))
			}
		default:
			op.Final = began > calls/2
		}
		return op
	}, func(op history.Op) history.Op {
		if op.Type = choose.Outcome(); op.F == "read" && op.Type == history.OK {
			op.Value = []history.Value{history.Nil, history.Int(1), history.Int(2), history.Int(3)}[choose(4)]
		}
		return op
	})
}

// effect says what an operation read and wrote, if it counts.
func effect(c history.Call) (read, written history.Value, ok bool) {
	switch {
	case c.Type() == history.Fail || c.Invoke.F == "read" && c.Type() != history.OK:
		return read, written, false
	case c.Invoke.F == "read":
		return c.Value(), written, true
	case c.Invoke.F == "write":
		return read, c.Invoke.Value, true
	case c.Invoke.F == "delete":
		return read, history.Nil, true
	default:
		return c.Invoke.Value.Elems()[0], c.Invoke.Value.Elems()[1], true
	}
}

// truth judges by the definition: it closes the steps transitively and looks for each
// final read whether some write can have left what it has.
func truth(h *history.History) checkers.Verdict {
	calls, _ := h.Calls()
	acts := slices.DeleteFunc(slices.Clone(calls), func(c history.Call) bool { _, _, ok := effect(c); return !ok })
	writers := func(key, v history.Value) (list []int) {
		for i, c := range acts {
			if _, w, _ := effect(c); c.Invoke.F != "read" && c.Invoke.Key.Equal(key) && w.Equal(v) {
				list = append(list, i)
			}
		}
		return list
	}
	before := make([][]bool, len(acts))
	for i := range acts {
		before[i] = make([]bool, len(acts))
	}
	for i, c := range acts {
		for k := range i {
			before[k][i] = acts[k].Invoke.Process == c.Invoke.Process
		}
		if v, _, _ := effect(c); !v.IsNil() {
			if w := writers(c.Invoke.Key, v); len(w) == 1 && w[0] != i {
				before[w[0]][i] = true
			}
		}
	}
	for k := range acts {
		for i := range acts {
			for j := range acts {
				before[i][j] = before[i][j] || before[i][k] && before[k][j]
			}
		}
	}
	finals, acknowledged := 0, 0
	for _, c := range acts {
		if c.Invoke.F != "read" && c.Type() == history.OK {
			acknowledged++
		}
	}
	verdict := checkers.OK
	for _, r := range acts {
		if r.Invoke.F != "read" || !r.Invoke.Final {
			continue
		}
		finals++
		overwritten := func(w int) bool {
			for i, c := range acts {
				if i != w && c.Invoke.F != "read" && c.Type() == history.OK && c.Complete.Index < r.Invoke.Index &&
					c.Invoke.Key.Equal(r.Invoke.Key) && (w < 0 || before[w][i]) {
					return true
				}
			}
			return false
		}
		some := r.Value().IsNil() && !overwritten(-1)
		for _, w := range writers(r.Invoke.Key, r.Value()) {
			some = some || !overwritten(w)
		}
		if !some {
			verdict = checkers.Invalid
		}
	}
	if verdict == checkers.OK && (finals == 0 || acknowledged == 0) {
		return checkers.Unknown
	}
	return verdict
}

var definition = confirm.Oracle{
	Family:  confirm.Family{Definition: Definition, Anomalies: []string{LostCausalWrite, ThinAirRead, DirtyRead}},
	Checker: New(), Make: small, Truth: truth,
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	definition.Agrees(t, 100_000, 1, 9)
}

func FuzzCausal(f *testing.F) { definition.Fuzz(f) }

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, confirm.Checked(t, New()), []string{"write", "read", "cas", "delete"}, []history.Value{history.Int(1), history.Int(2), history.Ints(1, 2), history.Nil})
}

// TestManyWinners judges more winners than fit into one word.
func TestManyWinners(t *testing.T) {
	t.Parallel()
	h := new(history.History)
	add := func(p history.Process, typ history.Type, f string, key, v int64, final bool) {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Process: p, Type: typ, F: f, Key: history.Int(key), Value: history.Int(v), Final: final})
	}
	const keys = 200
	for v := range int64(2) {
		for key := range int64(keys) {
			add(history.Process(key%7), history.Invoke, "write", key, v, false)
			add(history.Process(key%7), history.OK, "write", key, v, false)
		}
	}
	for key := range int64(keys) {
		add(9, history.Invoke, "read", key, 0, true)
		add(9, history.OK, "read", key, (key+1)%2, true)
	}
	r, err := Check(t.Context(), h)
	if err != nil || r.Lost != keys/2 || r.Judged != keys || len(r.Anomalies) != checkers.MaxAnomalies {
		t.Fatalf("%d lost of %d, want %d: %v", r.Lost, r.Judged, keys/2, err)
	}
}

// BenchmarkCausal judges a million operations of 20 clients on many registers, each of
// which is read in the end.
func BenchmarkCausal(b *testing.B) {
	for _, keys := range []int{10, 1000, 100_000} {
		h := &history.History{Ops: make([]history.Op, 0, 2_000_000)}
		values := make([]history.Value, keys)
		rng := rand.New(rand.NewPCG(1, 2))
		for n := range 1_000_000 {
			final := n >= 1_000_000-keys
			key := rng.IntN(keys)
			if final {
				key = n - 1_000_000 + keys
			}
			op := history.Op{Index: 2 * n, Process: history.Process(n % 20), F: "read", Key: history.Int(int64(key)), Value: history.Nil, Final: final}
			done := values[key]
			if n%2 == 0 && !final {
				op.F, op.Value = "write", history.Int(int64(n))
				done, values[key] = op.Value, op.Value
			}
			h.Ops = append(h.Ops, op)
			op.Index, op.Type, op.Value = op.Index+1, history.OK, done
			if done.IsAbsent() {
				op.Value = history.Nil
			}
			h.Ops = append(h.Ops, op)
		}
		confirm.Bench(b, strconv.Itoa(keys), New(), h)
	}
}
