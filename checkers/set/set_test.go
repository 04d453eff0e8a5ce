package set

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/confirm"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/set.txt", func(d *datadriven.TestData) checkers.Checker {
		if d.Cmd == "last" {
			return NewLast()
		}
		return New(Options{Linearizable: d.HasArg("linearizable")})
	})
}

// naive judges elements one by one, read by read, as the definition says.
func naive(h *history.History) (lost, stable, stale, never []string) {
	calls, _ := h.Calls()
	done := map[string]bool{}
	for _, add := range calls {
		if add.Invoke.F != "add" || done[add.Invoke.Value.String()] {
			continue
		}
		done[add.Invoke.Value.String()] = true
		known, present, absent := -1, -1, -1
		failed := add.Type() == history.Fail
		for _, c := range calls {
			if c.Invoke.F != "add" || !c.Invoke.Value.Equal(add.Invoke.Value) {
				continue
			}
			if failed && c.Type() != history.Fail {
				add, failed = c, false
			}
			if c.Type() == history.OK && (known < 0 || c.Complete.Index < known) {
				known = c.Complete.Index
			}
		}
		for _, r := range calls {
			if r.Invoke.F != "read" || r.Type() != history.OK {
				continue
			}
			if slices.ContainsFunc(r.Value().Elems(), add.Invoke.Value.Equal) {
				present = max(present, r.Invoke.Index)
				if known < 0 || r.Complete.Index < known {
					known = r.Complete.Index
				}
			} else if add.Invoke.Index < r.Complete.Index {
				absent = max(absent, r.Invoke.Index)
			}
		}
		name := add.Invoke.Value.String()
		switch {
		case present > absent:
			stable = append(stable, name)
			if known < absent {
				stale = append(stale, name)
			}
		case known >= 0 && known < absent:
			lost = append(lost, name)
		default:
			never = append(never, name)
		}
	}
	return lost, stable, stale, never
}

// random makes a history of adds and reads that see each element with some
// probability.
func random(rng *rand.Rand) *history.History {
	h := new(history.History)
	record := func(p history.Process, typ history.Type, f string, v history.Value) {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: p, Type: typ, F: f, Value: v})
	}
	next := int64(0)
	open := make(map[history.Process]history.Value) // Absent for a read
	for range 60 {
		p := history.Process(rng.IntN(5))
		v, busy := open[p]
		switch {
		case !busy && rng.IntN(3) > 0:
			next++
			open[p] = history.Int(next)
			record(p, history.Invoke, "add", open[p])
		case !busy:
			open[p] = history.Value{}
			record(p, history.Invoke, "read", history.Nil)
		case v.IsAbsent():
			var seen []int64
			for n := int64(1); n <= next; n++ {
				if rng.IntN(6) > 0 {
					seen = append(seen, n)
				}
			}
			record(p, history.OK, "read", history.Ints(seen...))
			delete(open, p)
		default:
			record(p, []history.Type{history.OK, history.OK, history.Info}[rng.IntN(3)], "add", v)
			delete(open, p)
		}
	}
	return h
}

// TestOutcomes compares what became of each element with what the definition says,
// one element and one read at a time.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	sum := 0
	for range 3000 {
		h := random(rng)
		r, err := Check(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		lost, stable, stale, never := naive(h)
		want := [][]string{lost, stale, never}
		got := [][]string{r.LostElements, r.StaleElements, r.NeverReadElements}
		for i := range got {
			got[i] = append([]string(nil), got[i]...)
		}
		if diff := cmp.Diff(want, got); diff != "" || r.Stable != len(stable) {
			t.Fatalf("lost, stale, never read: -want +got\n%s%v", diff, h.Ops)
		}
		sum += r.Lost
	}
	if sum < 500 {
		t.Errorf("only %d lost elements in all: the test shows little", sum)
	}
}

