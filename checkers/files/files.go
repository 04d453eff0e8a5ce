// Package files judges file systems: what a closed file contains when it is
// opened again, under which name a file can be found, and what is left of what
// was appended.
//
// # Content and names: [New]
//
//	write   NAME TAG                    open for writing, write, close: ok if the close was
//	read    NAME => TAG or nil          open for reading, read, close
//	create  "a"                         the name has to be a new one, or one that must not be taken
//	rename  ["a","b"]                   the same holds for b
//	delete  "b"
//	list    => {"a": INODE, …}          all names at one moment
//
// NAME of write and read is the key of the operation; TAG is different for every
// write. Content and names are judged apart, so the files that are renamed are not
// those that are written under their names; or key the latter by inode.
//
// Close-to-open consistency says that an open sees at least what was closed
// before it began. With unique tags, a file is a register, written in the time
// from open to close, and judged by zones (Gibbons and Korach, 1997), as in
// package linear.
//
//	stale-read      two contents each have to come before the other: a read saw what had been overwritten
//	empty-read      a file that had content had none
//	dirty-read      a read saw the content of a write that failed
//	thin-air-read   a read saw what nobody wrote
//	future-read     a read saw a content before its write began
//
// As every name is used for one file only, the names of a file form a chain: it is
// created under the first, and each rename goes from one to the next. A history
// is right if every file can go through its chain, one step at a time, with every
// list somewhere between. The rules find what is wrong with one file, and what two
// lists say of the order of two creates; of other orders between files they know
// nothing.
//
//	rename-both     a list shows two names of a file
//	rename-neither  a list shows no name of a file that a rename was invoked for
//	lost-file       a list does not show a file that was created and never deleted
//	stale-name      a name was seen or used after the file was seen under a later one
//	resurrected     a list shows a file after a delete of it was ok
//	reappeared      a list does not show a file that had been shown before it, and a later one does
//	list-fork       two lists each show a file that the other lacks, and nobody ever tried to delete either
//	double-remove   two renames or deletes of one name were ok
//	overwritten     a create or rename to a name was ok that a file had, and that nobody ever tried to take from it
//	phantom-name    a name was seen that nobody made, or that only failed operations made
//	premature-name  a name was seen or used before the operation that makes it began
//	inode-changed   one name of a list has another inode than the same file had elsewhere
//	shared-inode    two files have one inode in a list
//
// # Streams: [NewAppend]
//
// See there.
//
// # Weaker promises
//
// A file system that serves reads from replicas that may be behind promises less:
// that nobody reads what was not written, and that all is right once the faults
// are over. Options.Eventual judges by that: what comes before the final phase
// is looked at only for what was never written.
//
// Everything takes O(n log n) time.
package files

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/intern"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "files"

// Names of the anomalies of content and names.
const (
	StaleRead     = "stale-read"
	EmptyRead     = "empty-read"
	DirtyRead     = "dirty-read"
	ThinAirRead   = "thin-air-read"
	FutureRead    = "future-read"
	RenameBoth    = "rename-both"
	RenameNeither = "rename-neither"
	LostFile      = "lost-file"
	StaleName     = "stale-name"
	Resurrected   = "resurrected"
	Reappeared    = "reappeared"
	ListFork      = "list-fork"
	DoubleRemove  = "double-remove"
	Overwritten   = "overwritten"
	PhantomName   = "phantom-name"
	PrematureName = "premature-name"
	InodeChanged  = "inode-changed"
	SharedInode   = "shared-inode"
)

// Anomalies returns the names of all anomalies of content and names, the gravest
// first.
func Anomalies() []string {
	return []string{
		LostFile, RenameNeither, RenameBoth, Resurrected, Reappeared, StaleName, ListFork, DoubleRemove, Overwritten, SharedInode, InodeChanged, PhantomName, PrematureName,
		EmptyRead, StaleRead, DirtyRead, ThinAirRead, FutureRead,
	}
}

