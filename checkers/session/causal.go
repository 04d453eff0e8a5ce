package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/causality"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
)

func stopped(ctx context.Context, what string, done, of int) error {
	return fmt.Errorf("stopped after %d of %d %s: %w", done, of, what, context.Cause(ctx))
}

// before appends what comes before an operation by so, rf and known versions.
func (s *study) before(v int32, to []int32) []int32 {
	x := &s.ops[v]
	if x.prev != none {
		to = append(to, x.prev)
	}
	if !x.write && x.from != none {
		to = append(to, x.from)
	}
	if s.sooner != nil {
		to = append(to, s.sooner[v]...)
	}
	return to
}

// cause appends what comes before an operation by so and rf.
func (s *study) cause(v int32, to []int32) []int32 {
	x := &s.ops[v]
	if x.prev != none {
		to = append(to, x.prev)
	}
	if !x.write && x.from != none {
		to = append(to, x.from)
	}
	return to
}

// graph returns so and rf in the form that finds what is in the past of reads.
func (s *study) graph() *causality.Graph {
	g := &causality.Graph{Keys: s.keys.Len(), ReadAt: make([]int32, 1, len(s.ops)+1), WriteAt: make([]int32, 1, len(s.ops)+1), Prev: make([]int32, len(s.ops))}
	for v := range s.ops {
		x := &s.ops[v]
		g.Prev[v] = x.prev
		if x.write {
			g.Writes = append(g.Writes, x.key)
		} else {
			g.Reads = append(g.Reads, causality.Read{Key: x.key, From: x.from})
		}
		g.ReadAt, g.WriteAt = append(g.ReadAt, int32(len(g.Reads))), append(g.WriteAt, int32(len(g.Writes)))
	}
	return g
}

// causal judges causal consistency, and with convergent the order that all agree
// on.
func (s *study) causal(ctx context.Context, convergent bool) outcome {
	g := s.graph()
	order := causality.Order(len(s.ops), s.cause)
	if len(order) < len(s.ops) {
		return outcome{found: s.loops(ctx, s.cause, nil, CyclicCO)}
	}
	var need, overwritten []demand
	_, err := g.Sweep(ctx, order, true, func(l causality.Later) {
		d := demand{from: l.Write, to: s.ops[l.Reader].from, read: l.Reader}
		switch {
		case d.to == none || l.After:
			overwritten = append(overwritten, d)
		case !l.Before:
			need = append(need, d)
		}
	})
	if err != nil {
		return outcome{unknown: fmt.Errorf("stopped while following causality: %w", err)}
	}
	s.report.Forced = len(need) + len(overwritten)
	if len(overwritten) > 0 {
		return outcome{found: s.overwrites(ctx, overwritten)}
	}
	if convergent {
		in := incoming(int32(len(s.ops)), need)
		order = causality.Order(len(s.ops), func(v int32, to []int32) []int32 {
			for _, d := range in.of(v) {
				to = append(to, d.from)
			}
			return s.before(v, to)
		})
		if len(order) < len(s.ops) {
			return outcome{found: s.loops(ctx, s.before, need, CyclicCF)}
		}
	}
	return outcome{certify: func() (okEvidence, error) { return okEvidence{Order: s.indices(order)}, nil }}
}

// overwrites turns reads of what was overwritten in their past into anomalies.
func (s *study) overwrites(ctx context.Context, list []demand) []finding {
	cause := s.digraph(s.cause, nil)
	var found []finding
	for _, d := range list {
		s.report.Anomalies++
		if len(found) == checkers.MaxAnomalies || len(found) > 0 && context.Cause(ctx) != nil {
			continue
		}
		pr := proof{session: s.ops[d.read].session, rules: []step{{d, s.way(cause, d.from, d.read)}}}
		name := WriteCOInitRead
		if d.to != none {
			name = WriteCORead
			pr.cycle = s.way(cause, d.to, d.from)
		}
		found = append(found, s.finding(name, pr))
	}
	return found
}

func (s *study) digraph(before func(int32, []int32) []int32, need []demand) *digraph.Graph {
	g := digraph.New(len(s.ops))
	var to []int32
	for v := range int32(len(s.ops)) {
		for _, w := range before(v, to[:0]) {
			g.Add(int(w), int(v))
		}
	}
	for _, d := range need {
		if d.to != none {
			g.Add(int(d.from), int(d.to))
		}
	}
	return g
}

// way returns a path from a to b.
func (s *study) way(g *digraph.Graph, a, b int32) []int32 {
	if s.soon(a, b) {
		return []int32{a, b}
	}
	return g.Path(a, b, func(int32) bool { return true })
}

// loops turns cycles into anomalies, one for each component. Demands follow from
// so and rf alone.
func (s *study) loops(ctx context.Context, before func(int32, []int32) []int32, need []demand, name string) []finding {
	cause, g := s.digraph(s.cause, nil), s.digraph(before, need)
	var found []finding
	for _, component := range g.Components() {
		s.report.Anomalies++
		if len(found) == checkers.MaxAnomalies || len(found) > 0 && context.Cause(ctx) != nil {
			continue
		}
		pr := proof{session: none, cycle: g.Cycle(component, func(int32) bool { return true })}
		for i, a := range pr.cycle {
			b := pr.cycle[(i+1)%len(pr.cycle)]
			if slices.Contains(before(b, nil), a) {
				continue
			}
			at := slices.IndexFunc(need, func(d demand) bool { return d.from == a && d.to == b })
			pr.rules = append(pr.rules, step{need[at], s.way(cause, a, need[at].read)})
		}
		found = append(found, s.finding(name, pr))
	}
	return found
}
