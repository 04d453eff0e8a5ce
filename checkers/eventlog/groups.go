package eventlog

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// extra is what an operation records of groups and producers.
type extra struct {
	at      int32 // its place among the operations
	member  int32 // the operation that last told the process what it owns, plus one
	grants  []grant
	commits []commitment
	early   bool // it committed something, and was told what it owns after that
	seeks   []seek
	epoch   *term
}

// grant says what a member of a group owns from now on.
type grant struct {
	term
	member string
	keys   []int32
}

// term is a generation of a group, or an epoch of a producer.
type term struct {
	of     string
	number int64 // none if it is not known
}

const none = math.MinInt64

// commitment is an offset that was committed: that of the next message.
type commitment struct {
	key    int32
	offset int64
}

// more decodes one of the micro-operations that Jepsen's tests do not have. It
// reports whether it could.
func (j *judge) more(t *txn, name string, v history.Value) bool {
	switch name {
	case "assigned", "revoked":
		g := grant{term: termOf(v, "group", "generation"), member: checkers.KeyName(v.Get("member"))}
		if g.member == "" {
			g.member = "process " + t.Invoke.Process.String()
		}
		for _, k := range v.Get("keys").Elems() {
			if name == "assigned" {
				g.keys = append(g.keys, j.key(k))
			}
		}
		j.assigns = true
		t.grants = append(t.grants, g)
		t.early = t.early || len(t.commits) > 0
	case "commit":
		for list := v.Elems(); len(list) > 0; list = list[2:] {
			offset, ok := list[1].Int()
			if !ok {
				return false
			}
			t.commits = append(t.commits, commitment{j.key(list[0]), offset})
		}
	case "from":
		for list := v.Elems(); len(list) > 0; list = list[2:] {
			offset, ok := list[1].Int()
			if !ok {
				return false
			}
			t.seeks = append(t.seeks, seek{commitment{j.key(list[0]), offset}, len(t.polls), nil})
		}
	case "init":
		if e := termOf(v, "id", "epoch"); e.number != none {
			t.epoch = &e
		}
	default:
		return false
	}
	return true
}

func termOf(v history.Value, of, number string) term {
	n, ok := v.Get(number).Int()
	if !ok {
		n = none
	}
	return term{checkers.KeyName(v.Get(of)), n}
}

// groups looks at who owned what when, and at what was done by those whose time
// was over.
func (j *judge) groups() {
	if !slices.ContainsFunc(j.txns, func(t txn) bool { return len(t.grants)+len(t.commits) > 0 || t.epoch != nil }) {
		return
	}
	j.exclusive()
	j.fenced()
	j.processed()
	j.resumed()
}

// tenure is the time in which a member certainly believed that a key was its own:
// from when it was told until it asked again.
type tenure struct {
	grant
	key        int32
	txn        int32
	start, end int   // indices of records
	until      int32 // the operation that began at the end
}

// tenures returns them in the order in which they began. Calls that did not come
// back end them: nobody knows what the member was told.
func (j *judge) tenures() []tenure {
	var all []tenure
	open := map[history.Process][]int{} // places in all
	for i := range j.txns {
		t := &j.txns[i]
		p := t.Invoke.Process
		ends := len(t.grants) > 0 || t.Type() == history.Info || t.Invoke.F == "assign" || t.Invoke.F == "subscribe"
		for _, o := range open[p] {
			all[o].end, all[o].until = t.Invoke.Index, int32(i)
		}
		if ends {
			open[p] = nil
		}
		if len(t.grants) == 0 || t.Type() != history.OK {
			continue
		}
		g := t.grants[len(t.grants)-1]
		for _, k := range g.keys {
			open[p] = append(open[p], len(all))
			all = append(all, tenure{grant: g, key: k, txn: int32(i), start: t.Complete.Index, until: int32(i)})
		}
	}
	slices.SortStableFunc(all, func(a, b tenure) int { return cmp.Compare(a.start, b.start) })
	return all
}

