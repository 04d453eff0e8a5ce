package monotonic

import (
	"math/rand/v2"
	"slices"
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
	script.Run(t, "testdata/monotonic.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{PerClient: d.HasArg("per-client"), Realtime: d.HasArg("realtime")})
	})
}

func rowValue(val, sts int64, proc int) history.Value {
	return history.Map(history.Keyword("val"), history.Int(val), history.Keyword("sts"), history.Int(sts), history.Keyword("proc"), history.Int(int64(proc)))
}

// valid makes a history of adds that are done one after the other, with some that
// fail or whose outcome is unknown, and of reads.
func valid(rng *rand.Rand) *history.History {
	h := new(history.History)
	var rows []history.Value
	record := func(p int, typ history.Type, f string, v history.Value) {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: history.Process(p), Type: typ, F: f, Value: v})
	}
	val, sts := int64(0), int64(100)
	for p := range 6 + rng.IntN(10) {
		if rng.IntN(4) == 0 {
			record(p, history.Invoke, "read", history.Nil)
			record(p, history.OK, "read", history.List(slices.Clone(rows)...))
			continue
		}
		val++
		sts += int64(1 + rng.IntN(5))
		v := rowValue(val, sts, p%3)
		typ := []history.Type{history.OK, history.OK, history.OK, history.Info, history.Fail}[rng.IntN(5)]
		record(p, history.Invoke, "add", v)
		record(p, typ, "add", v)
		if typ == history.OK || typ == history.Info && rng.IntN(2) == 0 {
			rows = append(rows, v)
		}
	}
	record(100, history.Invoke, "read", history.Nil)
	record(100, history.OK, "read", history.List(slices.Clone(rows)...))
	return h
}

// mutations corrupt the rows of the last read, of which the i-th may be used.
var mutations = map[string]func(h *history.History, rows []history.Value, i int) []history.Value{
	Lost: func(h *history.History, rows []history.Value, i int) []history.Value {
		if outcome(h, rows[i]) != history.OK {
			return nil
		}
		return slices.Delete(rows, i, i+1)
	},
	Duplicate: func(_ *history.History, rows []history.Value, i int) []history.Value {
		return slices.Insert(rows, i, rows[i])
	},
	OrderByError: func(_ *history.History, rows []history.Value, i int) []history.Value {
		if i == 0 {
			return nil
		}
		rows[i-1], rows[i] = rows[i], rows[i-1]
		return rows
	},
	ValueReorder: func(_ *history.History, rows []history.Value, i int) []history.Value {
		if i == 0 {
			return nil
		}
		a, b := rows[i-1], rows[i]
		va, _ := a.Get("val").Int()
		vb, _ := b.Get("val").Int()
		sa, _ := a.Get("sts").Int()
		sb, _ := b.Get("sts").Int()
		rows[i-1], rows[i] = rowValue(vb, sa, 0), rowValue(va, sb, 0)
		return rows
	},
	Revived: func(h *history.History, rows []history.Value, i int) []history.Value {
		for k := range h.Ops {
			if op := &h.Ops[k]; op.F == "add" && op.Type == history.OK && op.Value.Equal(rows[i]) {
				op.Type = history.Fail
				return rows
			}
		}
		return nil
	},
}

func outcome(h *history.History, row history.Value) history.Type {
	for _, op := range h.Ops {
		if op.F == "add" && op.Type != history.Invoke && op.Value.Equal(row) {
			return op.Type
		}
	}
	return history.Invoke
}

