package weak

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// misreads turns the reads that are wrong in themselves into anomalies.
func (s *study) misreads() []finding {
	var found []finding
	for _, w := range s.wrong[:min(len(s.wrong), checkers.MaxAnomalies)] {
		st := s.of(w.txn)[w.step]
		ops := []int{s.index(w.txn)}
		if st.ver != none {
			ver := s.vers[st.ver]
			for _, other := range []int32{ver.writer, ver.failed} {
				if other != none && other != w.txn && (other == ver.writer || ver.writer == none) {
					ops = append(ops, s.index(other))
				}
			}
		}
		slices.Sort(ops)
		found = append(found, finding{
			checkers.Anomaly{Name: w.name, Key: s.key(st.key), Ops: ops, Explanation: s.misread(w, st)},
			badEvidence{Anomaly: w.name, Txn: s.index(w.txn), Step: int(w.step)},
		})
	}
	return found
}

// misread says what is wrong with a read.
func (s *study) misread(w misread, st step) string {
	read := fmt.Sprintf("%s read %s = %s", s.who(w.txn), s.key(st.key), s.value(st.ver))
	switch w.name {
	case ThinAirRead:
		return read + ", which nobody ever wrote"
	case AbortedRead:
		return fmt.Sprintf("%s, which %s wrote, and that transaction failed", read, s.who(s.vers[st.ver].failed))
	case FutureRead:
		return read + " before it wrote that itself, later in the same transaction"
	case NotMyLastWrite:
		return read + ", although it had overwritten that value of its own before it read"
	case IntermediateRead:
		return fmt.Sprintf("%s from %s, which overwrote that value in the same transaction", read, s.who(s.vers[st.ver].writer))
	}
	mine := int32(none) // NotMyOwnWrite
	for _, before := range s.of(w.txn)[:w.step] {
		if before.kind == write && before.key == st.key {
			mine = before.ver
		}
	}
	return fmt.Sprintf("%s, although it had written %s itself before it read", read, s.value(mine))
}

// explain turns a cycle into an anomaly.
func (s *study) explain(c []edge, level Level) finding {
	f := finding{anomaly: checkers.Anomaly{Name: s.classify(c, level)}}
	var why []string
	for _, e := range c {
		text, via := s.why(e)
		why = append(why, text)
		to := -1
		if e.to != none {
			to = s.index(s.nodes[e.to])
			f.anomaly.Edges = append(f.anomaly.Edges, checkers.Edge{
				From: s.index(s.nodes[e.from]), To: to, Kind: e.kind, Key: s.keyOf(e), Via: s.indices(via), Why: text})
		} else {
			f.anomaly.Edges = append(f.anomaly.Edges, s.unseen(e, text)...)
		}
		bad := badEdge{From: s.index(s.nodes[e.from]), To: to, Kind: e.kind}
		if e.kind == "forced" {
			bad.Path, bad.Step = s.indices(e.path), int(s.stepOf[e.read])
		}
		f.evidence.Cycle = append(f.evidence.Cycle, bad)
		f.anomaly.Ops = append(f.anomaly.Ops, s.indices(append(via, e.from))...)
		if f.anomaly.Key == "" {
			f.anomaly.Key = s.keyOf(e)
		}
	}
	slices.Sort(f.anomaly.Ops)
	f.anomaly.Ops = slices.Compact(f.anomaly.Ops)
	end := "; so each of them came before itself"
	if len(c) == 1 {
		end = "; but nothing comes before the initial state"
	}
	f.anomaly.Explanation = strings.Join(why, "; ") + end
	return f
}

// unseen returns the steps of a proof about a read of the initial state: how the
// reader could see a write, and that it read what was there before.
func (s *study) unseen(e edge, text string) []checkers.Edge {
	var list []checkers.Edge
	for i, a := range e.path[:len(e.path)-1] {
		step := s.step(a, e.path[i+1])
		list = append(list, checkers.Edge{From: s.index(s.nodes[a]), To: s.index(s.nodes[step.to]), Kind: step.kind, Key: s.keyOf(step), Why: s.seen(step)})
	}
	reader := e.path[len(e.path)-1]
	return append(list, checkers.Edge{From: s.index(s.nodes[reader]), To: s.index(s.nodes[e.from]), Kind: "rw", Key: s.keyOf(e), Why: text})
}

// step returns the edge between two nodes of a path.
func (s *study) step(a, b int32) edge {
	if e, ok := s.direct(a, b); ok {
		return e
	}
	return edge{from: a, to: b, kind: "so", read: none}
}

// classify names a cycle.
func (s *study) classify(c []edge, level Level) string {
	var makes []edge
	rank := ReadCommitted
	for _, e := range c {
		if e.kind == "forced" {
			makes = append(makes, e)
			rank = max(rank, s.rank(e))
		}
	}
	if len(makes) == 0 {
		return CyclicCO
	}
	if rank == ReadAtomic && s.repeated(makes) {
		return NonRepeatableRead
	}
	names := [...][2]string{{NonMonoReadCO, NonMonoReadAO}, {FracturedReadCO, FracturedReadAO}, {COConflictAO, ConflictAO}}[min(rank, level)]
	if len(makes) == 1 {
		return names[0]
	}
	return names[1]
}

