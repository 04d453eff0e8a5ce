package linear

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// maxOps is how many operations an explanation shows. Chains of
// compare-and-sets can be longer: then only their ends are shown.
const maxOps = 6

// explained is an anomaly with the time at which it was complete, to sort by.
type explained struct {
	checkers.Anomaly
	at int32
}

// explain turns findings into anomalies: the ones with the fewest operations
// first, then the earliest.
func (z *zones) explain(found []finding, limit int) []checkers.Anomaly {
	if chained(found) {
		if simple := z.unlinked().conflicts(len(found)); len(simple) > 0 {
			found = simple
			z = z.unlinked()
		}
	}
	all := make([]explained, len(found))
	for i, f := range found {
		all[i] = z.describe(f)
		all[i].Edges = shownEdges(z.edges(f), all[i].Ops)
	}
	slices.SortStableFunc(all, func(a, b explained) int {
		return cmp.Or(cmp.Compare(len(a.Ops), len(b.Ops)), cmp.Compare(a.at, b.at))
	})
	var anomalies []checkers.Anomaly
	for _, e := range all[:min(limit, len(all))] {
		anomalies = append(anomalies, e.Anomaly)
	}
	return anomalies
}

func chained(found []finding) bool {
	return slices.ContainsFunc(found, func(f finding) bool { return f.kind == backwards || f.kind == conflict })
}

func (z *zones) describe(f finding) explained {
	switch f.kind {
	case unwritten:
		return z.describeUnwritten(f.ops[0])
	case future:
		return z.describeFuture(f.ops[0], f.ops[1])
	case doubleCAS:
		return z.describeDoubleCAS(f.ops[0], f.ops[1])
	case circular:
		return z.describeCircle(f.ops)
	case backwards:
		return z.describeBackwards(f)
	}
	if z.single(f.a) && z.single(f.b) {
		return z.describeConflict(z.evidence(f.a.root, f.b.root))
	}
	return z.describeChains(f.a, f.b)
}

// single reports whether a block is one cluster, without compare-and-sets.
func (z *zones) single(b block) bool { return z.clusters[b.root].next == none }

// anomaly puts an explanation together. Of an operation whose outcome is
// unknown it adds how one knows that it happened.
func (z *zones) anomaly(name string, ops []int32, explanation string) explained {
	e := explained{Anomaly: checkers.Anomaly{Name: name, Explanation: explanation}}
	ops = elide(z.core(ops))
	for _, i := range ops {
		if z.ops[i].isInfo() {
			e.Explanation += z.happened(i)
		}
		e.Ops = append(e.Ops, z.call(i).Invoke.Index)
		if res := z.ops[i].res; res != forever {
			e.at = max(e.at, res)
		}
	}
	return e
}

// happened says how one knows that an info operation took effect.
func (z *zones) happened(i int32) string {
	by := z.witness(z.ops[i].to)
	if by == none || z.call(i).Type() == history.OK {
		return ""
	}
	return fmt.Sprintf("; the %s of %s by %s had no answer, but it happened, for %s", z.f(i), z.value(z.ops[i].to), z.who(i), z.did(by))
}

func (z *zones) describeUnwritten(i int32) explained {
	v := z.ops[i].from
	for _, w := range z.failed {
		if w.to != v {
			continue
		}
		c := z.calls[w.call]
		e := z.anomaly("dirty-read", []int32{i}, fmt.Sprintf("%s, but the %s of %s by process %v failed at %s, so it certainly did not happen",
			z.did(i), c.Invoke.F, z.value(v), c.Invoke.Process, z.clock.At(c.Complete)))
		e.Ops = append(e.Ops, c.Invoke.Index)
		slices.Sort(e.Ops)
		return e
	}
	return z.anomaly("thin-air-read", []int32{i}, fmt.Sprintf("%s, but nobody ever wrote %s", z.did(i), z.value(v)))
}

func (z *zones) describeFuture(w, i int32) explained {
	return z.anomaly("future-read", []int32{i, w}, fmt.Sprintf("%s and had it by %s, but %s was not written before %s began to at %s",
		z.did(i), z.end(i), z.value(z.ops[i].from), z.who(w), z.begin(w)))
}

func (z *zones) describeDoubleCAS(i, j int32) explained {
	v := z.ops[i].from
	once := "which is only the initial value"
	if w := z.clusters[v].writer; w != none {
		once = "which was written only once, by " + z.who(w)
	}
	return z.anomaly("double-cas", z.core([]int32{z.clusters[v].writer, i, j}),
		fmt.Sprintf("%s, and %s: both replaced %s, %s, and neither put it back", z.did(i), z.did(j), z.value(v), once))
}

func (z *zones) describeCircle(ops []int32) explained {
	var steps []string
	for _, i := range ops {
		steps = append(steps, z.did(i))
	}
	if !slices.ContainsFunc(ops, func(i int32) bool { return !z.ops[i].isInfo() }) {
		ops = append([]int32{z.reader(ops)}, ops...)
	}
	return z.anomaly("circular-cas", ops, "each of these needed the value of another, and none can have been first: "+strings.Join(steps, "; "))
}

