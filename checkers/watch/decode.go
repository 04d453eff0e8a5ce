package watch

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// change is what happened to a key at a revision.
type change struct {
	key      string
	revision int64
	deleted  bool
	value    history.Value
	prev     history.Value // absent if nobody said
	create   int           // 1 yes, -1 no, 0 if nobody said
	by       history.Call
	prevBy   history.Call // who said it, if that is another one
	createBy history.Call
}

// feed is a watch that was ok.
type feed struct {
	history.Call
	from        int64 // 0: from now on
	key, end    string
	prefix      bool
	parts       []part
	mark        int64 // everything up to here has to be there
	first, last int64 // revisions of events
}

// part is a response: events, or a bookmark.
type part struct {
	events   []change
	bookmark int64
}

// wants reports whether a watch asks for a key.
func (f *feed) wants(key string) bool {
	switch {
	case f.prefix:
		return strings.HasPrefix(key, f.key)
	case f.end != "":
		return key >= f.key && key < f.end
	default:
		return key == f.key
	}
}

// shape says what values have to look like.
const shape = "see the doc of the package watch for what it has to be"

// decode takes in a call.
func (j *judge) decode(c history.Call) error {
	var err error
	switch c.Invoke.F {
	case "put":
		err = j.write(c, []change{{key: checkers.KeyName(c.Invoke.Value.Get("key")), value: c.Invoke.Value.Get("value")}})
	case "delete":
		err = j.write(c, []change{{key: checkers.KeyName(c.Invoke.Value.Get("key")), deleted: true}})
	case "txn":
		var list []change
		for _, op := range c.Invoke.Value.Get("ops").Elems() {
			list = append(list, change{key: checkers.KeyName(op.Get("key")), value: op.Get("value"), deleted: op.Get("type").Text() == "delete"})
		}
		err = j.write(c, list)
	case "watch":
		if c.Type() == history.OK {
			err = j.watch(c)
		}
	}
	return err
}

// write takes in what a call changes, or may have changed.
func (j *judge) write(c history.Call, list []change) error {
	if c.Invoke.Value.Kind() != history.KindMap {
		return fmt.Errorf("index %d: the value of %s is %v; %s", c.Invoke.Index, c.Invoke.F, c.Invoke.Value, shape)
	}
	j.writes = append(j.writes, c)
	revision, ok := c.Value().Get("revision").Int()
	ok = ok && c.Type() == history.OK
	for i, w := range list {
		if slices.ContainsFunc(list[i+1:], func(later change) bool { return later.key == w.key }) {
			continue // the last one counts
		}
		w.by, w.revision = c, revision
		j.tried[w.id()] = append(j.tried[w.id()], c)
		if ok {
			j.learn(w)
		}
	}
	if ok && len(list) > 0 {
		j.acked = append(j.acked, change{key: list[0].key, by: c, revision: revision})
	}
	return nil
}

// id is what puts of the same value to the same key share.
func (w *change) id() string {
	if w.deleted {
		return w.key
	}
	return w.key + "=" + w.value.String()
}

// watch takes in what a watch returned.
func (j *judge) watch(c history.Call) error {
	asked := c.Invoke.Value
	f := &feed{Call: c, key: checkers.KeyName(asked.Get("key")), end: checkers.KeyName(asked.Get("end")), first: math.MaxInt64}
	if asked.Get("key").IsAbsent() {
		f.prefix, f.key = true, checkers.KeyName(asked.Get("prefix"))
	}
	f.from, _ = asked.Get("from").Int()
	for _, r := range c.Complete.Value.Get("responses").Elems() {
		p := part{bookmark: math.MinInt64}
		if n, ok := r.Get("progress").Int(); ok {
			p.bookmark = n
			f.mark = max(f.mark, n)
			j.Bookmarks++
		}
		for _, e := range r.Get("events").Elems() {
			w, ok := eventOf(c, e)
			if !ok {
				return fmt.Errorf("index %d: %v is no event; %s", c.Complete.Index, e, shape)
			}
			p.events = append(p.events, w)
			f.mark, f.first, f.last = max(f.mark, w.revision), min(f.first, w.revision), max(f.last, w.revision)
			j.Events++
			j.learn(w)
		}
		f.parts = append(f.parts, p)
	}
	j.Watches++
	j.feeds = append(j.feeds, f)
	return nil
}

func eventOf(c history.Call, e history.Value) (change, bool) {
	revision, ok := e.Get("revision").Int()
	w := change{key: checkers.KeyName(e.Get("key")), revision: revision, deleted: e.Get("type").Text() == "delete", value: e.Get("value"), prev: e.Get("prev"), by: c, prevBy: c, createBy: c}
	if w.deleted {
		w.value = history.Nil
	}
	if create, said := e.Get("create").Bool(); said {
		w.create = -1
		if create {
			w.create = 1
		}
	}
	return w, ok && (w.deleted || e.Get("type").Text() == "put")
}
