package journal_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/journal"
)

// disk holds files in memory. Operations wait until they are told to happen.
type disk struct {
	actor.Disk
	files  map[string][]byte
	synced map[string]int
	old    [][]byte // what was in the blocks of files before
	queue  []func()
	err    error // of all operations from now on
}

func newDisk() *disk { return &disk{files: make(map[string][]byte), synced: make(map[string]int)} }

func (d *disk) later(do func(), done func(error)) {
	d.queue = append(d.queue, func() {
		if d.err == nil {
			do()
		}
		done(d.err)
	})
}

func (d *disk) Append(name string, data []byte, done func(error)) {
	d.later(func() { d.files[name] = append(d.files[name], data...) }, done)
}

func (d *disk) Sync(name string, done func(error)) {
	d.later(func() { d.synced[name] = len(d.files[name]) }, done)
}

func (d *disk) SyncDir(done func(error)) { d.later(func() {}, done) }

func (d *disk) Rename(from, to string, done func(error)) {
	d.later(func() {
		d.old = append(d.old, d.files[to])
		d.files[to], d.synced[to] = d.files[from], d.synced[from]
		delete(d.files, from)
	}, done)
}

func (d *disk) Remove(name string, done func(error)) {
	d.later(func() { delete(d.files, name) }, done)
}

func (d *disk) Read(name string, done func([]byte, error)) {
	d.later(func() {}, func(err error) { done(d.files[name], err) })
}

func (d *disk) List(done func([]string, error)) {
	d.later(func() {}, func(err error) { done(slices.Sorted(maps.Keys(d.files)), err) })
}

// run lets operations happen, up to a number of them, and returns how many did.
func (d *disk) run(most int) (n int) {
	for ; n < most && len(d.queue) > 0; n++ {
		next := d.queue[0]
		d.queue = d.queue[1:]
		next()
	}
	return n
}

const whole = 1 << 30

// notes is an owner of a journal, whose records are lines of text.
type notes struct {
	*journal.Journal
	lines  []string // that were reported done, or read
	failed error
}

// openNotes opens the journal of a disk. One that forgets keeps the last three
// lines only.
func openNotes(d *disk, forgets bool) *notes {
	n := &notes{}
	cfg := journal.Config{
		Name: "notes", File: "notes.log",
		Settled: func() { n.Flush() },
		Failed:  func(err error) { n.failed = err },
	}
	if forgets {
		cfg.Live = func() int { return 0 }
		cfg.Snapshot = func(add func([]byte)) {
			for _, line := range n.lines[max(0, len(n.lines)-3):] {
				add([]byte(line))
			}
		}
	}
	n.Journal = journal.New(d, cfg)
	n.Open(func(record []byte) error {
		n.lines = append(n.lines, string(record))
		return nil
	}, func() {})
	return n
}

func (n *notes) add(line string) {
	n.Add([]byte(line), func() { n.lines = append(n.lines, line) })
	n.Flush()
}

// A node writes three records, and dies before the last one was synced.
func Example() {
	d := newDisk()
	n := openNotes(d, false)
	d.run(whole)
	n.add("one")
	n.add("two") // goes to the disk when "one" is there
	d.run(whole)
	fmt.Println("done:", n.lines)
	n.add("three")
	d.run(1) // written, but not synced
	fmt.Println("done:", n.lines)

	d.files["notes.log"] = d.files["notes.log"][:d.synced["notes.log"]+5] // the power fails
	d.queue = nil
	n = openNotes(d, false)
	d.run(whole)
	fmt.Println("read:", n.lines)
	// Output:
	// done: [one two]
	// done: [one two]
	// read: [one two]
}

// What comes while a sync is under way goes to the disk together.
func TestBatches(t *testing.T) {
	t.Parallel()
	d := newDisk()
	n := openNotes(d, false)
	d.run(whole)
	for i := range 10 {
		n.add(fmt.Sprint(i))
	}
	if ops := d.run(whole); ops != 4 || len(n.lines) != 10 {
		t.Errorf("%d operations for %d records, want two batches of an append and a sync each", ops, len(n.lines))
	}
}

