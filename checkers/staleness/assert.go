package staleness

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
)

// assert compares what was measured with what was promised.
func (m *measurement) assert() {
	var bad [3][]place // by age, versions and recovery
	var late []place
	reads := 0
	for _, r := range m.keys {
		for i := range r.reads {
			d := &r.reads[i]
			p := place{r, d}
			if m.opts.Recovery > 0 && d.age > 0 && m.recovered(d.Invoke.Time) {
				bad[2] = append(bad[2], p)
			}
			if m.opts.CalmOnly && m.faulty(d.Invoke.Time) {
				continue
			}
			reads++
			if m.opts.Bound > 0 && d.age > int64(m.opts.Bound) {
				bad[0] = append(bad[0], p)
			}
			if m.opts.K > 0 && d.behind >= m.opts.K {
				bad[1] = append(bad[1], p)
			}
			if d.age > int64(m.opts.SLO.Within) {
				late = append(late, p)
			}
		}
	}
	for _, list := range [][]place{bad[0], bad[1], bad[2], late} {
		slices.SortStableFunc(list, func(a, b place) int {
			return cmp.Or(cmp.Compare(b.age, a.age), cmp.Compare(a.Invoke.Index, b.Invoke.Index))
		})
	}
	for _, p := range first(bad[0]) {
		m.stale(StaleRead, p, 1, fmt.Sprintf("; that is more than %v", m.opts.Bound))
	}
	for _, p := range first(bad[1]) {
		m.stale(KStaleRead, p, m.opts.K, fmt.Sprintf("; it is %d versions behind, and so not among the last %d", p.behind, m.opts.K))
	}
	for _, p := range first(bad[2]) {
		m.stale(SlowRecovery, p, 1, fmt.Sprintf("; by then the last fault had been healed for more than %v", m.opts.Recovery))
	}
	if s := m.opts.SLO; s.Share > 0 && float64(reads-len(late)) < s.Share*float64(reads) {
		m.stale(MissedSLO, late[0], 1, fmt.Sprintf("; in all, only %d of %d reads were no older than %v, which is less than %v of them", reads-len(late), reads, s.Within, s.Share))
	}
}

func first(list []place) []place { return list[:min(len(list), checkers.MaxAnomalies)] }

// place is a read of a register.
type place struct {
	*register
	*read
}

// recovered reports whether a moment is in a time without faults, so late that no
// read may be stale any more.
func (m *measurement) recovered(at int64) bool {
	for _, r := range m.Recovery {
		if at >= r.Healed+int64(m.opts.Recovery) && (r.Until == 0 || at < r.Until) {
			return true
		}
	}
	return false
}

// stale notes an anomaly of a read, with what shows how old it is, and so many newer
// versions.
func (m *measurement) stale(name string, p place, newer int, why string) {
	v := &p.versions[p.version]
	over := &p.versions[v.by]
	ops := []int{p.Invoke.Index}
	for _, x := range append([]int32{p.read.version, v.by}, m.newer(p, newer)...) {
		for _, c := range []*version{&p.versions[x]} {
			if c.write.Invoke != nil {
				ops = append(ops, c.write.Invoke.Index)
			}
			if c.witness.Invoke != nil {
				ops = append(ops, c.witness.Invoke.Index)
			}
		}
	}
	slices.Sort(ops)
	known := fmt.Sprintf("process %v had read it at %s", over.witness.Invoke.Process, m.clock.At(over.witness.Complete))
	if over.write.Invoke == over.witness.Invoke {
		known = fmt.Sprintf("process %v had written it by %s", over.write.Invoke.Process, m.clock.At(over.witness.Complete))
	}
	newerBy := fmt.Sprintf("%v", p.ids.Value(v.by))
	a := checkers.Anomaly{Name: name, Key: checkers.KeyName(p.key), Ops: slices.Compact(ops)}
	a.Explanation = fmt.Sprintf("process %v began a read at %s and got %v, but %s is newer, and %s: what it got was at least %v old%s",
		p.Invoke.Process, m.clock.At(p.Invoke), p.ids.Value(p.read.version), newerBy, known, time.Duration(p.age), why)
	a.Edges = []checkers.Edge{{From: over.witness.Invoke.Index, To: p.Invoke.Index, Kind: "rt", Key: a.Key, Why: known + fmt.Sprintf(", before process %v began to read at %s", p.Invoke.Process, m.clock.At(p.Invoke))}}
	m.Anomalies = append(m.Anomalies, a)
}

// newer returns so many versions that are newer than what a read returned, and were
// known when it began.
func (m *measurement) newer(p place, most int) []int32 {
	var list []int32
	limit := p.limit(&p.versions[p.read.version])
	for i := range p.versions {
		if v := &p.versions[i]; i > 0 && len(list) < most && v.order > limit && v.known < p.Invoke.Time && !v.failed {
			list = append(list, int32(i))
		}
	}
	return list
}
