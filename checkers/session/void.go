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
	h := &haunt{study: s, past: newPast(s), other: newPast(s), reads: make(map[int32][]int32)}
	for v := range s.ops {
		if o := &s.ops[v]; !o.write && o.from != none && len(s.deletes[o.key]) > 0 {
			h.reads[o.key] = append(h.reads[o.key], int32(v))
		}
	}
	voids := slices.Clone(s.voids)
	slices.SortStableFunc(voids, func(a, b void) int { return int(a.session - b.session) })
	for i, n := range voids {
		if context.Cause(ctx) != nil && len(h.found) == 0 {
			return nil, stopped(ctx, "reads of nothing", i, len(voids))
		}
		if i == 0 || voids[i-1].session != n.session {
			h.past.clear()
		}
		h.judge(n)
	}
	return h.found, nil
}

// haunt is the search of haunted. Past is that of a read of nothing.
type haunt struct {
	*study
	past, other *past
	reads       map[int32][]int32 // by key, in their order, those that found a write
	cause       *digraph.Graph    // so and rf, once there is something to show
	found       []finding
}

func (h *haunt) judge(n void) {
	if n.at > 0 {
		h.past.add(h.lines[n.session][n.at-1])
	}
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
	for _, d := range h.deletes[n.key] {
		v := h.number[d]
		if h.calls[d].Invoke.Index < h.calls[n.call].Complete.Index && (v == none || !h.past.has(v)) {
			return none
		}
	}
	var latest []int32 // of each session
	for _, c := range h.writes[n.key] {
		if k := sort.Search(len(c.ops), func(i int) bool { return !h.past.has(c.ops[i]) }); k > 0 {
			latest = append(latest, c.ops[k-1])
		}
	}
	lost := int32(none)
	for _, w := range latest {
		if h.calls[h.ops[w].call].Invoke.F != "delete" {
			lost = w
		} else if !h.overwritten(w, latest) {
			return none
		}
	}
	return lost
}

// overwritten reports whether one of the writes has d in its past.
func (h *haunt) overwritten(d int32, writes []int32) bool {
	h.other.clear()
	for _, w := range writes {
		if w != d {
			h.other.add(w)
		}
	}
	return h.other.has(d)
}

// again returns a write that was there before n, and a read after n that found it,
// or none.
func (h *haunt) again(n void) (w, r int32) {
	own := true
	var before func(w int32) bool
	switch h.opts.Guarantee {
	case MonotonicReads, PRAM:
		before = func(w int32) bool { return h.known(n, w) }
	case CausalMemory:
		before = h.past.has
	case CausalConvergent, Sequential:
		before, own = h.past.has, false
	default:
		return none, none
	}
	end := h.calls[n.call].Complete.Index
	for _, r := range slices.Backward(h.reads[n.key]) {
		o := &h.ops[r]
		if h.calls[o.call].Complete.Index < end || own && o.session != n.session || !before(o.from) {
			continue
		}
		if o.session == n.session || h.follows(n, r) {
			return o.from, r
		}
	}
	return none, none
}

// known reports whether the session of n had read write w before, or for PRAM
// written it.
func (h *haunt) known(n void, w int32) bool {
	return slices.ContainsFunc(h.lines[n.session][:n.at], func(v int32) bool {
		if h.ops[v].write {
			return v == w && h.opts.Guarantee == PRAM
		}
		return h.ops[v].from == w
	})
}

// follows reports whether n is in the past of r.
func (h *haunt) follows(n void, r int32) bool {
	h.other.clear()
	h.other.add(r)
	return slices.ContainsFunc(h.next(n), h.other.has)
}

// next returns what comes right after n in its session.
func (h *haunt) next(n void) []int32 {
	if line := h.lines[n.session]; int(n.at) < len(line) {
		return line[n.at : n.at+1]
	}
	var list []int32
	for v := range h.ops {
		if o := &h.ops[v]; o.leaf && o.session == n.session && o.call > n.call {
			list = append(list, int32(v))
		}
	}
	return list
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
			h.other.clear()
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

// past is what leads to some operations by so and rf, these too.
type past struct {
	*study
	in    []int32 // by operation, in which turn it was added
	turn  int32
	stack []int32
}

func newPast(s *study) *past { return &past{study: s, in: make([]int32, len(s.ops)), turn: 1} }

func (p *past) clear()           { p.turn++ }
func (p *past) has(v int32) bool { return p.in[v] == p.turn }

// add adds an operation and its past.
func (p *past) add(v int32) {
	p.stack = append(p.stack[:0], v)
	for len(p.stack) > 0 {
		v := p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
		if !p.has(v) {
			p.in[v] = p.turn
			p.stack = p.cause(v, p.stack)
		}
	}
}