// A crash at any moment, with any part of what was not synced left, costs
// nothing that was reported done, and brings nothing back in another order.
func TestCrashAtEveryMoment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := newDisk()
		var added []string
		for range rapid.IntRange(1, 4).Draw(t, "lives") {
			n := openNotes(d, false)
			ready := d.run(rapid.IntRange(0, 9).Draw(t, "moment")) > 0 && len(d.queue) == 0
			if ready && !slices.Equal(n.lines, added[:len(n.lines)]) {
				t.Fatalf("read %v, added %v", n.lines, added)
			}
			if ready {
				added = slices.Clone(n.lines)
				for i := range rapid.IntRange(0, 6).Draw(t, "records") {
					added = append(added, fmt.Sprint(len(added), i))
					n.add(added[len(added)-1])
					d.run(rapid.IntRange(0, 3).Draw(t, "operations"))
				}
			}
			done := n.lines
			crash(t, d)
			n = openNotes(d, false)
			d.run(whole)
			if ready && len(n.lines) < len(done) || !slices.Equal(n.lines, added[:len(n.lines)]) {
				t.Fatalf("reported done %v, added %v, read %v", done, added, n.lines)
			}
			added = slices.Clone(n.lines)
		}
	})
}

// crash keeps of each file what was synced and some pieces of the rest. In the
// place of others there are zeros, garbage, or what was there in older files.
func crash(t *rapid.T, d *disk) {
	d.queue = nil
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		content, synced := d.files[name], d.synced[name]
		keep := rapid.IntRange(synced, len(content)).Draw(t, "kept")
		torn := slices.Clone(content[:keep])
		for at := synced; at < keep; {
			end := min(keep, at+rapid.IntRange(1, 60).Draw(t, "piece"))
			piece := torn[at:end]
			switch rapid.IntRange(0, 3).Draw(t, "fill") {
			case 0:
				clear(piece)
			case 1:
				copy(piece, rapid.SliceOfN(rapid.Byte(), len(piece), len(piece)).Draw(t, "garbage"))
			case 2:
				old := rapid.SampledFrom(append(d.old, nil)).Draw(t, "old")
				copy(piece, old[min(at, len(old)):])
			}
			at = end
		}
		d.old = append(d.old, content)
		d.files[name], d.synced[name] = torn, keep
	}
}

// filled returns a journal of a few batches, and where they begin.
func filled() (d *disk, starts []int) {
	d = newDisk()
	n := openNotes(d, false)
	d.run(whole)
	for i := range 5 {
		starts = append(starts, len(d.files["notes.log"]))
		n.add(strings.Repeat("x", 10*i))
		d.run(whole)
	}
	return d, starts
}

// reopen opens a journal with a content, and returns what it panicked with.
func reopen(content []byte) (n *notes, cause string) {
	defer func() {
		if p := recover(); p != nil {
			cause = fmt.Sprint(p)
		}
	}()
	d := newDisk()
	d.files["notes.log"] = content
	n = openNotes(d, false)
	d.run(whole)
	return n, ""
}

// A bit that flipped anywhere but in the last batch is no torn write.
func TestDamage(t *testing.T) {
	t.Parallel()
	d, starts := filled()
	log, last := d.files["notes.log"], starts[len(starts)-1]
	for at := range log {
		for bit := range 8 {
			bad := slices.Clone(log)
			bad[at] ^= 1 << bit
			n, cause := reopen(bad)
			switch {
			case at < last && !strings.Contains(cause, "notes: file notes.log is corrupt"):
				t.Fatalf("bit %d of byte %d flipped: panicked with %q", bit, at, cause)
			case at >= last && (cause != "" || len(n.lines) != 4):
				t.Fatalf("bit %d of byte %d of the last batch flipped: %q, or more than it is lost", bit, at, cause)
			}
		}
	}
	if _, cause := reopen(slices.Concat(log[:starts[2]], log[starts[3]:])); !strings.Contains(cause, "batch 4 at byte") {
		t.Errorf("a batch is missing: panicked with %q", cause)
	}
}

