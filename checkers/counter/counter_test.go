package counter

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
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
	script.Run(t, "testdata/counter.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{Eventual: d.HasArg("eventual")})
	})
}

// TestJepsen compares verdicts, reads and errors with those of Jepsen.
func TestJepsen(t *testing.T) {
	t.Parallel()
	var idle []string
	cases := append(oracle.Vectors(t, "jepsen-counter"), oracle.Jepsen(t, "jepsen-counter")...)
	for _, c := range cases {
		h := c.Parse(t)
		r := New(Options{}).Check(t.Context(), h)
		confirm.Result(t, h, r)
		report, err := Check(t.Context(), h, Options{})
		switch {
		case r.Verdict == checkers.Unknown && report.ReadCount == 0 && c.Expect.Valid == true:
			idle = append(idle, c.ID)
			continue
		case err != nil || r.Verdict.String() != c.Verdict():
			t.Errorf("%s: %v %v, Jepsen says %v\n%s", c.ID, r.Verdict, err, c.Expect.Valid, c.History)
		}
		v := oracle.Value(t, c.Expect.Result)
		got := fmt.Sprint(report.Reads, " ", report.Errors)
		want := fmt.Sprint(v.Get("reads"), " ", v.Get("errors"))
		if got != want {
			t.Errorf("%s: %s, Jepsen says %s\n%s", c.ID, got, want, c.History)
		}
	}
	t.Logf("%d histories agree; nothing to judge in %v", len(cases)-len(idle), idle)
}

// TestElleCorpus judges the counter that comes with elle-cli in both formats.
// It is never read, so elle-cli lets it pass and we do not.
func TestElleCorpus(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"counter.edn", "counter.json"} {
		f, err := os.Open(oracle.Path(t, "corpora", "elle-cli", "jepsen", file))
		if err != nil {
			t.Fatal(err)
		}
		h, err := history.Read(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if r := New(Options{}).Check(t.Context(), h); r.Verdict != checkers.Unknown {
			t.Errorf("%s: %v %s %+v", file, r.Verdict, r.Reason, r.Anomalies)
		}
	}
}

// maker simulates a counter: an amount takes effect at once or, if its outcome
// is unknown, maybe. Reads that lie are rare or never.
type maker struct {
	rng   *rand.Rand
	ops   []history.Op
	open  []history.Op
	value int64
	lies  float64
}

func (m *maker) record(op history.Op) {
	op.Index, op.Time = len(m.ops), int64(len(m.ops))*1e6
	m.ops = append(m.ops, op)
}

func (m *maker) begin(p int, final bool) {
	op := history.Op{Process: history.Process(p), F: "read", Final: final}
	if !final && m.rng.IntN(2) == 0 {
		op.F, op.Value = "add", history.Int(int64(m.rng.IntN(13)-5))
	}
	m.record(op)
	m.open = append(m.open, op)
}

func (m *maker) end() {
	i := m.rng.IntN(len(m.open))
	op := m.open[i]
	m.open = slices.Delete(m.open, i, i+1)
	n, adds := op.Value.Int()
	op.Type = []history.Type{history.OK, history.OK, history.OK, history.Info, history.Fail}[m.rng.IntN(5)]
	switch {
	case adds && (op.Type == history.OK || op.Type == history.Info && m.rng.IntN(2) == 0):
		m.value += n
	case !adds:
		op.Type, op.Value = history.OK, history.Int(m.value)
		if m.rng.Float64() < m.lies {
			op.Value = history.Int(m.value + int64(m.rng.IntN(21)-10))
		}
	}
	m.record(op)
}

// random makes a history of up to n calls and two final reads.
func random(rng *rand.Rand, n int, lies float64) *history.History {
	m := &maker{rng: rng, lies: lies}
	for p := range n {
		m.begin(p, false)
		for len(m.open) > 0 && rng.IntN(2) == 0 {
			m.end()
		}
	}
	for len(m.open) > 0 {
		m.end()
	}
	for p := range 2 {
		m.begin(n+p, true)
		m.end()
	}
	return &history.History{Ops: m.ops}
}

// allowed decides by the definition: a read may be any sum of what must be in it
// and some choice of what may be in it. For a counter, which is judged by bounds,
// every value between the least and the greatest of these sums is allowed.
func allowed(calls []history.Call, read history.Call, opts Options) bool {
	sums := map[int64]bool{0: true}
	least, most := int64(0), int64(0)
	for _, c := range calls {
		n, adds, _ := amount(c.Invoke)
		if !adds || c.Type() == history.Fail || c.Invoke.Index > read.Complete.Index {
			continue
		}
		must := c.Type() == history.OK && c.Complete.Index < read.Invoke.Index && (!opts.Eventual || read.Invoke.Final)
		next := map[int64]bool{}
		for s := range sums {
			next[s+n] = true
			if !must {
				next[s] = true
			}
		}
		sums = next
	}
	for s := range sums {
		least, most = s, s
		break
	}
	for s := range sums {
		least, most = min(least, s), max(most, s)
	}
	v, _ := read.Complete.Value.Int()
	if opts.Eventual && read.Invoke.Final {
		return sums[v]
	}
	return least <= v && v <= most
}

