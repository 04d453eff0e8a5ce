package session

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
)

// void is a read that found nothing, once something may have been deleted. It is
// none of the operations, because nobody knows what it found.
type void struct {
	call    int32
	session int32
	at      int32 // how many operations its session had before it
	key     int32
}

// haunted looks for what reads of nothing cannot have found, and for what cannot
// be read after them. See the package comment.
func (s *study) haunted(ctx context.Context) ([]finding, error) {
	h := newHaunt(s)
	voids := slices.Clone(s.voids)
	slices.SortStableFunc(voids, func(a, b void) int { return int(a.session - b.session) })
	for i, n := range voids {
		if context.Cause(ctx) != nil && len(h.found) == 0 {
			return nil, stopped(ctx, "reads of nothing", i, len(voids))
		}
		if i == 0 || voids[i-1].session != n.session {
			h.past.clear(0)
			h.upTo = 0
			clear(h.known)
			clear(h.overwritten)
		}
		h.judge(n)
	}
	return h.found, nil
}

// haunt is the search of haunted. It goes through the reads of nothing of one
// session after the other, and what a session has seen only grows.
type haunt struct {
	*study
	past        *past             // of the read of nothing
	upTo        int32             // how far it has come in its session
	known       map[int32]bool    // writes that the session has read, or for PRAM written
	overwritten map[int32]bool    // deletes that are in the past of writes in the past
	other       *past             // of whatever is asked for
	sources     [][]source        // by key, in their order, the writes that were read
	leaves      map[int32][]int32 // by session, writes whose outcome was unknown
	cause       *digraph.Graph    // so and rf, once there is something to show
	found       []finding
}

// source is a write, and who found it.
type source struct {
	write int32
	reads []int32
	last  int // when the last of them ended
	most  int // the same for all writes up to this one
}

func newHaunt(s *study) *haunt {
	h := &haunt{study: s, past: newPast(s), other: newPast(s), known: make(map[int32]bool), overwritten: make(map[int32]bool),
		sources: make([][]source, s.keys.Len()), leaves: make(map[int32][]int32)}
	reads := make(map[int32][]int32)
	for v := range int32(len(s.ops)) {
		switch o := &s.ops[v]; {
		case o.leaf:
			h.leaves[o.session] = append(h.leaves[o.session], v)
		case !o.write && o.from != none && len(s.deletes[o.key]) > 0:
			reads[o.from] = append(reads[o.from], v)
		}
	}
	for w := range int32(len(s.ops)) {
		if reads[w] == nil {
			continue
		}
		list := &h.sources[s.ops[w].key]
		src := source{write: w, reads: reads[w]}
		for _, r := range src.reads {
			src.last = max(src.last, s.calls[s.ops[r].call].Complete.Index)
		}
		if src.most = src.last; len(*list) > 0 {
			src.most = max(src.most, (*list)[len(*list)-1].most)
		}
		*list = append(*list, src)
	}
	return h
}

func (h *haunt) judge(n void) {
	h.advance(n)
	switch h.opts.Guarantee {
	case Causal, CausalConvergent, CausalMemory, Sequential:
		if w := h.unexplained(n); w != none {
			h.note(func() finding { return h.lost(n, w) })
			return
		}
	}
	if w, r := h.again(n); r != none {
		h.note(func() finding { return h.resurrected(n, w, r) })
	}
}

// advance takes what the session of n did before it into account.
func (h *haunt) advance(n void) {
	for _, v := range h.lines[n.session][h.upTo:n.at] {
		h.past.add(v)
		switch o := &h.ops[v]; {
		case !o.write && o.from != none:
			h.known[o.from] = true
		case o.write && h.opts.Guarantee == PRAM:
			h.known[v] = true
		}
	}
	h.upTo = n.at
}

// note counts an anomaly, and keeps the first ones.
func (h *haunt) note(show func() finding) {
	h.report.Anomalies++
	if len(h.found) == checkers.MaxAnomalies {
		return
	}
	if h.cause == nil {
		h.cause = h.digraph(h.study.cause, nil)
	}
	h.found = append(h.found, show())
}

