package eventlog

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/internal/oracle"
)

// simple are the types that have a list of cases in Jepsen's result.
var simple = []string{
	InconsistentOffsets, LostWrite, G1a, Duplicate, PrecommittedRead, NonmonotonicSend, IntNonmonotonicSend,
	NonmonotonicPoll, IntNonmonotonicPoll, PollSkip, IntPollSkip, IntSendSkip,
}

// cyclic are the types that Jepsen leaves to Elle.
var cyclic = []string{G0, G1c, G0Realtime, G1cRealtime}

// jepsens returns how often Jepsen found each type of error; for cycles just 1.
// What Jepsen calls unseen although it was polled does not count: where only the
// outcome of every send to a key is unknown, it takes what was polled from the key
// for what was not.
func jepsens(v history.Value, polled map[string]bool) map[string]int {
	found := map[string]int{}
	for _, typ := range simple {
		if n := len(v.Get(typ).Elems()); n > 0 {
			found[typ] = n
		}
	}
	for _, typ := range cyclic {
		if len(v.Get(typ).Elems()) > 0 {
			found[typ] = 1
		}
	}
	for kvs := v.Get(Unseen).Get("messages").Elems(); len(kvs) > 0; kvs = kvs[2:] {
		for _, m := range kvs[1].Elems() {
			if !polled[kvs[0].String()+" "+m.String()] {
				found[Unseen]++
			}
		}
	}
	return found
}

// ours returns the same of a report. Jepsen counts an aborted read once for each
// time that it was polled; we count values.
func ours(r Report, theirs map[string]int) map[string]int {
	found := map[string]int{}
	for typ, e := range r.Errors {
		found[typ] = e.Count
	}
	for _, typ := range cyclic {
		found[typ] = min(found[typ], 1)
	}
	if found[G1a] > 0 && theirs[G1a] > 0 {
		found[G1a] = theirs[G1a]
	}
	for _, ours := range []string{ThinAirRead, Truncation, TornTransaction} {
		delete(found, ours)
	}
	for typ, n := range found {
		if n == 0 {
			delete(found, typ)
		}
	}
	return found
}

// polled returns what was polled with success, as "key value".
func polled(h *history.History) map[string]bool {
	found := map[string]bool{}
	for _, op := range h.Ops {
		for _, m := range op.Value.Elems() {
			if parts := m.Elems(); op.Type == history.OK && len(parts) == 2 {
				for kvs := parts[1].Elems(); len(kvs) > 0; kvs = kvs[2:] {
					for _, pair := range kvs[1].Elems() {
						found[kvs[0].String()+" "+pair.Elems()[1].String()] = true
					}
				}
			}
		}
	}
	return found
}

// steps are the types of errors that compare places in the log.
var steps = []string{NonmonotonicSend, IntNonmonotonicSend, NonmonotonicPoll, IntNonmonotonicPoll, PollSkip, IntPollSkip, IntSendSkip}

// compare reports whether we found what Jepsen found and nothing else, and whether
// we missed something. Where a value is at two offsets, we look at both places and
// may find more. Where an offset has two values, Jepsen keeps the one that happens
// to be first in a hash set. The other, if it is a duplicate, is then nowhere but
// at its other offset, and Jepsen reports a step there from operations that saw
// one offset after the other: we do not, and found the offset inconsistent.
func compare(t *testing.T, c oracle.Case, v history.Value, opts Options) (same, missed bool) {
	t.Helper()
	h := c.Parse(t)
	if !testing.Short() || len(h.Ops)%4 == 0 {
		judged(t, h, opts)
	}
	r, err := Check(h, opts)
	if err != nil {
		t.Fatal(c.ID, err)
	}
	if r.Errors[Truncation] != nil && r.Errors[InconsistentOffsets] == nil || r.Errors[TornTransaction] != nil && r.Errors[LostWrite] == nil {
		t.Errorf("%s: we find what Jepsen does not: %v", c.ID, r.ErrorTypes)
	}
	theirs := jepsens(v, polled(h))
	found := ours(r, theirs)
	inconsistent := r.Errors[InconsistentOffsets] != nil
	ambiguous := inconsistent || r.Errors[Duplicate] != nil
	for _, typ := range order {
		switch {
		case theirs[typ] > 0 && found[typ] == 0 && inconsistent && slices.Contains(steps, typ):
			missed = true
		case theirs[typ] > 0 && found[typ] == 0 || !ambiguous && found[typ] != theirs[typ]:
			t.Errorf("%s: %s: %d, Jepsen says %d\n%+v\n%s\n%s", c.ID, typ, found[typ], theirs[typ], r.Errors[typ], v, c.History)
		}
	}
	return maps.Equal(found, theirs), missed
}

// TestJepsenVectors compares what we find with what Jepsen does. Where it crashed,
// there is a value that nobody sent.
func TestJepsenVectors(t *testing.T) {
	t.Parallel()
	same, more, crashed := 0, 0, 0
	var arbitrary []string
	for _, c := range oracle.Vectors(t, "jepsen-log") {
		if c.Expect.Detail == "" {
			crashed++
			r := New(Options{}).Check(t.Context(), c.Parse(t))
			if !slices.ContainsFunc(r.Anomalies, func(a checkers.Anomaly) bool { return a.Name == ThinAirRead }) {
				t.Errorf("%s: Jepsen crashed, and we say %v %+v\n%s", c.ID, r.Verdict, r.Anomalies, c.History)
			}
			continue
		}
		equal, missed := compare(t, c, oracle.Value(t, c.Expect.Detail), Options{WWDeps: true})
		switch {
		case missed:
			arbitrary = append(arbitrary, c.ID)
		case equal:
			same++
		default:
			more++
		}
	}
	t.Logf("in %d histories we find the same, in %d ambiguous ones more; on %d Jepsen crashed; its choice is arbitrary in %v", same, more, crashed, arbitrary)
	if len(arbitrary) != 5 {
		t.Errorf("%d histories in which Jepsen's choice is arbitrary, want 5", len(arbitrary))
	}
}

// TestJepsenCorpus compares what we find in the inputs of Jepsen's own tests.
func TestJepsenCorpus(t *testing.T) {
	t.Parallel()
	n := 0
	for _, c := range oracle.Jepsen(t, "kafka-analysis") {
		v := oracle.Value(t, c.Expect.Result)
		same, missed := compare(t, c, v.Get("errors"), Options{WWDeps: strings.Contains(c.Options, "ww-deps true")})
		if same && !missed {
			n++
		}
		r, err := Check(c.Parse(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if lag, ok := v.Get("worst-realtime-lag").Get("lag").Int(); ok && lag != r.WorstRealtimeLag.Lag {
			t.Errorf("%s: lag %+v, Jepsen says %v\n%s", c.ID, r.WorstRealtimeLag, v.Get("worst-realtime-lag"), c.History)
		}
	}
	t.Logf("%d are the same", n)
}
