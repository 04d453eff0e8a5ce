// Package journal keeps what a node must not forget: a file to which records are
// appended, and from which they are read again, in order, after a crash.
//
// A record counts once it is synced. Until then nobody may hear of it, since the
// next loss of power may take it back. A sync takes longer than everything else,
// so there is one at a time, and what comes meanwhile goes to the disk together
// with the next: under load a sync carries many records, and without load a
// record waits for nothing.
//
// # What a crash leaves behind
//
// Records that go to the disk together are a batch, under one checksum. The batch
// that was on its way when the power failed may be there in part, with gaps, or
// with bytes of older files in its place. It was never counted on, so it is
// dropped. Any other damage means that the disk has lost what it had confirmed,
// and a node that went on regardless would serve as whole what is not. The two are
// told apart by numbers: batches are numbered, and one goes to the disk only when
// the one before it is synced. A batch that is damaged although there is a later
// one ends the node.
//
// # New files
//
// Nothing is appended to a file that a crash has left behind: a node that starts
// writes it anew, and so does one whose journal is mostly about things that have
// changed since. The new file is written under another name, synced, renamed, and
// its name is synced: a crash finds the one or the other. Files are numbered as
// well, and each batch says in which one it belongs, so that nothing comes back
// that an older file had left in the same blocks.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// A journal is written anew when it has grown by rewriteMin and is rewriteRatio
// times as long as what is still of use in it. Both are small, so that it happens in
// a minute of load: what is done seldom is seldom tested.
const (
	rewriteMin   = 16 << 10
	rewriteRatio = 2
)

// Config says what a journal is for. Settled and Failed are required.
type Config struct {
	// Name is what the node is called in the words with which it dies, and
	// File the name of its file. A second file, File with ".new" behind it, is
	// a journal in the making.
	Name, File string
	// Settled is called after the records of a batch were reported done: the
	// node ends its call there as it ends all others, with Flush.
	Settled func()
	// Failed hears of an error of the disk. What a disk holds after that is
	// anyone's guess: nothing is ever reported done again.
	Failed func(error)
	// Live returns about how many bytes of the journal are of use, and Snapshot
	// hands in records that stand for all that had been reported done. Both are
	// nil for a journal that only grows.
	Live     func() int
	Snapshot func(add func(record []byte))
}

// Journal is the file, and what is on its way there.
type Journal struct {
	disk actor.Disk
	cfg  Config

	next   batch    // what goes to the disk next
	done   []func() // what waits for that
	flying []func() // what waits for the batch under way
	busy   bool     // something is under way; for good after an error
	size   int      // of the file
	first  int      // its size when it got its name
	file   uint64   // its number
	number uint64   // of the last batch in the file, which is durable unless busy
}

// New returns a journal that has to be opened.
func New(disk actor.Disk, cfg Config) *Journal {
	return &Journal{disk: disk, cfg: cfg, busy: true}
}

// Open reads what an earlier life of the node has left behind, record by record,
// and calls ready when all that was read is durable: it may have been in the
// page cache only. It panics if the file is damaged, and if record returns an
// error. Record may not keep what it gets.
func (j *Journal) Open(record func([]byte) error, ready func()) {
	fresh := j.cfg.File + ".new"
	j.disk.List(func(names []string, err error) {
		if err != nil {
			j.cfg.Failed(err)
			return
		}
		if slices.Contains(names, fresh) {
			j.disk.Remove(fresh, func(err error) {
				if err != nil {
					j.cfg.Failed(err)
				}
			})
		}
		if !slices.Contains(names, j.cfg.File) {
			j.replace(nil, ready)
			return
		}
		j.disk.Read(j.cfg.File, func(content []byte, err error) {
			if err != nil {
				j.cfg.Failed(err)
				return
			}
			j.replay(content, record, ready)
		})
	})
}

// replay takes over the content of the file, and replaces it by one without the
// tail that a crash may have torn.
func (j *Journal) replay(content []byte, record func([]byte) error, ready func()) {
	all := make(batch, 0, len(content)+header)
	file, err := read(content, func(r []byte) error {
		all.add(r)
		return record(r)
	})
	if err != nil {
		panic(fmt.Sprintf("%s: file %s is corrupt: %v; restore it, or wipe the data directory of this node if it can fetch everything from the others",
			j.cfg.Name, j.cfg.File, err))
	}
	j.file = file
	j.replace(all, ready)
}

// Add puts a record into the next batch. Done, which may be nil, is called when
// the record is durable. The journal copies the record.
func (j *Journal) Add(record []byte, done func()) {
	j.next.add(record)
	if done != nil {
		j.done = append(j.done, done)
	}
}

// Flush starts to write what was added, unless something is under way.
func (j *Journal) Flush() {
	switch {
	case j.busy:
	case j.cfg.Live != nil && j.size > j.first+rewriteMin && j.size > rewriteRatio*j.cfg.Live():
		j.rewrite()
	case len(j.next) > 0:
		j.write()
	}
}

// Size returns the length of the file.
func (j *Journal) Size() int { return j.size }

