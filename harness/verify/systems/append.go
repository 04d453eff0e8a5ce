package systems

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// appends confirms that files that grow keep or break the rules of streams: what
// readers see is a beginning of what was appended, and what was durable stays.
// The parameter durable says that an append is durable when it is ok, eventual
// that what comes before the final phase has only to show what was appended. Files
// that are removed, cut and moved are judged era by era, see appenderas.go.
// Evidence is needed for invalid only; see roles.go.
func appends(c *claim.Claim) error {
	t := &streams{durable: c.Parameters["durable"] == "true", files: map[string]*streamFile{}, from: map[string]string{}}
	for i := range c.Ops {
		if o := &c.Ops[i]; o.Invoke.F == "move" {
			t.from[idOf(o.Invoke.Value)] = idOf(o.Invoke.Key)
		}
	}
	judged := 0
	for i := range c.Ops {
		o := &c.Ops[i]
		f := t.file(o)
		switch {
		case (o.Invoke.F == "remove" || o.Invoke.F == "cut" || o.Invoke.F == "move") && !o.Failed():
			f.changes = append(f.changes, o)
		case o.Invoke.F == "append":
			f.appends[idOf(o.Invoke.Value)] = o
			f.order = append(f.order, o)
		case behind(c, o):
			f.behind = append(f.behind, o)
			judged++
		case o.Invoke.F == "sync" && o.Happened() && t.own(o):
			f.syncs = append(f.syncs, o)
			judged++
		case o.Invoke.F == "read" && o.Happened():
			f.reads = append(f.reads, o)
			judged++
		}
	}
	if judged == 0 {
		return fmt.Errorf("no file was read or synced")
	}
	for _, f := range t.files {
		f.divide()
	}
	return byRoles(c, t.rules(), t.hold)
}

// streams are files that grow.
type streams struct {
	durable bool
	files   map[string]*streamFile
	from    map[string]string // by the name to which a file is moved: the one that it has before
}

type streamFile struct {
	appends map[string]*claim.Op // by record
	order   []*claim.Op          // appends in the order of invocation
	syncs   []*claim.Op
	reads   []*claim.Op
	behind  []*claim.Op
	changes []*claim.Op // removes, cuts and moves that may have happened
	eras    []era
}

// name returns the name that the file of an operation has before it is moved.
func (t *streams) name(o *claim.Op) string {
	name := idOf(o.Invoke.Key)
	if from, moved := t.from[name]; moved {
		return from
	}
	return name
}

// own reports whether an operation is on a file under the name that it has at first.
func (t *streams) own(o *claim.Op) bool { return t.name(o) == idOf(o.Invoke.Key) }

func (t *streams) file(o *claim.Op) *streamFile {
	name := t.name(o)
	if t.files[name] == nil {
		t.files[name] = &streamFile{appends: map[string]*claim.Op{}}
	}
	return t.files[name]
}

// records returns what a read got.
func records(o *claim.Op) []string {
	var list []string
	for _, v := range o.Complete.Value.Elems() {
		list = append(list, idOf(v))
	}
	return list
}

// rules: r and s are reads, a and b are appends of records of one file, in one era of it.
func (t *streams) rules() map[string]roleRule {
	shows := func(o *claim.Op) bool { return o.Invoke.F == "read" && o.Happened() }
	is := func(o *claim.Op, f string) bool { return o.Invoke.F == f && o.Happened() }
	return map[string]roleRule{
		"lost-record": {3, t.within(func(v view, o []*claim.Op) bool { // a, the sync, r; a again if it needs no sync
			synced := is(o[1], "sync") && o[0].Before(o[1]) || t.durable && o[0] == o[1]
			if !v.done(o[0]) || !is(o[2], "read") || !synced || !o[1].Before(o[2]) {
				return false
			}
			list, limit := v.read(o[2])
			return v.place(o[2], o[0]) < 0 && (len(list) < limit || limit == claim.Never)
		})},
		"lost-length": {2, t.within(func(v view, o []*claim.Op) bool { // the sync, then r or another sync
			if !is(o[0], "sync") || !is(o[1], "read") && !is(o[1], "sync") || !o[0].Before(o[1]) {
				return false
			}
			n, told := o[0].Complete.Value.Int()
			if is(o[1], "sync") {
				later, has := o[1].Complete.Value.Int()
				return told && has && later < n
			}
			list, limit := v.read(o[1])
			return told && int64(len(list)) < min(n, int64(limit))
		})},
		"short-sync": {4, t.within(func(v view, o []*claim.Op) bool { // a, a sync or a again as above, the sync that says less, r
			durable := is(o[1], "sync") && o[0].Before(o[1]) || t.durable && o[0] == o[1]
			if !durable || !v.done(o[0]) || !is(o[2], "sync") || !is(o[3], "read") {
				return false
			}
			n, told := o[2].Complete.Value.Int()
			return told && o[1].Before(o[2]) && n <= int64(v.place(o[3], o[0]))
		})},
		"diverged": {2, t.within(func(v view, o []*claim.Op) bool { // r, s
			if !is(o[0], "read") || !is(o[1], "read") {
				return false
			}
			r, _ := v.read(o[0])
			s, _ := v.read(o[1])
			return !beginning(r, s) && !beginning(s, r)
		})},
		"gap":       {3, t.within(func(v view, o []*claim.Op) bool { return v.inOrder(o) && v.place(o[2], o[0]) < 0 })},
		"reordered": {3, t.within(func(v view, o []*claim.Op) bool { return v.inOrder(o) && v.place(o[2], o[0]) > v.place(o[2], o[1]) })},
		"duplicate-record": {1, func(o []*claim.Op, item string) bool {
			return shows(o[0]) && len(having(o[0], item)) > 1
		}},
		"phantom-record": {1, func(o []*claim.Op, item string) bool {
			return shows(o[0]) && slices.ContainsFunc(having(o[0], item), func(id string) bool {
				a := t.file(o[0]).appends[id]
				return a == nil || a.Failed()
			})
		}},
		"premature-record": {2, func(o []*claim.Op, item string) bool { // r, a
			return shows(o[0]) && slices.ContainsFunc(having(o[0], item), func(id string) bool { return t.file(o[0]).appends[id] == o[1] && o[0].Before(o[1]) })
		}},
		"revived-record": {3, func(o []*claim.Op, item string) bool { // a or s, the change, r
			return shows(o[2]) && t.own(o[2]) && slices.ContainsFunc(having(o[2], item), func(id string) bool { return t.revived(o, id) })
		}},
	}
}

