package watch

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/timeline"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// judge collects what is known of the store, and compares each watch with that.
type judge struct {
	Report
	ctx    context.Context
	clock  checkers.Clock
	writes []history.Call
	tried  map[string][]history.Call // by id of a change, who tried it
	acked  []change                  // one of each call that was ok
	feeds  []*feed
	known  map[string][]change // by key; later in the order of revisions
	keys   []string            // sorted
	at     map[spot]change
	sole   map[int64]history.Call // by revision, the call that was ok and made it
	found  map[string][]checkers.Anomaly
}

// spot is a key at a revision.
type spot struct {
	key      string
	revision int64
}

func check(ctx context.Context, calls []history.Call) (Report, error) {
	j := &judge{ctx: ctx, clock: checkers.ClockOf(calls), tried: map[string][]history.Call{}, known: map[string][]change{}, at: map[spot]change{}, sole: map[int64]history.Call{}, found: map[string][]checkers.Anomaly{}}
	j.Counts = map[string]int{}
	for i, c := range calls {
		if err := j.decode(c); err != nil {
			return j.Report, err
		}
		if err := j.stop(i); err != nil {
			return j.Report, err
		}
	}
	for _, list := range j.known {
		slices.SortStableFunc(list, func(a, b change) int { return cmp.Compare(a.revision, b.revision) })
	}
	for key := range j.known {
		j.keys = append(j.keys, key)
	}
	slices.Sort(j.keys)
	j.realtime()
	for i, f := range j.feeds {
		if err := j.stop(i); err != nil {
			return j.Report, err
		}
		j.sequence(f)
		j.gaps(f)
		j.before(f)
	}
	for _, name := range order {
		j.Anomalies = append(j.Anomalies, j.found[name]...)
	}
	return j.Report, nil
}

// learn notes that something happened, or that two do not agree on what.
func (j *judge) learn(w change) {
	s := spot{w.key, w.revision}
	old, ok := j.at[s]
	if !ok {
		j.Changes++
		j.at[s] = w
		j.known[w.key] = append(j.known[w.key], w)
		return
	}
	if what := differ(old, w); what != "" {
		first := map[string]history.Call{"value": old.by, "prev": old.prevBy, "create": old.createBy}[what]
		j.note(Conflicting, w.key, fmt.Sprintf("at revision %d, %s says of %s %s, but %s says %s",
			w.revision, j.who(first), w.key, old.says(what), j.who(w.by), w.says(what)), first, w.by)
	}
	if old.prev.IsAbsent() {
		old.prev, old.prevBy = w.prev, w.by
	}
	if old.create == 0 {
		old.create, old.createBy = w.create, w.by
	}
	j.at[s] = old
}

// differ says in what two accounts of one change differ, if they do.
func differ(a, b change) string {
	switch {
	case a.deleted != b.deleted || !a.deleted && !same(a.value, b.value):
		return "value"
	case !a.prev.IsAbsent() && !b.prev.IsAbsent() && !same(a.prev, b.prev):
		return "prev"
	case a.create*b.create < 0:
		return "create"
	default:
		return ""
	}
}

// same compares values; nil and none are the same.
func same(a, b history.Value) bool { return a.IsNil() && b.IsNil() || a.Equal(b) }

func (w change) says(what string) string {
	switch {
	case what == "prev":
		return fmt.Sprintf("that its value was %v", w.prev)
	case what == "create":
		return map[bool]string{true: "that it was created", false: "that it was there before"}[w.create > 0]
	case w.deleted:
		return "that it was deleted"
	default:
		return fmt.Sprintf("that it became %v", w.value)
	}
}

func (j *judge) who(c history.Call) string {
	return fmt.Sprintf("the %s of process %v at %s", c.Invoke.F, c.Invoke.Process, j.clock.At(c.Invoke))
}

// realtime sees that revisions grow: what began after something else was done has a
// higher one.
func (j *judge) realtime() {
	calls := make([]history.Call, len(j.acked))
	for i, w := range j.acked {
		calls[i] = w.by
		j.sole[w.revision] = w.by
	}
	highest := -1
	for _, e := range timeline.Of(calls) {
		w := &j.acked[e.Call]
		switch {
		case e.End && (highest < 0 || j.acked[highest].revision < w.revision):
			highest = e.Call
		case !e.End && highest >= 0 && j.acked[highest].revision >= w.revision:
			other := j.acked[highest]
			j.note(RevisionOrder, w.key, fmt.Sprintf("%s was done at %s and has revision %d, but %s, which began after that, has revision %d",
				j.who(other.by), j.clock.At(other.by.Complete), other.revision, j.who(w.by), w.revision), other.by, w.by)
		}
	}
}

// sequence looks at the events of a watch one after the other.
func (j *judge) sequence(f *feed) {
	seen := map[spot]bool{}
	in := map[int64]int{} // by revision, the last response that has events of it
	highest, bookmark := int64(math.MinInt64), int64(math.MinInt64)
	for n, p := range f.parts {
		for _, e := range p.events {
			j.event(f, e)
			switch {
			case e.revision < highest:
				j.wrong(f, Unordered, e, "comes after revision %d", highest)
			case in[e.revision] > 0 && in[e.revision] != n+1:
				j.wrong(f, Split, e, "comes in response %d, and other events of the same revision came in response %d", n+1, in[e.revision])
			}
			if seen[spot{e.key, e.revision}] {
				j.wrong(f, Duplicate, e, "comes twice")
			}
			if e.revision <= bookmark {
				j.wrong(f, BrokenBookmark, e, "comes after the bookmark %d, which says that everything up to there had been sent", bookmark)
			}
			seen[spot{e.key, e.revision}], in[e.revision], highest = true, n+1, max(highest, e.revision)
		}
		if p.bookmark == math.MinInt64 {
			continue
		}
		if last := max(highest, bookmark); p.bookmark < last {
			j.note(BrokenBookmark, "", fmt.Sprintf("%s got the bookmark %d after it had got revision %d", j.who(f.Call), p.bookmark, last), f.Call)
		}
		bookmark = max(bookmark, p.bookmark)
	}
}

