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
// that was on its way when the power failed may be there in part. It was never
// counted on, so it is dropped. Any other damage means that the disk has lost
// what it had confirmed, and a node that went on regardless would serve as whole
// what is not. The two are told apart by numbers: batches are numbered, and each
// says which one was the last that had been synced when it was written. A batch
// that is damaged although a later one vouches for it ends the node.
//
// # Growth
//
// A journal that is mostly about things that have changed since is replaced by
// one that says how they are. The new file is written under another name,
// synced, renamed, and its name is synced: a crash finds the one or the other.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// A journal is written anew when it is longer than rewriteMin and rewriteRatio
// times what is still of use in it.
const (
	rewriteMin   = 128 << 10
	rewriteRatio = 3
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
			var empty batch
			j.number = 1
			j.replace(empty.seal(1, 0), ready)
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

// replay takes over the content of the file. Nothing can be appended to a torn
// tail, so a file that has one is replaced by what is before it.
func (j *Journal) replay(content []byte, record func([]byte) error, ready func()) {
	end, batches, err := read(content, record)
	if err != nil {
		panic(fmt.Sprintf("%s: file %s is corrupt: %v; restore it, or wipe the data directory of this node if it can fetch everything from the others",
			j.cfg.Name, j.cfg.File, err))
	}
	j.number = batches
	if end < len(content) {
		j.replace(content[:end], ready)
		return
	}
	j.size = len(content)
	s := j.series(ready)
	j.disk.Sync(j.cfg.File, s.step)
	j.disk.SyncDir(s.last)
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
	case j.cfg.Live != nil && j.size > rewriteMin && j.size > rewriteRatio*j.cfg.Live():
		j.rewrite()
	case len(j.next) > 0:
		j.write()
	}
}

// Size returns the length of the file.
func (j *Journal) Size() int { return j.size }

func (j *Journal) write() {
	j.number++
	content := j.next.seal(j.number, j.number-1)
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
	j.number = 1
	j.replace(all.seal(1, 0), j.Flush)
}

// replace gives the file a new content, all or nothing.
func (j *Journal) replace(content []byte, done func()) {
	fresh := j.cfg.File + ".new"
	j.size = len(content)
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
// says how long the records are and has their checksum, the number of the batch,
// the number of the last batch that had been synced, and a checksum of itself.
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
func (b *batch) seal(number, synced uint64) []byte {
	b.begin()
	head, records := (*b)[:header], (*b)[header:]
	binary.LittleEndian.PutUint32(head[0:], uint32(len(records)))
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(records, castagnoli))
	binary.LittleEndian.PutUint64(head[8:], number)
	binary.LittleEndian.PutUint64(head[16:], synced)
	binary.LittleEndian.PutUint32(head[24:], crc32.Checksum(head[:24], castagnoli))
	return *b
}

// opened is a batch that was read.
type opened struct {
	number, synced uint64
	records        []byte
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

// read hands all records of a journal to f. It returns how many sound batches
// there are and where they end; what lies beyond is a batch that a crash has
// torn. The first batch was synced before the file got its name.
func read(content []byte, f func([]byte) error) (end int, batches uint64, err error) {
	for end < len(content) || batches == 0 {
		o, ok := open(content[end:])
		switch {
		case !ok && (batches == 0 || vouched(content[end:], batches+1)):
			return end, batches, fmt.Errorf("batch %d at byte %d is damaged, although it had been synced", batches+1, end)
		case !ok:
			return end, batches, nil
		case o.number != batches+1:
			return end, batches, fmt.Errorf("at byte %d there is batch %d, where batch %d should be", end, o.number, batches+1)
		}
		if err := each(o.records, f); err != nil {
			return end, batches, fmt.Errorf("batch %d at byte %d: %w", o.number, end, err)
		}
		end += header + len(o.records)
		batches++
	}
	return end, batches, nil
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

// vouched reports whether a sound batch somewhere in b says that the batch of
// the given number had been synced when it was written.
func vouched(b []byte, number uint64) bool {
	for at := range b {
		if o, ok := open(b[at:]); ok && o.synced >= number {
			return true
		}
	}
	return false
}