// unexplained returns a write to its key in the past of n, if there is no delete
// that n can have found; otherwise none.
func (h *haunt) unexplained(n void) int32 {
	var latest []int32 // of each session
	lost := int32(none)
	for _, c := range h.writes[n.key] {
		if k := sort.Search(len(c.ops), func(i int) bool { return !h.past.has(c.ops[i]) }); k > 0 {
			latest = append(latest, c.ops[k-1])
			if !h.isDelete(c.ops[k-1]) {
				lost = c.ops[k-1]
			}
		}
	}
	if lost == none {
		return none
	}
	for _, d := range latest {
		if h.isDelete(d) && !h.isOverwritten(d, latest) {
			return none
		}
	}
	deletes := h.deletes[n.key]
	begun := sort.Search(len(deletes), func(i int) bool { return h.calls[deletes[i]].Invoke.Index > h.calls[n.call].Complete.Index })
	for _, d := range slices.Backward(deletes[:begun]) {
		if v := h.number[d]; v == none || !h.past.has(v) {
			return none
		}
	}
	return lost
}

func (h *haunt) isDelete(v int32) bool { return h.calls[h.ops[v].call].Invoke.F == "delete" }

// isOverwritten reports whether one of the writes, all in the past, has d in its own.
func (h *haunt) isOverwritten(d int32, writes []int32) bool {
	if h.overwritten[d] {
		return true
	}
	h.other.clear(h.calls[h.ops[d].call].Invoke.Index)
	for _, w := range writes {
		if w != d {
			h.other.add(w)
		}
	}
	h.overwritten[d] = h.other.has(d)
	return h.overwritten[d]
}

// again returns a write that was there before n, and a read after n that found it,
// or none.
func (h *haunt) again(n void) (w, r int32) {
	own := true
	var before func(w int32) bool
	switch h.opts.Guarantee {
	case MonotonicReads, PRAM:
		before = func(w int32) bool { return h.known[w] }
	case CausalMemory:
		before = h.past.has
	case CausalConvergent, Sequential:
		before, own = h.past.has, false
	default:
		return none, none
	}
	end := h.calls[n.call].Complete.Index
	list := h.sources[n.key]
	begun := sort.Search(len(list), func(i int) bool { return h.calls[h.ops[list[i].write].call].Invoke.Index > end })
	for _, src := range slices.Backward(list[:begun]) {
		if src.most < end {
			break // nothing that began before n was read after it
		}
		if src.last < end || !before(src.write) {
			continue
		}
		for _, r := range slices.Backward(src.reads) {
			o := &h.ops[r]
			if h.calls[o.call].Complete.Index > end && (o.session == n.session || !own && h.follows(n, r)) {
				return src.write, r
			}
		}
	}
	return none, none
}

// follows reports whether n is in the past of r.
func (h *haunt) follows(n void, r int32) bool {
	h.other.clear(h.calls[n.call].Complete.Index)
	h.other.add(r)
	return slices.ContainsFunc(h.next(n), h.other.has)
}

// next returns what comes right after n in its session.
func (h *haunt) next(n void) []int32 {
	if line := h.lines[n.session]; int(n.at) < len(line) {
		return line[n.at : n.at+1]
	}
	return slices.DeleteFunc(slices.Clone(h.leaves[n.session]), func(v int32) bool { return h.ops[v].call < n.call })
}

// lost shows a read of nothing that no delete explains.
func (h *haunt) lost(n void, w int32) finding {
	p := path{study: h.study, n: n, ops: h.leading(w, n)}
	ops, edges, why := p.show()
	for _, d := range h.deletes[n.key] {
		if h.calls[d].Invoke.Index < h.calls[n.call].Complete.Index {
			ops = append(ops, h.calls[d].Invoke.Index)
		}
	}
	read := h.calls[n.call].Invoke.Index
	end := fmt.Sprintf("%s found nothing, although %s came before it: %s; and of every delete that had begun by its end it had seen that the key was written again", h.name(false, read), h.who(w), why)
	edges = append(edges, checkers.Edge{From: read, To: h.indexOf(w), Kind: "rw", Key: h.keyName(n), Why: end})
	return h.shown(WriteCOInitRead, n, ops, edges, end, &badEvidence{Anomaly: WriteCOInitRead, Read: read})
}