// reader returns a completed read of what one of the operations wrote. There is
// one if none of them is completed, or they would have been dropped.
func (z *zones) reader(ops []int32) int32 {
	for _, i := range ops {
		if by := z.witness(z.ops[i].to); !z.ops[by].isInfo() {
			return by
		}
	}
	panic("linear: nobody saw the values of a circle")
}

// describeConflict explains two values of which each has to come first.
func (z *zones) describeConflict(e evidence) explained {
	older, newer := z.value(e.older), z.value(e.newer)
	name := z.shape(e)
	var b strings.Builder
	fmt.Fprintf(&b, "%s; ", z.did(e.offender))
	if e.proof == z.clusters[e.newer].writer {
		fmt.Fprintf(&b, "%s was overwritten with %s by %s, which finished at %s, before that %s began",
			older, newer, z.who(e.proof), z.end(e.proof), z.f(e.offender))
	} else {
		fmt.Fprintf(&b, "%s had found %s by %s, before that %s began", z.who(e.proof), newer, z.end(e.proof), z.f(e.offender))
	}
	if e.early == none {
		fmt.Fprintf(&b, "; %s was there before anything was written", older)
	} else {
		fmt.Fprintf(&b, "; and %s is the older one: %s by %s, before %s began at %s",
			older, z.finished(e.early, e.older), z.end(e.early), z.doing(e.late, e.newer), z.begin(e.late))
	}
	switch name {
	case "lost-write":
		fmt.Fprintf(&b, "; %s was never seen", newer)
		if z.ops[e.offender].isCAS() {
			b.Reset()
			fmt.Fprintf(&b, "%s although %s had been overwritten with %s (%s finished at %s, before that began): the update of %s was lost",
				z.did(e.offender), older, newer, z.who(e.proof), z.end(e.proof), newer)
		}
	case "resurrection":
		fmt.Fprintf(&b, "; %s came back for good", older)
	case "split-brain":
		fmt.Fprintf(&b, "; %s and %s were written at the same time, and no node served both", older, newer)
	}
	return z.anomaly(name, e.ops, b.String())
}

// shape names a conflict in the field's terms.
func (z *zones) shape(e evidence) string {
	if z.partial && !z.ops[e.offender].isCAS() {
		return "stale-read"
	}
	last := z.lastRead()
	stays := last != none && z.ops[last].from == e.older && z.ops[last].inv >= z.ops[e.offender].inv
	switch {
	case z.ops[e.offender].isCAS():
		return "lost-write"
	case z.splitBrain(e):
		return "split-brain"
	case stays && !z.observed(e.newer):
		return "lost-write"
	case stays:
		return "resurrection"
	default:
		return "stale-read"
	}
}

// lastRead returns the read that began last, or none.
func (z *zones) lastRead() int32 {
	for i := len(z.ops) - 1; i >= 0; i-- {
		if z.ops[i].isRead() {
			return int32(i)
		}
	}
	return none
}

func (z *zones) observed(v int32) bool {
	return z.witness(v) != none
}

// splitBrain reports whether two writes raced and from then on one set of nodes
// served one value and another set the other.
func (z *zones) splitBrain(e evidence) bool {
	wo, wn := z.clusters[e.older].writer, z.clusters[e.newer].writer
	if wo == none || wn == none || z.ops[wo].res < z.ops[wn].inv || z.ops[wn].res < z.ops[wo].inv {
		return false
	}
	a, b := z.nodes(e.older), z.nodes(e.newer)
	return z.observed(e.older) && z.observed(e.newer) && a != nil && b != nil &&
		!slices.ContainsFunc(a, func(n string) bool { return slices.Contains(b, n) })
}

