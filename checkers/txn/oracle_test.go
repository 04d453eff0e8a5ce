package txn

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

// verdict is a history with what Elle says about it.
type verdict struct{ oracle.Case }

// verdicts reads the vectors of a checker of Elle's.
func verdicts(t *testing.T, name string) (list []verdict) {
	t.Helper()
	for _, c := range oracle.Vectors(t, name) {
		list = append(list, verdict{c})
	}
	return list
}

func (v verdict) opts(w Workload) Options {
	return Options{
		Workload:         w,
		SequentialKeys:   strings.Contains(v.Options, ":sequential-keys? true"),
		LinearizableKeys: strings.Contains(v.Options, ":linearizable-keys? true"),
		WFRKeys:          strings.Contains(v.Options, ":wfr-keys? true"),
	}
}

// givenUp are names that say that Elle could not finish, not what it found.
var givenUp = []string{"empty-transaction-graph", "cycle-search-timeout"}

// existence are the cycles that prove what Elle says when it found that a cycle
// exists, and did not find the cycle.
var existence = map[string]string{
	"strong-PL-1-cycle-exists":               "G0-realtime",
	"strong-PL-2-cycle-exists":               "G1c-realtime",
	"strong-snapshot-isolation-cycle-exists": "G-nonadjacent-item-realtime",
	"PL-1-cycle-exists":                      "G0",
	"PL-2-cycle-exists":                      "G1c",
	"PL-SI-cycle-exists":                     "G-nonadjacent-item",
	"PL-3-cycle-exists":                      "G2-item",
	"PL-SS-cycle-exists":                     "G2-item-realtime",
}

// missing returns the anomalies that Elle names and the report does not have,
// not even as one that is worse.
func missing(r Report, names []string) (list []string) {
	entailed := levels.Entailed(keys(r.Count)...)
	for _, name := range names {
		if c := existence[name]; c != "" {
			name = c
		}
		if !slices.Contains(givenUp, name) && !entailed[name] {
			list = append(list, name)
		}
	}
	return list
}

func keys(m map[string]int) (list []string) {
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// elsewhere are the vectors on which we differ, and why we are right.
//
// A thin-air read returns a value that no transaction of the history, not even
// one that failed, has written. Elle takes it for an initial value, although it
// takes nil for the initial value of every key at the same time. A future read
// returns what the same transaction writes later: no database that is not
// clairvoyant does that, and Elle looks for it in lists only. Both are visible
// in the records alone, so the test checks them there.
//
// The others are listed.
var elsewhere = map[string]string{
	"rw-register-7-1911":      "G1c through index 0, which is info: index 3 read 0 = 2 and 2 = 1 from it, so it happened; key 1 got 2 from index 3, which was over before index 15 began to read the 1 of index 0. Elle does not use info transactions.",
	"rw-register-7-2492":      "index 0 had read 0 = 1 before the only write of 1 began at index 2. Elle does not use that write, because it is info.",
	"rw-register-medium-7-2":  acyclic,
	"rw-register-medium-7-23": acyclic,
	"rw-register-medium-7-25": acyclic,
	"rw-register-medium-7-70": acyclic,
	"rw-register-medium-7-84": acyclic,
	"rw-register-medium-7-95": acyclic,
	"rw-register-medium-7-92": "one of many cycles of a kind that a worse one implies, in a component in which Elle ran out of time.",
	"list-append-7-119":       tie,
	"list-append-7-514":       tie,
	"list-append-7-720":       tie,
	"list-append-7-2117":      tie,
	"list-append-7-2657":      tie,
}

const (
	// TestCyclicVersionsByDefinition proves it.
	acyclic = "Elle says cyclic-versions, but the real-time order of versions, drawn pair by pair, has no cycle on any key."
	tie     = "two longest reads of a key contradict each other and are equally long. Both report that (incompatible-order); the cycles depend on which is taken for the order of the key, Elle's choice being that of a hash table."
)

// TestElleVectors compares verdicts, anomalies, and the boundary of levels with
// those of Elle.
func TestElleVectors(t *testing.T) {
	t.Parallel()
	for _, w := range []Workload{ListAppend, RWRegister} {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			stat := make(map[string]int)
			var idle []string
			for _, v := range verdicts(t, "elle-"+w.String()) {
				h := v.Parse(t)
				r := Check(t.Context(), h, v.opts(w))
				if r.Reason == nothing {
					idle = append(idle, v.ID)
					continue
				}
				stat[v.compare(t, h, r)]++
			}
			t.Logf("%v; nothing to judge in %d: %v", stat, len(idle), idle)
		})
	}
}

