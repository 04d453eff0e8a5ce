package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// isAdya confirms a claim about inserts that exclude each other: at most one of each key
// is ok; two are a violation, called G2. It has no parameters. An ok takes no evidence;
// for invalid it is a violation (see ruling.go).
func isAdya(c *claim) error {
	if len(c.Parameters) > 0 {
		return fmt.Errorf("adya has no parameters")
	}
	return c.byRules(func(ops []*op) (*ruling, error) {
		r := newRuling()
		done := map[string]bool{}
		for _, o := range ops {
			if o.Invoke.F != "insert" {
				continue
			}
			key := o.Invoke.Key
			if pair := o.Invoke.Value.Elems(); key.IsAbsent() && o.Invoke.Value.Kind() != history.KindMap {
				if len(pair) != 2 || len(pair[1].Elems()) != 2 {
					return nil, fmt.Errorf("index %d has no key", o.inv)
				}
				key = pair[0]
			}
			if !o.happened() {
				continue
			}
			r.judged++
			if done[identity(key)] {
				r.note("G2", textOf(key))
			}
			done[identity(key)] = true
		}
		return r, nil
	})
}

// isPredicate confirms a claim about transactions with predicate reads over keys that
// have at most two versions: the one of an init, or nil, and the one of the only write.
// A predicate read that does not have a key, but holds for one of its versions, saw the
// other one. From the reads of transactions that are ok follow the edges wr and wrp, of a
// write to a read, or a predicate read, that saw what it made, and rw and rwp, of one that
// saw what was at first to the write. After a transaction wrote a key, it has to read that.
//
// The evidence for ok is an order of the transactions in which all edges lead forward,
// {"order": [3, 0, …]}. For invalid it is a violation (see ruling.go), which is one of
//
//	G1a                  a read of what a failed transaction wrote
//	unexpected-read      a read of a value that is none of the two
//	internal             a read of what the same transaction writes later, or, after it wrote
//	                     the key, of anything else
//	predicate-mismatch   a predicate read with a value for which it does not hold
//	predicate-read-miss  one that lacks a key although it holds for all its versions
//
// or a cycle, called G1c, G-single or G2-item by how many rw and rwp it has, or, if it has
// a wrp or rwp, G1-predicate, G-single-predicate or G2-predicate.
func isPredicate(c *claim) error {
	if len(c.Parameters) > 0 {
		return fmt.Errorf("predicate has no parameters")
	}
	u := &closed{}
	if c.Verdict == valid {
		var e struct {
			Order []int `json:"order"`
		}
		if err := c.evidence(&e); err != nil {
			return err
		}
		r, err := u.judge(c.all())
		if err != nil {
			return err
		}
		if err := r.fine(); err != nil {
			return err
		}
		return u.forward(e.Order)
	}
	var v violation
	if err := c.evidence(&v); err != nil {
		return err
	}
	if len(v.Edges) == 0 {
		return c.broken(v, u.judge)
	}
	if _, err := u.judge(c.all()); err != nil {
		return err
	}
	return u.cycle(v)
}

// closed is the universe of all keys.
type closed struct {
	*ruling
	keys  map[string]*twoVersions
	txns  int
	edges map[closedEdge]bool
}

type twoVersions struct {
	first, second history.Value
	initial       bool
	writer        *op
}

type closedEdge struct {
	from, to  int
	kind, key string
}

func (u *closed) judge(ops []*op) (*ruling, error) {
	*u = closed{ruling: newRuling(), keys: map[string]*twoVersions{}, edges: map[closedEdge]bool{}}
	for _, o := range ops {
		if err := u.versions(o); err != nil {
			return nil, fmt.Errorf("index %d: %w", o.inv, err)
		}
	}
	for _, o := range ops {
		if o.Invoke.F == "txn" && o.happened() {
			u.reads(o)
		}
	}
	return u.ruling, nil
}

func (u *closed) key(v history.Value) string {
	name := textOf(v)
	if u.keys[name] == nil {
		u.keys[name] = &twoVersions{first: history.Nil}
	}
	return name
}

func (u *closed) versions(o *op) error {
	v := o.Invoke.Value
	if o.Invoke.F == "init" && v.Kind() == history.KindMap {
		for kv := v.Elems(); len(kv) > 1; kv = kv[2:] {
			k := u.keys[u.key(kv[0])]
			if k.initial {
				return fmt.Errorf("%v is initialized twice", kv[0])
			}
			k.first, k.initial = kv[1], true
		}
	}
	if o.Invoke.F != "txn" {
		return nil
	}
	u.txns++
	for _, m := range v.Elems() {
		parts := m.Elems()
		switch {
		case len(parts) == 3 && (parts[0].Text() == "r" || parts[0].Text() == "rp"):
		case len(parts) != 3 || parts[0].Text() != "w" || parts[2].IsNil():
			return fmt.Errorf("%v is no micro-operation", m)
		case u.keys[u.key(parts[1])].writer != nil:
			return fmt.Errorf("%v is written twice", parts[1])
		default:
			k := u.keys[u.key(parts[1])]
			k.second, k.writer = parts[2], o
		}
	}
	return nil
}

