package collections

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// replicas is what the nodes said in the end.
type replicas struct {
	asked     *history.Op // the record of the nemesis
	finals    []*claim.Op // the reads that count
	unordered bool
}

// lastReplicas returns the last record in which the nemesis asked the replicas.
func lastReplicas(h *history.History) *history.Op {
	for i := len(h.Ops) - 1; i >= 0; i-- {
		if op := &h.Ops[i]; op.Process == history.Nemesis && op.F == history.FReplicas {
			return op
		}
	}
	return nil
}

func converge(c *claim.Claim) error {
	on, err := c.Flags("unordered")
	if err != nil {
		return err
	}
	r := &replicas{asked: lastReplicas(c.History), unordered: on["unordered"]}
	for _, ops := range byKey(c) {
		r.finals = append(r.finals, finals(ops)...)
	}
	if c.Verdict == claim.Invalid {
		return r.confirm(c)
	}
	if len(c.Evidence) > 0 {
		return fmt.Errorf("there is evidence, but converge and ok take none")
	}
	return r.agree()
}

// finals returns the final reads of a key that count.
func finals(ops []*claim.Op) []*claim.Op {
	last := map[string]*claim.Op{}
	ops = slices.DeleteFunc(slices.Clone(ops), func(o *claim.Op) bool { return !o.Invoke.Final || o.Invoke.F != "read" || !o.Happened() })
	for _, o := range ops {
		last[o.Invoke.Node] = o
	}
	return slices.DeleteFunc(ops, func(o *claim.Op) bool { return o.Invoke.Node != "" && last[o.Invoke.Node] != o })
}

// value returns what a read has, in the form in which it is compared.
func (r *replicas) value(o *claim.Op) history.Value {
	v := o.Complete.Value
	if k := v.Kind(); !r.unordered || k != history.KindList && k != history.KindSet {
		return v
	}
	return history.Set(numbers(slices.Clone(v.Elems())).sorted()...)
}

// agree confirms that nobody disagrees, and that somebody could have.
func (r *replicas) agree() error {
	compared, differ := r.shards()
	if differ {
		return fmt.Errorf("the nodes give different digests of a shard in the record of index %d", r.asked.Index)
	}
	for i := 1; i < len(r.finals); i++ {
		a, b := r.finals[i-1], r.finals[i]
		if !a.Invoke.Key.Equal(b.Invoke.Key) {
			continue
		}
		compared++
		if !r.value(a).Equal(r.value(b)) {
			return fmt.Errorf("the final reads of index %d and index %d differ", a.Invoke.Index, b.Invoke.Index)
		}
	}
	if compared == 0 {
		return fmt.Errorf("there is nothing to compare, so nothing is ok")
	}
	return nil
}

// shards says how many shards two nodes gave digests of, and whether any two differ.
func (r *replicas) shards() (compared int, differ bool) {
	if r.asked == nil {
		return 0, false
	}
	type holding struct{ shard, digest history.Value }
	var all []holding
	for nodes := r.asked.Value.Elems(); len(nodes) > 1; nodes = nodes[2:] {
		for held := nodes[1].Elems(); len(held) > 1; held = held[2:] {
			all = append(all, holding{held[0], held[1]})
		}
	}
	slices.SortFunc(all, func(a, b holding) int { return a.shard.Compare(b.shard) })
	for i := 1; i < len(all); i++ {
		if all[i].shard.Equal(all[i-1].shard) {
			compared++
			differ = differ || !all[i].digest.Equal(all[i-1].digest)
		}
	}
	return compared, differ
}

func (r *replicas) confirm(c *claim.Claim) error {
	var f finding
	if err := c.ReadEvidence(&f); err != nil {
		return err
	}
	switch {
	case f.Anomaly != "divergence":
	case len(f.Ops) == 1 && r.asked != nil && r.asked.Index == f.Ops[0]:
		if _, differ := r.shards(); differ {
			return nil
		}
	case len(f.Ops) == 2 && f.Ops[0] < f.Ops[1]:
		a, err := c.Op(f.Ops[0])
		if err != nil {
			return err
		}
		b, err := c.Op(f.Ops[1])
		if err != nil {
			return err
		}
		if slices.Contains(r.finals, a) && slices.Contains(r.finals, b) && a.Invoke.Key.Equal(b.Invoke.Key) && !r.value(a).Equal(r.value(b)) {
			return nil
		}
	}
	return fmt.Errorf("%v do not show %q", f.Ops, f.Anomaly)
}