// exclusive sees that no key belongs to two members: in one generation ever, and
// where one of them has none, at one time.
func (j *judge) exclusive() {
	type estate struct {
		group string
		key   int32
	}
	type reign struct {
		estate
		generation int64
	}
	firsts := map[reign]tenure{}
	lasting := map[estate][]tenure{} // the one without a generation, and the one with, that end last
	for _, n := range j.tenures() {
		e := estate{n.of, n.key}
		if n.number != none {
			first, ok := firsts[reign{e, n.number}]
			if !ok {
				firsts[reign{e, n.number}] = n
			} else if first.member != n.member {
				j.double(first, n, fmt.Sprintf("both in generation %d", n.number))
			}
		}
		list := lasting[e]
		for _, o := range list {
			if o.end > n.start && o.member != n.member && (o.number == none || n.number == none) {
				j.double(o, n, "while the first still had it")
				break
			}
		}
		at := slices.IndexFunc(list, func(o tenure) bool { return (o.number == none) == (n.number == none) && o.member == n.member })
		switch {
		case at < 0:
			lasting[e] = append(list, n)
		case n.end > list[at].end:
			list[at] = n
		}
	}
}

func (j *judge) double(a, b tenure, how string) {
	j.note(DoubleAssignment, func() checkers.Anomaly {
		return j.anomaly(a.key, fmt.Sprintf("%s was assigned to %s of group %q at %s, and to %s at %s, %s",
			j.keys[a.key].name, a.member, a.of, j.clock.At(j.txns[a.txn].Invoke), b.member, j.clock.At(j.txns[b.txn].Invoke), how), a.txn, b.txn, a.until)
	})
}

// begun says which was the newest term at each time.
type begun map[string][]beginning

type beginning struct {
	at     int // index of the completion that showed it
	number int64
	txn    int32
}

// add notes a term. It has to be called in the order of completions.
func (b begun) add(t term, at int, txn int32) {
	list := b[t.of]
	if t.number != none && (len(list) == 0 || list[len(list)-1].number < t.number) {
		b[t.of] = append(list, beginning{at, t.number, txn})
	}
}

// newer returns the term that had begun before the record with an index, and is
// the newest, if that is newer than t.
func (b begun) newer(t term, index int) (beginning, bool) {
	list := b[t.of]
	i := sort.Search(len(list), func(i int) bool { return list[i].at > index })
	if i == 0 || t.number == none || list[i-1].number <= t.number {
		return beginning{}, false
	}
	return list[i-1], true
}

// fenced sees that nobody sends or commits in a term that is over.
func (j *judge) fenced() {
	groups, producers := begun{}, begun{}
	for _, e := range j.events() {
		if t := &j.txns[e.Call]; e.End && t.Type() == history.OK {
			for _, g := range t.grants {
				groups.add(g.term, t.Complete.Index, int32(e.Call))
			}
			if t.epoch != nil {
				producers.add(*t.epoch, t.Complete.Index, int32(e.Call))
			}
		}
	}
	type holding struct {
		member, producer       term
		memberTxn, producerTxn int32
	}
	holds := map[history.Process]holding{}
	for i := range j.txns {
		t := &j.txns[i]
		h, ok := holds[t.Invoke.Process]
		if !ok {
			h.member.number, h.producer.number = none, none
		}
		if t.Type() == history.OK {
			for _, g := range t.grants {
				h.member, h.memberTxn = g.term, int32(i)
			}
		}
		if t.epoch != nil && t.Type() != history.Fail {
			h.producer, h.producerTxn = *t.epoch, int32(i) // it sends under that, whatever comes of it
		}
		holds[t.Invoke.Process] = h
		if n, late := producers.newer(h.producer, t.Invoke.Index); late && t.commit && len(t.sends) > 0 {
			j.zombie(ZombieWrite, t.sends[0].key, "sent "+j.value(t.sends[0]).String(), "epoch", h.producer, h.producerTxn, int32(i), n)
		}
		if n, late := groups.newer(h.member, t.Invoke.Index); late && t.Type() == history.OK && len(t.commits) > 0 {
			j.zombie(ZombieCommit, t.commits[0].key, fmt.Sprintf("committed offset %d", t.commits[0].offset), "generation", h.member, h.memberTxn, int32(i), n)
		}
	}
}

