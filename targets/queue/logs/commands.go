package logs

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// A command changes the metadata, or asks for something in them. It is one byte
// and what belongs to it. Clients send some of them, nodes the others.
const (
	cmdRegister = 'r' // a node has started, or is back
	cmdFence    = 'f' // a node is taken for dead
	cmdAlter    = 'a' // the leader of a partition changes its ISR
	cmdMarked   = 'k' // the marker of a transaction is committed in a partition
	cmdExpire   = 'x' // a transaction takes too long
	cmdLeave    = 'l' // a member has left its group

	cmdInit   = 'i' // a producer wants an id and an epoch
	cmdBegin  = 'b' // a transaction is going to send to partitions
	cmdEnd    = 'e' // a transaction ends
	cmdJoin   = 'j' // a member joins its group
	cmdCommit = 'c' // a group has done everything below some offsets
	cmdSync   = 's' // read only: what a member owns
)

// The first byte of an answer.
const (
	done    = 0 // and what was asked for
	fenced  = 1 // the producer has a newer epoch, or never had this one
	stale   = 2 // the group has another generation, or not this member
	refused = 3 // this makes no sense now
)

// txnID names a transaction.
type txnID struct{ id, epoch uint64 }

// position is an offset in a partition.
type position struct {
	part   int
	offset int64
}

func appendPositions(b []byte, ps []position) []byte {
	b = binary.AppendUvarint(b, uint64(len(ps)))
	for _, p := range ps {
		b = wire.AppendUvarints(b, uint64(p.part), uint64(p.offset))
	}
	return b
}

func readPositions(d *wire.Decoder) []position {
	var ps []position
	for range count(d) {
		ps = append(ps, position{small(d), int64(d.Uvarint())})
	}
	return ps
}

// count reads how many things follow. No message has room for more things than
// a few thousand, and a number that was made up must not cost memory.
func count(d *wire.Decoder) int {
	if n := d.Uvarint(); n < 1<<16 {
		return int(n)
	}
	return 0
}

// small reads the number of a partition or a node. One that was made up is greater
// than any there is, never less.
func small(d *wire.Decoder) int { return int(min(d.Uvarint(), 1<<30)) }

func nodeID(d *wire.Decoder) actor.NodeID { return actor.NodeID(small(d)) }

func appendNumbers(b []byte, ns []int) []byte {
	b = binary.AppendUvarint(b, uint64(len(ns)))
	for _, n := range ns {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func readNumbers(d *wire.Decoder) []int {
	var ns []int
	for range count(d) {
		ns = append(ns, small(d))
	}
	return ns
}

func appendNodes(b []byte, ids []actor.NodeID) []byte {
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(id))
	}
	return b
}

func readNodes(d *wire.Decoder) []actor.NodeID {
	var ids []actor.NodeID
	for range count(d) {
		ids = append(ids, nodeID(d))
	}
	return ids
}

func registerCommand(node actor.NodeID, life uint64) []byte {
	return wire.AppendUvarints([]byte{cmdRegister}, uint64(node), life)
}

func fenceCommand(node actor.NodeID, life uint64) []byte {
	return wire.AppendUvarints([]byte{cmdFence}, uint64(node), life)
}

func alterCommand(part int, epoch, version uint64, isr []actor.NodeID) []byte {
	return appendNodes(wire.AppendUvarints([]byte{cmdAlter}, uint64(part), epoch, version), isr)
}

func expireCommand(t txnID) []byte { return wire.AppendUvarints([]byte{cmdExpire}, t.id, t.epoch) }

func leaveCommand(group, member string) []byte {
	return wire.AppendString(wire.AppendString([]byte{cmdLeave}, group), member)
}

// mark says that the marker of a transaction is committed in a partition.
type mark struct {
	txn  txnID
	part int
}

func markedCommand(marks []mark) []byte {
	b := binary.AppendUvarint([]byte{cmdMarked}, uint64(len(marks)))
	for _, m := range marks {
		b = wire.AppendUvarints(b, m.txn.id, m.txn.epoch, uint64(m.part))
	}
	return b
}

// initCommand asks for a producer. One without a name takes part in no
// transactions.
func initCommand(name string) []byte { return wire.AppendString([]byte{cmdInit}, name) }

func beginCommand(t txnID, parts []int) []byte {
	return appendNumbers(wire.AppendUvarints([]byte{cmdBegin}, t.id, t.epoch), parts)
}

// membership is what a member of a group believes.
type membership struct {
	group, member string
	generation    uint64
}

func (m membership) append(b []byte) []byte {
	return binary.AppendUvarint(wire.AppendString(wire.AppendString(b, m.group), m.member), m.generation)
}

func readMembership(d *wire.Decoder) membership {
	return membership{group: d.String(), member: d.String(), generation: d.Uvarint()}
}

// endCommand ends a transaction. One that commits may commit offsets of a group
// with it; without a group the membership is empty.
func endCommand(t txnID, commit bool, m membership, offsets []position) []byte {
	b := wire.AppendUvarints([]byte{cmdEnd}, t.id, t.epoch, flag(commit))
	return appendPositions(m.append(b), offsets)
}

func joinCommand(group, member string, node actor.NodeID) []byte {
	b := wire.AppendString(wire.AppendString([]byte{cmdJoin}, group), member)
	return binary.AppendUvarint(b, uint64(node))
}

func commitCommand(m membership, offsets []position) []byte {
	return appendPositions(m.append([]byte{cmdCommit}), offsets)
}

func syncQuery(group, member string) []byte {
	return wire.AppendString(wire.AppendString([]byte{cmdSync}, group), member)
}

func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}
