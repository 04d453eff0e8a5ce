package longfork

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/confirm"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/longfork.txt", func(d *datadriven.TestData) checkers.Checker {
		var opts Options
		if d.HasArg("size") {
			d.ScanArgs(t, "size", &opts.GroupSize)
		}
		return New(opts)
	})
}

// TestJepsen compares verdicts and results with those of Jepsen. We may find a
// history invalid that Jepsen lets pass only if a read returned what nobody wrote,
// or what was only written by transactions that failed. No isolation level that a
// test of long forks is about (parallel snapshot isolation and above) allows that:
// it is an aborted read, G1a, where it is not thin air. Jepsen looks at reads only.
func TestJepsen(t *testing.T) {
	t.Parallel()
	var idle, dirty []string
	cases := append(oracle.Vectors(t, "jepsen-long-fork"), oracle.Jepsen(t, "jepsen-long-fork")...)
	for _, c := range cases {
		h := c.Parse(t)
		r := New(Options{}).Check(t.Context(), h)
		if _, err := h.Calls(); err == nil {
			confirm.Result(t, h, r)
		}
		report, err := Check(t.Context(), h, Options{})
		switch {
		case r.Verdict == checkers.Unknown && err == nil && report.Reads == 0 && c.Expect.Valid == true:
			idle = append(idle, c.ID)
			continue
		case err == nil && report.ForkCount == 0 && report.aborted+report.unexpected > 0 && c.Expect.Valid == true:
			dirty = append(dirty, c.ID)
		case err != nil || r.Verdict.String() != c.Verdict():
			t.Errorf("%s: %v %v %+v, Jepsen says %v\n%s", c.ID, r.Verdict, err, r.Anomalies, c.Expect.Valid, c.History)
		}
		v := oracle.Value(t, c.Expect.Result)
		got := fmt.Sprint(report.Reads, report.Early, report.Late)
		if want := fmt.Sprint(v.Get("reads-count"), v.Get("early-read-count"), v.Get("late-read-count")); got != want {
			t.Errorf("%s: %s, Jepsen says %s\n%s", c.ID, got, want, c.History)
		}
		if _, err := h.Calls(); err == nil { // in others, nobody knows which read a completion ends
			forks(t, c.ID, h, report, v)
		}
	}
	t.Logf("%d histories agree; nothing to judge in %v; reads of what was not written in %v", len(cases)-len(idle)-len(dirty), idle, dirty)
}

// forks compares our forks, one for each group of keys, with all the pairs of reads
// that Jepsen lists.
func forks(t *testing.T, id string, h *history.History, report Report, v history.Value) {
	pairs, groups := map[[2]int]bool{}, map[string]bool{}
	for _, pair := range v.Get("forks").Elems() {
		var ops [2]int
		for i, op := range pair.Elems() {
			n, _ := op.Get("index").Int()
			ops[i] = invocation(h, int(n))
			var keys []string
			for _, m := range op.Get("value").Elems() {
				keys = append(keys, m.Elems()[1].String())
			}
			slices.Sort(keys)
			groups[fmt.Sprint(keys)] = true
		}
		slices.Sort(ops[:])
		pairs[ops] = true
	}
	if len(groups) != report.ForkCount {
		t.Errorf("%s: %d groups fork, Jepsen says %d", id, report.ForkCount, len(groups))
	}
	for _, f := range report.Forks {
		if len(f) != 2 || !pairs[[2]int{f[0], f[1]}] {
			t.Errorf("%s: %v is a fork, but not to Jepsen: %v", id, f, pairs)
		}
	}
}

// invocation returns where the call began that ended at an index.
func invocation(h *history.History, end int) int {
	for i := end; ; i-- {
		if h.Ops[i].Type == history.Invoke && h.Ops[i].Process == h.Ops[end].Process {
			return i
		}
	}
}