func (j *judge) zombie(name string, k int32, did, what string, own term, since, txn int32, n beginning) {
	j.note(name, func() checkers.Anomaly {
		t, newer := &j.txns[txn], &j.txns[n.txn]
		a := j.anomaly(k, fmt.Sprintf("process %v %s at %s under %s %d of %q, but process %v had been given %s %d by %s, before that began",
			t.Invoke.Process, did, j.clock.At(t.Invoke), what, own.number, own.of, newer.Invoke.Process, what, n.number, j.clock.At(newer.Complete)), txn, n.txn, since)
		a.Edges = []checkers.Edge{{From: newer.Invoke.Index, To: t.Invoke.Index, Kind: "rt", Key: a.Key, Why: fmt.Sprintf(
			"process %v was given %s %d by %s, before process %v began at %s", newer.Invoke.Process, what, n.number, j.clock.At(newer.Complete), t.Invoke.Process, j.clock.At(t.Invoke))}}
		return a
	})
}

// share is what a group did with a key.
type share struct {
	group string
	key   int32
}

// progress is which messages of a key a group had polled when.
type progress struct {
	base  int32         // the first place of the first poll
	since int32         // that poll
	first map[int32]int // by place, the invocation of the first poll of it
	worst []int         // by place from base, the latest of first up to it
}

// processed sees that all messages below a committed offset had been polled by the
// group when the commit came back. What is before the first message that the group
// polled is not its business.
func (j *judge) processed() {
	all := map[share]*progress{}
	j.members(func(i int32, t *txn, group string) { j.progress(all, group, i, t) })
	j.members(func(i int32, t *txn, group string) {
		for _, c := range t.commits {
			if g := all[share{group, c.key}]; g != nil && t.Type() == history.OK {
				j.ahead(g, c, i, t)
			}
		}
	})
}

// members calls f for each operation with the group that its process is in. One of
// unknown outcome that had been told what it owns did what it did for that group.
func (j *judge) members(f func(i int32, t *txn, group string)) {
	in := map[history.Process]int32{}
	for i := range j.txns {
		t := &j.txns[i]
		if len(t.grants) > 0 && t.Type() != history.Fail {
			in[t.Invoke.Process] = int32(i + 1)
		}
		group := ""
		if t.member = in[t.Invoke.Process]; t.member > 0 {
			grants := j.txns[t.member-1].grants
			group = grants[len(grants)-1].of
		}
		f(int32(i), t, group)
	}
}

// progress notes what an operation polled. One of unknown outcome says so only if it
// had polled it, and may have committed that.
func (j *judge) progress(all map[share]*progress, group string, i int32, t *txn) {
	if t.Type() == history.Fail {
		return
	}
	for _, m := range t.polls {
		place, _ := j.keys[m.key].places(m)
		if place < 0 {
			continue
		}
		g := all[share{group, m.key}]
		if g == nil {
			g = &progress{base: place, since: i, first: map[int32]int{}}
			all[share{group, m.key}] = g
		}
		if g.since == i {
			g.base = min(g.base, place)
		}
		if _, ok := g.first[place]; !ok {
			g.first[place] = t.Invoke.Index
		}
	}
}

// ahead notes a commit of an offset with a message below it that the group had not
// polled.
func (j *judge) ahead(g *progress, c commitment, i int32, t *txn) {
	p := j.keys[c.key]
	if g.worst == nil {
		latest := -1
		for place := g.base; int(place) < len(p.log); place++ {
			at, ok := g.first[place]
			if !ok {
				at = math.MaxInt
			}
			if p.due != nil {
				at = min(at, p.due[place])
			}
			latest = max(latest, at)
			g.worst = append(g.worst, latest)
		}
	}
	n := sort.Search(len(g.worst), func(n int) bool { return g.worst[n] > t.Complete.Index })
	if n == len(g.worst) || p.slots[p.log[int(g.base)+n]].offset >= c.offset {
		return
	}
	j.note(CommitAhead, func() checkers.Anomaly {
		s := p.slots[p.log[int(g.base)+n]]
		ops := []int32{i, s.held[0].txn, g.since}
		for _, o := range ops {
			if m := j.txns[o].member; m > 0 {
				ops = append(ops, m-1)
			}
		}
		ops = append(ops, j.shown(p, g.base)...)
		return j.anomaly(c.key, fmt.Sprintf("process %v committed offset %d at %s, which says that everything below is done; but %v is at offset %d, and nobody of its group had polled that by %s, although the group began at offset %d",
			t.Invoke.Process, c.offset, j.clock.At(t.Invoke), p.values.Value(s.held[0].value), s.offset, j.clock.At(t.Complete), p.slots[p.log[g.base]].offset),
			ops...)
	})
}

