package run

import (
	"io"
	"sync/atomic"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// seat is the place of a client thread at which one client after the other
// sits. The worker calls do; the loop calls replace and retire.
//
// An operation that the world gave up on may still be running when the next
// one begins. It keeps the client that it began with, which is then used by
// nobody else.
type seat struct {
	make func(history.Process, int) client.Client
	node int
	cur  atomic.Pointer[tenant]
}

func newSeat(newClient func(history.Process, int) client.Client, p history.Process, node int) *seat {
	s := &seat{make: newClient, node: node}
	s.cur.Store(&tenant{client: newClient(p, node)})
	return s
}

func (s *seat) do(env client.Env, op history.Op) history.Op {
	return s.cur.Load().invoke(env, op)
}

// replace retires the client and puts that of another process in its place.
func (s *seat) replace(p history.Process) {
	old := s.cur.Swap(&tenant{client: s.make(p, s.node)})
	old.retire()
}

func (s *seat) retire() { s.cur.Load().retire() }

// tenant is a client and what is known about its use. It is closed once, by
// whoever sees first that it is retired and idle.
type tenant struct {
	client client.Client
	state  atomic.Int32
}

const (
	inUse int32 = 1 << iota
	retired
)

// invoke has the client do op. After an info, and after a panic, nobody will
// use it again, and it is closed here on the worker, where that may take time.
func (t *tenant) invoke(env client.Env, op history.Op) history.Op {
	t.state.Or(inUse)
	last := true
	defer func() { t.leave(last) }()
	done := t.client.Invoke(env, op)
	last = done.Type == history.Info
	return done
}

func (t *tenant) leave(last bool) {
	if last {
		t.state.Or(retired)
	}
	if t.state.And(^inUse)&retired != 0 {
		t.close()
	}
}

func (t *tenant) retire() {
	if t.state.Or(retired)&(inUse|retired) == 0 {
		t.close()
	}
}

// close ends the client. Its error tells nothing about an operation: each has
// its completion by now.
func (t *tenant) close() {
	if c, ok := t.client.(io.Closer); ok {
		_ = c.Close()
	}
}
