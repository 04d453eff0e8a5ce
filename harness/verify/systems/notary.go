package systems

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// notary confirms that what was stamped stays stamped, in the block where it was
// stamped, or that it does not. Evidence is needed for invalid only; see
// roles.go.
func notary(c *claim.Claim) error {
	n := &stamps{docs: map[string]*stampedDoc{}}
	judged := 0
	for i := range c.Ops {
		o := &c.Ops[i]
		if o.Invoke.F == "stamp" || o.Invoke.F == "proof" {
			d := n.doc(o)
			d.ops = append(d.ops, o)
			if o.Invoke.F == "stamp" && d.first == nil {
				d.first = o
			}
			d.possible = d.possible || o.Invoke.F == "stamp" && !o.Failed()
			if o.Happened() {
				judged++
			}
		}
	}
	if judged == 0 {
		return fmt.Errorf("the history shows nothing of a notary")
	}
	rules := n.rules()
	for name, r := range rules {
		rules[name] = roleRule{r.roles, func(ops []*claim.Op, item string) bool {
			return plainID(idOf(ops[len(ops)-1].Invoke.Value)) == item && r.broken(ops, item)
		}}
	}
	return byRoles(c, rules, n.hold)
}

// stamps are the documents of a notary.
type stamps struct {
	docs  map[string]*stampedDoc
	names []string
}

type stampedDoc struct {
	ops      []*claim.Op
	first    *claim.Op // its first stamp
	possible bool      // a stamp did not fail
}

func (n *stamps) doc(o *claim.Op) *stampedDoc {
	id := idOf(o.Invoke.Value)
	if n.docs[id] == nil {
		n.docs[id] = new(stampedDoc)
		n.names = append(n.names, id)
	}
	return n.docs[id]
}

// shows returns the block that an operation shows its document to be in, and
// whether it shows one.
func shows(o *claim.Op) (history.Value, bool) {
	if !o.Happened() || o.Invoke.F != "stamp" && o.Invoke.F != "proof" || o.Complete.Value.IsNil() || provesNothing(o) {
		return history.Value{}, false
	}
	v := o.Complete.Value
	return history.List(v.Get("block"), v.Get("height")), true
}

// provesNothing reports whether an operation got what is no proof.
func provesNothing(o *claim.Op) bool {
	return o.Invoke.F == "proof" && o.Happened() && !o.Complete.Value.Get("false").IsNil()
}

func height(o *claim.Op) int64 {
	n, _ := o.Complete.Value.Get("height").Int()
	return n
}

// lacks reports whether an operation shows that its document has no stamp.
func lacks(o *claim.Op) bool {
	return o.Invoke.F == "proof" && o.Happened() && o.Complete.Value.IsNil()
}

// rules: s and t are operations that show a document, f is the first stamp. The
// item is the document that the last operation is about.
func (n *stamps) rules() map[string]roleRule {
	is := func(o *claim.Op) bool { _, ok := shows(o); return ok }
	same := func(a, b *claim.Op) bool { return a.Invoke.Value.Equal(b.Invoke.Value) }
	return map[string]roleRule{
		"lost-stamp": {2, func(o []*claim.Op, _ string) bool { // s, and a proof without
			return is(o[0]) && lacks(o[1]) && same(o[0], o[1]) && o[0].Before(o[1])
		}},
		"changed-stamp": {2, func(o []*claim.Op, _ string) bool { // s, t
			a, _ := shows(o[0])
			b, _ := shows(o[1])
			return is(o[0]) && is(o[1]) && same(o[0], o[1]) && !a.Equal(b)
		}},
		"false-proof":   {1, func(o []*claim.Op, _ string) bool { return provesNothing(o[0]) }},
		"phantom-stamp": {1, func(o []*claim.Op, _ string) bool { return is(o[0]) && n.doc(o[0]).first == nil }}, // s
		"aborted-stamp": {2, func(o []*claim.Op, _ string) bool { // f, s
			return is(o[1]) && n.doc(o[1]).first == o[0] && !n.doc(o[1]).possible
		}},
		"premature-stamp": {2, func(o []*claim.Op, _ string) bool { // s, f
			return is(o[0]) && n.doc(o[0]).first == o[1] && o[0].Before(o[1])
		}},
		"backdated-stamp": {3, func(o []*claim.Op, _ string) bool { // s, f of another document, t of that
			return is(o[0]) && is(o[2]) && n.doc(o[2]).first == o[1] && !same(o[0], o[2]) && o[0].Before(o[1]) && height(o[2]) < height(o[0])
		}},
	}
}

// hold confirms that no rule is broken: it puts what happens to each document
// beside the first to show it, and all documents in the order of their stamps.
func (n *stamps) hold() error {
	var shown, firsts []*claim.Op
	for _, id := range n.names {
		d := n.docs[id]
		if i := slices.IndexFunc(d.ops, provesNothing); i >= 0 {
			return fmt.Errorf("index %d got what is no proof", d.ops[i].Inv)
		}
		found := slices.DeleteFunc(slices.Clone(d.ops), func(o *claim.Op) bool { _, ok := shows(o); return !ok })
		if len(found) == 0 {
			continue
		}
		known := slices.MinFunc(found, func(a, b *claim.Op) int { return cmp.Compare(a.Res, b.Res) })
		if d.first == nil || !d.possible || known.Before(d.first) {
			return fmt.Errorf("index %d shows a document that was not stamped", known.Inv)
		}
		block, _ := shows(known)
		for _, o := range d.ops {
			if b, ok := shows(o); lacks(o) && known.Before(o) || ok && !b.Equal(block) {
				return fmt.Errorf("the stamp that index %d shows is not that of index %d", known.Inv, o.Inv)
			}
		}
		shown, firsts = append(shown, known), append(firsts, d.first)
	}
	return n.inOrder(shown, firsts)
}

// inOrder confirms that documents are in blocks in the order of their stamps.
// Each is in one block, which the first to show it names.
func (n *stamps) inOrder(shown, firsts []*claim.Op) error {
	slices.SortFunc(shown, func(a, b *claim.Op) int { return cmp.Compare(a.Res, b.Res) })
	slices.SortFunc(firsts, func(a, b *claim.Op) int { return cmp.Compare(a.Inv, b.Inv) })
	at := make(map[*claim.Op]int64)
	for _, o := range shown {
		at[n.doc(o).first] = height(o)
	}
	var top *claim.Op
	for _, f := range firsts {
		for ; len(shown) > 0 && shown[0].Before(f); shown = shown[1:] {
			if top == nil || height(shown[0]) > height(top) {
				top = shown[0]
			}
		}
		if top != nil && at[f] < height(top) {
			return fmt.Errorf("the document of index %d is in a lower block than that of index %d", f.Inv, top.Inv)
		}
	}
	return nil
}
