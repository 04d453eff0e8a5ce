// Package set judges sets that clients add unique elements to and read as a
// whole: does every element that was acknowledged stay, and come back once?
//
// The field has two ways to ask. [New] is the stricter one, under the name that
// Jepsen gives it, set-full. An element is known from the moment its add was
// acknowledged or a read that contained it came back, whichever was first. A read
// that began after that and does not contain it is evidence against the set: the
// element is stale if a read that began later has it again, and lost if none does.
// An element that is neither seen in the last read nor missing after it was known
// was never read. [NewLast] is Jepsen's set: it looks at the last read only, which
// has to have all that was ever acknowledged.
//
// Jepsen compares what was read with what was acknowledged, and not with what was
// possible. An element that is twice in one read is a duplicate, one that was never
// added, or not yet, is unexpected, and one whose adds all failed is a dirty read:
// a failed add certainly did not happen. No set can show these, whatever it
// promises, so they are invalid here. (Jepsen's set-full counts duplicates, but a
// comparison that is never true hides them.) Also, a final read, made after
// recovery, must have all that is known, through every node; and an element that
// is added again stays known, where Jepsen forgets that it was added before.
//
//	lost        known, and in no read that began later
//	stale-read  known, and missing from a read that began later, but seen again
//	duplicate   more than once in one read
//	unexpected  read, but never added, or not yet
//	dirty-read  read, although its add failed
//
// Each element of each read is looked at twice, and each element that a read lacks
// once in all, so that a history in which nearly all reads are empty costs no more
// than its size.
package set

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// What the checkers are called.
const (
	Name     = "set-full" // of New
	LastName = "set"      // of NewLast
)

// Names of the anomalies.
const (
	Lost       = "lost"
	StaleRead  = "stale-read"
	Duplicate  = "duplicate"
	Unexpected = "unexpected"
	DirtyRead  = "dirty-read"
)

// Options say how strict to be.
type Options struct {
	// Linearizable makes stale reads invalid wherever they are. Without it only
	// those of the final phase are.
	Linearizable bool
}

// Latencies are quantiles in milliseconds, rounded down: the time from the
// moment an element was known to the moment from which it was always, or never,
// read.
type Latencies struct {
	Min int64 `json:"0"`
	P50 int64 `json:"0.5"`
	P95 int64 `json:"0.95"`
	P99 int64 `json:"0.99"`
	Max int64 `json:"1"`
}

// Report has the counts and lists of Jepsen's set-full under their names. Lists
// are in the order in which elements were first added.
type Report struct {
	Attempt      int `json:"attempt-count"`      // elements whose add was invoked
	Acknowledged int `json:"acknowledged-count"` // elements whose add was ok
	OK           int `json:"ok-count"`           // elements of the last read that had been attempted
	Stable       int `json:"stable-count"`       // elements that the reads agree on in the end
	Lost         int `json:"lost-count"`
	NeverRead    int `json:"never-read-count"`
	Stale        int `json:"stale-count"`       // stable, but missing from some read after they were known
	FinalStale   int `json:"final-stale-count"` // of these, missing from a final read
	Duplicated   int `json:"duplicated-count"`
	Unexpected   int `json:"unexpected-count"`
	Dirty        int `json:"dirty-count"`     // read, although their add failed
	Recovered    int `json:"recovered-count"` // read, although their add was info
	Reads        int `json:"read-count"`
	FinalReads   int `json:"final-read-count"`

	LostElements       []string       `json:"lost"`
	StaleElements      []string       `json:"stale"`
	NeverReadElements  []string       `json:"never-read"`
	UnexpectedElements []string       `json:"unexpected"` // at most 1000
	RecoveredElements  []string       `json:"recovered"`
	Duplicates         map[string]int `json:"duplicated"`  // element to the most often it was in one read
	WorstStale         []Staleness    `json:"worst-stale"` // at most 8

	StableLatencies *Latencies `json:"stable-latencies,omitempty"`
	LostLatencies   *Latencies `json:"lost-latencies,omitempty"`

	// Anomalies are all but those of stale reads, which are apart because it
	// depends on the options whether they count; at most MaxAnomalies of each name.
	Anomalies []checkers.Anomaly `json:"-"`
	StaleOnes []checkers.Anomaly `json:"-"` // stale, but complete in the final phase
	FinalOnes []checkers.Anomaly `json:"-"` // stale in the final phase

	stable, lost []int64 // latencies in ms
}

