// Package monotonic judges tables into which rows are inserted with rising values:
// do values, timestamps and time rise together?
//
// A client adds a row in one transaction: it reads the greatest value, adds one,
// asks the database for its time, and inserts both. At the end, and maybe before,
// the whole table is read in the order of the timestamps. If transactions are
// ordered by timestamp, as databases with clocks claim, then the values rise from
// row to row. This is the monotonic test of Jepsen for CockroachDB.
//
// Rows are maps, {"val": 3, "sts": 1500000000, "proc": 0, "node": 1, "tb": 0}, of which
// all but val may be missing, or lists of these five. An add returns its row, or
// its value alone; a read the list of all rows.
//
//	value-reorder     in the order of timestamps, a value is not above the one before
//	order-by-error    the rows of a read are not in the order of their timestamps
//	realtime-reorder  a row was added after another, with a lower value
//	duplicate         a read has a value twice
//	lost              acknowledged, and missing from the last read or a final one
//	revived           a read has a value whose add failed
//
// The third is not Jepsen's, and only counts on request: it takes a database that
// is strictly serializable. On the other hand, where values are drawn by clients and
// spread over tables, as in Jepsen's monotonic-multitable, it may be too much to ask
// for one order of all rows: PerClient asks for that of each process alone.
//
// A history in which no read was ok shows nothing and is unknown; Jepsen calls it
// invalid. The time is linear in the rows that were read.
package monotonic

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "monotonic"

// Names of the anomalies.
const (
	ValueReorder    = "value-reorder"
	OrderByError    = "order-by-error"
	RealtimeReorder = "realtime-reorder"
	Duplicate       = "duplicate"
	Lost            = "lost"
	Revived         = "revived"
)

// Options say how strict to be.
type Options struct {
	// PerClient makes the order of values matter within each process only.
	PerClient bool
	// Realtime makes the order of values follow that of time.
	Realtime bool
}

// Report has the results of Jepsen's monotonic under their names. Those that are
// about one read are about the last one that was ok; the anomalies, about all.
type Report struct {
	Lost          []int64    `json:"lost"`
	Duplicates    []int64    `json:"duplicates"`
	Revived       []int64    `json:"revived"`
	Recovered     []int64    `json:"recovered"` // read, although the outcome of their adds is unknown
	LostFrac      string     `json:"lost-frac"` // of all that were added for certain
	RevivedFrac   string     `json:"revived-frac"`
	RecoveredFrac string     `json:"recovered-frac"`
	OrderBy       [][2]int64 `json:"order-by-errors"`          // values of neighbours that are out of order
	Reorders      [][2]int64 `json:"value-reorders"`           // the same, by value
	PerClient     [][2]int64 `json:"value-reorders-perclient"` // the same, among rows of each process
	PerNode       [][2]int64 `json:"value-reorders-pernode"`
	PerTable      [][2]int64 `json:"value-reorders-pertable"`
	Realtime      [][2]int64 `json:"realtime-reorders"` // values of adds that followed each other
	Reads         int        `json:"read-count"`

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name

	counts map[string]int       // of anomalies, by name
	added  map[history.Type]int // values, by the best outcome of their adds
}

// New returns a checker of rising values.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h, opts)
		result := checkers.Result{}
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case len(report.Anomalies) > 0:
			anomalies := report.Anomalies[:min(len(report.Anomalies), checkers.MaxAnomalies)]
			result = checkers.Result{Verdict: checkers.Invalid, Anomalies: anomalies}
		case report.Reads == 0:
			return checkers.Unknownf("the table was never read: no read was ok").Detail(report)
		}
		parameters := finding.Flags(map[string]bool{"per-client": opts.PerClient, "realtime": opts.Realtime})
		return finding.Certified(result.Detail(report), Name, parameters, func(a checkers.Anomaly) []int { return shown(h, a) })
	})
}

