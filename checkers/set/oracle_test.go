package set

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/confirm"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

// fields takes the fields of a result, of Jepsen's or of ours, that both have.
func fields(v history.Value, names ...string) map[string]string {
	all := map[string]string{}
	for _, name := range names {
		field := v.Get(name)
		text := strings.NewReplacer("(", "[", ")", "]", `"`, "").Replace(field.String())
		if k := field.Kind(); k == history.KindList || k == history.KindSet {
			var parts []string
			for _, e := range field.Elems() {
				parts = append(parts, strings.Trim(e.String(), `"`))
			}
			slices.Sort(parts)
			text = "[" + strings.Join(parts, " ") + "]"
		}
		if field.Kind() == history.KindMap {
			var parts []string
			for kvs := field.Elems(); len(kvs) > 0; kvs = kvs[2:] {
				parts = append(parts, strings.Trim(kvs[0].String(), `"`)+" "+kvs[1].String())
			}
			slices.Sort(parts)
			text = "{" + strings.Join(parts, ", ") + "}"
		}
		all[name] = text
	}
	return all
}

// linearizable reads from the expectation of one of Jepsen's own tests whether
// stale reads count.
func linearizable(t *testing.T, id string) bool {
	if !strings.HasSuffix(id, ".edn") {
		return false
	}
	text, err := os.ReadFile(oracle.Path(t, "corpora", "jepsen-tests", strings.TrimSuffix(id, ".edn")+".expect.edn"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), ":linearizable? true")
}

// repeats reports whether an element was added twice, which makes Jepsen forget the
// first time.
func repeats(h *history.History) bool {
	seen := make(map[string]bool)
	for _, op := range h.Ops {
		if op.F == "add" && op.Type == history.Invoke {
			if seen[op.Value.String()] {
				return true
			}
			seen[op.Value.String()] = true
		}
	}
	return false
}

// TestJepsenFull compares verdicts and results with those of Jepsen's set-full, on
// random histories and on the inputs of its own tests. Where the verdicts differ,
// ours is invalid because of something that Jepsen does not look for and no set can
// show: an element twice in a read (its count of them is a comparison that is never
// true), an element out of nowhere, or one that is lost before it is added again.
func TestJepsenFull(t *testing.T) {
	t.Parallel()
	beyond, again, agree := map[string]int{}, 0, 0
	for _, c := range append(oracle.Vectors(t, "jepsen-set-full"), oracle.Jepsen(t, "jepsen-set-full")...) {
		h := c.Parse(t)
		result := New(Options{Linearizable: linearizable(t, c.ID)}).Check(t.Context(), h)
		confirm.Result(t, h, result)
		report, err := Check(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case result.Verdict.String() == c.Verdict():
			agree++
		case result.Verdict == checkers.Invalid && (report.Duplicated+report.Unexpected+report.Dirty > 0 || report.Lost > 0 && repeats(h)):
			beyond[result.Anomalies[0].Name]++
		default:
			t.Errorf("%s: Jepsen says %s, we say %v %s %+v\n%s\n%s", c.ID, c.Verdict(), result.Verdict, result.Reason, result.Anomalies, c.Expect.Result, c.History)
		}
		if repeats(h) || report.Dirty > 0 {
			again++
			continue
		}
		names := []string{"attempt-count", "stable-count", "lost-count", "never-read-count", "lost", "never-read", "stable-latencies", "lost-latencies"}
		if report.Stale == 0 || c.ID[0] == '0' { // Jepsen takes staleness under a millisecond for none
			names = append(names, "stale-count", "stale")
		}
		if report.Duplicated == 0 {
			names = append(names, "duplicated", "duplicated-count")
		}
		ours, theirs := fields(details(t, result), names...), fields(oracle.Value(t, c.Expect.Result), names...)
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("%s: -Jepsen +ours\n%s%s\n%s", c.ID, diff, c.Expect.Result, c.History)
		}
	}
	t.Logf("%d verdicts agree; in others we find %v; in %d histories the results differ by definition", agree, beyond, again)
}

// details reads the details of a result.
func details(t *testing.T, r checkers.Result) history.Value {
	t.Helper()
	h, err := history.Read(strings.NewReader(`{"index":0,"time":0,"process":0,"type":"invoke","f":"x","value":` + string(r.Details) + "}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return h.Ops[0].Value
}

// fromTheFuture reports whether an element was read and added later, which Jepsen
// takes for attempted.
func fromTheFuture(r checkers.Result) bool {
	return slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return strings.Contains(a.Explanation, "did not begin until") })
}

// TestJepsenLast compares verdicts and results with those of Jepsen's set.
func TestJepsenLast(t *testing.T) {
	t.Parallel()
	beyond, agree := map[string]int{}, 0
	for _, c := range append(oracle.Vectors(t, "jepsen-set"), oracle.Jepsen(t, "jepsen-set")...) {
		if strings.Contains(c.ID, "set-full") {
			continue
		}
		h := c.Parse(t)
		r := NewLast().Check(t.Context(), h)
		confirm.Result(t, h, r)
		switch {
		case r.Verdict.String() == c.Verdict():
			agree++
		case r.Verdict == checkers.Invalid && (r.Anomalies[0].Name == DirtyRead || r.Anomalies[0].Name == Duplicate || r.Anomalies[0].Name == Unexpected):
			beyond[r.Anomalies[0].Name]++
		default:
			t.Errorf("%s: Jepsen says %s, we say %v %s %+v\n%s\n%s", c.ID, c.Verdict(), r.Verdict, r.Reason, r.Anomalies, c.Expect.Result, c.History)
		}
		if c.Verdict() == "unknown" {
			continue
		}
		names := []string{"attempt-count", "acknowledged-count", "ok-count", "lost-count", "recovered-count", "ok", "lost", "recovered"}
		if !fromTheFuture(r) {
			names = append(names, "unexpected-count", "unexpected")
		}
		ours, theirs := fields(details(t, r), names...), fields(oracle.Value(t, c.Expect.Result), names...)
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("%s: -Jepsen +ours\n%s%s\n%s", c.ID, diff, c.Expect.Result, c.History)
		}
	}
	t.Logf("%d verdicts agree; in others we find %v", agree, beyond)
}