// standing is a commit of an offset of a key for a group, as those see it who are
// told what they own.
type standing struct {
	commitment
	by     int32 // the operation that committed it
	number int64 // of the generation that it was made in, none if that is not known
	begun  int
	ended  int // in the far future if nobody knows what came of it
	reach  int // the latest end up to this one, in the order in which they began
}

// standings returns the commits of each group, in the order in which they began.
func (j *judge) standings() map[share][]standing {
	all, numbers := map[share][]standing{}, j.generations()
	j.members(func(i int32, t *txn, group string) {
		if t.Type() == history.Fail {
			return
		}
		for _, c := range t.commits {
			s := standing{commitment: c, by: i, number: numbers[i], begun: t.Invoke.Index, ended: math.MaxInt}
			if t.Type() == history.OK {
				s.ended = t.Complete.Index
			}
			list := all[share{group, c.key}]
			if s.reach = s.ended; len(list) > 0 {
				s.reach = max(s.reach, list[len(list)-1].reach)
			}
			all[share{group, c.key}] = append(list, s)
		}
	})
	return all
}

// generations returns in which generation each operation commits. It is not known
// after an operation that may have told the process of another one.
func (j *judge) generations() []int64 {
	numbers, current := make([]int64, len(j.txns)), map[history.Process]int64{}
	for i := range j.txns {
		t := &j.txns[i]
		p := t.Invoke.Process
		switch n := len(t.grants); {
		case t.Invoke.F == "assign" || t.Invoke.F == "subscribe" || n > 0 && t.Type() == history.Fail:
			current[p] = none
		case n > 0:
			current[p] = t.grants[n-1].number
		}
		if number, ok := current[p]; ok && !t.early {
			numbers[i] = number
		} else {
			numbers[i] = none
		}
	}
	return numbers
}

// resume is where a member that was told what it owns begins to poll a key at least,
// because of one commit.
type resume struct {
	standing
	least int64
}

// resumed sees that a member that is told what it owns begins where its group was.
//
// Each commit takes effect at a moment between its begin and its end, and one that was
// made in a generation, while that lasts. Generations only grow, and a member is told
// of one, and where that begins, when the ones before are over. So a commit was before
// that if it was acknowledged, and had ended when the member asked or was made in an
// older generation, even if both were under way at one time: a commit that takes
// effect when its generation is over is lost on those who were told of a newer one. A
// commit of unknown outcome may never have been.
//
// A group may go back, by a later commit of a lower offset. So the member has to begin
// at the lowest of those offsets only that may have been the last one then: of all
// commits that began before it had its answer, but not of those that another one comes
// after, by time or by generation, which certainly was before the answer, too. A commit
// whose generation is not known is ordered by time alone, and one of a newer generation
// than the member's may count: it may be told where to begin late.
func (j *judge) resumed() {
	standings := j.standings()
	from := map[history.Process][]resume{}
	for i := range j.txns {
		t := &j.txns[i]
		if len(t.grants) > 0 || t.Invoke.F == "assign" || t.Invoke.F == "subscribe" {
			from[t.Invoke.Process] = resumes(t, standings)
		}
		for _, r := range from[t.Invoke.Process] {
			j.again(t, r)
		}
	}
}