// resurrected shows a read that found again what had been deleted.
func (h *haunt) resurrected(n void, w, r int32) finding {
	p := path{study: h.study, n: n, ops: h.leading(w, n)}
	if h.ops[r].session == n.session {
		p.then = []int32{r}
	} else {
		for _, v := range h.next(n) {
			h.other.clear(h.calls[p.n.call].Complete.Index)
			if h.other.add(r); h.other.has(v) {
				p.then = h.route(v, r)
			}
		}
	}
	ops, edges, why := p.show()
	for _, d := range slices.Backward(h.deletes[n.key]) {
		if h.calls[d].Invoke.Index < h.calls[n.call].Complete.Index {
			ops = append(ops, h.calls[d].Invoke.Index)
			break
		}
	}
	read := h.calls[n.call].Invoke.Index
	end := fmt.Sprintf("%s found nothing, although %s came before it, so a delete came after that; yet %s came later, and found what %s wrote: %s",
		h.name(false, read), h.who(w), h.who(r), h.who(w), why)
	edges = append(edges, checkers.Edge{From: h.indexOf(r), To: read, Kind: "rw", Key: h.keyName(n), Why: end})
	return h.shown(ResurrectedRead, n, ops, edges, end, &badEvidence{Anomaly: ResurrectedRead, Read: read, Path: p.indices()})
}

// leading returns a way from a write to what the session of n did right before it.
func (h *haunt) leading(w int32, n void) []int32 { return h.route(w, h.lines[n.session][n.at-1]) }

// route returns a way from a to b, which may be one and the same.
func (h *haunt) route(a, b int32) []int32 {
	if a == b {
		return []int32{a}
	}
	return h.way(h.cause, a, b)
}

func (h *haunt) keyName(n void) string { return checkers.KeyName(h.keys.Value(n.key)) }

func (h *haunt) shown(name string, n void, ops []int, edges []checkers.Edge, why string, e *badEvidence) finding {
	slices.Sort(ops)
	a := checkers.Anomaly{Name: name, Key: h.keyName(n), Ops: slices.Compact(ops), Edges: edges}
	a.Explanation = h.introduce(a.Ops) + ". " + why
	return finding{anomaly: a, evidence: e, whole: true}
}

// path is a way by so and rf that leads to a read of nothing, and on from it.
type path struct {
	*study
	n    void
	ops  []int32 // up to what the session of n did right before it
	then []int32
}

// indices returns the whole way.
func (p path) indices() []int {
	return append(append(p.study.indices(p.ops), p.calls[p.n.call].Invoke.Index), p.study.indices(p.then)...)
}

// show returns the operations of a path, its steps, and these in words.
func (p path) show() (ops []int, edges []checkers.Edge, why string) {
	ops = p.indices()
	process := p.calls[p.n.call].Invoke.Process
	for i := range ops[1:] {
		var e checkers.Edge
		switch at := len(p.ops); {
		case i+1 < at:
			e = p.edge(p.ops[i], p.ops[i+1])
		case i <= at:
			e = checkers.Edge{From: ops[i], To: ops[i+1], Kind: "so"}
			e.Why = fmt.Sprintf("%s came before %s in the session of process %v", p.title(ops[i]), p.title(ops[i+1]), process)
		default:
			e = p.edge(p.then[i-at-1], p.then[i-at])
		}
		edges = append(edges, e)
		if why != "" {
			why += ", and "
		}
		why += e.Why
	}
	return ops, edges, why
}

func (p path) title(index int) string {
	f := p.at(index).Invoke.F
	return p.name(f != "read" && f != "r", index)
}

// past is what leads to some operations by so and rf, these too. With a time it may
// leave out what ended before that.
type past struct {
	*study
	since int     // an index of the history
	in    []int32 // by operation, in which turn it was added
	turn  int32
	stack []int32
}

func newPast(s *study) *past { return &past{study: s, in: make([]int32, len(s.ops))} }

// clear begins anew. Whatever has in its past an operation that began at since or
// later ended after it, so that nobody misses what is left out.
func (p *past) clear(since int)  { p.turn, p.since = p.turn+1, since }
func (p *past) has(v int32) bool { return p.in[v] == p.turn }

// add adds an operation and its past.
func (p *past) add(v int32) {
	p.stack = append(p.stack[:0], v)
	for len(p.stack) > 0 {
		v := p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
		if !p.has(v) && !p.ended(v) {
			p.in[v] = p.turn
			p.stack = p.cause(v, p.stack)
		}
	}
}

func (p *past) ended(v int32) bool {
	c := p.calls[p.ops[v].call].Complete
	return c != nil && c.Index < p.since
}
