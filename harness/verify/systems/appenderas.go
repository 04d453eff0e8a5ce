package systems

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// era is the time between two changes of a file, or between times at which there are
// several. A change is a remove, a cut to so many records, or a move, after which
// the file is read under another name.
type era struct {
	from, to   int
	begun, end *claim.Op // the one change that it begins or ends with, nil if there are more or none
	loose      bool      // a remove began before, so an append may be to what nobody can read
}

// divide finds the eras of a file. A change of unknown outcome never ends.
func (f *streamFile) divide() {
	f.eras = []era{{from: -1, to: claim.Never}}
	loose := false
	for i := 0; i < len(f.changes); {
		first := f.changes[i]
		from, only := -1, first
		for ; i < len(f.changes) && (f.changes[i] == first || f.changes[i].Inv < from); i++ {
			if f.changes[i] != first {
				only = nil
			}
			from = max(from, f.changes[i].Res)
			loose = loose || f.changes[i].Invoke.F == "remove"
		}
		last := &f.eras[len(f.eras)-1]
		last.to, last.end = first.Inv, only
		f.eras = append(f.eras, era{from: from, to: claim.Never, begun: only, loose: loose})
	}
}

// kept returns how many records a change leaves under the name.
func kept(change *claim.Op) int64 {
	if change.Invoke.F != "cut" {
		return 0
	}
	n, _ := change.Invoke.Value.Int()
	return n
}

// view is an era of a file, with what was read of it then or later.
type view struct {
	era
	file  *streamFile
	syncs []*claim.Op
	reads []*claim.Op
	cuts  map[*claim.Op]int // after so many records, what a read shows is not of the era
}

// views returns the eras of a file with what belongs to them.
func (t *streams) views(f *streamFile) []*view {
	var all []*view
	for _, e := range f.eras {
		v := &view{era: e, file: f, cuts: map[*claim.Op]int{}}
		for _, s := range f.syncs {
			if e.has(s) {
				v.syncs = append(v.syncs, s)
			}
		}
		all = append(all, v)
	}
	for _, r := range f.reads {
		for i, v := range all {
			switch {
			case !t.own(r):
				if t.moved(f, &v.era, r) {
					v.reads = append(v.reads, r)
				}
			case v.has(r):
				v.reads = append(v.reads, r)
				if v.begun != nil && v.begun.Invoke.F == "cut" {
					before := all[i-1]
					before.reads, before.cuts[r] = append(before.reads, r), int(kept(v.begun))
				}
			}
		}
	}
	return all
}

// has reports whether an operation was in the era from beginning to end.
func (e *era) has(o *claim.Op) bool { return o.Inv > e.from && o.Res < e.to }

// moved reports whether a read under a new name is of the file of an era: that ended
// with the only move to it, before the read began.
func (t *streams) moved(f *streamFile, e *era, r *claim.Op) bool {
	to := func(c *claim.Op) bool {
		return c.Invoke.F == "move" && idOf(c.Invoke.Value) == idOf(r.Invoke.Key)
	}
	if e.end == nil || !to(e.end) || !e.end.Before(r) {
		return false
	}
	return len(slices.DeleteFunc(slices.Clone(f.changes), func(c *claim.Op) bool { return !to(c) })) == 1
}

// read returns the records of the era that a read shows, and how many it can show.
func (v *view) read(r *claim.Op) (list []string, limit int) {
	list = records(r)
	limit, cut := v.cuts[r]
	if !cut {
		return list, claim.Never
	}
	return list[:min(len(list), limit)], limit
}

// place returns where a read has the record of an append, or -1.
func (v *view) place(read, appended *claim.Op) int {
	list, _ := v.read(read)
	return slices.Index(list, idOf(appended.Invoke.Value))
}

// done reports whether an append certainly added to the file of the era.
func (v *view) done(a *claim.Op) bool {
	return a.Invoke.F == "append" && a.Happened() && v.has(a) && !v.loose
}

// inOrder reports whether of two appends and a read, which has the second, the first
// was done before the second began.
func (v *view) inOrder(o []*claim.Op) bool {
	b := o[1].Invoke.F == "append" && o[2].Invoke.F == "read" && o[2].Happened()
	return b && v.done(o[0]) && o[0].Before(o[1]) && v.place(o[2], o[1]) >= 0
}

// within is a rule that operations break which are on one file, and whose reads and
// syncs belong to one era of it.
func (t *streams) within(broken func(v view, o []*claim.Op) bool) func([]*claim.Op, string) bool {
	return func(o []*claim.Op, _ string) bool {
		for _, p := range o {
			if t.name(p) != t.name(o[0]) || p.Invoke.F == "append" && t.file(p).appends[idOf(p.Invoke.Value)] != p {
				return false
			}
		}
		return slices.ContainsFunc(t.views(t.file(o[0])), func(v *view) bool {
			return broken(*v, o) && !slices.ContainsFunc(o, func(p *claim.Op) bool {
				return p.Invoke.F == "read" && !slices.Contains(v.reads, p) || p.Invoke.F == "sync" && !slices.Contains(v.syncs, p)
			})
		})
	}
}

// revived reports whether a read has a record after a change took it away, which was
// there before, as an append or another read says.
func (t *streams) revived(o []*claim.Op, id string) bool {
	before, change, r := o[0], o[1], o[2]
	f := t.file(r)
	if t.file(before) != f || t.file(change) != f || !before.Happened() || !before.Before(change) || !change.Happened() || !change.Before(r) {
		return false
	}
	for _, v := range t.views(f) {
		if v.end != change {
			continue
		}
		if before.Invoke.F == "append" {
			return idOf(before.Invoke.Value) == id && kept(change) == 0 && before.Inv > v.from
		}
		return before.Invoke.F == "read" && t.own(before) && v.has(before) && int64(slices.Index(records(before), id)) >= kept(change)
	}
	return false
}

// goneForGood confirms that no read has what a change had taken away before.
func (t *streams) goneForGood(f *streamFile) error {
	gone := map[string]int{} // by record, since when
	for _, v := range t.views(f) {
		if v.end == nil || !v.end.Happened() {
			continue
		}
		note := func(id string) {
			if _, was := gone[id]; !was {
				gone[id] = v.end.Res
			}
		}
		for _, r := range v.reads {
			if list := records(r); t.own(r) && v.has(r) && int64(len(list)) > kept(v.end) {
				for _, id := range list[kept(v.end):] {
					note(id)
				}
			}
		}
		for _, a := range f.order {
			if kept(v.end) == 0 && a.Happened() && v.has(a) {
				note(idOf(a.Invoke.Value))
			}
		}
	}
	for _, r := range f.reads {
		for _, id := range records(r) {
			if since, was := gone[id]; was && t.own(r) && since < r.Inv {
				return fmt.Errorf("the read at %d has %s, which had been taken away", r.Inv, plainID(id))
			}
		}
	}
	return nil
}
