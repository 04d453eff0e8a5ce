package files

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge finds what no order of operations explains.
func (n *namespace) judge(ctx context.Context) error {
	if err := n.plant(); err != nil {
		return err
	}
	if err := n.refused(); err != nil {
		return err
	}
	for i := range n.lists {
		n.appear(&n.lists[i])
	}
	n.lists = slices.DeleteFunc(n.lists, func(l listing) bool { return n.behind(l.op) })
	n.uses()
	n.gather()
	for i := range n.lists {
		if i%256 == 0 && context.Cause(ctx) != nil {
			return fmt.Errorf("stopped after %d of %d lists: %w; broken so far: %v", i, len(n.lists), context.Cause(ctx), n.book.Counts())
		}
		n.check(&n.lists[i])
	}
	n.missing()
	n.forks()
	return nil
}

// plant finds the names of each file, beginning with those that no rename makes.
func (n *namespace) plant() error {
	for id := range n.names {
		if from := n.names[id].from; from != none {
			n.names[from].made = append(n.names[from].made, id)
		}
	}
	found := 0
	for id := range n.names {
		if n.names[id].from != none {
			continue
		}
		f := file{names: []int{id}}
		for i := 0; i < len(f.names); i++ {
			nm := &n.names[f.names[i]]
			nm.file = len(n.files)
			nm.real = nm.maker.Invoke != nil && !nm.maker.failed() && (nm.from == none || n.names[nm.from].real)
			f.names = append(f.names, n.names[f.names[i]].made...)
		}
		found += len(f.names)
		n.files = append(n.files, f)
	}
	if found < len(n.names) {
		return fmt.Errorf("the renames of some names go in a circle: a name has to be new")
	}
	return nil
}

// first keeps the operation that ended first.
func first(old *op, o op) {
	if o.Invoke != nil && o.res != never && (old.Invoke == nil || o.res < old.res) {
		*old = o
	}
}

// appear notes that names were seen, and finds those that nobody can have made.
func (n *namespace) appear(l *listing) {
	for _, id := range l.names {
		switch m := n.names[id].maker; {
		case m.Invoke == nil:
			n.add(PhantomName, "", n.title(id), fmt.Sprintf("%s listed %s, which nobody made", n.who(l.op), n.title(id)), l.op)
		case m.failed():
			n.add(PhantomName, "", n.title(id), fmt.Sprintf("%s listed %s, but the %s to it, by %s, failed", n.who(l.op), n.title(id), m.Invoke.F, n.who(m)), l.op)
		case !n.names[id].real:
			n.add(PhantomName, "", n.title(id), fmt.Sprintf("%s listed %s, which is renamed from a name that nobody made", n.who(l.op), n.title(id)), l.op)
		case l.res < m.inv:
			n.add(PrematureName, "", n.title(id), fmt.Sprintf("%s listed %s by %s, but the %s to it, by %s, had not begun", n.who(l.op), n.title(id), n.end(l.op), m.Invoke.F, n.who(m)), l.op, m)
		}
		if n.behind(l.op) {
			continue
		}
		first(&n.names[id].shown, l.op)
		if f := &n.files[n.names[id].file]; f.last.Invoke == nil || l.inv > f.last.inv {
			f.last = l.op
		}
	}
}

// uses judges the renames and deletes of each name, one of which can have found
// it there.
func (n *namespace) uses() {
	for id := range n.names {
		nm := &n.names[id]
		var certain []op
		for _, t := range nm.takers {
			if t.ok() && !nm.real {
				n.add(PhantomName, "", n.title(id), fmt.Sprintf("the %s of %s by %s was ok, but nobody made that name", t.Invoke.F, n.title(id), n.who(t)), t)
			} else if t.res < nm.maker.inv && t.ok() {
				n.ordered(PrematureName, id, t, nm.maker, fmt.Sprintf("the %s of %s by %s was ok by %s, but the %s to that name, by %s, had not begun",
					t.Invoke.F, n.title(id), n.who(t), n.end(t), nm.maker.Invoke.F, n.who(nm.maker)))
			}
			if t.ok() || t.Invoke.F == "rename" && n.target(t).shown.Invoke != nil {
				certain = append(certain, t)
			}
		}
		if len(certain) > 1 {
			a, b := certain[0], certain[1]
			n.add(DoubleRemove, "", n.title(id), fmt.Sprintf("%s took %s away by %s, and %s did by %s: it was there once",
				n.who(a), n.title(id), a.Invoke.F, n.who(b), b.Invoke.F), a, b)
		}
	}
}

