package files

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/hostile"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/files.txt", func(d *datadriven.TestData) checkers.Checker {
		if d.HasArg("append") {
			return NewAppend(AppendOptions{Durable: d.HasArg("durable")})
		}
		return New(Options{})
	})
}

// moment is an operation that has to be given one.
type moment struct {
	inv, res int
	sure     bool
	do       func(state string) (string, bool) // the state after it, if it can happen
}

// explainable decides by the definition: can all operations that were ok, and
// some of those whose outcome is unknown, be given an order that real time
// allows and in which each does what it did?
func explainable(ops []moment, state string) bool {
	seen := map[string]bool{}
	var search func(done int, state string) bool
	search = func(done int, state string) bool {
		key := fmt.Sprint(done, state)
		if seen[key] {
			return false
		}
		seen[key] = true
		left, bound := false, never
		for i, o := range ops {
			if done>>i&1 == 0 && o.sure {
				left, bound = true, min(bound, o.res)
			}
		}
		if !left {
			return true
		}
		for i, o := range ops {
			if done>>i&1 == 1 || o.inv > bound {
				continue
			}
			if next, ok := o.do(state); ok && search(done|1<<i, next) {
				return true
			}
		}
		return false
	}
	return search(0, state)
}

func moments(h *history.History, do func(c history.Call) func(string) (string, bool)) []moment {
	calls, _ := h.Calls()
	var ops []moment
	for _, c := range calls {
		o := opOf(c)
		if f := do(c); f != nil && !o.failed() && (o.ok() || c.Invoke.F != "read" && c.Invoke.F != "list") {
			ops = append(ops, moment{o.inv, o.res, o.ok(), f})
		}
	}
	return ops
}

// contentExplainable judges the files of a history one by one.
func contentExplainable(h *history.History) bool {
	for _, key := range []string{"f", "g"} {
		ops := moments(h, func(c history.Call) func(string) (string, bool) {
			switch v := c.Value().String(); {
			case c.Invoke.Key.Text() != key:
				return nil
			case c.Invoke.F == "write":
				return func(string) (string, bool) { return v, true }
			default:
				return func(state string) (string, bool) { return state, state == v }
			}
		})
		if !explainable(ops, "nil") {
			return false
		}
	}
	return true
}

// namesExplainable judges the names of a history; the state is the names in order.
func namesExplainable(h *history.History) bool {
	add := func(state, name string) string {
		b := []byte(state + name)
		slices.Sort(b)
		return string(b)
	}
	return explainable(moments(h, func(c history.Call) func(string) (string, bool) {
		v := c.Invoke.Value
		remove := func(state, name string) (string, bool) {
			return strings.Replace(state, name, "", 1), strings.Contains(state, name)
		}
		switch c.Invoke.F {
		case "create":
			return func(state string) (string, bool) { return add(state, v.Text()), true }
		case "delete":
			return func(state string) (string, bool) { return remove(state, v.Text()) }
		case "rename":
			return func(state string) (string, bool) {
				rest, ok := remove(state, v.Elems()[0].Text())
				return add(rest, v.Elems()[1].Text()), ok
			}
		default:
			shown := ""
			for i := 0; i < len(c.Value().Elems()); i += 2 {
				shown = add(shown, c.Value().Elems()[i].Text())
			}
			return func(state string) (string, bool) { return state, state == shown }
		}
	}), "")
}

func verdicts(t *testing.T, h *history.History, c checkers.Checker, names []string, refuse bool) checkers.Result {
	t.Helper()
	r := c.Check(t.Context(), h)
	rulestest.Judged(t, rand.New(rand.NewPCG(1, uint64(len(h.Ops)))), h, r, names, []string{"", "a", "b", "c", "1", "2", "3"}, refuse)
	return r
}

// TestContentAgainstDefinition compares with a search for an order.
func TestContentAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	sums := map[string]int{}
	for i := range rulestest.Rounds() {
		h := newSim(rng, []int{0, 20, 6}[i%3]).contents(4 + rng.IntN(16))
		if len(h.Ops) == 0 {
			continue
		}
		r := verdicts(t, h, New(Options{}), Anomalies(), i%500 == 0)
		if want := contentExplainable(h); r.Verdict != checkers.Unknown && want != (r.Verdict == checkers.OK) {
			t.Fatalf("%v %+v, want %v\n%s", r.Verdict, r.Anomalies, want, rulestest.Show(h))
		}
		for _, a := range r.Anomalies {
			sums[a.Name]++
		}
	}
	t.Log(sums)
}

// TestNamesAgainstDefinition compares with a search for an order. The rules look
// at the names of one file at a time, so they may miss what only shows between
// two; what they find is never explainable.
func TestNamesAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 2))
	sums, missed, all := map[string]int{}, 0, 0
	for i := range rulestest.Rounds() {
		h := newSim(rng, []int{0, 30, 10}[i%3]).namespace(4 + rng.IntN(14))
		if len(h.Ops) == 0 {
			continue
		}
		r := verdicts(t, h, New(Options{}), Anomalies(), i%500 == 0)
		if i%3 == 0 && r.Verdict == checkers.Invalid {
			t.Fatalf("%+v\n%s", r.Anomalies, rulestest.Show(h))
		}
		inode := slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == InodeChanged || a.Name == SharedInode })
		for _, a := range r.Anomalies {
			sums[a.Name]++
		}
		if i%4 != 0 && r.Verdict == checkers.OK || inode || r.Verdict == checkers.Unknown {
			continue
		}
		want := namesExplainable(h)
		if want && r.Verdict == checkers.Invalid {
			t.Fatalf("%+v, but there is an order\n%s", r.Anomalies, rulestest.Show(h))
		}
		if !want {
			all++
			if r.Verdict == checkers.OK {
				missed++
			}
		}
	}
	t.Logf("%v; of %d histories without an order, the rules miss %d", sums, all, missed)
	if missed*20 > all {
		t.Errorf("the rules miss %d of %d", missed, all)
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	hostile.Feed(t, New(Options{}), []string{"write", "read"}, []history.Value{history.Int(1), history.Int(2), history.Int(3)})
	hostile.Feed(t, New(Options{}), []string{"list"}, []history.Value{history.Map(history.String("a"), history.Int(1)), history.String("a"), history.Map(history.String("b"), history.Int(1))})
}

func TestStops(t *testing.T) {
	t.Parallel()
	rulestest.Stops(t, newSim(rand.New(rand.NewPCG(1, 1)), 0).contents(40), New(Options{}), NewAppend(AppendOptions{}))
}

func BenchmarkContent(b *testing.B) {
	h := newSim(rand.New(rand.NewPCG(1, 1)), 0).contents(300000)
	for b.Loop() {
		if r := New(Options{}).Check(b.Context(), h); r.Verdict != checkers.OK {
			b.Fatal(r.Reason)
		}
	}
}
