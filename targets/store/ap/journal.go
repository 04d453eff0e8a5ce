package ap

import (
	"encoding/binary"
	"errors"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// logFile holds everything that a node knows.
const logFile = "ap.log"

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

// replay takes over a record of an earlier life.
func (n *node) replay(b []byte) error {
	r := reader{b: b}
	var x record
	if x.parse(&r); r.bad || r.more() {
		return errors.New("it has a record that cannot be read")
	}
	n.remember(&x)
	return nil
}

// keep puts a record into the log. When it is durable it takes effect, and then
// is called, if it is not nil.
func (n *node) keep(x record, then func()) {
	n.scratch = x.append(n.scratch[:0])
	n.journal.Add(n.scratch, func() {
		n.apply(&x)
		if then != nil {
			then()
		}
	})
}

// apply has a record take effect that has reached the disk.
func (n *node) apply(x *record) {
	switch x.kind {
	case recordCeiling:
		n.clock.raise(x.ceiling)
	case recordItem:
		n.table.put(x.entry)
	case recordHint:
		n.note(factStandIn)
		if kept := n.hints.get(x.entry.key); kept != nil && kept.ver.compare(x.entry.ver) < 0 {
			n.note(factNewer)
		}
		n.hints.add(x.node, x.entry, n.ring.shardOf(x.entry.key))
	}
}

// live is about how much of the log is of use.
func (n *node) live() int { return n.table.bytes + n.hints.bytes }

// snapshot hands in records that make up all that the node holds.
func (n *node) snapshot(add func([]byte)) {
	n.note(factAnew)
	put := func(x record) {
		n.scratch = x.append(n.scratch[:0])
		add(n.scratch)
	}
	for _, s := range n.table.shards {
		if s == nil {
			continue
		}
		for _, it := range s.items {
			put(record{kind: recordItem, entry: it.entry})
		}
	}
	for _, h := range n.hints.live() {
		for id := range actor.NodeID(n.env.Nodes()) {
			if h.owners.has(id) {
				put(record{kind: recordHint, node: id, entry: h.entry})
			}
		}
	}
	put(record{kind: recordCeiling, ceiling: max(n.clock.ceiling, n.clock.last)})
}
