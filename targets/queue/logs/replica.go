package logs

import (
	"cmp"
	"slices"
)

// replica is the log of one partition on one node, with what follows from it.
// All of it can be told from the records alone.
type replica struct {
	part      int
	records   []record // by offset; compaction leaves gaps
	first     int64    // offsets below were removed by retention
	next      int64    // the offset of the next record
	synced    int64    // all below is on disk
	high      int64    // the high water mark, as far as this node knows
	tail      uint64   // the sum of the last record
	cuts      uint64   // how often the end was dropped
	compacted int      // how many records compaction left the last time
	size      int      // of the records in a journal, about

	epochs  []epochStart      // that have records, oldest first
	writers map[uint64]writer // by producer
	open    []openTxn         // oldest first
	ended   map[txnID]outcome // transactions with records here

	leadership
	following
}

// writer is what a log says of a producer: its last message.
type writer struct {
	epoch, seq uint64
	offset     int64
}

// epochStart is the offset of the first record of an epoch.
type epochStart struct {
	epoch uint64
	start int64
}

// openTxn is a transaction without a marker, and where it begins.
type openTxn struct {
	txn   txnID
	first int64
}

// outcome is a marker, and where its transaction begins.
type outcome struct {
	commit        bool
	first, marker int64
}

func newReplica(part int) *replica {
	return &replica{part: part, writers: map[uint64]writer{}, ended: map[txnID]outcome{}}
}

// add appends a record, which has its offset.
func (l *replica) add(r record) {
	r.sum = r.chain(l.tail)
	l.tail = r.sum
	if l.lastEpoch() < r.epoch {
		l.epochs = append(l.epochs, epochStart{r.epoch, r.offset})
	}
	l.records = append(l.records, r)
	l.size += r.size()
	l.next = r.offset + 1
	l.learn(&l.records[len(l.records)-1])
}

// learn takes over what a record says of its producer and its transaction.
func (l *replica) learn(r *record) {
	if r.txn.id == 0 {
		return
	}
	w := l.writers[r.txn.id]
	switch {
	case r.marker():
		o := outcome{r.kind == committed, r.offset, r.offset}
		if i := l.opened(r.txn); i >= 0 {
			o.first = l.open[i].first
			l.open = slices.Delete(l.open, i, i+1)
		}
		l.ended[r.txn] = o
		return
	case r.kind == inTxn && l.opened(r.txn) < 0:
		l.open = append(l.open, openTxn{r.txn, r.offset})
	}
	if compareNumbers(r.txn.epoch, r.seq, w.epoch, w.seq) > 0 {
		l.writers[r.txn.id] = writer{r.txn.epoch, r.seq, r.offset}
	}
}

// compareNumbers compares what producers number their messages with.
func compareNumbers(epochA, seqA, epochB, seqB uint64) int {
	return cmp.Or(cmp.Compare(epochA, epochB), cmp.Compare(seqA, seqB))
}

// opened returns the place of a transaction among those that are open, or -1.
func (l *replica) opened(t txnID) int {
	return slices.IndexFunc(l.open, func(o openTxn) bool { return o.txn == t })
}

// at returns the place of the first record at or after an offset.
func (l *replica) at(offset int64) int {
	i, _ := slices.BinarySearchFunc(l.records, offset, func(r record, o int64) int { return cmp.Compare(r.offset, o) })
	return i
}

// cut drops all records from an offset on, and what they said.
func (l *replica) cut(offset int64) {
	if offset >= l.next {
		return
	}
	at := l.at(offset)
	l.size -= sizeOf(l.records[at:])
	l.records = l.records[:at:at]
	l.next = max(offset, l.first)
	l.epochs = slices.DeleteFunc(l.epochs, func(e epochStart) bool { return e.start >= l.next })
	l.synced, l.high = min(l.synced, l.next), min(l.high, l.next)
	l.tail = 0
	if n := len(l.records); n > 0 {
		l.tail = l.records[n-1].sum
	}
	l.relearn()
}

// relearn goes through the records anew.
func (l *replica) relearn() {
	l.writers, l.open, l.ended = map[uint64]writer{}, nil, map[txnID]outcome{}
	for i := range l.records {
		l.learn(&l.records[i])
	}
}

// lastEpoch returns the epoch of the last record, 0 if there never was one.
func (l *replica) lastEpoch() uint64 {
	if n := len(l.epochs); n > 0 {
		return l.epochs[n-1].epoch
	}
	return 0
}

// upTo returns the newest epoch up to the given one that has records here, and
// where these end.
func (l *replica) upTo(epoch uint64) (newest uint64, end int64) {
	i, _ := slices.BinarySearchFunc(l.epochs, epoch+1, func(e epochStart, n uint64) int { return cmp.Compare(e.epoch, n) })
	end = l.next
	if i < len(l.epochs) {
		end = l.epochs[i].start
	}
	if i > 0 {
		newest = l.epochs[i-1].epoch
	}
	return newest, end
}

// stable returns the offset up to which everything below a high water mark has
// ended too. A marker above that has not ended anything yet.
func (l *replica) stable(high int64) int64 {
	end := high
	for _, o := range l.open {
		end = min(end, o.first)
	}
	for i := len(l.records) - 1; i >= 0 && l.records[i].offset >= high; i-- {
		if r := &l.records[i]; r.marker() {
			end = min(end, l.ended[r.txn].first)
		}
	}
	return end
}

// visible reports whether a consumer gets to see a record below the end of what
// it may see.
func (l *replica) visible(r *record) bool {
	switch r.kind {
	case plain:
		return true
	case inTxn:
		o, ended := l.ended[r.txn]
		return !ended || o.commit
	default:
		return false
	}
}

// read returns the messages that a consumer sees from an offset up to an end, at
// most so many, and the offset from which it goes on.
func (l *replica) read(from, end int64, most int) (list []record, next int64) {
	from = max(from, l.first)
	for i := l.at(from); i < len(l.records); i++ {
		r := &l.records[i]
		if r.offset >= end || len(list) == most {
			return list, max(from, min(r.offset, end))
		}
		if l.visible(r) {
			list = append(list, *r)
		}
	}
	return list, max(from, min(l.next, end))
}
