package weak_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

func ok(process int, steps ...access) tiny { return tiny{process, history.OK, steps} }

func w(key, value int) access { return access{true, key, value} }

func r(key, value int) access { return access{false, key, value} }

// corruptions has for each anomaly the weakest level that forbids it and the
// fewest transactions that show it.
var corruptions = map[string]struct {
	level weak.Level
	txns  []tiny
}{
	weak.ThinAirRead:      {weak.ReadCommitted, []tiny{ok(0, r(0, 99))}},
	weak.AbortedRead:      {weak.ReadCommitted, []tiny{{0, history.Fail, []access{w(0, 1)}}, ok(1, r(0, 1))}},
	weak.FutureRead:       {weak.ReadCommitted, []tiny{ok(0, r(0, 1), w(0, 1))}},
	weak.NotMyOwnWrite:    {weak.ReadCommitted, []tiny{ok(0, w(0, 1)), ok(1, w(0, 2), r(0, 1))}},
	weak.NotMyLastWrite:   {weak.ReadCommitted, []tiny{ok(0, w(0, 1), w(0, 2), r(0, 1))}},
	weak.IntermediateRead: {weak.ReadCommitted, []tiny{ok(0, w(0, 1), w(0, 2)), ok(1, r(0, 1))}},
	weak.CyclicCO:         {weak.ReadCommitted, []tiny{ok(0, r(0, 1), w(1, 2)), ok(1, r(1, 2), w(0, 1))}},
	weak.NonMonoReadCO:    {weak.ReadCommitted, []tiny{ok(0, w(0, 1)), ok(0, w(0, 2), w(1, 3)), ok(1, r(1, 3), r(0, 1))}},
	weak.NonMonoReadAO: {weak.ReadCommitted, []tiny{ok(0, w(0, 1), w(1, 2)), ok(1, w(0, 3), w(1, 4)),
		ok(2, r(1, 4), r(0, 1)), ok(3, r(0, 1), r(1, 4))}},
	weak.NonRepeatableRead: {weak.ReadAtomic, []tiny{ok(0, w(0, 1)), ok(1, w(0, 2)), ok(2, r(0, 1), r(0, 2))}},
	weak.FracturedReadCO:   {weak.ReadAtomic, []tiny{ok(0, w(0, 1)), ok(0, w(0, 2), w(1, 3)), ok(1, r(0, 1), r(1, 3))}},
	weak.FracturedReadAO:   {weak.ReadAtomic, []tiny{ok(0, w(0, 1), w(1, 2)), ok(1, w(0, 3), w(1, 4)), ok(2, r(0, 1), r(1, 4))}},
	weak.COConflictAO: {weak.Causal, []tiny{ok(0, w(0, 1)), ok(0, w(0, 2), w(1, 3)), ok(1, r(1, 3), w(2, 4)),
		ok(2, r(2, 4), r(0, 1))}},
	weak.ConflictAO: {weak.Causal, []tiny{ok(0, w(0, 1), w(1, 5)), ok(1, w(0, 2), w(2, 6)),
		ok(2, r(2, 6), w(3, 7)), ok(3, r(1, 5), w(4, 8)), ok(4, r(3, 7), r(0, 1)), ok(5, r(4, 8), r(0, 2))}},
}

// among puts transactions, on keys and by processes of their own, into a history
// at random places, in their order.
func among(rng *rand.Rand, h *history.History, txns []tiny) *history.History {
	moved := slices.Clone(txns)
	for i := range moved {
		moved[i].process += 5000
		moved[i].steps = slices.Clone(moved[i].steps)
		for at := range moved[i].steps {
			moved[i].steps[at].key += 100_000
		}
	}
	ops := slices.Clone(h.Ops)
	at := 0
	for extra := record(moved).Ops; len(extra) > 0; extra = extra[2:] {
		at += rng.IntN(len(ops) - at + 1)
		ops = slices.Insert(ops, at, extra[:2]...)
		at += 2
	}
	for i := range ops {
		ops[i].Index, ops[i].Time = i, int64(i)*1e6
	}
	return &history.History{Ops: ops}
}

// Each anomaly is found in a valid history that was corrupted with it, at the
// levels that forbid it and no others; the valid one is never flagged.
func TestMutations(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 10 {
		valid := database(30 + round)
		for name, c := range corruptions {
			bad := among(rng, valid, c.txns)
			for level := weak.ReadCommitted; level <= weak.Causal; level++ {
				if res := judge(t, valid, weak.Options{Level: level}); res.Verdict != checkers.OK {
					t.Fatalf("valid at %v: %v %v", level, res.Verdict, res.Anomalies)
				}
				res := judge(t, bad, weak.Options{Level: level})
				if level < c.level {
					if res.Verdict != checkers.OK {
						t.Fatalf("%s at %v: %v %+v", name, level, res.Verdict, res.Anomalies)
					}
					continue
				}
				if res.Verdict != checkers.Invalid || len(res.Anomalies) != 1 || res.Anomalies[0].Name != name {
					t.Fatalf("%s at %v: %v %+v", name, level, res.Verdict, res.Anomalies)
				}
				minimal(t, bad, res.Anomalies[0], level)
			}
		}
	}
}