// small makes a history of adds of two elements, and reads of these and of one that
// nobody adds, of which some are final.
func small(choose confirm.Choose, calls int) *history.History {
	return confirm.History(choose, calls, func() history.Op {
		switch n := choose(4); n {
		case 0, 1:
			return history.Op{F: "add", Value: history.Int(int64(n))}
		default:
			return history.Op{F: "read", Value: history.Nil, Final: n == 3}
		}
	}, func(op history.Op) history.Op {
		if op.F == "add" {
			op.Type = choose.Outcome()
			return op
		}
		lists := [][]int64{{0}, {1}, {0, 1}, {1, 0}, {}, {0, 0}, {2}}
		op.Type, op.Value = history.OK, history.Ints(lists[choose(len(lists))]...)
		return op
	})
}

// calls are the adds and the reads that were ok.
func split(h *history.History) (adds, reads []history.Call) {
	calls, _ := h.Calls()
	for _, c := range calls {
		if c.Invoke.F == "add" {
			adds = append(adds, c)
		} else if c.Type() == history.OK {
			reads = append(reads, c)
		}
	}
	return adds, reads
}

func has(r history.Call, v history.Value) bool {
	return slices.ContainsFunc(r.Value().Elems(), v.Equal)
}

// fits reports whether a read has each element once, and only what can be there.
func fits(r history.Call, adds []history.Call) bool {
	elems := r.Value().Elems()
	for i, v := range elems {
		if slices.ContainsFunc(elems[:i], v.Equal) {
			return false
		}
		if !slices.ContainsFunc(adds, func(a history.Call) bool {
			return a.Invoke.Value.Equal(v) && a.Type() != history.Fail && a.Invoke.Index < r.Complete.Index
		}) {
			return false
		}
	}
	return true
}

// full judges a set-full by its definition: a read that has to be complete has what
// was acknowledged or read before it began. It is unknown if no element is read
// that was not missing later.
func full(strict bool) func(h *history.History) checkers.Verdict {
	return func(h *history.History) checkers.Verdict {
		adds, reads := split(h)
		_, stable, _, _ := naive(h)
		for n, r := range reads {
			if !fits(r, adds) {
				return checkers.Invalid
			}
			if !strict && !r.Invoke.Final && n < len(reads)-1 {
				continue
			}
			for _, a := range adds {
				known := a.Type() == history.OK && a.Complete.Index < r.Invoke.Index ||
					slices.ContainsFunc(reads, func(o history.Call) bool { return o.Complete.Index < r.Invoke.Index && has(o, a.Invoke.Value) })
				if known && !has(r, a.Invoke.Value) {
					return checkers.Invalid
				}
			}
		}
		if len(stable) == 0 {
			return checkers.Unknown
		}
		return checkers.OK
	}
}

// atEnd judges a set by its definition: the last read to come back has all that
// was acknowledged.
func atEnd(h *history.History) checkers.Verdict {
	adds, reads := split(h)
	if len(reads) == 0 {
		return checkers.Unknown
	}
	last := slices.MaxFunc(reads, func(a, b history.Call) int { return a.Complete.Index - b.Complete.Index })
	lost := slices.ContainsFunc(adds, func(a history.Call) bool { return a.Type() == history.OK && !has(last, a.Invoke.Value) })
	if lost || !fits(last, adds) {
		return checkers.Invalid
	}
	return checkers.OK
}

// oracles are the checkers with their definitions.
func oracles() map[string]confirm.Oracle {
	family := func(definition string, parameters map[string]string) confirm.Family {
		return confirm.Family{Definition: definition, Parameters: parameters, Anomalies: []string{Lost, StaleRead, Duplicate, Unexpected, DirtyRead}}
	}
	return map[string]confirm.Oracle{
		"full": {Family: family(Name, nil), Checker: New(Options{}), Make: small, Truth: full(false)},
		"linearizable": {Family: family(Name, map[string]string{"linearizable": "true"}), Checker: New(Options{Linearizable: true}),
			Make: small, Truth: full(true)},
		"last": {Family: family(LastName, nil), Checker: NewLast(), Make: small, Truth: atEnd},
	}
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, o := range oracles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Agrees(t, 35_000, 2, 7)
		})
	}
}

