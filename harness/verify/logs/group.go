package logs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// Groups that share the keys of logs among them, and producers with epochs.

// logTerm is a generation of a group or an epoch of a producer.
type logTerm struct {
	of     string
	number int64 // unnumbered if it is not known
}

// logGrant says what a member of a group owns from now on.
type logGrant struct {
	logTerm
	member string
	keys   []string
}

// more reads what an operation records of groups and producers.
func (l *logs) more(t *logOp, name string, v history.Value) error {
	number := func(field string) int64 {
		if n, ok := v.Get(field).Int(); ok {
			return n
		}
		return unnumbered
	}
	switch name {
	case "assigned", "revoked":
		g := logGrant{logTerm: logTerm{claim.TextOf(v.Get("group")), number("generation")}, member: claim.TextOf(v.Get("member"))}
		if g.member == "" {
			g.member = "process " + t.Invoke.Process.String()
		}
		for _, k := range v.Get("keys").Elems() {
			if name == "assigned" {
				g.keys = append(g.keys, l.key(k))
			}
		}
		l.assigns = true
		t.grants = append(t.grants, g)
		t.early = t.early || len(t.commits) > 0
	case "commit":
		for kv := v.Elems(); len(kv) > 0; kv = kv[2:] {
			offset, ok := kv[1].Int()
			if !ok {
				return fmt.Errorf("%v is no offset", kv[1])
			}
			t.commits = append(t.commits, message{key: l.key(kv[0]), offset: offset})
		}
	case "from":
		for kv := v.Elems(); len(kv) > 0; kv = kv[2:] {
			offset, ok := kv[1].Int()
			if !ok {
				return fmt.Errorf("%v is no offset", kv[1])
			}
			t.seeks = append(t.seeks, seek{l.key(kv[0]), offset, len(t.polls)})
		}
	case "init":
		if e := (logTerm{claim.TextOf(v.Get("id")), number("epoch")}); e.number != unnumbered {
			t.epoch = &e
		}
	default:
		return fmt.Errorf("%q is no micro-operation of a log", name)
	}
	return nil
}

// groups: see the rules of each.
func (l *logs) groups() {
	l.exclusive()
	l.fenced()
	l.processed()
	l.resumed()
}

// tenure is the time in which a member certainly believed that a key was its own:
// from the end of the call that told it to the last call that it began without being
// told anything else, or without crashing.
type tenure struct {
	logGrant
	start, end int
}

// exclusive: a double-assignment is one key with two members in one generation, or,
// if the generation of one of them is not known, at one time.
func (l *logs) exclusive() {
	owned := map[[2]string][]*tenure{} // by group and key
	open := map[history.Process][]*tenure{}
	for _, t := range l.ops {
		p := t.Invoke.Process
		for _, n := range open[p] {
			n.end = t.Inv
		}
		if len(t.grants) > 0 || t.Type() == history.Info || t.Invoke.F == "assign" || t.Invoke.F == "subscribe" {
			open[p] = nil
		}
		if len(t.grants) == 0 || !t.Happened() {
			continue
		}
		g := t.grants[len(t.grants)-1]
		for _, k := range g.keys {
			n := &tenure{logGrant: g, start: t.Res}
			open[p] = append(open[p], n)
			owned[[2]string{g.of, k}] = append(owned[[2]string{g.of, k}], n)
		}
	}
	for at, list := range owned {
		if doubled(list) {
			l.Note("double-assignment", at[1])
		}
	}
}

// doubled reports whether two members own one key. Of the tenures before, it is
// enough to remember for each member the one that ends last.
func doubled(list []*tenure) bool {
	slices.SortStableFunc(list, func(a, b *tenure) int { return cmp.Compare(a.start, b.start) })
	in := map[int64]string{}    // by generation, a member
	ends := map[string][2]int{} // by member, with and without a generation
	for _, n := range list {
		has := 0
		if n.number == unnumbered {
			has = 1
		} else if other, ok := in[n.number]; ok && other != n.member {
			return true
		}
		in[n.number] = n.member
		for other, end := range ends {
			if other != n.member && (end[1] > n.start || has == 1 && end[0] > n.start) {
				return true
			}
		}
		end := ends[n.member]
		end[has] = max(end[has], n.end)
		ends[n.member] = end
	}
	return false
}

