package txn

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// times is how often a test does something: less where the time is short.
func times(n int) int {
	if testing.Short() {
		return n / 8
	}
	return n
}

// refused fails the test if a claim about a history is confirmed.
func refused(t *testing.T, h *history.History, c checkers.Claim, why string) {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(h, raw); err == nil {
		t.Fatalf("%s, but it was confirmed: %s\n%s", why, raw, show(h))
	}
}

// TestAssumptions sees the certificates of registers confirmed whatever is
// assumed of single keys.
func TestAssumptions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(21, 1))
	count := make(map[string]int)
	for i := range times(2500) {
		h := randomTiny(rng, RWRegister, 2+rng.IntN(4), []float64{0, 0.2}[i%2], []float64{0, 0.05, 0.2}[i%3]).history()
		opts := Options{Workload: RWRegister, Models: []string{tinyLevels[i%len(tinyLevels)].model},
			WFRKeys: rng.IntN(2) == 0, SequentialKeys: rng.IntN(2) == 0, LinearizableKeys: rng.IntN(2) == 0}
		r := New(opts).Check(t.Context(), h)
		if r.Verdict == checkers.Unknown {
			continue
		}
		what := r.Verdict.String()
		if !certified(t, h, r) {
			what += " without certificate"
		}
		count[what]++
	}
	t.Log(count)
}

// TestNoWrongClaims offers every order of the transactions of histories that
// have none, and to histories that are fine the anomalies of others that differ
// from them in few reads: nothing may be confirmed.
func TestNoWrongClaims(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(22, 2))
	orders, anomalies := 0, 0
	for i := range times(3000) {
		w := Workload(i % 3)
		good := randomTiny(rng, w, 2+rng.IntN(3), 0.1, 0)
		bad := good.wrong(rng)
		hGood, hBad := good.history(), bad.history()
		opts := Options{Workload: w, Models: []string{"serializable"}}
		claim := checkers.Claim{Definition: "transactions", Parameters: opts.parameters(), Verdict: checkers.OK}
		if !bad.serial("") {
			each := func(order []int) {
				orders++
				claim.Evidence = ordering{Serial: order}
				refused(t, hBad, claim, "there is no such order")
			}
			permutations(invocations(hBad), each)
		}
		if !good.serial("") {
			t.Fatal("it should have an order")
		}
		claim.Verdict = checkers.Invalid
		for _, a := range Check(t.Context(), hBad, opts).Anomalies {
			anomalies++
			a.proof.Anomaly = a.Name
			claim.Evidence = a.proof
			refused(t, hGood, claim, "the history is serializable")
		}
	}
	if !testing.Short() && (orders < 5_000 || anomalies < 300) {
		t.Errorf("only %d orders and %d anomalies were tried", orders, anomalies)
	}
}

// wrong returns the history with some reads changed.
func (h *tiny) wrong(rng *rand.Rand) *tiny {
	c := &tiny{w: h.w}
	for _, x := range h.txns {
		x.steps = slices.Clone(x.steps)
		for i := range x.steps {
			if s := &x.steps[i]; !s.write && rng.IntN(4) == 0 {
				s.value = tinyStray(h.w, rng, s.value, 3)
			}
		}
		c.txns = append(c.txns, x)
	}
	return c
}

func invocations(h *history.History) (list []int) {
	calls, _ := h.Calls()
	for _, c := range calls {
		if c.Type() != history.Fail {
			list = append(list, c.Invoke.Index)
		}
	}
	return list
}

func permutations(list []int, do func([]int)) {
	var walk func(k int)
	walk = func(k int) {
		if k == len(list) {
			do(list)
			return
		}
		for i := k; i < len(list); i++ {
			list[k], list[i] = list[i], list[k]
			walk(k + 1)
			list[k], list[i] = list[i], list[k]
		}
	}
	walk(0)
}

// TestEveryProof has all anomalies of histories with many confirmed, not only
// the one that a certificate would have.
func TestEveryProof(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(26, 6))
	count := make(map[string]int)
	for i := range times(600) {
		w := Workload(i % 2)
		h := random(rng, mix{workload: w, txns: 20, clients: 4, steps: 5, keys: 3, writes: 10, info: 0.1, fail: 0.1})
		opts := Options{Workload: w}
		if w == ListAppend {
			distort(rng, h, []float64{0.05, 0.2}[i/2%2])
			repeat(rng, h)
		} else {
			scramble(rng, h, []float64{0.05, 0.2}[i/2%2])
			opts.LinearizableKeys, opts.SequentialKeys, opts.WFRKeys = i%3 == 0, i%5 < 2, i%7 < 3
		}
		s := Check(t.Context(), h, opts)
		for _, a := range s.Anomalies {
			if s.Forbidden[a.Name] && s.blind == nil {
				count[a.Name]++
				a.proof.Anomaly = a.Name
				confirmProof(t, h, opts, a.proof)
			}
		}
	}
	t.Log(count)
}