// compare fails the test where the report does not agree with Elle and no reason
// is listed, and says how they compare.
func (v verdict) compare(t *testing.T, h *history.History, r Report) string {
	all := raws(h)
	for _, a := range r.Anomalies {
		if len(a.Cycle) <= 6 && !a.Milder {
			proves(t, all, a)
		}
	}
	excuse := elsewhere[v.ID]
	if r.Count["thin-air-read"]+r.Count["future-read"] > 0 {
		excuse = plain(t, h, r)
	}
	if isOpenOrder(v.ID) {
		excuse = open
	}
	m := missing(r, v.Expect.Anomalies)
	if len(m) > 0 && excuse == "" {
		t.Errorf("%s %s: %v are missing of %v in %v", v.ID, v.Options, m, v.Expect.Anomalies, r.Count)
	}
	valid, definite := v.Expect.Valid.(bool)
	switch {
	case v.Expect.Error != "" && r.Count["thin-air-read"] > 0:
		return "Elle crashed, we found a thin-air-read"
	case !definite:
		return "Elle gave up, we say " + r.Verdict.String()
	case valid != (r.Verdict == checkers.OK) && excuse == "":
		t.Errorf("%s %s: Elle says %v, we %v %v\n%s", v.ID, v.Options, valid, r.Verdict, r.Count, show(h))
		return "verdict differs"
	case valid != (r.Verdict == checkers.OK):
		return "verdict differs, we are right"
	case excuse == "" && v.Expect.Not != nil && len(m) == 0 && !slices.Equal(r.Not, v.Expect.Not):
		return "same verdict, we rule out more"
	case excuse == "" && !slices.Equal(r.AlsoNot, v.Expect.AlsoNot):
		t.Errorf("%s: also not %v, we %v", v.ID, v.Expect.AlsoNot, r.AlsoNot)
	}
	return "agree"
}

// plain checks thin-air and future reads in the records.
func plain(t *testing.T, h *history.History, r Report) string {
	t.Helper()
	all := raws(h)
	for _, a := range r.Anomalies {
		reader := all[a.Ops[0]]
		switch a.Name {
		case "thin-air-read":
			if !slices.ContainsFunc(reader.steps, func(st []history.Value) bool { return st[0].Text() == "r" && unwritten(all, st) }) {
				t.Errorf("not proved: %v\n%s", a.Explanation, show(h))
			}
		case "future-read":
			if !slices.ContainsFunc(reader.steps, func(st []history.Value) bool {
				return st[0].Text() == "r" && slices.ContainsFunc(elements(st[2]), func(e history.Value) bool { return reader.writes(st[1].String(), e.String()) })
			}) {
				t.Errorf("not proved: %v\n%s", a.Explanation, show(h))
			}
		}
	}
	return "plain to see"
}

// elements returns those of a list, or a value as the only one.
func elements(v history.Value) []history.Value {
	if v.Kind() == history.KindList {
		return v.Elems()
	}
	return []history.Value{v}
}

func unwritten(all map[int]raw, read []history.Value) bool {
	return slices.ContainsFunc(elements(read[2]), func(e history.Value) bool {
		for _, r := range all {
			if r.writes(read[1].String(), e.String()) {
				return false
			}
		}
		return !e.IsNil()
	})
}

// TestCyclicVersionsByDefinition draws the real-time order of versions pair by
// pair where Elle found a cycle and we did not, and where both did not.
func TestCyclicVersionsByDefinition(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("TestElleVectors judges the same histories")
	}
	for _, v := range verdicts(t, "elle-rw-register") {
		opts := v.opts(RWRegister)
		if !opts.LinearizableKeys || opts.SequentialKeys || opts.WFRKeys {
			continue
		}
		h := v.Parse(t)
		cyclic := cyclicByDefinition(h)
		r := Check(t.Context(), h, opts)
		if r.Reason != nothing && cyclic != (r.Count["cyclic-versions"] > 0) {
			t.Errorf("%s: cyclic %v, we found %v", v.ID, cyclic, r.Count)
		}
		if elsewhere[v.ID] == acyclic && cyclic {
			t.Errorf("%s: Elle is right", v.ID)
		}
	}
}

