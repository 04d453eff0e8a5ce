package linear

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// TestNames shows what searches find, with the steps of the proofs.
func TestNames(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/names.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{Model: modelOf(t, d), Engine: Frontier, Workers: 1})
	})
}

// TestExplanations has searches explain random violations: each has a name, or
// says how far an order gets, and every step of it holds.
func TestExplanations(t *testing.T) {
	t.Parallel()
	for i, o := range things() {
		t.Run(fmt.Sprint(o.model.Name, i), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(21, uint64(i)))
			names := make(map[string]int)
			for n := range rounds() {
				h := o.history(rng, 3+n%4, 3, []float64{.5, .8, 1}[n%3], n%2 == 0)
				for _, a := range New(Options{Model: o.model, Engine: Frontier, Workers: 1}).Check(t.Context(), h).Anomalies {
					names[a.Name]++
					explains(t, &o, h, a)
				}
			}
			t.Log(names)
			sum := 0
			for _, n := range names {
				sum += n
			}
			if names[nameless]*10 > sum {
				t.Errorf("too many of them have no name: %v", names)
			}
		})
	}
}

func explains(t *testing.T, o *thing, h *history.History, a checkers.Anomaly) {
	t.Helper()
	told := slices.ContainsFunc([]string{"the answers allow", "can be ordered thus", "can be first", "brought"}, func(s string) bool {
		return strings.Contains(a.Explanation, s)
	})
	if len(a.Ops) == 0 || a.Explanation == "" || a.Name == nameless && !told && len(a.Edges) == 0 {
		t.Fatalf("%+v\n%s", a, show(h))
	}
	// After a moment that has one explanation, the state is part of the proof.
	if !strings.Contains(a.Explanation, "only one explanation") && o.possible(only(h, a.Ops)) {
		t.Fatalf("the operations are linearizable: %+v\n%s", a, show(h))
	}
	for _, e := range a.Edges {
		follows(t, o, h, a, e)
	}
}

// follows fails unless a step of a proof holds: what it says would be wrong if the
// two operations had been the other way round.
func follows(t *testing.T, o *thing, h *history.History, a checkers.Anomaly, e checkers.Edge) {
	t.Helper()
	calls, err := only(h, a.Ops).Calls()
	if err != nil {
		t.Fatal(err)
	}
	at := func(index int) int {
		return slices.IndexFunc(calls, func(c history.Call) bool { return c.Invoke.Index == index })
	}
	from, to := at(e.From), at(e.To)
	if from < 0 || to < 0 || e.Why == "" || slices.ContainsFunc(e.Via, func(i int) bool { return at(i) < 0 }) {
		t.Fatalf("%+v is not shown: %+v\n%s", e, a, show(h))
	}
	if e.Kind == realTime {
		if calls[from].Type() != history.OK || calls[from].Complete.Index > calls[to].Invoke.Index {
			t.Fatalf("it was not before: %+v\n%s", e, show(h))
		}
		return
	}
	if strings.Contains(a.Explanation, "only one explanation") {
		return
	}
	keep := append([]int{e.From, e.To}, e.Via...)
	if slices.ContainsFunc(calls, func(c history.Call) bool { return c.Type() != history.OK }) {
		keep = a.Ops // who shows that it happened
	}
	some, _ := only(h, keep).Calls()
	before := func(x, y history.Call) bool {
		switch i, j := x.Invoke.Index, y.Invoke.Index; {
		case i == e.From && j == e.To:
			return false
		case i == e.To && j == e.From:
			return true
		default:
			return x.Type() == history.OK && x.Complete.Index < j
		}
	}
	if o.ordered(some, before, 0, o.start) {
		t.Fatalf("it does not follow: %+v\n%s", e, show(h))
	}
}

// ordered decides by the definition whether there is an order of calls that keeps
// some before others.
func (o *thing) ordered(calls []history.Call, before func(x, y history.Call) bool, done uint64, state []int64) bool {
	finished := true
	for i, c := range calls {
		if done&(1<<i) != 0 {
			continue
		}
		finished = finished && c.Type() != history.OK
		late := func(j int) bool { return done&(1<<j) == 0 && j != i && before(calls[j], c) }
		if slices.ContainsFunc(places(len(calls)), late) {
			continue
		}
		for _, e := range o.can(state, c.Invoke.Process, c.Invoke.F, c.Invoke.Value) {
			fits := c.Type() != history.OK || e.result.IsAbsent() || e.result.Equal(c.Complete.Value)
			if fits && o.ordered(calls, before, done|1<<i, e.state) {
				return true
			}
		}
	}
	return finished
}

func places(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// What only an operation that failed can have left is a dirty read, also from a
// moment on at which there was something else.
func TestDirtyReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		f, arg, answer string
		want           string
	}{
		{"delete", "null", "null", "dirty-read"},
		{"write", "7", "7", "dirty-read"},
		{"cas", "[6,7]", "7", "dirty-read"},
		{"cas", "[6,7]", "6", "thin-air-read"},
		{"read", "null", "7", "thin-air-read"},
	} {
		h, err := history.Read(strings.NewReader(fmt.Sprintf(`
{"process":0,"type":"invoke","f":%[1]q,"value":%[2]s}
{"process":0,"type":"fail","f":%[1]q,"value":%[2]s}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":1,"type":"ok","f":"read","value":%[3]s}
`, c.f, c.arg, c.answer)))
		if err != nil {
			t.Fatal(err)
		}
		calls, err := h.Calls()
		if err != nil {
			t.Fatal(err)
		}
		r, err := CASRegister().decode(calls)
		if err != nil {
			t.Fatal(err)
		}
		p := r.problem(r.ops)
		p.first = int64(r.number(history.Int(5)))
		k, ok := tie(p, p, newBudget(t.Context(), Options{}))
		if !ok || k.name() != c.want {
			t.Errorf("after a %s of %s that did not happen, a read of %s is %s, not %s", c.f, c.arg, c.answer, k.name(), c.want)
		}
	}
}
