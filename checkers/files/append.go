package files

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// AppendName is what the checker of streams is called.
const AppendName = "append"

// Names of the anomalies of streams.
const (
	Diverged        = "diverged"
	LostRecord      = "lost-record"
	LostLength      = "lost-length"
	ShortSync       = "short-sync"
	Gap             = "gap"
	Reordered       = "reordered"
	DuplicateRecord = "duplicate-record"
	PhantomRecord   = "phantom-record"
	PrematureRecord = "premature-record"
	RevivedRecord   = "revived-record"
)

// AppendAnomalies returns the names of all anomalies of streams, the gravest first.
func AppendAnomalies() []string {
	return []string{LostRecord, LostLength, ShortSync, RevivedRecord, Diverged, Gap, Reordered, DuplicateRecord, PhantomRecord, PrematureRecord}
}

// AppendOptions say what the file system promises.
type AppendOptions struct {
	// Durable says that an append is durable as soon as it is ok, as if every
	// append came with a sync.
	Durable bool
	// Eventual says that reads may be behind, or show what is lost again, until
	// all faults are over. What they show has to have been appended, and those of
	// the final phase are judged in full.
	Eventual bool
}

// AppendReport is what was seen of streams.
type AppendReport struct {
	Files   int            `json:"files"`
	Appends int            `json:"appends"` // that were ok
	Syncs   int            `json:"syncs"`
	Reads   int            `json:"reads"`
	Longest int            `json:"longest"` // records in one read
	Broken  map[string]int `json:"broken"`  // how often each rule was

	book rules.Book
}

// NewAppend returns a checker of files that grow: what readers see is a beginning
// of what was appended, and what was synced survives every crash.
//
//	append  FILE RECORD         FILE is the key; RECORD is different for every append
//	sync    FILE => 7 or nil    the number of records that are durable now; nil if it is not told
//	read    FILE => [RECORD…]   open, read to the end, close
//	remove  FILE                delete it; whoever appends later makes the file anew
//	cut     FILE N              leave the first N records at most; refused while somebody has the file open for appending
//	move    FILE NAME           from then on the file is read as NAME; refused in the same way
//
// NAME takes the file FILE only, and nobody does anything to NAME but read it. What
// was moved is still FILE here, and appends to the old name make another file.
//
// Between such changes lie the eras of a file, and each is judged by itself. What is
// read of it after a move, and as far as the cut says after a cut, is judged as if
// it had been read in the era before. A change that failed is none. In none of these
// cases is more asked of a read than where its records come from:
//
//   - it overlaps with a change
//   - the outcome of a change before it is unknown
//   - it is of a name to which more than one move may have succeeded
//
// Who has a file open when it is removed may go on with what nobody can read any
// more. So once a remove has begun an append may be lost even if it is ok.
//
//	lost-record       a record was appended, then synced, and a later read lacks it
//	lost-length       a later read is shorter than a sync said, or a later sync says less
//	short-sync        a sync says less than the place of a record that was durable before
//	diverged          two reads of which neither is a beginning of the other
//	gap               a read has a record, but lacks one whose append was ok before that of the other began
//	reordered         a read has two records in another order than they were appended in
//	duplicate-record  a record is twice in a read
//	phantom-record    a read has a record that nobody appended, or only with appends that failed
//	premature-record  a read had a record before its append began
//	revived-record    a read has a record that a remove, a move or a cut had taken from the file before
//
// To see that two writers never write at the same time, judge their leases with
// package lease. O(n log n) in the records of all reads.
func NewAppend(opts AppendOptions) checkers.Checker {
	return checkers.New(AppendName, func(ctx context.Context, h *history.History) checkers.Result {
		r, err := CheckAppend(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		if r.Appends+r.Syncs+r.Reads == 0 || r.Reads == 0 && len(r.Broken) == 0 {
			return checkers.Unknownf("no file was read: %d appends and %d syncs were ok, but only reads show what is left of them", r.Appends, r.Syncs).Detail(r)
		}
		return r.book.Result(AppendAnomalies(), AppendName, map[string]string{"durable": strconv.FormatBool(opts.Durable), "eventual": strconv.FormatBool(opts.Eventual)}, nil).Detail(r)
	})
}

// stream is a file with all that was done to it.
type stream struct {
	*scribe
	key     string
	name    int32 // the number of its name
	ids     intern.Table
	records []record // by number
	appends []int32  // records in the order in which their appends began
	changes []change // in the order in which they began
	asked   []op     // syncs
	shown   []reading
}

// record is what happened to a record.
type record struct {
	append op  // Invoke is nil if nobody appended it
	at     int // its place in the longest read, or never
}

type reading struct {
	op
	name  int32 // under which it was read
	ids   []int32
	limit int // records behind so many of them are not judged
}

// CheckAppend judges what was done to files that grow in h. It is an error if that
// does not have the form that NewAppend says, or if ctx ends.
func CheckAppend(ctx context.Context, h *history.History, opts AppendOptions) (*AppendReport, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	r := &AppendReport{}
	all := shelf{scribe: &scribe{clock: checkers.ClockOf(calls), book: &r.book, eventual: opts.Eventual}, byName: map[int32]*stream{}}
	if err := all.moved(calls); err != nil {
		return nil, err
	}
	for i, c := range calls {
		if i%1024 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations were read: %w", i, len(calls), context.Cause(ctx))
		}
		if err := all.call(opOf(c), r); err != nil {
			return nil, err
		}
	}
	r.Files = len(all.streams)
	for _, f := range all.streams {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("stopped before all files were judged: %w; broken so far: %v", err, r.book.Counts())
		}
		f.judge(opts)
	}
	r.Broken = r.book.Counts()
	return r, nil
}