// Report is what was seen of a file system.
type Report struct {
	Files  int            `json:"files"`  // that were written or read by name
	Writes int            `json:"writes"` // that were ok
	Reads  int            `json:"reads"`
	Made   int            `json:"made"` // names, by create and rename, that were ok
	Lists  int            `json:"lists"`
	Broken map[string]int `json:"broken"` // how often each rule was

	book rules.Book
}

// never is when a call that did not come back has happened for sure.
const never = math.MaxInt

// none stands for no call, no name and no file.
const none = -1

// op is a call with the places in the history where it began and ended.
type op struct {
	history.Call
	inv, res int
}

func opOf(c history.Call) op {
	o := op{c, c.Invoke.Index, never}
	if c.Type() == history.OK {
		o.res = c.Complete.Index
	}
	return o
}

func (o op) ok() bool     { return o.Type() == history.OK }
func (o op) failed() bool { return o.Type() == history.Fail }

// Options say what the file system promises.
type Options struct {
	// Eventual says that reads and lists may be behind until all faults are over.
	// What they show has to have been written, and those of the final phase are
	// judged in full.
	Eventual bool
}

// New returns a checker of content and names.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		r, err := Check(ctx, h, opts)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return r.result(opts)
	})
}

func (r *Report) result(opts Options) checkers.Result {
	if r.Writes+r.Reads+r.Made+r.Lists == 0 {
		return checkers.Unknownf("no operation on a file was ok: there is nothing to judge").Detail(r)
	}
	return r.book.Result(Anomalies(), Name, map[string]string{"eventual": strconv.FormatBool(opts.Eventual)}, nil).Detail(r)
}

// Check judges the operations of h on files. It is an error if they do not have
// the form that the package says, or if ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (*Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	s := &scribe{clock: checkers.ClockOf(calls), book: &r.book, eventual: opts.Eventual}
	var keys intern.Table
	var contents []*content
	names := &namespace{scribe: s}
	for i, c := range calls {
		if i%4096 == 0 && context.Cause(ctx) != nil {
			return nil, fmt.Errorf("stopped after %d of %d operations were read: %w", i, len(calls), context.Cause(ctx))
		}
		if f := c.Invoke.F; f != "write" && f != "read" {
			if err := names.call(c, r); err != nil {
				return nil, err
			}
			continue
		}
		k := keys.ID(c.Invoke.Key)
		if int(k) == len(contents) {
			contents = append(contents, &content{scribe: s, key: checkers.KeyName(c.Invoke.Key)})
		}
		if err := contents[k].call(c, r); err != nil {
			return nil, err
		}
	}
	r.Files = len(contents)
	for _, c := range contents {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("stopped before all files were judged: %w; broken so far: %v", err, r.book.Counts())
		}
		c.judge()
	}
	if err := names.judge(ctx); err != nil {
		return nil, err
	}
	r.Broken = r.book.Counts()
	return r, nil
}

// scribe writes down what is found.
type scribe struct {
	clock    checkers.Clock
	book     *rules.Book
	eventual bool
}

// behind reports whether an operation may show less than there is.
func (s *scribe) behind(o op) bool { return s.eventual && !o.Invoke.Final }

func (s *scribe) add(rule, key, item, why string, ops ...op) {
	f := rules.Finding{Rule: rule, Key: key, Item: item, Why: why}
	for _, o := range ops {
		f.Ops = append(f.Ops, o.inv)
	}
	s.book.Add(f)
}

// who says who did something and when: "process 1 through n2 at 3 ms".
func (s *scribe) who(o op) string {
	at := ""
	if o.Invoke.Node != "" {
		at = " through " + o.Invoke.Node
	}
	return fmt.Sprintf("process %v%s at %s", o.Invoke.Process, at, s.clock.At(o.Invoke))
}

// end says when an operation ended.
func (s *scribe) end(o op) string {
	return s.clock.At(o.Complete)
}

// rt is the edge of an operation that ended before another began.
func (s *scribe) rt(a, b op, key string) checkers.Edge {
	return checkers.Edge{From: a.inv, To: b.inv, Kind: "rt", Key: key,
		Why: fmt.Sprintf("the %s of %s ended at %s, before the %s of %s began", a.Invoke.F, s.who(a), s.end(a), b.Invoke.F, s.who(b))}
}
