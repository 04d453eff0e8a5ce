package txn

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// mutants are the anomalies, each as transactions that nothing else is wrong
// with: process, first and last moment, how it ended, and the steps. A linked
// value 2<1 replaced 1, and 1< the initial version.
var mutants = map[string][]struct{ name, opts, txns string }{
	"list-append": {
		{"G0", "", "0 0-9 ok w x 1, w y 1; 1 0-9 ok w x 2, w y 2; 2 0-9 ok r x [1 2], r y [2 1]"},
		{"G0-process", "strong-session-serializable", "0 0-1 ok w x 2; 0 2-3 ok w x 1; 1 0-9 ok r x [1 2]"},
		{"G0-realtime", "", "0 0-1 ok w x 2; 1 2-3 ok w x 1; 2 0-9 ok r x [1 2]"},
		{"G1a", "", "0 0-9 fail w x 1; 1 0-9 ok r x [1]"},
		{"G1b", "", "0 0-9 ok w x 1, w x 2; 1 0-9 ok r x [1]"},
		{"G1c", "", "0 0-9 ok w x 1, r y [1]; 1 0-9 ok w y 1, r x [1]"},
		{"G1c-process", "strong-session-serializable", "0 0-1 ok r x [1]; 0 2-3 ok w x 1"},
		{"G1c-realtime", "", "0 0-1 ok r x [1]; 1 2-3 ok w x 1"},
		{"G-single-item", "", "0 0-9 ok w x 1, w y 1; 1 0-9 ok r x [1], r y []"},
		{"G-single-item-process", "strong-session-serializable", "0 0-1 ok w x 1; 0 2-3 ok r x []"},
		{"G-single-item-realtime", "", "0 0-1 ok w x 1; 1 2-3 ok r x []"},
		{"G-nonadjacent-item", "", "0 0-9 ok w x 1; 1 0-9 ok w y 1; 2 0-9 ok r x [1], r y []; 3 0-9 ok r x [], r y [1]"},
		{"G-nonadjacent-item-process", "strong-session-serializable", "0 0-1 ok w x 1; 1 0-1 ok w y 1; 0 2-9 ok r y []; 1 2-9 ok r x []"},
		{"G-nonadjacent-item-realtime", "", "0 0-1 ok w x 1; 1 0-9 ok r y []; 2 0-2 ok w y 1; 3 3-9 ok r x [], w z 1; 4 0-9 ok r z [1]; 5 2-9 ok r y [], w q 1"},
		{"G2-item", "", "0 0-9 ok r x [], w y 1; 1 0-9 ok r y [], w x 1"},
		{"G2-item-process", "strong-session-serializable", "0 0-1 ok w y 1; 0 2-3 ok r x []; 1 0-9 ok w x 1, r y []"},
		{"G2-item-realtime", "", "0 0-1 ok w y 1; 1 2-3 ok r x []; 2 0-9 ok w x 1, r y []"},
		{"lost-update", "", "0 0-9 ok r x [], w x 1; 1 0-9 ok r x [], w x 2"},
		{"internal", "", "0 0-9 ok w x 1, r x []"},
		{"internal", "", "0 0-9 ok r x nil, r x []"},
		{"future-read", "", "0 0-9 ok r x [1], w x 1"},
		{"duplicate-elements", "", "0 0-9 ok w x 1; 1 0-9 ok r x [1 1]"},
		{"incompatible-order", "", "0 0-9 ok w x 1; 1 0-9 ok w x 2; 2 0-9 ok r x [1 2]; 3 0-9 ok r x [2 1]"},
		{"thin-air-read", "", "0 0-9 ok r x [9]"},
		{"dirty-update", "", "0 0-9 fail w x 1; 1 0-9 ok w x 2; 2 0-9 ok r x [1 2]"},
	},
	"rw-register": {
		{"G0", "linearizable-keys", "0 0-9 ok w x 1, w y 1; 1 0-9 ok w x 2, w y 2; 2 0-1 ok r x 1; 3 2-3 ok r x 2; 2 4-5 ok r y 2; 3 6-7 ok r y 1"},
		{"G1a", "", "0 0-9 fail w x 1; 1 0-9 ok r x 1"},
		{"G1b", "", "0 0-9 ok w x 1, w x 2; 1 0-9 ok r x 1"},
		{"G1c", "", "0 0-9 ok w x 1, r y 1; 1 0-9 ok w y 1, r x 1"},
		{"G1c-process", "strong-session-serializable", "0 0-1 ok r x 1; 0 2-3 ok w x 1"},
		{"G1c-realtime", "", "0 0-1 ok r x 1; 1 2-3 ok w x 1"},
		{"G-single-item", "", "0 0-9 ok w x 1, w y 1; 1 0-9 ok r x 1, r y nil"},
		{"G-single-item", "wfr-keys", "0 0-9 ok w x 1; 1 0-9 ok r x 1, w x 2, w y 1; 2 0-9 ok r x 1, r y 1"},
		{"G-single-item", "sequential-keys", "0 0-9 ok w x 1; 1 0-9 ok w x 2, w y 1; 3 0-1 ok r x 1; 3 2-3 ok r x 2; 2 0-9 ok r x 1, r y 1"},
		{"G-single-item-process", "strong-session-serializable", "0 0-1 ok w x 1; 0 2-3 ok r x nil"},
		{"G-single-item-realtime", "", "0 0-1 ok w x 1; 1 2-3 ok r x nil"},
		{"G-nonadjacent-item", "", "0 0-9 ok w x 1; 1 0-9 ok w y 1; 2 0-9 ok r x 1, r y nil; 3 0-9 ok r x nil, r y 1"},
		{"G2-item", "", "0 0-9 ok r x nil, w y 1; 1 0-9 ok r y nil, w x 1"},
		{"lost-update", "", "0 0-9 ok r x nil, w x 1; 1 0-9 ok r x nil, w x 2"},
		{"internal", "", "0 0-9 ok w x 1, r x nil"},
		{"future-read", "", "0 0-9 ok r x 1, w x 1"},
		{"thin-air-read", "", "0 0-9 ok r x 9"},
		{"cyclic-versions", "linearizable-keys", "0 0-9 ok w x 1; 1 0-9 ok w x 2; 2 0-1 ok r x 1; 3 2-3 ok r x 2; 2 4-5 ok r x 1"},
		{"cyclic-versions", "sequential-keys", "0 0-9 ok w x 1; 1 0-9 ok w x 2; 2 0-1 ok r x 1; 2 2-3 ok r x 2; 2 4-5 ok r x 1"},
		{"cyclic-versions", "linearizable-keys", "0 0-1 ok w x 1; 1 2-3 ok r x 1; 2 4-5 ok r x nil"},
	},
	"linked-register": {
		{"G0", "", "0 0-9 ok w x 1<, w y 2<1; 1 0-9 ok w x 2<1, w y 1<"},
		{"G0-realtime", "", "0 0-1 ok w x 2<1; 1 2-3 ok w x 1<"},
		{"G0-process", "strong-session-serializable", "0 0-1 ok w x 2<1; 0 2-3 ok w x 1<"},
		{"G1a", "", "0 0-9 fail w x 1<; 1 0-9 ok r x 1<"},
		{"G1a", "", "0 0-9 fail w x 1<; 1 0-9 ok w x 2<1"},
		{"G1b", "", "0 0-9 ok w x 1<, w x 2<1; 1 0-9 ok r x 1<"},
		{"G1c", "", "0 0-9 ok w x 1<, r y 1<; 1 0-9 ok w y 1<, r x 1<"},
		{"G-single-item", "", "0 0-9 ok w x 1<; 1 0-9 ok w x 2<1, w y 1<; 2 0-9 ok r x 1<, r y 1<"},
		{"G-single-item-realtime", "", "0 0-1 ok w x 1<; 1 2-3 ok r x nil"},
		{"G-nonadjacent-item", "", "0 0-9 ok w x 1<; 1 0-9 ok w y 1<; 2 0-9 ok r x 1<, r y nil; 3 0-9 ok r x nil, r y 1<"},
		{"G2-item", "", "0 0-9 ok r x nil, w y 1<; 1 0-9 ok r y nil, w x 1<"},
		{"lost-update", "", "0 0-9 ok w x 1<; 1 0-9 ok w x 2<"},
		{"internal", "", "0 0-9 ok w x 1<, r x nil"},
		{"internal", "", "0 0-9 ok w x 1<; 1 0-9 ok r x nil, w x 2<1"},
		{"future-read", "", "0 0-9 ok r x 1<, w x 1<"},
		{"thin-air-read", "", "0 0-9 ok r x 9<"},
		{"thin-air-read", "", "0 0-9 ok w x 1<9"},
		{"cyclic-versions", "", "0 0-9 ok w x 1<2; 1 0-9 ok w x 2<1"},
	},
}

