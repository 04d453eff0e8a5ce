package polygraph

import (
	"context"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
)

// proof writes down what led to the last clause, and nothing else.
func (s *solver) proof() *Proof {
	last := int32(len(s.clause) - 1)
	need := make([]bool, len(s.clause))
	need[last] = true
	cycles := 0
	for c := last; c >= 0; c-- {
		if !need[c] {
			continue
		}
		if s.clause[c].cycle != nil {
			cycles++
		}
		for _, f := range s.clause[c].from {
			need[f] = true
		}
	}
	p := &Proof{}
	number := make([]int32, len(s.clause))
	for c := range s.clause {
		switch cl := &s.clause[c]; {
		case !need[c]:
		case cl.cycle != nil:
			number[c] = int32(len(p.Cycles))
			p.Cycles = append(p.Cycles, s.fold(cl.cycle))
		default:
			number[c] = int32(cycles + len(p.Steps))
			p.Steps = append(p.Steps, s.step(cl, number))
		}
	}
	return p
}

// torn returns the proof that there are no chains, if that is so.
func (n *network) torn() *Proof {
	switch {
	case n.lost != nil:
		return n.lost.proof(n.level)
	case n.circle != none:
		return n.circular()
	default:
		return nil
	}
}

// proof shows that neither of the two can have come first: the other did not see
// what it wrote. With snapshots that takes the order of their versions.
func (l *lost) proof(level Level) *Proof {
	missed := func(a, b int32) Edge {
		return Edge{From: a, To: b, Kind: RW, Key: l.read.Key, Version: l.read.From}
	}
	if !level.Snapshot() {
		return &Proof{Cycles: []Cycle{{missed(l.First, l.Second), missed(l.Second, l.First)}}}
	}
	first := func(a, b int32) Cycle {
		return Cycle{{From: a, To: b, Kind: WW, Key: l.read.Key, If: Pair{a, b}, Chosen: true}, missed(b, a)}
	}
	return &Proof{Cycles: []Cycle{first(l.First, l.Second), first(l.Second, l.First)}, Steps: []Step{{From: []int32{0, 1}}}}
}

// circular shows versions of which each was made of the one before it.
func (n *network) circular() *Proof {
	var cycle Cycle
	for v := n.circle; len(cycle) == 0 || v != n.circle; v = n.vers[v].next {
		next := n.vers[n.vers[v].next].txn
		cycle = append(cycle, Edge{From: n.vers[v].txn, To: next, Kind: WR, Key: n.vers[v].key})
	}
	return &Proof{Cycles: []Cycle{cycle}}
}

func (s *solver) step(c *clause, number []int32) Step {
	var st Step
	for _, l := range c.lits {
		st.Clause = append(st.Clause, s.pair(l))
	}
	for _, f := range c.from {
		st.From = append(st.From, number[f])
	}
	return st
}

// fold makes edges between transactions of those between nodes.
func (s *solver) fold(hops []hop) Cycle {
	first := slices.IndexFunc(hops, func(h hop) bool { return s.txn(h.from) != none })
	hops = append(slices.Clone(hops[first:]), hops[:first]...)
	var cycle Cycle
	for len(hops) > 0 {
		n := 1
		for s.txn(hops[n-1].to) == none {
			n++
		}
		if hops[0].kind != inner {
			cycle = append(cycle, s.edge(hops[:n]))
		}
		hops = hops[n:]
	}
	return cycle
}

// edge makes one edge of those from a transaction to the next one.
func (s *solver) edge(hops []hop) Edge {
	first, last := hops[0], hops[len(hops)-1]
	e := Edge{From: s.txn(first.from), To: s.txn(last.to), Kind: first.kind, Key: first.key}
	switch {
	case len(hops) > 1:
		h := s.helper(first.to)
		e.Kind, e.Key = h.kind, h.key
		if h.kind == RW {
			e.Version = s.writer(h.ver)
		}
	case first.kind == WR:
		e.Key = s.keyOf(e.To, func(i int) bool { return s.Txns[e.To].Reads[i].From == e.From })
	case first.kind == RW:
		e.Key = s.keyOf(e.From, func(i int) bool {
			next := s.initial[s.Txns[e.From].Reads[i].Key]
			if v := s.reads[e.From][i]; v != none {
				next = s.vers[v].next
			}
			return s.writer(next) == e.To
		})
		i := slices.IndexFunc(s.Txns[e.From].Reads, func(r Read) bool { return r.Key == e.Key })
		e.Version = s.Txns[e.From].Reads[i].From
	}
	if last.lit != none {
		e.If, e.Chosen = s.pair(last.lit), true
	}
	return e
}

func (s *solver) writer(v int32) int32 {
	if v == none {
		return Initial
	}
	return s.vers[v].txn
}

// keyOf returns the key of the first read of t that meets the condition.
func (s *solver) keyOf(t int32, is func(i int) bool) int32 {
	for i := range s.Txns[t].Reads {
		if is(i) {
			return s.Txns[t].Reads[i].Key
		}
	}
	panic("polygraph: an edge that no read shows")
}

