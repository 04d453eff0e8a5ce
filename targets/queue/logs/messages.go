package logs

import (
	"encoding/binary"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// Messages between nodes are one byte and what belongs to it.
const (
	msgBeat    = 'h' // a node is there
	msgFetch   = 'F' // a follower asks for what comes next
	msgFetched = 'f'
	msgSend    = 'S' // a node hands a message of its client to a leader
	msgSent    = 's'
	msgPoll    = 'P' // a node asks a leader on behalf of a consumer
	msgPolled  = 'p'
)

// fetch is a follower's question: what comes after next? All before it is on
// its disk, and last is the epoch of its last record.
type fetch struct {
	part  int
	epoch uint64 // of the leader
	id    uint64
	next  int64
	last  uint64
}

func (m fetch) append(b []byte) []byte {
	return wire.AppendUvarints(append(b, msgFetch), uint64(m.part), m.epoch, m.id, uint64(m.next), m.last)
}

func readFetch(d *wire.Decoder) fetch {
	return fetch{part: small(d), epoch: d.Uvarint(), id: d.Uvarint(), next: int64(d.Uvarint()), last: d.Uvarint()}
}

// fetched answers a fetch: with records, or, if the logs differ, with the newest
// epoch up to the follower's that the leader's log has, and where that ends.
type fetched struct {
	part    int
	epoch   uint64
	id      uint64
	first   int64 // of the leader's log
	high    int64
	differs bool
	upTo    uint64
	end     int64
	records []record
}

func (m fetched) encode() []byte {
	b := wire.AppendUvarints([]byte{msgFetched}, uint64(m.part), m.epoch, m.id, uint64(m.first), uint64(m.high),
		flag(m.differs), m.upTo, uint64(m.end))
	return appendRecords(b, m.records)
}

func readFetched(d *wire.Decoder) fetched {
	return fetched{
		part: small(d), epoch: d.Uvarint(), id: d.Uvarint(), first: int64(d.Uvarint()), high: int64(d.Uvarint()),
		differs: d.Uvarint() == 1, upTo: d.Uvarint(), end: int64(d.Uvarint()), records: readRecords(d),
	}
}

func appendRecords(b []byte, rs []record) []byte {
	b = binary.AppendUvarint(b, uint64(len(rs)))
	for i := range rs {
		b = rs[i].append(b)
	}
	return b
}

func readRecords(d *wire.Decoder) []record {
	n := count(d)
	var rs []record
	for range n {
		if d.Err() != nil {
			return nil
		}
		rs = append(rs, readRecord(d))
	}
	return rs
}

// send hands a message to the leader that is believed to lead in an epoch.
type send struct {
	tag   uint64
	part  int
	epoch uint64
	msg   record
}

func (m send) append(b []byte) []byte {
	return m.msg.append(wire.AppendUvarints(append(b, msgSend), m.tag, uint64(m.part), m.epoch))
}

func readSend(d *wire.Decoder) send {
	return send{tag: d.Uvarint(), part: small(d), epoch: d.Uvarint(), msg: readRecord(d)}
}

// verdict is how a leader ended a send.
type verdict uint8

const (
	acked  verdict = iota // at the offset
	denied                // it will not append this in that epoch
	late                  // the transaction is over
)

// sent answers a send.
type sent struct {
	tag    uint64
	epoch  uint64
	how    verdict
	offset int64
}

func (m sent) append(b []byte) []byte {
	return wire.AppendUvarints(append(b, msgSent), m.tag, m.epoch, uint64(m.how), uint64(m.offset))
}

func readSent(d *wire.Decoder) sent {
	return sent{tag: d.Uvarint(), epoch: d.Uvarint(), how: verdict(d.Uvarint()), offset: int64(d.Uvarint())}
}

// fromEnd stands for the end of a partition, where consumers begin that want to
// see only what is new.
const fromEnd = int64(1)<<62 - 1

// poll asks for what a consumer sees of a partition from an offset on.
type poll struct {
	tag  uint64
	part int
	from int64
	most int
}

func (m poll) append(b []byte) []byte {
	return wire.AppendUvarints(append(b, msgPoll), m.tag, uint64(m.part), uint64(m.from), uint64(m.most))
}

func readPoll(d *wire.Decoder) poll {
	return poll{tag: d.Uvarint(), part: small(d), from: int64(d.Uvarint()), most: small(d)}
}

// message is what a consumer sees of a record.
type message struct {
	offset     int64
	key, value string
}

// polled answers a poll.
type polled struct {
	tag      uint64
	part     int
	next     int64 // where to go on
	end      bool  // there is nothing more, and nothing under way
	messages []message
}

func (m polled) append(b []byte) []byte {
	b = wire.AppendUvarints(append(b, msgPolled), m.tag)
	return m.appendAnswer(b)
}

// appendAnswer writes what the client gets of it.
func (m polled) appendAnswer(b []byte) []byte {
	b = wire.AppendUvarints(b, uint64(m.part), uint64(m.next), flag(m.end), uint64(len(m.messages)))
	for _, x := range m.messages {
		b = wire.AppendString(wire.AppendString(binary.AppendUvarint(b, uint64(x.offset)), x.key), x.value)
	}
	return b
}

func readPolled(d *wire.Decoder) polled {
	tag := d.Uvarint()
	m := readPollAnswer(d)
	m.tag = tag
	return m
}

func readPollAnswer(d *wire.Decoder) polled {
	m := polled{part: small(d), next: int64(d.Uvarint()), end: d.Uvarint() == 1}
	for range count(d) {
		if d.Err() != nil {
			break
		}
		m.messages = append(m.messages, message{int64(d.Uvarint()), d.String(), d.String()})
	}
	return m
}

// Requests of clients that do not go to the metadata.
const (
	reqSend = 'S'
	reqPoll = 'P'
)

// sendRequest is a client's request to send a message to a partition.
func sendRequest(part int, msg record) []byte {
	return msg.append(binary.AppendUvarint([]byte{reqSend}, uint64(part)))
}

// pollRequest is a client's request to poll partitions. A member of a group says
// who it is, and whether what it polled up to now is done.
func pollRequest(who membership, commits bool, most int, from []position) []byte {
	return appendPositions(wire.AppendUvarints(who.append([]byte{reqPoll}), flag(commits), uint64(most)), from)
}

func beatMessage(hears bool) []byte { return []byte{msgBeat, byte(flag(hears))} }

// inRange reports whether a number is that of a partition.
func (n *node) inRange(part int) bool { return part >= 0 && part < len(n.held) }
