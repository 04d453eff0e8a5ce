package linear

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// long reports whether there is time for the long tests.
func long() bool { return os.Getenv("ORDEAL_LONG") != "" }

// fewer returns n, or a tenth of it if tests are to be short.
func fewer(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// rounds is how many random histories a test of a model judges.
func rounds() int {
	switch {
	case long():
		return 100000
	case testing.Short():
		return 300
	default:
		return 1500
	}
}

// TestMain has some of the certificates name few operations, as they do after a
// long search only.
func TestMain(m *testing.M) {
	small = 12
	m.Run()
}

// TestModelsAgainstDefinition compares both searches with brute force for each
// model, and has every certificate verified.
func TestModelsAgainstDefinition(t *testing.T) {
	t.Parallel()
	for i, o := range things() {
		t.Run(fmt.Sprint(o.model.Name, i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(11, uint64(i)))
			var count [2]int
			for n := range rounds() {
				h := o.history(rng, 3+n%4, 3, []float64{.5, .8, 1}[n%3], n%2 == 0)
				valid, judged := agrees(t, &o, h, Auto)
				if e := []Engine{Frontier, Porcupine, Auto}[n%3]; e != Auto {
					agrees(t, &o, h, e)
				}
				if judged && valid {
					count[1]++
				} else if judged {
					count[0]++
				}
			}
			t.Logf("%d invalid, %d valid", count[0], count[1])
			if min(count[0], count[1]) < rounds()/50 {
				t.Errorf("one-sided: %d invalid, %d valid", count[0], count[1])
			}
		})
	}
}

// agrees fails unless the checker comes to the verdict that the definition has,
// and can prove it. It returns the verdict, and whether there was anything to judge.
func agrees(t *testing.T, o *thing, h *history.History, e Engine) (valid, judged bool) {
	t.Helper()
	r := New(Options{Model: o.model, Engine: e, Workers: 1}).Check(t.Context(), h)
	if r.Reason == nothing {
		return false, false
	}
	if r.Verdict == checkers.Unknown && e == Porcupine && o.model.Name == UnorderedQueue().Name {
		return false, false
	}
	valid = o.possible(h)
	if valid != (r.Verdict == checkers.OK) || r.Verdict == checkers.Unknown {
		t.Fatalf("brute force says %v, %v says %v %s\n%s%+v", valid, e, r.Verdict, r.Reason, show(h), r.Anomalies)
	}
	proven(t, h, r)
	return valid, true
}

// proven fails unless the certificate of a result is confirmed.
func proven(t *testing.T, h *history.History, r checkers.Result) {
	t.Helper()
	claim, err := r.Claim()
	if err != nil {
		t.Fatalf("%v: %v\n%s", r.Verdict, err, show(h))
	}
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(h, raw); err != nil {
		t.Fatalf("%v\n%s\n%s%+v", err, raw, show(h), r.Anomalies)
	}
}