// TestElleCorpus judges the history that comes with elle-cli.
func TestElleCorpus(t *testing.T) {
	t.Parallel()
	f, err := os.Open(oracle.Path(t, "corpora", "elle-cli", "jepsen", "long-fork.edn"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := history.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if r := New(Options{GroupSize: 3}).Check(t.Context(), h); r.Verdict != checkers.Invalid {
		t.Errorf("%v %s %+v", r.Verdict, r.Reason, r.Anomalies)
	}
}

// random makes a history of n keys that are written at once, and of reads that
// are snapshots of one order, but for a part that lies. The writes are ok, or
// their outcome is unknown.
func random(rng *rand.Rand, n int, lies float64) (h *history.History, order []int) {
	h = new(history.History)
	call := func(typ history.Type, in, out history.Value) {
		op := history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)), Process: history.Process(len(h.Ops)), F: "txn", Value: in}
		h.Ops = append(h.Ops, op)
		op.Index, op.Type, op.Value = op.Index+1, typ, out
		h.Ops = append(h.Ops, op)
	}
	order = rng.Perm(n)
	for k := range n {
		v := history.List(history.List(history.Keyword("w"), history.Int(int64(k)), history.Int(1)))
		call([]history.Type{history.OK, history.Info}[rng.IntN(2)], v, v)
	}
	for range rng.IntN(6) {
		at := rng.IntN(n + 1)
		var mops []history.Value
		for k := range n {
			if rng.IntN(3) == 0 {
				continue
			}
			v := history.Nil
			if (order[k] < at) != (rng.Float64() < lies) {
				v = history.Int(1)
			}
			mops = append(mops, history.List(history.Keyword("r"), history.Int(int64(k)), v))
		}
		if len(mops) > 0 {
			call(history.OK, history.Nil, history.List(mops...))
		}
	}
	return h, order
}

// explainable tries all orders of the writes.
func explainable(t *testing.T, h *history.History, n int) bool {
	var try func(order []int) bool
	try = func(order []int) bool {
		if len(order) == n {
			return prefixes(t, h, order)
		}
		for k := range n {
			if !contains(order, k) && try(append(order[:len(order):len(order)], k)) {
				return true
			}
		}
		return false
	}
	return try(nil)
}

func contains(list []int, k int) bool {
	for _, x := range list {
		if x == k {
			return true
		}
	}
	return false
}