// Members returns the transactions that a proof speaks of, in order.
func (p *Proof) Members() []int32 {
	var all []int32
	for _, c := range p.Cycles {
		for _, e := range c {
			all = append(all, e.From, e.To)
			if e.Kind == RW && e.Version != Initial {
				all = append(all, e.Version)
			}
			if e.Chosen {
				all = append(all, e.If.First, e.If.Second)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Choices returns the pairs of transactions whose order a proof leaves open, the
// first of each before the second one.
func (p *Proof) Choices() []Pair {
	var all []Pair
	for _, c := range p.Cycles {
		for _, e := range c {
			pair := e.If
			if pair.First > pair.Second {
				pair.First, pair.Second = pair.Second, pair.First
			}
			if e.Chosen && !slices.Contains(all, pair) {
				all = append(all, pair)
			}
		}
	}
	return all
}

// Limits of a reduction: how large a proof may be to be tried at all, how many
// parts are tried, and how hard each is looked at.
const (
	reducible   = 2000
	tries       = 2000
	triesEffort = 1000
)

// reduce looks for a proof that speaks of fewer transactions: it leaves out parts
// of them as long as what is left cannot be explained either, so that in the end
// no single one can be left out.
func reduce(ctx context.Context, h *History, level Level, p *Proof) *Proof {
	r := &reducer{ctx: ctx, history: h, level: level, proof: p, core: closure(h, p), left: tries}
	if len(r.core) > reducible || !r.attempt(r.core) {
		return p
	}
	for size := max(1, len(r.core)/2); size > 0; size /= 2 {
		for at := 0; at < len(r.core) && r.left > 0 && context.Cause(ctx) == nil; {
			if end := min(at+size, len(r.core)); !r.attempt(slices.Delete(slices.Clone(r.core), at, end)) {
				at = end
			}
		}
	}
	return r.proof
}

type reducer struct {
	ctx     context.Context
	history *History
	level   Level
	proof   *Proof
	core    []int32
	left    int
}

// attempt takes over the proof that the given transactions alone cannot be
// explained, if there is one.
func (r *reducer) attempt(keep []int32) bool {
	r.left--
	part, keys := restrict(r.history, keep)
	found := solve(r.ctx, build(part, r.level, nil), triesEffort)
	if found.Verdict != checkers.Invalid {
		return false
	}
	r.core = r.core[:0:0]
	for _, t := range closure(part, found.Proof) {
		r.core = append(r.core, keep[t])
	}
	found.Proof.rename(keep, keys)
	r.proof = found.Proof
	return true
}

// rename gives transactions and keys the numbers that they have in the whole.
func (p *Proof) rename(txns, keys []int32) {
	name := func(t *int32) {
		if *t != Initial {
			*t = txns[*t]
		}
	}
	for _, c := range p.Cycles {
		for i := range c {
			e := &c[i]
			name(&e.From)
			name(&e.To)
			if e.Kind == RW {
				name(&e.Version)
			}
			if e.Chosen {
				name(&e.If.First)
				name(&e.If.Second)
			}
			if e.Kind >= WR {
				e.Key = keys[e.Key]
			}
		}
	}
	for _, s := range p.Steps {
		for i := range s.Clause {
			name(&s.Clause[i].First)
			name(&s.Clause[i].Second)
		}
	}
}

// closure returns the transactions that a proof needs: those it speaks of, and
// those that hold the chains together.
func closure(h *History, p *Proof) []int32 {
	all := p.Members()
	for _, c := range p.Cycles {
		for _, e := range c {
			if e.Kind == WW || e.Kind == RW {
				all = ancestors(h, all, e.To, e.Key)
				all = ancestors(h, all, e.From, e.Key)
				if e.Kind == RW {
					all = ancestors(h, all, e.Version, e.Key)
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ancestors adds the transactions from whose versions t's was made.
func ancestors(h *History, all []int32, t, key int32) []int32 {
	for range len(h.Txns) {
		if t == Initial || !slices.Contains(h.Txns[t].Writes, key) {
			return all
		}
		i := slices.IndexFunc(h.Txns[t].Reads, func(r Read) bool { return r.Key == key })
		if i < 0 {
			return all
		}
		if t = h.Txns[t].Reads[i].From; t != Initial {
			all = append(all, t)
		}
	}
	return all
}

// restrict returns the history of some transactions, as if the others had not
// been: without the reads of what they wrote. Keys get new numbers.
func restrict(h *History, keep []int32) (part *History, keys []int32) {
	numbers := make(map[int32]int32)
	number := func(k int32) int32 {
		n, ok := numbers[k]
		if !ok {
			n = int32(len(keys))
			numbers[k], keys = n, append(keys, k)
		}
		return n
	}
	part = &History{Txns: make([]Txn, len(keep))}
	for i, t := range keep {
		from, to := h.Txns[t], &part.Txns[i]
		to.Session, to.Begin, to.End = from.Session, from.Begin, from.End
		for _, k := range from.Writes {
			to.Writes = append(to.Writes, number(k))
		}
		for _, r := range from.Reads {
			if at, ok := slices.BinarySearch(keep, r.From); ok {
				to.Reads = append(to.Reads, Read{number(r.Key), int32(at)})
			} else if r.From == Initial {
				to.Reads = append(to.Reads, Read{number(r.Key), Initial})
			}
		}
	}
	part.Keys = len(keys)
	return part, keys
}