// fenced: a zombie-write took effect, although a call that gave its producer a newer
// epoch had ended before it began; a zombie-commit likewise with the generation.
func (l *logs) fenced() {
	type begin struct {
		at     int
		number int64
	}
	begun := map[logTerm][]begin{} // by name, with the number 0 for groups and 1 for producers
	ends := slices.Clone(l.ops)
	slices.SortFunc(ends, func(a, b *logOp) int { return cmp.Compare(a.Res, b.Res) })
	add := func(t *logOp, kind int64, term logTerm) {
		at := logTerm{term.of, kind}
		if list := begun[at]; term.number != unnumbered && (len(list) == 0 || list[len(list)-1].number < term.number) {
			begun[at] = append(list, begin{t.Res, term.number})
		}
	}
	for _, t := range ends {
		if !t.Happened() {
			continue
		}
		for _, g := range t.grants {
			add(t, 0, g.logTerm)
		}
		if t.epoch != nil {
			add(t, 1, *t.epoch)
		}
	}
	late := func(t *logOp, kind int64, term *logTerm) bool {
		if term == nil || term.number == unnumbered {
			return false
		}
		list := begun[logTerm{term.of, kind}]
		i := sort.Search(len(list), func(i int) bool { return list[i].at > t.Inv })
		return i > 0 && list[i-1].number > term.number
	}
	member, producer := map[history.Process]*logTerm{}, map[history.Process]*logTerm{}
	for _, t := range l.ops {
		p := t.Invoke.Process
		if n := len(t.grants); n > 0 && t.Happened() {
			member[p] = &t.grants[n-1].logTerm
		}
		if t.epoch != nil && !t.Failed() {
			producer[p] = t.epoch
		}
		if t.effect && len(t.sends) > 0 && late(t, 1, producer[p]) {
			l.Note("zombie-write", t.sends[0].key)
		}
		if t.Happened() && len(t.commits) > 0 && late(t, 0, member[p]) {
			l.Note("zombie-commit", t.commits[0].key)
		}
	}
}

// processed: a commit-ahead is of an offset above a message that no poll of the group
// returned that had begun before the commit ended, be it one of unknown outcome;
// messages before the first poll of the group do not count, nor do those that could be gone.
func (l *logs) processed() {
	type progress struct {
		since *logOp
		base  int
		polls map[int]int // by place, when the first poll of it began
	}
	all := map[share]*progress{}
	groups := make([]string, len(l.ops))
	in := map[history.Process]string{}
	for i, t := range l.ops {
		if n := len(t.grants); n > 0 && !t.Failed() {
			in[t.Invoke.Process] = t.grants[n-1].of
		}
		groups[i] = in[t.Invoke.Process]
		for _, m := range t.polls {
			place, _ := l.places(m)
			if place < 0 || t.Failed() {
				continue
			}
			g := all[share{groups[i], m.key}]
			if g == nil {
				g = &progress{since: t, base: place, polls: map[int]int{}}
				all[share{groups[i], m.key}] = g
			}
			if g.since == t {
				g.base = min(g.base, place)
			}
			if _, ok := g.polls[place]; !ok {
				g.polls[place] = t.Inv
			}
		}
	}
	latest := map[*progress][]int{} // by place from the base, by when all up to it had been polled
	for i, t := range l.ops {
		for _, c := range t.commits {
			g, k := all[share{groups[i], c.key}], l.keys[c.key]
			if g == nil || !t.Happened() {
				continue
			}
			if latest[g] == nil {
				by := -1
				for place := g.base; place < len(k.offsets); place++ {
					at, ok := g.polls[place]
					if !ok {
						at = math.MaxInt
					}
					by = max(by, min(at, k.due[place]))
					latest[g] = append(latest[g], by)
				}
			}
			n := sort.Search(len(latest[g]), func(n int) bool { return latest[g][n] > t.Res })
			if n < len(latest[g]) && k.offsets[g.base+n] < c.offset {
				l.Note("commit-ahead", c.key)
			}
		}
	}
}