// target returns the name that a rename makes.
func (n *namespace) target(t op) *name { return &n.names[n.name(t.Invoke.Value.Elems()[1])] }

// gather sums up what is known of each file and of what each name became.
func (n *namespace) gather() {
	for i := range n.files {
		f := &n.files[i]
		for _, id := range slices.Backward(f.names) {
			nm := &n.names[id]
			if nm.maker.Invoke != nil && nm.maker.ok() {
				first(&nm.shown, nm.maker)
			}
			for _, m := range nm.made {
				first(&nm.after, n.names[m].shown)
				first(&nm.after, n.names[m].after)
			}
			first(&f.shown, nm.shown)
			for _, t := range nm.takers {
				f.take(t)
			}
		}
	}
}

func (f *file) take(t op) {
	if t.Invoke.F == "rename" {
		f.renamed = true
		return
	}
	first(&f.ended, t)
	if f.ending.Invoke == nil || t.inv < f.ending.inv {
		f.ending = t
	}
}

// check judges the names that one list shows.
func (n *namespace) check(l *listing) {
	names, inodes := make(map[int]int), make(map[string]int)
	for i, id := range l.names {
		nm := &n.names[id]
		f := &n.files[nm.file]
		if other, twice := names[nm.file]; twice {
			n.add(RenameBoth, "", n.title(id), fmt.Sprintf("%s listed %s and %s, which are names of one file, of which it had one at a time: %s",
				n.who(l.op), n.title(other), n.title(id), n.history(f)), l.op)
		} else {
			names[nm.file] = id
		}
		if o := nm.after; o.Invoke != nil && o.res < l.inv {
			n.ordered(StaleName, id, o, l.op, fmt.Sprintf("%s listed %s, although the file had a later name before that: the %s of %s had shown it by %s; %s",
				n.who(l.op), n.title(id), o.Invoke.F, n.who(o), n.end(o), n.history(f)))
		}
		if o := f.ended; o.Invoke != nil && o.res < l.inv {
			n.ordered(Resurrected, id, o, l.op, fmt.Sprintf("%s deleted the file, and that was ok by %s; after that, %s listed it as %s", n.who(o), n.end(o), n.who(l.op), n.title(id)))
		}
		n.inode(l, id, l.inodes[i], inodes)
	}
}

// history tells the names of a file: "a, then b".
func (n *namespace) history(f *file) string {
	list := n.title(f.names[0])
	for _, id := range f.names[1:] {
		list += ", renamed " + n.title(n.names[id].from) + " to " + n.title(id)
	}
	return list
}

func (n *namespace) ordered(rule string, id int, a, b op, why string) {
	n.book.Add(rules.Finding{Rule: rule, Item: n.title(id), Ops: []int{a.inv, b.inv}, Why: why, Edges: []checkers.Edge{n.rt(a, b, n.title(id))}})
}

// inode judges the inode that a list shows for a name. Nil is none.
func (n *namespace) inode(l *listing, id int, v history.Value, seen map[string]int) {
	if v.IsNil() {
		return
	}
	f := &n.files[n.names[id].file]
	if f.known.Invoke == nil {
		f.known, f.inode = l.op, v
	} else if !f.inode.Equal(v) {
		n.add(InodeChanged, "", n.title(id), fmt.Sprintf("%s listed the file with inode %v, and %s listed it as %s with inode %v",
			n.who(f.known), f.inode, n.who(l.op), n.title(id), v), f.known, l.op)
	}
	key := v.String()
	if other, twice := seen[key]; twice && n.names[other].file != n.names[id].file {
		n.add(SharedInode, "", n.title(id), fmt.Sprintf("%s listed %s and %s, which are two files, with inode %v", n.who(l.op), n.title(other), n.title(id), v), l.op)
	} else if !twice {
		seen[key] = id
	}
}

