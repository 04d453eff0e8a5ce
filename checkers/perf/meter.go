package perf

import (
	"cmp"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// meter measures phases of a history.
type meter struct {
	calls []history.Call // in the order of invocation
	oks   []history.Call // those that were ok, in the order of completion
}

func newMeter(calls []history.Call) *meter {
	m := &meter{calls: calls, oks: make([]history.Call, 0, len(calls))}
	for _, c := range calls {
		if c.Type() == history.OK {
			m.oks = append(m.oks, c)
		}
	}
	slices.SortFunc(m.oks, func(a, b history.Call) int { return cmp.Compare(a.Complete.Index, b.Complete.Index) })
	return m
}

// measure fills in the sides of a phase.
func (m *meter) measure(p *Phase) {
	for i := range p.Sides {
		s := &p.Sides[i]
		on := p.clients(i)
		for _, t := range p.stretches {
			for _, c := range within(m.calls, t, invoked) {
				if on == nil || on(c.Invoke.Node) {
					s.add(c)
				}
			}
			quiet, _ := m.outage(t, on)
			s.Outage = max(s.Outage, quiet)
		}
		s.sum(p.Duration)
	}
}

// clients returns which nodes' clients are on a side; nil means all.
func (p *Phase) clients(i int) func(node string) bool {
	switch p.Sides[i].Name {
	case All:
		return nil
	case Others:
		return func(node string) bool { return !slices.Contains(p.Sides[i-1].Nodes, node) }
	default:
		return func(node string) bool { return slices.Contains(p.Sides[i].Nodes, node) }
	}
}

func invoked(c history.Call) int64   { return c.Invoke.Time }
func completed(c history.Call) int64 { return c.Complete.Time }

// within returns the calls whose time is in a stretch; they are in its order.
func within(calls []history.Call, t stretch, time func(history.Call) int64) []history.Call {
	at := func(c history.Call, t int64) int { return cmp.Compare(time(c), t) }
	from, _ := slices.BinarySearchFunc(calls, t.start, at)
	to, _ := slices.BinarySearchFunc(calls, t.end+1, at)
	return calls[from:max(from, to)]
}

// outage returns the longest time in a stretch without an ok, and its start.
func (m *meter) outage(t stretch, on func(string) bool) (longest, since int64) {
	last, since := t.start, t.start
	look := func(now int64) {
		if now-last > longest {
			longest, since = now-last, last
		}
		last = now
	}
	for _, c := range within(m.oks, t, completed) {
		if on == nil || on(c.Invoke.Node) {
			look(c.Complete.Time)
		}
	}
	look(max(t.start, t.end))
	return longest, since
}

func (s *Side) add(c history.Call) {
	switch c.Type() {
	case history.OK:
		s.OK++
		s.latencies = append(s.latencies, c.Complete.Time-c.Invoke.Time)
	case history.Fail:
		s.Fail++
	default:
		s.Info++
	}
}

// sum computes what follows from the counts.
func (s *Side) sum(duration int64) {
	if n := s.OK + s.Fail + s.Info; n > 0 {
		s.OKShare = float64(s.OK) / float64(n)
	}
	if duration > 0 {
		s.Rate = float64(s.OK) / (float64(duration) / 1e9)
	}
	slices.Sort(s.latencies)
	s.Latency = Latency{
		P50: checkers.Quantile(s.latencies, .5),
		P95: checkers.Quantile(s.latencies, .95),
		P99: checkers.Quantile(s.latencies, .99),
		Max: checkers.Quantile(s.latencies, 1),
	}
}

// maxBuckets is how many slices of time a report has at most.
const maxBuckets = 200

// widths are those of slices, from the finest on, in nanoseconds.
var widths = [...]int64{1e6, 1e7, 1e8, 5e8, 1e9, 5e9, 1e10, 6e10, 6e11, 36e11}

// slice measures the run slice by slice.
func (r *Report) slice(calls []history.Call, end int64) {
	r.Width = max(widths[len(widths)-1], end/maxBuckets+1)
	for _, w := range widths {
		if end/w < maxBuckets {
			r.Width = w
			break
		}
	}
	r.Series = make([]Bucket, max(end, 0)/r.Width+1)
	latencies := make([][]int64, len(r.Series))
	for _, c := range calls {
		last := c.Complete
		if last == nil {
			last = c.Invoke
		}
		i := min(max(last.Time/r.Width, 0), int64(len(r.Series)-1))
		switch b := &r.Series[i]; c.Type() {
		case history.OK:
			b.OK++
			latencies[i] = append(latencies[i], c.Complete.Time-c.Invoke.Time)
		case history.Fail:
			b.Fail++
		default:
			b.Info++
		}
	}
	for i := range r.Series {
		slices.Sort(latencies[i])
		r.Series[i].Start = int64(i) * r.Width
		r.Series[i].P50, r.Series[i].Max = checkers.Quantile(latencies[i], .5), checkers.Quantile(latencies[i], 1)
	}
}
