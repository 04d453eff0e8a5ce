package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"
)

// ErrClosed is wrapped by the error of every call on a session that has ended.
var ErrClosed = errors.New("session with the agent has ended")

// RemoteError is the agent's own account of why it could not do something.
type RemoteError struct{ Op, Message string }

func (e *RemoteError) Error() string { return "agent: " + e.Op + ": " + e.Message }

// Client is a controller's session with one agent. Its methods may be called
// from several goroutines; each returns when the agent has replied, when ctx is
// done (the agent may then still do what was asked) or when the session ends.
type Client struct {
	rw     io.ReadWriteCloser
	hello  Hello
	events chan Event
	done   chan struct{}
	out    chan []byte

	mu    sync.Mutex
	next  uint64
	calls map[uint64]chan frame
	err   error // why the session ended
}

// Dial attaches to the agent at the other end of rw, which it owns from then
// on, and sends heartbeats until Close. It ends the session of any other
// controller of that agent.
func Dial(ctx context.Context, rw io.ReadWriteCloser) (*Client, error) {
	c := &Client{
		rw:     rw,
		events: make(chan Event, 64),
		done:   make(chan struct{}),
		out:    make(chan []byte, 16),
		calls:  make(map[uint64]chan frame),
	}
	go c.read()
	go c.write()
	if err := c.call(ctx, opHello, Hello{Protocol: Protocol}, &c.hello); err != nil {
		c.close(err)
		return nil, err
	}
	if c.hello.Protocol != Protocol || c.hello.Heartbeat <= 0 {
		err := fmt.Errorf("agent speaks protocol %d and this controller %d: use one build of ordeal for both", c.hello.Protocol, Protocol)
		c.close(err)
		return nil, err
	}
	go c.beat()
	return c, nil
}

// Hello is the greeting of the agent.
func (c *Client) Hello() Hello { return c.hello }

// Events brings what happened on the node by itself, also before Dial if no
// controller was attached. It is closed when the session ends.
func (c *Client) Events() <-chan Event { return c.events }

// Done is closed when the session has ended, and Err then says why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is nil while the session lasts.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session. The agent heals every fault and goes on to serve.
func (c *Client) Close() error {
	c.close(ErrClosed)
	return nil
}

// Start starts the server. A clock that was set is in force before the first
// instruction of the server.
func (c *Client) Start(ctx context.Context, cmd Command) (Process, error) {
	var p Process
	err := c.call(ctx, opStart, cmd, &p)
	return p, err
}

// Kill sends SIGKILL to the server and all that it started, until none is left.
// It is not an error if none was.
func (c *Client) Kill(ctx context.Context) (Signalled, error) {
	var s Signalled
	err := c.call(ctx, opKill, none{}, &s)
	return s, err
}

// Pause sends SIGSTOP to the server and all that it started, and returns when
// every one of them is seen to be stopped.
func (c *Client) Pause(ctx context.Context) (Signalled, error) {
	var s Signalled
	err := c.call(ctx, opPause, none{}, &s)
	return s, err
}

// Resume lets all processes of the server go on. It is not an error if they did.
func (c *Client) Resume(ctx context.Context) (Signalled, error) {
	var s Signalled
	err := c.call(ctx, opResume, none{}, &s)
	return s, err
}

// Process looks at the server.
func (c *Client) Process(ctx context.Context) (Process, error) {
	var p Process
	err := c.call(ctx, opProcess, none{}, &p)
	return p, err
}

// Cut replaces all drops of this node, in one atomic step.
func (c *Client) Cut(ctx context.Context, cut Cut) (Rules, error) {
	var r Rules
	err := c.call(ctx, opCut, cut, &r)
	return r, err
}

// Rules reads the rules in force, and the counters of all drops so far.
func (c *Client) Rules(ctx context.Context) (Rules, error) {
	var r Rules
	err := c.call(ctx, opRules, none{}, &r)
	return r, err
}

// SendProbe sends a few copies of a datagram with the nonce to the responder at
// the given address. Whether it arrives only the receiver can tell; a send that
// this node's own rules refused is not an error.
func (c *Client) SendProbe(ctx context.Context, to netip.AddrPort, nonce uint64) error {
	return c.call(ctx, opProbe, probeRequest{To: to, Nonce: nonce}, nil)
}

// ProbeArrived waits at most as long as given for the nonce to arrive at this node.
func (c *Client) ProbeArrived(ctx context.Context, nonce uint64, wait time.Duration) (Arrival, error) {
	var a Arrival
	err := c.call(ctx, opArrival, arrivalRequest{Nonce: nonce, Wait: wait}, &a)
	return a, err
}