// prefixes reports whether every read is a prefix of the order.
func prefixes(t *testing.T, h *history.History, order []int) bool {
	place := make([]int, len(order))
	for i, k := range order {
		place[k] = i
	}
	for i := range h.Ops {
		if h.Ops[i].Type != history.OK {
			continue
		}
		last, first := -1, len(order) // the last that it has, the first that it has not
		list, err := mops(&h.Ops[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			k, _ := m.key.Int()
			switch {
			case m.write:
			case m.value.IsNil():
				first = min(first, place[k])
			default:
				last = max(last, place[k])
			}
		}
		if last > first {
			return false
		}
	}
	return true
}

func TestCores(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	verdicts, long := map[checkers.Verdict]int{}, map[string]int{}
	for range 3000 {
		n := 1 + rng.IntN(5)
		h, _ := random(rng, n, 0.15)
		r := New(Options{}).Check(t.Context(), h)
		if want := explainable(t, h, n); want == (r.Verdict == checkers.Invalid) {
			t.Fatalf("%v, explainable %v: %+v\n%v", r.Verdict, want, r.Anomalies, h.Ops)
		}
		verdicts[r.Verdict]++
		for _, a := range r.Anomalies {
			long[strconv.Itoa(len(a.Ops))]++
			only := &history.History{}
			for _, i := range a.Ops {
				only.Ops = append(only.Ops, h.Ops[i], h.Ops[i+1])
			}
			if explainable(t, only, n) {
				t.Fatalf("%+v proves nothing\n%v", a, h.Ops)
			}
			if only.Ops = only.Ops[2:]; !explainable(t, only, n) {
				t.Fatalf("%+v needs less\n%v", a, h.Ops)
			}
		}
	}
	t.Log(verdicts, "reads in a fork:", long)
}

// small makes a history of three keys, each written at most once for good, and of
// reads of two of them, mostly.
func small(choose confirm.Choose, calls int) *history.History {
	mop := func(f string, k int, v history.Value) history.Value {
		return history.List(history.Keyword(f), history.Int(int64(k)), v)
	}
	written := map[int]bool{}
	return confirm.History(choose, calls, func() history.Op {
		if choose(3) > 0 {
			return history.Op{F: "read", Value: history.Nil}
		}
		k := choose(3)
		v := history.Int(1)
		if written[k] {
			v = history.Int(2) // which must fail, then
		}
		written[k] = true
		return history.Op{F: "write", Value: history.List(mop("w", k, v))}
	}, func(op history.Op) history.Op {
		op.Type = choose.Outcome()
		if op.F == "write" {
			if v, _ := op.Value.Elems()[0].Elems()[2].Int(); v == 2 {
				op.Type = history.Fail
			}
			return op
		}
		first, n := choose(3), []int{2, 2, 1, 3}[choose(4)]
		var mops []history.Value
		for i := range n {
			v := []history.Value{history.Nil, history.Int(1), history.Int(2)}[[]int{0, 1, 0, 1, 0, 1, 0, 1, 2}[choose(9)]]
			mops = append(mops, mop("r", (first+i)%3, v))
		}
		op.Value = history.List(mops...)
		return op
	})
}

// truth judges by the definition: each value that was read was written, by a
// transaction that did not fail, and there is an order of the three keys of which each
// read is a prefix. Without any writes, what was read counts as written.
func truth(h *history.History) checkers.Verdict {
	calls, _ := h.Calls()
	const keys, values = 3, 3
	var written [keys][values]bool
	some, reads, odd := false, 0, false
	for _, c := range calls {
		if c.Invoke.F == "write" {
			some = true
			m := c.Invoke.Value.Elems()[0].Elems()
			k, _ := m[1].Int()
			v, _ := m[2].Int()
			written[k][v] = written[k][v] || c.Type() != history.Fail
		}
	}
	orders := [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	var found [keys]int64
	for _, c := range calls {
		if c.Invoke.F != "read" || c.Type() != history.OK {
			continue
		}
		reads++
		var has, lacks [keys]bool
		for _, m := range c.Value().Elems() {
			k, _ := m.Elems()[1].Int()
			v, ok := m.Elems()[2].Int()
			has[k], lacks[k] = has[k] || ok, lacks[k] || !ok
			odd = odd || ok && some && !written[k][v]
			if ok && !some {
				if found[k] != 0 && found[k] != v {
					return checkers.Unknown
				}
				found[k] = v
			}
		}
		orders = slices.DeleteFunc(orders, func(order []int) bool {
			last, first := -1, keys
			for place, k := range order {
				if has[k] {
					last = place
				}
				if lacks[k] {
					first = min(first, place)
				}
			}
			return last > first
		})
	}
	switch {
	case reads == 0:
		return checkers.Unknown
	case odd || len(orders) == 0:
		return checkers.Invalid
	default:
		return checkers.OK
	}
}

var definition = confirm.Oracle{
	Family:  confirm.Family{Definition: Name, Anomalies: []string{LongFork, Aborted, Unexpected}},
	Checker: New(Options{}), Make: small, Truth: truth,
	Context: []string{LongFork, Unexpected}, // without a write, what was read counts as written; see TestCores
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	definition.Agrees(t, 100_000, 1, 7)
}

func FuzzLongFork(f *testing.F) { definition.Fuzz(f) }

// TestMutations lets one read see a later write without an earlier one that
// another read saw alone.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		n := 2 + rng.IntN(4)
		h, order := random(rng, n, 0)
		if r := New(Options{}).Check(t.Context(), h); r.Verdict == checkers.Invalid {
			t.Fatalf("flagged before: %+v", r.Anomalies)
		}
		a, b := rng.IntN(n), rng.IntN(n-1)
		if b >= a {
			b++
		}
		if order[a] > order[b] {
			a, b = b, a
		}
		read := func(has, lacks int) history.Value {
			return history.List(history.List(history.Keyword("r"), history.Int(int64(has)), history.Int(1)), history.List(history.Keyword("r"), history.Int(int64(lacks)), history.Nil))
		}
		for _, v := range []history.Value{read(a, b), read(b, a)} {
			op := history.Op{Index: len(h.Ops), Process: history.Process(len(h.Ops)), F: "txn", Value: history.Nil}
			h.Ops = append(h.Ops, op)
			op.Index, op.Type, op.Value = op.Index+1, history.OK, v
			h.Ops = append(h.Ops, op)
		}
		r := New(Options{}).Check(t.Context(), h)
		if r.Verdict != checkers.Invalid || r.Anomalies[0].Name != LongFork {
			t.Fatalf("%v %+v", r.Verdict, r.Anomalies)
		}
		confirm.Result(t, h, r)
	}
}

