package predicates

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// isAdya confirms a claim about inserts that exclude each other; see the package comment.
func isAdya(c *claim.Claim) error {
	if len(c.Parameters) > 0 {
		return fmt.Errorf("adya has no parameters")
	}
	return c.ByRules(func(ops []*claim.Op) (*claim.Ruling, error) {
		r := claim.NewRuling()
		done := map[string]bool{}
		for _, o := range ops {
			if o.Invoke.F != "insert" {
				continue
			}
			key := o.Invoke.Key
			if pair := o.Invoke.Value.Elems(); key.IsAbsent() && o.Invoke.Value.Kind() != history.KindMap {
				if len(pair) != 2 || len(pair[1].Elems()) != 2 {
					return nil, fmt.Errorf("index %d has no key", o.Inv)
				}
				key = pair[0]
			}
			if !o.Happened() {
				continue
			}
			r.Judged++
			if done[claim.Identity(key)] {
				r.Note("G2", claim.TextOf(key))
			}
			done[claim.Identity(key)] = true
		}
		return r, nil
	})
}

// isPredicate confirms a claim about predicate reads; see the package comment.
func isPredicate(c *claim.Claim) error {
	if len(c.Parameters) > 0 {
		return fmt.Errorf("predicate has no parameters")
	}
	u := &closed{}
	if c.Verdict == claim.Valid {
		var e struct {
			Order []int `json:"order"`
		}
		if err := c.ReadEvidence(&e); err != nil {
			return err
		}
		r, err := u.judge(c.All())
		if err != nil {
			return err
		}
		if err := r.Fine(); err != nil {
			return err
		}
		return u.forward(e.Order)
	}
	var v claim.Violation
	if err := c.ReadEvidence(&v); err != nil {
		return err
	}
	if len(v.Edges) == 0 {
		return c.Broken(v, u.judge)
	}
	if _, err := u.judge(c.All()); err != nil {
		return err
	}
	return u.cycle(v)
}

// closed is the universe of all keys.
type closed struct {
	*claim.Ruling
	keys  map[string]*twoVersions
	txns  int
	edges map[closedEdge]bool
}

type twoVersions struct {
	first, second history.Value
	initial       bool
	writer        *claim.Op
}

type closedEdge struct {
	from, to  int
	kind, key string
}

func (u *closed) judge(ops []*claim.Op) (*claim.Ruling, error) {
	*u = closed{Ruling: claim.NewRuling(), keys: map[string]*twoVersions{}, edges: map[closedEdge]bool{}}
	for _, o := range ops {
		if err := u.versions(o); err != nil {
			return nil, fmt.Errorf("index %d: %w", o.Inv, err)
		}
	}
	for _, o := range ops {
		if o.Invoke.F == "txn" && o.Happened() {
			u.reads(o)
		}
	}
	return u.Ruling, nil
}

func (u *closed) key(v history.Value) string {
	name := claim.TextOf(v)
	if u.keys[name] == nil {
		u.keys[name] = &twoVersions{first: history.Nil}
	}
	return name
}

func (u *closed) versions(o *claim.Op) error {
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

func (u *closed) reads(o *claim.Op) {
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
				u.Note("internal", k)
			}
		case "rp":
			u.Judged++
			u.predicate(o, parts[1], parts[2], wrote)
		}
	}
}

func (u *closed) predicate(o *claim.Op, p, got history.Value, wrote map[string]history.Value) {
	has := map[string]bool{}
	for kv := got.Elems(); len(kv) > 1 && got.Kind() == history.KindMap; kv = kv[2:] {
		k := u.key(kv[0])
		has[k] = true
		if !holdsFor(p, kv[1]) {
			u.Note("predicate-mismatch", k)
		}
		if own, ok := wrote[k]; !ok {
			u.saw(o, k, kv[1], "p")
		} else if !own.Equal(kv[1]) {
			u.Note("internal", k)
		}
	}
	for name, k := range u.keys {
		own, ok := wrote[name]
		if ok && !has[name] && holdsFor(p, own) {
			u.Note("internal", name)
		}
		if ok || has[name] {
			continue
		}
		written := k.writer != nil && !k.writer.Failed()
		first, second := holdsFor(p, k.first), written && holdsFor(p, k.second)
		switch {
		case first && (second || !written):
			u.Note("predicate-read-miss", name)
		case first:
			u.edge(k.writer, o, "wrp", name)
		case second:
			u.edge(o, k.writer, "rwp", name)
		}
	}
}

func (u *closed) saw(o *claim.Op, name string, v history.Value, how string) {
	k := u.keys[name]
	first, second := claim.SameValue(v, k.first), k.writer != nil && claim.SameValue(v, k.second)
	switch {
	case first && second:
	case second && k.writer.Failed():
		u.Note("G1a", name)
	case second:
		u.edge(k.writer, o, "wr"+how, name)
	case !first:
		u.Note("unexpected-read", name)
	case k.writer != nil && !k.writer.Failed():
		u.edge(o, k.writer, "rw"+how, name)
	}
}

func (u *closed) edge(from, to *claim.Op, kind, key string) {
	if from == to && strings.HasPrefix(kind, "wr") {
		u.Note("internal", key)
	}
	if from != to {
		u.edges[closedEdge{from.Inv, to.Inv, kind, key}] = true
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
func (u *closed) cycle(v claim.Violation) error {
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
