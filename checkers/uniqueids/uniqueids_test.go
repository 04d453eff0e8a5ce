package uniqueids

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
	script.Run(t, "testdata/uniqueids.txt", func(*datadriven.TestData) checkers.Checker { return New(Options{}) })
}

// TestJepsen compares verdicts and results with those of Jepsen.
func TestJepsen(t *testing.T) {
	t.Parallel()
	var idle []string
	cases := append(oracle.Vectors(t, "jepsen-unique-ids"), oracle.Jepsen(t, "jepsen-unique-ids")...)
	for _, c := range cases {
		h := c.Parse(t)
		r := New(Options{}).Check(t.Context(), h)
		report, err := Check(h)
		switch {
		case r.Verdict == checkers.Unknown && report.Acknowledged == 0 && c.Expect.Valid == true:
			idle = append(idle, c.ID)
			continue
		case err != nil || r.Verdict.String() != c.Verdict():
			t.Errorf("%s: %v %v, Jepsen says %v\n%s", c.ID, r.Verdict, err, c.Expect.Valid, c.History)
		}
		v := oracle.Value(t, c.Expect.Result)
		got := fmt.Sprint(report.Attempted, report.Acknowledged, report.Duplicated, len(report.Duplicates), report.Range)
		want := fmt.Sprint(v.Get("attempted-count"), v.Get("acknowledged-count"), v.Get("duplicated-count"), len(v.Get("duplicated").Elems())/2, v.Get("range"))
		for kvs := v.Get("duplicated").Elems(); len(kvs) > 0; kvs = kvs[2:] {
			got += fmt.Sprint(" ", kvs[0], report.Duplicates[kvs[0].String()])
			want += fmt.Sprint(" ", kvs[0], kvs[1])
		}
		if got != want {
			t.Errorf("%s: %s, Jepsen says %s\n%s", c.ID, got, want, c.History)
		}
	}
	t.Logf("%d histories agree; nothing to judge in %v", len(cases)-len(idle), idle)
}

// random makes a history of calls, of which those that are ok get values below
// the given number, or all different ones.
func random(rng *rand.Rand, values int) *history.History {
	h := new(history.History)
	for n := range 2 + rng.IntN(20) {
		op := history.Op{Index: 2 * n, Process: history.Process(n), F: "generate", Value: history.Nil}
		h.Ops = append(h.Ops, op)
		op.Index++
		op.Type = []history.Type{history.OK, history.OK, history.OK, history.Fail, history.Info}[rng.IntN(5)]
		op.Value = history.Int(int64(n))
		if values > 0 {
			op.Value = history.Int(rng.Int64N(int64(values)))
		}
		h.Ops = append(h.Ops, op)
	}
	return h
}

// TestAgainstDefinition compares every pair of calls.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		h := random(rng, 60)
		want := checkers.Unknown
		for i, a := range h.Ops {
			if a.Type != history.OK {
				continue
			}
			if want == checkers.Unknown {
				want = checkers.OK
			}
			for _, b := range h.Ops[i+1:] {
				if b.Type == history.OK && a.Value.Equal(b.Value) {
					want = checkers.Invalid
				}
			}
		}
		r := New(Options{}).Check(t.Context(), h)
		if r.Verdict != want {
			t.Fatalf("%v, want %v\n%v", r.Verdict, want, h.Ops)
		}
		for _, a := range r.Anomalies {
			if x, y := h.Ops[a.Ops[0]+1], h.Ops[a.Ops[1]+1]; x.Index == y.Index || !x.Value.Equal(y.Value) {
				t.Fatalf("%+v proves nothing\n%v", a, h.Ops)
			}
		}
	}
}

func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for done := 0; done < 1000; {
		h := random(rng, 0)
		var oks []int
		for i, op := range h.Ops {
			if op.Type == history.OK {
				oks = append(oks, i)
			}
		}
		if len(oks) < 2 {
			continue
		}
		if r := New(Options{}).Check(t.Context(), h); r.Verdict != checkers.OK {
			t.Fatalf("flagged before: %+v", r.Anomalies)
		}
		rng.Shuffle(len(oks), func(i, j int) { oks[i], oks[j] = oks[j], oks[i] })
		h.Ops[oks[0]].Value = h.Ops[oks[1]].Value
		want := []int{oks[0] - 1, oks[1] - 1}
		slices.Sort(want)
		r := New(Options{}).Check(t.Context(), h)
		if r.Verdict != checkers.Invalid || !slices.Equal(r.Anomalies[0].Ops, want) {
			t.Fatalf("%v %+v, want %v", r.Verdict, r.Anomalies, want)
		}
		done++
	}
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, New(Options{}), []string{"generate"}, []history.Value{history.Int(1), history.Int(2), history.Int(3)})
}
