package linear

import (
	"cmp"
	"slices"
)

// evidence is the fewest operations that show that two values each have to come
// before the other: every observation of older before newer, because early
// finished before late began, and the other way round, because proof finished
// before offender began.
type evidence struct {
	older, newer int32 // values
	early        int32 // on the older value; none if that is the initial one
	late         int32 // on the newer value; none if early is
	proof        int32 // on the newer value
	offender     int32 // on the older value
	ops          []int32
}

// pick is what one of two conflicting clusters contributes: an operation that
// finished early and one that began late. Either may be none, for the initial
// value, which needs no proof that it was there first.
type pick struct{ early, late int32 }

// evidence finds the fewest operations that prove the conflict of clusters a and b.
func (z *zones) evidence(a, b int32) evidence {
	pa := z.choose(a, z.clusters[b].last, z.clusters[b].first)
	pb := z.choose(b, z.inv(pa.late), z.res(pa.early))
	best := z.prove(a, b, pa, pb)
	pb = z.choose(b, z.clusters[a].last, z.clusters[a].first)
	pa = z.choose(a, z.inv(pb.late), z.res(pb.early))
	if other := z.prove(a, b, pa, pb); len(other.ops) < len(best.ops) {
		best = other
	}
	return best
}

func (z *zones) inv(i int32) int32 {
	if i == none {
		return forever
	}
	return z.ops[i].inv
}

func (z *zones) res(i int32) int32 {
	if i == none {
		return -1
	}
	return z.ops[i].res
}

// choose picks from cluster v an operation that finished before the time by and
// one that began after the time after, preferring the writer, which has to be
// shown anyway, then one operation for both, then the earliest.
func (z *zones) choose(v, by, after int32) pick {
	w := z.clusters[v].writer
	p := pick{none, none}
	early := func(i int32) bool { return i != none && z.ops[i].res < by }
	late := func(i int32) bool { return i != none && z.ops[i].inv > after }
	if early(w) {
		p.early = w
	}
	if late(w) {
		p.late = w
	}
	if p.late == none {
		p.late = z.find(v, func(i int32) bool { return late(i) && (p.early != none || v == initial || early(i)) })
	}
	if p.late == none {
		p.late = z.find(v, late)
	}
	if p.early == none && v != initial {
		p.early = p.late
		if !early(p.late) {
			p.early = z.clusters[v].firstOp
		}
	}
	return p
}

// find returns the first observation of v that holds, in the order of
// invocation, completed ones first, or none.
func (z *zones) find(v int32, holds func(int32) bool) int32 {
	info := none
	for _, i := range z.observers(v) {
		if !holds(i) {
			continue
		}
		if !z.ops[i].isInfo() {
			return i
		}
		if info == none {
			info = i
		}
	}
	return info
}

// witness returns an operation that found v, a completed one if there is one.
func (z *zones) witness(v int32) int32 { return z.find(v, func(int32) bool { return true }) }

// prove puts two picks together. The offender is the later one of the two
// operations that came too late.
func (z *zones) prove(a, b int32, pa, pb pick) evidence {
	if pb.late != none && pb.early != none && z.inv(pb.late) > z.inv(pa.late) || pa.late == none || b == initial {
		a, b, pa, pb = b, a, pb, pa
	}
	e := evidence{older: a, newer: b, early: pa.early, offender: pa.late, proof: pb.early, late: pb.late}
	e.ops = []int32{z.clusters[a].writer, z.clusters[b].writer, e.early, e.offender, e.proof}
	if e.early != none {
		e.ops = append(e.ops, e.late)
	}
	e.ops = z.core(e.ops)
	return e
}

// core puts operations in order, each once, and adds for each info operation
// the one that shows that it happened.
func (z *zones) core(ops []int32) []int32 {
	ops = slices.DeleteFunc(slices.Clone(ops), func(i int32) bool { return i == none })
	for n := 0; n < len(ops); n++ {
		o := z.ops[ops[n]]
		if !o.isInfo() || slices.ContainsFunc(ops, func(i int32) bool { return z.ops[i].from == o.to }) {
			continue
		}
		if by := z.witness(o.to); by != none {
			ops = append(ops, by)
		}
	}
	slices.SortFunc(ops, func(i, j int32) int { return cmp.Compare(z.ops[i].inv, z.ops[j].inv) })
	return slices.Compact(ops)
}
