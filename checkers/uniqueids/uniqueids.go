// Package uniqueids judges services that hand out identifiers: is any of them
// handed out twice?
//
// That needs no order and no time: among all calls of generate that were ok, no
// two may have returned the same. A call that failed, or never came back, gave
// nothing to anybody, so nothing is known of what it took. This is Jepsen's
// unique-ids.
//
//	duplicate  two calls got the same identifier
//
// A history in which no call was ok shows nothing and is unknown. Linear time.
package uniqueids

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

// Name is what the checker is called.
const Name = "unique-ids"

// Duplicate is the name of the anomaly.
const Duplicate = "duplicate"

// maxDuplicates is how many duplicates Jepsen puts into its result.
const maxDuplicates = 48

// Report has the results of Jepsen's unique-ids under their names.
type Report struct {
	Attempted    int            `json:"attempted-count"`    // calls that were invoked
	Acknowledged int            `json:"acknowledged-count"` // calls that were ok
	Duplicated   int            `json:"duplicated-count"`   // identifiers that were handed out more than once
	Duplicates   map[string]int `json:"duplicated"`         // the 48 most frequent ones, and how often
	Range        [2]string      `json:"range"`              // the least and the greatest; empty if there are none

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies, the most frequent first
}

// Options are what the checker can be told: nothing so far.
type Options struct{}

// New returns a checker of unique identifiers.
func New(Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h)
		result := checkers.Result{}
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case report.Duplicated > 0:
			result = checkers.Result{Verdict: checkers.Invalid, Anomalies: report.Anomalies}
		case report.Acknowledged == 0:
			return checkers.Unknownf("no identifier was handed out: none of %d calls of generate was ok", report.Attempted).Detail(report)
		}
		return finding.Certified(result.Detail(report), Name, nil, nil)
	})
}

// id is an identifier that was handed out.
type id struct {
	count         int
	first, second history.Call
}

// judge collects what was handed out.
type judge struct {
	Report
	clock checkers.Clock
	table intern.Table
	ids   []id // by number
}

// Check judges the calls of generate in h. Where operations have keys, each key
// is a service of its own, and the report is that of all of them together. It is an
// error if ctx ends.
func Check(ctx context.Context, h *history.History) (Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, err
	}
	j := judge{Report: Report{Duplicates: map[string]int{}}, clock: checkers.ClockOf(calls)}
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return j.Report, fmt.Errorf("stopped after %d of %d operations, with %d duplicates: %w", i, len(calls), j.Duplicated, context.Cause(ctx))
		}
		if c.Invoke.F != "generate" {
			continue
		}
		j.Attempted++
		if c.Type() == history.OK {
			j.Acknowledged++
			j.take(c)
		}
	}
	j.finish()
	return j.Report, nil
}

func (j *judge) take(c history.Call) {
	v := c.Complete.Value
	if !c.Invoke.Key.IsAbsent() {
		v = history.Tuple(c.Invoke.Key, v)
	}
	n := j.table.ID(v)
	if int(n) == len(j.ids) {
		j.ids = append(j.ids, id{})
	}
	i := &j.ids[n]
	i.count++
	switch i.count {
	case 1:
		i.first = c
	case 2:
		i.second = c
		j.Duplicated++
	}
}

func (j *judge) finish() {
	var twice []int
	var least, most history.Value
	for n, i := range j.ids {
		v := i.first.Complete.Value
		if n == 0 || v.Compare(least) < 0 {
			least = v
		}
		if n == 0 || v.Compare(most) > 0 {
			most = v
		}
		if i.count > 1 {
			twice = append(twice, n)
		}
	}
	if len(j.ids) > 0 {
		j.Range = [2]string{least.String(), most.String()}
	}
	slices.SortStableFunc(twice, func(a, b int) int { return cmp.Compare(j.ids[b].count, j.ids[a].count) })
	for n, i := range twice[:min(len(twice), maxDuplicates)] {
		j.Duplicates[j.table.Value(int32(i)).String()] = j.ids[i].count
		if n < checkers.MaxAnomalies {
			j.Anomalies = append(j.Anomalies, j.explain(j.ids[i]))
		}
	}
}

func (j *judge) explain(i id) checkers.Anomaly {
	a := checkers.Anomaly{Name: Duplicate, Key: checkers.KeyName(i.first.Invoke.Key), Ops: []int{i.first.Invoke.Index, i.second.Invoke.Index}}
	a.Explanation = fmt.Sprintf("%s got %v, and %s got it again", j.describe(i.first), i.first.Complete.Value, j.describe(i.second))
	if i.count > 2 {
		a.Explanation += fmt.Sprintf("; it was handed out %d times in all", i.count)
	}
	return a
}

func (j *judge) describe(c history.Call) string {
	at := ""
	if c.Invoke.Node != "" {
		at = " through " + c.Invoke.Node
	}
	return fmt.Sprintf("process %v%s at %s", c.Invoke.Process, at, j.clock.At(c.Invoke))
}
