package logs

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify/claim"
)

// isLog confirms a claim about a log; see the package comment.
func isLog(c *claim.Claim) error {
	for name := range c.Parameters {
		if !slices.Contains([]string{"sub-via", "ww-deps", "rw-deps", "compaction", "retention", "allow"}, name) {
			return fmt.Errorf("parameter %s of log means nothing", name)
		}
	}
	l := &logs{parameters: c.Parameters}
	if n, given := c.Parameters["retention"]; given {
		var err error
		if l.retention, err = strconv.Atoi(n); err != nil || l.retention < 0 {
			return fmt.Errorf("parameter retention=%s of log is no number of messages", n)
		}
	}
	if c.Verdict == claim.Valid {
		var e struct {
			Order []int `json:"order"`
		}
		if err := c.ReadEvidence(&e); err != nil {
			return err
		}
		r, err := l.judge(c.All())
		if err != nil {
			return err
		}
		if err := r.Fine(); err != nil {
			return err
		}
		return l.ordered(c, e.Order)
	}
	var v claim.Violation
	if err := c.ReadEvidence(&v); err != nil {
		return err
	}
	if len(v.Edges) > 1 {
		if _, err := l.judge(c.All()); err != nil {
			return err
		}
		return l.cycle(c, v)
	}
	return c.Broken(v, l.judge)
}

// logs are the logs of a history.
type logs struct {
	*claim.Ruling
	parameters map[string]string
	retention  int // how many of its newest messages a log keeps; 0 for all
	ops        []*logOp
	byOp       map[*claim.Op]*logOp
	keys       map[string]*logKey
	named      []*logKey // in the order of their first appearance
	subscribed bool
	assigns    bool
}

// logOp is an operation on logs.
type logOp struct {
	*claim.Op
	sends, polls, commits []message
	keys, empty           []string
	grants                []logGrant
	seeks                 []seek
	epoch                 *logTerm
	effect                bool // what it sent took effect
	early                 bool // it committed something, and was told what it owns after that
}

// message is a value that was sent or polled; an offset of -1 is not known.
type message struct {
	key, value string
	offset     int64
	known      bool
}

// logKey is one log: the values that offsets hold, with who showed it first.
type logKey struct {
	name    string
	at      map[int64][]shown
	offsets []int64 // that hold something, sorted
	rank    map[int64]int
	due     []int // by place, from when on it may be gone
	values  map[string]*logValue
	bound   int // the furthest place up to which somebody certainly polled
}

type shown struct {
	value string
	by    *logOp
}

// logValue is what is known of a value.
type logValue struct {
	record      history.Value
	sender      *logOp // the last one
	reader      *logOp // the first one that was ok
	acked       *logOp // the first one that sent it and was ok
	maybe       bool   // not all that sent it failed
	born        int    // when the first of those began
	polled      bool
	gone        bool // retention or compaction may have removed it
	places      int
	first, last int
}

func (l *logs) allowed(name string) bool {
	p := l.parameters
	switch name {
	case "int-send-skip", "G0", "G0-realtime":
		return true
	case "poll-skip", "nonmonotonic-poll":
		if p["sub-via"] == "subscribe" || p["sub-via"] == "" && l.subscribed && !l.assigns {
			return true
		}
	case "G1c", "G1c-realtime", "G-single", "G-single-realtime", "G2", "G2-realtime":
		if p["ww-deps"] == "true" {
			return true
		}
	}
	return slices.Contains(strings.Split(p["allow"], ","), name)
}

// judge looks for everything but cycles.
func (l *logs) judge(ops []*claim.Op) (*claim.Ruling, error) {
	*l = logs{parameters: l.parameters, retention: l.retention, Ruling: claim.NewRuling(), keys: map[string]*logKey{}, byOp: map[*claim.Op]*logOp{}}
	for _, o := range ops {
		if err := l.read(o); err != nil {
			return nil, err
		}
	}
	l.place()
	for _, k := range l.named {
		l.offsets(k)
		l.values(k)
	}
	l.torn()
	l.sequences()
	l.sought()
	l.walked()
	l.groups()
	for b := range l.Broken {
		if l.allowed(b.Name) {
			delete(l.Broken, b)
		}
	}
	return l.Ruling, nil
}