func (u *closed) reads(o *op) {
	wrote := map[string]history.Value{}
	for _, m := range o.Complete.Value.Elems() {
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
				u.saw(o, k, parts[2], "")
			} else if !own.Equal(parts[2]) {
				u.note("internal", k)
			}
		case "rp":
			u.judged++
			u.predicate(o, parts[1], parts[2], wrote)
		}
	}
}

func (u *closed) predicate(o *op, p, got history.Value, wrote map[string]history.Value) {
	has := map[string]bool{}
	for kv := got.Elems(); len(kv) > 1 && got.Kind() == history.KindMap; kv = kv[2:] {
		k := u.key(kv[0])
		has[k] = true
		if !holdsFor(p, kv[1]) {
			u.note("predicate-mismatch", k)
		}
		if own, ok := wrote[k]; !ok {
			u.saw(o, k, kv[1], "p")
		} else if !own.Equal(kv[1]) {
			u.note("internal", k)
		}
	}
	for name, k := range u.keys {
		own, ok := wrote[name]
		if ok && !has[name] && holdsFor(p, own) {
			u.note("internal", name)
		}
		if ok || has[name] {
			continue
		}
		written := k.writer != nil && !k.writer.failed()
		first, second := holdsFor(p, k.first), written && holdsFor(p, k.second)
		switch {
		case first && (second || !written):
			u.note("predicate-read-miss", name)
		case first:
			u.edge(k.writer, o, "wrp", name)
		case second:
			u.edge(o, k.writer, "rwp", name)
		}
	}
}

func (u *closed) saw(o *op, name string, v history.Value, how string) {
	k := u.keys[name]
	first, second := sameValue(v, k.first), k.writer != nil && sameValue(v, k.second)
	switch {
	case first && second:
	case second && k.writer.failed():
		u.note("G1a", name)
	case second:
		u.edge(k.writer, o, "wr"+how, name)
	case !first:
		u.note("unexpected-read", name)
	case k.writer != nil && !k.writer.failed():
		u.edge(o, k.writer, "rw"+how, name)
	}
}

func (u *closed) edge(from, to *op, kind, key string) {
	if from == to && strings.HasPrefix(kind, "wr") {
		u.note("internal", key)
	}
	if from != to {
		u.edges[closedEdge{from.inv, to.inv, kind, key}] = true
	}
}

func holdsFor(p, v history.Value) bool {
	parts := p.Elems()
	if v.IsNil() {
		return false
	}
	if len(parts) == 2 && parts[0].Text() == "=" {
		return parts[1].Equal(v)
	}
	if len(parts) == 3 && parts[0].Text() == "mod" {
		m, isM := parts[1].Int()
		r, isR := parts[2].Int()
		n, isN := v.Int()
		return isM && isR && isN && m > 0 && (n%m+m)%m == r
	}
	all, _ := p.Bool()
	return all || p.Text() == "true"
}

// forward confirms an order.
func (u *closed) forward(order []int) error {
	at := map[int]int{}
	for i, index := range order {
		if at[index] > 0 {
			return fmt.Errorf("index %d is in the order twice", index)
		}
		at[index] = i + 1
	}
	if len(order) != u.txns {
		return fmt.Errorf("the order has %d of %d transactions", len(order), u.txns)
	}
	for e := range u.edges {
		if at[e.from] == 0 || at[e.to] == 0 || at[e.from] > at[e.to] {
			return fmt.Errorf("index %d has to be before index %d by %s of %s", e.from, e.to, e.kind, e.key)
		}
	}
	return nil
}

// cycle confirms a cycle.
func (u *closed) cycle(v violation) error {
	rw, predicate := 0, false
	var from []int
	for i, e := range v.Edges {
		switch {
		case e.To != v.Edges[(i+1)%len(v.Edges)].From:
			return fmt.Errorf("the edges are no cycle: one leads to %d, the next one from elsewhere", e.To)
		case !u.edges[closedEdge{e.From, e.To, e.Kind, e.Key}]:
			return fmt.Errorf("there is no edge %s of %s from %d to %d", e.Kind, e.Key, e.From, e.To)
		}
		if strings.HasPrefix(e.Kind, "rw") {
			rw++
		}
		predicate = predicate || strings.HasSuffix(e.Kind, "p")
		from = append(from, e.From)
	}
	name := []string{"G1c", "G-single", "G2-item"}[min(rw, 2)]
	if predicate {
		name = []string{"G1-predicate", "G-single-predicate", "G2-predicate"}[min(rw, 2)]
	}
	slices.Sort(from)
	if name != v.Anomaly || v.Key != "" || !slices.Equal(from, v.Ops) {
		return fmt.Errorf("the edges are %s of %v, not %s of %v", name, from, v.Anomaly, v.Ops)
	}
	return nil
}
