package weak

import (
	"cmp"
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
	"github.com/ordeal-dev/ordeal/harness/history"
)

const okType = history.OK

// judge returns a commit order, or what makes one impossible: reads that are wrong
// in themselves, or the anomalies of the weakest level that does not hold. As most
// histories are valid, the level that was asked for is looked at first.
func (s *study) judge(ctx context.Context) (order []int32, found []finding, err error) {
	if len(s.wrong) > 0 {
		s.broken(ReadCommitted, len(s.wrong))
		return nil, s.misreads(), nil
	}
	order, err = s.at(ctx, s.opts.Level)
	if err != nil || order != nil {
		return order, nil, err
	}
	for level := ReadCommitted; ; level++ {
		order, err = s.at(ctx, level)
		if err != nil {
			return nil, nil, err
		}
		if order == nil {
			found = s.cycles(ctx, level)
			s.broken(level, s.report.Anomalies)
			return nil, found, nil
		}
	}
}

func (s *study) broken(level Level, n int) {
	s.report.Broken, s.report.Anomalies = level.String(), n
}

// at returns an order of the nodes that shows that a level holds, or nil.
func (s *study) at(ctx context.Context, level Level) ([]int32, error) {
	s.report.Stopped = "what " + level.String() + " makes necessary"
	if err := s.force(ctx, level); err != nil {
		return nil, err
	}
	s.report.Stopped = ""
	s.report.Forced = len(s.forced)
	for _, f := range s.forced {
		if f.to == none {
			return nil, nil
		}
	}
	in := s.incoming()
	order := causality.Order(s.graph.Len(), func(v int32, to []int32) []int32 {
		for _, f := range in.of(v) {
			to = append(to, f.from)
		}
		return s.graph.Before(v, to)
	})
	if len(order) < s.graph.Len() {
		return nil, nil
	}
	return order, nil
}

// incoming sorts what is forced by the node that comes later, without moving
// what cannot be in a cycle.
type incoming struct {
	at   []int32
	list []forced
}

func (s *study) incoming() incoming {
	in := incoming{at: make([]int32, s.graph.Len()+2), list: make([]forced, len(s.forced))}
	for _, f := range s.forced {
		in.at[f.to+2]++
	}
	for i := 2; i < len(in.at); i++ {
		in.at[i] += in.at[i-1]
	}
	for _, f := range s.forced {
		in.list[in.at[f.to+1]] = f
		in.at[f.to+1]++
	}
	return in
}

func (in incoming) of(v int32) []forced { return in.list[in.at[v]:in.at[v+1]] }

// finding is an anomaly with the evidence for it.
type finding struct {
	anomaly  checkers.Anomaly
	evidence badEvidence
}

// edge is a step of a cycle.
type edge struct {
	from, to int32
	kind     string  // so, wr or forced
	read     int32   // wr, forced: the read, by its place in the graph
	path     []int32 // forced: from `from` to who read
}

// cycles returns anomalies that show that a level does not hold, each reduced to
// as few transactions as show it.
func (s *study) cycles(ctx context.Context, level Level) []finding {
	found := s.find(level)
	for i := range found {
		if i == 0 || context.Cause(ctx) == nil {
			found[i] = s.reduce(found[i], level)
		} else {
			found[i] = s.introduce(found[i])
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(len(a.anomaly.Ops), len(b.anomaly.Ops)) })
	return found
}

// find returns the first anomalies of a level: those of reads of the initial
// state, and if there are none a cycle of each component.
func (s *study) find(level Level) []finding {
	base, all := s.graphs()
	var found []finding
	note := func(c []edge) {
		s.report.Anomalies++
		if len(found) < checkers.MaxAnomalies {
			found = append(found, s.explain(s.paths(base, c), level))
		}
	}
	s.report.Anomalies = 0
	for _, f := range s.forced {
		if f.to == none {
			note([]edge{{from: f.from, to: none, kind: "forced", read: f.read}})
		}
	}
	if len(found) > 0 {
		return found
	}
	in := s.incoming()
	for _, component := range all.Components() {
		note(s.along(in, all.Cycle(component, func(int32) bool { return true })))
	}
	return found
}

// graphs returns the graph of so and wr, and the one with what is forced.
func (s *study) graphs() (base, all *digraph.Graph) {
	base, all = digraph.New(s.graph.Len()), digraph.New(s.graph.Len())
	for v := range int32(s.graph.Len()) {
		for _, w := range s.graph.Before(v, nil) {
			base.Add(int(w), int(v))
			all.Add(int(w), int(v))
		}
	}
	for _, f := range s.forced {
		if f.to != none {
			all.Add(int(f.from), int(f.to))
		}
	}
	return base, all
}

// along turns the nodes of a cycle into its edges.
func (s *study) along(in incoming, nodes []int32) []edge {
	var list []edge
	for i, a := range nodes {
		list = append(list, s.between(in, a, nodes[(i+1)%len(nodes)]))
	}
	return list
}

// between returns why node a comes before b.
func (s *study) between(in incoming, a, b int32) edge {
	if e, ok := s.direct(a, b); ok {
		return e
	}
	list := in.of(b)
	at := slices.IndexFunc(list, func(f forced) bool { return f.from == a })
	return edge{from: a, to: b, kind: "forced", read: list[at].read}
}

// direct returns the so or wr edge from a to b, if there is one.
func (s *study) direct(a, b int32) (edge, bool) {
	g := &s.graph
	for at := g.ReadAt[b]; at < g.ReadAt[b+1]; at++ {
		if g.Reads[at].From == a {
			return edge{from: a, to: b, kind: "wr", read: at}, true
		}
	}
	return edge{from: a, to: b, kind: "so"}, g.Prev[b] == a
}

// reader returns the node that a read is in.
func (s *study) reader(read int32) int32 {
	v, ok := slices.BinarySearch(s.graph.ReadAt, read)
	for ok && v+1 < len(s.graph.ReadAt) && s.graph.ReadAt[v+1] == read {
		v++ // nodes without reads begin at the same place
	}
	if !ok {
		v--
	}
	return int32(v)
}

// paths finds for forced edges how the reader can see the other write.
func (s *study) paths(base *digraph.Graph, c []edge) []edge {
	for i := range c {
		if e := &c[i]; e.kind == "forced" {
			reader := s.reader(e.read)
			if e.path = []int32{e.from, reader}; !s.follows(e.from, reader) {
				e.path = base.Path(e.from, reader, func(int32) bool { return true })
			}
		}
	}
	return c
}

// follows reports whether b comes after a in one session.
func (s *study) follows(a, b int32) bool {
	return a < b && s.txns[s.nodes[a]].typ == okType && s.process(a) == s.process(b)
}

func (s *study) process(v int32) history.Process { return s.call(s.nodes[v]).Invoke.Process }
