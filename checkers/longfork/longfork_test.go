package longfork

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/oracle"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
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
		report, err := Check(h, Options{})
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
	}
	t.Logf("%d histories agree; nothing to judge in %v; reads of what was not written in %v", len(cases)-len(idle)-len(dirty), idle, dirty)
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

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	verdicts, long := map[checkers.Verdict]int{}, map[string]int{}
	for range 5000 {
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
		if r := New(Options{}).Check(t.Context(), h); r.Verdict != checkers.Invalid || r.Anomalies[0].Name != LongFork {
			t.Fatalf("%v %+v", r.Verdict, r.Anomalies)
		}
	}
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	mop := func(f string, k, v int64) history.Value {
		return history.List(history.Keyword(f), history.Int(k), history.Int(v))
	}
	hostile.Feed(t, New(Options{}), []string{"txn"}, []history.Value{
		history.List(mop("w", 0, 1)), history.List(mop("w", 1, 1)), history.List(mop("r", 0, 1), history.List(history.Keyword("r"), history.Int(1), history.Nil)),
		history.List(mop("r", 1, 1), history.List(history.Keyword("r"), history.Int(0), history.Nil)),
	})
}
