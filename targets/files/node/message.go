package node

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// kind is the first byte of a message between nodes.
type kind byte

const (
	msgBeat kind = iota + 1 // the sender lives; Flag: it hears the receiver

	// The pipeline. A packet goes down the chain Nodes, an ack up.
	msgPacket // Data belong at Offset of Block under Stamp; Length bytes were acknowledged before
	msgAcked  // the sender and all after it have Block up to Offset
	msgRefuse // the sender, or one after it, does not write Block under Stamp any more
	msgKnown  // Length bytes of Block are acknowledged

	// Recovery of a block.
	msgPrepare  // write Block under no stamp before Stamp; what do you have?
	msgPrepared // Flag: a replica, under Stamp, of Length bytes
	msgFinish   // the replica is to be Length long, under Stamp
	msgFinished // it is

	// Reading. Flag in the request: the block is open, send what there is.
	msgFetch   // send Length bytes of Block under Stamp, or any if Stamp is 0
	msgFetched // Flag: here they are, in Data; Length bytes of them are known to be acknowledged

	// Leases.
	msgYield   // give up lease Stamp of the file Data
	msgYielded // Flag: done; else the sender does not have it

	// The active name node, by its Epoch, and the data nodes.
	msgHello  // report what you have; ID counts
	msgReport // the answer to hello ID, report number Offset: List, and the Tokens of all leases that the sender uses
	msgDrop   // after report number Offset: the replicas in List are not needed
	msgCopy   // send Block under Stamp, Length bytes, to Nodes[0]
	msgPut    // keep Block under Stamp, which is Data
)

// message is what nodes say to each other. Which fields count depends on its kind.
type message struct {
	kind   kind
	flag   bool
	id     uint64 // by which the answer finds who asked
	block  uint64
	stamp  uint64
	offset uint64
	length uint64
	epoch  uint64
	nodes  []actor.NodeID
	data   []byte
	list   []held
	tokens []uint64
}

// held is a line of a report.
type held struct{ block, stamp, length uint64 }

func (m *message) encode() []byte {
	b := make([]byte, 0, 32+len(m.data)+8*len(m.list))
	flag := byte(0)
	if m.flag {
		flag = 1
	}
	b = append(b, byte(m.kind), flag)
	b = wire.AppendUvarints(b, m.id, m.block, m.stamp, m.offset, m.length, m.epoch, uint64(len(m.nodes)))
	for _, n := range m.nodes {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = wire.AppendBytes(b, m.data)
	b = binary.AppendUvarint(b, uint64(len(m.list)))
	for _, h := range m.list {
		b = wire.AppendUvarints(b, h.block, h.stamp, h.length)
	}
	b = binary.AppendUvarint(b, uint64(len(m.tokens)))
	return wire.AppendUvarints(b, m.tokens...)
}

func parseMessage(b []byte) (m message, err error) {
	d := wire.NewDecoder(b)
	m.kind, m.flag = kind(d.Byte()), d.Byte() != 0
	m.id, m.block, m.stamp, m.offset = d.Uvarint(), d.Uvarint(), d.Uvarint(), d.Uvarint()
	m.length, m.epoch = d.Uvarint(), d.Uvarint()
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		m.nodes = append(m.nodes, actor.NodeID(d.Uvarint()))
	}
	m.data = d.Bytes()
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		m.list = append(m.list, held{d.Uvarint(), d.Uvarint(), d.Uvarint()})
	}
	for n := d.Uvarint(); n > 0 && d.Err() == nil; n-- {
		m.tokens = append(m.tokens, d.Uvarint())
	}
	return m, d.Done()
}
