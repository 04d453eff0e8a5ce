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
// that what comes before the final phase has only to show what was appended. So has
// what ends after a remove of the file began.
// Evidence is needed for invalid only; see roles.go.
func appends(c *claim.Claim) error {
	t := &streams{durable: c.Parameters["durable"] == "true", files: map[string]*streamFile{}}
	for i := range c.Ops {
		if o := &c.Ops[i]; o.Invoke.F == "remove" {
			t.file(o).gone = min(t.file(o).gone, o.Inv)
		}
	}
	judged := 0
	for i := range c.Ops {
		o := &c.Ops[i]
		f := t.file(o)
		switch {
		case o.Invoke.F == "append":
			f.appends[idOf(o.Invoke.Value)] = o
			f.order = append(f.order, o)
		case behind(c, o), o.Happened() && o.Res > f.gone:
			f.behind = append(f.behind, o)
			judged++
		case o.Invoke.F == "sync" && o.Happened():
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
	return byRoles(c, t.rules(), t.hold)
}

// streams are files that grow.
type streams struct {
	durable bool
	files   map[string]*streamFile
}

type streamFile struct {
	appends map[string]*claim.Op // by record
	order   []*claim.Op          // appends in the order of invocation
	syncs   []*claim.Op
	reads   []*claim.Op
	behind  []*claim.Op
	gone    int // when the first remove began
}

func (t *streams) file(o *claim.Op) *streamFile {
	key := idOf(o.Invoke.Key)
	if t.files[key] == nil {
		t.files[key] = &streamFile{appends: map[string]*claim.Op{}, gone: claim.Never}
	}
	return t.files[key]
}

// records returns what a read got.
func records(o *claim.Op) []string {
	var list []string
	for _, v := range o.Complete.Value.Elems() {
		list = append(list, idOf(v))
	}
	return list
}

// place returns where a read has the record of an append, or -1.
func place(read, appended *claim.Op) int {
	return slices.Index(records(read), idOf(appended.Invoke.Value))
}

// rules: r and s are reads, a and b are appends of records of one file.
func (t *streams) rules() map[string]roleRule {
	shows := func(o *claim.Op) bool { return o.Invoke.F == "read" && o.Happened() }
	is := func(o *claim.Op, f string) bool {
		return o.Invoke.F == f && (f == "append" || o.Happened() && o.Res < t.file(o).gone)
	}
	same := func(ops []*claim.Op) bool {
		return !slices.ContainsFunc(ops, func(o *claim.Op) bool { return idOf(o.Invoke.Key) != idOf(ops[0].Invoke.Key) })
	}
	inOrder := func(o []*claim.Op) bool { // a, b, r
		return is(o[0], "append") && is(o[1], "append") && is(o[2], "read") && same(o) && o[0].Happened() && o[0].Before(o[1]) && place(o[2], o[1]) >= 0
	}
	return map[string]roleRule{
		"lost-record": {3, func(o []*claim.Op, _ string) bool { // a, the sync, r; a again if it needs no sync
			synced := is(o[1], "sync") && o[0].Before(o[1]) || t.durable && o[0] == o[1]
			return is(o[0], "append") && is(o[2], "read") && same(o) && o[0].Happened() && synced && o[1].Before(o[2]) && place(o[2], o[0]) < 0
		}},
		"lost-length": {2, func(o []*claim.Op, _ string) bool { // the sync, then r or another sync
			if !is(o[0], "sync") || !is(o[1], "read") && !is(o[1], "sync") {
				return false
			}
			n, told := o[0].Complete.Value.Int()
			later, has := int64(len(records(o[1]))), true
			if o[1].Invoke.F == "sync" {
				later, has = o[1].Complete.Value.Int()
			}
			return same(o) && told && has && o[0].Before(o[1]) && later < n
		}},
		"short-sync": {4, func(o []*claim.Op, _ string) bool { // a, a sync or a again as above, the sync that says less, r
			durable := is(o[1], "sync") && o[0].Before(o[1]) || t.durable && o[0] == o[1]
			if !durable || !is(o[0], "append") || !o[0].Happened() || !is(o[2], "sync") || !is(o[3], "read") {
				return false
			}
			n, told := o[2].Complete.Value.Int()
			return same(o) && told && o[1].Before(o[2]) && n <= int64(place(o[3], o[0]))
		}},
		"diverged": {2, func(o []*claim.Op, _ string) bool { // r, s
			return is(o[0], "read") && is(o[1], "read") && same(o) && !beginning(records(o[0]), records(o[1])) && !beginning(records(o[1]), records(o[0]))
		}},
		"gap":       {3, func(o []*claim.Op, _ string) bool { return inOrder(o) && place(o[2], o[0]) < 0 }},
		"reordered": {3, func(o []*claim.Op, _ string) bool { return inOrder(o) && place(o[2], o[0]) > place(o[2], o[1]) }},
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

// hold confirms that no rule is broken: every read is a beginning of the longest,
// which has the appends in their order and lacks none, and each is long enough.
func (t *streams) hold() error {
	for _, f := range t.files {
		if err := f.origin(); err != nil {
			return err
		}
		var longest []string
		if len(f.reads) > 0 {
			longest = records(slices.MaxFunc(f.reads, func(a, b *claim.Op) int {
				return cmp.Compare(len(a.Complete.Value.Elems()), len(b.Complete.Value.Elems()))
			}))
		}
		at := make(map[string]int)
		for i, id := range longest {
			at[id] = i
		}
		for _, r := range f.reads {
			if !beginning(records(r), longest) {
				return fmt.Errorf("the read at %d is no beginning of the longest", r.Inv)
			}
		}
		if err := f.appended(longest, at); err != nil {
			return err
		}
		if err := f.longEnough(at, t.durable); err != nil {
			return err
		}
	}
	return nil
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
func (f *streamFile) appended(longest []string, at map[string]int) error {
	latest := -1 // of the records so far, when the append that began last began
	for _, id := range longest {
		if f.appends[id].Res < latest {
			return fmt.Errorf("record %s is behind one that was appended later", plainID(id))
		}
		latest = max(latest, f.appends[id].Inv)
	}
	for _, a := range f.order {
		if _, has := at[idOf(a.Invoke.Value)]; !has && a.Happened() && a.Res < latest {
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
func (f *streamFile) longEnough(at map[string]int, durable bool) error {
	var bounds []bound
	var done []*claim.Op
	var deepest bound
	long := func(a *claim.Op) bound {
		if i, has := at[idOf(a.Invoke.Value)]; has {
			return bound{a.Res, int64(i) + 1, int64(i) + 1}
		}
		return bound{a.Res, claim.Never, 0}
	}
	for _, a := range f.order {
		if a.Happened() {
			done = append(done, a)
		}
	}
	slices.SortFunc(done, func(a, b *claim.Op) int { return cmp.Compare(a.Res, b.Res) })
	for _, a := range done {
		if durable {
			bounds = append(bounds, long(a))
		}
	}
	for _, s := range f.syncs {
		for ; len(done) > 0 && done[0].Before(s); done = done[1:] {
			b := long(done[0])
			deepest.length, deepest.known = max(deepest.length, b.length), max(deepest.known, b.known)
		}
		n, _ := s.Complete.Value.Int()
		bounds = append(bounds, bound{s.Res, max(n, deepest.length), max(n, deepest.known)})
	}
	slices.SortFunc(bounds, func(a, b bound) int { return cmp.Compare(a.from, b.from) })
	var need bound
	asked := slices.Concat(f.reads, f.syncs)
	slices.SortFunc(asked, func(a, b *claim.Op) int { return cmp.Compare(a.Inv, b.Inv) })
	for _, o := range asked {
		for ; len(bounds) > 0 && bounds[0].from < o.Inv; bounds = bounds[1:] {
			need.length, need.known = max(need.length, bounds[0].length), max(need.known, bounds[0].known)
		}
		n, said := o.Complete.Value.Int()
		if o.Invoke.F == "read" && int64(len(o.Complete.Value.Elems())) < need.length || o.Invoke.F == "sync" && said && n < need.known {
			return fmt.Errorf("the %s at %d is too short", o.Invoke.F, o.Inv)
		}
	}
	return nil
}
