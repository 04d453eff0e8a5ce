package streams

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// isWatch confirms a claim about watches; see the package comment.
func isWatch(c *claim.Claim) error {
	if len(c.Parameters) > 0 {
		return fmt.Errorf("watch has no parameters")
	}
	return c.ByRules(func(ops []*claim.Op) (*claim.Ruling, error) {
		w := &watches{Ruling: claim.NewRuling(), known: map[string][]*change{}, at: map[keyAt]*change{}, sole: map[int64]*claim.Op{}, tried: map[string][]*claim.Op{}}
		return w.Ruling, w.judge(ops)
	})
}

type keyAt struct {
	key      string
	revision int64
}

type change struct {
	keyAt
	deleted            bool
	value, prev        history.Value
	created, wasCreate bool // wasCreate: somebody said whether it was created
	by                 *claim.Op
}

type watches struct {
	*claim.Ruling
	known map[string][]*change
	keys  []string
	at    map[keyAt]*change
	sole  map[int64]*claim.Op // by revision, the operation that was ok and made it
	acked []*change           // of each such operation the first
	tried map[string][]*claim.Op
	wrote bool
	feeds []*feed
}

type feed struct {
	*claim.Op
	from, mark, first int64
	low, end          string
	prefix            bool
	events            []*change
	response          []int // by event
	bookmarks         [][2]int64
}

func (w *watches) judge(ops []*claim.Op) error {
	for _, o := range ops {
		var err error
		switch o.Invoke.F {
		case "put", "delete":
			v := o.Invoke.Value
			err = w.write(o, []*change{{keyAt: keyAt{key: claim.TextOf(v.Get("key"))}, deleted: o.Invoke.F == "delete", value: v.Get("value")}})
		case "txn":
			var list []*change
			for _, v := range o.Invoke.Value.Get("ops").Elems() {
				list = append(list, &change{keyAt: keyAt{key: claim.TextOf(v.Get("key"))}, deleted: v.Get("type").Text() == "delete", value: v.Get("value")})
			}
			err = w.write(o, list)
		case "watch":
			if o.Happened() {
				err = w.watch(o)
			}
		}
		if err != nil {
			return err
		}
	}
	for key, list := range w.known {
		w.keys = append(w.keys, key)
		slices.SortFunc(list, func(a, b *change) int { return cmp.Compare(a.revision, b.revision) })
	}
	slices.Sort(w.keys)
	w.realtime()
	for _, f := range w.feeds {
		w.events(f)
		w.sequence(f)
		w.gaps(f)
		w.before(f)
	}
	return nil
}

func (w *watches) write(o *claim.Op, list []*change) error {
	if o.Invoke.Value.Kind() != history.KindMap {
		return fmt.Errorf("index %d: %v is no change", o.Inv, o.Invoke.Value)
	}
	w.wrote = true
	revision, ok := o.Value().Get("revision").Int()
	ok = ok && o.Happened()
	for i, c := range list {
		if slices.ContainsFunc(list[i+1:], func(later *change) bool { return later.key == c.key }) {
			continue
		}
		c.by, c.revision = o, revision
		if c.deleted {
			c.value = history.Nil
		}
		w.tried[c.id()] = append(w.tried[c.id()], o)
		if ok {
			w.learn(c)
		}
	}
	if ok && len(list) > 0 {
		w.acked = append(w.acked, &change{keyAt: keyAt{list[0].key, revision}, by: o})
		w.sole[revision] = o
	}
	return nil
}

func (c *change) id() string {
	if c.deleted {
		return c.key
	}
	return c.key + "=" + claim.Identity(c.value)
}

func (w *watches) watch(o *claim.Op) error {
	asked := o.Invoke.Value
	f := &feed{Op: o, low: claim.TextOf(asked.Get("key")), end: claim.TextOf(asked.Get("end")), first: math.MaxInt64}
	if asked.Get("key").IsAbsent() {
		f.prefix, f.low = true, claim.TextOf(asked.Get("prefix"))
	}
	f.from, _ = asked.Get("from").Int()
	for n, r := range o.Complete.Value.Get("responses").Elems() {
		for _, e := range r.Get("events").Elems() {
			revision, ok := e.Get("revision").Int()
			kind := e.Get("type").Text()
			if !ok || kind != "put" && kind != "delete" {
				return fmt.Errorf("index %d: %v is no event", o.Inv, e)
			}
			c := &change{keyAt: keyAt{claim.TextOf(e.Get("key")), revision}, deleted: kind == "delete", value: e.Get("value"), prev: e.Get("prev"), by: o}
			c.created, c.wasCreate = e.Get("create").Bool()
			if c.deleted {
				c.value = history.Nil
			}
			f.events, f.response = append(f.events, c), append(f.response, n)
			f.mark, f.first = max(f.mark, revision), min(f.first, revision)
			w.learn(c)
		}
		if p, ok := r.Get("progress").Int(); ok {
			f.bookmarks = append(f.bookmarks, [2]int64{p, int64(len(f.events))})
			f.mark = max(f.mark, p)
		}
	}
	w.Judged += len(f.events) + len(f.bookmarks)
	w.feeds = append(w.feeds, f)
	return nil
}

func (f *feed) wants(key string) bool {
	if f.prefix {
		return strings.HasPrefix(key, f.low)
	}
	return key == f.low && f.end == "" || key >= f.low && key < f.end
}