// resumes returns where a member begins to poll what an operation told it that it owns.
func resumes(t *txn, standings map[share][]standing) []resume {
	if len(t.grants) == 0 || t.Type() != history.OK {
		return nil
	}
	var all []resume
	g := &t.grants[len(t.grants)-1]
	for _, k := range g.keys {
		if r, ok := g.resumes(t, standings[share{g.of, k}]); ok {
			all = append(all, r)
		}
	}
	return all
}

// resumes goes through the commits from the last one that may count, and stops when
// all that are left had ended before another began that counts.
func (g *grant) resumes(t *txn, list []standing) (r resume, ok bool) {
	var last []standing // but for those with another after them by time
	latest, newest := -1, int64(none)
	i := sort.Search(len(list), func(i int) bool { return list[i].begun > t.Complete.Index }) - 1
	for ; i >= 0 && list[i].reach > latest; i-- {
		s := list[i]
		if s.ended < latest || s.by == t.at && !t.early {
			continue
		}
		last = append(last, s)
		if s.before(t, g.number) {
			latest, newest = max(latest, s.begun), max(newest, s.number)
		}
	}
	r.least = math.MaxInt64
	for _, s := range last {
		if s.older(newest) {
			continue
		}
		r.least = min(r.least, s.offset)
		if !ok && s.before(t, g.number) {
			r.standing, ok = s, true
		}
	}
	return r, ok
}

// before reports whether a commit certainly took effect before an operation told its
// process what it owns in a generation.
func (s *standing) before(t *txn, generation int64) bool {
	return s.ended < t.Invoke.Index || s.ended < math.MaxInt && s.older(generation)
}

// older reports whether a commit was made in a generation before the given one.
func (s *standing) older(generation int64) bool { return s.number != none && s.number < generation }

// again notes a message that a member polled below the offset at which it was to begin.
func (j *judge) again(t *txn, r resume) {
	p := j.keys[r.key]
	at := slices.IndexFunc(t.polls, func(m message) bool { return m.key == r.key && m.slot >= 0 && p.slots[m.slot].offset < r.least })
	if at < 0 || t.Type() != history.OK {
		return
	}
	j.note(LostCommit, func() checkers.Anomaly {
		by, own := &j.txns[r.by], &j.txns[t.member-1]
		m := t.polls[at]
		ops := []int32{t.at, t.member - 1, r.by}
		if by.member > 0 {
			ops = append(ops, by.member-1)
		}
		told := fmt.Sprintf("by %s; after that, at %s, process %v asked what it owns",
			j.clock.At(by.Complete), j.clock.At(own.Invoke), t.Invoke.Process)
		if r.ended > own.Invoke.Index {
			told = fmt.Sprintf("in generation %d, by %s; process %v was told what it owns in generation %d, by %s",
				r.number, j.clock.At(by.Complete), t.Invoke.Process, own.grants[len(own.grants)-1].number, j.clock.At(own.Complete))
		}
		return j.anomaly(r.key, fmt.Sprintf("process %v committed offset %d for its group %s, and it polled %v at offset %d, at %s",
			by.Invoke.Process, r.offset, told, j.value(m), p.slots[m.slot].offset, j.clock.At(t.Invoke)), ops...)
	})
}

// truncated notes an offset that held a value which some operation had seen there
// before another value was sent that got the same offset.
func (j *judge) truncated(k int32, s slot) {
	early := s.held[0]
	done := func(h held) int {
		if t := &j.txns[h.txn]; t.Type() == history.OK {
			return t.Complete.Index
		}
		return math.MaxInt
	}
	for _, h := range s.held {
		if done(h) < done(early) {
			early = h
		}
	}
	for _, h := range s.held {
		w := j.keys[k].about[h.value].writer
		if h.value == early.value || w == 0 || j.txns[w-1].Invoke.Index < done(early) {
			continue
		}
		j.note(Truncation, func() checkers.Anomaly {
			t := &j.txns[w-1]
			return j.anomaly(k, fmt.Sprintf("offset %d was used twice: %s, known at %s, and after that process %v began, at %s, to send %v, which %s: the log lost its end in between",
				s.offset, j.showed(k, early), j.clock.At(j.txns[early.txn].Complete), t.Invoke.Process, j.clock.At(t.Invoke), j.keys[k].values.Value(h.value), j.where(k, h)), early.txn, w-1, h.txn)
		})
		return
	}
}

