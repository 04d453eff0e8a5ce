package ap

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// The files of a node. The log holds everything; the new one is a log in the
// making, which is worth nothing until it was renamed.
const (
	logFile = "ap.log"
	newFile = "ap.new"
)

// The log is compacted when it is longer than compactMin and compactRatio times
// what is still of use in it.
const (
	compactMin   = 128 << 10
	compactRatio = 3
)

// recordKind says what a record of the log stands for.
type recordKind byte

const (
	recordItem      recordKind = iota + 1 // an entry of a shard that the node owns
	recordHint                            // an entry that is kept for another node
	recordDelivered                       // the other node has it
	recordCeiling                         // the hybrid clock may go up to here
)

// record is one line of the log.
type record struct {
	kind    recordKind
	node    actor.NodeID // recordHint, recordDelivered: for whom
	ceiling stamp        // recordCeiling
	entry   entry        // recordItem, recordHint; recordDelivered without its value
}

func (x *record) append(b []byte) []byte {
	b = append(b, byte(x.kind))
	switch x.kind {
	case recordCeiling:
		return binary.BigEndian.AppendUint64(b, uint64(x.ceiling))
	case recordHint, recordDelivered:
		b = append(b, byte(x.node))
	}
	return appendEntry(b, &x.entry)
}

func (x *record) parse(r *reader) {
	x.kind = recordKind(r.byte())
	switch x.kind {
	case recordItem:
	case recordHint, recordDelivered:
		x.node = r.node()
	case recordCeiling:
		x.ceiling = stamp(r.fixed())
		return
	default:
		r.fail()
	}
	x.entry = r.entry()
}

// A frame is what is appended to the log at once: any number of records under
// one checksum, so that a write that was torn by a crash spoils the last frame
// and no other. Its header is the length of the records, their checksum, and
// the checksum of these two.
const frameHeader = 12

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// beginFrame makes room for a header; sealFrame fills it in.
func beginFrame(b []byte) []byte { return append(b, make([]byte, frameHeader)...) }

func sealFrame(frame []byte) {
	records := frame[frameHeader:]
	binary.BigEndian.PutUint32(frame[0:], uint32(len(records)))
	binary.BigEndian.PutUint32(frame[4:], crc32.Checksum(records, castagnoli))
	binary.BigEndian.PutUint32(frame[8:], crc32.Checksum(frame[:8], castagnoli))
}

// openFrame returns the records of the frame at the beginning of b.
func openFrame(b []byte) (records []byte, ok bool) {
	if len(b) < frameHeader || crc32.Checksum(b[:8], castagnoli) != binary.BigEndian.Uint32(b[8:]) {
		return nil, false
	}
	size := int64(binary.BigEndian.Uint32(b))
	if size > int64(len(b)-frameHeader) {
		return nil, false
	}
	records = b[frameHeader : frameHeader+size]
	return records, crc32.Checksum(records, castagnoli) == binary.BigEndian.Uint32(b[4:])
}

// readLog hands all records of a log to f. It returns where the log ends: what
// lies beyond is a write that a crash has torn. If something readable follows
// what cannot be read, then it was no crash, and that is an error.
func readLog(log []byte, f func(*record)) (end int, err error) {
	for end < len(log) {
		records, ok := openFrame(log[end:])
		if !ok {
			return end, tornTail(log, end)
		}
		if err := readRecords(records, f); err != nil {
			return end, fmt.Errorf("corrupt log: frame at byte %d of %d: %w", end, len(log), err)
		}
		end += frameHeader + len(records)
	}
	return end, nil
}

func readRecords(b []byte, f func(*record)) error {
	r := reader{b: b}
	for r.more() {
		at := len(b) - len(r.b)
		var x record
		if x.parse(&r); r.bad {
			return fmt.Errorf("the record at byte %d fits its checksum and cannot be read", at)
		}
		f(&x)
	}
	return nil
}

// tornTail returns nil if the bad frame at an offset is the last one.
func tornTail(log []byte, at int) error {
	for next := at + 1; next+frameHeader <= len(log); next++ {
		if records, ok := openFrame(log[next:]); ok && len(records) > 0 {
			return fmt.Errorf("corrupt log: the frame at byte %d of %d fails its checksum, and the one at byte %d is good: "+
				"this is no torn write; restore the file or remove it to fetch all data from the other replicas", at, len(log), next)
		}
	}
	return nil
}

// pending is a record on its way to the disk, and who waits for it.
type pending struct {
	rec record
	// ack: all records before it in the same request are there too, so tell
	// the node that it came from. A write of the node's own tells itself.
	ack  bool
	from actor.NodeID
	id   uint64
}

// journal brings records to the disk, one frame at a time: what comes while one
// is under way goes into the next. Records take effect once they are synced.
type journal struct {
	disk   actor.Disk
	frame  []byte    // the next frame, empty or begun
	queue  []pending // the records of the next frame
	flying []pending // the records of the frame under way
	busy   bool      // a frame or a new log is under way; for good after an error
	size   int       // of the log

	apply func([]pending)     // takes records that are on disk now
	fail  func(error)         // hears of an error of the disk, after which nothing is applied
	live  func() int          // returns about how much of the log is of use
	snap  func([]byte) []byte // appends records that stand for all that is of use
}

// add puts a record into the next frame.
func (j *journal) add(p pending) {
	if len(j.frame) == 0 {
		j.frame = beginFrame(j.frame)
	}
	j.frame = p.rec.append(j.frame)
	j.queue = append(j.queue, p)
}

// flush starts to write the next frame, if there is one and none is under way.
func (j *journal) flush() {
	switch {
	case j.busy:
	case j.size > compactMin && j.size > compactRatio*j.live():
		j.rewrite(func() { j.flush() })
	case len(j.frame) > 0:
		j.write()
	}
}

func (j *journal) write() {
	j.busy = true
	frame := j.frame
	sealFrame(frame)
	j.size += len(frame)
	j.frame = make([]byte, 0, len(frame)+64)
	j.queue, j.flying = j.flying[:0], j.queue
	s := j.begin(func() { j.apply(j.flying) })
	j.disk.Append(logFile, frame, s.step)
	j.disk.Sync(logFile, s.last)
}

// rewrite replaces the log by one that holds only what is of use. It is called
// when no frame is under way: all that the tables hold is in the snapshot, and
// all that they do not hold yet comes after it.
func (j *journal) rewrite(done func()) {
	j.busy = true
	frame := j.snap(beginFrame(nil))
	sealFrame(frame)
	j.size = len(frame)
	s := j.begin(done)
	j.disk.Append(newFile, frame, s.step)
	j.disk.Sync(newFile, s.step)
	j.disk.Rename(newFile, logFile, s.step)
	j.disk.SyncDir(s.last)
}

// series is a row of disk operations that means something only as a whole.
type series struct {
	j    *journal
	done func()
	err  error
}

func (j *journal) begin(done func()) *series { return &series{j: j, done: done} }

// step ends an operation that others of the series follow.
func (s *series) step(err error) {
	if s.err == nil {
		s.err = err
	}
}

// last ends the series.
func (s *series) last(err error) {
	if s.step(err); s.err != nil {
		s.j.fail(s.err)
		return
	}
	s.j.busy = false
	s.done()
}