// having returns the records of a read that have a title.
func having(o *claim.Op, title string) []string {
	return slices.DeleteFunc(records(o), func(id string) bool { return plainID(id) != title })
}

// beginning reports whether a list begins with another.
func beginning(short, long []string) bool {
	return len(short) <= len(long) && slices.Equal(short, long[:len(short)])
}

// hold confirms that no rule is broken: in every era every read is a beginning of the
// longest, which has the appends in their order and lacks none, and each is long enough.
func (t *streams) hold() error {
	for _, f := range t.files {
		if err := f.origin(); err != nil {
			return err
		}
		for _, v := range t.views(f) {
			if err := v.hold(t.durable); err != nil {
				return err
			}
		}
		if err := t.goneForGood(f); err != nil {
			return err
		}
	}
	return nil
}

// hold confirms that no rule is broken in an era.
func (v *view) hold(durable bool) error {
	var longest []string
	for _, r := range v.reads {
		if list, _ := v.read(r); len(list) > len(longest) {
			longest = list
		}
	}
	at := make(map[string]int)
	for i, id := range longest {
		at[id] = i
	}
	for _, r := range v.reads {
		if list, _ := v.read(r); !beginning(list, longest) {
			return fmt.Errorf("the read at %d is no beginning of the longest", r.Inv)
		}
	}
	if err := v.appended(longest, at); err != nil {
		return err
	}
	return v.longEnough(at, durable)
}

// origin confirms that every record that was read was appended, and is once in a read.
func (f *streamFile) origin() error {
	for _, r := range slices.Concat(f.reads, f.behind) {
		if r.Invoke.F != "read" {
			continue
		}
		seen := make(map[string]bool)
		for _, id := range records(r) {
			if a := f.appends[id]; a == nil || a.Failed() || r.Before(a) {
				return fmt.Errorf("the read at %d has %s, which nobody can have appended", r.Inv, plainID(id))
			}
			if seen[id] {
				return fmt.Errorf("record %s is twice in a read", plainID(id))
			}
			seen[id] = true
		}
	}
	return nil
}

// appended confirms the order of the longest read.
func (v *view) appended(longest []string, at map[string]int) error {
	latest := -1 // of the records so far, when the append that began last began
	for _, id := range longest {
		a := v.file.appends[id]
		if v.done(a) && a.Res < latest {
			return fmt.Errorf("record %s is behind one that was appended later", plainID(id))
		}
		latest = max(latest, a.Inv)
	}
	for _, a := range v.file.order {
		if _, has := at[idOf(a.Invoke.Value)]; !has && v.done(a) && a.Res < latest {
			return fmt.Errorf("the record of index %d is missing between others", a.Inv)
		}
	}
	return nil
}

// bound is how long a file is from an event on: for reads, and as far as it is known
// where in the file the last record is.
type bound struct {
	from          int
	length, known int64
}

// longEnough confirms that each read has what was durable when it began, and that no
// sync says less.
func (v *view) longEnough(at map[string]int, durable bool) error {
	var bounds []bound
	var done []*claim.Op
	var deepest bound
	long := func(a *claim.Op) bound {
		if i, has := at[idOf(a.Invoke.Value)]; has {
			return bound{a.Res, int64(i) + 1, int64(i) + 1}
		}
		return bound{a.Res, claim.Never, 0}
	}
	for _, a := range v.file.order {
		if v.done(a) {
			done = append(done, a)
		}
	}
	slices.SortFunc(done, func(a, b *claim.Op) int { return cmp.Compare(a.Res, b.Res) })
	for _, a := range done {
		if durable {
			bounds = append(bounds, long(a))
		}
	}
	for _, s := range v.syncs {
		for ; len(done) > 0 && done[0].Before(s); done = done[1:] {
			b := long(done[0])
			deepest.length, deepest.known = max(deepest.length, b.length), max(deepest.known, b.known)
		}
		n, _ := s.Complete.Value.Int()
		bounds = append(bounds, bound{s.Res, max(n, deepest.length), max(n, deepest.known)})
	}
	slices.SortFunc(bounds, func(a, b bound) int { return cmp.Compare(a.from, b.from) })
	var need bound
	asked := slices.Concat(v.reads, v.syncs)
	slices.SortFunc(asked, func(a, b *claim.Op) int { return cmp.Compare(a.Inv, b.Inv) })
	for _, o := range asked {
		for ; len(bounds) > 0 && bounds[0].from < o.Inv; bounds = bounds[1:] {
			need.length, need.known = max(need.length, bounds[0].length), max(need.known, bounds[0].known)
		}
		n, said := o.Complete.Value.Int()
		short := said && n < need.known
		if o.Invoke.F == "read" {
			list, limit := v.read(o)
			short = int64(len(list)) < min(need.length, int64(limit))
		}
		if short {
			return fmt.Errorf("the %s at %d is too short", o.Invoke.F, o.Inv)
		}
	}
	return nil
}