// minimal sees that the transactions of an anomaly show it alone, and that with
// any of them gone they do not.
func minimal(t *testing.T, h *history.History, a checkers.Anomaly, level weak.Level) {
	t.Helper()
	for _, drop := range append([]int{-1}, a.Ops...) {
		part := new(history.History)
		for i, op := range h.Ops {
			at := op.Index
			if op.Type != history.Invoke {
				at = begin(h, i)
			}
			if at != drop && slices.Contains(a.Ops, at) {
				part.Ops = append(part.Ops, op)
			}
		}
		res := weak.New(weak.Options{Level: level}).Check(t.Context(), part)
		shows := slices.ContainsFunc(res.Anomalies, func(b checkers.Anomaly) bool { return b.Name == a.Name })
		if shows != (drop < 0) {
			t.Fatalf("%s %v without %d: %v %+v", a.Name, a.Ops, drop, res.Verdict, res.Anomalies)
		}
	}
}

// begin returns the index of the invocation of a completion.
func begin(h *history.History, i int) int {
	for k := i - 1; ; k-- {
		if h.Ops[k].Process == h.Ops[i].Process {
			return h.Ops[k].Index
		}
	}
}

// Certificates that were tampered with are refused.
func TestCorruptCertificates(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	valid := database(40)
	for level := weak.ReadCommitted; level <= weak.Causal; level++ {
		raw := string(claim(t, judge(t, valid, weak.Options{Level: level})))
		order := raw[strings.Index(raw, "[")+1 : strings.Index(raw, "]")]
		ids := strings.Split(order, ",")
		refused(t, valid, strings.Replace(raw, order, strings.Join(ids[1:], ","), 1), "one is missing")
		refused(t, valid, strings.Replace(raw, order, order+","+ids[0], 1), "one is there twice")
		refused(t, valid, strings.Replace(raw, `"ok"`, `"invalid"`, 1), "another verdict")
		refused(t, valid, strings.Replace(raw, order, order+",1", 1), "a completion")
		slices.Reverse(ids)
		refused(t, valid, strings.Replace(raw, order, strings.Join(ids, ","), 1), "the other way round")
	}
	for name, c := range corruptions {
		bad := among(rng, valid, c.txns)
		raw := string(claim(t, judge(t, bad, weak.Options{Level: c.level})))
		refused(t, valid, raw, name+" of another history")
		refused(t, bad, strings.Replace(raw, `"invalid"`, `"ok"`, 1), name+" as ok")
		if c.level > weak.ReadCommitted {
			refused(t, bad, strings.Replace(raw, c.level.String(), (c.level-1).String(), 1), name+" at a weaker level")
		}
		var whole struct {
			Definition, Verdict string
			Parameters          map[string]string
			Evidence            map[string]any
		}
		if err := json.Unmarshal([]byte(raw), &whole); err != nil {
			t.Fatal(err)
		}
		if cycle, ok := whole.Evidence["cycle"].([]any); ok {
			for i := range cycle {
				whole.Evidence["cycle"] = slices.Delete(slices.Clone(cycle), i, i+1)
				less, _ := json.Marshal(whole)
				refused(t, bad, string(less), name+" without an edge")
			}
			continue
		}
		whole.Evidence["step"] = 7
		other, _ := json.Marshal(whole)
		refused(t, bad, string(other), name+" at another step")
		whole.Evidence["anomaly"] = "OtherRead"
		other, _ = json.Marshal(whole)
		refused(t, bad, string(other), name+" under another name")
	}
}

func refused(t *testing.T, h *history.History, raw, what string) {
	t.Helper()
	if _, err := verify.Claim(h, []byte(raw)); err == nil {
		t.Fatalf("confirmed: %s\n%s", what, raw)
	}
}

// No order is accepted for a history that brute force says is invalid, and no
// evidence that was found for one history proves another one, valid, wrong.
func TestNothingProvesWhatIsFalse(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 10))
	n := 3000
	if testing.Short() {
		n = 300
	}
	var proofs []string
	tried := 0
	for range n {
		txns := random(rng, 4)
		h := record(txns)
		for level := weak.ReadCommitted; level <= weak.Causal; level++ {
			res := weak.New(weak.Options{Level: level}).Check(t.Context(), h)
			switch {
			case res.Verdict == checkers.Invalid:
				proofs = append(proofs, string(claim(t, res)))
				tried += allOrders(t, h, len(txns), level)
			case brute(txns, level):
				for range 5 {
					if len(proofs) > 0 {
						raw := proofs[rng.IntN(len(proofs))]
						if strings.Contains(raw, `"`+level.String()+`"`) {
							refused(t, h, raw, "a proof for another history")
						}
					}
				}
			}
		}
	}
	if tried < n {
		t.Errorf("only %d orders", tried)
	}
}

// allOrders tries every order of every part of n transactions.
func allOrders(t *testing.T, h *history.History, n int, level weak.Level) (tried int) {
	var try func(order []int)
	try = func(order []int) {
		tried++
		raw, err := json.Marshal(checkers.Claim{Definition: weak.Definition, Parameters: map[string]string{"level": level.String(), "workload": "rw-register"},
			Evidence: map[string]any{"order": order}})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, h, string(raw), "an order of an invalid history")
		for i := range n {
			if !slices.Contains(order, 2*i) {
				try(append(slices.Clone(order), 2*i))
			}
		}
	}
	try([]int{})
	return tried
}
