package adya

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/digraph"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// PredicateName is what the checker of predicate reads is called.
const PredicateName = "predicate"

// Names of the anomalies of predicate reads.
const (
	PredicateReadMiss = "predicate-read-miss"
	PredicateMismatch = "predicate-mismatch"
	G1a               = "G1a"
	Unexpected        = "unexpected-read"
	Internal          = "internal"
	G1cPredicate      = "G1-predicate"
	G1c               = "G1c"
	GSinglePredicate  = "G-single-predicate"
	GSingle           = "G-single"
	G2Predicate       = "G2-predicate"
	G2Item            = "G2-item"
)

// predicateOrder is the order in which anomalies are shown.
var predicateOrder = []string{G1a, Unexpected, Internal, PredicateMismatch, PredicateReadMiss, G1c, G1cPredicate, GSingle, GSinglePredicate, G2Item, G2Predicate}

// PredicateReport says what was seen.
type PredicateReport struct {
	Keys    int            `json:"key-count"`
	Reads   int            `json:"predicate-read-count"` // of transactions that were ok
	Edges   map[string]int `json:"edge-count"`           // by kind
	Unclear int            `json:"unclear-count"`        // times that a predicate read does not tell which version of a key it saw
	Counts  map[string]int `json:"anomaly-counts"`

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies of each name

	order []int // of the operations, if there is no cycle
}

// NewPredicate returns a checker of predicate reads over a closed universe, an idea of
// Elle's: each key has at most two versions, what it is at first and what one write makes
// of it. Then a key that is not among what a predicate read returned tells as much as one
// that is: if the predicate holds for just one of the versions, the read saw the other.
//
//	init  {k: v, …}        the values at first; keys that are not there are none
//	txn   [["w", k, v], ["r", k, v], ["rp", predicate, {k: v, …}], …]
//
// A predicate is true, for all values that are there, or ["=", v], or ["mod", m, r] for
// integers. From what was read follow edges between transactions: of a value to who read
// it (wr), of who read what was at first to who wrote (rw), and wrp and rwp for predicate
// reads. Cycles of them, and reads that no order explains, are
//
//	G1a                  a read of what a failed transaction wrote
//	unexpected-read      a read of what nobody wrote, and what was not there at first
//	internal             a transaction reads what it writes later, or not what it wrote
//	predicate-mismatch   a predicate read returned a value for which it does not hold
//	predicate-read-miss  a predicate read lacks a key although it holds for both versions
//	G1c, G1-predicate    a cycle of wr; and of wr and wrp
//	G-single, G2-item    a cycle of wr with one rw, or more
//	G-single-predicate, G2-predicate    the same, with wrp or rwp
//
// All of them are forbidden where transactions are serializable, which is what is judged;
// the weaker levels are told apart by the names. A key that is written twice is an error;
// a history without an ok predicate read is unknown. The time is that of keys times
// predicate reads.
func NewPredicate() checkers.Checker {
	return checkers.New(PredicateName, func(ctx context.Context, h *history.History) checkers.Result {
		r, err := checkPredicate(ctx, h)
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case len(r.Anomalies) == 0 && r.Reads == 0:
			return checkers.Unknownf("no transaction with a predicate read was ok").Detail(r)
		default:
			return result(PredicateName, r.Anomalies[:min(len(r.Anomalies), checkers.MaxAnomalies)], r.order).Detail(r)
		}
	})
}

// CheckPredicate judges the transactions of h.
func CheckPredicate(h *history.History) (PredicateReport, error) {
	return checkPredicate(context.Background(), h)
}

// universe is what is known of all keys.
type universe struct {
	PredicateReport
	ctx   context.Context
	clock checkers.Clock
	ids   intern.Table
	keys  []key
	txns  []history.Call // that are ok, or may be
	node  map[int]int32  // by the index of an invocation, its place in txns
	edges []edge
	found map[string][]checkers.Anomaly
}

// key has two versions: at first, and after a write.
type key struct {
	first, second history.Value // second is absent without a write
	writer        history.Call
	init          history.Call // what said what it was at first
}

// edge is a dependency of one transaction on another.
type edge struct {
	from, to int32
	kind     string
	key      int32
	why      string
}