// repeat makes some reads show an element twice.
func repeat(rng *rand.Rand, h *history.History) {
	each(h, func(st []history.Value) history.Value {
		list := slices.Clone(st[2].Elems())
		if st[0].Text() != "r" || len(list) == 0 || rng.IntN(25) > 0 {
			return history.List(st...)
		}
		return history.List(st[0], st[1], history.List(slices.Insert(list, rng.IntN(len(list)+1), list[rng.IntN(len(list))])...))
	})
}

// TestCorruptedCertificates changes certificates in ways that always make them
// wrong.
func TestCorruptedCertificates(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(23, 3))
	count := make(map[string]int)
	for i := range times(900) {
		w := Workload(i % 3)
		h := random(rng, mix{workload: w, txns: 12, clients: 3, steps: 4, keys: 3, writes: 10, info: 0.1, fail: 0.1})
		if i%2 == 0 && w == ListAppend {
			distort(rng, h, 0.2)
		} else if i%2 == 0 && w == RWRegister {
			scramble(rng, h, 0.2)
		}
		level := tinyLevels[i/3%len(tinyLevels)]
		r := New(Options{Workload: w, Models: []string{level.model}}).Check(t.Context(), h)
		c, err := r.Claim()
		if err != nil || c.Definition != "transactions" {
			continue
		}
		certified(t, h, r)
		opposite := c
		opposite.Verdict = map[checkers.Verdict]checkers.Verdict{checkers.OK: checkers.Invalid, checkers.Invalid: checkers.OK}[c.Verdict]
		refused(t, h, opposite, "the verdict is the other one")
		other := c
		other.Parameters = map[string]string{"workload": "rw-register", "consistency-models": level.model + ",none"}
		refused(t, h, other, "no such model")
		count[corrupt(t, rng, h, c)]++
	}
	for _, what := range []string{"serial", "snapshot", "order", "cycle", "ops"} {
		if count[what] == 0 && !testing.Short() {
			t.Errorf("no %s was tried: %v", what, count)
		}
	}
}

// corrupt changes the evidence of a claim, and says what kind it is of.
func corrupt(t *testing.T, rng *rand.Rand, h *history.History, c checkers.Claim) string {
	t.Helper()
	raw, err := json.Marshal(c.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	if c.Verdict == checkers.OK {
		var e ordering
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		name, order, into := "serial", e.Serial, func(o []int) any { return ordering{Serial: o} }
		switch {
		case e.Snapshot != nil:
			name, order, into = "snapshot", e.Snapshot, func(o []int) any { return ordering{Snapshot: o} }
		case e.Order != nil:
			name, order, into = "order", e.Order, func(o []int) any { return ordering{Order: o} }
		}
		for _, o := range badOrders(rng, h, order) {
			c.Evidence = into(o)
			refused(t, h, c, "an order that is none")
		}
		return name
	}
	var p proof
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Cycle) > 0 {
		for _, q := range badCycles(rng, p) {
			c.Evidence = q
			refused(t, h, c, "a cycle that is none")
		}
		return "cycle"
	}
	for _, q := range badOps(h, p) {
		c.Evidence = q
		refused(t, h, c, "an anomaly that is none")
	}
	return "ops"
}

// badOrders drops, repeats, and replaces a transaction that was ok.
func badOrders(rng *rand.Rand, h *history.History, order []int) (list [][]int) {
	var ok, failed []int
	calls, _ := h.Calls()
	for _, c := range calls {
		switch c.Type() {
		case history.OK:
			ok = append(ok, c.Invoke.Index)
		case history.Fail:
			failed = append(failed, c.Invoke.Index)
		}
	}
	x := ok[rng.IntN(len(ok))]
	at := slices.Index(order, x)
	list = append(list, slices.Delete(slices.Clone(order), at, at+1), slices.Insert(slices.Clone(order), at, x),
		append(slices.Clone(order), x), append(slices.Clone(order), len(h.Ops)), append(slices.Clone(order), -1))
	if len(failed) > 0 {
		list = append(list, append(slices.Clone(order), failed[0], failed[0]))
		wrong := slices.Clone(order)
		wrong[at] = failed[0]
		list = append(list, wrong)
	}
	return list
}

