package files

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
)

// change is a remove, a move or a cut that may have happened.
type change struct {
	op
	keep int   // so many records are left under the name
	to   int32 // the number of the name to which it is moved
}

func (f *stream) change(c change) error {
	if !c.failed() {
		f.changes = append(f.changes, c)
	}
	return nil
}

func (f *stream) cut(o op) error {
	n, number := o.Invoke.Value.Int()
	if !number || n < 0 {
		return fmt.Errorf("index %d: a cut has to say how many records are left, not %v", o.inv, o.Invoke.Value)
	}
	return f.change(change{op: o, keep: int(min(n, never))})
}

// era is a time in which nothing happens to a file but appends, with what was read
// of it and what of it was read later.
type era struct {
	*stream
	from, to int     // from the end of a change until another one begins
	by       *change // that it begins with; nil if there is none, or more than one at a time
	loose    bool    // a remove began before: who had the file open may still write what nobody reads
	syncs    []op
	reads    []reading // in the order in which they began
	own      int       // so many of them were in the era, the others are of what came of it
	longest  *reading
}

// eras divides what was done to a file.
func (f *stream) eras() []*era {
	all := []*era{{stream: f, from: none, to: never}}
	for i := range f.changes {
		c := &f.changes[i]
		last := all[len(all)-1]
		if c.inv < last.from {
			last.from, last.by, last.loose = max(last.from, c.res), nil, last.loose || c.Invoke.F == "remove"
			continue
		}
		last.to = c.inv
		all = append(all, &era{stream: f, from: c.res, to: never, by: c, loose: last.loose || c.Invoke.F == "remove"})
	}
	for _, s := range f.asked {
		if i := during(all, s); i >= 0 {
			all[i].syncs = append(all[i].syncs, s)
		}
	}
	heirs := f.heirs(all)
	for _, rd := range f.shown {
		if rd.name == f.name {
			place(all, rd)
		} else if h, moved := heirs[rd.name]; moved && rd.inv > h.by.res {
			h.of.reads = append(h.of.reads, rd)
		}
	}
	return all
}

// during returns the era that an operation is in, or -1.
func during(all []*era, o op) int {
	i, _ := slices.BinarySearchFunc(all, o.inv, func(e *era, at int) int { return cmp.Compare(e.from, at) })
	if i--; o.res < all[i].to {
		return i
	}
	return none
}

// place puts a read into its era. If that began with a cut, what the cut left is
// what was there before.
func place(all []*era, rd reading) {
	i := during(all, rd.op)
	if i < 0 {
		return
	}
	all[i].reads = append(all[i].reads, rd)
	all[i].own++
	if by := all[i].by; by != nil && by.Invoke.F == "cut" {
		rd.limit = by.keep
		rd.ids = rd.ids[:min(len(rd.ids), rd.limit)]
		all[i-1].reads = append(all[i-1].reads, rd)
	}
}

// heir is what a file is that was moved: that of an era, after the move.
type heir struct {
	of *era
	by *change
}

// heirs returns by the name to which the file was moved the era that ended with
// that, if it is certain which one that is.
func (f *stream) heirs(all []*era) map[int32]heir {
	moves, heirs := map[int32]int{}, map[int32]heir{}
	for i := range f.changes {
		if c := &f.changes[i]; c.Invoke.F == "move" {
			moves[c.to]++
		}
	}
	for i, e := range all {
		if e.by != nil && e.by.Invoke.F == "move" && moves[e.by.to] == 1 {
			heirs[e.by.to] = heir{all[i-1], e.by}
		}
	}
	return heirs
}

// begun returns the records whose appends began in the era, in that order.
func (f *era) begun() []int32 {
	at := func(id int32, at int) int { return cmp.Compare(f.records[id].append.inv, at) }
	i, _ := slices.BinarySearchFunc(f.appends, f.from, at)
	j, _ := slices.BinarySearchFunc(f.appends, f.to, at)
	return f.appends[i:max(i, j)]
}

// done returns when it was certain that the file of the era has a record.
func (f *era) done(w *record) int {
	if a := w.append; !f.loose && a.inv > f.from && a.res < f.to {
		return a.res
	}
	return never
}

// reader says who read the file, and under which name if that is another one.
func (f *era) reader(rd *reading) string {
	if rd.name == f.name {
		return f.who(rd.op)
	}
	return f.who(rd.op) + ", under the name " + checkers.KeyName(rd.Invoke.Key) + ","
}

// taken is that a change took a record away, which was there before.
type taken struct {
	by     *change
	before op // the append, or a read
}

// revived finds records that are read after a change took them away.
func (f *stream) revived(all []*era) {
	gone := map[int32]taken{}
	for i := range all[:len(all)-1] {
		if by := all[i+1].by; by != nil && by.ok() {
			all[i].take(by, gone)
		}
	}
	if len(gone) == 0 {
		return
	}
	for i := range f.shown {
		rd := &f.shown[i]
		if rd.name != f.name {
			continue
		}
		for _, id := range rd.ids {
			if g, was := gone[id]; was && g.by.res < rd.inv {
				f.back(id, g, rd)
			}
		}
	}
}

// take notes what the change takes away with which the era ends.
func (f *era) take(by *change, gone map[int32]taken) {
	kept := map[int32]bool{}
	note := func(id int32, before op) {
		if _, was := gone[id]; !was && !kept[id] {
			gone[id] = taken{by, before}
		}
	}
	var longest reading
	for _, rd := range f.reads[:f.own] {
		if len(rd.ids) > len(longest.ids) {
			longest = rd
		}
	}
	for i, id := range longest.ids {
		if i < by.keep {
			kept[id] = true
		} else {
			note(id, longest.op)
		}
	}
	if by.keep > 0 {
		return
	}
	for _, id := range f.begun() {
		if a := f.records[id].append; a.ok() && a.res < f.to {
			note(id, a)
		}
	}
}

func (f *stream) back(id int32, g taken, rd *reading) {
	how := fmt.Sprintf("%s appended %s, which was ok", f.who(g.before), f.title(id))
	if g.before.Invoke.F == "read" {
		how = fmt.Sprintf("%s read %s", f.who(g.before), f.title(id))
	}
	what := "the " + g.by.Invoke.F
	if g.by.Invoke.F == "cut" {
		what = fmt.Sprintf("the cut to %d records", g.by.keep)
	}
	f.book.Add(rules.Finding{Rule: RevivedRecord, Key: f.key, Item: f.title(id), Ops: []int{g.before.inv, g.by.inv, rd.inv},
		Edges: []checkers.Edge{f.rt(g.before, g.by.op, f.key), f.rt(g.by.op, rd.op, f.key)},
		Why: fmt.Sprintf("%s by %s; after that, %s by %s took it away, and was ok by %s; after that, %s read it",
			how, f.end(g.before), what, f.who(g.by.op), f.end(g.by.op), f.who(rd.op))})
}
