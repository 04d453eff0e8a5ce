// Package adya judges transactions that read by predicates, with two checkers: one of
// Jepsen's workload for the anomaly G2, and one of predicate reads over a closed universe.
// Adya (1999) defines the anomalies; for the second see below.
//
// # Inserts that exclude each other
//
// [New]: for each key there are inserts, each of which first reads, by a predicate, whether
// another one of the same key is there, and inserts only if there is none:
//
//	insert  [a, b]      of the key of the record: a row a in one table, or b in another,
//	                    and nil for the other; or [key, [a, b]] if the record has no key
//
// An insert that is ok found nothing and inserted. In every serial order the second one
// finds the first, so at most one of each key may be ok. Two are Adya's G2: each read what
// the other then made wrong.
//
//	G2  two inserts of one key were ok
//
// # Predicate reads over a closed universe
//
// [NewPredicate]: see there.
package adya

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker of inserts is called.
const Name = "adya"

// G2 is the anomaly of inserts that exclude each other.
const G2 = "G2"

// Options are what the checkers can be told: nothing so far.
type Options struct{}

// Report has the results of Jepsen's checker under their names.
type Report struct {
	Keys         int            `json:"key-count"`     // of which an insert was tried
	Legal        int            `json:"legal-count"`   // of which exactly one was ok
	Illegal      int            `json:"illegal-count"` // of which more were
	IllegalKeys  map[string]int `json:"illegal"`       // at most 16 of these, with how many inserts were ok
	Acknowledged int            `json:"ok-count"`      // inserts that were ok

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies
}

// New returns a checker of inserts of which at most one of each key may succeed. A
// history in which no insert was ok is unknown. The time is linear.
func New(Options) checkers.Checker {
	return checkers.New(Name, func(_ context.Context, h *history.History) checkers.Result {
		r, err := Check(h)
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case r.Acknowledged == 0:
			return checkers.Unknownf("no insert was ok, of %d keys: nothing could be wrong", r.Keys).Detail(r)
		default:
			return result(Name, r.Anomalies, nil).Detail(r)
		}
	})
}

// result is one with a certificate.
func result(definition string, anomalies []checkers.Anomaly, order []int) checkers.Result {
	claim := checkers.Claim{Definition: definition}
	r := checkers.Result{Anomalies: anomalies}
	switch {
	case len(anomalies) > 0:
		a := anomalies[0]
		r.Verdict, claim.Verdict = checkers.Invalid, checkers.Invalid
		claim.Evidence = map[string]any{"anomaly": a.Name, "key": a.Key, "ops": a.Ops, "edges": a.Edges}
		if definition == Name {
			claim.Evidence = map[string]any{"anomaly": a.Name, "key": a.Key, "ops": a.Ops}
		}
	case order != nil:
		claim.Evidence = map[string]any{"order": order}
	}
	r.Certify = func() (checkers.Claim, error) { return claim, nil }
	return r
}

// Check judges the inserts of h. It is an error if one has no key.
func Check(h *history.History) (Report, error) {
	r := Report{IllegalKeys: map[string]int{}}
	calls, err := checkers.Paired(h)
	if err != nil {
		return r, err
	}
	clock := checkers.ClockOf(calls)
	var ids intern.Table
	var done [][]history.Call // by key
	for _, c := range calls {
		if c.Invoke.F != "insert" {
			continue
		}
		key, err := keyOf(c.Invoke)
		if err != nil {
			return r, err
		}
		id := ids.ID(key)
		if int(id) == len(done) {
			done = append(done, nil)
		}
		if c.Type() == history.OK {
			done[id] = append(done[id], c)
			r.Acknowledged++
		}
	}
	r.Keys = len(done)
	for id, list := range done {
		switch key := ids.Value(int32(id)); {
		case len(list) == 1:
			r.Legal++
		case len(list) > 1:
			if r.Illegal++; r.Illegal <= checkers.MaxAnomalies {
				r.IllegalKeys[key.String()] = len(list)
				r.Anomalies = append(r.Anomalies, twice(clock, key, list[0], list[1]))
			}
		}
	}
	return r, nil
}

// keyOf returns the key of an insert.
func keyOf(op *history.Op) (history.Value, error) {
	if pair := op.Value.Elems(); op.Key.IsAbsent() && op.Value.Kind() != history.KindMap {
		if len(pair) != 2 || len(pair[1].Elems()) != 2 {
			return op.Key, fmt.Errorf("index %d: an insert without a key has to be [key, [a, b]], but it is %v", op.Index, op.Value)
		}
		return pair[0], nil
	}
	return op.Key, nil
}

// twice is the anomaly of two inserts of one key.
func twice(clock checkers.Clock, key history.Value, a, b history.Call) checkers.Anomaly {
	said := func(c history.Call) string {
		return fmt.Sprintf("the insert of %v by process %v at %s found no other of key %v", c.Invoke.Value, c.Invoke.Process, clock.At(c.Invoke), key)
	}
	anomaly := checkers.Anomaly{Name: G2, Key: checkers.KeyName(key), Ops: []int{a.Invoke.Index, b.Invoke.Index}}
	anomaly.Explanation = said(a) + ", and " + said(b) + "; both are there now, so each of them read what was so only before the other"
	for _, e := range [][2]history.Call{{a, b}, {b, a}} {
		anomaly.Edges = append(anomaly.Edges, checkers.Edge{From: e[0].Invoke.Index, To: e[1].Invoke.Index, Kind: "rw", Key: anomaly.Key, Why: said(e[0]) + fmt.Sprintf(", but process %v did insert one", e[1].Invoke.Process)})
	}
	return anomaly
}