func TestReads(t *testing.T) {
	t.Parallel()
	for _, opts := range []Options{{}, {Eventual: true}} {
		t.Run(fmt.Sprintf("eventual=%v", opts.Eventual), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, 2))
			verdicts := map[checkers.Verdict]int{}
			for range 3000 {
				h := random(rng, rng.IntN(12), 0.3)
				calls, err := checkers.Paired(h)
				if err != nil {
					t.Fatal(err)
				}
				want := 0
				for _, c := range calls {
					if c.Invoke.F == "read" && !allowed(calls, c, opts) {
						want++
					}
				}
				report, err := Check(t.Context(), h, opts)
				if err != nil || report.ErrorCount != want {
					t.Fatalf("%d errors, want %d (%v)\n%+v\n%v", report.ErrorCount, want, err, report, h.Ops)
				}
				verdicts[report.result(opts).Verdict]++
				for _, a := range report.Anomalies {
					proves(t, h, a, opts)
				}
			}
			t.Log(verdicts)
		})
	}
}

// small makes a history of small amounts and reads, of which some are final.
func small(choose confirm.Choose, calls int) *history.History {
	return confirm.History(choose, calls, func() history.Op {
		if choose(2) == 0 {
			return history.Op{F: "read", Value: history.Nil, Final: choose(2) == 0}
		}
		n := []int64{1, 2, 5, -1, -3}[choose(5)]
		if n == 1 {
			return history.Op{F: "increment", Value: history.Nil}
		}
		return history.Op{F: "add", Value: history.Int(n)}
	}, func(op history.Op) history.Op {
		op.Type = choose.Outcome()
		if op.F == "read" {
			op.Type, op.Value = history.OK, history.Int([]int64{0, 1, 2, 3, -1, 5, 4}[choose(7)])
		}
		return op
	})
}

// oracles are the checkers with their definition, which is allowed.
func oracles() map[string]confirm.Oracle {
	all := map[string]confirm.Oracle{}
	for _, opts := range []Options{{}, {Eventual: true}} {
		c := New(opts)
		f := confirm.Family{Definition: c.Name(), Anomalies: []string{Undercount, Overcount, Impossible}}
		all[c.Name()] = confirm.Oracle{Family: f, Checker: c, Make: small, Context: []string{Impossible}, Truth: func(h *history.History) checkers.Verdict {
			calls, _ := h.Calls()
			truth := checkers.Unknown
			for _, c := range calls {
				if c.Invoke.F == "read" && !allowed(calls, c, opts) {
					return checkers.Invalid
				}
				if c.Invoke.F == "read" && (!opts.Eventual || c.Invoke.Final) {
					truth = checkers.OK
				}
			}
			return truth
		}}
	}
	return all
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	for name, o := range oracles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Agrees(t, 50_000, 2, 7)
		})
	}
}

func FuzzCounter(f *testing.F) { oracles()[PNName].Fuzz(f) }

// proves sees that the operations of an anomaly are invalid by themselves, and
// that none of the additions among them can be left out.
func proves(t *testing.T, h *history.History, a checkers.Anomaly, opts Options) {
	t.Helper()
	if a.Name == Impossible {
		return
	}
	found := func(without int) bool {
		r := New(opts).Check(t.Context(), only(h, a.Ops, without))
		return len(r.Anomalies) > 0 && r.Anomalies[0].Name == a.Name
	}
	if !found(-1) {
		t.Fatalf("%+v does not stand by itself\n%v", a, h.Ops)
	}
	for _, i := range a.Ops {
		if h.Ops[i].F == "add" && found(i) {
			t.Fatalf("%+v does not need %d\n%v", a, i, h.Ops)
		}
	}
}

// only returns the calls of h that were invoked at the given indices.
func only(h *history.History, ops []int, without int) *history.History {
	small := new(history.History)
	keep := map[history.Process]bool{}
	for _, op := range h.Ops {
		if op.Type == history.Invoke {
			keep[op.Process] = slices.Contains(ops, op.Index) && op.Index != without
		}
		if keep[op.Process] {
			small.Ops = append(small.Ops, op)
		}
	}
	return small
}

// TestMutations moves one read of a valid history over one of its bounds.
func TestMutations(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		move func(b Bounds, by int64) int64
	}{
		{Undercount, func(b Bounds, by int64) int64 { return b[0] - by }},
		{Overcount, func(b Bounds, by int64) int64 { return b[2] + by }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(5, 6))
			for range 1000 {
				h := random(rng, 20, 0)
				report, err := Check(t.Context(), h, Options{})
				if err != nil || report.ErrorCount > 0 {
					t.Fatalf("flagged before: %v %+v", err, report.Anomalies)
				}
				var reads []int // records, in the order of the report
				for i, op := range h.Ops {
					if op.F == "read" && op.Type == history.OK {
						reads = append(reads, i)
					}
				}
				n := rng.IntN(len(reads))
				at, b := reads[n], report.Reads[n]
				h.Ops[at].Value = history.Int(tc.move(b, 1+rng.Int64N(5)))
				r := New(Options{}).Check(t.Context(), h)
				if len(r.Anomalies) != 1 || r.Anomalies[0].Name != tc.name {
					t.Fatalf("%v %+v, want %s", r.Verdict, r.Anomalies, tc.name)
				}
			}
		})
	}
}