// shelf is all files.
type shelf struct {
	*scribe
	names   intern.Table
	from    map[int32]int32 // by the name to which a file is moved: the one that it has before
	streams []*stream
	byName  map[int32]*stream
}

// moved finds the names to which files are moved.
func (s *shelf) moved(calls []history.Call) error {
	s.from = map[int32]int32{}
	for _, c := range calls {
		if c.Invoke.F != "move" {
			continue
		}
		from, to := s.names.ID(c.Invoke.Key), s.names.ID(c.Invoke.Value)
		if old, taken := s.from[to]; taken && old != from {
			return fmt.Errorf("index %d: another file is moved to %v as well: a name has to be for one file only", c.Invoke.Index, c.Invoke.Value)
		}
		s.from[to] = from
	}
	return nil
}

// call takes in an operation. Operations of other names are ignored.
func (s *shelf) call(o op, r *AppendReport) error {
	f := o.Invoke.F
	if f != "append" && f != "sync" && f != "read" && f != "remove" && f != "cut" && f != "move" {
		return nil
	}
	name := s.names.ID(o.Invoke.Key)
	from, moved := s.from[name]
	switch {
	case moved && f == "sync":
		return nil
	case moved && f != "read":
		return fmt.Errorf("index %d: %s of %v, to which a file is moved: nobody may do anything to such a name but read it", o.inv, f, o.Invoke.Key)
	case moved:
		return s.stream(from).read(o, name, r)
	case f == "move":
		return s.stream(name).change(change{op: o, to: s.names.ID(o.Invoke.Value)})
	default:
		return s.stream(name).call(o, r)
	}
}

func (s *shelf) stream(name int32) *stream {
	f := s.byName[name]
	if f == nil {
		f = &stream{scribe: s.scribe, key: checkers.KeyName(s.names.Value(name)), name: name}
		s.byName[name] = f
		s.streams = append(s.streams, f)
	}
	return f
}

func (f *stream) record(v history.Value) int32 {
	id := f.ids.ID(v)
	if int(id) == len(f.records) {
		f.records = append(f.records, record{at: never})
	}
	return id
}

// call takes in an operation on the file that is no move.
func (f *stream) call(o op, r *AppendReport) error {
	switch o.Invoke.F {
	case "append":
		return f.append(o, r)
	case "sync":
		return f.sync(o, r)
	case "read":
		return f.read(o, f.name, r)
	case "cut":
		return f.cut(o)
	default:
		return f.change(change{op: o})
	}
}