func (l *logs) key(v history.Value) string {
	name := claim.TextOf(v)
	if l.keys[name] == nil {
		l.keys[name] = &logKey{name: name, at: map[int64][]shown{}, rank: map[int64]int{}, values: map[string]*logValue{}}
		l.named = append(l.named, l.keys[name])
	}
	return name
}

// read decodes an operation.
func (l *logs) read(o *claim.Op) error {
	t := &logOp{Op: o}
	switch o.Invoke.F {
	default:
		return nil
	case "assign", "subscribe":
		l.subscribed = l.subscribed || o.Invoke.F == "subscribe"
		for _, k := range o.Value().Elems() {
			t.keys = append(t.keys, l.key(k))
		}
	case "send", "poll", "txn", "rebalance", "commit", "init":
		v := o.Invoke.Value
		if o.Complete != nil && o.Complete.Value.Kind() == history.KindList {
			v = o.Complete.Value
		}
		for _, m := range v.Elems() {
			if err := l.micro(t, m.Elems()); err != nil {
				return fmt.Errorf("index %d: %w", o.Inv, err)
			}
		}
		if o.Happened() {
			l.Judged += len(t.sends) + len(t.polls)
		}
	}
	l.ops = append(l.ops, t)
	l.byOp[o] = t
	return nil
}

func (l *logs) micro(t *logOp, m []history.Value) error {
	name := ""
	if len(m) > 0 {
		name = m[0].Text()
	}
	switch {
	case name == "send" && len(m) == 3:
		s := message{key: l.key(m[1])}
		if pair := m[2].Elems(); m[2].Kind() == history.KindList && len(pair) == 2 {
			s.offset, s.known = pair[0].Int()
			s = l.message(s, pair[1])
		} else {
			s = l.message(s, m[2])
		}
		t.sends = append(t.sends, s)
	case name == "abort" && len(m) == 1:
	case name == "poll" && (len(m) == 1 || len(m) == 2 && m[1].IsNil()):
	case name == "poll" && len(m) == 2 && m[1].Kind() == history.KindMap:
		for kv := m[1].Elems(); len(kv) > 0; kv = kv[2:] {
			k := l.key(kv[0])
			if len(kv[1].Elems()) == 0 {
				t.empty = append(t.empty, k)
			}
			for _, pair := range kv[1].Elems() {
				if len(pair.Elems()) != 2 {
					return fmt.Errorf("%v is no message", pair)
				}
				s := message{key: k}
				s.offset, s.known = pair.Elems()[0].Int()
				t.polls = append(t.polls, l.message(s, pair.Elems()[1]))
			}
		}
	case len(m) == 2 && m[1].Kind() == history.KindMap:
		return l.more(t, name, m[1])
	default:
		return fmt.Errorf("%v is no micro-operation of a log", m)
	}
	return nil
}

// message gives a message its value.
func (l *logs) message(m message, v history.Value) message {
	m.value = claim.Identity(v)
	if k := l.keys[m.key]; k.values[m.value] == nil {
		k.values[m.value] = &logValue{record: v}
	}
	return m
}

func (l *logs) of(m message) *logValue { return l.keys[m.key].values[m.value] }

// place finds out who sent and polled what, and what is where.
func (l *logs) place() {
	for _, t := range l.ops {
		for _, m := range t.sends {
			v := l.of(m)
			v.sender = t
			if v.acked == nil && t.Happened() {
				v.acked = t
			}
			if !v.maybe && !t.Failed() {
				v.maybe, v.born = true, t.Inv
			}
		}
		for _, m := range t.polls {
			v := l.of(m)
			v.polled = true
			if v.reader == nil && t.Happened() {
				v.reader = t
			}
		}
	}
	for _, t := range l.ops {
		t.effect = t.Happened() || !t.Failed() && slices.ContainsFunc(t.sends, func(m message) bool { return l.of(m).reader != nil })
		if t.effect {
			l.show(t, t.sends)
		}
		l.show(t, t.polls)
	}
	for _, k := range l.named {
		k.arrange()
		k.removals(l.retention, l.parameters["compaction"] == "true")
	}
}