// SetClock moves the wall clock that the server and all that it starts see: by
// an offset, which then grows by rate nanoseconds each second. It stays moved
// through restarts. SetClock(ctx, 0, 0) restores the bytes of every process.
func (c *Client) SetClock(ctx context.Context, offset time.Duration, rate int64) (Clock, error) {
	var k Clock
	err := c.call(ctx, opSetClock, clockRequest{Offset: offset, Rate: rate}, &k)
	return k, err
}

// Clock reads back what is patched into the server's processes.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	var k Clock
	err := c.call(ctx, opClock, none{}, &k)
	return k, err
}

// Exchange has a conversation with the server itself, past all cuts. It fails
// at once if the server is dead or stopped.
func (c *Client) Exchange(ctx context.Context, e Exchange) ([]byte, error) {
	var r exchangeReply
	err := c.call(ctx, opExchange, e, &r)
	return r.Data, err
}

// Heal undoes every fault but a kill.
func (c *Client) Heal(ctx context.Context) error {
	return c.call(ctx, opHeal, none{}, nil)
}

// Shutdown heals, kills the server and ends the agent.
func (c *Client) Shutdown(ctx context.Context) error {
	err := c.call(ctx, opShutdown, none{}, nil)
	if errors.Is(err, ErrClosed) {
		return nil // it ended before its reply was out
	}
	return err
}

// call sends a request and waits for its reply.
func (c *Client) call(ctx context.Context, op string, request, reply any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("agent: %s: %w", op, err)
	}
	id, answer, err := c.register()
	if err != nil {
		return err
	}
	defer c.forget(id)
	raw, err := encode(frame{ID: id, Op: op, Body: body})
	if err != nil {
		return fmt.Errorf("agent: %s: %w", op, err)
	}
	if err := c.send(ctx, raw); err != nil {
		return err
	}
	select {
	case f := <-answer:
		return unpack(op, f, reply)
	case <-ctx.Done():
		return fmt.Errorf("agent: %s: %w", op, ctx.Err())
	case <-c.done:
		return c.Err()
	}
}

func unpack(op string, f frame, reply any) error {
	if f.Error != "" {
		return &RemoteError{Op: op, Message: f.Error}
	}
	if reply == nil {
		return nil
	}
	if err := json.Unmarshal(f.Body, reply); err != nil {
		return fmt.Errorf("agent: %s: reply: %w", op, err)
	}
	return nil
}

func (c *Client) register() (uint64, chan frame, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	c.next++
	answer := make(chan frame, 1)
	c.calls[c.next] = answer
	return c.next, answer, nil
}

func (c *Client) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, id)
}

func (c *Client) send(ctx context.Context, raw []byte) error {
	select {
	case c.out <- raw:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.Err()
	}
}

func (c *Client) write() {
	for {
		select {
		case raw := <-c.out:
			if _, err := c.rw.Write(raw); err != nil {
				c.close(fmt.Errorf("%w: write: %w", ErrClosed, err))
				return
			}
		case <-c.done:
			return
		}
	}
}

func (c *Client) read() {
	defer close(c.events)
	in := bufio.NewReader(c.rw)
	for {
		f, err := decode(in)
		if err != nil {
			c.close(fmt.Errorf("%w: read: %w", ErrClosed, err))
			return
		}
		if f.ID == 0 && f.Error != "" {
			c.close(fmt.Errorf("%w: %s", ErrClosed, f.Error))
			return
		}
		c.deliver(f)
	}
}

// deliver hands a reply to its caller and an event to Events. An event that
// nobody takes is kept as long as there is room, and then lost: the same is to
// be had from Process.
func (c *Client) deliver(f frame) {
	if f.Event != nil {
		select {
		case c.events <- *f.Event:
		default:
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer, ok := c.calls[f.ID]; ok {
		delete(c.calls, f.ID)
		answer <- f
	}
}

// beat keeps the lease. An agent that does not answer for the time of a lease
// is as good as gone: its faults have healed.
func (c *Client) beat() {
	tick := time.NewTicker(c.hello.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.done:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), c.hello.Lease)
		err := c.call(ctx, opBeat, none{}, nil)
		cancel()
		if err != nil {
			c.close(fmt.Errorf("%w: no answer to a heartbeat within %v: %w", ErrClosed, c.hello.Lease, err))
			return
		}
	}
}

func (c *Client) close(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	close(c.done)
	c.rw.Close()
}
