package logs

import (
	"errors"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/journal"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// All replicas of a node are in one journal, so that one sync covers them all.
const (
	entryRecord = 'r' // partition and record; it replaces what was at its offset and beyond
	entryCut    = 'c' // partition and offset from which on everything is dropped
	entryStart  = 's' // what a partition begins with: it replaces all that was before
)

// open reads what an earlier life has left behind.
func (n *node) open() {
	n.journal = journal.New(n.env.Disk(), journal.Config{
		Name: "logs", File: "journal", Settled: n.settle, Failed: n.fail,
		Live: n.live, Snapshot: n.snapshot,
	})
	n.journal.Open(n.replay, func() {
		for _, l := range n.held {
			if l != nil {
				l.synced = l.next
			}
		}
		n.ready, n.news = true, true
		n.beat()
		n.patrol.Ring(n)
		n.settle()
	})
}

var errEntry = errors.New("it is no entry of a partition that this node holds")

// replay takes one entry of the journal.
func (n *node) replay(entry []byte) error {
	d := wire.NewDecoder(entry)
	what, p := d.Byte(), small(d)
	if d.Err() != nil || !n.inRange(p) || n.held[p] == nil {
		return errEntry
	}
	l := n.held[p]
	switch what {
	case entryRecord:
		r := readRecord(d)
		l.cut(r.offset)
		l.add(r)
	case entryCut:
		l.cut(int64(d.Uvarint()))
	case entryStart:
		l.begin(d)
	default:
		return errEntry
	}
	return d.Done()
}

// begin empties a log and gives it a new beginning.
func (l *replica) begin(d *wire.Decoder) {
	l.reset(int64(d.Uvarint()))
	l.next = int64(d.Uvarint())
	for range count(d) {
		l.epochs = append(l.epochs, epochStart{d.Uvarint(), int64(d.Uvarint())})
	}
}

// reset empties a log, which goes on from an offset.
func (l *replica) reset(first int64) {
	l.records, l.epochs, l.tail, l.size = nil, nil, 0, 0
	l.first, l.next, l.high, l.synced = first, first, first, 0
	l.relearn()
}

// startEntry says how a log begins whose records are yet to come: where the
// first one was, and what can no more be told from those that are there.
func (l *replica) startEntry() []byte {
	next := l.next
	if len(l.records) > 0 {
		next = l.records[0].offset
	}
	b := wire.AppendUvarints([]byte{entryStart}, uint64(l.part), uint64(l.first), uint64(next), uint64(len(l.epochs)))
	for _, e := range l.epochs {
		b = wire.AppendUvarints(b, e.epoch, uint64(e.start))
	}
	return b
}

func (l *replica) recordEntry(r *record) []byte {
	return r.append(wire.AppendUvarints([]byte{entryRecord}, uint64(l.part)))
}

// live returns about how many bytes of the journal are of use.
func (n *node) live() int {
	bytes := 0
	for _, l := range n.held {
		if l != nil {
			bytes += l.size
		}
	}
	return bytes
}

// snapshot hands in entries that stand for all replicas as they are. Some of it
// may not have been reported durable yet; it follows once more, and replaces
// itself.
func (n *node) snapshot(add func([]byte)) {
	actor.Sometimes(n.env, factAnew)
	for _, l := range n.held {
		if l == nil {
			continue
		}
		add(l.startEntry())
		for i := range l.records {
			add(l.recordEntry(&l.records[i]))
		}
	}
}

// keep brings a change of a log to the disk. Once it is there, and was not undone
// meanwhile, everything below the end that the log has now is there too.
func (n *node) keep(l *replica, entry []byte) {
	upTo, cuts := l.next, l.cuts
	n.journal.Add(entry, func() {
		if l.cuts == cuts {
			l.synced = max(l.synced, upTo)
		}
		n.stored(l)
	})
	if n.cfg.Bugs[Q3] {
		l.synced = upTo
		n.stored(l)
	}
}

// store appends a record.
func (n *node) store(l *replica, r record) {
	l.add(r)
	n.keep(l, l.recordEntry(&l.records[len(l.records)-1]))
}

// drop cuts a log.
func (n *node) drop(l *replica, offset int64) {
	l.cut(offset)
	l.cuts++
	n.keep(l, wire.AppendUvarints([]byte{entryCut}, uint64(l.part), uint64(offset)))
}