func (l *logs) show(t *logOp, list []message) {
	for _, m := range list {
		k := l.keys[m.key]
		if m.known && !slices.ContainsFunc(k.at[m.offset], func(s shown) bool { return s.value == m.value }) {
			k.at[m.offset] = append(k.at[m.offset], shown{m.value, t})
		}
	}
}

func (k *logKey) arrange() {
	for offset := range k.at {
		k.offsets = append(k.offsets, offset)
	}
	slices.Sort(k.offsets)
	k.bound = -1
	for place, offset := range k.offsets {
		k.rank[offset] = place
		for _, s := range k.at[offset] {
			v := k.values[s.value]
			if v.places++; v.places == 1 {
				v.first = place
			}
			v.last = place
		}
	}
	for _, v := range k.values {
		if v.reader != nil && v.places > 0 {
			k.bound = max(k.bound, v.first)
		}
	}
}

// offsets: inconsistent-offsets is an offset with two values. If one of them was
// there before the other was sent, that is a truncation too.
func (l *logs) offsets(k *logKey) {
	for _, held := range k.at {
		if len(held) < 2 {
			continue
		}
		l.Note("inconsistent-offsets", k.name)
		early := slices.MinFunc(held, func(a, b shown) int { return cmp.Compare(done(a.by), done(b.by)) })
		for _, s := range held {
			if w := k.values[s.value].sender; s.value != early.value && w != nil && w.Inv > done(early.by) {
				l.Note("truncation", k.name)
			}
		}
	}
}

// done returns when an operation was ok, if it was.
func done(t *logOp) int {
	if t.Happened() {
		return t.Res
	}
	return claim.Never
}

// values: a value that was polled although all that sent it failed (G1a), or that
// nobody sent (thin-air-read); one that nobody polled, although it took effect and
// others polled what is at or after it (lost-write), or although it was acknowledged
// (unseen); one at two offsets (duplicate).
func (l *logs) values(k *logKey) {
	for _, v := range k.values {
		if v.reader != nil && v.sender != nil && !v.maybe {
			l.Note("G1a", k.name)
		}
		if v.polled && v.sender == nil {
			l.Note("thin-air-read", k.name)
		}
		if v.reader == nil && v.sender != nil && v.sender.effect && v.places > 0 && v.last <= k.bound && !v.gone {
			l.Note("lost-write", k.name)
		}
		if v.acked != nil && v.reader == nil && !v.gone {
			l.Note("unseen", k.name)
		}
		if v.places > 1 {
			l.Note("duplicate", k.name)
		}
	}
}

// torn: of a transaction something was polled, and something was not although others
// polled what is at or after it, or although a final poll, made after that, found no
// more in its log.
func (l *logs) torn() {
	last := map[string]int{} // by key, when the last final poll that found nothing began
	for _, t := range l.ops {
		for _, k := range t.empty {
			if t.Happened() && t.Complete.Final {
				last[k] = t.Inv + 1
			}
		}
	}
	for _, t := range l.ops {
		seen := slices.IndexFunc(t.sends, func(m message) bool { return l.of(m).reader != nil })
		if t.Invoke.F != "txn" || t.Failed() || seen < 0 {
			continue
		}
		for _, m := range t.sends {
			v := l.of(m)
			if v.reader == nil && !v.gone && (v.places > 0 && v.last <= l.keys[m.key].bound || last[m.key] > l.of(t.sends[seen]).reader.Res) {
				l.Note("torn-transaction", m.key)
				break
			}
		}
	}
}

// places returns where a message is: at the offset it came with, or else at the last
// place of its value, which comes second.
func (l *logs) places(m message) (own, last int) {
	k := l.keys[m.key]
	own, last = -1, -1
	if place, ok := k.rank[m.offset]; m.known && ok {
		own = place
	}
	if v := k.values[m.value]; v.places > 0 {
		last = v.last
	}
	if own < 0 {
		own = last
	}
	return own, last
}

