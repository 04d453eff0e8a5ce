package cp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/ordeal-dev/ordeal/targets/kit/wire"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// machine is the replicated state: what the keys hold, and what was answered
// to whom. It changes by apply and restore only, so replicas that applied the
// same entries are equal.
type machine struct {
	data     map[string]cell
	sessions sessions
	applied  uint64 // index of the last entry that was applied
	digest   uint64 // sum of the hashes of all pairs, so that it does not depend on an order
	scratch  []byte
}

// cell is what a key holds.
type cell struct {
	value    string
	modified int64 // the wall clock of the node that took the request; for people only
}

func newMachine(sessions int) *machine {
	return &machine{data: make(map[string]cell), sessions: newSessions(sessions)}
}

// name is what a request is known by.
type name struct{ client, seq uint64 }

// apply executes the data of an entry: the stamp of a wall clock and a request.
// Entries without data, which new leaders write, change nothing.
func (m *machine) apply(index uint64, data []byte) (name, kv.Response) {
	m.applied = index
	if len(data) == 0 {
		return name{}, kv.Response{}
	}
	stamp, req, err := parseStamped(data)
	if err != nil {
		panic(fmt.Sprintf("cp: entry %d of the log cannot be read: %v", index, err))
	}
	who := name{req.Client, req.Seq}
	if resp, known := m.sessions.lookup(who); known {
		return who, resp
	}
	resp := m.execute(req, stamp)
	m.sessions.record(who, resp)
	return who, resp
}

func (m *machine) execute(req kv.Request, stamp int64) kv.Response {
	old, there := m.data[req.Key]
	switch req.Op {
	case kv.Put:
		m.put(req.Key, cell{req.Value, stamp})
	case kv.CAS:
		if old.value != req.Old {
			return kv.Response{Code: kv.Mismatch, Value: old.value}
		}
		m.put(req.Key, cell{req.Value, stamp})
	case kv.Delete:
		if !there {
			return kv.Response{Code: kv.NotFound}
		}
		m.digest -= m.hash(req.Key, old)
		delete(m.data, req.Key)
	default:
		return kv.Response{Code: kv.BadRequest}
	}
	return kv.Response{Code: kv.OK}
}

func (m *machine) put(key string, c cell) {
	if old, there := m.data[key]; there {
		m.digest -= m.hash(key, old)
	}
	m.data[key] = c
	m.digest += m.hash(key, c)
}

func (m *machine) hash(key string, c cell) uint64 {
	m.scratch = appendCell(m.scratch[:0], key, c)
	return xxhash.Sum64(m.scratch)
}

func (m *machine) digestText() string { return fmt.Sprintf("%016x", m.digest) }

// read answers a request that changes nothing.
func (m *machine) read(req kv.Request) kv.Response {
	switch req.Op {
	case kv.Get:
		c, there := m.data[req.Key]
		if !there {
			return kv.Response{Code: kv.NotFound}
		}
		return kv.Response{Code: kv.OK, Value: c.value}
	case kv.Keys:
		return kv.Response{Code: kv.OK, Keys: m.keys(req.Key)}
	default:
		return kv.Response{Code: kv.BadRequest}
	}
}

func (m *machine) keys(prefix string) []string {
	keys := make([]string, 0, len(m.data))
	for k := range m.data {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func appendCell(b []byte, key string, c cell) []byte {
	b = wire.AppendString(b, key)
	b = wire.AppendString(b, c.value)
	return binary.LittleEndian.AppendUint64(b, uint64(c.modified))
}

// encode writes the whole state, the same bytes on every replica.
func (m *machine) encode() []byte {
	b := binary.AppendUvarint(make([]byte, 0, 64*len(m.data)), m.applied)
	b = binary.AppendUvarint(b, uint64(len(m.data)))
	for _, key := range m.keys("") {
		b = appendCell(b, key, m.data[key])
	}
	return m.sessions.appendTo(b)
}

// restore replaces the state by one that encode wrote.
func (m *machine) restore(b []byte) error {
	d := wire.NewDecoder(b)
	fresh := newMachine(m.sessions.limit)
	fresh.applied = d.Uvarint()
	for count := d.Uvarint(); count > 0 && d.Err() == nil; count-- {
		key := d.String()
		fresh.put(key, cell{d.String(), int64(d.Uint64())})
	}
	fresh.sessions.decode(d)
	if err := d.Done(); err != nil {
		return err
	}
	*m = *fresh
	return nil
}

// sessions remembers the last request of each client and its answer. A client
// has one request under way at a time, so an older one that comes again was
// given up, and is not executed. When there are too many clients, those that
// were silent longest are forgotten, in the order of the log and thus on all
// replicas alike.
type sessions struct {
	limit          int
	byClient       map[uint64]*session
	oldest, newest *session
}

type session struct {
	who        name
	resp       kv.Response
	prev, next *session // by the time of the last request
}

func newSessions(limit int) sessions {
	return sessions{limit: limit, byClient: make(map[uint64]*session)}
}

// lookup returns the answer to a request that was executed before, or Unknown
// for one that is older than the last.
func (s *sessions) lookup(who name) (kv.Response, bool) {
	e := s.byClient[who.client]
	switch {
	case e == nil || who.seq > e.who.seq:
		return kv.Response{}, false
	case who.seq == e.who.seq:
		return e.resp, true
	default:
		return kv.Response{Code: kv.Unknown}, true
	}
}

// record remembers the answer to a request.
func (s *sessions) record(who name, resp kv.Response) {
	e := s.byClient[who.client]
	if e == nil {
		e = &session{}
		s.byClient[who.client] = e
	} else {
		s.unlink(e)
	}
	e.who, e.resp = who, resp
	s.link(e)
	if len(s.byClient) > s.limit {
		delete(s.byClient, s.oldest.who.client)
		s.unlink(s.oldest)
	}
}

func (s *sessions) link(e *session) {
	e.prev, e.next = s.newest, nil
	if s.newest != nil {
		s.newest.next = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

func (s *sessions) unlink(e *session) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.oldest = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		s.newest = e.prev
	}
}

func (s *sessions) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.byClient)))
	for e := s.oldest; e != nil; e = e.next {
		b = binary.AppendUvarint(b, e.who.client)
		b = binary.AppendUvarint(b, e.who.seq)
		b = append(b, byte(e.resp.Code))
		b = wire.AppendString(b, e.resp.Value)
	}
	return b
}

func (s *sessions) decode(d *wire.Decoder) {
	for count := d.Uvarint(); count > 0 && d.Err() == nil; count-- {
		who := name{d.Uvarint(), d.Uvarint()}
		s.record(who, kv.Response{Code: kv.Code(d.Byte()), Value: d.String()})
	}
}

// appendStamped and parseStamped are the data of an entry: the wall clock of
// the node that took the request, and the request as the client sent it.
func appendStamped(b []byte, stamp int64, body []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(stamp)), body...)
}

func parseStamped(data []byte) (int64, kv.Request, error) {
	if len(data) < 8 {
		return 0, kv.Request{}, fmt.Errorf("%d bytes are too few", len(data))
	}
	req, err := kv.ParseRequest(data[8:])
	return int64(binary.LittleEndian.Uint64(data)), req, err
}