func checkPredicate(ctx context.Context, h *history.History) (PredicateReport, error) {
	u := &universe{ctx: ctx, node: map[int]int32{}, found: map[string][]checkers.Anomaly{}}
	u.Edges, u.Counts = map[string]int{}, map[string]int{}
	calls, err := checkers.Paired(h)
	if err != nil {
		return u.PredicateReport, err
	}
	u.clock = checkers.ClockOf(calls)
	for _, c := range calls {
		if err := u.versions(c); err != nil {
			return u.PredicateReport, err
		}
	}
	u.Keys = len(u.keys)
	for _, c := range u.txns {
		if c.Type() != history.OK {
			continue
		}
		if context.Cause(ctx) != nil {
			return u.PredicateReport, fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
		u.reads(c)
	}
	u.cycles()
	for _, name := range predicateOrder {
		u.Anomalies = append(u.Anomalies, u.found[name]...)
	}
	return u.PredicateReport, nil
}

func (u *universe) key(v history.Value) int32 {
	// JSON only knows keys of maps that are strings, so 1 and "1" are the same key.
	id := u.ids.ID(history.String(checkers.KeyName(v)))
	if int(id) == len(u.keys) {
		u.keys = append(u.keys, key{first: history.Nil})
	}
	return id
}

// versions takes in what a call writes.
func (u *universe) versions(c history.Call) error {
	switch c.Invoke.F {
	case "init":
		for list := c.Invoke.Value.Elems(); len(list) > 1 && c.Invoke.Value.Kind() == history.KindMap; list = list[2:] {
			k := &u.keys[u.key(list[0])]
			if k.init.Invoke != nil {
				return fmt.Errorf("index %d: key %v is initialized a second time", c.Invoke.Index, list[0])
			}
			k.first, k.init = list[1], c
		}
	case "txn":
		u.node[c.Invoke.Index] = int32(len(u.txns))
		u.txns = append(u.txns, c)
		for _, m := range c.Invoke.Value.Elems() {
			parts := m.Elems()
			if len(parts) == 3 && parts[0].Text() == "rp" || len(parts) == 3 && parts[0].Text() == "r" {
				if parts[0].Text() == "r" {
					u.key(parts[1])
				}
				continue
			}
			if len(parts) != 3 || parts[0].Text() != "w" || parts[2].IsNil() {
				return fmt.Errorf("index %d: the value of a txn has to be a list of [\"w\", key, value], [\"r\", key, value] and [\"rp\", predicate, {key: value, …}], but it has %v", c.Invoke.Index, m)
			}
			k := &u.keys[u.key(parts[1])]
			if k.writer.Invoke != nil {
				return fmt.Errorf("index %d: key %v is written a second time, after index %d: the universe is closed only if each key has at most one write", c.Invoke.Index, parts[1], k.writer.Invoke.Index)
			}
			k.second, k.writer = parts[2], c
		}
	}
	return nil
}

// reads takes in what a transaction read.
func (u *universe) reads(c history.Call) {
	wrote := map[int32]history.Value{}
	for _, m := range c.Complete.Value.Elems() {
		parts := m.Elems()
		if len(parts) != 3 {
			continue
		}
		switch parts[0].Text() {
		case "w":
			wrote[u.key(parts[1])] = parts[2]
		case "r":
			k := u.key(parts[1])
			if own, ok := wrote[k]; !ok {
				u.saw(c, k, parts[2], "")
			} else if !own.Equal(parts[2]) {
				u.internal(c, k, fmt.Sprintf("it wrote %v, and then read %v", own, parts[2]))
			}
		case "rp":
			u.Reads++
			u.predicate(c, parts[1], parts[2], wrote)
		}
	}
}

// predicate takes in a predicate read.
func (u *universe) predicate(c history.Call, p, got history.Value, wrote map[int32]history.Value) {
	has := map[int32]bool{}
	for list := got.Elems(); len(list) > 1 && got.Kind() == history.KindMap; list = list[2:] {
		k := u.key(list[0])
		has[k] = true
		if !holds(p, list[1]) {
			u.note(PredicateMismatch, u.name(k), fmt.Sprintf("%s read by the predicate %v, and got %v for key %s, for which that does not hold", u.who(c), p, list[1], u.name(k)), c)
		}
		if own, ok := wrote[k]; !ok {
			u.saw(c, k, list[1], "p")
		} else if !own.Equal(list[1]) {
			u.internal(c, k, fmt.Sprintf("it wrote %v, and then a predicate read got %v", own, list[1]))
		}
	}
	for i := range u.keys {
		k := &u.keys[i]
		own, written := wrote[int32(i)]
		if written && !has[int32(i)] && holds(p, own) {
			u.internal(c, int32(i), fmt.Sprintf("it wrote %v, and then a predicate read by %v did not get that", own, p))
		}
		if written || has[int32(i)] {
			continue
		}
		first, second := holds(p, k.first), k.writer.Invoke != nil && k.writer.Type() != history.Fail && holds(p, k.second)
		written = k.writer.Invoke != nil && k.writer.Type() != history.Fail
		lacks := fmt.Sprintf("%s read by the predicate %v and did not get key %s", u.who(c), p, u.name(int32(i)))
		switch {
		case first && (second || !written):
			ops := []history.Call{k.init, c}
			also := "and nobody changed that"
			if written {
				ops = append(ops, k.writer)
				also = fmt.Sprintf("and %s only made it %v", u.who(k.writer), k.second)
			}
			u.note(PredicateReadMiss, u.name(int32(i)), fmt.Sprintf("%s; it was %v at first, %s: the predicate always holds", lacks, k.first, also), ops...)
		case first:
			u.add(k.writer, c, "wrp", int32(i), fmt.Sprintf("%s, so it saw the %v that %s had made of it", lacks, k.second, u.who(k.writer)))
		case second:
			u.add(c, k.writer, "rwp", int32(i), fmt.Sprintf("%s, so it did not see the %v that %s made of it", lacks, k.second, u.who(k.writer)))
		case written:
			u.Unclear++
		}
	}
}

// saw takes in a value that was read; how is "p" for a predicate read.
func (u *universe) saw(c history.Call, id int32, v history.Value, how string) {
	k := &u.keys[id]
	is := func(w history.Value) bool { return v.IsNil() && w.IsNil() || v.Equal(w) }
	first, second := is(k.first), k.writer.Invoke != nil && is(k.second)
	got := fmt.Sprintf("%s read %v for key %s", u.who(c), v, u.name(id))
	switch {
	case first && second:
		u.Unclear++
	case second && k.writer.Type() == history.Fail:
		u.note(G1a, u.name(id), fmt.Sprintf("%s, which %s had tried to write, and that failed", got, u.who(k.writer)), c, k.writer, k.init)
	case second:
		u.add(k.writer, c, "wr"+how, id, fmt.Sprintf("%s, which %s wrote", got, u.who(k.writer)))
	case !first:
		ops := []history.Call{c}
		if k.writer.Invoke != nil {
			ops = append(ops, k.writer)
		}
		if k.init.Invoke != nil {
			ops = append(ops, k.init)
		}
		u.note(Unexpected, u.name(id), got+", which was not there at first, and nobody wrote it", ops...)
	case k.writer.Invoke != nil && k.writer.Type() != history.Fail:
		u.add(c, k.writer, "rw"+how, id, fmt.Sprintf("%s, before %s made it %v", got, u.who(k.writer), k.second))
	}
}

// add adds an edge between two transactions.
func (u *universe) add(from, to history.Call, kind string, k int32, why string) {
	a, b := u.node[from.Invoke.Index], u.node[to.Invoke.Index]
	if a == b && strings.HasPrefix(kind, "wr") {
		u.internal(to, k, "it read what it wrote only after that")
	}
	if a != b {
		u.Edges[kind]++
		u.edges = append(u.edges, edge{a, b, kind, k, why})
	}
}

// internal notes a transaction that contradicts itself.
func (u *universe) internal(c history.Call, k int32, why string) {
	u.note(Internal, u.name(k), fmt.Sprintf("%s contradicts itself about key %s: %s", u.who(c), u.name(k), why), c, u.keys[k].init)
}

// holds reports whether a predicate holds for a value.
func holds(p, v history.Value) bool {
	if v.IsNil() {
		return false
	}
	parts := p.Elems()
	switch {
	case len(parts) == 2 && parts[0].Text() == "=":
		return parts[1].Equal(v)
	case len(parts) == 3 && parts[0].Text() == "mod":
		m, ok1 := parts[1].Int()
		r, ok2 := parts[2].Int()
		n, ok3 := v.Int()
		return ok1 && ok2 && ok3 && m > 0 && ((n%m)+m)%m == r
	default:
		all, _ := p.Bool()
		return all || p.Text() == "true"
	}
}

func (u *universe) who(c history.Call) string {
	return fmt.Sprintf("the transaction of process %v at %s", c.Invoke.Process, u.clock.At(c.Invoke))
}

func (u *universe) name(k int32) string { return u.ids.Value(k).Text() }

func (u *universe) note(name, key, why string, calls ...history.Call) {
	if u.Counts[name]++; u.Counts[name] > checkers.MaxAnomalies {
		return
	}
	a := checkers.Anomaly{Name: name, Key: key, Explanation: why}
	for _, c := range calls {
		if c.Invoke != nil {
			a.Ops = append(a.Ops, c.Invoke.Index)
		}
	}
	slices.Sort(a.Ops)
	a.Ops = slices.Compact(a.Ops)
	u.found[name] = append(u.found[name], a)
}

// cycles looks for the gravest cycle of each component: of wr edges, of these and wrp,
// with one rw or rwp, and with any.
func (u *universe) cycles() {
	kinds := []string{"wr", "wrp", "rw", "rwp"}
	done := map[int32]bool{} // transactions on a cycle that was shown
	for _, allowed := range [][]string{kinds[:1], kinds[:2], kinds[:3], kinds} {
		g := digraph.New(len(u.txns))
		for _, e := range u.edges {
			if slices.Contains(allowed, e.kind) {
				g.Add(int(e.from), int(e.to))
			}
		}
		for _, component := range g.Components() {
			if slices.ContainsFunc(component, func(v int32) bool { return done[v] }) {
				continue
			}
			nodes := u.single(component, allowed)
			if nodes == nil {
				nodes = g.Cycle(component, func(int32) bool { return true })
			}
			u.cycle(nodes, allowed)
			for _, v := range component {
				done[v] = true
			}
		}
		if len(allowed) == len(kinds) && len(done) == 0 {
			u.order = u.sorted(g)
		}
	}
}

// single returns a cycle of a component with just one rw, if it finds one, or nil.
func (u *universe) single(component []int32, allowed []string) []int32 {
	const tries = 256
	in := map[int32]bool{}
	for _, v := range component {
		in[v] = true
	}
	base := digraph.New(len(u.txns))
	var rw []edge
	for _, e := range u.edges {
		switch {
		case !in[e.from] || !in[e.to] || !slices.Contains(allowed, e.kind):
		case strings.HasPrefix(e.kind, "wr"):
			base.Add(int(e.from), int(e.to))
		case len(rw) < tries:
			rw = append(rw, e)
		}
	}
	for _, e := range rw {
		if nodes := base.Path(e.to, e.from, func(v int32) bool { return in[v] }); nodes != nil {
			return nodes
		}
	}
	return nil
}

// cycle notes a cycle. Of the edges between two transactions it shows one that is no rw
// if there is one.
func (u *universe) cycle(nodes []int32, allowed []string) {
	a := checkers.Anomaly{}
	var steps []string
	kinds := map[string]int{}
	for i, from := range nodes {
		to := nodes[(i+1)%len(nodes)]
		for _, kind := range allowed {
			at := slices.IndexFunc(u.edges, func(e edge) bool { return e.from == from && e.to == to && e.kind == kind })
			if at < 0 {
				continue
			}
			e := u.edges[at]
			kinds[kind]++
			a.Ops = append(a.Ops, u.txns[from].Invoke.Index)
			a.Edges = append(a.Edges, checkers.Edge{From: u.txns[from].Invoke.Index, To: u.txns[to].Invoke.Index, Kind: kind, Key: u.name(e.key), Why: e.why})
			steps = append(steps, e.why)
			break
		}
	}
	a.Name = cycleName(kinds)
	a.Explanation = strings.Join(steps, "; ") + ": each of them is before the other"
	slices.Sort(a.Ops)
	u.Counts[a.Name]++
	if u.Counts[a.Name] <= checkers.MaxAnomalies {
		u.found[a.Name] = append(u.found[a.Name], a)
	}
}

// cycleName names a cycle by how many edges of each kind it has.
func cycleName(kinds map[string]int) string {
	names := [3][2]string{{G1c, G1cPredicate}, {GSingle, GSinglePredicate}, {G2Item, G2Predicate}}
	predicate := 0
	if kinds["wrp"]+kinds["rwp"] > 0 {
		predicate = 1
	}
	return names[min(2, kinds["rw"]+kinds["rwp"])][predicate]
}

// sorted returns the transactions in an order in which all edges lead forward.
func (u *universe) sorted(g *digraph.Graph) []int {
	in := make([]int, g.Len())
	for v := range g.Len() {
		for _, w := range g.Next(v) {
			in[w]++
		}
	}
	var ready []int
	for v, n := range in {
		if n == 0 {
			ready = append(ready, v)
		}
	}
	order := []int{}
	for i := 0; i < len(ready); i++ {
		order = append(order, u.txns[ready[i]].Invoke.Index)
		for _, w := range g.Next(ready[i]) {
			if in[w]--; in[w] == 0 {
				ready = append(ready, int(w))
			}
		}
	}
	return order
}
