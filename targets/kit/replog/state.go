package replog

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
	"github.com/ordeal-dev/ordeal/targets/kit/wire"
)

// state is what is replicated: the machine, and what was answered to whom. It
// changes by apply and restore only, so replicas that applied the same entries
// are equal.
type state struct {
	machine  Machine
	sessions sessions
	applied  uint64 // index of the last entry that was applied
	bare     bool   // see Config.BareSnapshots
}

func newState(m Machine, cfg Config) *state {
	return &state{machine: m, sessions: newSessions(cfg.Sessions), bare: cfg.BareSnapshots}
}

// name is what a request is known by.
type name struct{ client, seq uint64 }

func nameOf(r request.Request) name { return name{r.Client, r.Seq} }

// outcome is how a command ended.
type outcome struct {
	code   request.Code
	answer []byte
}

// apply executes the request of an entry. It reports false if that had been done
// before: then the answer is the one of that time.
func (s *state) apply(index uint64, r request.Request) (outcome, bool) {
	s.applied = index
	who := nameOf(r)
	if o, known := s.sessions.lookup(who); known {
		return o, false
	}
	answer := s.machine.Apply(index, r.Body)
	s.sessions.record(who, answer)
	return outcome{request.OK, answer}, true
}

// encode writes all but the index, the same bytes on every replica.
func (s *state) encode() []byte {
	machine, sessions := s.machine.Encode(), &s.sessions
	if s.bare {
		sessions = &bareSessions
	}
	b := make([]byte, 0, len(machine)+32*len(sessions.byClient)+10)
	return append(sessions.appendTo(b), machine...)
}

var bareSessions = newSessions(0)

// restore replaces the state by the one that encode wrote at an index.
func (s *state) restore(index uint64, b []byte) error {
	d := wire.NewDecoder(b)
	sessions := newSessions(s.sessions.limit)
	sessions.decode(d)
	if err := d.Err(); err != nil {
		return err
	}
	if err := s.machine.Restore(d.Rest()); err != nil {
		return err
	}
	s.applied, s.sessions = index, sessions
	return nil
}

// parseEntry reads the data of an entry of the log.
func (g *Group) parseEntry(index uint64, data []byte) request.Request {
	r, err := request.Parse(data)
	if err != nil {
		panic(fmt.Sprintf("%s: entry %d of the log cannot be read: %v", g.cfg.Name, index, err))
	}
	return r
}

// sessions remembers the last command of each client and its answer. A client
// has one request under way at a time, so an older one that comes again was
// given up, and is not executed. When there are too many clients, those that
// were silent longest are forgotten, in the order of the log and thus on all
// replicas alike.
type sessions struct {
	limit          int
	byClient       map[uint64]*session
	oldest, newest *session
	digest         uint64 // sum of the hashes of all
	scratch        []byte
}

type session struct {
	who        name
	answer     []byte
	prev, next *session // by the time of the last request
}

func newSessions(limit int) sessions {
	return sessions{limit: limit, byClient: make(map[uint64]*session)}
}

// lookup returns how a command ended that was executed before, or Unknown for
// one that is older than the last.
func (s *sessions) lookup(who name) (outcome, bool) {
	e := s.byClient[who.client]
	switch {
	case e == nil || who.seq > e.who.seq:
		return outcome{}, false
	case who.seq == e.who.seq:
		return outcome{request.OK, e.answer}, true
	default:
		return outcome{code: request.Unknown}, true
	}
}

// record remembers the answer to a command.
func (s *sessions) record(who name, answer []byte) {
	e := s.byClient[who.client]
	if e == nil {
		e = &session{}
		s.byClient[who.client] = e
	} else {
		s.unlink(e)
	}
	e.who, e.answer = who, answer
	s.link(e)
	if len(s.byClient) > s.limit {
		delete(s.byClient, s.oldest.who.client)
		s.unlink(s.oldest)
	}
}

func (s *sessions) link(e *session) {
	s.digest += s.hash(e)
	e.prev, e.next = s.newest, nil
	if s.newest != nil {
		s.newest.next = e
	} else {
		s.oldest = e
	}
	s.newest = e
}

func (s *sessions) unlink(e *session) {
	s.digest -= s.hash(e)
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

func (s *sessions) hash(e *session) uint64 {
	s.scratch = e.appendTo(s.scratch[:0])
	return xxhash.Sum64(s.scratch)
}

func (s *sessions) digestText() string { return fmt.Sprintf("%016x", s.digest) }

func (e *session) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, e.who.client)
	b = binary.AppendUvarint(b, e.who.seq)
	return wire.AppendBytes(b, e.answer)
}

func (s *sessions) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.byClient)))
	for e := s.oldest; e != nil; e = e.next {
		b = e.appendTo(b)
	}
	return b
}

func (s *sessions) decode(d *wire.Decoder) {
	for count := d.Uvarint(); count > 0 && d.Err() == nil; count-- {
		who := name{d.Uvarint(), d.Uvarint()}
		s.record(who, d.Bytes())
	}
}