// A journal of things that changed is replaced by one of how they are.
func TestRewrite(t *testing.T) {
	t.Parallel()
	d := newDisk()
	n := openNotes(d, true)
	d.run(whole)
	for i := range 40 {
		n.add(fmt.Sprintf("%02d", i) + strings.Repeat("x", 10<<10))
		d.run(whole)
	}
	if n.Size() > 200<<10 || n.Size() != len(d.files["notes.log"]) {
		t.Errorf("a journal of which 30 KiB are of use takes %d bytes, and says %d", len(d.files["notes.log"]), n.Size())
	}
	last := n.lines[len(n.lines)-3:]
	n = openNotes(d, true)
	d.run(whole)
	if !slices.Equal(n.lines[len(n.lines)-3:], last) {
		t.Error("the last lines are not there")
	}
}

// The headers of small batches are garbage, too: records of a few bytes that came one by
// one are written anew now and then, although all of them are of use, and not without end.
func TestRewriteSmallBatches(t *testing.T) {
	t.Parallel()
	d := newDisk()
	n, live, rewrites := &notes{}, 0, 0
	cfg := journal.Config{
		Name: "notes", File: "notes.log",
		Settled: func() { n.Flush() },
		Failed:  func(err error) { n.failed = err },
		Live:    func() int { return live },
		Snapshot: func(add func([]byte)) {
			rewrites++
			for _, line := range n.lines {
				add([]byte(line))
			}
		},
	}
	n.Journal = journal.New(d, cfg)
	n.Open(func([]byte) error { return nil }, func() {})
	d.run(whole)
	for i := range 4000 {
		line := fmt.Sprintf("record %08d", i)
		live += len(line) + 1
		n.add(line)
		d.run(whole)
	}
	if rewrites < 2 || rewrites > 20 {
		t.Errorf("written anew %d times", rewrites)
	}
}

// After an error of the disk nothing is reported done any more.
func TestFailure(t *testing.T) {
	t.Parallel()
	d := newDisk()
	n := openNotes(d, false)
	d.run(whole)
	d.err = errors.New("input/output error")
	n.add("one")
	d.run(whole)
	d.err = nil
	n.add("two")
	d.run(whole)
	if n.failed == nil || len(n.lines) > 0 {
		t.Errorf("failed with %v, and reported %v", n.failed, n.lines)
	}
}

// What a dead process left in the page cache is synced before it is shown, and
// a journal in the making is thrown away.
func TestOpen(t *testing.T) {
	t.Parallel()
	d, _ := filled()
	d.synced["notes.log"], d.files["notes.log.new"] = 0, []byte("half a journal")
	n := openNotes(d, false)
	d.run(whole)
	if len(n.lines) != 5 || d.synced["notes.log"] != len(d.files["notes.log"]) {
		t.Errorf("read %d lines, of %d bytes %d are synced", len(n.lines), len(d.files["notes.log"]), d.synced["notes.log"])
	}
	if d.files["notes.log.new"] != nil {
		t.Error("the journal in the making is still there")
	}
}

func FuzzOpen(f *testing.F) {
	d, starts := filled()
	log := d.files["notes.log"]
	f.Add(log)
	f.Add(log[:starts[2]+5])
	f.Fuzz(func(t *testing.T, log []byte) {
		n, cause := reopen(slices.Clone(log))
		if cause != "" && !strings.Contains(cause, "is corrupt") || n == nil && cause == "" {
			t.Errorf("panicked with %q", cause)
		}
	})
}