// learn: a conflicting-event is another account of the same key at the same revision.
func (w *watches) learn(c *change) {
	old := w.at[c.keyAt]
	if old == nil {
		first := *c
		w.at[c.keyAt] = &first
		w.known[c.key] = append(w.known[c.key], &first)
		return
	}
	said := !old.prev.IsAbsent() && !c.prev.IsAbsent()
	if old.deleted != c.deleted || !claim.SameValue(old.value, c.value) || said && !claim.SameValue(old.prev, c.prev) || old.wasCreate && c.wasCreate && old.created != c.created {
		w.Note("conflicting-event", c.key)
	}
	if old.prev.IsAbsent() {
		old.prev = c.prev
	}
	if !old.wasCreate {
		old.wasCreate, old.created = c.wasCreate, c.created
	}
}

// realtime, revision-order: what began after something else was done has a higher
// revision.
func (w *watches) realtime() {
	ended := slices.Clone(w.acked)
	slices.SortFunc(ended, func(a, b *change) int { return cmp.Compare(a.by.Res, b.by.Res) })
	highest := int64(math.MinInt64)
	for _, c := range w.acked {
		for ; len(ended) > 0 && ended[0].by.Before(c.by); ended = ended[1:] {
			highest = max(highest, ended[0].revision)
		}
		if highest >= c.revision {
			w.Note("revision-order", c.key)
		}
	}
}

// events: an unfiltered-event was not asked for, an early-event is from before the
// first revision that was, and what a phantom-event says nobody can have done by then.
func (w *watches) events(f *feed) {
	for _, e := range f.events {
		if !f.wants(e.key) {
			w.Note("unfiltered-event", e.key)
		}
		if e.revision < f.from {
			w.Note("early-event", e.key)
		}
		if w.wrote && !slices.ContainsFunc(w.tried[e.id()], func(o *claim.Op) bool { return !o.Failed() && o.Inv < f.Res }) {
			w.Note("phantom-event", e.key)
		}
	}
}

// sequence: revisions do not go back (unordered-event), do not go on in another response
// (split-revision), and have a key once (duplicate-event). After a bookmark come only
// higher revisions and bookmarks that are no lower, and never one below an event
// (broken-bookmark).
func (w *watches) sequence(f *feed) {
	seen, in := map[keyAt]bool{}, map[int64]int{}
	highest, bookmark := int64(math.MinInt64), int64(math.MinInt64)
	left := f.bookmarks
	for i := 0; i <= len(f.events); i++ {
		for ; len(left) > 0 && left[0][1] == int64(i); left = left[1:] {
			if left[0][0] < max(highest, bookmark) {
				w.Note("broken-bookmark", "")
			}
			bookmark = max(bookmark, left[0][0])
		}
		if i == len(f.events) {
			return
		}
		e, n := f.events[i], f.response[i]+1
		if e.revision < highest {
			w.Note("unordered-event", e.key)
		} else if in[e.revision] > 0 && in[e.revision] != n {
			w.Note("split-revision", e.key)
		}
		if seen[e.keyAt] {
			w.Note("duplicate-event", e.key)
		}
		if e.revision <= bookmark {
			w.Note("broken-bookmark", e.key)
		}
		seen[e.keyAt], in[e.revision], highest = true, n, max(highest, e.revision)
	}
}

// gaps: a known change between the first revision asked for, or that came, and the mark
// is not there. It is a torn-revision if something else of its revision is, not-resumed
// if it is before the first event, and else a missed-event.
func (w *watches) gaps(f *feed) {
	have, revisions := map[keyAt]bool{}, map[int64]bool{}
	last := int64(0)
	for _, e := range f.events {
		have[e.keyAt], revisions[e.revision] = true, true
		last = max(last, e.revision)
	}
	from := f.from
	if from <= 0 {
		from = f.first
	}
	for i := sort.SearchStrings(w.keys, f.low); i < len(w.keys) && f.wants(w.keys[i]); i++ {
		list := w.known[w.keys[i]]
		for n := sort.Search(len(list), func(n int) bool { return list[n].revision >= from }); n < len(list) && list[n].revision <= f.mark; n++ {
			c := list[n]
			switch {
			case have[c.keyAt]:
			case revisions[c.revision]:
				w.Note("torn-revision", c.key)
			case c.revision < f.first && c.revision <= last:
				w.Note("not-resumed", c.key)
			default:
				w.Note("missed-event", c.key)
			}
		}
	}
}

// before: wrong-prev and wrong-create, by the event before of the same key in the watch.
// For the first of a key in a watch from revision 1 there is none; in others it is what
// the operations did that made the revisions before it, if these are known one by one,
// up to 63 of them.
func (w *watches) before(f *feed) {
	last := map[string]*change{}
	for _, e := range f.events {
		old := last[e.key]
		last[e.key] = e
		if old == nil && f.from == 1 {
			old = &change{deleted: true, value: history.Nil}
		}
		for r := e.revision - 1; old == nil && r > 0 && r > e.revision-64 && w.sole[r] != nil; r-- {
			if c := w.at[keyAt{e.key, r}]; c != nil && c.by == w.sole[r] {
				old = c
			}
		}
		if old == nil || old.revision >= e.revision || !f.wants(e.key) {
			continue
		}
		if e.wasCreate && !e.deleted && e.created != old.deleted {
			w.Note("wrong-create", e.key)
		}
		if !e.prev.IsAbsent() && !claim.SameValue(e.prev, old.value) {
			w.Note("wrong-prev", e.key)
		}
	}
}
