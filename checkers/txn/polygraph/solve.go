package polygraph

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
)

// solver looks for choices that fit together. A variable is a choice: the chains
// of First come before those of Second. Literal 2v says so, literal 2v+1 says the
// opposite.
type solver struct {
	*network
	keeper
	ctx   context.Context
	limit int

	vars   []Pair
	number map[Pair]int32
	value  []int8 // by variable: 0, 1, or -1
	level  []int32
	reason []int32 // the clause that implied it, or none
	at     []int32 // its place on the trail
	phase  []int8  // what it was last
	units  []int32 // once it is settled for good: the clause that says so

	trail   []int32
	marks   []int   // where each level of decisions begins on the trail
	dropped []int32 // decisions that were taken back
	head    int     // what of the trail was followed up
	added   []int   // by place on the trail, how many edges there were before
	edges   [][2]int32
	clause  []clause
	watch   [][]int32 // by literal, clauses that watch it

	conflicts, rounds int
}

// clause is what was learned: one of its literals holds. It comes from a cycle,
// or follows from other clauses.
type clause struct {
	lits  []int32
	cycle []hop
	from  []int32
}

// eager is how many rounds go by before decisions that were taken back are made
// again at once: at first there are so many conflicts that it would be for nothing.
const eager = 4

func (s *solver) run() Result {
	order := s.plan()
	s.keeper.network = s.network
	if len(order) < s.nodes() {
		return Result{Verdict: checkers.Invalid, Proof: &Proof{Cycles: []Cycle{s.fold(s.knownCycle(order))}}}
	}
	s.keeper.init(order)
	s.number = make(map[Pair]int32)
	local := s.locals()
	for clashes := s.clashes(order); len(clashes) > 0; clashes = s.again(local) {
		if s.rounds++; context.Cause(s.ctx) != nil {
			return s.unknown("stopped: " + context.Cause(s.ctx).Error())
		}
		s.dropped = s.dropped[:0]
		for _, c := range clashes {
			if !s.settle(c) {
				return Result{Verdict: checkers.Invalid, Proof: s.proof()}
			}
			if s.conflicts > s.limit {
				return s.unknown(fmt.Sprintf("gave up after %d conflicts", s.limit))
			}
			if s.conflicts%64 == 0 && context.Cause(s.ctx) != nil {
				break
			}
			local.touched(s.vers[c.b].key)
		}
		if s.rounds > eager && !s.decideAgain() {
			return Result{Verdict: checkers.Invalid, Proof: s.proof()}
		}
	}
	return Result{Verdict: checkers.OK, Order: s.transactions(s.sorted())}
}

// again looks for clashes where something changed; and where there are none,
// everywhere, to be sure.
func (s *solver) again(local *locals) []clash {
	for _, v := range s.moved {
		local.moved(v)
	}
	s.moved = s.moved[:0]
	if found := local.changed(s.place); len(found) > 0 {
		return found
	}
	return s.clashes(s.sorted())
}

func (s *solver) unknown(why string) Result {
	return Result{Verdict: checkers.Unknown, Reason: fmt.Sprintf(
		"the order of versions is not decided: %s, with %d choices between writes considered", why, len(s.vars))}
}

// transactions leaves out the helpers.
func (s *solver) transactions(order []int32) []int32 {
	list := make([]int32, 0, s.own())
	for _, v := range order {
		if t := s.txn(v); t != none {
			list = append(list, t)
		}
	}
	return list
}

// settle makes the choice that a clash leaves open. It reports whether there is
// one.
func (s *solver) settle(c clash) bool {
	if !s.clashing(c) {
		return true
	}
	a, b := s.vers[s.vers[c.a].head].txn, s.vers[s.vers[c.b].head].txn
	if s.earlier(c) {
		a, b = b, a
	}
	lit := s.literal(Pair{a, b})
	v := lit >> 1
	if s.value[v] != 0 {
		return true // an earlier choice of this round has settled it
	}
	if s.phase[v] > 0 || s.phase[v] < 0 {
		lit = v<<1 | b2i(s.phase[v] < 0)
	}
	return s.decide(lit)
}

// decideAgain makes the decisions that were taken back with others and are still
// open, as most of them had no part in the conflict.
func (s *solver) decideAgain() bool {
	dropped := s.dropped
	s.dropped = nil
	for _, lit := range dropped {
		if s.is(lit) == 0 && s.conflicts <= s.limit && !s.decide(lit) {
			return false
		}
	}
	return true
}

// decide makes a decision and follows it up. It reports false if nothing can be
// chosen any more.
func (s *solver) decide(lit int32) bool {
	s.marks = append(s.marks, len(s.trail))
	s.assign(lit, none, int32(len(s.marks)))
	for {
		conflict := s.propagate()
		if conflict == none {
			return true
		}
		s.conflicts++
		if !s.learn(conflict) {
			return false
		}
	}
}