// wrong notes what is wrong with an event.
func (j *judge) wrong(f *feed, name string, e change, format string, args ...any) {
	j.note(name, e.key, fmt.Sprintf("%s got an event which says %s at revision %d of %s; it ", j.who(f.Call), e.says(""), e.revision, e.key)+fmt.Sprintf(format, args...), f.Call)
}

// event looks at an event by itself.
func (j *judge) event(f *feed, e change) {
	if !f.wants(e.key) {
		j.wrong(f, Unfiltered, e, "was not asked for")
	}
	if e.revision < f.from {
		j.wrong(f, Early, e, "is from before revision %d, from which on the watch was asked for", f.from)
	}
	if len(j.writes) == 0 {
		return
	}
	var failed history.Call
	for _, c := range j.tried[e.id()] {
		if c.Type() != history.Fail && c.Invoke.Index < f.Complete.Index {
			return
		}
		failed = c
	}
	ops := []history.Call{f.Call, j.writes[0]}
	why := "nobody had tried to do that"
	if failed.Invoke != nil {
		why = "but " + j.who(failed) + ", which tried that, failed or began later"
		ops[1] = failed
	}
	j.note(Phantom, e.key, fmt.Sprintf("%s got an event which says %s at revision %d of %s; %s", j.who(f.Call), e.says(""), e.revision, e.key, why), ops...)
}

// gaps sees that a watch has all changes that anybody knows, from the first that it
// asked for, or got, up to its last event or bookmark.
func (j *judge) gaps(f *feed) {
	have := map[spot]bool{}
	revisions := map[int64]bool{}
	for _, p := range f.parts {
		for _, e := range p.events {
			have[spot{e.key, e.revision}], revisions[e.revision] = true, true
		}
	}
	from := f.from
	if from <= 0 {
		from = f.first
	}
	for i := sort.SearchStrings(j.keys, f.key); i < len(j.keys); i++ {
		if !f.wants(j.keys[i]) {
			break
		}
		list := j.known[j.keys[i]]
		n := sort.Search(len(list), func(n int) bool { return list[n].revision >= from })
		for ; n < len(list) && list[n].revision <= f.mark; n++ {
			w := list[n]
			if have[spot{w.key, w.revision}] {
				continue
			}
			name, why := Missed, fmt.Sprintf("it got revision %d", f.last)
			switch {
			case revisions[w.revision]:
				name, why = Torn, "it got something else of that revision"
			case w.revision > f.last:
				why = fmt.Sprintf("it got the bookmark %d", f.mark)
			case w.revision < f.first:
				name, why = NotResumed, fmt.Sprintf("it had asked for revision %d and up, and the first that it got is %d", f.from, f.first)
			}
			j.note(name, w.key, fmt.Sprintf("%s knows at revision %d of %s %s; %s did not get that, but %s", j.who(w.by), w.revision, w.key, w.says(""), j.who(f.Call), why), w.by, f.Call)
		}
	}
}

// far is how many revisions before an event are looked at one by one.
const far = 64

// before compares what events say of the time before them with the event before of
// the same key in the watch or, for the first, with what else is known.
func (j *judge) before(f *feed) {
	last := map[string]change{}
	for _, p := range f.parts {
		for _, e := range p.events {
			old, ok := last[e.key]
			last[e.key] = e
			var ops []history.Call
			if !ok {
				if old, ops, ok = j.previous(f, e); !ok {
					continue
				}
			}
			if old.revision >= e.revision || !f.wants(e.key) {
				continue
			}
			there := !old.deleted && old.revision > 0
			if e.create != 0 && !e.deleted && there != (e.create < 0) {
				j.note(WrongCreate, e.key, j.was(f, e, old, fmt.Sprintf("create=%v", e.create > 0)), append(ops, f.Call)...)
			}
			if !e.prev.IsAbsent() && !same(e.prev, old.value) {
				j.note(WrongPrev, e.key, j.was(f, e, old, fmt.Sprintf("prev=%v", e.prev)), append(ops, f.Call)...)
			}
		}
	}
}

func (j *judge) was(f *feed, e, old change, said string) string {
	why := fmt.Sprintf("revision %d says %s", old.revision, old.says(""))
	if old.revision == 0 {
		why = "the watch is from the beginning, and this is the first of that key"
	}
	return fmt.Sprintf("%s got %s with revision %d of %s; but %s", j.who(f.Call), said, e.revision, e.key, why)
}

// previous returns the change of a key before an event, if it is certain: from the
// operations that made each revision between them, or because there is none before.
func (j *judge) previous(f *feed, e change) (change, []history.Call, bool) {
	if f.from == 1 {
		return change{key: e.key}, nil, true
	}
	var ops []history.Call
	for r := e.revision - 1; r > 0 && r > e.revision-far; r-- {
		c, ok := j.sole[r]
		if !ok {
			break
		}
		ops = append(ops, c)
		if w, ok := j.at[spot{e.key, r}]; ok && w.by.Invoke == c.Invoke {
			return w, ops, true
		}
	}
	return change{}, nil, false
}