func TestMutations(t *testing.T) {
	t.Parallel()
	for name, mutate := range mutations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			for done := 0; done < 300; {
				h := valid(rng)
				if r := New(Options{Realtime: true}).Check(t.Context(), h); r.Verdict != checkers.OK {
					t.Fatalf("flagged before: %v %s %+v", r.Verdict, r.Reason, r.Anomalies)
				}
				last := &h.Ops[len(h.Ops)-1]
				rows := slices.Clone(last.Value.Elems())
				if len(rows) == 0 {
					continue
				}
				rows = mutate(h, rows, rng.IntN(len(rows)))
				if rows == nil {
					continue
				}
				last.Value = history.List(rows...)
				r := New(Options{}).Check(t.Context(), h)
				if !slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == name }) {
					t.Fatalf("%v %+v\n%v", r.Verdict, r.Anomalies, h.Ops)
				}
				confirm.Result(t, h, r)
				done++
			}
		})
	}
}

// TestRealtime compares the adds that are found out of order with all pairs, in
// histories of adds that overlap and draw values at random.
func TestRealtime(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	found := 0
	for range 3000 {
		h := new(history.History)
		record := func(p int, typ history.Type, v int) {
			h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Process: history.Process(p), Type: typ, F: "add", Value: history.Int(int64(v))})
		}
		values := rng.Perm(8)
		var open []int
		for p := range values {
			if p < 4 || rng.IntN(2) == 0 {
				values[p] = p
			}
			record(p, history.Invoke, values[p])
			open = append(open, p)
			for len(open) > 0 && rng.IntN(2) == 0 {
				i := rng.IntN(len(open))
				record(open[i], history.OK, values[open[i]])
				open = slices.Delete(open, i, i+1)
			}
		}
		calls, _ := h.Calls()
		want := 0
		for _, b := range calls {
			if slices.ContainsFunc(calls, func(a history.Call) bool {
				return a.Type() == history.OK && b.Type() == history.OK && a.Complete.Index < b.Invoke.Index && a.Value().Compare(b.Value()) >= 0
			}) {
				want++
			}
		}
		r, err := Check(t.Context(), h, Options{Realtime: true})
		if err != nil || len(r.Realtime) != want {
			t.Fatalf("%v, want %d of them (%v)\n%v", r.Realtime, want, err, h.Ops)
		}
		found += want
	}
	if found < 1000 {
		t.Errorf("only %d in all: the test shows little", found)
	}
}

// small makes a history of adds of three values, and of reads of rows that have
// timestamps and processes, of which some are final.
func small(choose confirm.Choose, calls int) *history.History {
	return confirm.History(choose, calls, func() history.Op {
		if n := choose(7); n < 4 {
			return history.Op{F: "add", Value: history.Int(int64(1 + n%3))}
		}
		return history.Op{F: "read", Value: history.Nil, Final: choose(3) == 0}
	}, func(op history.Op) history.Op {
		if op.F == "add" {
			op.Type = choose.Outcome()
			return op
		}
		lists := [][]int64{{}, {1}, {2}, {1, 2}, {1, 2, 3}, {2, 3}, {2, 1}, {1, 1}, {1, 9}}
		var rows []history.Value
		jump := choose(8)
		for i, v := range lists[choose(len(lists))] {
			sts := int64(i)
			if jump == i+1 {
				sts = -1
			}
			rows = append(rows, rowValue(v, sts, i%2))
		}
		op.Type, op.Value = history.OK, history.List(rows...)
		return op
	})
}

// truth judges by the definition: each read for its rows, every two of them, and for
// what it has to have; then every two adds.
func truth(opts Options) func(h *history.History) checkers.Verdict {
	return func(h *history.History) checkers.Verdict {
		calls, _ := h.Calls()
		verdict, last := checkers.Unknown, 0
		for _, c := range calls {
			if c.Invoke.F == "read" {
				last = max(last, c.Complete.Index)
			}
		}
		for _, c := range calls {
			if c.Invoke.F != "read" {
				continue
			}
			if broken(c.Value().Elems(), opts) || spoilt(c, calls, c.Complete.Index == last) {
				return checkers.Invalid
			}
			verdict = checkers.OK
		}
		for _, a := range calls {
			for _, b := range calls {
				if opts.Realtime && a.Invoke.F == "add" && b.Invoke.F == "add" && a.Type() == history.OK && b.Type() == history.OK &&
					a.Complete.Index < b.Invoke.Index && a.Value().Compare(b.Value()) >= 0 {
					return checkers.Invalid
				}
			}
		}
		return verdict
	}
}