func FuzzSet(f *testing.F) { oracles()["linearizable"].Fuzz(f) }

// valid makes a history of a set that loses nothing and reads it at the end.
func valid(rng *rand.Rand) *history.History {
	var in []int64
	next := int64(0)
	n := 8 + rng.IntN(12)
	h := confirm.History(rng.IntN, n, func() history.Op {
		if rng.IntN(3) > 0 {
			next++
			return history.Op{F: "add", Value: history.Int(next)}
		}
		return history.Op{F: "read", Value: history.Nil}
	}, func(op history.Op) history.Op {
		if op.F == "read" {
			op.Type, op.Value = history.OK, history.Ints(in...)
			return op
		}
		op.Type = []history.Type{history.OK, history.OK, history.Info, history.Fail}[rng.IntN(4)]
		if v, _ := op.Value.Int(); op.Type == history.OK || op.Type == history.Info && rng.IntN(2) == 0 {
			in = append(in, v)
		}
		return op
	})
	for range 2 {
		i := len(h.Ops)
		op := history.Op{Index: i, Time: int64(i) * 1e6, Process: history.Process(n + i), F: "read", Value: history.Nil}
		h.Ops = append(h.Ops, op)
		op.Index, op.Time, op.Type, op.Value = i+1, op.Time+1e6, history.OK, history.Ints(in...)
		h.Ops = append(h.Ops, op)
	}
	return h
}

// mutations corrupt one of the two reads at the end, or the add of what is in them.
var mutations = map[string]func(h *history.History, rng *rand.Rand, last *history.Op, elems []history.Value) []history.Value{
	Lost: func(h *history.History, rng *rand.Rand, last *history.Op, elems []history.Value) []history.Value {
		i := rng.IntN(len(elems))
		return slices.Delete(elems, i, i+1)
	},
	Duplicate: func(_ *history.History, rng *rand.Rand, _ *history.Op, elems []history.Value) []history.Value {
		return append(elems, elems[rng.IntN(len(elems))])
	},
	Unexpected: func(_ *history.History, _ *rand.Rand, _ *history.Op, elems []history.Value) []history.Value {
		return append(elems, history.Int(-1))
	},
	DirtyRead: func(h *history.History, rng *rand.Rand, _ *history.Op, elems []history.Value) []history.Value {
		v := elems[rng.IntN(len(elems))]
		for i := range h.Ops {
			if op := &h.Ops[i]; op.F == "add" && op.Type != history.Invoke && op.Value.Equal(v) {
				op.Type = history.Fail
			}
		}
		return elems
	},
}

func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	done := map[string]int{}
	for range 1500 {
		h := valid(rng)
		for _, c := range []checkers.Checker{New(Options{Linearizable: true}), NewLast()} {
			if r := c.Check(t.Context(), h); r.Verdict == checkers.Invalid {
				t.Fatalf("flagged before: %+v\n%v", r.Anomalies, h.Ops)
			}
		}
		last := &h.Ops[len(h.Ops)-1]
		if len(last.Value.Elems()) == 0 {
			continue
		}
		for name, mutate := range mutations {
			g := &history.History{Ops: slices.Clone(h.Ops)}
			last := &g.Ops[len(g.Ops)-1]
			last.Value = history.List(mutate(g, rng, last, slices.Clone(last.Value.Elems()))...)
			for _, c := range []checkers.Checker{New(Options{}), New(Options{Linearizable: true}), NewLast()} {
				if name == Lost && c.Name() == LastName && !acknowledged(h, g) {
					continue // a set may lose what nobody was told is there
				}
				r := c.Check(t.Context(), g)
				if len(r.Anomalies) != 1 || r.Anomalies[0].Name != name {
					t.Fatalf("%s: %v %+v, want %s\n%v", c.Name(), r.Verdict, r.Anomalies, name, g.Ops)
				}
				confirm.Result(t, g, r)
			}
			done[name]++
		}
	}
	// An element that the read before the last one lacks is stale.
	for range 2000 {
		h := valid(rng)
		op := &h.Ops[len(h.Ops)-3]
		if len(op.Value.Elems()) == 0 {
			continue
		}
		i := rng.IntN(len(op.Value.Elems()))
		gone := op.Value.Elems()[i]
		op.Value = history.List(slices.Delete(slices.Clone(op.Value.Elems()), i, i+1)...)
		known := slices.ContainsFunc(h.Ops[:len(h.Ops)-4], func(o history.Op) bool {
			return o.Type == history.OK && (o.F == "add" && o.Value.Equal(gone) || o.F == "read" && slices.ContainsFunc(o.Value.Elems(), gone.Equal))
		})
		r := New(Options{Linearizable: true}).Check(t.Context(), h)
		if known != (len(r.Anomalies) == 1 && r.Anomalies[0].Name == StaleRead) {
			t.Fatalf("known %v: %v %+v\n%v", known, r.Verdict, r.Anomalies, h.Ops)
		}
		if known {
			done[StaleRead]++
		}
	}
	for _, name := range []string{Lost, Duplicate, Unexpected, DirtyRead, StaleRead} {
		if done[name] < 1000 {
			t.Errorf("%s was only tried %d times", name, done[name])
		}
	}
}

