package monotonic

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/timeline"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge goes through the adds and reads of one table.
type judge struct {
	*Report
	key    string
	opts   Options
	clock  checkers.Clock
	adds   map[int64]*add
	values []int64 // of adds, in the order of their first appearance
	acked  []int   // when values had been acknowledged, sorted
	reads  []read
	groups intern.Table // of processes, nodes and tables in rows
}

// add is what is known of the adds of a value.
type add struct {
	history.Call              // the first one, or the one that was acknowledged first
	typ          history.Type // OK before Info before Fail
}

// read is a read that was ok.
type read struct {
	history.Call
	rows []row
}

// add takes in an add. One that was invoked without a value, for the database to
// draw it, says nothing unless it was ok.
func (j *judge) add(c history.Call) error {
	v, op := c.Value(), c.Invoke
	if c.Type() == history.OK {
		op = c.Complete
	} else if c.Complete != nil && !c.Complete.Value.IsNil() {
		v = c.Complete.Value
	}
	if v.IsNil() {
		return nil
	}
	r, _, err := rowOf(op, v)
	if err != nil {
		return err
	}
	a, ok := j.adds[r.val]
	switch {
	case !ok:
		j.adds[r.val] = &add{c, c.Type()}
		j.values = append(j.values, r.val)
	case better(c.Type(), a.typ), c.Type() == history.OK && c.Complete.Index < a.Complete.Index:
		a.Call, a.typ = c, c.Type()
	}
	return nil
}

// better reports whether outcome a says more that something happened than b.
func better(a, b history.Type) bool {
	rank := func(t history.Type) int {
		return slices.Index([]history.Type{history.Fail, history.Info, history.OK}, t)
	}
	return rank(a) > rank(b)
}

// realtime looks for adds that began after another had been acknowledged, and have
// a lower value. It is enough to know the greatest that was acknowledged.
func (j *judge) realtime(calls []history.Call) {
	greatest := history.Call{}
	most := make([]history.Call, len(calls)) // by call, when it began
	value := func(c history.Call) int64 {
		r, _, _ := rowOf(c.Complete, c.Complete.Value)
		return r.val
	}
	for _, e := range timeline.Of(calls) {
		c := calls[e.Call]
		if c.Invoke.F != "add" || c.Type() != history.OK || c.Complete.Value.IsNil() {
			continue
		}
		if !e.End {
			most[e.Call] = greatest
			continue
		}
		if b := most[e.Call]; b.Invoke != nil && value(c) <= value(b) {
			j.Realtime = append(j.Realtime, [2]int64{value(b), value(c)})
			j.note(RealtimeReorder, fmt.Sprintf("process %v added %d, acknowledged at %s; after that, at %s, process %v added %d",
				b.Invoke.Process, value(b), j.clock.At(b.Complete), j.clock.At(c.Invoke), c.Invoke.Process, value(c)), []checkers.Edge{
				{From: b.Invoke.Index, To: c.Invoke.Index, Kind: "rt", Key: j.key,
					Why: fmt.Sprintf("the add of %d was acknowledged at %s, and that of %d began at %s", value(b), j.clock.At(b.Complete), value(c), j.clock.At(c.Invoke))},
				{From: c.Invoke.Index, To: b.Invoke.Index, Kind: "value", Key: j.key, Why: fmt.Sprintf("%d is not above %d, and values rise", value(c), value(b))},
			}, b, c)
		}
		if greatest.Invoke == nil || value(c) > value(greatest) {
			greatest = c
		}
	}
}

// read judges one read. What it says goes into the report if it is the last one.
func (j *judge) read(r read, last bool) {
	for i := 1; i < len(r.rows); i++ {
		if a, b := r.rows[i-1], r.rows[i]; a.sts.compare(b.sts) > 0 {
			if last {
				j.OrderBy = append(j.OrderBy, [2]int64{a.val, b.val})
			}
			j.note(OrderByError, fmt.Sprintf("%s in the order of timestamps, but got %s before %s", j.describe(r), show(a), show(b)), nil, r.Call)
		}
	}
	all := reorders(r.rows, func(row) int32 { return 0 })
	clients := func() [][2]row { return reorders(r.rows, func(x row) int32 { return x.groups[0] }) }
	if last {
		j.Reorders, j.PerClient = values(all), values(clients())
		j.PerNode = values(reorders(r.rows, func(x row) int32 { return x.groups[1] }))
		j.PerTable = values(reorders(r.rows, func(x row) int32 { return x.groups[2] }))
	}
	what := ""
	if j.opts.PerClient {
		all, what = clients(), " of the same process"
	}
	for _, p := range all {
		j.reordered(r, p, what)
	}
	j.contents(r, last)
}