func (f *stream) append(o op, r *AppendReport) error {
	id := f.record(o.Invoke.Value)
	if old := f.records[id].append; old.Invoke != nil {
		return fmt.Errorf("index %d: record %v was appended before, at index %d: records have to be unique", o.inv, o.Invoke.Value, old.inv)
	}
	f.records[id].append = o
	f.appends = append(f.appends, id)
	if o.ok() {
		r.Appends++
	}
	return nil
}

func (f *stream) sync(o op, r *AppendReport) error {
	if !o.ok() {
		return nil
	}
	v := o.Complete.Value
	if _, number := v.Int(); !number && !v.IsNil() {
		return fmt.Errorf("index %d: a sync has to return how many records are durable, or nil, not %v", o.res, v)
	}
	r.Syncs++
	f.asked = append(f.asked, o)
	return nil
}

func (f *stream) read(o op, name int32, r *AppendReport) error {
	if !o.ok() {
		return nil
	}
	v := o.Complete.Value
	if v.Kind() != history.KindList && !v.IsNil() {
		return fmt.Errorf("index %d: a read has to return a list of records, not %v", o.res, v)
	}
	rd := reading{op: o, name: name, limit: never}
	for _, e := range v.Elems() {
		rd.ids = append(rd.ids, f.record(e))
	}
	r.Reads++
	r.Longest = max(r.Longest, len(rd.ids))
	f.shown = append(f.shown, rd)
	return nil
}

// judge judges where all records come from, and then one era after the other.
func (f *stream) judge(opts AppendOptions) {
	for i := range f.shown {
		f.origin(&f.shown[i])
	}
	f.shown = slices.DeleteFunc(f.shown, func(rd reading) bool { return f.behind(rd.op) })
	f.asked = slices.DeleteFunc(f.asked, f.behind)
	eras := f.eras()
	for _, e := range eras {
		e.judge(opts)
	}
	f.revived(eras)
}

// judge judges every read beside the longest one.
func (f *era) judge(opts AppendOptions) {
	f.shrunk()
	for i := range f.reads {
		if rd := &f.reads[i]; f.longest == nil || len(rd.ids) > len(f.longest.ids) {
			f.longest = rd
		}
	}
	if f.longest == nil {
		return
	}
	for i, id := range slices.Backward(f.longest.ids) {
		f.records[id].at = i
	}
	for i := range f.reads {
		f.alone(&f.reads[i])
	}
	f.order()
	f.durable(opts)
	for _, id := range f.longest.ids {
		f.records[id].at = never
	}
}

// alone judges whether the records of one read are a beginning of the longest.
func (f *era) alone(rd *reading) {
	for i, id := range rd.ids {
		if other := f.longest.ids[i]; other != id {
			f.add(Diverged, f.key, "", fmt.Sprintf("%s read %s as record %d, and %s read %s there", f.reader(f.longest), f.title(other), i, f.reader(rd), f.title(id)), f.longest.op, rd.op)
			return
		}
	}
}

// origin finds records of one read that nobody appended, or not by then, or once only.
func (f *stream) origin(rd *reading) {
	seen := make(map[int32]bool, len(rd.ids))
	for _, id := range rd.ids {
		name := f.title(id)
		switch w := f.records[id].append; {
		case seen[id]:
			f.add(DuplicateRecord, f.key, name, fmt.Sprintf("%s read %s twice", f.who(rd.op), name), rd.op)
		case w.Invoke == nil:
			f.add(PhantomRecord, f.key, name, fmt.Sprintf("%s read %s, which nobody appended", f.who(rd.op), name), rd.op)
		case w.failed():
			f.add(PhantomRecord, f.key, name, fmt.Sprintf("%s read %s, but the append of it, by %s, failed", f.who(rd.op), name, f.who(w)), rd.op)
		case rd.res < w.inv:
			f.add(PrematureRecord, f.key, name, fmt.Sprintf("%s read %s and had it by %s, but the append of it, by %s, had not begun", f.who(rd.op), name, f.end(rd.op), f.who(w)), rd.op, w)
		}
		seen[id] = true
	}
}