// broken reports whether rows are out of order or repeat.
func broken(rows []history.Value, opts Options) bool {
	get := func(i int, name string) int64 {
		n, _ := rows[i].Get(name).Int()
		return n
	}
	for i := range rows {
		next := -1 // the next row that has to have a greater value
		for k := i + 1; k < len(rows); k++ {
			if get(i, "val") == get(k, "val") || k == i+1 && get(i, "sts") > get(k, "sts") {
				return true
			}
			if next < 0 && (!opts.PerClient || get(i, "proc") == get(k, "proc")) {
				next = k
			}
		}
		if next > 0 && get(i, "val") > get(next, "val") {
			return true
		}
	}
	return false
}

// spoilt reports whether a read has a value whose adds all failed, or lacks one that
// it has to have.
func spoilt(r history.Call, calls []history.Call, last bool) bool {
	has := func(v history.Value) bool {
		return slices.ContainsFunc(r.Value().Elems(), func(row history.Value) bool { return row.Get("val").Equal(v) })
	}
	for _, a := range calls {
		if a.Invoke.F != "add" {
			continue
		}
		again := slices.ContainsFunc(calls, func(b history.Call) bool {
			return b.Invoke.F == "add" && b.Invoke.Value.Equal(a.Invoke.Value) && b.Type() != history.Fail
		})
		owed := (last || r.Invoke.Final) && a.Type() == history.OK && a.Complete.Index < r.Invoke.Index
		if has(a.Invoke.Value) && !again || owed && !has(a.Invoke.Value) {
			return true
		}
	}
	return false
}

// oracles are the checker, told more or less, with the definition.
func oracles() map[string]confirm.Oracle {
	all := map[string]confirm.Oracle{}
	for name, opts := range map[string]Options{"plain": {}, "per-client": {PerClient: true}, "realtime": {Realtime: true}} {
		f := confirm.Family{Definition: Name, Anomalies: []string{ValueReorder, OrderByError, RealtimeReorder, Duplicate, Lost, Revived}}
		if name != "plain" {
			f.Parameters = map[string]string{name: "true"}
		}
		all[name] = confirm.Oracle{Family: f, Checker: New(opts), Make: small, Truth: truth(opts), Context: []string{ValueReorder}}
	}
	return all
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, o := range oracles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Agrees(t, 35_000, 1, 6)
		})
	}
}

func FuzzMonotonic(f *testing.F) { oracles()["per-client"].Fuzz(f) }

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{{}, {PerClient: true, Realtime: true}} {
		hostile.Feed(t, confirm.Checked(t, New(opts)), []string{"add", "read"}, []history.Value{
			history.Int(1), rowValue(1, 10, 0), rowValue(2, 5, 1), history.List(rowValue(1, 10, 0), rowValue(2, 5, 1)), history.Ints(3, 1),
		})
	}
}

// BenchmarkMonotonic judges a million adds, and a read of all rows at the end.
func BenchmarkMonotonic(b *testing.B) {
	h := &history.History{Ops: make([]history.Op, 0, 2_000_000)}
	var rows []history.Value
	for n := range 1_000_000 {
		op := history.Op{Index: 2 * n, Time: int64(n) * 1000, Process: history.Process(n % 20), F: "add", Value: history.Nil}
		var done history.Value
		if n == 999_999 {
			op.F, done = "read", history.List(rows...)
		} else {
			done = rowValue(int64(n), int64(n)*10, n%20)
			rows = append(rows, done)
		}
		h.Ops = append(h.Ops, op)
		op.Index, op.Type, op.Value = op.Index+1, history.OK, done
		h.Ops = append(h.Ops, op)
	}
	confirm.Bench(b, Name, New(Options{Realtime: true}), h)
}
