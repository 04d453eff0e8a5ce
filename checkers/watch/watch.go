// Package watch judges watches, or change feeds, over a store whose changes have
// revisions, as etcd has: does everybody who watches see every change, once, in order?
//
// A client that changes the store records put, delete and txn. Their values are maps;
// when they were ok these have the revision that the store gave to the change:
//
//	put     {"key": "a", "value": 7}                           → … "revision": 12
//	delete  {"key": "a"}                                       → … "revision": 13
//	txn     {"ops": [{"type": "put", "key": "a", "value": 7},
//	                 {"type": "delete", "key": "b"}]}          → … "revision": 14
//
// A client that watches records one operation from when it opened the watch to when it
// closed it, or for each part that it took; the next part begins where the last ended:
//
//	watch   {"from": 12, "prefix": "a"}
//
// where "from" is the first revision it asks for (none: from now on), and the keys are
// one "key", those from "key" to before "end", those with a "prefix", or all. What came
// is a list of responses, each with events or with a bookmark, which is the promise
// that everything up to it was sent:
//
//	{"from": 12, "prefix": "a", "responses": [
//	  {"events": [{"type": "put", "key": "a", "value": 7, "revision": 12,
//	               "prev": 3, "create": false}]},
//	  {"progress": 20}]}
//
// "prev", the value before, and "create", whether the key was not there, may be left
// out. The rules are those of etcd's watch and of its robustness tests:
//
//	unordered-event    an event comes after one of a higher revision
//	duplicate-event    the same revision and key twice in one watch
//	split-revision     the events of one revision are in two responses
//	torn-revision      some of the events of one revision, but not all
//	missed-event       a change is left out between two that are there, or before a bookmark
//	not-resumed        a change is left out between "from" and the first event
//	broken-bookmark    an event, or a lower bookmark, after a bookmark that covers it; or
//	                   a bookmark below an event that was sent before
//	unfiltered-event   an event of a key that was not asked for
//	early-event        an event of a revision below "from"
//	wrong-prev         "prev" is not the value that the key had
//	wrong-create       "create" is wrong
//	conflicting-event  two say something else of one key at one revision
//	phantom-event      nobody put this value, or deleted this key, or that failed
//	revision-order     a change that began after another was done has no higher revision
//
// The changes that a watch has to show are all that anybody knows: from operations that
// were ok, and from the events of other watches. A watch shows them up to its last event
// or bookmark; what comes later may be on its way. A history in which no watch returned
// anything is unknown. The time is n log n and, for each watch, the keys that it asks for.
package watch

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/core"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "watch"

// Names of the anomalies.
const (
	Unordered      = "unordered-event"
	Duplicate      = "duplicate-event"
	Split          = "split-revision"
	Torn           = "torn-revision"
	Missed         = "missed-event"
	NotResumed     = "not-resumed"
	BrokenBookmark = "broken-bookmark"
	Unfiltered     = "unfiltered-event"
	Early          = "early-event"
	WrongPrev      = "wrong-prev"
	WrongCreate    = "wrong-create"
	Conflicting    = "conflicting-event"
	Phantom        = "phantom-event"
	RevisionOrder  = "revision-order"
)

// order is the order in which anomalies are shown: the gravest first.
var order = []string{
	Missed, NotResumed, Torn, Conflicting, Phantom, Unordered, Duplicate, Split, BrokenBookmark, Early, Unfiltered, WrongPrev, WrongCreate, RevisionOrder,
}

// Options are what the checker can be told: nothing so far.
type Options struct{}

// Report says what was seen.
type Report struct {
	Watches   int            `json:"watch-count"` // that were ok
	Events    int            `json:"event-count"`
	Bookmarks int            `json:"bookmark-count"`
	Changes   int            `json:"change-count"` // of one key at one revision, that anybody knows
	Counts    map[string]int `json:"anomaly-counts"`

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name
}

// New returns a checker of watches.
func New(Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		calls, err := checkers.Paired(h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		report, err := check(ctx, calls)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return report.result(ctx, calls)
	})
}

// Check judges the watches of h. It is an error if a value is not what the package
// says it has to be.
func Check(h *history.History) (Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, err
	}
	return check(context.Background(), calls)
}

func (r Report) result(ctx context.Context, calls []history.Call) checkers.Result {
	claim := checkers.Claim{Definition: Name}
	if len(r.Anomalies) == 0 {
		if r.Events+r.Bookmarks == 0 {
			return checkers.Unknownf("nothing to judge: no watch was ok and returned an event or a bookmark").Detail(r)
		}
		result := checkers.Result{}.Detail(r)
		result.Certify = func() (checkers.Claim, error) { return claim, nil }
		return result
	}
	anomalies := checkers.Some(r.Anomalies)
	cutter := core.New(calls)
	for i := range anomalies {
		cutter.Cut(&anomalies[i], func(h *history.History) []checkers.Anomaly {
			calls, err := checkers.Paired(h)
			if err != nil {
				return nil
			}
			some, _ := check(ctx, calls)
			return some.Anomalies
		})
	}
	result := checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}.Detail(r)
	claim.Verdict = checkers.Invalid
	claim.Evidence = map[string]any{"anomaly": anomalies[0].Name, "key": anomalies[0].Key, "ops": anomalies[0].Ops}
	result.Certify = func() (checkers.Claim, error) { return claim, nil }
	return result
}

// note counts an anomaly, and keeps the first ones.
func (j *judge) note(name, key string, why string, calls ...history.Call) {
	if j.Counts[name]++; j.Counts[name] > checkers.MaxAnomalies {
		return
	}
	a := checkers.Anomaly{Name: name, Key: key, Explanation: why}
	for _, c := range calls {
		a.Ops = append(a.Ops, c.Invoke.Index)
	}
	j.found[name] = append(j.found[name], a)
}

func (j *judge) stop(i int) error {
	if i%256 != 0 || context.Cause(j.ctx) == nil {
		return nil
	}
	return fmt.Errorf("stopped: %w", context.Cause(j.ctx))
}