// compare: of two messages, the second has to be the next after the first in the log,
// but for those that could be gone when the second was got.
func (l *logs) compare(a, b message, by int, skip, back string) {
	k := l.keys[a.key]
	aOwn, aLast := l.places(a)
	bOwn, bLast := l.places(b)
	if aOwn < 0 || bOwn < 0 {
		return
	}
	for _, p := range [][2]int{{aOwn, bOwn}, {aLast, bLast}} {
		switch {
		case p[0] < 0 || p[1] < 0:
		case p[1] <= p[0]:
			l.Note(back, a.key)
		case skip != "" && k.needed(p[0]+1, p[1], by):
			l.Note(skip, a.key)
		}
	}
}

// sequences: what an operation, and a process, sent and polled one after the other
// has to follow each other in the log; only what is sent may have others between. A
// process that is told what it owns begins anew. No operation polls what it sent.
func (l *logs) sequences() {
	polls, sends := map[history.Process]map[string]message{}, map[history.Process]map[string]message{}
	for _, t := range l.ops {
		p := t.Invoke.Process
		if polls[p] == nil {
			polls[p], sends[p] = map[string]message{}, map[string]message{}
		}
		if t.Invoke.F == "assign" || t.Invoke.F == "subscribe" {
			for _, positions := range []map[string]message{polls[p], sends[p]} {
				for k := range positions {
					if !t.Failed() && !slices.Contains(t.keys, k) {
						delete(positions, k)
					}
				}
			}
			continue
		}
		if len(t.grants) > 0 {
			clear(polls[p])
		} else {
			l.neighbours(t, t.polls, "int-poll-skip", "int-nonmonotonic-poll")
		}
		for _, s := range t.seeks {
			delete(polls[p], s.key)
		}
		l.neighbours(t, t.sends, "int-send-skip", "int-nonmonotonic-send")
		l.follow(t, t.polls, polls[p], t.Happened(), "poll-skip", "nonmonotonic-poll")
		if !t.Failed() {
			l.follow(t, t.sends, sends[p], true, "", "nonmonotonic-send")
		}
		for _, m := range t.polls {
			if slices.ContainsFunc(t.sends, func(s message) bool { return s.key == m.key && s.value == m.value }) {
				l.Note("precommitted-read", m.key)
				break
			}
		}
	}
}

func (l *logs) neighbours(t *logOp, list []message, skip, back string) {
	before := map[string]message{}
	for _, m := range list {
		if b, ok := before[m.key]; ok {
			l.compare(b, m, done(t), skip, back)
		}
		before[m.key] = m
	}
}

func (l *logs) follow(t *logOp, list []message, at map[string]message, counts bool, skip, back string) {
	seen := map[string]message{}
	for _, m := range list {
		b, ok := at[m.key]
		if _, again := seen[m.key]; ok && !again {
			l.compare(b, m, done(t), skip, back)
		}
		seen[m.key] = m
	}
	for k, m := range seen {
		if counts {
			at[k] = m
		}
	}
}

// writer returns who sent a value, if that took effect.
func (l *logs) writer(v *logValue) *logOp {
	if v.sender == nil || !v.sender.effect && !v.polled {
		return nil
	}
	return v.sender
}

// next calls f with those who sent what is next after a place of a log.
func (l *logs) next(k *logKey, place int, f func(w *logOp)) {
	if place < 0 || place+1 >= len(k.offsets) {
		return
	}
	for _, s := range k.at[k.offsets[place+1]] {
		if w := l.writer(k.values[s.value]); w != nil {
			f(w)
		}
	}
}

// ends calls f with the last place of each log that an operation polled.
func (l *logs) ends(t *logOp, f func(k *logKey, place int)) {
	last := map[string]message{}
	for _, m := range t.polls {
		last[m.key] = m
	}
	for name, m := range last {
		place, _ := l.places(m)
		f(l.keys[name], place)
	}
}

// ordered confirms the order of an ok.
func (l *logs) ordered(c *claim.Claim, order []int) error {
	all := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return !l.allowed(n) })
	}
	rw := l.parameters["rw-deps"] == "true" && !all("G-single", "G2", "G-single-realtime", "G2-realtime")
	if all("G1c", "G1c-realtime") && !rw {
		return nil
	}
	at := map[*logOp]int{}
	for i, index := range order {
		o, err := c.Op(index)
		if err != nil {
			return err
		}
		if at[l.byOp[o]] > 0 || l.byOp[o] == nil {
			return fmt.Errorf("index %d is in the order twice, or no operation on a log", index)
		}
		at[l.byOp[o]] = i + 1
	}
	if len(order) != len(l.ops) {
		return fmt.Errorf("the order has %d operations of %d", len(order), len(l.ops))
	}
	realtime := !l.allowed("G1c-realtime") || rw && !all("G-single-realtime", "G2-realtime")
	return l.forward(c, order, at, rw, realtime)
}

