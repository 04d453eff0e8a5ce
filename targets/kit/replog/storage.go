package replog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// The files of a node. A file that ends in ".tmp" is being written, and is
// worth nothing until it was renamed.
const (
	walFile  = "wal"
	snapFile = "snap"
	tmpEnd   = ".tmp"

	roomForBatch = 128 // bytes that most batches have enough of
)

// storage puts things on the disk, one at a time: a batch of records, or a
// snapshot, or a new log file. Messages that Raft may send only when something
// is durable are handed in after it, and come back through settled.
type storage struct {
	disk actor.Disk
	name string // of the node

	lazy, hasty bool // see Config

	busy    bool
	flying  []*raftpb.Message // what waits for the operation under way
	batch   []byte            // records to be appended next
	waiting []*raftpb.Message // what waits for the operations after that
	snap    *snapshotFile     // to be written next
	rewrite bool              // the log file is to be written anew next

	file   uint64 // number of the log file
	seq    uint64 // number of the last record in it
	synced uint64 // number of the last record that is known to be durable
	upTo   uint64 // number of the last record of the operation under way

	appended, flushed func(error) // made once: they are used for every batch

	image   func() logImage         // the log as it is in memory
	settled func([]*raftpb.Message) // takes messages back
	saved   func(*snapshotFile)     // learns that a snapshot is durable
}

// snapshotFile is a snapshot on its way to the disk.
type snapshotFile struct {
	index, term uint64
	data        []byte
}

func newStorage(disk actor.Disk, cfg Config) *storage {
	s := &storage{disk: disk, name: cfg.Name, lazy: cfg.Lazy, hasty: cfg.Hasty}
	s.appended, s.flushed = s.sound("append to "+walFile), s.batchDone
	return s
}

// record adds a record to the batch.
func (s *storage) record(h hardState, ents []*raftpb.Entry) {
	s.seq++
	if s.batch == nil {
		s.batch = make([]byte, 0, roomForBatch)
	}
	s.batch = appendRecord(s.batch, recordHead{file: s.file, seq: s.seq, synced: s.synced, hard: h}, ents)
}

// hold keeps messages until all that was handed in before is durable.
// It reports false if it is already: then they may go at once.
func (s *storage) hold(ms []*raftpb.Message) bool {
	switch {
	case s.snap != nil || s.rewrite:
		s.waiting = join(s.waiting, ms)
	case s.lazy:
		return false
	case len(s.batch) > 0:
		s.waiting = join(s.waiting, ms)
	case s.busy:
		s.flying = join(s.flying, ms)
	default:
		return false
	}
	return true
}

// join is append, but without a copy if it is the first.
func join(to, ms []*raftpb.Message) []*raftpb.Message {
	if to == nil {
		return ms
	}
	return append(to, ms...)
}

// start begins the next operation unless one is under way. A snapshot is
// followed by a new log file without what the snapshot covers: if the node dies
// between the two, the old log file still reaches back far enough.
func (s *storage) start() {
	switch {
	case s.busy:
	case s.snap != nil:
		s.saveSnapshot()
	case s.rewrite:
		s.rewriteLog()
	case len(s.batch) > 0:
		s.appendBatch()
	}
}

func (s *storage) saveSnapshot() {
	f := s.snap
	s.snap, s.rewrite, s.busy = nil, true, true
	s.replace(snapFile, f.encode(), func() {
		s.saved(f)
		s.done()
	})
}

// rewriteLog replaces the log file by one that holds what is in memory now.
// That covers the batch as well.
func (s *storage) rewriteLog() {
	s.rewrite, s.busy, s.batch = false, true, nil
	s.flying, s.waiting = s.waiting, nil
	s.file++
	content, records := s.image().encode(s.file)
	s.seq, s.synced = records, 0
	s.replace(walFile, content, func() {
		s.synced = records
		s.done()
	})
}

func (s *storage) appendBatch() {
	batch := s.batch
	s.batch = nil
	s.disk.Append(walFile, batch, s.appended)
	if s.lazy {
		return
	}
	s.busy, s.upTo = true, s.seq
	s.flying, s.waiting = s.waiting, nil
	s.disk.Sync(walFile, s.flushed)
}