// draft builds the history of a mutant.
func draft(t *testing.T, w Workload, text string) *history.History {
	t.Helper()
	type record struct {
		at int
		op history.Op
	}
	var all []record
	for _, line := range strings.Split(text, "; ") {
		var process, from, to int
		var end string
		if _, err := fmt.Sscanf(line, "%d %d-%d %s", &process, &from, &to, &end); err != nil {
			t.Fatal(err)
		}
		typ, err := history.ParseType(end)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(line, end+" ")
		var steps []history.Value
		for _, st := range strings.Split(rest, ", ") {
			f := strings.SplitN(st, " ", 3)
			name := f[0]
			if w == ListAppend && name == "w" {
				name = "append"
			}
			steps = append(steps, history.List(history.String(name), history.String(f[1]), literal(w, f[2])))
		}
		op := history.Op{Process: history.Process(process), F: "txn", Value: history.List(steps...)}
		all = append(all, record{2 * from, op})
		op.Type = typ
		all = append(all, record{2*to + 1, op})
	}
	slices.SortStableFunc(all, func(a, b record) int { return a.at - b.at })
	h := &history.History{}
	for i, r := range all {
		r.op.Index, r.op.Time = i, int64(i)*1e6
		h.Ops = append(h.Ops, r.op)
	}
	return h
}