func (j *judge) reordered(r read, p [2]row, what string) {
	if p[0].val == p[1].val {
		return // a duplicate
	}
	calls := []history.Call{r.Call}
	var edges []checkers.Edge
	for _, x := range p {
		if a, ok := j.adds[x.val]; ok {
			calls = append(calls, a.Call)
		}
	}
	if len(calls) == 3 {
		a, b := calls[1].Invoke.Index, calls[2].Invoke.Index
		edges = []checkers.Edge{
			{From: a, To: b, Kind: "timestamp", Key: j.key, Via: []int{r.Invoke.Index}, Why: fmt.Sprintf("the read has %s before %s", show(p[0]), show(p[1]))},
			{From: b, To: a, Kind: "value", Key: j.key, Why: fmt.Sprintf("%d is below %d, and values rise", p[1].val, p[0].val)},
		}
	}
	j.note(ValueReorder, fmt.Sprintf("%s and got %s before %s%s: by timestamp the greater value comes first", j.describe(r), show(p[0]), show(p[1]), what), edges, calls...)
}

// reorders returns neighbours, among the rows that have the same group, whose
// values do not rise.
func reorders(rows []row, group func(row) int32) [][2]row {
	var pairs [][2]row
	last := map[int32]*row{}
	for i := range rows {
		x := &rows[i]
		g := group(*x)
		if before := last[g]; before != nil && before.val >= x.val {
			pairs = append(pairs, [2]row{*before, *x})
		}
		last[g] = x
	}
	return pairs
}

func values(pairs [][2]row) [][2]int64 {
	list := [][2]int64{}
	for _, p := range pairs {
		list = append(list, [2]int64{p[0].val, p[1].val})
	}
	return list
}

// contents looks at what is in a read, and how often.
func (j *judge) contents(r read, last bool) {
	times := make(map[int64]int, len(r.rows))
	owed, _ := slices.BinarySearch(j.acked, r.Invoke.Index)
	for _, x := range r.rows {
		times[x.val]++
		a := j.adds[x.val]
		if a != nil && times[x.val] == 1 && a.typ == history.OK && a.Complete.Index < r.Invoke.Index {
			owed--
		}
		switch {
		case times[x.val] == 2:
			j.Duplicates = list(j.Duplicates, x.val, last)
			j.note(Duplicate, fmt.Sprintf("%s and got %d more than once", j.describe(r), x.val), nil, r.Call)
		case times[x.val] > 2 || a == nil:
		case a.typ == history.Fail:
			j.Revived = list(j.Revived, x.val, last)
			j.note(Revived, fmt.Sprintf("%s and got %d, but its add by process %v at %s failed, so it certainly was not added",
				j.describe(r), x.val, a.Invoke.Process, j.clock.At(a.Invoke)), nil, a.Call, r.Call)
		case a.typ == history.Info:
			j.Recovered = list(j.Recovered, x.val, last)
		}
	}
	if owed > 0 && (last || r.Invoke.Final) {
		j.missing(r, times, last)
	}
}

// missing looks for what should be in a read that is the last, or final. What was
// acknowledged while it was going on need not be.
func (j *judge) missing(r read, times map[int64]int, last bool) {
	for _, v := range j.values {
		a := j.adds[v]
		if a.typ != history.OK || times[v] > 0 || a.Complete.Index > r.Invoke.Index {
			continue
		}
		j.Lost = list(j.Lost, v, last)
		j.note(Lost, fmt.Sprintf("process %v added %d, acknowledged at %s; after that, %s and did not get it", a.Invoke.Process, v, j.clock.At(a.Complete), j.describe(r)), nil, a.Call, r.Call)
	}
}

// list adds v if what is said is about the last read.
func list(to []int64, v int64, last bool) []int64 {
	if last {
		return append(to, v)
	}
	return to
}

// note keeps an anomaly, if it can still be shown.
func (j *judge) note(name, what string, edges []checkers.Edge, calls ...history.Call) {
	if j.counts[name]++; j.counts[name] > checkers.MaxAnomalies {
		return
	}
	a := checkers.Anomaly{Name: name, Key: j.key, Explanation: what, Edges: edges}
	for _, c := range calls {
		a.Ops = append(a.Ops, c.Invoke.Index)
	}
	slices.Sort(a.Ops)
	a.Ops = slices.Compact(a.Ops)
	j.Anomalies = append(j.Anomalies, a)
}

// show writes a row: "7 with timestamp 120".
func show(r row) string {
	if !r.sts.set {
		return fmt.Sprint(r.val)
	}
	return fmt.Sprintf("%d with timestamp %s", r.val, r.sts.rat().RatString())
}

func (j *judge) describe(r read) string {
	at := ""
	if r.Invoke.Node != "" {
		at = " through " + r.Invoke.Node
	}
	return fmt.Sprintf("process %v read%s at %s", r.Invoke.Process, at, j.clock.At(r.Invoke))
}
