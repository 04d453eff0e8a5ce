package ledger

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/ledger.txt", func(d *datadriven.TestData) checkers.Checker {
		if d.HasArg("notary") {
			return NewNotary()
		}
		opts := Options{Closed: d.HasArg("closed")}
		d.MaybeScanArgs(t, "depth", &opts.Depth)
		d.MaybeScanArgs(t, "reward", &opts.Reward)
		if d.HasArg("inclusion") {
			var ms int64
			d.ScanArgs(t, "inclusion", &ms)
			opts.Inclusion = time.Duration(ms) * time.Millisecond
		}
		if d.HasArg("byzantine") {
			var name string
			d.ScanArgs(t, "byzantine", &name)
			opts.Byzantine = []string{name}
		}
		return New(opts)
	})
}

func randomOptions(rng *rand.Rand) Options {
	opts := Options{Depth: 1 + rng.IntN(3), Reward: 1, Closed: rng.IntN(2) == 0, Delta: time.Duration(rng.IntN(3)) * 4 * time.Millisecond,
		Inclusion: time.Duration(rng.IntN(2)) * 8 * time.Millisecond}
	if rng.IntN(4) == 0 {
		opts.Depth = -1
	}
	if rng.IntN(3) == 0 {
		opts.Byzantine = []string{"n3"}
	}
	return opts
}

// TestAgainstDefinition compares with the definitions on random histories, and
// has a claim of the contrary refused by the verifier each time.
func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	sums, verdicts := map[string]int{}, map[checkers.Verdict]int{}
	for i := range rulestest.Rounds() {
		s := newSim(rng, []int{0, 60, 15}[i%3])
		h := s.run(3 + rng.IntN(11))
		opts := randomOptions(rng)
		if len(h.Ops) == 0 {
			continue
		}
		report, err := Check(t.Context(), h, opts)
		if err != nil {
			t.Fatal(err)
		}
		r := report.result(opts.filled(h))
		verdicts[r.Verdict]++
		want := byDefinition(h, opts)
		if r.Verdict == checkers.Unknown {
			if len(want) > 0 {
				t.Fatalf("unknown, %s, but %v\n%v", r.Reason, want, rulestest.Show(h))
			}
			continue
		}
		forks := report.Broken[FinalityFork]+report.Broken[ConfirmedFork] > 0
		for _, rule := range Anomalies() {
			sums[rule] += min(1, report.Broken[rule])
			hidden := forks && (rule == FinalityReversal || rule == DeepReorg) // the fork says it already
			if got := report.Broken[rule] > 0; got != want[rule] && !(hidden && !got) {
				t.Fatalf("%s: we say %v, want %v, %+v\n%v", rule, got, want[rule], opts, rulestest.Show(h))
			}
		}
		claim := rulestest.Confirm(t, h, r)
		if i%500 == 0 {
			rulestest.Refuse(t, h, r, Anomalies())
			continue
		}
		claim.Evidence = nil
		if claim.Verdict = checkers.OK; len(want) > 0 {
			if err := rulestest.Try(t, h, claim); err == nil {
				t.Fatalf("confirmed as ok: %v\n%v", want, rulestest.Show(h))
			}
		}
	}
	t.Log(verdicts)
	rulestest.Enough(t, sums, Anomalies())
}

// TestMadeUp sees that no made-up evidence makes a valid history invalid.
func TestMadeUp(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 2))
	opts := Options{Depth: 1, Reward: 1}
	for range 40 {
		s := newSim(rng, 0)
		s.calm = true
		h := s.run(20)
		rulestest.MadeUp(t, rng, h, New(opts).Check(t.Context(), h), Anomalies(), []string{"g", "A", "s", "a", "n1", "t"})
	}
}

// with returns a map with another value under a key.
func with(v history.Value, key string, value history.Value) history.Value {
	var list []history.Value
	done := false
	for i := 0; i < len(v.Elems()); i += 2 {
		k, old := v.Elems()[i], v.Elems()[i+1]
		if k.Text() == key {
			old, done = value, true
		}
		list = append(list, k, old)
	}
	if !done {
		list = append(list, text(key), value)
	}
	return history.Map(list...)
}

// fork lets an observation name another tip: a new block on the given one.
func fork(op *history.Op, on string, height int64, txs ...history.Value) {
	z := rulestest.Fields("id", text("Z"), "parent", text(on), "height", history.Int(height), "txs", history.List(txs...))
	op.Value = with(with(op.Value, "tip", text("Z")), "blocks", history.List(append(slices.Clone(op.Value.Get("blocks").Elems()), z)...))
}

