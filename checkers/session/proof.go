package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// proof shows that there is no order: what reads make necessary, one after the
// other, and a cycle. Without one, the last step comes before the initial state.
type proof struct {
	session int32 // whose order it is
	rules   []step
	cycle   []int32
}

// step is a demand with the path that shows it.
type step struct {
	demand
	path []int32
}

// finding is an anomaly with the evidence for it, if there is any.
type finding struct {
	anomaly  checkers.Anomaly
	evidence *badEvidence
	whole    bool // it says nothing without the rest of the history
}

// cycleOf returns a short cycle among nodes, as they are numbered outside.
func cycleOf(nodes []int32, before func(int32, []int32) []int32) []int32 {
	g := digraph.New(len(nodes))
	for i := range nodes {
		for _, w := range before(int32(i), nil) {
			g.Add(int(w), i)
		}
	}
	cycle := g.Cycle(g.Components()[0], func(int32) bool { return true })
	for i, v := range cycle {
		cycle[i] = nodes[v]
	}
	return cycle
}

// prove finds for every demand of a cycle, or for bad, a path that is given or
// follows from demands before it, and does so for these as well.
func (s *study) prove(p int32, given func(int32, []int32) []int32, need []demand, bad *demand, cycle []int32) proof {
	in := make(map[int32][]int) // by what comes later, places in need
	for i, d := range need {
		in[d.to] = append(in[d.to], i)
	}
	pr := proof{session: p, cycle: cycle}
	known := make(map[int]bool)
	var derive func(i int)
	edge := func(a, b int32, limit int) {
		if slices.Contains(given(b, nil), a) {
			return
		}
		for _, i := range in[b] {
			if need[i].from == a && i < limit {
				derive(i)
				return
			}
		}
	}
	derive = func(i int) {
		if known[i] {
			return
		}
		known[i] = true
		d := need[i]
		path := s.derivation(d, given, need, in, i)
		for k := range path[1:] {
			edge(path[k], path[k+1], i)
		}
		pr.rules = append(pr.rules, step{d, path})
	}
	if bad != nil {
		derive(slices.Index(need, *bad))
		return pr
	}
	for i, a := range cycle {
		edge(a, cycle[(i+1)%len(cycle)], len(need))
	}
	return pr
}

// derivation returns the path that shows a demand, over what is given and the
// demands before the i-th.
func (s *study) derivation(d demand, given func(int32, []int32) []int32, need []demand, in map[int32][]int, i int) []int32 {
	from, to := d.from, d.read
	if d.after {
		if from, to = s.ops[d.read].from, d.to; from == none {
			return []int32{to}
		}
	}
	then := map[int32]int32{to: none}
	for queue := []int32{to}; len(queue) > 0; queue = queue[1:] {
		v := queue[0]
		list := given(v, nil)
		for _, k := range in[v] {
			if k < i {
				list = append(list, need[k].from)
			}
		}
		for _, w := range list {
			if _, ok := then[w]; !ok {
				then[w] = v
				queue = append(queue, w)
			}
		}
		if _, ok := then[from]; ok {
			break
		}
	}
	path := []int32{from}
	for path[len(path)-1] != to {
		path = append(path, then[path[len(path)-1]])
	}
	return path
}

