package txn

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// differences is the document that says where we differ from Elle.
const differences = "../../docs/elle-differences.md"

// difference says how our report on a vector compares with Elle's, in the words
// of the document.
func (v verdict) difference(r Report) string {
	valid, definite := v.Expect.Valid.(bool)
	missing := missing(r, v.Expect.Anomalies)
	switch {
	case r.Reason == nothing:
		return "nothing to judge"
	case v.Expect.Error != "":
		return "Elle crashed, ours is " + r.Verdict.String()
	case !definite:
		return "Elle gave up, ours is " + r.Verdict.String()
	case valid != (r.Verdict == checkers.OK):
		switch {
		case r.Count["thin-air-read"] > 0:
			return "differs: thin-air read"
		case r.Count["future-read"] > 0:
			return "differs: future read"
		case isOpenOrder(v.ID):
			return "differs: order of versions unknown to Elle"
		case elsewhere[v.ID] == acyclic:
			return "differs: no cycle of versions"
		default:
			return "differs: writes of unknown outcome"
		}
	case len(missing) > 0 && elsewhere[v.ID] == acyclic:
		return "same verdict, no cycle of versions"
	case len(missing) > 0 && elsewhere[v.ID] == tie:
		return "same verdict, two longest reads"
	case len(missing) > 0:
		return "same verdict, not explained"
	default:
		return "same verdict, every anomaly"
	}
}

// TestDifferencesCounted sees that the numbers of the document are those that the
// vectors give.
func TestDifferencesCounted(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("TestElleVectors judges the same histories")
	}
	text, err := os.ReadFile(differences)
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string][2]int)
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d+) \| (\d+) \|`).FindAllStringSubmatch(string(text), -1) {
		a, _ := strconv.Atoi(row[2])
		b, _ := strconv.Atoi(row[3])
		said[row[1]] = [2]int{a, b}
	}
	is := make(map[string][2]int)
	for i, w := range []Workload{ListAppend, RWRegister} {
		for _, v := range verdicts(t, "elle-"+w.String()) {
			what := v.difference(Check(t.Context(), v.Parse(t), v.opts(w)))
			n := is[what]
			n[i]++
			is[what] = n
		}
	}
	for what, n := range is {
		if said[what] != n {
			t.Errorf("| %s | %d | %d | but the document says %v", what, n[0], n[1], said[what])
		}
		delete(said, what)
	}
	if len(said) > 0 {
		t.Errorf("the document counts what is not there: %v", said)
	}
}

// TestDifferencesShown judges the examples of the document.
func TestDifferencesShown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(differences)
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```edn ([^\n]*)\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(examples) < 5 {
		t.Fatalf("only %d examples", len(examples))
	}
	for _, e := range examples {
		h, err := history.Read(strings.NewReader(e[2]))
		if err != nil {
			t.Fatalf("%s: %v", e[0], err)
		}
		var opts Options
		var want, anomaly string
		for _, word := range strings.Fields(e[1]) {
			switch {
			case word == "rw-register":
				opts.Workload = RWRegister
			case word == "linearizable-keys":
				opts.LinearizableKeys = true
			case word == "ok", word == "invalid", word == "unknown":
				want = word
			case levels.Entailed(word)[word] && want == "invalid":
				anomaly = word
			}
		}
		r := Check(t.Context(), h, opts)
		if r.Verdict.String() != want || anomaly != "" && r.Count[anomaly] == 0 {
			t.Errorf("%s is %v %s %v", e[0], r.Verdict, r.Reason, r.Count)
		}
		if result := New(opts).Check(t.Context(), h); result.Verdict != checkers.Unknown {
			certified(t, h, result)
		}
		if want == "ok" != (serial(h, opts.Workload, true)) && want != "unknown" {
			t.Errorf("%s: by trying all orders it is not %s", e[0], want)
		}
	}
}
