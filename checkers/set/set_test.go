package set

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/oracle"
	"github.com/ordeal-dev/ordeal/checkers/internal/script"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func TestCases(t *testing.T) {
	t.Parallel()
	script.Run(t, "testdata/set.txt", func(d *datadriven.TestData) checkers.Checker {
		return New(Options{Linearizable: d.HasArg("linearizable")})
	})
}

// naive judges elements one by one, read by read, as the definition says.
func naive(h *history.History) (lost, stable, stale, never []string) {
	calls, _ := h.Calls()
	for _, add := range calls {
		if add.Invoke.F != "add" {
			continue
		}
		known, present, absent := -1, -1, -1
		if add.Type() == history.OK {
			known = add.Complete.Index
		}
		for _, r := range calls {
			if r.Invoke.F != "read" || r.Type() != history.OK {
				continue
			}
			if slices.ContainsFunc(r.Value().Elems(), add.Invoke.Value.Equal) {
				present = max(present, r.Invoke.Index)
				if known < 0 || r.Complete.Index < known {
					known = r.Complete.Index
				}
			} else if add.Invoke.Index < r.Complete.Index {
				absent = max(absent, r.Invoke.Index)
			}
		}
		name := add.Invoke.Value.String()
		switch {
		case present > absent:
			stable = append(stable, name)
			if known < absent {
				stale = append(stale, name)
			}
		case known >= 0 && known < absent:
			lost = append(lost, name)
		default:
			never = append(never, name)
		}
	}
	return lost, stable, stale, never
}

// random makes a history of adds and reads that see each element with some
// probability.
func random(rng *rand.Rand) *history.History {
	h := new(history.History)
	record := func(p history.Process, typ history.Type, f string, v history.Value) {
		h.Ops = append(h.Ops, history.Op{Index: len(h.Ops), Time: int64(len(h.Ops)) * 1e6, Process: p, Type: typ, F: f, Value: v})
	}
	next := int64(0)
	open := make(map[history.Process]history.Value) // Absent for a read
	for range 60 {
		p := history.Process(rng.IntN(5))
		v, busy := open[p]
		switch {
		case !busy && rng.IntN(3) > 0:
			next++
			open[p] = history.Int(next)
			record(p, history.Invoke, "add", open[p])
		case !busy:
			open[p] = history.Value{}
			record(p, history.Invoke, "read", history.Nil)
		case v.IsAbsent():
			var seen []int64
			for n := int64(1); n <= next; n++ {
				if rng.IntN(6) > 0 {
					seen = append(seen, n)
				}
			}
			record(p, history.OK, "read", history.Ints(seen...))
			delete(open, p)
		default:
			record(p, []history.Type{history.OK, history.OK, history.Info}[rng.IntN(3)], "add", v)
			delete(open, p)
		}
	}
	return h
}

func TestAgainstDefinition(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	sum := 0
	for range 3000 {
		h := random(rng)
		r, err := Check(h)
		if err != nil {
			t.Fatal(err)
		}
		lost, stable, stale, never := naive(h)
		want := [][]string{lost, stale, never}
		got := [][]string{r.LostElements, r.StaleElements, r.NeverReadElements}
		for i := range got {
			got[i] = append([]string(nil), got[i]...)
		}
		if diff := cmp.Diff(want, got); diff != "" || r.Stable != len(stable) {
			t.Fatalf("lost, stale, never read: -want +got\n%s%v", diff, h.Ops)
		}
		sum += r.Lost
	}
	if sum < 500 {
		t.Errorf("only %d lost elements in all: the test shows little", sum)
	}
}

// counts reads the counts of a result of Jepsen.
var counts = regexp.MustCompile(`:([a-z-]+-count) (\d+)`)

// TestJepsenVectors compares verdicts and counts with those of Jepsen's set-full.
// It never finds duplicates, and takes staleness under a millisecond for none.
func TestJepsenVectors(t *testing.T) {
	t.Parallel()
	beyond, again := 0, 0
	for _, c := range oracle.Vectors(t, "jepsen-set-full") {
		h := c.Parse(t)
		opts := Options{Linearizable: strings.Contains(c.Options, ":linearizable? true")}
		result := New(opts).Check(t.Context(), h)
		report, err := Check(h)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]checkers.Verdict{"true": checkers.OK, "false": checkers.Invalid, "unknown": checkers.Unknown}[verdict(c.Expect.Valid)]
		if result.Verdict != want {
			// What it does not look for, and elements lost before they were added again.
			more := report.Duplicated+report.Unexpected+report.Dirty > 0 || report.Lost > 0 && repeats(h)
			if want == checkers.Invalid || result.Verdict != checkers.Invalid || !more {
				t.Errorf("%s %s: Jepsen says %v, we say %v %s %+v\n%s\n%s", c.ID, c.Options, want, result.Verdict, result.Reason, result.Anomalies, c.Expect.Result, c.History)
			}
			beyond++
		}
		if repeats(h) || report.Dirty > 0 {
			again++ // Jepsen forgets an element that is added again, and takes a failed add for one that may have happened
			continue
		}
		ours := map[string]int{"attempt-count": report.Attempt, "stable-count": report.Stable, "lost-count": report.Lost, "never-read-count": report.NeverRead}
		for _, m := range counts.FindAllStringSubmatch(c.Expect.Result, -1) {
			n, _ := strconv.Atoi(m[2])
			if got, ok := ours[m[1]]; ok && got != n {
				t.Errorf("%s: %s is %d, Jepsen says %d\n%s\n%s", c.ID, m[1], got, n, c.Expect.Result, c.History)
			}
		}
	}
	t.Logf("in %d histories we find what Jepsen does not; in %d the counts differ by definition", beyond, again)
}

// repeats reports whether an element was added twice.
func repeats(h *history.History) bool {
	calls, _ := h.Calls()
	seen := make(map[string]bool)
	for _, c := range calls {
		if c.Invoke.F == "add" && seen[c.Invoke.Value.String()] {
			return true
		} else if c.Invoke.F == "add" {
			seen[c.Invoke.Value.String()] = true
		}
	}
	return false
}

func verdict(v any) string {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b)
	}
	return v.(string)
}