// members returns the operations of a proof.
func (pr proof) members() []int32 {
	list := slices.Clone(pr.cycle)
	for _, r := range pr.rules {
		list = append(append(list, r.path...), r.from, r.read)
		if r.to != none {
			list = append(list, r.to)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// finding turns a proof into an anomaly.
func (s *study) finding(name string, pr proof) finding {
	members := pr.members()
	e := &badEvidence{Cycle: s.indices(pr.cycle), Session: s.indexOf(members[0])}
	if pr.session != none && len(s.lines[pr.session]) > 0 {
		e.Session = s.indexOf(s.lines[pr.session][0])
	}
	a := checkers.Anomaly{Name: name, Ops: s.indices(members)}
	var why []string
	for _, r := range pr.rules {
		to := s.indices([]int32{r.to})[0]
		e.Forced = append(e.Forced, rule{From: s.indexOf(r.from), To: to, Path: s.indices(r.path), After: r.after})
		a.Key = checkers.KeyName(s.keys.Value(s.ops[r.read].key))
		text := s.because(r)
		why = append(why, text)
		if r.to != none {
			a.Edges = append(a.Edges, checkers.Edge{From: s.indexOf(r.from), To: to, Kind: "forced", Key: a.Key, Via: s.indices(r.path), Why: text})
			continue
		}
		for i := range r.path[1:] {
			a.Edges = append(a.Edges, s.edge(r.path[i], r.path[i+1]))
		}
		a.Edges = append(a.Edges, checkers.Edge{From: s.indexOf(r.read), To: s.indexOf(r.from), Kind: "rw", Key: a.Key,
			Why: fmt.Sprintf("%s found the initial state, as it was before %s", s.who(r.read), s.who(r.from))})
	}
	for i, v := range pr.cycle {
		next := pr.cycle[(i+1)%len(pr.cycle)]
		if slices.ContainsFunc(pr.rules, func(r step) bool { return r.from == v && r.to == next }) {
			continue
		}
		edge := s.edge(v, next)
		a.Edges = append(a.Edges, edge)
		a.Ops = append(a.Ops, edge.Via...)
		why = append(why, edge.Why)
	}
	slices.Sort(a.Ops)
	a.Ops = slices.Compact(a.Ops)
	end := "; so each of them came before itself"
	if len(pr.cycle) == 0 {
		end = "; but nothing comes before the initial state"
	}
	a.Explanation = s.introduce(a.Ops) + ". " + strings.Join(why, "; ") + end
	return finding{anomaly: a, evidence: e}
}

// introduce says what operations are, by the indices of their invocations.
func (s *study) introduce(ops []int) string {
	var list []string
	for _, index := range ops {
		c := s.at(index)
		a, _ := s.access(c)
		value, key := history.Nil, checkers.KeyName(s.keys.Value(a.key))
		if a.value != none && c.Invoke.F != "delete" {
			value = s.values.Value(a.value)
		}
		if key != "" {
			key += " = "
		}
		end := "an unknown time"
		if c.Type() != history.Info {
			end = s.clock.At(c.Complete)
		}
		list = append(list, fmt.Sprintf("%s is %s%v by process %v, %s to %s", s.name(a.write, index), key, value, c.Invoke.Process, s.clock.At(c.Invoke), end))
	}
	return strings.Join(list, "; ")
}

// at returns the call that was invoked at an index.
func (s *study) at(index int) history.Call {
	i, _ := slices.BinarySearchFunc(s.calls, index, func(c history.Call, index int) int { return cmp.Compare(c.Invoke.Index, index) })
	return s.calls[i]
}

func (s *study) name(write bool, index int) string {
	if write {
		return fmt.Sprintf("write %d", index)
	}
	return fmt.Sprintf("read %d", index)
}

// because says why a demand is there.
func (s *study) because(r step) string {
	var path []string
	for i := range r.path[1:] {
		path = append(path, s.edge(r.path[i], r.path[i+1]).Why)
	}
	switch how := strings.Join(path, ", and "); {
	case r.after && r.to != none && s.ops[r.read].from == none:
		return fmt.Sprintf("%s found the initial state: so it came before %s", s.who(r.read), s.who(r.to))
	case r.after:
		return fmt.Sprintf("%s found what %s wrote, and %s is later (%s): so that read came before it", s.who(r.read), s.who(s.ops[r.read].from), s.who(r.to), how)
	case r.to == none:
		return fmt.Sprintf("%s found the initial state, but %s came before it: %s", s.who(r.read), s.who(r.from), how)
	default:
		return fmt.Sprintf("%s has to see %s (%s), but found what %s wrote: so %s came before %s", s.who(r.read), s.who(r.from), how, s.who(r.to), s.who(r.from), s.who(r.to))
	}
}

// edge says why one operation came before another, where reads do not make that
// necessary.
func (s *study) edge(a, b int32) checkers.Edge {
	e := checkers.Edge{From: s.indexOf(a), To: s.indexOf(b)}
	x, y := &s.ops[a], &s.ops[b]
	switch {
	case !y.write && y.from == a:
		e.Kind, e.Why = "rf", fmt.Sprintf("%s found what %s wrote", s.who(b), s.who(a))
	case s.soon(a, b):
		e.Kind, e.Why = "so", fmt.Sprintf("%s came before %s in the session of process %v", s.who(a), s.who(b), s.calls[x.call].Invoke.Process)
	case x.write && y.write && x.key == y.key && s.sooner != nil && slices.Contains(s.sooner[b], a):
		e.Kind, e.Why = "ww", fmt.Sprintf("%s is the version before %s", s.who(a), s.who(b))
	case x.write && y.write && s.opts.Guarantee == WritesFollowReads && s.readBefore(a, b) != none:
		r := s.readBefore(a, b)
		e.Kind, e.Via = "wfr", []int{s.indexOf(r)}
		e.Why = fmt.Sprintf("%s found what %s wrote before its session did %s", s.who(r), s.who(a), s.who(b))
	default:
		e.Kind, e.Why = "hb", fmt.Sprintf("%s came before %s", s.who(a), s.who(b))
	}
	return e
}

// readBefore returns a read of write a before write b in the session of b.
func (s *study) readBefore(a, b int32) int32 {
	for _, v := range s.lines[s.ops[b].session] {
		if !s.ops[v].write && s.ops[v].from == a && s.ops[v].at < s.ops[b].at {
			return v
		}
	}
	return none
}

// who names an operation.
func (s *study) who(v int32) string { return s.name(s.ops[v].write, s.indexOf(v)) }

// judge looks for what the guarantee asks for.
func (s *study) judge(ctx context.Context) outcome {
	if len(s.wrong) > 0 {
		s.report.Anomalies = len(s.wrong)
		return outcome{found: s.misreads()}
	}
	o := s.search(ctx)
	if o.found == nil {
		if found, err := s.haunted(ctx); found != nil || err != nil {
			o = outcome{found: found, unknown: err}
		}
	}
	s.shrink(ctx, o.found)
	slices.SortStableFunc(o.found, func(a, b finding) int { return cmp.Compare(len(a.anomaly.Ops), len(b.anomaly.Ops)) })
	return o
}

// search judges a guarantee; where it implies simpler ones and does not hold, by
// these first, for the simplest name says most.
func (s *study) search(ctx context.Context) outcome {
	known := s.opts.Versions != Hidden
	g := s.opts.Guarantee
	if order := s.guess(); order != nil { // which is good for everything
		if g < PRAM {
			order = slices.DeleteFunc(order, func(v int32) bool { return !s.ops[v].write })
		}
		return s.serialized(order)
	}
	switch g {
	case Causal, CausalConvergent:
		return s.causal(ctx, g == CausalConvergent || known)
	case CausalMemory:
		if o := s.causal(ctx, false); o.found != nil || o.unknown != nil {
			return o
		}
		return s.judgeViews(ctx, true)
	case PRAM:
		o := s.judgeViews(ctx, false)
		for simple := ReadYourWrites; simple <= MonotonicWrites && o.found != nil; simple++ {
			s.report.Anomalies = 0
			if better := s.orders(ctx, simple); better.found != nil {
				return better
			}
		}
		s.report.Anomalies = max(s.report.Anomalies, len(o.found))
		return o
	case Sequential:
		return s.sequential(ctx)
	default:
		return s.orders(ctx, g)
	}
}

// misreads turns reads of what was never there into anomalies.
func (s *study) misreads() []finding {
	var found []finding
	for _, i := range s.wrong[:min(len(s.wrong), checkers.MaxAnomalies)] {
		c := s.calls[i]
		a, _ := s.access(c)
		p := s.pair(a)
		f := finding{anomaly: checkers.Anomaly{Name: ThinAirRead, Key: checkers.KeyName(s.keys.Value(a.key)), Ops: []int{c.Invoke.Index}}}
		f.anomaly.Explanation = fmt.Sprintf("process %v read %v at %s, which nobody ever wrote", c.Invoke.Process, s.values.Value(a.value), s.clock.At(c.Invoke))
		if p.failed != none {
			w := s.calls[p.failed].Invoke
			f.anomaly.Name, f.anomaly.Ops = AbortedRead, append(f.anomaly.Ops, w.Index)
			f.anomaly.Explanation = fmt.Sprintf("process %v read %v at %s, but the write of process %v that began at %s failed",
				c.Invoke.Process, s.values.Value(a.value), s.clock.At(c.Invoke), w.Process, s.clock.At(w))
			slices.Sort(f.anomaly.Ops)
		}
		f.evidence = &badEvidence{Anomaly: f.anomaly.Name, Read: c.Invoke.Index}
		found = append(found, f)
	}
	return found
}

// shrink drops operations as long as those that are left show an anomaly of the
// same name.
func (s *study) shrink(ctx context.Context, found []finding) {
	const most = 64 // a larger proof is explained as it is
	for i := range found {
		for again := !found[i].whole && (i == 0 || context.Cause(ctx) == nil); again; {
			again = false
			ops := found[i].anomaly.Ops
			if len(ops) > most {
				break
			}
			for _, drop := range append([]int{-1}, ops...) {
				less, ok := s.without(found[i], drop)
				if ok && (drop >= 0 || len(less.anomaly.Ops) < len(ops)) {
					found[i], again = less, true
					break
				}
			}
		}
	}
}

// without looks for an anomaly of the same name among the operations of f but one.
func (s *study) without(f finding, drop int) (finding, bool) {
	var calls []history.Call
	for _, op := range f.anomaly.Ops {
		if op != drop {
			calls = append(calls, s.at(op))
		}
	}
	part, err := newStudy(context.Background(), calls, s.opts)
	if err != nil || len(part.wrong) > 0 {
		return f, false
	}
	part.clock = s.clock // a part may have no times, or all at 0
	part.states = min(s.states, 1<<10)
	for _, g := range part.search(context.Background()).found {
		if g.anomaly.Name == f.anomaly.Name {
			return g, true
		}
	}
	return f, false
}
