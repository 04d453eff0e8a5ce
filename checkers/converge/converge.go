// Package converge judges whether replicas agree once the faults are over.
//
// Two things can show it, and each is enough to judge. The nemesis may ask every
// node, after recovery, for a digest of each shard that it holds: all nodes that
// hold a shard must give the same. And clients may read every key through every
// node in the final phase: all must read the same. A node that did not answer is
// not held against the others, but is listed.
package converge

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "converge"

// Divergence is the name of the anomaly.
const Divergence = "divergence"

// Options say how to compare.
type Options struct {
	// Unordered takes lists that were read for sets: their order and repetitions
	// do not matter.
	Unordered bool
}

// Report is what was compared and what differed.
type Report struct {
	Nodes     []string           `json:"nodes"`     // that gave digests
	Shards    int                `json:"shards"`    // held by two nodes or more
	Keys      int                `json:"keys"`      // read in the final phase twice or more
	Reads     int                `json:"reads"`     // final reads that were ok
	Divergent int                `json:"divergent"` // shards and keys on which replicas differ
	Anomalies []checkers.Anomaly `json:"-"`
}

// New returns a checker of convergence.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return finding.Certified(report.result(), Name, finding.Flags(map[string]bool{"unordered": opts.Unordered}), nil)
	})
}

// Check compares replicas and final reads. It is an error if h cannot be judged or
// ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (Report, error) {
	r := Report{Nodes: []string{}}
	calls, err := checkers.Paired(h)
	if err != nil {
		return r, err
	}
	if context.Cause(ctx) != nil {
		return r, fmt.Errorf("stopped before anything was compared: %w", context.Cause(ctx))
	}
	if op := h.Recovery(); op != nil {
		r.replicas(op)
	}
	err = r.reads(ctx, calls, opts)
	return r, err
}

// opinion is what one or more nodes say about the same thing.
type opinion struct {
	value history.Value
	nodes []string
	ops   []int
}

// opinions groups what nodes say by value, in the order of first appearance.
type opinions struct {
	values intern.Table
	list   []opinion
	said   int
}

func (o *opinions) add(value history.Value, node string, op int) {
	o.said++
	i := 0 // nearly always, all say the same
	if len(o.list) > 0 && !o.list[0].value.Equal(value) {
		o.values.ID(o.list[0].value)
		i = int(o.values.ID(value))
	}
	if i == len(o.list) {
		o.list = append(o.list, opinion{value: value})
	}
	o.list[i].nodes = append(o.list[i].nodes, node)
	o.list[i].ops = append(o.list[i].ops, op)
}

// replicas compares the digests of a record of the nemesis.
func (r *Report) replicas(op *history.Op) {
	var shards intern.Table
	var said []opinions
	nodes := op.Value.Elems()
	for i := 0; i+1 < len(nodes); i += 2 {
		node, held := name(nodes[i]), nodes[i+1].Elems()
		r.Nodes = append(r.Nodes, node)
		for j := 0; j+1 < len(held); j += 2 {
			s := shards.ID(held[j])
			if int(s) == len(said) {
				said = append(said, opinions{})
			}
			said[s].add(held[j+1], node, op.Index)
		}
	}
	for s := range said {
		o := &said[s]
		if o.said < 2 {
			continue
		}
		r.Shards++
		if len(o.list) > 1 {
			what := name(shards.Value(int32(s)))
			r.diverged("", []int{op.Index}, fmt.Sprintf("after recovery, at %s, the replicas of shard %s differ: %s", checkers.Millis(op.Time), what, o.describe("on")))
		}
	}
}