// batchDone is called when a batch is durable.
func (s *storage) batchDone(err error) {
	s.check("sync of "+walFile, err)
	s.synced = s.upTo
	s.done()
}

// done ends an operation. The messages that waited for it are settled.
func (s *storage) done() {
	ms := s.flying
	s.busy, s.flying = false, nil
	s.settled(ms)
}

// sync is what is done now and then if syncs are lazy.
func (s *storage) sync() { s.disk.Sync(walFile, s.sound("sync of "+walFile)) }

// replace gives a file a new content, all or nothing, and calls done when
// that is durable.
func (s *storage) replace(name string, content []byte, done func()) {
	tmp := name + tmpEnd
	s.disk.Append(tmp, content, s.sound("write of "+tmp))
	rename := func(err error) {
		s.check("sync of "+tmp, err)
		s.disk.Rename(tmp, name, s.sound("rename of "+tmp))
		s.disk.SyncDir(func(err error) {
			s.check("sync of the directory", err)
			done()
		})
	}
	if s.hasty {
		rename(nil)
		return
	}
	s.disk.Sync(tmp, rename)
}

// check ends the node on an error of the disk. What a disk holds after a failed
// write or sync is anyone's guess, and to go on would be to acknowledge guesses.
func (s *storage) check(what string, err error) {
	if err != nil {
		panic(fmt.Sprintf("%s: %s failed: %v; the node stops rather than acknowledge what may be lost", s.name, what, err))
	}
}

// sound returns a function that checks what it is called with.
func (s *storage) sound(what string) func(error) { return func(err error) { s.check(what, err) } }

