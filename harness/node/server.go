package node

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"os"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/internal/proc"
)

// RuntimeStatus is what a node's runtime says of it, in answer to [StatusRequest].
type RuntimeStatus struct {
	Status actor.Status `json:"status"` // what the actor says
	Wall   int64        `json:"wall"`   // the wall clock as the process sees it, nanoseconds since 1970
	Mono   int64        `json:"mono"`   // CLOCK_MONOTONIC at the same moment
	// WallReads is how often the actor has read its wall clock in this process.
	WallReads uint64 `json:"wall_reads"`
	Boot      uint64 `json:"boot"` // how often the node was started, from 1
	PID       int    `json:"pid"`
}

// answersSize bounds the answers that wait for one client. A client that does
// not read them loses its connection.
const answersSize = 1024

// server answers clients.
type server struct {
	r       *runtime
	last    actor.RequestID
	waiting map[actor.RequestID]waiting // requests that the actor has not answered; the loop's
}

// waiting is where the answer to a request goes.
type waiting struct {
	to *inbound
	id uint64
}

// inbound is the connection of a client.
type inbound struct {
	ctx     context.Context
	close   context.CancelFunc
	answers chan clientFrame
}

// bootBits is where the number of the start stands in a RequestID, so that no
// request has the name of one from an earlier life.
const bootBits = 40

func newServer(r *runtime) *server {
	return &server{r: r, last: actor.RequestID(r.boot << bootBits), waiting: make(map[actor.RequestID]waiting)}
}

func (s *server) listen(l net.Listener) { accept(s.r, l, s.serve) }

// serve takes requests off a connection until it breaks.
func (s *server) serve(conn *net.TCPConn) {
	c := &inbound{answers: make(chan clientFrame, answersSize)}
	c.ctx, c.close = context.WithCancel(s.r.ctx)
	defer c.close()
	stop := context.AfterFunc(c.ctx, func() { _ = conn.Close() })
	defer stop()
	s.r.tasks.Go(func() { c.write(conn) })
	defer s.r.post(func() { s.forget(c) })
	in := bufio.NewReaderSize(conn, 64<<10)
	for {
		f, err := readClientFrame(in)
		if err != nil || !s.take(c, f) {
			return
		}
	}
}

// take handles one frame of a client. It reports false if the connection has to end.
func (s *server) take(c *inbound, f clientFrame) bool {
	switch f.kind {
	case kindRequest:
		return s.r.post(func() { s.request(c, f) })
	case kindStatus:
		return s.r.post(func() { s.status(c, f) })
	case kindPing:
		c.answer(f)
		return true
	default:
		return false
	}
}

func (s *server) request(c *inbound, f clientFrame) {
	s.last++
	s.waiting[s.last] = waiting{c, f.id}
	s.r.node.Serve(s.last, f.body)
}

func (s *server) status(c *inbound, f clientFrame) {
	f.body, _ = json.Marshal(RuntimeStatus{ // cannot fail: strings and numbers
		Status:    s.r.node.Status(),
		Wall:      wall(),
		Mono:      proc.Mono(),
		WallReads: s.r.wallReads,
		Boot:      s.r.boot,
		PID:       os.Getpid(),
	})
	f.body = append(f.body, StatusEnd...)
	c.answer(f)
}

func (s *server) reply(req actor.RequestID, body []byte) {
	if w, ok := s.waiting[req]; ok {
		delete(s.waiting, req)
		w.to.answer(clientFrame{w.id, kindRequest, body})
	}
}

// forget drops the requests of a connection that is gone: nobody waits.
func (s *server) forget(c *inbound) {
	for req, w := range s.waiting { // order cannot be seen
		if w.to == c {
			delete(s.waiting, req)
		}
	}
}

func (c *inbound) answer(f clientFrame) {
	select {
	case c.answers <- f:
	default:
		c.close()
	}
}

// write sends answers until the connection ends.
func (c *inbound) write(conn net.Conn) {
	defer c.close()
	out := bufio.NewWriterSize(conn, 64<<10)
	for {
		select {
		case <-c.ctx.Done():
			return
		case f := <-c.answers:
			_ = conn.SetWriteDeadline(time.Now().Add(Stale))
			_, err := out.Write(f.bytes())
			if err == nil && len(c.answers) == 0 {
				err = out.Flush()
			}
			if err != nil {
				return
			}
		}
	}
}