// rank returns the weakest level at which a reader sees what it should not miss.
func (s *study) rank(e edge) Level {
	reader := e.path[len(e.path)-1]
	if len(e.path) > 2 {
		return Causal
	}
	for at := s.graph.ReadAt[reader]; at < e.read; at++ {
		if s.graph.Reads[at].From == e.from {
			return ReadCommitted
		}
	}
	return ReadAtomic
}

// repeated reports whether it is about one transaction that read a key twice and
// got what two others wrote.
func (s *study) repeated(makes []edge) bool {
	reader, key := s.reader(makes[0].read), s.graph.Reads[makes[0].read].Key
	writers := make(map[int32]bool)
	for _, e := range makes {
		if s.reader(e.read) != reader || s.graph.Reads[e.read].Key != key {
			return false
		}
		writers[s.graph.Reads[e.read].From] = true
	}
	for _, r := range s.graph.ReadsOf(reader) {
		if r.Key == key {
			writers[r.From] = true
		}
	}
	return len(writers) > 1
}

// why says why an edge is there, and who else shows it.
func (s *study) why(e edge) (text string, via []int32) {
	if e.kind != "forced" {
		return s.seen(e), nil
	}
	r := s.graph.Reads[e.read]
	ver := s.of(s.nodes[s.reader(e.read)])[s.stepOf[e.read]].ver
	var how []string
	for i, a := range e.path[:len(e.path)-1] {
		how = append(how, s.seen(s.step(a, e.path[i+1])))
	}
	reader := s.nodes[e.path[len(e.path)-1]]
	via = e.path[1:]
	key := s.key(r.Key)
	if e.to == none {
		return fmt.Sprintf("%s read %s = nil, the initial state, although it could see %s, which wrote %s: %s", s.who(reader), key, s.who(s.nodes[e.from]), key, strings.Join(how, ", and ")), via
	}
	return fmt.Sprintf("%s read %s = %s from %s, although it could see %s, which wrote %s too (%s): so %s came before %s",
		s.who(reader), key, s.value(ver), s.who(s.nodes[r.From]), s.who(s.nodes[e.from]), key, strings.Join(how, ", and "), s.who(s.nodes[e.from]), s.who(s.nodes[e.to])), via
}

// seen says why an edge of so or wr is there.
func (s *study) seen(e edge) string {
	a, b := s.nodes[e.from], s.nodes[e.to]
	if e.kind == "so" {
		return fmt.Sprintf("%s came before %s in the session of process %v", s.who(a), s.who(b), s.process(e.from))
	}
	ver := s.of(b)[s.stepOf[e.read]].ver
	return fmt.Sprintf("%s read %s = %s, which %s wrote", s.who(b), s.key(s.vers[ver].key), s.value(ver), s.who(a))
}

// keyOf returns the key that an edge is about, or "".
func (s *study) keyOf(e edge) string {
	if e.kind == "so" {
		return ""
	}
	return s.key(s.graph.Reads[e.read].Key)
}

func (s *study) key(k int32) string { return checkers.KeyName(s.keys.Value(k)) }

// who names a transaction.
func (s *study) who(t int32) string { return fmt.Sprintf("T%d", s.index(t)) }

// reduce drops transactions as long as those that are left show an anomaly of the
// same name, and returns that.
func (s *study) reduce(f finding, level Level) finding {
	const most = 64 // a larger cycle is explained as it is
	f = s.introduce(f)
	if len(f.anomaly.Ops) > most {
		return f
	}
	for again := true; again; {
		again = false
		for _, drop := range append([]int{-1}, f.anomaly.Ops...) {
			less, ok := s.without(f, drop, level)
			if ok && (drop >= 0 || len(less.anomaly.Ops) < len(f.anomaly.Ops)) {
				f, again = less, true
				break
			}
		}
	}
	return f
}

// without looks for an anomaly of the same name among the transactions of f but
// one.
func (s *study) without(f finding, drop int, level Level) (finding, bool) {
	calls := slices.DeleteFunc(s.callsOf(f), func(c history.Call) bool { return c.Invoke.Index == drop })
	opts := s.opts
	opts.Level = level
	part, err := newStudy(context.Background(), calls, opts)
	if err != nil || len(part.wrong) > 0 {
		return f, false
	}
	part.clock = s.clock
	order, err := part.at(context.Background(), level)
	if err != nil || order != nil {
		return f, false
	}
	for _, g := range part.find(level) {
		if g.anomaly.Name == f.anomaly.Name {
			return part.introduce(g), true
		}
	}
	return f, false
}

// introduce begins the explanation with who the transactions are.
func (s *study) introduce(f finding) finding {
	var members []string
	for _, c := range s.callsOf(f) {
		members = append(members, fmt.Sprintf("T%d is by process %v, %s to %s", c.Invoke.Index, c.Invoke.Process, s.clock.At(c.Invoke), s.end(c)))
	}
	f.anomaly.Explanation = strings.Join(members, "; ") + ". " + f.anomaly.Explanation
	return f
}

func (s *study) end(c history.Call) string {
	if c.Type() == history.Info {
		return "an unknown time"
	}
	return s.clock.At(c.Complete)
}

// callsOf returns the calls of the transactions of an anomaly.
func (s *study) callsOf(f finding) []history.Call {
	calls := make([]history.Call, 0, len(f.anomaly.Ops))
	for _, op := range f.anomaly.Ops {
		at, _ := slices.BinarySearchFunc(s.calls, op, func(c history.Call, op int) int { return cmp.Compare(c.Invoke.Index, op) })
		calls = append(calls, s.calls[at])
	}
	return calls
}
