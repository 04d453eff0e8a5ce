package linear

import (
	"encoding/json"
	"math/rand/v2"
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
	if _, err := verify.VerifyClaim(h, raw); err != nil {
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
