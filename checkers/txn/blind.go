package txn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/checkers/txn/polygraph"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// blind decides what the dependencies that can be inferred leave open: which of
// two writes of a register came first, of whom neither had read the other. That
// there is no cycle among what is known does not mean that there is an order;
// package polygraph finds it, or proves that there is none.
type blind struct {
	*study
	level  polygraph.Level
	number []int32 // by transaction of the polygraph, that of the study
	outers [][]outer
	found  polygraph.Result
	built  map[[2]int32]bool // lists: of a transaction and a key, that it read nothing and appended right after the version that outers has as read
}

// decide makes sure of a verdict on registers. What the options assume of the
// order of versions is not used: it follows from the level where that keeps the
// same order, and what contradicts the level alone does so with assumptions too.
func (s *study) decide(ctx context.Context, r *Report) {
	if s.bare || r.Verdict != checkers.OK || s.opts.Workload != RWRegister && !s.openLists() {
		return
	}
	for _, level := range s.opts.isolation() {
		if s.opts.Workload == ListAppend && level <= polygraph.StrictSerializable {
			continue // whatever order explains what was read explains what was not
		}
		b := &blind{study: s, level: level, built: make(map[[2]int32]bool)}
		h, ok := b.history()
		if !ok {
			return
		}
		b.found = polygraph.Solve(ctx, h, level, polygraph.Options{})
		switch b.found.Verdict {
		case checkers.Invalid:
			b.report()
			s.sum(r)
			r.blind = b
			return
		case checkers.Unknown:
			*r = r.undecided(b.found.Reason)
			return
		}
		if s.opts.upTo(level.String()) && s.opts.implied(level) {
			r.blind = b
		}
	}
}

// openLists reports whether there is a list to which several transactions appended
// what nobody read. With snapshots that is as open as with registers, for these
// must not overlap. All other elements were appended right after the one before.
func (s *study) openLists() bool {
	if s.opts.Workload != ListAppend {
		return false
	}
	for k := range s.objects {
		who := int32(none)
		for _, v := range s.objects[k].vers {
			switch w := s.vers[v].writer; {
			case s.vers[v].pos > 0 || !s.happened(w) || w == who:
			case who != none:
				return true
			default:
				who = w
			}
		}
	}
	return false
}

// appendedTo returns the version of a list to which a transaction appended, if
// that was read, or none.
func (s *study) appendedTo(t, key int32) int32 {
	for _, st := range s.of(t) {
		if !st.write || st.key != key {
			continue
		}
		switch pos := s.vers[st.ver].pos; pos {
		case 0:
			return none
		case 1:
			return s.objects[key].initial
		default:
			return s.objects[key].order[pos-2]
		}
	}
	return none
}

// isolation returns the levels that the options ask for and that can be decided.
func (o Options) isolation() []polygraph.Level {
	strongest := func(list ...polygraph.Level) []polygraph.Level {
		for _, l := range list {
			if slices.ContainsFunc(o.models(), func(m string) bool { return levels.Implies(m, l.String()) }) {
				return []polygraph.Level{l}
			}
		}
		return nil
	}
	serial := strongest(polygraph.StrictSerializable, polygraph.SessionSerializable, polygraph.Serializable)
	snapshot := strongest(polygraph.StrongSnapshotIsolation, polygraph.SessionSnapshotIsolation, polygraph.SnapshotIsolation)
	if len(serial)+len(snapshot) == 2 && levels.Implies(serial[0].String(), snapshot[0].String()) {
		return serial
	}
	return append(serial, snapshot...)
}

// implied reports whether all that the options assume follows from the level.
func (o Options) implied(l polygraph.Level) bool {
	process, realtime := levels.Orders(l.String())
	return (realtime || !o.LinearizableKeys) && (realtime || process || !o.SequentialKeys)
}