// where says how a value is known to be at the offset.
func (j *judge) where(k int32, h held) string {
	t := &j.txns[h.txn]
	if slices.ContainsFunc(t.polls, func(m message) bool { return m.key == k && m.value == h.value }) {
		return fmt.Sprintf("process %v polled there at %s", t.Invoke.Process, j.clock.At(t.Invoke))
	}
	return "got the same"
}

// torn notes transactions of which one message was polled, and another one was not
// although something after it was, or although a last look at the end of its log,
// when the first had already been polled, found nothing more.
func (j *judge) torn() {
	type look struct{ txn, invoked int32 }
	last := make([]look, len(j.keys)) // by key, the last look at its end
	bound := make([]int32, len(j.keys))
	for k, p := range j.keys {
		bound[k] = -1
		for _, a := range p.about {
			if a.reader > 0 && a.slots > 0 {
				bound[k] = max(bound[k], a.first)
			}
		}
	}
	for i := range j.txns {
		t := &j.txns[i]
		for _, k := range t.empty {
			if t.Type() == history.OK && t.Complete.Final {
				last[k] = look{int32(i + 1), int32(t.Invoke.Index)}
			}
		}
	}
	for i := range j.txns {
		t := &j.txns[i]
		if t.Invoke.F != "txn" || t.Type() == history.Fail || len(t.sends) < 2 {
			continue
		}
		seen := slices.IndexFunc(t.sends, func(m message) bool { return j.keys[m.key].about[m.value].reader > 0 })
		if seen < 0 {
			continue
		}
		reader := j.keys[t.sends[seen].key].about[t.sends[seen].value].reader - 1
		for _, m := range t.sends {
			a := &j.keys[m.key].about[m.value]
			if a.reader > 0 || a.gone {
				continue
			}
			passed := a.slots > 0 && a.last <= bound[m.key]
			if !passed && (last[m.key].txn == 0 || int(last[m.key].invoked) < j.txns[reader].Complete.Index) {
				continue
			}
			j.tear(int32(i), t.sends[seen], m, reader, last[m.key].txn-1, passed)
			break
		}
	}
}

// shown returns the operations that show what is at a place of a log.
func (j *judge) shown(p *partition, place int32) []int32 {
	var txns []int32
	for _, h := range p.slots[p.log[place]].held {
		txns = append(txns, h.txn)
	}
	return txns
}

// proof returns the operation that polled something that t sent, or t.
func (j *judge) proof(t *txn) int32 {
	for _, m := range t.sends {
		if r := j.keys[m.key].about[m.value].reader; r > 0 {
			return r - 1
		}
	}
	return t.at
}

// passed returns an operation that polled something at or after a place.
func (j *judge) passed(k, place int32) int32 {
	for _, a := range j.keys[k].about {
		if a.reader > 0 && a.slots > 0 && a.first >= place {
			return a.reader - 1
		}
	}
	return -1
}

func (j *judge) tear(txn int32, seen, missing message, reader, by int32, passed bool) {
	j.note(TornTransaction, func() checkers.Anomaly {
		var place []int32
		if a := j.keys[missing.key].about[missing.value]; passed {
			by = j.passed(missing.key, a.last)
			place = j.shown(j.keys[missing.key], a.last)
		}
		t, b := &j.txns[txn], &j.txns[by]
		how := "polled what is after it in the log"
		if !passed {
			how = "found the log at its end in its final poll"
		}
		return j.anomaly(missing.key, fmt.Sprintf("the transaction of process %v at %s sent %v to %s and %v to %s; process %v polled the first at %s, but nobody ever polled the second, and process %v %s, at %s",
			t.Invoke.Process, j.clock.At(t.Invoke), j.value(seen), j.keys[seen.key].name, j.value(missing), j.keys[missing.key].name,
			j.txns[reader].Invoke.Process, j.clock.At(j.txns[reader].Invoke), b.Invoke.Process, how, j.clock.At(b.Invoke)), append(place, txn, reader, by)...)
	})
}