// forward confirms that all edges lead forward in an order.
func (l *logs) forward(c *claim.Claim, order []int, at map[*logOp]int, rw, realtime bool) error {
	begun := -1
	for _, index := range order {
		o, _ := c.Op(index)
		t := l.byOp[o]
		if realtime && t.Happened() && t.Res < begun {
			return fmt.Errorf("index %d ended before index %d began, but is later in the order", index, begun)
		}
		begun = max(begun, t.Inv)
		var wrong *logOp
		check := func(a, b *logOp) {
			if a != b && at[a] > at[b] {
				wrong = a
			}
		}
		if t.Happened() {
			for _, m := range t.polls {
				if w := l.writer(l.of(m)); w != nil {
					check(w, t)
				}
			}
			l.ends(t, func(k *logKey, place int) {
				if rw {
					l.next(k, place, func(w *logOp) { check(t, w) })
				}
			})
		}
		if wrong != nil {
			return fmt.Errorf("the order does not fit what index %d polled, see index %d", index, wrong.Inv)
		}
	}
	return nil
}

// cycle confirms a cycle.
func (l *logs) cycle(c *claim.Claim, v claim.Violation) error {
	kinds := map[string]int{}
	from := []int{}
	for i, e := range v.Edges {
		if e.To != v.Edges[(i+1)%len(v.Edges)].From {
			return fmt.Errorf("the edges are no cycle: one leads to %d, the next one from elsewhere", e.To)
		}
		if err := l.edge(c, e); err != nil {
			return err
		}
		kinds[e.Kind]++
		from = append(from, e.From)
	}
	name := "G0"
	switch {
	case kinds["rw"] > 1:
		name = "G2"
	case kinds["rw"] == 1:
		name = "G-single"
	case kinds["wr"] > 0:
		name = "G1c"
	}
	if kinds["rt"] > 0 {
		name += "-realtime"
	}
	slices.Sort(from)
	switch {
	case name != v.Anomaly || v.Key != "":
		return fmt.Errorf("this is %s, not %s of %q", name, v.Anomaly, v.Key)
	case l.allowed(name):
		return fmt.Errorf("%s is allowed", name)
	case !slices.Equal(slices.Compact(from), v.Ops):
		return fmt.Errorf("the operations are not those of the edges")
	}
	return nil
}

func (l *logs) edge(c *claim.Claim, e claim.CycleStep) error {
	oa, err := c.Op(e.From)
	if err != nil {
		return err
	}
	ob, err := c.Op(e.To)
	if err != nil {
		return err
	}
	a, b := l.byOp[oa], l.byOp[ob]
	if a == nil || b == nil || a == b {
		return fmt.Errorf("%d and %d are not two operations on logs", e.From, e.To)
	}
	holds := false
	switch e.Kind {
	case "rt":
		holds = a.Happened() && a.Before(b.Op)
	case "wr":
		for _, m := range b.polls {
			holds = holds || b.Happened() && m.key == e.Key && l.writer(l.of(m)) == a
		}
	case "rw":
		l.ends(a, func(k *logKey, place int) {
			l.next(k, place, func(w *logOp) {
				holds = holds || a.Happened() && k.name == e.Key && w == b && l.parameters["rw-deps"] == "true"
			})
		})
	case "ww":
		for _, m := range a.sends {
			place, _ := l.places(m)
			if m.key == e.Key && l.writer(l.of(m)) == a && l.parameters["ww-deps"] == "true" {
				l.next(l.keys[m.key], place, func(w *logOp) { holds = holds || w == b })
			}
		}
	}
	if !holds {
		return fmt.Errorf("there is no edge %s of %q from %d to %d", e.Kind, e.Key, e.From, e.To)
	}
	return nil
}

// unnumbered is a term whose number is not known.
const unnumbered = math.MinInt64