// history tells the polygraph what others can see of the transactions that
// happened. It fails if somebody read what nobody can have read; that is an
// anomaly by itself, which a level that forbids it has been told already.
func (b *blind) history() (*polygraph.History, bool) {
	h := &polygraph.History{Keys: len(b.objects), Txns: make([]polygraph.Txn, 0, len(b.txns))}
	b.number, b.outers = make([]int32, 0, len(b.txns)), make([][]outer, 0, len(b.txns))
	to := make([]int32, len(b.txns))
	sessions := make(map[history.Process]int32)
	at := make([]int32, len(b.objects))
	all := make([]outer, 0, len(b.steps))
	for t := range b.txns {
		if !b.happened(int32(t)) {
			continue
		}
		c := b.calls[b.txns[t].call]
		session, ok := sessions[c.Invoke.Process]
		if !ok {
			session = int32(len(sessions))
			sessions[c.Invoke.Process] = session
		}
		x := polygraph.Txn{Session: session, Begin: c.Invoke.Index, End: polygraph.Never}
		if c.Type() == history.OK {
			x.End = c.Complete.Index
		}
		to[t] = int32(len(h.Txns))
		h.Txns = append(h.Txns, x)
		b.number = append(b.number, int32(t))
		from := len(all)
		all = b.outside(all, int32(t), at)
		for i := from; i < len(all) && b.opts.Workload == ListAppend; i++ {
			if o := &all[i]; o.first == none && o.last != none {
				o.first = b.appendedTo(int32(t), o.key)
				b.built[[2]int32{to[t], o.key}] = o.first != none
			}
		}
		b.outers = append(b.outers, all[from:len(all):len(all)])
	}
	reads, writes := make([]polygraph.Read, 0, len(all)), make([]int32, 0, len(all))
	for i, list := range b.outers {
		firstRead, firstWrite := len(reads), len(writes)
		for _, o := range list {
			if o.first != none {
				w, ok := b.readFromWhom(o.first)
				if !ok || w == b.number[i] {
					return nil, false
				}
				if w != none {
					w = to[w]
				}
				reads = append(reads, polygraph.Read{Key: o.key, From: w})
			}
			if o.last != none {
				writes = append(writes, o.key)
			}
		}
		h.Txns[i].Reads, h.Txns[i].Writes = reads[firstRead:len(reads):len(reads)], writes[firstWrite:len(writes):len(writes)]
	}
	return h, true
}

// readFromWhom returns the transaction that left a version, or none for the
// initial one, and whether anybody did.
func (b *blind) readFromWhom(v int32) (int32, bool) {
	if b.vers[v].elem == none {
		return none, true
	}
	w := b.writer(v)
	return w, w != none
}

// outer returns what a transaction of the polygraph did with a key.
func (b *blind) outer(t, key int32) outer {
	for _, o := range b.outers[t] {
		if o.key == key {
			return o
		}
	}
	panic("txn: a transaction that did nothing with the key")
}

func (b *blind) at(t int32) int { return b.index(b.number[t]) }

// claim returns the verdict with its evidence.
func (b *blind) claim(c checkers.Claim) (checkers.Claim, error) {
	if b.opts.Workload == ListAppend && b.found.Verdict == checkers.Invalid {
		return c, checkers.NoClaimf("the proof is about all orders of elements that nobody read, for which there is no form")
	}
	found, err := b.found.Claim(b.level, b.at, func(k int32) string { return b.keys.Value(k).String() })
	if err == nil && found.Verdict == checkers.OK {
		c.Evidence = found.Evidence
		return c, nil // an order is evidence for what was asked for
	}
	return found, err
}

// report explains why there is no order. In each order of the versions there is a
// cycle; the name is that of the mildest.
func (b *blind) report() {
	p := b.found.Proof
	split := func(name string) (string, int) {
		for order, suffix := range []string{"-process", "-realtime"} {
			if base, ok := strings.CutSuffix(name, suffix); ok {
				return base, order + 1
			}
		}
		return name, 0
	}
	base, order := "G0", 0
	for _, c := range p.Cycles {
		deps := make([]dep, len(c))
		for i, e := range c {
			deps[i] = dep{from: e.From, to: e.To, kind: kindOf[e.Kind]}
		}
		n, o := split(classify(deps))
		if severity(n) > severity(base) {
			base = n
		}
		order = max(order, o)
	}
	s := b.study
	a := Anomaly{Anomaly: checkers.Anomaly{Name: base + []string{"", "-process", "-realtime"}[order]}}
	s.count[a.Name]++
	w := newTeller(b)
	a.Explanation, a.Edges = w.explain()
	for _, t := range w.members {
		a.Ops = append(a.Ops, b.at(t))
	}
	slices.Sort(a.Ops)
	for _, e := range a.Edges {
		if a.Key == "" {
			a.Key = e.Key
		}
	}
	s.list = append(s.list, a)
}

