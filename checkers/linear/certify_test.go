package linear

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// confirm has the certificate of the verdict on one key confirmed, if there is
// a verdict.
func confirm(t testing.TB, h *history.History, r Report) {
	t.Helper()
	k := r.Keys[0]
	if k.Verdict == checkers.Unknown {
		return
	}
	claim, err := r.claim(CASRegister(), k.Verdict)
	if err != nil {
		t.Fatalf("%v: %v\n%s", k.Verdict, err, show(h))
	}
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(h, raw); err != nil {
		t.Fatalf("%v\n%s\n%s", err, raw, show(h))
	}
}

// TestLongChains has the evidence from zones confirmed for longer histories, in
// which compare-and-sets make long chains.
func TestLongChains(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 11))
	for range 1000 {
		check(t, random(rng, mix{
			calls: 60, processes: 6, unique: true, cas: true, info: true, fail: true, honest: []float64{.98, 1}[rng.IntN(2)],
		}), Zones)
	}
}

// TestEdges verifies the edges of anomalies by the history.
func TestEdges(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(12, 12))
	kinds := make(map[string]int)
	for range 4000 {
		h := random(rng, mix{calls: 9, processes: 4, unique: true, cas: true, info: true, fail: true, honest: .8})
		for _, a := range check(t, h, Zones).Anomalies {
			if len(a.Edges) == 0 && a.Name != "thin-air-read" && a.Name != "dirty-read" {
				t.Fatalf("no edges: %+v\n%s", a, show(h))
			}
			for _, e := range a.Edges {
				kinds[e.Kind]++
				holds(t, h, e)
			}
		}
	}
	t.Log(kinds)
}

func holds(t *testing.T, h *history.History, e checkers.Edge) {
	t.Helper()
	calls, err := only(h, []int{e.From, e.To}).Calls()
	if err != nil || len(calls) == 0 {
		t.Fatalf("%+v: %v\n%s", e, err, show(h))
	}
	from, to := calls[0], calls[len(calls)-1]
	if from.Invoke.Index != e.From {
		from, to = to, from
	}
	right := e.Why != ""
	switch e.Kind {
	case realTime:
		right = right && from.Complete.Index < to.Invoke.Index
	case readFrom:
		right = right && put(from).Equal(saw(to))
	case replaced:
		right = right && to.Invoke.F != "read"
	}
	if !right {
		t.Fatalf("%+v\n%s", e, show(h))
	}
}

func put(c history.Call) history.Value {
	if c.Invoke.F == "cas" {
		return c.Invoke.Value.Elems()[1]
	}
	return c.Invoke.Value
}

func saw(c history.Call) history.Value {
	if c.Invoke.F == "cas" {
		return c.Invoke.Value.Elems()[0]
	}
	return c.Value()
}

// TestInitial judges the same histories with nil and with 0 as what was there
// before everything, and has the certificates confirmed.
func TestInitial(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(13, 13))
	zero := CASRegister()
	zero.Initial = history.Int(0)
	for range 1500 {
		h := random(rng, mix{calls: 9, processes: 4, unique: true, cas: true, info: true, fail: true, honest: .9})
		want := check(t, h, Zones).Verdict
		for i := range h.Ops {
			op := &h.Ops[i]
			switch pair := op.Value.Elems(); {
			case op.F == "cas" && pair[0].IsNil():
				op.Value = history.List(history.Int(0), pair[1])
			case op.F == "read" && op.Type == history.OK && op.Value.IsNil():
				op.Value = history.Int(0)
			}
		}
		result := New(Options{Model: zero, Engine: Zones, Workers: 1}).Check(t.Context(), h)
		if result.Verdict != want {
			t.Fatalf("%v, not %v\n%s", result.Verdict, want, show(h))
		}
		if want == checkers.Unknown {
			continue
		}
		claim, err := result.Claim()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(claim)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify.Claim(h, raw); err != nil {
			t.Fatalf("%v\n%s\n%s", err, raw, show(h))
		}
	}
}

// TestTime sees certificates refused whose real time was tampered with: all of it is
// needed, and a pair must not be turned round.
func TestTime(t *testing.T) {
	t.Parallel()
	for i, o := range things() {
		t.Run(fmt.Sprint(o.model.Name, i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(23, uint64(i)))
			refused := 0
			for n := range rounds() / 5 {
				h := o.history(rng, 3+n%4, 3, .7, n%2 == 0)
				r := New(Options{Model: o.model, Engine: Frontier, Workers: 1}).Check(t.Context(), h)
				claim, err := r.Claim()
				if err != nil {
					continue
				}
				proof, ok := claim.Evidence.(Refuted)
				if !ok || proof.Time == nil {
					continue
				}
				all := *proof.Time
				for p := range all {
					turned := slices.Clone(all)
					turned[p] = [2]int{all[p][1], all[p][0]}
					for _, bad := range [][][2]int{slices.Delete(slices.Clone(all), p, p+1), turned} {
						proof.Time, claim.Evidence = &bad, &proof
						raw, err := json.Marshal(claim)
						if err != nil {
							t.Fatal(err)
						}
						if _, err := verify.Claim(h, raw); err == nil {
							t.Fatalf("%s was confirmed\n%s", raw, show(h))
						}
						refused++
					}
				}
			}
			if refused == 0 && o.lie != nil { // locks take no real time, but counts
				t.Error("none was tampered with")
			}
		})
	}
}