func (f *stream) title(id int32) string { return checkers.KeyName(f.ids.Value(id)) }

// order compares the order of the longest read with that of the appends.
func (f *era) order() {
	var latest *record // of the records so far, the one whose append began last
	for i, id := range f.longest.ids {
		w := &f.records[id]
		if w.append.Invoke == nil || w.at != i {
			continue // from nowhere, or for the second time
		}
		if latest != nil && f.done(w) < latest.append.inv {
			f.inverted(Reordered, w, latest, "read the two the other way round")
		}
		if latest == nil || w.append.inv > latest.append.inv {
			latest = w
		}
	}
	if latest == nil {
		return
	}
	for _, id := range f.begun() {
		if w := &f.records[id]; w.at == never && f.done(w) < latest.append.inv {
			f.inverted(Gap, w, latest, "read the second without the first")
		}
	}
}

// inverted notes that a read has a record, but not, or not before it, one that
// was appended earlier.
func (f *era) inverted(rule string, early, late *record, how string) {
	a, b, rd := early.append, late.append, f.longest
	f.book.Add(rules.Finding{Rule: rule, Key: f.key, Ops: []int{a.inv, b.inv, rd.inv}, Edges: []checkers.Edge{f.rt(a, b, f.key)},
		Why: fmt.Sprintf("the append of %v by %s was ok by %s; after that, that of %v by %s began; %s %s",
			a.Invoke.Value, f.who(a), f.end(a), b.Invoke.Value, f.who(b), f.reader(rd), how)})
}

// need is that reads which begin after a time have some records.
type need struct {
	from   int // the end of by
	length int
	by     op      // the sync, or the append if it needs none
	record *record // nil if the sync told the length
}

// durable finds reads that are shorter than what was durable when they began.
func (f *era) durable(opts AppendOptions) {
	f.short(LostLength, f.lengths())
	needs := f.synced(opts)
	f.understated(needs)
	f.short(LostRecord, needs)
}

// shrunk finds syncs that say less than an earlier one.
func (f *era) shrunk() {
	f.told(f.lengths(), func(s op, n int64, before *need) {
		f.book.Add(rules.Finding{Rule: LostLength, Key: f.key, Ops: []int{before.by.inv, s.inv}, Edges: []checkers.Edge{f.rt(before.by, s, f.key)},
			Why: fmt.Sprintf("%s synced the file and was told by %s that %d records are durable; after that, %s synced it and was told %d",
				f.who(before.by), f.end(before.by), before.length, f.who(s), n)})
	})
}

// understated finds syncs that leave out a record that was durable before. The
// longest read shows the place of the record.
func (f *era) understated(needs []need) {
	placed := slices.DeleteFunc(slices.Clone(needs), func(n need) bool { return n.length == never })
	f.told(placed, func(s op, n int64, before *need) {
		a := before.record.append
		finding := rules.Finding{Rule: ShortSync, Key: f.key, Ops: []int{a.inv, before.by.inv, s.inv, f.longest.inv}, Edges: []checkers.Edge{f.rt(before.by, s, f.key)},
			Why: fmt.Sprintf("%s appended %v, which was durable by %s; after that, %s synced the file and was told that %d records are durable, but %s read that one as number %d",
				f.who(a), a.Invoke.Value, f.end(before.by), f.who(s), n, f.reader(f.longest), before.length)}
		if a.inv != before.by.inv {
			finding.Edges = append([]checkers.Edge{f.rt(a, before.by, f.key)}, finding.Edges...)
		}
		f.book.Add(finding)
	})
}