// kindOf are our names for what the polygraph calls its edges.
var kindOf = [...]uint8{polygraph.Session: pr, polygraph.Realtime: rt, polygraph.WR: wr, polygraph.WW: ww, polygraph.RW: rw}

// teller explains a proof of the polygraph.
type teller struct {
	*blind
	members []int32 // the transactions that are spoken of
	label   map[int32]string
	who     []string
}

func newTeller(b *blind) *teller {
	w := &teller{blind: b, label: make(map[int32]string)}
	w.members = b.found.Proof.Members()
	for _, c := range b.found.Proof.Cycles {
		for _, e := range c {
			w.members = append(w.members, w.between(e)...)
		}
	}
	slices.Sort(w.members)
	w.members = slices.Compact(w.members)
	for i, t := range w.members {
		n := b.number[t]
		w.label[t] = fmt.Sprintf("T%d", i+1)
		w.who = append(w.who, fmt.Sprintf("T%d is index %d by %s, %s to %s", i+1, b.index(n), b.study.who(n), b.begin(n), b.end(n)))
	}
	return w
}

// most is how many cycles are told.
const most = 24

func (w *teller) explain() (string, []checkers.Edge) {
	p := w.found.Proof
	parts := []string{strings.Join(w.who, "; ")}
	var edges []checkers.Edge
	for i, c := range p.Cycles {
		var steps, assumed []string
		for _, e := range c {
			edge := w.edge(e)
			edges = append(edges, edge)
			steps = append(steps, edge.Why)
			if said := w.pair(e.If); e.Chosen && !slices.Contains(assumed, said) {
				assumed = append(assumed, said)
			}
		}
		switch {
		case i > most:
		case i == most:
			parts = append(parts, fmt.Sprintf("%d more ways end like this", len(p.Cycles)-most))
		case len(assumed) == 0:
			parts = append(parts, strings.Join(steps, "; ")+". So each of them came before itself")
		default:
			parts = append(parts, fmt.Sprintf("If %s: %s; so each of them came before itself", strings.Join(assumed, " and "), strings.Join(steps, "; ")))
		}
	}
	if len(p.Steps) > 0 {
		parts = append(parts, "There is no other way to order these writes")
	}
	return strings.Join(parts, ". "), edges
}

// pair says what is assumed.
func (w *teller) pair(p polygraph.Pair) string {
	var keys []string
	for _, o := range w.outers[p.First] {
		shared := slices.ContainsFunc(w.outers[p.Second], func(u outer) bool { return u.key == o.key && u.last != none })
		if o.last != none && shared {
			keys = append(keys, w.keyName(o.key))
		}
	}
	return fmt.Sprintf("%s wrote %s before %s", w.label[p.First], strings.Join(keys, ", "), w.label[p.Second])
}

// left returns the value that a transaction left of a key, and had the one that it
// read before.
func (w *teller) left(t, key int32) string { return w.value(w.outer(t, key).last).String() }

func (w *teller) had(t, key int32) string { return w.value(w.outer(t, key).first).String() }

// met says how a transaction met a version.
func (w *teller) met(t, key int32) string {
	switch {
	case w.built[[2]int32{t, key}]:
		return fmt.Sprintf("appended to %s right after", w.keyName(key))
	case w.opts.Workload == ListAppend:
		return fmt.Sprintf("read %s up to", w.keyName(key))
	default:
		return fmt.Sprintf("read %s =", w.keyName(key))
	}
}

