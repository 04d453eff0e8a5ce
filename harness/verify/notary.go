package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// notary confirms that what was stamped stays stamped, in the block where it was
// stamped, or that it does not. Evidence is needed for invalid only; see
// roles.go.
func notary(c *claim) error {
	n := &stamps{docs: map[string]*stampedDoc{}}
	judged := 0
	for i := range c.ops {
		o := &c.ops[i]
		if o.Invoke.F == "stamp" || o.Invoke.F == "proof" {
			d := n.doc(o)
			d.ops = append(d.ops, o)
			if o.Invoke.F == "stamp" && d.first == nil {
				d.first = o
			}
			d.possible = d.possible || o.Invoke.F == "stamp" && !o.failed()
			if o.happened() {
				judged++
			}
		}
	}
	if judged == 0 {
		return fmt.Errorf("the history shows nothing of a notary")
	}
	rules := n.rules()
	for name, r := range rules {
		rules[name] = roleRule{r.roles, func(ops []*op, item string) bool {
			return plainID(idOf(ops[len(ops)-1].Invoke.Value)) == item && r.broken(ops, item)
		}}
	}
	return c.byRoles(rules, n.hold)
}

// stamps are the documents of a notary.
type stamps struct {
	docs  map[string]*stampedDoc
	names []string
}

type stampedDoc struct {
	ops      []*op
	first    *op  // its first stamp
	possible bool // a stamp did not fail
}

func (n *stamps) doc(o *op) *stampedDoc {
	id := idOf(o.Invoke.Value)
	if n.docs[id] == nil {
		n.docs[id] = new(stampedDoc)
		n.names = append(n.names, id)
	}
	return n.docs[id]
}

// shows returns the block that an operation shows its document to be in, and
// whether it shows one.
func shows(o *op) (history.Value, bool) {
	if !o.happened() || o.Invoke.F != "stamp" && o.Invoke.F != "proof" || o.Complete.Value.IsNil() {
		return history.Value{}, false
	}
	v := o.Complete.Value
	return history.List(v.Get("block"), v.Get("height")), true
}

func height(o *op) int64 {
	n, _ := o.Complete.Value.Get("height").Int()
	return n
}

// lacks reports whether an operation shows that its document has no stamp.
func lacks(o *op) bool { return o.Invoke.F == "proof" && o.happened() && o.Complete.Value.IsNil() }

// rules: s and t are operations that show a document, f is the first stamp. The
// item is the document that the last operation is about.
func (n *stamps) rules() map[string]roleRule {
	is := func(o *op) bool { _, ok := shows(o); return ok }
	same := func(a, b *op) bool { return a.Invoke.Value.Equal(b.Invoke.Value) }
	return map[string]roleRule{
		"lost-stamp": {2, func(o []*op, _ string) bool { // s, and a proof without
			return is(o[0]) && lacks(o[1]) && same(o[0], o[1]) && o[0].before(o[1])
		}},
		"changed-stamp": {2, func(o []*op, _ string) bool { // s, t
			a, _ := shows(o[0])
			b, _ := shows(o[1])
			return is(o[0]) && is(o[1]) && same(o[0], o[1]) && !a.Equal(b)
		}},
		"phantom-stamp": {1, func(o []*op, _ string) bool { return is(o[0]) && n.doc(o[0]).first == nil }}, // s
		"aborted-stamp": {2, func(o []*op, _ string) bool { // f, s
			return is(o[1]) && n.doc(o[1]).first == o[0] && !n.doc(o[1]).possible
		}},
		"premature-stamp": {2, func(o []*op, _ string) bool { // s, f
			return is(o[0]) && n.doc(o[0]).first == o[1] && o[0].before(o[1])
		}},
		"backdated-stamp": {3, func(o []*op, _ string) bool { // s, f of another document, t of that
			return is(o[0]) && is(o[2]) && n.doc(o[2]).first == o[1] && !same(o[0], o[2]) && o[0].before(o[1]) && height(o[2]) < height(o[0])
		}},
	}
}

// hold confirms that no rule is broken: it puts what happens to each document
// beside the first to show it, and all documents in the order of their stamps.
func (n *stamps) hold() error {
	var shown, firsts []*op
	for _, id := range n.names {
		d := n.docs[id]
		found := slices.DeleteFunc(slices.Clone(d.ops), func(o *op) bool { _, ok := shows(o); return !ok })
		if len(found) == 0 {
			continue
		}
		known := slices.MinFunc(found, func(a, b *op) int { return cmp.Compare(a.res, b.res) })
		if d.first == nil || !d.possible || known.before(d.first) {
			return fmt.Errorf("index %d shows a document that was not stamped", known.inv)
		}
		block, _ := shows(known)
		for _, o := range d.ops {
			if b, ok := shows(o); lacks(o) && known.before(o) || ok && !b.Equal(block) {
				return fmt.Errorf("the stamp that index %d shows is not that of index %d", known.inv, o.inv)
			}
		}
		shown, firsts = append(shown, known), append(firsts, d.first)
	}
	return n.inOrder(shown, firsts)
}

// inOrder confirms that documents are in blocks in the order of their stamps.
// Each is in one block, which the first to show it names.
func (n *stamps) inOrder(shown, firsts []*op) error {
	slices.SortFunc(shown, func(a, b *op) int { return cmp.Compare(a.res, b.res) })
	slices.SortFunc(firsts, func(a, b *op) int { return cmp.Compare(a.inv, b.inv) })
	at := make(map[*op]int64)
	for _, o := range shown {
		at[n.doc(o).first] = height(o)
	}
	var top *op
	for _, f := range firsts {
		for ; len(shown) > 0 && shown[0].before(f); shown = shown[1:] {
			if top == nil || height(shown[0]) > height(top) {
				top = shown[0]
			}
		}
		if top != nil && at[f] < height(top) {
			return fmt.Errorf("the document of index %d is in a lower block than that of index %d", f.inv, top.inv)
		}
	}
	return nil
}