func literal(w Workload, text string) history.Value {
	number := func(s string) history.Value {
		n, err := strconv.Atoi(s)
		if err != nil {
			return history.Nil
		}
		return history.Int(int64(n))
	}
	if strings.HasPrefix(text, "[") {
		var list []history.Value
		for _, f := range strings.Fields(strings.Trim(text, "[]")) {
			list = append(list, number(f))
		}
		return history.List(list...)
	}
	if v, p, linked := strings.Cut(text, "<"); linked && w == LinkedRegister {
		n, _ := strconv.Atoi(v)
		return linkedValue(int64(n), number(p))
	}
	return number(text)
}

// TestMutants plants each anomaly into valid histories: it is found each time,
// and its certificate is confirmed. What is planted into is never flagged.
func TestMutants(t *testing.T) {
	t.Parallel()
	for w, name := range workloadNames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(8, uint64(w)))
			for _, m := range mutants[name] {
				opts := Options{Workload: Workload(w), WFRKeys: m.opts == "wfr-keys", SequentialKeys: m.opts == "sequential-keys", LinearizableKeys: m.opts == "linearizable-keys"}
				if _, err := levels.Of(m.opts); err == nil {
					opts.Models = []string{m.opts}
				}
				for range times(8) {
					h := random(rng, mix{workload: Workload(w), txns: 30, clients: 4, steps: 4, keys: 4, writes: 10, info: 0.1, fail: 0.1})
					r := New(opts).Check(t.Context(), h)
					if r.Verdict != checkers.OK {
						t.Fatalf("not valid before: %v\n%s", r.Anomalies, show(h))
					}
					if !certified(t, h, r) {
						t.Fatalf("no certificate\n%s", show(h))
					}
					h = plant(rng, h, draft(t, Workload(w), m.txns))
					r = New(opts).Check(t.Context(), h)
					found := Check(t.Context(), h, opts)
					if r.Verdict != checkers.Invalid || !levels.Entailed(keys(found.Count)...)[m.name] || found.Count[m.name] == 0 && !strings.HasPrefix(m.name, "G") {
						t.Fatalf("%s: not found: %v %s %v\n%s", m.name, r.Verdict, r.Reason, found.Count, show(h))
					}
					for _, a := range found.Anomalies {
						if p := a.proof; found.Forbidden[a.Name] {
							p.Anomaly = a.Name
							confirmProof(t, h, opts, p)
						}
					}
				}
			}
		})
	}
}

// confirmProof sees an anomaly confirmed.
func confirmProof(t testing.TB, h *history.History, opts Options, p proof) {
	t.Helper()
	raw, err := json.Marshal(checkers.Claim{Definition: "transactions", Parameters: opts.parameters(), Verdict: checkers.Invalid, Evidence: p})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Claim(h, raw); err != nil {
		t.Fatalf("%v\n%s\n%s", err, raw, show(h))
	}
}