// edge explains one step of a cycle.
func (w *teller) edge(e polygraph.Edge) checkers.Edge {
	out := checkers.Edge{From: w.at(e.From), To: w.at(e.To), Kind: kindNames[kindOf[e.Kind]]}
	from, to := w.label[e.From], w.label[e.To]
	if e.Kind >= polygraph.WR {
		out.Key = w.keyName(e.Key)
	}
	if e.Chosen {
		for _, t := range []int32{e.If.First, e.If.Second} {
			if t != e.From && t != e.To {
				out.Via = append(out.Via, w.at(t))
			}
		}
	}
	switch e.Kind {
	case polygraph.Session:
		out.Why = fmt.Sprintf("%s came before %s, which the same process began later", from, to)
	case polygraph.Realtime:
		out.Why = fmt.Sprintf("%s finished at %s, before %s began at %s", from, w.end(w.number[e.From]), to, w.begin(w.number[e.To]))
	case polygraph.WR:
		out.Why = fmt.Sprintf("%s %s %s, which %s wrote", to, w.met(e.To, e.Key), w.had(e.To, e.Key), from)
	case polygraph.WW:
		out.Why = fmt.Sprintf("%s wrote %s to %s before %s wrote %s%s", from, w.left(e.From, e.Key), out.Key, to, w.left(e.To, e.Key), w.because(e, e.From))
	case polygraph.RW:
		if e.Version != polygraph.Initial && !slices.Contains(out.Via, w.at(e.Version)) {
			out.Via = append(out.Via, w.at(e.Version))
		}
		out.Why = fmt.Sprintf("%s %s %s, without the %s that %s wrote%s", from, w.met(e.From, e.Key), w.had(e.From, e.Key), w.left(e.To, e.Key), to, w.because(e, e.Version))
	}
	for _, t := range w.between(e) {
		out.Via = append(out.Via, w.at(t))
	}
	slices.Sort(out.Via)
	out.Via = slices.Compact(out.Via)
	return out
}

// between returns the transactions that show where a version belongs, if what
// comes later is known without a choice: those by which it was made of the other
// one, or by which the other one was made of the initial state, the last one first.
func (w *teller) between(e polygraph.Edge) []int32 {
	version := e.From
	if e.Kind == polygraph.RW {
		version = e.Version
	}
	if e.Kind < polygraph.WW || e.Chosen || version == polygraph.Initial {
		return nil
	}
	if list, ok := w.madeOf(e.To, version, e.Key); ok {
		return list
	}
	list, _ := w.madeOf(version, polygraph.Initial, e.Key)
	return list
}

// madeOf returns the transactions by which the version that t left of a key was
// made of that of another one, and whether it was.
func (w *teller) madeOf(t, other, key int32) (list []int32, ok bool) {
	for range w.number {
		base := w.outer(t, key).first
		if base == none {
			return nil, false
		}
		from, _ := w.readFromWhom(base)
		if from == none {
			return list, other == polygraph.Initial
		}
		at, _ := slices.BinarySearch(w.number, from)
		if t = int32(at); t == other {
			return list, true
		}
		list = append(list, t)
	}
	return nil, false
}

// steps names transactions by which a version was made.
func (w *teller) steps(list []int32) string {
	if len(list) == 0 {
		return ""
	}
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = w.label[t]
	}
	return " by way of " + strings.Join(names, ", ")
}

// because says why the version of e.To is later than another one of the key.
func (w *teller) because(e polygraph.Edge, version int32) string {
	base := w.outer(e.To, e.Key).first
	switch {
	case version == polygraph.Initial:
		return ", which came after the initial state"
	case base != none && w.outer(version, e.Key).last == base:
		if w.built[[2]int32{e.To, e.Key}] {
			return fmt.Sprintf(" right after %s", w.value(base))
		}
		return fmt.Sprintf(" after it had read %s itself", w.value(base))
	case !e.Chosen:
		between := w.steps(w.between(e))
		if _, ok := w.madeOf(e.To, version, e.Key); ok {
			return fmt.Sprintf(", which was made of it%s", between)
		}
		return fmt.Sprintf(": %s was made of the initial state%s, each time by who had read what he replaced, and %s of none of that, so it came later",
			w.left(version, e.Key), between, w.left(e.To, e.Key))
	case e.If.First == version && e.If.Second == e.To:
		return ""
	default:
		return fmt.Sprintf(", as their versions go with those of %s and %s", w.label[e.If.First], w.label[e.If.Second])
	}
}
