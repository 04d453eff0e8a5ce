package files

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// content is one file as a register of tags.
type content struct {
	*scribe
	key  string
	tags intern.Table
	of   []tag // by number
	seen []op  // reads
}

// tag is a content with the operations on it. All of them are next to each other
// in an order that explains the history; so a tag comes before another if some
// operation on it ended before some operation on the other began.
type tag struct {
	writer  op // Invoke is nil if nobody wrote it
	touched bool
	first   op // the operation on it that ended first
	last    op // the operation on it that began last
}

func (t *tag) touch(o op) {
	if !t.touched || o.res < t.first.res {
		t.first = o
	}
	if !t.touched || o.inv > t.last.inv {
		t.last = o
	}
	t.touched = true
}

// forward reports whether the tag was there for all of a time: from the end of
// its first operation to the beginning of its last one.
func (t *tag) forward() bool { return t.first.res < t.last.inv }

func (f *content) tag(v history.Value) *tag {
	id := f.tags.ID(v)
	if int(id) == len(f.of) {
		f.of = append(f.of, tag{})
	}
	return &f.of[id]
}

func (f *content) call(c history.Call, r *Report) error {
	o := opOf(c)
	if c.Invoke.F == "read" {
		if o.ok() {
			r.Reads++
			f.seen = append(f.seen, o)
		}
		return nil
	}
	if c.Invoke.Value.IsNil() {
		return fmt.Errorf("index %d: a write has to have a tag", o.inv)
	}
	t := f.tag(c.Invoke.Value)
	if t.writer.Invoke != nil {
		return fmt.Errorf("index %d: tag %v was written before, at index %d: tags have to be unique", o.inv, c.Invoke.Value, t.writer.inv)
	}
	t.writer = o
	if o.ok() {
		r.Writes++
	}
	return nil
}

// judge finds what no order of writes and reads explains.
func (f *content) judge() {
	var empty tag
	for _, o := range f.seen {
		v := o.Complete.Value
		if v.IsNil() {
			if !f.behind(o) {
				empty.touch(o)
			}
			continue
		}
		switch t := f.tag(v); {
		case t.writer.Invoke == nil:
			f.add(ThinAirRead, f.key, "", fmt.Sprintf("%s read %v, which nobody wrote", f.who(o), v), o)
		case t.writer.failed():
			f.add(DirtyRead, f.key, "", fmt.Sprintf("%s read %v, but the write of it, by %s, failed", f.who(o), v, f.who(t.writer)), t.writer, o)
		case o.res < t.writer.inv:
			f.add(FutureRead, f.key, "", fmt.Sprintf("%s read %v and had it by %s, but the write of it, by %s, had not begun", f.who(o), v, f.end(o), f.who(t.writer)), o, t.writer)
		case !f.behind(o):
			t.touch(o)
		}
	}
	var zones []*tag
	for i := range f.of {
		if t := &f.of[i]; t.writer.Invoke != nil && !t.writer.failed() && (t.touched || t.writer.ok()) {
			t.touch(t.writer)
			zones = append(zones, t)
		}
	}
	f.conflicts(zones, &empty)
}

// conflicts finds two tags that each have to come before the other: times at
// which two of them were there overlap, or one came and went within such a time.
func (f *content) conflicts(zones []*tag, empty *tag) {
	slices.SortFunc(zones, func(a, b *tag) int { return cmp.Compare(a.first.res, b.first.res) })
	var forward []*tag
	for _, t := range zones {
		if empty.touched && t.first.res < empty.last.inv {
			f.empty(t.first, empty.last)
		}
		if !t.forward() {
			continue
		}
		if n := len(forward); n > 0 && t.first.res < forward[n-1].last.inv {
			f.stale(forward[n-1], t)
			if t.last.inv < forward[n-1].last.inv {
				continue
			}
		}
		forward = append(forward, t)
	}
	for _, t := range zones {
		if t.forward() {
			continue
		}
		i, _ := slices.BinarySearchFunc(forward, t.last.inv, func(z *tag, at int) int { return cmp.Compare(z.first.res, at) })
		if i > 0 && t.first.res < forward[i-1].last.inv {
			f.stale(forward[i-1], t)
		}
	}
}

// empty notes that a read found nothing after an operation on a tag had ended.
func (f *content) empty(o, read op) {
	f.book.Add(rules.Finding{Rule: EmptyRead, Key: f.key, Ops: []int{o.inv, read.inv}, Edges: []checkers.Edge{f.rt(o, read, f.key)},
		Why: fmt.Sprintf("%s; after that, %s read the file and found it empty", f.did(o), f.who(read))})
}

// stale notes that each of two tags has to come before the other.
func (f *content) stale(a, b *tag) {
	f.book.Add(rules.Finding{Rule: StaleRead, Key: f.key, Ops: []int{a.first.inv, b.last.inv, b.first.inv, a.last.inv},
		Edges: []checkers.Edge{f.rt(a.first, b.last, f.key), f.rt(b.first, a.last, f.key)},
		Why: fmt.Sprintf("%s, before %s: so the one content came before the other; but %s, before %s: so the other came before the one",
			f.did(a.first), f.did(b.last), f.did(b.first), f.did(a.last))})
}

// did says what an operation shows: "process 1 at 3 ms read 7, by 4 ms".
func (f *content) did(o op) string {
	what := fmt.Sprintf("%s wrote %v", f.who(o), o.Invoke.Value)
	if o.Invoke.F == "read" {
		what = fmt.Sprintf("%s read %v", f.who(o), o.Complete.Value)
	}
	if o.res != never {
		what += " and closed the file by " + f.end(o)
	}
	return what
}