func (j *Journal) write() {
	j.number++
	content := j.next.seal(j.file, j.number)
	j.size += len(content)
	j.next = make(batch, 0, len(content)+64)
	j.done, j.flying = j.flying[:0], j.done
	s := j.series(j.settle)
	j.disk.Append(j.cfg.File, content, s.step)
	j.disk.Sync(j.cfg.File, s.last)
}

// settle reports the records of the batch that was under way done.
func (j *Journal) settle() {
	for i, done := range j.flying {
		done()
		j.flying[i] = nil
	}
	j.cfg.Settled()
}

// rewrite replaces the file by one that holds only what is of use. Nothing is
// under way: all that was reported done is in the snapshot, and all that was
// not yet comes after it.
func (j *Journal) rewrite() {
	var all batch
	j.cfg.Snapshot(all.add)
	j.replace(all, j.Flush)
}

// replace puts the next file in the place of this one, all or nothing. It begins
// with one batch.
func (j *Journal) replace(all batch, done func()) {
	fresh := j.cfg.File + ".new"
	j.file, j.number = j.file+1, 1
	content := all.seal(j.file, j.number)
	j.first, j.size = len(content), len(content)
	s := j.series(done)
	j.disk.Append(fresh, content, s.step)
	j.disk.Sync(fresh, s.step)
	j.disk.Rename(fresh, j.cfg.File, s.step)
	j.disk.SyncDir(s.last)
}

// series is a row of disk operations that means something only as a whole.
type series struct {
	j    *Journal
	done func()
	err  error
}

func (j *Journal) series(done func()) *series {
	j.busy = true
	return &series{j: j, done: done}
}

// step ends an operation that others of the series follow.
func (s *series) step(err error) {
	if s.err == nil {
		s.err = err
	}
}

// last ends the series.
func (s *series) last(err error) {
	if s.step(err); s.err != nil {
		s.j.cfg.Failed(s.err)
		return
	}
	s.j.busy = false
	s.done()
}

// A batch is a header, and records with their lengths before them. The header
// says how long the records are and has their checksum, the number of the file,
// that of the batch, and a checksum of itself.
type batch []byte

const header = 4 + 4 + 8 + 8 + 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (b *batch) add(record []byte) {
	b.begin()
	*b = append(binary.AppendUvarint(*b, uint64(len(record))), record...)
}

func (b *batch) begin() {
	if len(*b) == 0 {
		*b = append(*b, make([]byte, header)...)
	}
}

// seal fills in the header.
func (b *batch) seal(file, number uint64) []byte {
	b.begin()
	head, records := (*b)[:header], (*b)[header:]
	binary.LittleEndian.PutUint32(head[0:], uint32(len(records)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(records, castagnoli))
	binary.LittleEndian.PutUint64(head[8:], file)
	binary.LittleEndian.PutUint64(head[16:], number)
	binary.LittleEndian.PutUint32(head[24:], crc32.Checksum(head[:24], castagnoli))
	return *b
}

// opened is a batch that was read.
type opened struct {
	file, number uint64
	records      []byte
}

// open takes the batch at the beginning of b.
func open(b []byte) (o opened, ok bool) {
	if len(b) < header || crc32.Checksum(b[:24], castagnoli) != binary.LittleEndian.Uint32(b[24:]) {
		return o, false
	}
	size := int64(binary.LittleEndian.Uint32(b))
	if size > int64(len(b)-header) {
		return o, false
	}
	o = opened{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), b[header : header+size]}
	return o, crc32.Checksum(o.records, castagnoli) == binary.LittleEndian.Uint32(b[4:])
}

// read hands all records of a journal to f, and returns the number of the file.
// What lies beyond the last sound batch is one that a crash has torn. The first
// batch was synced before the file got its name.
func read(content []byte, f func([]byte) error) (file uint64, err error) {
	for at, number := 0, uint64(1); at < len(content) || number == 1; number++ {
		o, ok := open(content[at:])
		if number == 1 {
			file = o.file
		}
		if !ok || o.file != file || o.number != number {
			if number == 1 || followed(content[at:], file, number) {
				return file, fmt.Errorf("batch %d at byte %d is damaged, although it had been synced", number, at)
			}
			return file, nil
		}
		if err := each(o.records, f); err != nil {
			return file, fmt.Errorf("batch %d at byte %d: %w", number, at, err)
		}
		at += header + len(o.records)
	}
	return file, nil
}

func each(records []byte, f func([]byte) error) error {
	for len(records) > 0 {
		size, n := binary.Uvarint(records)
		if n <= 0 || size > uint64(len(records)-n) {
			return errors.New("it fits its checksum, and its records do not fit it")
		}
		if err := f(records[n : n+int(size)]); err != nil {
			return err
		}
		records = records[n+int(size):]
	}
	return nil
}

// followed reports whether there is a later batch of a file somewhere in b, so
// that the one of the given number had been synced.
func followed(b []byte, file, number uint64) bool {
	for at := range b {
		if o, ok := open(b[at:]); ok && o.file == file && o.number > number {
			return true
		}
	}
	return false
}
