package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

const (
	maxRequests = 64      // of one session at a time
	maxQueued   = 4 << 20 // bytes of replies that wait for a reader
	maxSessions = 16      // connections at a time, those that have not said hello included
)

var (
	errLease   = errors.New("no heartbeat of the controller within its lease, so every fault was healed: was it stopped, or starved of CPU?")
	errStalled = errors.New("the reader stalled")
	errTaken   = errors.New("another controller took over")
)

// session is a connection to a controller. It holds the lease from its hello
// to its end.
type session struct {
	agent *agent
	conn  net.Conn
	ctx   context.Context         // done when the session has ended
	stop  context.CancelCauseFunc // ends it, says why
	lease *time.Timer

	out     chan []byte
	queued  atomic.Int64
	running chan struct{} // a token for each request in work
}

func newSession(ctx context.Context, a *agent, conn net.Conn) *session {
	s := &session{
		agent:   a,
		conn:    conn,
		out:     make(chan []byte, 4*maxRequests),
		running: make(chan struct{}, maxRequests),
	}
	s.ctx, s.stop = context.WithCancelCause(ctx)
	context.AfterFunc(s.ctx, s.hangUp)
	s.lease = time.AfterFunc(a.cfg.Lease, func() { s.stop(errLease) })
	return s
}

// farewell is how long a controller that has lost its lease may take to hear of it.
const farewell = 100 * time.Millisecond

// hangUp ends the connection. A controller that has lost its lease finds the
// reason at the end of the stream when it comes to itself.
func (s *session) hangUp() {
	defer s.conn.Close()
	cause := context.Cause(s.ctx)
	if s.agent.live.Load() != s || !errors.Is(cause, errLease) && !errors.Is(cause, errTaken) {
		return
	}
	if raw, err := encode(frame{Error: cause.Error()}); err == nil && s.conn.SetWriteDeadline(time.Now().Add(farewell)) == nil {
		_, _ = s.conn.Write(raw)
	}
}

// serve runs the session to its end.
func (s *session) serve() {
	go s.write()
	err := s.read()
	s.stop(err)
	s.lease.Stop()
	s.agent.detach(s)
}

// read handles frames until the first that is bad or the end of the stream.
func (s *session) read() error {
	in := bufio.NewReader(s.conn)
	for attached := false; ; attached = true {
		f, err := decode(in)
		if err != nil {
			return err
		}
		if !attached {
			if err := s.hello(f); err != nil {
				return err
			}
			continue
		}
		s.lease.Reset(s.agent.cfg.Lease)
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		s.dispatch(f)
	}
}

// hello takes the lease from whoever has it. A connection that begins with
// anything else is none of ours.
func (s *session) hello(f frame) error {
	var h Hello
	if f.Op != opHello || json.Unmarshal(f.Body, &h) != nil {
		return fmt.Errorf("%w: a session begins with %q", errFrame, opHello)
	}
	if h.Protocol != Protocol {
		err := fmt.Errorf("controller speaks protocol %d and this agent %d: use one build of ordeal for both", h.Protocol, Protocol)
		return s.refuse(f.ID, err)
	}
	s.lease.Stop() // healing takes our time, and not the controller's
	if err := s.agent.attach(s); err != nil {
		return s.refuse(f.ID, err)
	}
	s.lease.Reset(s.agent.cfg.Lease)
	s.reply(f.ID, s.agent.hello(), nil)
	s.agent.flushEvents()
	return nil
}

// refuse answers a hello before the session ends: nothing else is queued yet.
func (s *session) refuse(id uint64, err error) error {
	if raw, e := encode(frame{ID: id, Error: err.Error()}); e == nil {
		_ = s.send(raw) // the session ends in any case
	}
	return err
}

// dispatch runs a request beside the others, so that a slow one does not hold
// up a heartbeat.
func (s *session) dispatch(f frame) {
	select {
	case s.running <- struct{}{}:
	default:
		s.reply(f.ID, nil, fmt.Errorf("more than %d requests at a time", maxRequests))
		return
	}
	go func() {
		defer func() { <-s.running }()
		body, err := s.agent.handle(s, f)
		s.reply(f.ID, body, err)
	}()
}

func (s *session) reply(id uint64, body any, err error) {
	f := frame{ID: id}
	if err != nil {
		f.Error = err.Error()
	} else if f.Body, err = json.Marshal(body); err != nil {
		f.Error = err.Error()
	}
	s.push(f)
}

// push queues a frame. It never waits: a reader so slow that the queue is full
// has lost its session.
func (s *session) push(f frame) {
	raw, err := encode(f)
	if err != nil {
		raw, err = encode(frame{ID: f.ID, Error: err.Error()})
	}
	if err != nil || s.queued.Add(int64(len(raw))) > maxQueued {
		s.stop(errStalled)
		return
	}
	select {
	case s.out <- raw:
	default:
		s.stop(errStalled)
	}
}

// send writes to the connection, and waits for a reader no longer than a lease.
func (s *session) send(raw []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.agent.cfg.Lease)); err != nil {
		return err
	}
	_, err := s.conn.Write(raw)
	return err
}

func (s *session) write() {
	for {
		select {
		case raw := <-s.out:
			s.queued.Add(-int64(len(raw)))
			if err := s.send(raw); err != nil {
				s.stop(errors.Join(errStalled, err))
				return
			}
		case <-s.ctx.Done():
			return
		}
	}
}