// on lets an observation have a new block with transfers on its tip.
func on(h *history.History, op *history.Op, txs ...history.Value) {
	for _, b := range described(h) {
		if b.Get("id").Equal(op.Value.Get("tip")) {
			height, _ := b.Get("height").Int()
			fork(op, b.Get("id").Text(), height+1, txs...)
			return
		}
	}
}

// described returns all blocks that any observation lists.
func described(h *history.History) []history.Value {
	var list []history.Value
	for i := range h.Ops {
		if h.Ops[i].Type == history.OK {
			list = append(list, h.Ops[i].Value.Get("blocks").Elems()...)
		}
	}
	return list
}

func pay(id, from string, amount, nonce int64) history.Value {
	return rulestest.Fields("id", text(id), "from", text(from), "to", text("b"), "amount", history.Int(amount), "nonce", history.Int(nonce))
}

// corruption breaks one rule in a valid history, and says if there was room.
type corruption func(rng *rand.Rand, h *history.History) bool

// of picks a completion that is ok and holds.
func of(rng *rand.Rand, h *history.History, f string, holds func(op *history.Op) bool) *history.Op {
	var list []*history.Op
	for i := range h.Ops {
		if op := &h.Ops[i]; op.F == f && op.Type == history.OK && holds(op) {
			list = append(list, op)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[rng.IntN(len(list))]
}

func high(op *history.Op) bool { return op.Value.Get("tip").Text() != "g" }
func some(*history.Op) bool    { return true }

func invoked(h *history.History, op *history.Op) *history.Op {
	calls, _ := h.Calls()
	for _, c := range calls {
		if c.Complete == op {
			return c.Invoke
		}
	}
	return nil
}

// two picks two completions of one name: the second began after the first ended,
// through the same node.
func two(rng *rand.Rand, h *history.History, f string, holds func(op *history.Op) bool) (a, b *history.Op) {
	if a = of(rng, h, f, holds); a == nil {
		return nil, nil
	}
	return a, of(rng, h, f, func(op *history.Op) bool { return op.Node == a.Node && invoked(h, op).Index > a.Index })
}

// mined picks a transfer on the chain of an observation.
func onChain(rng *rand.Rand, h *history.History) (op *history.Op, t history.Value) {
	if op = of(rng, h, "observe", high); op == nil {
		return nil, t
	}
	parent := map[string]string{}
	txs := map[string][]history.Value{}
	for _, b := range described(h) {
		parent[b.Get("id").Text()], txs[b.Get("id").Text()] = b.Get("parent").Text(), b.Get("txs").Elems()
	}
	for b := op.Value.Get("tip").Text(); b != ""; b = parent[b] {
		for _, t := range txs[b] {
			if !t.Get("from").IsNil() {
				return op, t
			}
		}
	}
	return nil, t
}

var corruptions = map[string]corruption{
	FinalityFork: func(rng *rand.Rand, h *history.History) bool {
		a, b := of(rng, h, "observe", high), of(rng, h, "observe", some)
		if a == nil || a == b {
			return false
		}
		fork(b, "g", 1)
		a.Value, b.Value = with(a.Value, "finalized", a.Value.Get("tip")), with(b.Value, "finalized", text("Z"))
		return true
	},
	FinalityReversal: func(rng *rand.Rand, h *history.History) bool {
		a, b := two(rng, h, "observe", high)
		if b == nil {
			return false
		}
		a.Value = with(a.Value, "finalized", a.Value.Get("tip"))
		fork(b, "g", 1)
		return true
	},
	ConfirmedFork: func(rng *rand.Rand, h *history.History) bool {
		a, b := of(rng, h, "observe", high), of(rng, h, "observe", some)
		if a == nil || a == b {
			return false
		}
		fork(b, "g", 1)
		return true
	},
	DeepReorg: func(rng *rand.Rand, h *history.History) bool {
		_, b := two(rng, h, "observe", high)
		if b == nil {
			return false
		}
		b.Value = with(b.Value, "tip", text("g"))
		return true
	},
	LighterChain: func(rng *rand.Rand, h *history.History) bool {
		_, b := two(rng, h, "observe", high)
		if b == nil {
			return false
		}
		b.Value = with(with(b.Value, "tip", text("g")), "bound", text("g"))
		return true
	},
	DoubleSpend: func(rng *rand.Rand, h *history.History) bool {
		op, t := onChain(rng, h)
		if op == nil {
			return false
		}
		n, _ := t.Get("nonce").Int()
		on(h, op, pay("zz", t.Get("from").Text(), 0, n))
		return true
	},
	DuplicateTransfer: func(rng *rand.Rand, h *history.History) bool {
		op, t := onChain(rng, h)
		if op != nil {
			on(h, op, t)
		}
		return op != nil
	},
	NegativeBalance: func(rng *rand.Rand, h *history.History) bool {
		op := of(rng, h, "observe", some)
		if op != nil {
			on(h, op, pay("zz", "a", 1000, 77))
		}
		return op != nil
	},
	Inflation: func(rng *rand.Rand, h *history.History) bool {
		op := of(rng, h, "observe", some)
		if op != nil {
			on(h, op, rulestest.Fields("id", text("zz"), "to", text("a"), "amount", history.Int(2)))
		}
		return op != nil
	},
	Conservation: func(rng *rand.Rand, h *history.History) bool {
		op := of(rng, h, "balances", some)
		if op == nil {
			return false
		}
		n, _ := op.Value.Get("accounts").Get("a").Int()
		op.Value = with(op.Value, "accounts", with(op.Value.Get("accounts"), "a", history.Int(n+1)))
		return true
	},
	WrongBalance: func(rng *rand.Rand, h *history.History) bool {
		op := of(rng, h, "balances", some)
		if op == nil {
			return false
		}
		a, _ := op.Value.Get("accounts").Get("a").Int()
		b, _ := op.Value.Get("accounts").Get("b").Int()
		op.Value = with(op.Value, "accounts", with(with(op.Value.Get("accounts"), "a", history.Int(a+1)), "b", history.Int(b-1)))
		return true
	},
	LostTransfer: func(rng *rand.Rand, h *history.History) bool {
		t := of(rng, h, "transfer", some)
		if t == nil {
			return false
		}
		op := of(rng, h, "observe", func(op *history.Op) bool { return op.Final && invoked(h, op).Index > t.Index })
		if op != nil {
			op.Value = with(op.Value, "tip", text("g"))
		}
		return op != nil
	},
	VanishedTransfer: func(rng *rand.Rand, h *history.History) bool {
		a := of(rng, h, "status", func(op *history.Op) bool { return op.Value.Text() == "confirmed" })
		if a == nil {
			return false
		}
		b := of(rng, h, "status", func(op *history.Op) bool {
			in := invoked(h, op)
			return op.Node == a.Node && in.Index > a.Index && in.Value.Equal(invoked(h, a).Value)
		})
		if b != nil {
			b.Value = text("unknown")
		}
		return b != nil
	},
	StatusFlip: func(rng *rand.Rand, h *history.History) bool {
		if op, t := onChain(rng, h); op != nil && rng.IntN(2) == 0 {
			op.Value = with(op.Value, "expired", history.List(t.Get("id")))
			return true
		}
		b := of(rng, h, "status", func(op *history.Op) bool { return op.Value.Text() == "confirmed" })
		if b == nil {
			return false
		}
		a := of(rng, h, "status", func(op *history.Op) bool {
			return op.Index < invoked(h, b).Index && invoked(h, op).Value.Equal(invoked(h, b).Value)
		})
		if a != nil {
			a.Value = text([]string{"expired", "rejected"}[rng.IntN(2)])
		}
		return a != nil
	},
	EarlyStatus: func(rng *rand.Rand, h *history.History) bool {
		s := of(rng, h, "status", func(op *history.Op) bool { return op.Value.Text() != "confirmed" })
		if s == nil {
			return false
		}
		o := of(rng, h, "observe", func(op *history.Op) bool {
			return op.Node == s.Node && invoked(h, op).Index > s.Index && !op.Value.Get("finalized").IsNil()
		})
		if o == nil {
			return false
		}
		s.Value = text("confirmed")
		invoked(h, s).Value = text("never mined")
		return true
	},
	FalseProof: func(rng *rand.Rand, h *history.History) bool {
		op := of(rng, h, []string{"observe", "balances"}[rng.IntN(2)], some)
		if op != nil {
			op.Value = with(op.Value, "false", text("a signature"))
		}
		return op != nil
	},
	StalledFinality: func(rng *rand.Rand, h *history.History) bool {
		a := of(rng, h, "observe", func(op *history.Op) bool { return !op.Final })
		if a == nil {
			return false
		}
		b := of(rng, h, "observe", func(op *history.Op) bool { return op.Final && op.Node == a.Node })
		if b == nil {
			return false
		}
		for i := range h.Ops {
			if in := invoked(h, &h.Ops[i]); in != nil && in.Final {
				in.Time += int64(time.Second)
				h.Ops[i].Time = max(h.Ops[i].Time, in.Time)
			}
		}
		a.Value, b.Value = with(a.Value, "finalized", text("g")), with(b.Value, "finalized", text("g"))
		return true
	},
	FalseFinality: func(rng *rand.Rand, h *history.History) bool {
		op := of(rng, h, "observe", some)
		if op != nil {
			op.Value = with(op.Value, "unproven", text("two votes"))
		}
		return op != nil
	},
	AbortedTransfer: func(rng *rand.Rand, h *history.History) bool {
		_, t := onChain(rng, h)
		op := of(rng, h, "transfer", func(op *history.Op) bool { return op.Value.Equal(t) })
		if op != nil {
			op.Type = history.Fail
		}
		return op != nil
	},
	AlteredTransfer: func(rng *rand.Rand, h *history.History) bool {
		_, t := onChain(rng, h)
		op := of(rng, h, "transfer", func(op *history.Op) bool { return op.Value.Equal(t) })
		if op == nil {
			return false
		}
		in := invoked(h, op)
		in.Value = with(in.Value, "to", text("c"))
		return true
	},
	PhantomTransfer: func(rng *rand.Rand, h *history.History) bool {
		_, t := onChain(rng, h)
		op := of(rng, h, "transfer", func(op *history.Op) bool { return op.Value.Equal(t) })
		if op == nil {
			return false
		}
		in := invoked(h, op)
		in.F, op.F = "noop", "noop"
		return true
	},
	InvalidBlock: func(rng *rand.Rand, h *history.History) bool {
		op := of(rng, h, "observe", some)
		if op == nil {
			return false
		}
		fork(op, "g", 7)
		return true
	},
	InconsistentBlock: func(rng *rand.Rand, h *history.History) bool {
		a := of(rng, h, "observe", some)
		all := described(h)
		if a == nil || len(all) == 0 {
			return false
		}
		other := with(all[rng.IntN(len(all))], "miner", text("else"))
		a.Value = with(a.Value, "blocks", history.List(append(slices.Clone(a.Value.Get("blocks").Elems()), other)...))
		return true
	},
	DoubleSign: func(rng *rand.Rand, h *history.History) bool {
		a, b := of(rng, h, "observe", some), of(rng, h, "observe", some)
		if a == nil || a == b {
			return false
		}
		for i, op := range []*history.Op{a, b} {
			op.Value = with(op.Value, "votes", history.List(rulestest.Fields("validator", text("v1"), "height", history.Int(3), "round", history.Int(0), "step", text("x"), "block", text(strconv.Itoa(i)))))
		}
		return true
	},
}

func TestMutations(t *testing.T) {
	t.Parallel()
	opts := Options{Depth: 1, Reward: 1, Closed: true}
	for n, rule := range Anomalies() {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			opts, rng := opts, rand.New(rand.NewPCG(3, uint64(n)))
			if rule == StalledFinality {
				opts.Inclusion = time.Second / 2
			}
			for done := 0; done < 50; {
				s := newSim(rng, 0)
				s.calm = true
				h := s.run(20 + rng.IntN(20))
				if r := New(opts).Check(t.Context(), h); r.Verdict != checkers.OK && r.Verdict != checkers.Unknown {
					t.Fatalf("flagged before: %+v\n%v", r.Anomalies, rulestest.Show(h))
				}
				if !corruptions[rule](rng, h) {
					continue
				}
				report, err := Check(t.Context(), h, opts)
				if err != nil || report.Broken[rule] == 0 {
					t.Fatalf("%v %v\n%v", report, err, rulestest.Show(h))
				}
				r := New(opts).Check(t.Context(), h)
				if done++; done%10 == 0 {
					rulestest.Refuse(t, h, r, Anomalies())
				} else {
					rulestest.Confirm(t, h, r)
				}
			}
		})
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	genesis := rulestest.Fields("id", history.Int(1), "height", history.Int(0), "txs", history.List(rulestest.Fields("id", history.Int(1), "to", text("a"), "amount", history.Int(1))))
	child := rulestest.Fields("id", history.Int(2), "height", history.Int(1), "parent", history.Int(1), "txs", history.List(pay("1", "a", 1, 1)))
	other := rulestest.Fields("id", history.Int(3), "height", history.Int(2), "parent", history.Int(1), "txs", history.List(pay("2", "a", 1, 1)))
	see := func(tip int64, more ...any) history.Value {
		return rulestest.Fields(append([]any{"tip", history.Int(tip), "blocks", history.List(genesis, child, other)}, more...)...)
	}
	for _, opts := range []Options{{}, {Depth: 1, Closed: true}} {
		hostile.Feed(t, New(opts), []string{"observe"}, []history.Value{see(1), see(2, "finalized", history.Int(2)), see(3), see(4)})
	}
	hostile.Feed(t, New(Options{Depth: 1}), []string{"observe", "observe", "observe", "transfer", "balances"}, []history.Value{see(1), see(2), see(3),
		pay("1", "a", 1, 1), rulestest.Fields("tip", history.Int(1), "accounts", rulestest.Fields("a", history.Int(1)))})
	hostile.Feed(t, New(Options{}), []string{"status", "observe"}, []history.Value{text("confirmed"), see(2, "finalized", history.Int(2)), see(3, "finalized", history.Int(3))})
}

func TestStops(t *testing.T) {
	t.Parallel()
	rulestest.Stops(t, newSim(rand.New(rand.NewPCG(1, 1)), 0).run(40), New(Options{}), NewNotary())
}

// long makes a history of a chain of n blocks that three nodes see grow.
func long(n int) *history.History {
	h := &history.History{}
	record := func(op history.Op, out history.Value) {
		op.Index, op.Time = len(h.Ops), int64(len(h.Ops))*1e6
		h.Ops = append(h.Ops, op)
		op.Index, op.Type, op.Value = op.Index+1, history.OK, out
		h.Ops = append(h.Ops, op)
	}
	for i := range n {
		b := rulestest.Fields("id", history.Int(int64(i+1)), "height", history.Int(int64(i)))
		if i > 0 {
			tx := pay(strconv.Itoa(i), "a", 1, int64(i))
			record(history.Op{F: "transfer", Node: "n1", Value: tx}, tx)
			b = with(with(b, "parent", history.Int(int64(i))), "txs", history.List(tx))
		} else {
			b = with(b, "txs", history.List(rulestest.Fields("id", text("g"), "to", text("a"), "amount", history.Int(int64(n)))))
		}
		record(history.Op{F: "observe", Node: nodes[i%3], Final: i > n/2}, rulestest.Fields("tip", history.Int(int64(i+1)), "blocks", history.List(b)))
	}
	return h
}

// TestLong sees that a long chain takes about as long per block as a short one.
func TestLong(t *testing.T) {
	t.Parallel()
	h := long(4000)
	r := New(Options{Inclusion: time.Hour}).Check(t.Context(), h)
	if r.Verdict != checkers.OK {
		t.Fatalf("%v %s %+v", r.Verdict, r.Reason, r.Anomalies)
	}
	rulestest.Confirm(t, h, r)
}

func BenchmarkLedger(b *testing.B) {
	h := long(100000)
	for b.Loop() {
		if r := New(Options{Inclusion: time.Hour}).Check(b.Context(), h); r.Verdict != checkers.OK {
			b.Fatal(r.Reason)
		}
	}
}

func FuzzLedger(f *testing.F) {
	rulestest.Fuzz(f, func(t *testing.T, rng *rand.Rand) {
		opts := randomOptions(rng)
		for _, h := range []*history.History{newSim(rng, 1+rng.IntN(30)).run(20), stampings(rng, 8)} {
			for _, c := range []checkers.Checker{New(opts), NewNotary()} {
				rulestest.Confirm(t, h, c.Check(t.Context(), h))
			}
		}
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	if missing := slices.DeleteFunc(Anomalies(), func(n string) bool { return corruptions[n] != nil }); len(missing) > 0 || len(corruptions) != len(Anomalies()) {
		t.Errorf("no corruption for %v; there are %v", missing, slices.Collect(maps.Keys(corruptions)))
	}
}