// commit is an offset that was committed, if it was.
type commit struct {
	offset     int64
	generation int64 // unnumbered if it is not known
	op         *logOp
}

// resumed: a lost-commit is a message that a member of a group polled below the offset
// at which the group was, at least, when the member was told what it owns.
//
// Of the commits that began before it was told, and did not fail, some certainly
// were before that: they were ok, and had ended when the member asked, or were made in
// a generation before the one that it was told of. The group was at the lowest of
// those offsets that may have been the last: not those whose commit was ok and had ended
// before the last of these began; and not those whose generation is before that of one
// of the certain ones that are left. If no commit is certain nothing is known.
//
// See committed for the generation of a commit.
func (l *logs) resumed() {
	commits, from := l.committed(), map[history.Process]map[string]int64{}
	for _, t := range l.ops {
		p, n := t.Invoke.Process, len(t.grants)
		if n > 0 || t.Invoke.F == "assign" || t.Invoke.F == "subscribe" {
			from[p] = map[string]int64{}
		}
		if n > 0 && t.Happened() {
			g := t.grants[n-1]
			for _, k := range g.keys {
				from[p][k] = begins(t, g.number, commits[share{g.of, k}])
			}
		}
		for _, m := range t.polls {
			if least, told := from[p][m.key]; told && t.Happened() && m.known && m.offset < least {
				l.Note("lost-commit", m.key)
			}
		}
	}
}

// share is what a group has of a key.
type share struct{ group, key string }

// committed returns the commits of each group that may have taken effect. A commit is
// made in the generation that its process was told last, unless it may have been told
// of another one since, by a call that failed, or has assigned or subscribed.
func (l *logs) committed() map[share][]commit {
	commits, in := map[share][]commit{}, map[history.Process]logTerm{}
	for _, t := range l.ops {
		p := t.Invoke.Process
		term, ok := in[p]
		if !ok {
			term.number = unnumbered
		}
		n := len(t.grants)
		switch {
		case n > 0 && !t.Failed():
			term = t.grants[n-1].logTerm
		case n > 0 || t.Invoke.F == "assign" || t.Invoke.F == "subscribe":
			term.number = unnumbered
		}
		in[p] = term
		if t.Failed() {
			continue
		}
		if t.early {
			term.number = unnumbered
		}
		for _, c := range t.commits {
			at := share{term.of, c.key}
			commits[at] = append(commits[at], commit{c.offset, term.number, t})
		}
	}
	return commits
}

// begins returns at which offset, at least, a member begins that an operation tells
// what it owns in a generation.
func begins(t *logOp, generation int64, all []commit) int64 {
	certain := func(c commit) bool {
		return c.op.Happened() && (c.op.Res < t.Inv || c.generation != unnumbered && c.generation < generation)
	}
	var last []commit
	latest, newest := -1, int64(unnumbered)
	for _, c := range all {
		if c.op.Inv < t.Res && (c.op != t || t.early) {
			last = append(last, c)
			if certain(c) {
				latest = max(latest, c.op.Inv)
			}
		}
	}
	if latest < 0 {
		return math.MinInt64
	}
	last = slices.DeleteFunc(last, func(c commit) bool { return c.op.Happened() && c.op.Res < latest })
	for _, c := range last {
		if certain(c) {
			newest = max(newest, c.generation)
		}
	}
	least := int64(math.MaxInt64)
	for _, c := range last {
		if c.generation == unnumbered || c.generation >= newest {
			least = min(least, c.offset)
		}
	}
	return least
}
