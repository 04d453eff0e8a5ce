package files

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// namespace is all names with what happened to them.
type namespace struct {
	*scribe
	ids   intern.Table
	names []name // by number
	lists []listing
	files []file
	again []again
}

// again is a create of a name that there was before, or a rename to it.
type again struct {
	op
	id int
}

// name is a name with what was done to it.
type name struct {
	maker  op   // the create or rename that makes it; Invoke is nil if nobody does
	from   int  // the name that it was before, or none
	takers []op // renames and deletes of it that did not fail
	made   []int
	real   bool // it can have been there: neither it nor what it was before was made by failures only
	file   int
	shown  op // the operation that shows it and ended first; Invoke is nil if none does
	after  op // the same of the names that it became
}

// file is the names that lead back to one create.
type file struct {
	names   []int // makers before what is made of them
	renamed bool  // a rename of it did not fail
	shown   op    // the operation that shows it and ended first; Invoke is nil if none does
	last    op    // the list that shows it and began last
	ending  op    // the delete that may have ended it and began first
	ended   op    // the delete that was ok and ended first
	inode   history.Value
	known   op // the first list with the inode
}

// listing is a list.
type listing struct {
	op
	names  []int
	inodes []history.Value
}

func (n *namespace) name(v history.Value) int {
	id := int(n.ids.ID(v))
	if id == len(n.names) {
		n.names = append(n.names, name{from: none, file: none})
	}
	return id
}

func (n *namespace) title(id int) string { return checkers.KeyName(n.ids.Value(int32(id))) }

// call takes in an operation. Operations of other names are ignored.
func (n *namespace) call(c history.Call, r *Report) error {
	o := opOf(c)
	v := c.Invoke.Value
	switch c.Invoke.F {
	case "create":
		_, err := n.made(o, v, none, r)
		return err
	case "rename":
		if len(v.Elems()) != 2 || v.Kind() != history.KindList {
			return fmt.Errorf("index %d: a rename has to have a list of two names, not %v", o.inv, v)
		}
		from := n.name(v.Elems()[0])
		fresh, err := n.made(o, v.Elems()[1], from, r)
		if fresh {
			n.taken(o, from)
		}
		return err
	case "delete":
		n.taken(o, n.name(v))
	case "list":
		return n.listed(o, r)
	}
	return nil
}

// made takes in an operation that makes a name, and reports whether the name is new.
func (n *namespace) made(o op, v history.Value, from int, r *Report) (bool, error) {
	if err := text(v); err != nil {
		return false, fmt.Errorf("index %d: %w", o.inv, err)
	}
	id := n.name(v)
	if n.names[id].maker.Invoke != nil {
		n.again = append(n.again, again{o, id})
		return false, nil
	}
	n.names[id].maker, n.names[id].from = o, from
	if o.ok() {
		r.Made++
	}
	return true, nil
}

// refused sees that what was to make a name again found it there, and failed:
// nobody ever tried to take the name from the file that had it.
func (n *namespace) refused() error {
	for _, a := range n.again {
		nm := &n.names[a.id]
		if !nm.maker.ok() || nm.maker.res > a.inv || len(nm.takers) > 0 {
			return fmt.Errorf("index %d: name %v was used before, at index %d: a name has to be new, or one that a file certainly has and keeps", a.inv, n.title(a.id), nm.maker.inv)
		}
		if a.ok() {
			n.ordered(Overwritten, a.id, nm.maker, a.op, fmt.Sprintf("the %s of %s made %s by %s, and nobody ever tried to take that name away; the %s to it by %s was ok nevertheless",
				nm.maker.Invoke.F, n.who(nm.maker), n.title(a.id), n.end(nm.maker), a.Invoke.F, n.who(a.op)))
		}
	}
	return nil
}

// text sees that a value can be a name.
func text(v history.Value) error {
	if k := v.Kind(); k != history.KindString && k != history.KindKeyword && k != history.KindInt {
		return fmt.Errorf("a name has to be a text, not %v", v)
	}
	return nil
}

func (n *namespace) taken(o op, id int) {
	if !o.failed() {
		n.names[id].takers = append(n.names[id].takers, o)
	}
}

func (n *namespace) listed(o op, r *Report) error {
	if !o.ok() {
		return nil
	}
	v := o.Complete.Value
	if v.Kind() != history.KindMap {
		return fmt.Errorf("index %d: a list has to return a map of names and inodes, not %v", o.Complete.Index, v)
	}
	l := listing{op: o}
	for i := 0; i < len(v.Elems()); i += 2 {
		if err := text(v.Elems()[i]); err != nil {
			return fmt.Errorf("index %d: %w", o.Complete.Index, err)
		}
		l.names, l.inodes = append(l.names, n.name(v.Elems()[i])), append(l.inodes, v.Elems()[i+1])
	}
	r.Lists++
	n.lists = append(n.lists, l)
	return nil
}
