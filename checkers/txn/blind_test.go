package txn

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/polygraph"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// openOrder are the vectors that Elle finds valid, because the order of versions
// that it infers is not complete, and that no order explains. What that means is
// in docs/elle-register-order.md.
var openOrder = strings.Fields(`
	medium-7-35 medium-7-47 medium-7-72 medium-7-81 medium-7-94 medium-7-99 7-9 7-82 7-171 7-268 7-300
	7-351 7-370 7-442 7-522 7-594 7-679 7-807 7-837 7-901 7-908 7-942 7-992 7-1067 7-1087 7-1089
	7-1090 7-1102 7-1222 7-1230 7-1398 7-1468 7-1539 7-1704 7-1917 7-1945 7-2013 7-2058 7-2105 7-2168
	7-2205 7-2301 7-2340 7-2382 7-2421 7-2484 7-2499
`)

const open = "Elle does not know the order of the versions and says nothing of it; whatever it was, there is a cycle."

func isOpenOrder(id string) bool {
	id, ok := strings.CutPrefix(id, "rw-register-")
	return ok && slices.Contains(openOrder, id)
}

// TestOpenOrderVectors proves what we say of these vectors: their certificates
// are confirmed, and where they are small enough, all orders were tried.
func TestOpenOrderVectors(t *testing.T) {
	t.Parallel()
	all, seen, tried := 0, 0, 0
	var fine []string
	for _, v := range verdicts(t, "elle-rw-register") {
		h := v.Parse(t)
		opts := v.opts(RWRegister)
		r := Check(t.Context(), h, opts)
		all++
		if r.Verdict == checkers.OK && v.Expect.Valid == false {
			fine = append(fine, v.ID)
			confirmed(t, h, opts)
		}
		decided := r.Verdict == checkers.Invalid && r.blind != nil && v.Expect.Valid == true
		if decided != isOpenOrder(v.ID) {
			t.Errorf("%s: %v, Elle says %v; listed is %v", v.ID, r.Verdict, v.Expect.Valid, isOpenOrder(v.ID))
		}
		if !decided {
			continue
		}
		seen++
		confirmed(t, h, opts)
		if len(h.Ops) <= 24 {
			tried++
			if serial(h, RWRegister, true) {
				t.Errorf("%s: there is an order after all\n%s", v.ID, show(h))
			}
		}
	}
	t.Logf("of %d vectors, %d that Elle calls valid have no order (of %d of them all were tried); %d that it calls invalid have one: %v",
		all, seen, tried, len(fine), fine)
}

// confirmed has the package verify confirm the verdict.
func confirmed(t testing.TB, h *history.History, opts Options) checkers.Verdict {
	t.Helper()
	result := New(opts).Check(t.Context(), h)
	if result.Verdict == checkers.Unknown {
		return result.Verdict
	}
	claim, err := result.Claim()
	if err != nil {
		t.Fatalf("%v\n%s", err, show(h))
	}
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(h, raw); err != nil {
		t.Fatalf("%v\n%s\n%s", err, raw, show(h))
	}
	return result.Verdict
}

var isolations = []string{"serializable", "strong-session-serializable", "strong-serializable",
	"snapshot-isolation", "strong-session-snapshot-isolation", "strong-snapshot-isolation"}

// TestBlindWrites judges random histories of blind writes at each level. They
// are valid until a read returns another version; then the verdict is compared
// with all orders. Each has a certificate.
func TestBlindWrites(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 15))
	n := 3000
	if testing.Short() {
		n = 300
	}
	stat := make(map[string]int)
	for i := range n {
		h := random(rng, mix{workload: RWRegister, txns: 3 + rng.IntN(5), clients: 3, steps: 3, keys: 2, writes: 8, info: 0.1, fail: 0.05})
		opts := Options{Workload: RWRegister, Models: []string{isolations[i%len(isolations)]}}
		if Check(t.Context(), h, opts).Reason == nothing {
			continue
		}
		if v := confirmed(t, h, opts); v != checkers.OK {
			t.Fatalf("%s %v\n%s", opts.Models[0], v, show(h))
		}
		astray(rng, h)
		r := Check(t.Context(), h, opts)
		confirmed(t, h, opts)
		if level := i % len(isolations); level == 0 || level == 2 {
			if want := serial(h, RWRegister, level == 2); want != (r.Verdict == checkers.OK) {
				t.Fatalf("%s: %v %v %s\n%s", opts.Models[0], r.Verdict, r.Count, r.Reason, show(h))
			}
		}
		if r.blind != nil {
			stat["decided "+r.Verdict.String()]++
		} else {
			stat[r.Verdict.String()]++
		}
	}
	t.Log(stat)
}

// astray makes a read return another version.
func astray(rng *rand.Rand, h *history.History) {
	each(h, func(st []history.Value) history.Value {
		if st[0].Text() != "r" || rng.IntN(4) > 0 {
			return history.List(st...)
		}
		v, _ := st[2].Int()
		v = max(0, v+rng.Int64N(5)-2)
		if v == 0 {
			return history.List(st[0], st[1], history.Nil)
		}
		return history.List(st[0], st[1], history.Int(v))
	})
}

// TestWhatIsDecided says which models lead to which levels.
func TestWhatIsDecided(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		models []string
		want   []polygraph.Level
	}{
		{nil, []polygraph.Level{polygraph.StrictSerializable}},
		{[]string{"serializable"}, []polygraph.Level{polygraph.Serializable}},
		{[]string{"PL-SI"}, []polygraph.Level{polygraph.SnapshotIsolation}},
		{[]string{"serializable", "strong-snapshot-isolation"}, []polygraph.Level{polygraph.Serializable, polygraph.StrongSnapshotIsolation}},
		{[]string{"read-committed"}, nil},
	} {
		if got := (Options{Models: c.models}).isolation(); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.models, got, c.want)
		}
	}
}