// acknowledged reports whether the element that the last read of g lacks, and that
// of h has, was acknowledged.
func acknowledged(h, g *history.History) bool {
	for _, v := range h.Ops[len(h.Ops)-1].Value.Elems() {
		if !slices.ContainsFunc(g.Ops[len(g.Ops)-1].Value.Elems(), v.Equal) {
			return slices.ContainsFunc(h.Ops, func(op history.Op) bool { return op.F == "add" && op.Type == history.OK && op.Value.Equal(v) })
		}
	}
	return false
}

func TestElements(t *testing.T) {
	t.Parallel()
	for want, vs := range map[string][]history.Value{
		"#{}": nil, "#{1}": {history.Int(1)}, "#{1..2}": {history.Int(2), history.Int(1)},
		`#{-1..1 3 "a"}`: {history.String("a"), history.Int(3), history.Int(0), history.Int(-1), history.Int(1)},
	} {
		if got := Elements(vs).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestHostile feeds the checkers with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, c := range []checkers.Checker{New(Options{}), New(Options{Linearizable: true}), NewLast()} {
		hostile.Feed(t, confirm.Checked(t, c), []string{"add", "read"}, []history.Value{history.Int(1), history.Int(2), history.Ints(1, 3), history.Ints(2, 2)})
	}
}

// big makes a history of n operations, of which one in every is a read of the
// latest elements, at most as many as width.
func big(n, every, width int) *history.History {
	h := &history.History{Ops: make([]history.Op, 0, 2*n)}
	record := func(op history.Op) {
		op.Index, op.Time = len(h.Ops), int64(len(h.Ops))*1000
		h.Ops = append(h.Ops, op)
	}
	added := int64(0)
	for i := range n {
		op := history.Op{Process: history.Process(i % 20), F: "add", Value: history.Int(added)}
		if i%every == every-1 || i == n-1 {
			op.F, op.Value = "read", history.Nil
			record(op)
			var elems []history.Value
			for v := max(0, added-int64(width)); v < added; v++ {
				elems = append(elems, history.Int(v))
			}
			op.Value = history.List(elems...)
		} else {
			record(op)
			added++
		}
		op.Type = history.OK
		record(op)
	}
	return h
}

// BenchmarkSet judges a million operations: with few reads of nearly everything,
// and with many reads of nearly nothing, where comparing each read with each element
// would take hours.
func BenchmarkSet(b *testing.B) {
	for _, bb := range []struct{ every, width int }{{100_000, 1_000_000}, {2, 3}} {
		h := big(1_000_000, bb.every, bb.width)
		for _, c := range []checkers.Checker{New(Options{Linearizable: true}), NewLast()} {
			confirm.Bench(b, fmt.Sprintf("%s/every%d", c.Name(), bb.every), c, h)
		}
	}
}