// TestDirtyReads has a write fail whose value was read, and a read return what was not
// written.
func TestDirtyReads(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	done := map[string]int{}
	for done[Aborted] < 300 || done[Unexpected] < 300 {
		n := 1 + rng.IntN(4)
		h, _ := random(rng, n, 0)
		i := rng.IntN(len(h.Ops)/2)*2 + 1
		list, _ := mops(&h.Ops[i])
		at := slices.IndexFunc(list, func(m mop) bool { return !m.write && !m.value.IsNil() })
		if at < 0 {
			continue
		}
		want := Aborted
		if rng.IntN(2) == 0 {
			k, _ := list[at].key.Int()
			h.Ops[2*k+1].Type = history.Fail
		} else {
			want = Unexpected
			h.Ops[i].Value.Elems()[at] = history.List(history.Keyword("r"), list[at].key, history.Int(7))
		}
		r := New(Options{}).Check(t.Context(), h)
		if r.Verdict != checkers.Invalid || r.Anomalies[0].Name != want {
			t.Fatalf("%v %+v, want %s\n%v", r.Verdict, r.Anomalies, want, h.Ops)
		}
		confirm.Result(t, h, r)
		done[want]++
	}
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	mop := func(f string, k, v int64) history.Value {
		return history.List(history.Keyword(f), history.Int(k), history.Int(v))
	}
	hostile.Feed(t, confirm.Checked(t, New(Options{})), []string{"txn"}, []history.Value{
		history.List(mop("w", 0, 1)), history.List(mop("w", 1, 1)), history.List(mop("r", 0, 1), history.List(history.Keyword("r"), history.Int(1), history.Nil)),
		history.List(mop("r", 1, 1), history.List(history.Keyword("r"), history.Int(0), history.Nil)),
	})
}

// BenchmarkLongFork judges a million transactions: writes of one key each, and reads
// of groups of two while they are written.
func BenchmarkLongFork(b *testing.B) {
	h := &history.History{Ops: make([]history.Op, 0, 2_000_000)}
	mop := func(f string, k int, v history.Value) history.Value {
		return history.List(history.Keyword(f), history.Int(int64(k)), v)
	}
	one := history.Int(1)
	for n := range 1_000_000 {
		k := n / 8 * 2
		read := func(v, w history.Value) history.Value { return history.List(mop("r", k, v), mop("r", k+1, w)) }
		op := history.Op{Index: 2 * n, Time: int64(n) * 1000, Process: history.Process(n % 20), F: "txn", Value: history.Nil}
		var done history.Value
		switch n % 8 {
		case 1:
			op.Value = history.List(mop("w", k, one))
			done = op.Value
		case 4:
			op.Value = history.List(mop("w", k+1, one))
			done = op.Value
		case 0:
			done = read(history.Nil, history.Nil)
		case 2, 3:
			done = read(one, history.Nil)
		default:
			done = read(one, one)
		}
		h.Ops = append(h.Ops, op)
		op.Index, op.Type, op.Value = op.Index+1, history.OK, done
		h.Ops = append(h.Ops, op)
	}
	confirm.Bench(b, Name, New(Options{GroupSize: 2}), h)
}
