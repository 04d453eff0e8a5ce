package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/harness/client"
)

// Conn is a client's way to one node. It dials when there is something to send
// and no connection, carries any number of calls at a time, and notices within
// [Stale] that its connection is dead. It is safe for concurrent use.
type Conn struct {
	addr string

	mu     sync.Mutex // held while dialling and writing
	link   *link      // nil: none, or known to be dead
	closed bool
}

// NewConn returns a connection to the client port at addr. It dials later.
func NewConn(addr string) *Conn { return &Conn{addr: addr} }

// Call sends a request to the actor and waits for the answer, until ctx ends.
//
// The error is [client.ErrUnavailable] only if certainly nothing was handed
// over: there was no connection, or not a single byte of the request could be
// written to it. It is [client.ErrTimeout] whenever the node may have the request.
// Both carry the reason.
func (c *Conn) Call(ctx context.Context, body []byte) ([]byte, error) {
	return c.exchange(ctx, kindRequest, body)
}

// Status asks the node's runtime. It fails as Call does.
func (c *Conn) Status(ctx context.Context) (RuntimeStatus, error) {
	var s RuntimeStatus
	body, err := c.exchange(ctx, kindStatus, nil)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

func (c *Conn) exchange(ctx context.Context, kind byte, body []byte) ([]byte, error) {
	if len(body) > MaxFrame-clientMeta {
		return nil, fmt.Errorf("%w: request of %d bytes is longer than %d", client.ErrUnavailable, len(body), MaxFrame)
	}
	l, answer, err := c.send(ctx, kind, body)
	if err != nil {
		return nil, err
	}
	defer l.forget(answer.id)
	select {
	case body, ok := <-answer.body:
		if !ok {
			return nil, fmt.Errorf("%w: connection lost: %w", client.ErrTimeout, l.reason())
		}
		return body, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: no answer in time", client.ErrTimeout)
	}
}

// send writes one frame, on a new connection if need be.
func (c *Conn) send(ctx context.Context, kind byte, body []byte) (*link, pending, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return nil, pending{}, fmt.Errorf("%w: no time left to send", client.ErrUnavailable)
	}
	if err := c.connect(ctx); err != nil {
		return nil, pending{}, fmt.Errorf("%w: %w", client.ErrUnavailable, err)
	}
	l := c.link
	answer, err := l.expect()
	if err != nil {
		return nil, pending{}, fmt.Errorf("%w: %w", client.ErrUnavailable, err)
	}
	n, err := l.write(clientFrame{answer.id, kind, body})
	if err == nil {
		return l, answer, nil
	}
	l.fail(err)
	l.forget(answer.id)
	if n == 0 {
		return nil, pending{}, fmt.Errorf("%w: %w", client.ErrUnavailable, err)
	}
	return nil, pending{}, fmt.Errorf("%w: broken off while sending: %w", client.ErrTimeout, err)
}

// connect makes sure that there is a connection that is not known to be dead.
func (c *Conn) connect(ctx context.Context) error {
	if c.closed {
		return net.ErrClosed
	}
	if c.link != nil && c.link.alive() {
		return nil
	}
	conn, err := dial(ctx, c.addr)
	if err != nil {
		return err
	}
	c.link = newLink(conn)
	go c.link.read()
	go c.ping(c.link)
	return nil
}

// ping keeps something unacknowledged on a dead connection, so that the kernel
// gives it up.
func (c *Conn) ping(l *link) {
	beat := time.NewTicker(Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-beat.C:
			c.mu.Lock()
			if _, err := l.write(clientFrame{kind: kindPing}); err != nil {
				l.fail(err)
			}
			c.mu.Unlock()
		}
	}
}

// Close ends all calls with client.ErrTimeout and refuses new ones.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.link != nil {
		c.link.fail(net.ErrClosed)
	}
	return nil
}

// pending is a call that waits for its answer. The channel has room for one,
// and is closed when no answer can come any more.
type pending struct {
	id   uint64
	body chan []byte
}

// link is one TCP connection of a Conn.
type link struct {
	conn *net.TCPConn
	done chan struct{} // closed when it is dead

	mu    sync.Mutex
	last  uint64
	calls map[uint64]chan []byte
	err   error // why it is dead
}

func newLink(conn *net.TCPConn) *link {
	return &link{conn: conn, done: make(chan struct{}), calls: make(map[uint64]chan []byte)}
}

// write writes a frame and returns how many of its bytes were handed over.
func (l *link) write(f clientFrame) (int, error) {
	_ = l.conn.SetWriteDeadline(time.Now().Add(Stale))
	return l.conn.Write(f.bytes())
}

// expect registers a call before it is sent.
func (l *link) expect() (pending, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return pending{}, l.err
	}
	l.last++
	p := pending{l.last, make(chan []byte, 1)}
	l.calls[p.id] = p.body
	return p, nil
}

func (l *link) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.calls, id)
}

// alive looks whether the connection is not known to be dead, to the reader or
// to the kernel: what is written to a server that has ended would be lost, but
// nobody could say so for certain.
func (l *link) alive() bool {
	if err := peerClosed(l.conn); err != nil {
		l.fail(err)
	}
	return l.reason() == nil
}

// reason is why the connection is dead, nil if it is not known to be.
func (l *link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// fail ends the connection and all calls that wait on it.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.done)
	_ = l.conn.Close()
	for id, answer := range l.calls { // order cannot be seen
		delete(l.calls, id)
		close(answer)
	}
}

// read hands answers to their calls. Late ones find nobody.
func (l *link) read() {
	in := bufio.NewReaderSize(l.conn, 64<<10)
	for {
		f, err := readClientFrame(in)
		if err != nil {
			l.fail(err)
			return
		}
		l.answer(f)
	}
}

func (l *link) answer(f clientFrame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.kind == kindPing {
		return
	}
	if answer := l.calls[f.id]; answer != nil {
		delete(l.calls, f.id)
		answer <- f.body
	}
}

// StatusRequest is the frame to send to the client port of a node to learn its
// [RuntimeStatus], for those who carry bytes for others. The answer ends with
// [StatusEnd], and [ParseStatus] reads it.
func StatusRequest() []byte { return clientFrame{kind: kindStatus}.bytes() }

// StatusEnd ends the answer to [StatusRequest], and occurs nowhere else in it.
const StatusEnd = "\r\n\r\n"

// ParseStatus reads the answer to [StatusRequest].
func ParseStatus(frame []byte) (RuntimeStatus, error) {
	var s RuntimeStatus
	f, err := readClientFrame(bufio.NewReader(bytes.NewReader(frame)))
	if err != nil {
		return s, fmt.Errorf("node: answer to a status request: %w", err)
	}
	if f.kind != kindStatus {
		return s, fmt.Errorf("node: answer of kind %d to a status request", f.kind)
	}
	return s, json.Unmarshal(f.body, &s)
}