// badCycles drops, turns, and renames an edge, and takes another step or kind.
func badCycles(rng *rand.Rand, p proof) (list []proof) {
	i := rng.IntN(len(p.Cycle))
	change := func(f func(e *proofEdge)) {
		q := p
		q.Cycle = slices.Clone(p.Cycle)
		q.Cycle[i].Steps = slices.Clone(q.Cycle[i].Steps)
		f(&q.Cycle[i])
		list = append(list, q)
	}
	list = append(list, proof{Anomaly: p.Anomaly}, proof{Anomaly: p.Anomaly, Cycle: slices.Delete(slices.Clone(p.Cycle), i, i+1)})
	change(func(e *proofEdge) { e.From, e.To = e.To, e.From })
	change(func(e *proofEdge) { e.Kind = "none" })
	change(func(e *proofEdge) { e.To = 1 << 20 })
	if p.Cycle[i].Kind != "rt" && p.Cycle[i].Kind != "process" {
		change(func(e *proofEdge) { e.Steps = nil })
		change(func(e *proofEdge) { e.Steps[0] = 99 })
		change(func(e *proofEdge) { e.Steps[1] = -1 })
	}
	for _, name := range []string{"G0", "G1c", "G-single-item", "G2-item-realtime", "internal", "nothing"} {
		if name != p.Anomaly {
			q := p
			q.Anomaly = name
			list = append(list, q)
		}
	}
	return list
}

// badOps takes other operations and other steps.
func badOps(h *history.History, p proof) (list []proof) {
	list = append(list, proof{Anomaly: p.Anomaly}, proof{Anomaly: p.Anomaly, Ops: p.Ops}, proof{Anomaly: "nothing", Ops: p.Ops, Steps: p.Steps})
	for _, name := range []string{"duplicate-elements", "incompatible-order", "dirty-update", "G1a", "thin-air-read", "G0"} {
		if name != p.Anomaly && !strings.HasPrefix(p.Anomaly, "G1b") && p.Anomaly != "internal" && p.Anomaly != "future-read" {
			list = append(list, proof{Anomaly: name, Ops: p.Ops[:1], Steps: p.Steps[:1]})
		}
	}
	far := slices.Clone(p.Steps)
	far[0] = 99
	q := slices.Clone(p.Ops)
	q[0] = len(h.Ops)
	return append(list, proof{Anomaly: p.Anomaly, Ops: p.Ops, Steps: far}, proof{Anomaly: p.Anomaly, Ops: q, Steps: p.Steps})
}

// TestBudget sees that a check without time says so, and keeps what it found.
func TestBudget(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(24, 4))
	h := random(rng, mix{workload: ListAppend, txns: 3000, clients: 5, steps: 4, keys: 4, writes: 10})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := New(Options{}).Check(ctx, h)
	if r.Verdict != checkers.Unknown || !strings.Contains(r.Reason, "stopped") {
		t.Errorf("%v %q", r.Verdict, r.Reason)
	}
	var none *checkers.NoClaimError
	if _, err := r.Claim(); !errors.As(err, &none) {
		t.Errorf("a certificate for nothing: %v", err)
	}
	for stop := 1; stop < 12; stop++ {
		s := newStudy(nil, Options{})
		s.calls, _, _ = transactions(plant(rng, h, draft(t, ListAppend, "0 0-9 ok r x [9]")))
		asked := 0
		s.done = func() bool { asked++; return asked > stop }
		if err := s.parse(); err != nil {
			continue
		}
		forbidden, _ := s.opts.forbidden()
		if r := s.judge(t.Context(), forbidden); r.Count["thin-air-read"] > 0 != (r.Verdict == checkers.Invalid) || r.Verdict == checkers.OK {
			t.Errorf("%v %v %q", r.Verdict, r.Count, r.Reason)
		}
	}
}

// recorded returns a checker that judges like c, but no history of completions
// alone, in which anomalies have no invocations to name.
func recorded(c checkers.Checker) checkers.Checker {
	return checkers.New(c.Name(), func(ctx context.Context, h *history.History) checkers.Result {
		if _, bare, err := transactions(h); err == nil && bare {
			return checkers.Unknownf("completions only")
		}
		return c.Check(ctx, h)
	})
}

// TestHostile feeds the checkers with what is no transaction.
func TestHostile(t *testing.T) {
	t.Parallel()
	list := func(f string, k int64, v history.Value) history.Value {
		return history.List(history.List(history.Keyword(f), history.Int(k), v))
	}
	hostile.Feed(t, recorded(New(Options{})), []string{"txn"}, []history.Value{
		list("r", 0, history.Ints(1)), list("r", 0, history.Ints(2, 1)), list("append", 0, history.Int(1)), list("r", 0, history.List()), list("r", 0, history.Ints(1, 1))})
	hostile.Feed(t, recorded(New(Options{Workload: RWRegister, LinearizableKeys: true})), []string{"txn"}, []history.Value{
		list("r", 0, history.Int(1)), list("r", 0, history.Int(2)), list("w", 0, history.Int(1)), list("r", 1, history.Nil)})
	hostile.Feed(t, recorded(New(Options{Workload: LinkedRegister})), []string{"txn"}, []history.Value{
		list("r", 0, linkedValue(1, history.Nil)), list("r", 0, linkedValue(2, history.Int(1))), list("w", 0, linkedValue(1, history.Nil)), list("r", 1, history.Nil),
		list("w", 0, linkedValue(2, history.Int(3)))})
}

