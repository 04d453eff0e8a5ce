package staleness

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const (
	always = math.MinInt64 // before everything
	never  = math.MaxInt64 // after everything
)

// register is what happened to one key.
type register struct {
	key      history.Value
	ids      intern.Table
	versions []version // by number of the value; 0 is the initial one
	reads    []read
	numbered bool // the store numbers versions
}

// version is a value that was written.
type version struct {
	write   history.Call // none for the initial value, and where only reads saw it
	witness history.Call // what made it known
	failed  bool         // its write failed
	order   int64        // when it began, or the number that the store gave it
	began   int64
	known   int64 // from when on it was known
	over    int64 // from when on something newer was known
	by      int32 // what that was
}

// read is a read that returned a version.
type read struct {
	history.Call
	version int32
	age     int64 // in nanoseconds, at least
	behind  int   // versions, at least
	since   int64 // how long the newest known write had been known, or -1
	fresh   bool  // it returned that, or something newer
}

// measurement collects the registers of a history.
type measurement struct {
	Report
	ctx     context.Context
	opts    Options
	clock   checkers.Clock
	windows []history.Window
	ids     intern.Table
	keys    []*register
}

// measure does everything. The history may be a part of the one that the windows are
// of.
func measure(ctx context.Context, h *history.History, windows []history.Window, opts Options) (Report, error) {
	m := &measurement{ctx: ctx, opts: opts, windows: windows}
	m.Visibility, m.Staleness, m.WorstKeys = []Visibility{}, []Share{}, []Key{}
	calls, err := checkers.Paired(h)
	if err != nil {
		return m.Report, err
	}
	m.clock = checkers.ClockOf(calls)
	for i, c := range calls {
		if err := m.take(i, c); err != nil {
			return m.Report, err
		}
	}
	for _, r := range m.keys {
		m.settle(r)
		if err := m.stop(0); err != nil {
			return m.Report, err
		}
		m.ages(r)
	}
	if err := m.summarise(); err != nil {
		return m.Report, err
	}
	m.assert()
	return m.Report, nil
}

// stop returns an error if the time is over. It looks from time to time.
func (m *measurement) stop(i int) error {
	if i%4096 != 0 || context.Cause(m.ctx) == nil {
		return nil
	}
	return fmt.Errorf("stopped: %w", context.Cause(m.ctx))
}

func (m *measurement) register(key history.Value) *register {
	id := m.ids.ID(key)
	if int(id) == len(m.keys) {
		r := &register{key: key}
		r.ids.ID(history.Nil)
		r.versions = []version{{order: always, began: always, known: always}}
		m.keys = append(m.keys, r)
	}
	return m.keys[id]
}

// take takes in a call.
func (m *measurement) take(i int, c history.Call) error {
	if err := m.stop(i); err != nil {
		return err
	}
	switch c.Invoke.F {
	case "write", "cas":
		v := c.Invoke.Value
		if c.Invoke.F == "cas" {
			if len(v.Elems()) != 2 {
				return fmt.Errorf("index %d: the value of a cas has to be [old, new], but it is %v", c.Invoke.Index, v)
			}
			v = v.Elems()[1]
		} else if c.Type() == history.OK && numbered(c.Complete.Value) {
			v = c.Complete.Value
		}
		return m.register(c.Invoke.Key).wrote(c, v)
	case "read":
		if c.Type() == history.OK {
			m.register(c.Invoke.Key).readOf(c)
		}
	}
	return nil
}

// numbered reports whether a value has the number of its version.
func numbered(v history.Value) bool {
	_, ok := v.Get("version").Int()
	return ok && v.Kind() == history.KindMap
}

// id numbers a value: by its version, if it has one.
func (r *register) id(v history.Value) int32 {
	if v.IsNil() {
		v = history.Nil
	}
	order := int64(never)
	if numbered(v) {
		v = v.Get("version")
		order, _ = v.Int()
		r.numbered = true
	}
	id := r.ids.ID(v)
	if int(id) == len(r.versions) {
		r.versions = append(r.versions, version{order: order, began: never, known: never})
	}
	return id
}

