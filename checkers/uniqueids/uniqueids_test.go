package uniqueids

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
		confirm.Result(t, h, r)
		report, err := Check(t.Context(), h)
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

// equal looks at every pair of calls that were ok.
func equal(h *history.History) checkers.Verdict {
	truth := checkers.Unknown
	for i, a := range h.Ops {
		if a.Type != history.OK {
			continue
		}
		if truth == checkers.Unknown {
			truth = checkers.OK
		}
		for _, b := range h.Ops[i+1:] {
			if b.Type == history.OK && a.Value.Equal(b.Value) && a.Key.Equal(b.Key) {
				truth = checkers.Invalid
			}
		}
	}
	return truth
}

// ids compares the checker with the definition.
var ids = confirm.Oracle{
	Family: confirm.Family{Definition: Name, Anomalies: []string{Duplicate}}, Checker: New(Options{}), Truth: equal,
	Make: func(choose confirm.Choose, calls int) *history.History {
		return confirm.History(choose, calls, func() history.Op {
			return history.Op{F: "generate", Value: history.Nil, Key: []history.Value{{}, {}, {}, history.Int(1)}[choose(4)]}
		}, func(op history.Op) history.Op {
			if op.Type = choose.Outcome(); op.Type == history.OK {
				op.Value = history.Int(int64(choose(8)))
			}
			return op
		})
	},
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	ids.Agrees(t, 100_000, 2, 8)
}

func FuzzUniqueIDs(f *testing.F) { ids.Fuzz(f) }

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
	hostile.Feed(t, confirm.Checked(t, New(Options{})), []string{"generate"}, []history.Value{history.Int(1), history.Int(2), history.Int(3)})
}

// BenchmarkUniqueIDs judges a million identifiers: numbers that rise, and texts.
func BenchmarkUniqueIDs(b *testing.B) {
	for name, value := range map[string]func(n int) history.Value{
		"numbers": func(n int) history.Value { return history.Int(int64(n)) },
		"texts":   func(n int) history.Value { return history.String(fmt.Sprintf("%x-%x", n%97, n)) },
	} {
		h := new(history.History)
		for n := range 1_000_000 {
			op := history.Op{Index: 2 * n, Process: history.Process(n % 20), F: "generate", Value: history.Nil}
			h.Ops = append(h.Ops, op)
			op.Index, op.Type, op.Value = op.Index+1, history.OK, value(n)
			h.Ops = append(h.Ops, op)
		}
		confirm.Bench(b, name, New(Options{}), h)
	}
}