// TestSums compares sums with all choices.
func TestSums(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		amounts := make([]int64, rng.IntN(9))
		want := map[int64]bool{0: true}
		for i := range amounts {
			amounts[i] = int64(rng.IntN(300) - 150)
			next := map[int64]bool{}
			for s := range want {
				next[s], next[s+amounts[i]] = true, true
			}
			want = next
		}
		r := sums(amounts)
		for n := int64(-1400); n <= 1400; n++ {
			if r.has(n) != want[n] {
				t.Fatalf("%v: has %d is %v", amounts, n, r.has(n))
			}
		}
		listed := int64(0)
		for _, x := range r.list(0) {
			listed += x[1] - x[0] + 1
		}
		if int(listed) != len(want) {
			t.Fatalf("%v: %v are not %d values", amounts, r.list(0), len(want))
		}
	}
	if r := sums([]int64{1 << 30, -1 << 30}); r.known() || len(r.list(0)) != 1 {
		t.Error("what is too large a bitmap must not be known")
	}
	if s := strings.TrimSpace(fmt.Sprint(sums(nil).list(7))); s != "[[7 7]]" {
		t.Error(s)
	}
}

// TestHostile feeds the checker with what makes no sense.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, eventual := range []bool{false, true} {
		hostile.Feed(t, confirm.Checked(t, New(Options{Eventual: eventual})), []string{"read", "add", "increment", "decrement"}, []history.Value{history.Int(1), history.Int(3), history.Int(-2)})
	}
}

// TestUndecided has so many large amounts open that nobody can try them.
func TestUndecided(t *testing.T) {
	t.Parallel()
	h := new(history.History)
	for p := range 30 {
		h.Ops = append(h.Ops, history.Op{Index: p, Process: history.Process(p), F: "add", Value: history.Int(1<<30 + int64(p))})
	}
	for _, typ := range []history.Type{history.Invoke, history.OK} {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Process: 30, Type: typ, F: "read", Value: history.Int(5), Final: true})
	}
	r := New(Options{Eventual: true}).Check(t.Context(), h)
	if r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, "30 amounts are open") {
		t.Errorf("%v %s", r.Verdict, r.Reason)
	}
	confirm.Family{Definition: PNName, Anomalies: []string{Impossible}}.Refuses(t, h, checkers.OK, rand.New(rand.NewPCG(1, 1)).IntN)
}

// TestImpossible has final reads of a pn-counter be an odd number, where all amounts
// are even.
func TestImpossible(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	for done := 0; done < 1000; {
		h := random(rng, 8, 0)
		for i := range h.Ops {
			if n, ok := h.Ops[i].Value.Int(); ok {
				h.Ops[i].Value = history.Int(2 * n)
			}
		}
		c := New(Options{Eventual: true})
		if r := c.Check(t.Context(), h); r.Verdict != checkers.OK {
			t.Fatalf("flagged before: %+v\n%v", r.Anomalies, h.Ops)
		}
		report, _ := Check(t.Context(), h, Options{Eventual: true})
		b := report.Reads[len(report.Reads)-1]
		if b[0] == b[2] {
			continue
		}
		n := b[1] + 1
		if n > b[2] {
			n = b[1] - 1
		}
		h.Ops[len(h.Ops)-1].Value = history.Int(n)
		r := c.Check(t.Context(), h)
		if len(r.Anomalies) != 1 || r.Anomalies[0].Name != Impossible {
			t.Fatalf("%v %+v\n%v", r.Verdict, r.Anomalies, h.Ops)
		}
		confirm.Result(t, h, r)
		done++
	}
}

// BenchmarkCounter judges a million operations, a third of them reads.
func BenchmarkCounter(b *testing.B) {
	h := &history.History{Ops: make([]history.Op, 0, 2_000_000)}
	sum := int64(0)
	for n := range 1_000_000 {
		op := history.Op{Index: 2 * n, Time: int64(n) * 1000, Process: history.Process(n % 20), F: "add", Value: history.Int(int64(n % 7)), Final: n > 999_000}
		if n%3 == 0 || op.Final {
			op.F, op.Value = "read", history.Nil
		}
		h.Ops = append(h.Ops, op)
		if op.F == "read" {
			op.Value = history.Int(sum)
		} else {
			sum += int64(n % 7)
		}
		op.Index, op.Type = op.Index+1, history.OK
		h.Ops = append(h.Ops, op)
	}
	for _, opts := range []Options{{}, {Eventual: true}} {
		c := New(opts)
		confirm.Bench(b, c.Name(), c, h)
	}
}