// FuzzTxn judges whatever history a text is, under all workloads: there is a
// verdict, and its certificate is confirmed.
func FuzzTxn(f *testing.F) {
	f.Add(uint8(0), []byte(`{"index":0,"process":0,"type":"invoke","f":"txn","value":[["append","x",1],["r","y",null]]}
{"index":1,"process":1,"type":"invoke","f":"txn","value":[["r","x",null],["append","y",1]]}
{"index":2,"process":0,"type":"ok","f":"txn","value":[["append","x",1],["r","y",[]]]}
{"index":3,"process":1,"type":"ok","f":"txn","value":[["r","x",[]],["append","y",1]]}
`))
	f.Add(uint8(9), []byte(`{:index 0, :process 0, :type :invoke, :f :txn, :value [[:w 0 1] [:r 1 nil]]}
{:index 1, :process 1, :type :invoke, :f :txn, :value [[:w 0 2] [:w 0 3]]}
{:index 2, :process 1, :type :info, :f :txn, :value [[:w 0 2] [:w 0 3]]}
{:index 3, :process 0, :type :ok, :f :txn, :value [[:w 0 1] [:r 1 nil]]}
{:index 4, :process 0, :type :invoke, :f :txn, :value [[:r 0 nil]]}
{:index 5, :process 0, :type :ok, :f :txn, :value [[:r 0 3]]}
`))
	f.Add(uint8(22), []byte(`{:process 0, :type :invoke, :f :txn, :value [[:w 0 {:value 1 :previous nil}]]}
{:process 0, :type :ok, :f :txn, :value [[:w 0 {:value 1 :previous nil}]]}
{:process 0, :type :invoke, :f :txn, :value [[:r 0 nil] [:w 0 {:value 2 :previous 1}]]}
{:process 0, :type :ok, :f :txn, :value [[:r 0 {:value 1 :previous nil}] [:w 0 {:value 2 :previous 1}]]}
`))
	f.Add(uint8(0), []byte(`{"process":0,"type":"invoke","f":"txn"}
{"process":0,"type":"ok","f":"txn","value":[["r",0],["a",0,0]]}
{"process":1,"type":"invoke","f":"txn","value":[["r",0,0]]}
`)) // what was to be read is no list, and does not matter
	f.Add(uint8(2), []byte(`{"process":0,"type":"invoke","f":"txn"}
{"process":0,"type":"ok","f":"txn","value":[["w",0,{"value":1}],["r",0,{"value":1,"0":0}]]}
`)) // a field that linked values do not have
	f.Add(uint8(23), []byte(`{"process":0,"type":"invoke","f":"txn","value":[["w",0,{"value":3,"next":0}]]}
{"process":2,"type":"invoke","f":"txn"}
{"process":2,"type":"ok","f":"txn","value":[["r",0,{"value":3,"":null}]]}
`)) // two values that differ in such a field only
	f.Add(uint8(2), []byte(`{"process":0,"type":"invoke","f":"txn"}
{"process":0,"type":"ok","f":"txn","value":[["r",1,null],["w",0,{"value":2,"previous":2}]]}
`)) // a value that names itself
	rng := rand.New(rand.NewPCG(25, 5))
	for i := range 30 {
		var text []byte
		for _, op := range randomTiny(rng, Workload(i%3), 3, 0.2, 0.2).history().Ops {
			text = append(history.AppendJSON(text, &op), '\n')
		}
		f.Add(uint8(i), text)
	}
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		h, err := history.Read(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		n := int(kind) / 3
		opts := Options{Workload: Workload(kind % 3), Models: []string{tinyLevels[n%len(tinyLevels)].model}, LinearizableKeys: n/13%2 == 1, SequentialKeys: n/26%2 == 1, WFRKeys: n%2 == 1}
		r := New(opts).Check(t.Context(), h)
		if r.Verdict == checkers.Unknown && r.Reason == "" || r.Verdict == checkers.Invalid && len(r.Anomalies) == 0 {
			t.Fatalf("%v without a reason", r.Verdict)
		}
		if _, bare, err := transactions(h); err == nil && !bare && r.Verdict != checkers.Unknown {
			certified(t, h, r)
		}
	})
}