// reads compares the final reads of each key, the last one of each node.
func (r *Report) reads(ctx context.Context, calls []history.Call, opts Options) error {
	var keys intern.Table
	var finals [][]history.Call
	for _, c := range calls {
		if !c.Invoke.Final || c.Invoke.F != "read" || c.Type() != history.OK {
			continue
		}
		r.Reads++
		k := keys.ID(c.Invoke.Key)
		if int(k) == len(finals) {
			finals = append(finals, nil)
		}
		finals[k] = append(finals[k], c)
	}
	for k, reads := range finals {
		if context.Cause(ctx) != nil {
			return fmt.Errorf("stopped after %d of %d keys, of which %d diverge: %w", k, len(finals), r.Divergent, context.Cause(ctx))
		}
		r.key(keys.Value(int32(k)), lastOfEachNode(reads), opts)
	}
	return nil
}

func (r *Report) key(key history.Value, reads []history.Call, opts Options) {
	if len(reads) < 2 {
		return
	}
	r.Keys++
	var o opinions
	for _, c := range reads {
		v := c.Value()
		if opts.Unordered {
			v = unordered(v)
		}
		o.add(v, c.Invoke.Node, c.Invoke.Index)
	}
	if len(o.list) == 1 {
		return
	}
	what, in := checkers.KeyName(key), ""
	if what != "" {
		in = " of key " + what
	}
	// One read for each opinion proves it; two opinions are enough.
	ops := []int{o.list[0].ops[0], o.list[1].ops[0]}
	slices.Sort(ops)
	r.diverged(what, ops, fmt.Sprintf("after recovery the final reads%s differ: %s", in, o.describe("through")))
}

// lastOfEachNode keeps the last read through each node; reads without a node
// are all kept.
func lastOfEachNode(reads []history.Call) []history.Call {
	last := make(map[string]int)
	for i, c := range reads {
		last[c.Invoke.Node] = i
	}
	var kept []history.Call
	for i, c := range reads {
		if c.Invoke.Node == "" || last[c.Invoke.Node] == i {
			kept = append(kept, c)
		}
	}
	return kept
}

// unordered turns a list into a set without repetitions.
func unordered(v history.Value) history.Value {
	if v.Kind() != history.KindList && v.Kind() != history.KindSet {
		return v
	}
	elems := slices.Clone(v.Elems())
	slices.SortFunc(elems, history.Value.Compare)
	return history.Set(slices.CompactFunc(elems, history.Value.Equal)...)
}

func (r *Report) diverged(key string, ops []int, explanation string) {
	r.Divergent++
	if len(r.Anomalies) < checkers.MaxAnomalies {
		r.Anomalies = append(r.Anomalies, checkers.Anomaly{Name: Divergence, Key: key, Ops: ops, Explanation: explanation})
	}
}

// shownBytes is how much of a value an explanation quotes.
const shownBytes = 60

// describe lists what is said, on or through which nodes, the most popular
// opinion first.
func (o *opinions) describe(where string) string {
	list := slices.Clone(o.list)
	slices.SortStableFunc(list, func(a, b opinion) int { return cmp.Compare(len(b.nodes), len(a.nodes)) })
	var parts []string
	for _, p := range list {
		v := name(p.value)
		if len(v) > shownBytes {
			v = fmt.Sprintf("%.*s… (%d elements)", shownBytes, v, len(p.value.Elems()))
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", v, where, strings.Join(p.nodes, ", ")))
	}
	return strings.Join(parts, "; ")
}

// name writes a text without quotes and any other value as it is.
func name(v history.Value) string {
	if t := v.Text(); t != "" {
		return t
	}
	return v.String()
}

func (r Report) result() checkers.Result {
	switch {
	case r.Divergent > 0:
		return checkers.Result{Verdict: checkers.Invalid, Anomalies: r.Anomalies}.Detail(r)
	case r.Shards == 0 && r.Keys == 0:
		return checkers.Unknownf("nothing to compare: no two nodes reported the same shard after recovery, and no key was read twice in the final phase (%d final reads, %d nodes reported)",
			r.Reads, len(r.Nodes)).Detail(r)
	default:
		return checkers.Result{}.Detail(r)
	}
}