func (r *register) wrote(c history.Call, v history.Value) error {
	if r.numbered && !numbered(v) || v.IsNil() {
		return nil // nobody knows which version it became, or it is like none
	}
	n := &r.versions[r.id(v)]
	if n.write.Invoke != nil && (c.Type() != history.Fail || !n.failed) {
		if c.Type() == history.Fail {
			return nil
		}
		if !n.failed {
			return fmt.Errorf("index %d: %v is written a second time, after index %d: staleness can only be told where each value is written once", c.Invoke.Index, v, n.write.Invoke.Index)
		}
	}
	n.write, n.failed, n.began = c, c.Type() == history.Fail, c.Invoke.Time
	if c.Type() == history.OK {
		n.known, n.witness = c.Complete.Time, c
	}
	return nil
}

func (r *register) readOf(c history.Call) {
	r.reads = append(r.reads, read{Call: c, version: r.id(c.Complete.Value), since: -1})
}

// settle leaves out reads that return what they cannot, and finds out when each
// version was known and superseded.
func (m *measurement) settle(r *register) {
	r.reads = slices.DeleteFunc(r.reads, func(d read) bool {
		v := &r.versions[d.version]
		wrong := d.version > 0 && (v.failed || v.write.Invoke == nil && !r.numbered || v.write.Invoke != nil && d.Complete.Index < v.write.Invoke.Index)
		if wrong {
			m.Unexplained++
		}
		return wrong
	})
	for _, d := range r.reads {
		if v := &r.versions[d.version]; d.Complete.Time < v.known {
			v.known, v.witness = d.Complete.Time, d.Call
		}
	}
	for i := range r.versions {
		v := &r.versions[i]
		v.over = never
		if i > 0 && v.order == never {
			v.order = v.began
		}
		if r.numbered && v.write.Invoke == nil && i > 0 {
			v.began = always
		}
	}
	sorted := r.known()
	slices.SortFunc(sorted, func(a, b int32) int { return cmp.Compare(r.versions[a].order, r.versions[b].order) })
	soonest := make([]int32, len(sorted)) // of what is from here on, the one that was known first
	for i := len(sorted) - 1; i >= 0; i-- {
		soonest[i] = sorted[i]
		if i+1 < len(sorted) && r.versions[soonest[i+1]].known < r.versions[sorted[i]].known {
			soonest[i] = soonest[i+1]
		}
	}
	for i := range r.versions {
		v := &r.versions[i]
		n := sort.Search(len(sorted), func(n int) bool { return r.versions[sorted[n]].order > r.limit(v) })
		if n < len(sorted) {
			v.by = soonest[n]
			v.over = r.versions[v.by].known
		}
	}
}

// limit returns what the order of newer versions is above.
func (r *register) limit(v *version) int64 {
	if r.numbered {
		return v.order
	}
	return v.known
}

// known returns the versions that ever were, without the initial one.
func (r *register) known() []int32 {
	var list []int32
	for i := range r.versions {
		if v := &r.versions[i]; i > 0 && v.known < never && !v.failed {
			list = append(list, int32(i))
		}
	}
	return list
}

// ages finds out how old what each read returned was.
func (m *measurement) ages(r *register) {
	sorted := r.known()
	slices.SortFunc(sorted, func(a, b int32) int { return cmp.Compare(r.versions[a].known, r.versions[b].known) })
	orders := make([]int64, len(sorted))
	for i, v := range sorted {
		orders[i] = r.versions[v].order
	}
	slices.Sort(orders)
	slices.SortStableFunc(r.reads, func(a, b read) int { return cmp.Compare(a.Invoke.Time, b.Invoke.Time) })
	count := make(fenwick, len(orders)+1)
	next := 0
	for i := range r.reads {
		d := &r.reads[i]
		for ; next < len(sorted) && r.versions[sorted[next]].known < d.Invoke.Time; next++ {
			at, _ := slices.BinarySearch(orders, r.versions[sorted[next]].order)
			count.add(at)
		}
		v := &r.versions[d.version]
		if d.age = 0; v.over < d.Invoke.Time {
			d.age = d.Invoke.Time - v.over
		}
		limit := r.limit(v)
		above := sort.Search(len(orders), func(n int) bool { return orders[n] > limit })
		d.behind = next - count.below(above)
		if next > 0 {
			d.since, d.fresh = d.Invoke.Time-r.versions[sorted[next-1]].known, d.behind == 0
		}
	}
}

// fenwick counts places in an array.
type fenwick []int

func (f fenwick) add(at int) {
	for at++; at < len(f); at += at & -at {
		f[at]++
	}
}

// below returns how many places before at were added.
func (f fenwick) below(at int) int {
	n := 0
	for ; at > 0; at -= at & -at {
		n += f[at]
	}
	return n
}
