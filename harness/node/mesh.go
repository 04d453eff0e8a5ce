package node

import (
	"bufio"
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// How fast nodes notice that a connection is dead, and that it could live again.
const (
	// Heartbeat is how often a connection carries something.
	Heartbeat = 100 * time.Millisecond
	// Stale is how long data may stay without an acknowledgement, and a reader
	// without a heartbeat, before the connection is given up.
	Stale = 600 * time.Millisecond

	dialTimeout = 200 * time.Millisecond
	backoffMin  = 20 * time.Millisecond
	backoffMax  = 200 * time.Millisecond

	outboxSize  = 4096     // messages that wait for one peer
	outboxBytes = 64 << 20 // and their bytes
)

// mesh is a node's connections to the others. It sends on connections that it
// dials and receives on those that it accepts, so that the two directions
// between a pair of nodes fail and recover on their own.
type mesh struct {
	r     *runtime
	links []*outbound // by node; nil for this one
}

func newMesh(r *runtime) *mesh {
	m := &mesh{r: r, links: make([]*outbound, len(r.cfg.Peers))}
	for i, addr := range r.cfg.Peers {
		if actor.NodeID(i) != r.cfg.Self {
			m.links[i] = &outbound{addr: addr, from: uint32(r.cfg.Self), queue: make(chan []byte, outboxSize)}
		}
	}
	return m
}

// listen starts to accept and to dial.
func (m *mesh) listen(l net.Listener) {
	accept(m.r, l, m.receive)
	for _, o := range m.links {
		if o != nil {
			m.r.tasks.Go(func() { o.run(m.r.ctx) })
		}
	}
}

func (m *mesh) send(to actor.NodeID, msg []byte) { m.links[to].send(msg) }

// receive reads messages off a connection that another node dialled.
func (m *mesh) receive(conn *net.TCPConn) {
	in := bufio.NewReaderSize(conn, 64<<10)
	_ = conn.SetReadDeadline(time.Now().Add(Stale))
	from, err := readHello(in)
	if err != nil || int(from) >= len(m.links) || m.links[from] == nil {
		return
	}
	for {
		_ = conn.SetReadDeadline(time.Now().Add(Stale))
		msg, err := readFrame(in)
		if err != nil {
			return
		}
		if msg != nil && !m.r.post(func() { m.r.node.Receive(actor.NodeID(from), msg) }) {
			return
		}
	}
}

// accept runs a listener, and serve for each of its connections, until the
// node ends.
func accept(r *runtime, l net.Listener, serve func(*net.TCPConn)) {
	context.AfterFunc(r.ctx, func() { _ = l.Close() })
	r.tasks.Go(func() {
		for r.ctx.Err() == nil {
			conn, err := l.Accept()
			if err != nil {
				pause(r.ctx, backoffMin) // out of files, or closed
				continue
			}
			r.tasks.Go(func() { serveConn(r.ctx, conn, serve) })
		}
	})
}

func serveConn(ctx context.Context, conn net.Conn, serve func(*net.TCPConn)) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	tcp := conn.(*net.TCPConn)
	if setUserTimeout(tcp, Stale) == nil {
		serve(tcp)
	}
}

// pause waits for d or the end of ctx, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outbound sends messages to one node.
type outbound struct {
	addr   string
	from   uint32
	queue  chan []byte
	queued atomic.Int64 // bytes in queue
}

// send queues a message, or drops it when too many wait already or when no
// receiver would take it.
func (o *outbound) send(msg []byte) {
	if len(msg) > MaxFrame {
		return
	}
	if o.queued.Add(int64(len(msg))) > outboxBytes {
		o.queued.Add(-int64(len(msg)))
		return
	}
	select {
	case o.queue <- msg:
	default:
		o.queued.Add(-int64(len(msg)))
	}
}

// run keeps a connection up. Messages wait for one attempt to connect and no
// longer: what is old when a partition heals would only be in the way.
func (o *outbound) run(ctx context.Context) {
	backoff := backoffMin
	for {
		if o.connect(ctx) {
			backoff = backoffMin
		}
		o.discard()
		if !pause(ctx, backoff) {
			return
		}
		backoff = min(2*backoff, backoffMax)
	}
}

func (o *outbound) discard() {
	for {
		select {
		case msg := <-o.queue:
			o.queued.Add(-int64(len(msg)))
		default:
			return
		}
	}
}

// connect dials once and sends until the connection breaks. It reports whether
// there was a connection.
func (o *outbound) connect(ctx context.Context) bool {
	conn, err := dial(ctx, o.addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	out := bufio.NewWriterSize(conn, 64<<10)
	if _, err := out.Write(appendHello(nil, o.from)); err == nil {
		o.pump(ctx, conn, out)
	}
	return true
}

func dial(ctx context.Context, addr string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	if err := setUserTimeout(tcp, Stale); err != nil {
		_ = tcp.Close()
		return nil, err
	}
	return tcp, nil
}

// pump writes messages as they come and heartbeats when none do.
func (o *outbound) pump(ctx context.Context, conn net.Conn, out *bufio.Writer) {
	beat := time.NewTicker(Heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case msg := <-o.queue:
			_ = conn.SetWriteDeadline(time.Now().Add(Stale))
			o.queued.Add(-int64(len(msg)))
			err = writeFrame(out, msg)
		case <-beat.C:
			_ = conn.SetWriteDeadline(time.Now().Add(Stale))
			err = writeLength(out, heartbeat)
		}
		if err == nil && len(o.queue) == 0 {
			err = out.Flush()
		}
		if err != nil {
			return
		}
	}
}