// shown returns the operations that a certificate needs to show an anomaly. The rows
// of a read show by themselves that they are out of order.
func shown(h *history.History, a checkers.Anomaly) []int {
	if a.Name != ValueReorder {
		return a.Ops
	}
	return slices.DeleteFunc(slices.Clone(a.Ops), func(i int) bool { return h.Ops[i].F != "read" })
}

// Check judges the adds and reads of h. Where operations have keys, each key is a
// table of its own, and the report is that of all of them together. It is an error
// if a value is not made of rows, or if ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (Report, error) {
	r := Report{
		Lost: []int64{}, Duplicates: []int64{}, Revived: []int64{}, Recovered: []int64{}, OrderBy: [][2]int64{}, Reorders: [][2]int64{},
		PerClient: [][2]int64{}, PerNode: [][2]int64{}, PerTable: [][2]int64{}, Realtime: [][2]int64{},
		counts: map[string]int{}, added: map[history.Type]int{},
	}
	calls, err := checkers.Paired(h)
	if err != nil {
		return r, err
	}
	var keys intern.Table
	var tables [][]history.Call
	for _, c := range calls {
		k := keys.ID(c.Invoke.Key)
		if int(k) == len(tables) {
			tables = append(tables, nil)
		}
		tables[k] = append(tables[k], c)
	}
	clock := checkers.ClockOf(calls)
	for k, table := range tables {
		j := &judge{Report: &r, opts: opts, clock: clock, key: checkers.KeyName(keys.Value(int32(k))), adds: make(map[int64]*add, len(table))}
		if err := j.table(ctx, table); err != nil {
			return r, err
		}
	}
	r.LostFrac = fmt.Sprintf("%d/%d", len(r.Lost), r.added[history.OK])
	r.RevivedFrac = fmt.Sprintf("%d/%d", len(r.Revived), r.added[history.Fail])
	r.RecoveredFrac = fmt.Sprintf("%d/%d", len(r.Recovered), r.added[history.Info])
	return r, nil
}

// table judges the calls of one table.
func (j *judge) table(ctx context.Context, calls []history.Call) error {
	if err := j.collect(ctx, calls); err != nil {
		return err
	}
	for _, v := range j.values {
		a := j.adds[v]
		j.added[a.typ]++
		if a.typ == history.OK {
			j.acked = append(j.acked, a.Complete.Index)
		}
	}
	slices.Sort(j.acked)
	if j.opts.Realtime {
		j.realtime(calls)
	}
	for i, r := range j.reads {
		if context.Cause(ctx) != nil {
			return fmt.Errorf("stopped after %d of %d reads, with %d anomalies: %w", i, len(j.reads), len(j.Anomalies), context.Cause(ctx))
		}
		j.read(r, i == len(j.reads)-1)
	}
	return nil
}

// collect takes in the adds and the reads.
func (j *judge) collect(ctx context.Context, calls []history.Call) error {
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return fmt.Errorf("stopped after %d of %d operations: %w", i, len(calls), context.Cause(ctx))
		}
		switch {
		case c.Invoke.F == "add":
			if err := j.add(c); err != nil {
				return err
			}
		case c.Invoke.F == "read" && c.Type() == history.OK:
			r := read{Call: c, rows: make([]row, 0, len(c.Complete.Value.Elems()))}
			for _, v := range c.Complete.Value.Elems() {
				x, of, err := rowOf(c.Complete, v)
				if err != nil {
					return err
				}
				for i, label := range of {
					x.groups[i] = j.groups.ID(label)
				}
				r.rows = append(r.rows, x)
			}
			if k := c.Complete.Value.Kind(); k != history.KindList {
				return malformed(c.Complete, c.Complete.Value)
			}
			j.reads = append(j.reads, r)
		}
	}
	slices.SortStableFunc(j.reads, func(a, b read) int { return a.Complete.Index - b.Complete.Index })
	j.Reads += len(j.reads)
	return nil
}

func malformed(op *history.Op, v history.Value) error {
	return fmt.Errorf("index %d: want rows, as in {\"val\": 3, \"sts\": 1500000000, \"proc\": 0, \"node\": 1, \"tb\": 0}, but got %v; see what the client records", op.Index, v)
}