const (
	frameSize   = 8 // length and checksum of what follows
	kindAppend  = 1
	kindImage   = 2
	pageEntries = 256        // entries of a record when a log is written as a whole
	snapMagic   = "ordealS1" // the first bytes of a snapshot file
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordHead is what a record of the log file says beside its entries.
type recordHead struct {
	file   uint64    // each new file has the next number: what older ones have left in its blocks is not in it
	seq    uint64    // records are numbered from 1 without gaps
	synced uint64    // all records up to this one were durable when this one was written
	hard   hardState // in force from here on
	start  *logStart // in the first record of a file only
}

// logStart says where the log of a file begins.
type logStart struct {
	base, term uint64 // the entry before the first one
	records    uint64 // so many records were durable before the file got its name
}

// appendRecord writes a record with its length and checksum before it.
func appendRecord(b []byte, h recordHead, ents []*raftpb.Entry) []byte {
	at := len(b)
	b = append(b, make([]byte, frameSize)...)
	if h.start != nil {
		b = wire.AppendUvarints(append(b, kindImage), h.start.base, h.start.term, h.start.records)
	} else {
		b = append(b, kindAppend)
	}
	b = wire.AppendUvarints(b, h.file, h.seq, h.synced, h.hard.term, h.hard.vote, h.hard.commit)
	b = appendEntries(b, ents)
	payload := b[at+frameSize:]
	binary.LittleEndian.PutUint32(b[at:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(payload, castagnoli))
	return b
}

// parseRecord takes the record at the start of b apart. Size is that of the
// record with its frame, and 0 if there is no sound record.
func parseRecord(b []byte) (h recordHead, ents []*raftpb.Entry, size int) {
	if len(b) < frameSize {
		return h, nil, 0
	}
	length := uint64(binary.LittleEndian.Uint32(b))
	if length == 0 || length > uint64(len(b)-frameSize) {
		return h, nil, 0
	}
	payload := b[frameSize : frameSize+length]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return h, nil, 0
	}
	r := reader{b: payload}
	if r.byte() == kindImage {
		h.start = &logStart{base: r.uvarint(), term: r.uvarint(), records: r.uvarint()}
	}
	h.file, h.seq, h.synced = r.uvarint(), r.uvarint(), r.uvarint()
	h.hard = hardState{term: r.uvarint(), vote: r.uvarint(), commit: r.uvarint()}
	ents = r.entries()
	if r.bad || len(r.b) > 0 {
		return h, nil, 0
	}
	return h, ents, frameSize + int(length)
}

// logImage is a whole log: what is written to a new file, and what is read from one.
type logImage struct {
	file       uint64 // that it was read from
	hard       hardState
	base, term uint64 // the entry before the first one
	ents       []*raftpb.Entry
}

// encode writes the log as the content of a file, which has so many records then.
func (l logImage) encode(file uint64) (content []byte, records uint64) {
	records = uint64(max(1, (len(l.ents)+pageEntries-1)/pageEntries))
	h := recordHead{file: file, hard: l.hard, start: &logStart{base: l.base, term: l.term, records: records}}
	ents := l.ents
	for h.seq = 1; h.seq <= records; h.seq++ {
		page := ents[:min(pageEntries, len(ents))]
		ents = ents[len(page):]
		content = appendRecord(content, h, page)
		h.start = nil
	}
	return content, records
}

// parseLog reads a log file. Torn is the offset at which a torn tail begins,
// which no one was told of, and len(b) if there is none.
func parseLog(b []byte) (l logImage, torn int, err error) {
	h, ents, size := parseRecord(b)
	if size == 0 || h.start == nil {
		return l, 0, fmt.Errorf("its first record is damaged, although it was synced before the file got its name")
	}
	durable := h.start.records
	l.file, l.base, l.term = h.file, h.start.base, h.start.term
	at, next := 0, uint64(1)
	for {
		if err := l.add(h, ents); err != nil {
			return l, at, fmt.Errorf("the record at offset %d %w", at, err)
		}
		at, next = at+size, next+1
		h, ents, size = parseRecord(b[at:])
		if size != 0 && h.file == l.file && h.seq == next && h.start == nil {
			continue
		}
		if next <= durable || laterProof(b[at:], l.file, next) {
			return l, at, fmt.Errorf("record %d at offset %d is damaged, although it had been synced", next, at)
		}
		return l, at, nil
	}
}

// laterProof reports whether a sound record of a file somewhere in b says that
// the record of the given number had been durable when it was written.
func laterProof(b []byte, file, number uint64) bool {
	for at := range b {
		if h, _, size := parseRecord(b[at:]); size != 0 && h.file == file && h.synced >= number {
			return true
		}
	}
	return false
}

// add applies a record to the log.
func (l *logImage) add(h recordHead, ents []*raftpb.Entry) error {
	l.hard = h.hard
	for _, e := range ents {
		at := e.GetIndex() - l.base - 1
		if at > uint64(len(l.ents)) {
			return fmt.Errorf("holds entry %d of a log that reaches from %d to %d", e.GetIndex(), l.base+1, l.base+uint64(len(l.ents)))
		}
		l.ents = append(l.ents[:at], e)
	}
	return nil
}

func (f *snapshotFile) encode() []byte {
	b := append(make([]byte, 0, len(f.data)+40), snapMagic...)
	b = append(b, 0, 0, 0, 0)
	b = binary.AppendUvarint(b, f.index)
	b = binary.AppendUvarint(b, f.term)
	b = append(b, f.data...)
	binary.LittleEndian.PutUint32(b[len(snapMagic):], crc32.Checksum(b[len(snapMagic)+4:], castagnoli))
	return b
}

func parseSnapshot(b []byte) (*snapshotFile, error) {
	head := len(snapMagic) + 4
	if len(b) < head || string(b[:len(snapMagic)]) != snapMagic {
		return nil, fmt.Errorf("%d bytes that do not begin as a snapshot does", len(b))
	}
	if binary.LittleEndian.Uint32(b[len(snapMagic):]) != crc32.Checksum(b[head:], castagnoli) {
		return nil, fmt.Errorf("the checksum of %d bytes does not match", len(b))
	}
	r := reader{b: b[head:]}
	f := &snapshotFile{index: r.uvarint(), term: r.uvarint(), data: r.b}
	if r.bad {
		return nil, fmt.Errorf("%d bytes are too few", len(b))
	}
	return f, nil
}