// earlier reports whether b came before a, most likely: it ended first, or nobody
// saw it and it may have come first.
func (s *solver) earlier(c clash) bool {
	a, b := &s.vers[c.a], &s.vers[c.b]
	x, y := &s.Txns[a.txn], &s.Txns[b.txn]
	return y.End < x.End || b.readers == none && b.next == none && y.Begin < x.End
}

// clashing reports whether b still comes after a, as it did when the order was
// looked at.
func (s *solver) clashing(c clash) bool {
	return c.a != none && c.b != none && s.place[s.commit(s.vers[c.a].txn)] < s.place[s.commit(s.vers[c.b].txn)]
}

func b2i(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// literal returns the literal that says that the chains of p.First come before
// those of p.Second.
func (s *solver) literal(p Pair) int32 {
	flip := p.First > p.Second
	if flip {
		p.First, p.Second = p.Second, p.First
	}
	v, ok := s.number[p]
	if !ok {
		v = int32(len(s.vars))
		s.number[p] = v
		s.vars = append(s.vars, p)
		s.value, s.phase = append(s.value, 0), append(s.phase, 0)
		s.level, s.reason, s.at, s.units = append(s.level, 0), append(s.reason, none), append(s.at, 0), append(s.units, none)
		s.watch = append(s.watch, nil, nil)
	}
	return v<<1 | b2i(flip)
}

// pair returns what a literal says.
func (s *solver) pair(lit int32) Pair {
	p := s.vars[lit>>1]
	if lit&1 == 1 {
		p.First, p.Second = p.Second, p.First
	}
	return p
}

// is returns 1 if a literal holds, -1 if its opposite does, and 0 if neither.
func (s *solver) is(lit int32) int8 {
	if lit&1 == 1 {
		return -s.value[lit>>1]
	}
	return s.value[lit>>1]
}

// assign makes a literal hold, because of a clause that leaves it no choice once
// the decisions up to a level are made, or as a decision.
func (s *solver) assign(lit, why, level int32) {
	v := lit >> 1
	s.value[v] = 1
	if lit&1 == 1 {
		s.value[v] = -1
	}
	s.phase[v] = s.value[v]
	s.level[v], s.reason[v] = level, why
	s.push(lit)
	if level == 0 {
		s.units[v] = s.unit(lit, why)
	}
}

// push puts a literal that holds at the end of the trail.
func (s *solver) push(lit int32) {
	s.at[lit>>1] = int32(len(s.trail))
	s.trail, s.added = append(s.trail, lit), append(s.added, len(s.edges))
}

// highest returns the last level at which one of some literals was assigned.
func (s *solver) highest(lits []int32) int32 {
	level := int32(0)
	for _, l := range lits {
		level = max(level, s.level[l>>1])
	}
	return level
}

// unit returns the clause that says that a literal holds whatever is chosen.
func (s *solver) unit(lit, why int32) int32 {
	if len(s.clause[why].lits) == 1 {
		return why
	}
	from := make([]int32, 0, len(s.clause[why].lits))
	for _, l := range s.clause[why].lits {
		if l != lit {
			from = append(from, s.units[l>>1])
		}
	}
	return s.note(clause{lits: []int32{lit}, from: append(from, why)})
}

func (s *solver) note(c clause) int32 {
	s.clause = append(s.clause, c)
	return int32(len(s.clause) - 1)
}

// propagate follows up what was assigned: it adds the edges, and what the clauses
// imply. It returns a clause none of whose literals holds, or none.
func (s *solver) propagate() int32 {
	for s.head < len(s.trail) {
		lit := s.trail[s.head]
		s.head++
		s.added[s.head-1] = len(s.edges)
		if c := s.imply(lit ^ 1); c != none {
			return c
		}
		if cycle := s.draw(lit); cycle != nil {
			return s.note(clause{lits: s.against(cycle), cycle: cycle})
		}
	}
	return none
}

// draw adds the edges of a literal, or returns the cycle that they close.
func (s *solver) draw(lit int32) []hop {
	p := s.pair(lit)
	for _, key := range s.Txns[p.First].Writes {
		if s.version(p.Second, key) == none {
			continue
		}
		a, b := s.chain(p.First, key), s.chain(p.Second, key)
		if a == b || a.primal || b.primal {
			continue // their order is known
		}
		tail := &s.vers[a.tail]
		edges := []hop{{s.commit(tail.txn), s.begin(b.txn), WW, key, lit}}
		if tail.readers != none {
			edges = append(edges, hop{tail.readers, s.commit(b.txn), RW, key, lit})
		}
		for _, e := range edges {
			if cycle := s.insert(e); cycle != nil {
				return cycle
			}
			s.edges = append(s.edges, [2]int32{e.from, e.to})
		}
	}
	return nil
}

// against returns the opposites of what a cycle assumes.
func (s *solver) against(cycle []hop) []int32 {
	var lits []int32
	for _, h := range cycle {
		if h.lit != none && !slices.Contains(lits, h.lit^1) {
			lits = append(lits, h.lit^1)
		}
	}
	return lits
}

// imply looks at the clauses that watch a literal that does not hold any more.
func (s *solver) imply(lit int32) int32 {
	list := s.watch[lit]
	kept := list[:0]
	for i, c := range list {
		lits := s.clause[c].lits
		if lits[0] == lit {
			lits[0], lits[1] = lits[1], lits[0]
		}
		if s.is(lits[0]) > 0 {
			kept = append(kept, c)
			continue
		}
		if at := slices.IndexFunc(lits[2:], func(l int32) bool { return s.is(l) >= 0 }); at >= 0 {
			lits[1], lits[2+at] = lits[2+at], lits[1]
			s.watch[lits[1]] = append(s.watch[lits[1]], c)
			continue
		}
		kept = append(kept, c)
		if s.is(lits[0]) < 0 {
			s.watch[lit] = append(kept, list[i+1:]...)
			return c
		}
		s.assign(lits[0], c, s.highest(lits[1:]))
	}
	s.watch[lit] = kept
	return none
}

// learn finds out why a clause cannot hold, and which choice should have been
// made the other way round before. It reports false if none can.
//
// Only the last decision is taken back, however early the one was that was wrong:
// most of those between have to do with other keys, and would be made again
// (Nadel and Ryvchin, 2018). So what a few decisions imply can stand on the trail
// behind later ones.
func (s *solver) learn(conflict int32) bool {
	level := s.highest(s.clause[conflict].lits)
	if level == 0 {
		s.refute(conflict)
		return false
	}
	s.undo(int(level))
	c := s.analyze(conflict)
	lits := s.clause[c].lits
	back := int32(0)
	for i := 1; i < len(lits); i++ {
		if l := s.level[lits[i]>>1]; l > back {
			back = l
			lits[1], lits[i] = lits[i], lits[1]
		}
	}
	s.undo(int(level) - 1)
	if len(lits) > 1 {
		s.watch[lits[0]] = append(s.watch[lits[0]], c)
		s.watch[lits[1]] = append(s.watch[lits[1]], c)
	}
	s.assign(lits[0], c, back)
	return true
}

// refute notes that nothing is left to choose.
func (s *solver) refute(conflict int32) {
	var from []int32
	for _, l := range s.clause[conflict].lits {
		from = append(from, s.units[l>>1])
	}
	if len(from) > 0 {
		s.note(clause{from: append(from, conflict)})
	}
}

// analyze resolves the conflict with the clauses that led to it until just one
// literal of the last decision is left, which comes first in the result.
func (s *solver) analyze(conflict int32) int32 {
	now := int32(len(s.marks))
	seen := make(map[int32]bool)
	var keep, used []int32
	open := 0
	add := func(lits []int32) {
		for _, l := range lits {
			v := l >> 1
			if seen[v] {
				continue
			}
			seen[v] = true
			switch s.level[v] {
			case now:
				open++
			case 0:
				used = append(used, v)
			default:
				keep = append(keep, l)
			}
		}
	}
	add(s.clause[conflict].lits)
	if open == 1 && len(used) == 0 { // it says so itself
		lits := s.clause[conflict].lits
		at := slices.IndexFunc(lits, func(l int32) bool { return s.level[l>>1] == now })
		lits[0], lits[at] = lits[at], lits[0]
		return conflict
	}
	i := len(s.trail) - 1
	for ; ; i-- {
		v := s.trail[i] >> 1
		if !seen[v] || s.level[v] != now {
			continue
		}
		if open == 1 {
			break
		}
		open--
		used = append(used, v)
		add(s.clause[s.reason[v]].lits)
	}
	slices.SortFunc(used, func(a, b int32) int { return int(s.at[a]) - int(s.at[b]) })
	var from []int32
	for _, v := range used {
		if s.level[v] == 0 {
			from = append(from, s.units[v])
		} else {
			from = append(from, s.reason[v])
		}
	}
	return s.note(clause{lits: append([]int32{s.trail[i] ^ 1}, keep...), from: append(from, conflict)})
}

// undo takes back all decisions after the given level.
func (s *solver) undo(level int) {
	if level >= len(s.marks) {
		return
	}
	to := s.marks[level]
	drawn := len(s.edges)
	if to < s.head {
		drawn = s.added[to]
	}
	for i := len(s.edges) - 1; i >= drawn; i-- {
		s.remove(s.edges[i][0], s.edges[i][1])
	}
	s.edges = s.edges[:drawn]
	for _, at := range s.marks[level:] {
		s.dropped = append(s.dropped, s.trail[at])
	}
	cut := s.trail[to:]
	s.trail, s.added, s.marks = s.trail[:to], s.added[:to], s.marks[:level]
	for _, lit := range cut {
		if s.level[lit>>1] <= int32(level) {
			s.push(lit) // into what was cut, of which it has read more than it writes
		} else {
			s.value[lit>>1] = 0
		}
	}
	s.head = min(s.head, to)
}