// Staleness says for how long an element was missing after it was known.
type Staleness struct {
	Element    string `json:"element"`
	Outcome    string `json:"outcome"`        // always "stable": it came back
	Latency    int64  `json:"stable-latency"` // milliseconds
	Known      int    `json:"known"`          // index of the completion that made it known
	LastAbsent int    `json:"last-absent"`    // index of the invocation of the last read without it
}

// maxListed is how many unexpected elements are listed.
const maxListed = 1000

// New returns a checker of sets by what becomes of each element: Jepsen's
// set-full.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return report.result(opts)
	})
}

// Check judges the adds and reads of h. Where operations have keys, each key is
// a set of its own, and the report is that of all of them together. It is an error
// if a read does not return a list or a set, or if ctx ends.
func Check(ctx context.Context, h *history.History) (Report, error) {
	r := newReport()
	sets, err := gather(ctx, h)
	if err != nil {
		return r, err
	}
	for _, s := range sets {
		if err := s.judge(ctx, &r); err != nil {
			return r, err
		}
	}
	r.finish()
	return r, nil
}

// gather splits the adds and reads of h by the set that they are about.
func gather(ctx context.Context, h *history.History) ([]*set, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	clock := checkers.ClockOf(calls)
	var keys intern.Table
	var sets []*set
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations: %w", i, len(calls), context.Cause(ctx))
		}
		k := keys.ID(c.Invoke.Key)
		if int(k) == len(sets) {
			sets = append(sets, &set{key: c.Invoke.Key, clock: clock})
		}
		if err := sets[k].call(c); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

func newReport() Report {
	return Report{
		LostElements: []string{}, StaleElements: []string{}, NeverReadElements: []string{}, UnexpectedElements: []string{},
		RecoveredElements: []string{}, Duplicates: map[string]int{}, WorstStale: []Staleness{},
	}
}

func (r *Report) finish() {
	r.StableLatencies, r.LostLatencies = quantiles(r.stable), quantiles(r.lost)
	slices.SortStableFunc(r.WorstStale, func(a, b Staleness) int { return cmp.Compare(b.Latency, a.Latency) })
	r.WorstStale = r.WorstStale[:min(len(r.WorstStale), 8)]
	sortByRank(r.Anomalies)
}

// sortByRank puts the gravest anomalies first.
func sortByRank(list []checkers.Anomaly) {
	rank := map[string]int{Lost: 0, DirtyRead: 1, Unexpected: 2, Duplicate: 3}
	slices.SortStableFunc(list, func(a, b checkers.Anomaly) int { return cmp.Compare(rank[a.Name], rank[b.Name]) })
}

func quantiles(ms []int64) *Latencies {
	if len(ms) == 0 {
		return nil
	}
	slices.Sort(ms)
	at := func(q float64) int64 { return ms[min(len(ms)-1, int(q*float64(len(ms))))] }
	return &Latencies{Min: at(0), P50: at(.5), P95: at(.95), P99: at(.99), Max: at(1)}
}

func (r Report) result(opts Options) checkers.Result {
	anomalies := append(slices.Clone(r.Anomalies), r.FinalOnes...)
	if opts.Linearizable {
		anomalies = append(anomalies, r.StaleOnes...)
	}
	anomalies = checkers.Some(anomalies)
	result := checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}
	switch {
	case len(anomalies) > 0:
	case r.Reads == 0:
		return checkers.Unknownf("the set was never read: no read was ok").Detail(r)
	case r.Stable == 0:
		return checkers.Unknownf("no element was ever read: %d were added, %d acknowledged, and there were %d reads", r.Attempt, r.Acknowledged, r.Reads).Detail(r)
	default:
		result = checkers.Result{}
	}
	parameters := finding.Flags(map[string]bool{"linearizable": opts.Linearizable})
	return finding.Certified(result.Detail(r), Name, parameters, nil)
}

// note keeps an anomaly, the count-th of its name, if it can still be shown.
func (r *Report) note(count int, explain func() checkers.Anomaly) {
	if count <= checkers.MaxAnomalies {
		r.Anomalies = append(r.Anomalies, explain())
	}
}

func latency(list *[]int64, from, to int64) {
	*list = append(*list, max(0, to-from)/1e6)
}
