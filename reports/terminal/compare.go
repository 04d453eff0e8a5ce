package terminal

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/perf"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/reports/internal/words"
)

// Compare prints runs side by side, a column for each.
func Compare(w io.Writer, names []string, outcomes []*run.Outcome) error {
	columns := make([]column, len(outcomes))
	out := &printer{w: w}
	for i, o := range outcomes {
		columns[i] = newColumn(resultOf(o))
		for _, e := range columns[i].Errors {
			out.paragraph(names[i]+": harness error: ", e)
		}
	}
	if out.printed {
		out.printf("\n")
	}
	if out.err != nil {
		return out.err
	}
	return Table(w, append([]string{""}, names...), compared(columns))
}

// compared returns the rows of a comparison.
func compared(columns []column) [][]string {
	var rows [][]string
	add := func(label string, cell func(column) string) {
		row := []string{label}
		for _, c := range columns {
			row = append(row, cell(c))
		}
		rows = append(rows, row)
	}
	add("linearizable", column.linearizable)
	add("promise", column.promise)
	add("replicas after heal", column.converged)
	for _, s := range slots(columns) {
		add("available "+s.label(), func(c column) string { return c.available(s) })
	}
	add("latency p50 / p99 before", column.calmLatency)
	add("latency p50 / p99 at worst", column.worstLatency)
	add("operations", func(c column) string {
		return fmt.Sprintf("%d ok, %d failed, %d unknown", c.Ops.OK, c.Ops.Fail, c.Ops.Info)
	})
	add("faults confirmed", column.faults)
	add("recovered after", column.recovered)
	return rows
}

// column is a run with what was measured in it.
type column struct {
	*run.Result
	perf perf.Report
}

func newColumn(r *run.Result) column {
	c := column{Result: r}
	if details := r.Checkers[perf.Name].Details; details != nil {
		_ = json.Unmarshal(details, &c.perf) // without it, cells stay empty
	}
	return c
}

func (c column) linearizable() string {
	res, ok := c.Checkers["linear"]
	if !ok {
		return "not judged"
	}
	switch res.Verdict {
	case checkers.OK:
		return "yes"
	case checkers.Invalid:
		return "NO: " + census(res)
	default:
		return "unknown: " + firstLine(res.Reason)
	}
}

func (c column) promise() string {
	switch {
	case c.Promise.Level == "":
		return "none was made"
	case c.Promise.Kept == nil:
		return "unknown: " + c.Promise.Level
	case *c.Promise.Kept:
		return "kept: " + c.Promise.Level
	default:
		return "BROKEN: " + c.Promise.Level
	}
}

func (c column) converged() string {
	res, ok := c.Checkers["converge"]
	switch {
	case !ok:
		return "not judged"
	case res.Verdict == checkers.OK:
		return "agree"
	case res.Verdict == checkers.Invalid:
		return "DIVERGED"
	default:
		return "unknown: " + firstLine(res.Reason)
	}
}

func (c column) faults() string {
	confirmed := 0
	for _, f := range c.Faults {
		if f.Witness == history.Confirmed {
			confirmed++
		}
	}
	return fmt.Sprintf("%d of %d", confirmed, len(c.Faults))
}

func (c column) recovered() string {
	if c.Recovered == 0 {
		return none
	}
	return time.Duration(c.Recovered).Round(time.Millisecond).String()
}

// none stands where nothing was measured.
const none = "-"

// calmLatency is the latency before the first fault, or that of the whole run
// if there were no faults.
func (c column) calmLatency() string {
	for _, p := range c.perf.Phases {
		if p.Name == perf.Before || p.Name == perf.Whole {
			return latencyOf(p)
		}
	}
	return none
}

// worstLatency is the latency under the kind of fault that slowed the run most.
func (c column) worstLatency() string {
	worst, at := none, int64(-1)
	for _, p := range c.perf.ByKind {
		if all, ok := sideOf(p, perf.All); ok && all.Latency.P99 > at {
			worst, at = latencyOf(p)+" ("+p.Name+")", all.Latency.P99
		}
	}
	return worst
}

func latencyOf(p perf.Phase) string {
	all, ok := sideOf(p, perf.All)
	if !ok || all.OK == 0 {
		return none
	}
	return words.Millis(all.Latency.P50) + " / " + words.Millis(all.Latency.P99)
}

func sideOf(p perf.Phase, name string) (perf.Side, bool) {
	for _, s := range p.Sides {
		if s.Name == name {
			return s, true
		}
	}
	return perf.Side{}, false
}

// slot is a row of availability: a phase, and a side of it or all.
type slot struct{ phase, side string }

func (s slot) label() string {
	if s.side == perf.All {
		return s.phase
	}
	return s.phase + ", " + s.side
}

// wanted are the sides that say something at a glance, in their order.
var wanted = []string{perf.All, perf.Majority, perf.Minority}

// slots returns the rows of availability that any of the runs has: those
// without faults first, then those of each kind of fault.
func slots(columns []column) []slot {
	var all []slot
	for _, c := range columns {
		for _, p := range c.shown() {
			for _, side := range wanted {
				s := slot{p.Name, side}
				if _, has := sideOf(p, side); has && !slices.Contains(all, s) {
					all = append(all, s)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b slot) int { return order(all, a) - order(all, b) })
	return all
}

// order keeps the rows of a phase together, in the order in which phases first
// appear, and sides in theirs.
func order(all []slot, s slot) int {
	phase := slices.IndexFunc(all, func(t slot) bool { return t.phase == s.phase })
	return phase*len(wanted) + slices.Index(wanted, s.side)
}

// shown are the phases whose availability is compared.
func (c column) shown() []perf.Phase {
	calm := slices.DeleteFunc(slices.Clone(c.perf.Phases), func(p perf.Phase) bool {
		return p.Name != perf.Before && p.Name != perf.Whole
	})
	return append(calm, c.perf.ByKind...)
}

func (c column) available(s slot) string {
	for _, p := range c.shown() {
		if side, ok := sideOf(p, s.side); ok && p.Name == s.phase && side.OK+side.Fail+side.Info > 0 {
			return strings.TrimSpace(fmt.Sprintf("%3.0f %%", 100*side.OKShare))
		}
	}
	return none
}