// told calls less for each sync that says less than what was needed when it began.
func (f *era) told(needs []need, less func(s op, n int64, before *need)) {
	slices.SortFunc(needs, func(a, b need) int { return cmp.Compare(a.from, b.from) })
	var most *need
	for _, s := range f.syncs { // in the order in which they began
		for ; len(needs) > 0 && needs[0].from < s.inv; needs = needs[1:] {
			if most == nil || needs[0].length > most.length {
				most = &needs[0]
			}
		}
		if n, ok := s.Complete.Value.Int(); ok && most != nil && n < int64(most.length) {
			less(s, n, most)
		}
	}
}

// lengths returns how long the file has to be after each sync that says so.
func (f *era) lengths() []need {
	var needs []need
	for _, s := range f.syncs {
		if n, ok := s.Complete.Value.Int(); ok {
			needs = append(needs, need{s.res, int(min(n, never)), s, nil})
		}
	}
	return needs
}

// synced returns which records have to be there after which operation.
func (f *era) synced(opts AppendOptions) []need {
	var done []*record
	for _, id := range f.begun() {
		if w := &f.records[id]; f.done(w) != never {
			done = append(done, w)
		}
	}
	slices.SortFunc(done, func(a, b *record) int { return cmp.Compare(a.append.res, b.append.res) })
	var needs []need
	if opts.Durable {
		for _, w := range done {
			needs = append(needs, need{w.append.res, length(w), w.append, w})
		}
	}
	var lacking, deepest *record // one that the longest read lacks, and the last of those that it has
	for _, s := range f.syncs {  // in the order in which they began
		for ; len(done) > 0 && done[0].append.res < s.inv; done = done[1:] {
			switch w := done[0]; {
			case w.at == never:
				lacking = cmp.Or(lacking, w)
			case deepest == nil || w.at > deepest.at:
				deepest = w
			}
		}
		for _, w := range []*record{lacking, deepest} {
			if w != nil {
				needs = append(needs, need{s.res, length(w), s, w})
			}
		}
	}
	return needs
}

// length is how long a read has to be to have a record.
func length(w *record) int {
	if w.at == never {
		return never
	}
	return w.at + 1
}

// short finds reads that are too short for what is needed.
func (f *era) short(rule string, needs []need) {
	slices.SortFunc(needs, func(a, b need) int { return cmp.Compare(a.from, b.from) })
	var most *need
	for i := range f.reads {
		rd := &f.reads[i]
		for ; len(needs) > 0 && needs[0].from < rd.inv; needs = needs[1:] {
			if most == nil || needs[0].length > most.length {
				most = &needs[0]
			}
		}
		if most == nil || len(rd.ids) >= min(most.length, rd.limit) || most.record != nil && slices.Contains(rd.ids, f.ids.ID(most.record.append.Invoke.Value)) {
			continue
		}
		f.lost(rule, most, rd)
	}
}

func (f *era) lost(rule string, n *need, rd *reading) {
	finding := rules.Finding{Rule: rule, Key: f.key, Ops: []int{n.by.inv, rd.inv}, Edges: []checkers.Edge{f.rt(n.by, rd.op, f.key)}}
	then := fmt.Sprintf("after that, %s read the file and got %d records", f.reader(rd), len(rd.ids))
	if rd.limit != never {
		then = fmt.Sprintf("a cut was to leave up to %d; ", rd.limit) + then
	}
	if n.record == nil {
		finding.Why = fmt.Sprintf("%s synced the file and was told by %s that %v records are durable; %s", f.who(n.by), f.end(n.by), n.by.Complete.Value, then)
		f.book.Add(finding)
		return
	}
	a := n.record.append
	finding.Ops = []int{a.inv, n.by.inv, rd.inv}
	finding.Why = fmt.Sprintf("%s appended %v, which was ok by %s; %s, without that one", f.who(a), a.Invoke.Value, f.end(a), then)
	if a.inv != n.by.inv {
		finding.Why = fmt.Sprintf("%s appended %v, which was ok by %s; %s began a sync after that, which was ok by %s; %s, without that one",
			f.who(a), a.Invoke.Value, f.end(a), f.who(n.by), f.end(n.by), then)
		finding.Edges = append([]checkers.Edge{f.rt(a, n.by, f.key)}, finding.Edges...)
	}
	f.book.Add(finding)
}