// nodes returns the nodes whose clients touched v, or nil if not all are known.
func (z *zones) nodes(v int32) []string {
	var nodes []string
	ops := slices.Clone(z.observers(v))
	if w := z.clusters[v].writer; w != none {
		ops = append(ops, w)
	}
	for _, i := range ops {
		n := z.call(i).Invoke.Node
		if n == "" {
			return nil
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// describeBackwards explains an operation on a value that began after an
// operation on a later value of the same chain had finished.
func (z *zones) describeBackwards(f finding) explained {
	offender, proof := f.ops[0], f.ops[1]
	from, to := z.valueOf(offender), z.valueOf(proof)
	links := z.links(from, to)
	name := "stale-read"
	if !z.ops[offender].isRead() {
		name = "lost-write"
	}
	return z.anomaly(name, z.withLinks([]int32{offender, proof}, links),
		fmt.Sprintf("%s; but %s by %s, before that %s began, and %s had been replaced on the way there: %s",
			z.did(offender), z.finished(proof, to), z.end(proof), z.f(offender), z.value(from), z.path(from, links)))
}

// describeChains explains two chains of compare-and-sets of which each has to
// come before the other, although nothing can come inside a chain.
func (z *zones) describeChains(a, b block) explained {
	la, lb := z.linksBetween(a), z.linksBetween(b)
	ops := []int32{a.firstOp, a.lastOp, b.firstOp, b.lastOp}
	va, vb := z.value(a.root), z.value(b.root)
	text := fmt.Sprintf("nothing can come between the operations that compare-and-sets link from %s on (%s), nor between those from %s on (%s)",
		va, z.path(a.root, la), vb, z.path(b.root, lb))
	if a.firstOp != none && b.lastOp != none {
		text += fmt.Sprintf("; %s by %s, before %s began at %s, so the first come before the second",
			z.finished(a.firstOp, z.valueOf(a.firstOp)), z.end(a.firstOp), z.doing(b.lastOp, z.valueOf(b.lastOp)), z.begin(b.lastOp))
	}
	if b.firstOp != none && a.lastOp != none {
		text += fmt.Sprintf("; %s by %s, before %s began at %s, so the second come before the first",
			z.finished(b.firstOp, z.valueOf(b.firstOp)), z.end(b.firstOp), z.doing(a.lastOp, z.valueOf(a.lastOp)), z.begin(a.lastOp))
	}
	return z.anomaly("lost-write", z.withLinks(ops, append(la, lb...)), text)
}

// valueOf returns the value whose cluster an operation is in.
func (z *zones) valueOf(i int32) int32 {
	if z.ops[i].to != none {
		return z.ops[i].to
	}
	return z.ops[i].from
}

// links returns the compare-and-sets that lead from one value of a chain to a
// later one.
func (z *zones) links(from, to int32) []int32 {
	var links []int32
	for v := from; v != to; v = z.ops[z.clusters[v].next].to {
		links = append(links, z.clusters[v].next)
	}
	return links
}

// linksBetween returns the links between the two operations that define the
// zone of a block.
func (z *zones) linksBetween(b block) []int32 {
	ends := []int32{initial, initial}
	for i, o := range []int32{b.firstOp, b.lastOp} {
		if o != none {
			ends[i] = z.valueOf(o)
		}
	}
	for v := b.root; v != ends[1]; v = z.ops[z.clusters[v].next].to {
		if v == ends[0] {
			return z.links(ends[0], ends[1])
		}
	}
	return z.links(ends[1], ends[0])
}

// withLinks puts as many links to the operations as can be shown.
func (z *zones) withLinks(ops, links []int32) []int32 {
	ops = slices.DeleteFunc(slices.Clone(ops), func(i int32) bool { return i == none })
	slices.Sort(ops)
	ops = slices.Compact(ops)
	for _, l := range links {
		if len(ops) < maxOps && !slices.Contains(ops, l) {
			ops = append(ops, l)
		}
	}
	return ops
}

func elide(ops []int32) []int32 { return ops[:min(len(ops), maxOps)] }

// path writes a chain as "1 to 2 to 3", leaving out the middle of a long one.
func (z *zones) path(from int32, links []int32) string {
	steps := []string{z.value(from)}
	for i, l := range links {
		if len(links) > maxOps && i == maxOps/2 {
			steps = append(steps, fmt.Sprintf("%d more", len(links)-maxOps))
		}
		if len(links) <= maxOps || i < maxOps/2 || i >= len(links)-maxOps/2 {
			steps = append(steps, z.value(z.ops[l].to))
		}
	}
	return strings.Join(steps, " to ")
}

func (z *zones) call(i int32) history.Call { return z.calls[z.ops[i].call] }

func (z *zones) value(v int32) string { return z.values.Value(v).String() }

func (z *zones) f(i int32) string {
	if f := z.call(i).Invoke.F; f == "append" || !z.ops[i].isCAS() {
		return f
	}
	return "compare-and-set"
}

func (z *zones) who(i int32) string { return fmt.Sprintf("process %v", z.call(i).Invoke.Process) }

func (z *zones) begin(i int32) string { return z.clock.At(z.call(i).Invoke) }

func (z *zones) end(i int32) string { return z.clock.At(z.call(i).Complete) }

// did says what an operation did and when it began.
func (z *zones) did(i int32) string {
	o := z.ops[i]
	switch {
	case o.isCAS() && z.call(i).Invoke.F == "append":
		return fmt.Sprintf("%s made %s of %s at %s", z.who(i), z.value(o.to), z.value(o.from), z.begin(i))
	case o.isCAS():
		return fmt.Sprintf("%s replaced %s by %s at %s", z.who(i), z.value(o.from), z.value(o.to), z.begin(i))
	case o.isRead():
		return fmt.Sprintf("%s read %s at %s", z.who(i), z.value(o.from), z.begin(i))
	default:
		return fmt.Sprintf("%s wrote %s at %s", z.who(i), z.value(o.to), z.begin(i))
	}
}

// finished says that an operation on v was over.
func (z *zones) finished(i, v int32) string {
	if z.ops[i].to == v {
		return fmt.Sprintf("%s had written %s", z.who(i), z.value(v))
	}
	return fmt.Sprintf("%s had found %s", z.who(i), z.value(v))
}

// doing names an operation on v that was about to begin.
func (z *zones) doing(i, v int32) string {
	if z.ops[i].to == v {
		return fmt.Sprintf("the write of %s by %s", z.value(v), z.who(i))
	}
	return fmt.Sprintf("the %s by which %s found %s", z.f(i), z.who(i), z.value(v))
}