// cyclicByDefinition reports whether the versions of some key come after each
// other in a circle: after the initial one, and, in real time, one that was left
// before another was met.
func cyclicByDefinition(h *history.History) bool {
	type met struct {
		raw
		first, last string
		read        bool // it met the key by reading a value
	}
	keys := make(map[string][]met)
	for _, r := range raws(h) {
		if r.typ == history.Fail {
			continue
		}
		touched := make(map[string]met)
		for _, st := range r.steps {
			k, read := st[1].String(), st[0].Text() == "r"
			m, again := touched[k]
			value := st[2].String()
			if read && (again || r.typ != history.OK) {
				continue
			}
			if read || !m.read {
				m.first = value
			}
			m.raw, m.last, m.read = r, value, m.read || read && value != "nil"
			touched[k] = m
		}
		for k, m := range touched {
			keys[k] = append(keys[k], m)
		}
	}
	for _, list := range keys {
		var p pairs
		number := map[string]int32{"nil": 0}
		id := func(s string) int32 {
			if _, ok := number[s]; !ok {
				number[s] = int32(len(number))
				p.add(0, number[s], ww)
			}
			return number[s]
		}
		for _, a := range list {
			for _, b := range list {
				if x, y := id(a.last), id(b.first); x != y && a.completed < b.invoked {
					p.add(x, y, ww)
				}
			}
		}
		r := p.relation(len(number))
		if _, count := r.components(ww); int(count) < len(number) {
			return true
		}
	}
	return false
}

// TestElleCorpus judges the histories of Elle's own tests.
func TestElleCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(oracle.Path(t, "corpora", "elle-tests"), "*.expect.edn"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no files")
	}
	agreed := 0
	for _, file := range files {
		expect, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(strings.TrimSuffix(file, ".expect.edn") + ".edn")
		if err != nil {
			t.Fatal(err)
		}
		h, err := history.Read(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if compareCorpus(t, filepath.Base(file), string(expect), h) {
			agreed++
		}
	}
	text, err := os.ReadFile(differences)
	if said := fmt.Sprintf("%d of the %d", agreed, len(files)); err != nil || !strings.Contains(string(text), said) {
		t.Errorf("%s agree, but %s says something else (%v)", said, differences, err)
	}
}

var (
	modelsOf    = regexp.MustCompile(`:consistency-models \[([^\]]*)\]`)
	anomaliesOf = regexp.MustCompile(`:anomalies \[([^\]]*)\]`)
	placesOf    = regexp.MustCompile(`:transaction-order \{([^}]*)\}`)
	typesOf     = regexp.MustCompile(`:anomaly-types \(([^)]*)\)`)
)

// keywords returns the keywords that a pattern finds.
func keywords(re *regexp.Regexp, text string) []string {
	m := re.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	return strings.Fields(strings.ReplaceAll(m[1], ":", ""))
}

// corpusExcuses are the cases of Elle's tests where we differ.
var corpusExcuses = map[string]string{
	"0007": "a process has two transactions open at a time",
	"0055": "a read of 2, which nobody wrote",
	"0074": "reads of values that nobody wrote",
	"0077": "a process has two transactions open at a time",
	"0078": "reads of values that nobody wrote",
}

func compareCorpus(t *testing.T, name, expect string, h *history.History) bool {
	t.Helper()
	opts, _, _ := strings.Cut(expect, ":result")
	o := Options{
		Models:           keywords(modelsOf, opts),
		Anomalies:        keywords(anomaliesOf, opts),
		SequentialKeys:   strings.Contains(opts, ":sequential-keys? true"),
		LinearizableKeys: strings.Contains(opts, ":linearizable-keys? true"),
		WFRKeys:          strings.Contains(opts, ":wfr-keys? true"),
	}
	if strings.Contains(name, "rw-register") {
		o.Workload = RWRegister
	}
	if m := placesOf.FindStringSubmatch(opts); m != nil {
		o.TransactionOrder = make(map[int]int)
		for _, pair := range strings.Split(m[1], ",") {
			var index, place int
			if _, err := fmt.Sscan(pair, &index, &place); err != nil {
				t.Fatal(err)
			}
			o.TransactionOrder[index] = place
		}
	}
	r := Check(t.Context(), h, o)
	want := checkers.Unknown
	switch {
	case strings.Contains(expect, ":valid? true"):
		want = checkers.OK
	case strings.Contains(expect, ":valid? false"):
		want = checkers.Invalid
	}
	m := missing(r, keywords(typesOf, expect))
	if r.Verdict == want && len(m) == 0 {
		return true
	}
	if r.Reason == nothing || want == checkers.Unknown || corpusExcuses[name[:4]] != "" {
		return false
	}
	t.Errorf("%s %+v: %v, want %v; %v are missing in %v; %s", name, o, r.Verdict, want, m, r.Count, r.Reason)
	return false
}
