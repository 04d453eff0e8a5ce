package logs

import (
	"hash/fnv"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// kind says what a record is.
type kind uint8

const (
	plain     kind = iota // a message
	inTxn                 // a message of a transaction
	committed             // a marker: the transaction has committed
	aborted               // a marker: it has not
)

// record is one entry of a partition.
type record struct {
	offset int64
	epoch  uint64 // of the leader that appended it
	kind   kind
	txn    txnID  // the producer and its epoch; a producer 0 has no number and no memory
	seq    uint64 // of a message, rising within an epoch of its producer
	key    string // of compaction; "" for none
	value  string // "" for a tombstone
	sum    uint64 // of this record and all before it in the log
}

func (r *record) marker() bool { return r.kind == committed || r.kind == aborted }

// append writes a record as it goes over the network.
func (r *record) append(b []byte) []byte {
	b = wire.AppendUvarints(b, uint64(r.offset), r.epoch, uint64(r.kind), r.txn.id, r.txn.epoch, r.seq)
	return wire.AppendString(wire.AppendString(b, r.key), r.value)
}

func readRecord(d *wire.Decoder) record {
	return record{
		offset: int64(d.Uvarint()), epoch: d.Uvarint(), kind: kind(d.Uvarint()), txn: readTxn(d), seq: d.Uvarint(),
		key: d.String(), value: d.String(),
	}
}

// size returns about how many bytes a record takes in a journal: what a client sent, and
// the numbers.
func (r *record) size() int { return 12 + len(r.key) + len(r.value) }

func sizeOf(rs []record) int {
	bytes := 0
	for i := range rs {
		bytes += rs[i].size()
	}
	return bytes
}

// chain returns the sum of a record that comes after one with the given sum.
func (r *record) chain(before uint64) uint64 {
	h := fnv.New64a()
	h.Write(r.append(wire.AppendUvarints(make([]byte, 0, 64), before)))
	return h.Sum64()
}