// until says before which place in the history a file was certainly there, once
// it had been shown: the first delete had not begun, or a list that began later
// shows it again.
func (f *file) until() int {
	end := never
	if f.ending.Invoke != nil {
		end = f.ending.inv
	}
	if f.last.Invoke != nil {
		end = max(end, f.last.inv)
	}
	return end
}

// missing finds lists that lack a file that was certainly there. It goes through
// them in the order in which they began, with the files that they have to show.
func (n *namespace) missing() {
	var order []int
	for i := range n.files {
		if n.files[i].shown.Invoke != nil && n.names[n.files[i].names[0]].maker.Invoke != nil {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(n.files[a].shown.res, n.files[b].shown.res) })
	var live []int
	for i := range n.lists {
		l := &n.lists[i]
		for ; len(order) > 0 && n.files[order[0]].shown.res < l.inv; order = order[1:] {
			live = append(live, order[0])
		}
		live = slices.DeleteFunc(live, func(i int) bool { return n.files[i].until() < l.inv })
		has := n.filesOf(l)
		for _, i := range live {
			f := &n.files[i]
			switch {
			case has[i]:
			case f.ending.Invoke == nil || l.res < f.ending.inv:
				n.lost(f, l)
			case l.res < f.last.inv:
				n.reappeared(f, l)
			}
		}
	}
}

func (n *namespace) filesOf(l *listing) map[int]bool {
	has := make(map[int]bool, len(l.names))
	for _, id := range l.names {
		has[n.names[id].file] = true
	}
	return has
}

func (n *namespace) reappeared(f *file, l *listing) {
	if n.book.Full(Reappeared) {
		return
	}
	o := f.shown
	n.book.Add(rules.Finding{Rule: Reappeared, Item: n.title(f.names[0]), Ops: []int{o.inv, l.inv, f.last.inv},
		Edges: []checkers.Edge{n.rt(o, l.op, ""), n.rt(l.op, f.last, "")},
		Why: fmt.Sprintf("the %s of %s had shown the file by %s; after that, %s listed all names, and not one of it, by %s; after that, %s listed it again: %s",
			o.Invoke.F, n.who(o), n.end(o), n.who(l.op), n.end(l.op), n.who(f.last), n.history(f))})
}

// forks finds two lists that each show a file which the other lacks, where nobody
// ever tried to delete either. As files are only added, the lists have to be
// parts of each other, the smaller of the greater.
func (n *namespace) forks() {
	type part struct {
		l   *listing
		has map[int]bool
	}
	var parts []part
	for i := range n.lists {
		has := n.filesOf(&n.lists[i])
		maps.DeleteFunc(has, func(f int, _ bool) bool { return n.files[f].ending.Invoke != nil })
		parts = append(parts, part{&n.lists[i], has})
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(len(a.has), len(b.has)) })
	for i := 1; i < len(parts); i++ {
		a, b := parts[i-1], parts[i]
		for _, id := range a.l.names {
			if f := n.names[id].file; !a.has[f] || b.has[f] {
				continue
			}
			at := slices.IndexFunc(b.l.names, func(id int) bool { return b.has[n.names[id].file] && !a.has[n.names[id].file] })
			n.add(ListFork, "", n.title(id), fmt.Sprintf("%s listed %s and not %s, and %s listed %s and not %s; nobody ever tried to delete either, so one of the two was there first",
				n.who(a.l.op), n.title(id), n.title(b.l.names[at]), n.who(b.l.op), n.title(b.l.names[at]), n.title(id)), a.l.op, b.l.op)
			break
		}
	}
}

func (n *namespace) lost(f *file, l *listing) {
	rule := LostFile
	if f.renamed {
		rule = RenameNeither
	}
	if n.book.Full(rule) {
		return
	}
	of := fmt.Sprintf("file %s was there and nobody had begun to delete it", n.title(f.names[0]))
	if f.renamed {
		of = fmt.Sprintf("the file was there under one name or another, and nobody had begun to delete it: %s", n.history(f))
	}
	o := f.shown
	n.ordered(rule, f.names[0], o, l.op, fmt.Sprintf("%s listed all names, and not one of the file: the %s of %s had shown it by %s; %s",
		n.who(l.op), o.Invoke.F, n.who(o), n.end(o), of))
}
