package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// agent is the state behind Serve.
type agent struct {
	cfg       Config
	responder *Responder
	server    *server
	shutdown  context.CancelCauseFunc // ends Serve
	looking   chan struct{}           // held by who looks at the processes

	// live is the session that holds the lease, if any. It changes under work,
	// and may be read without it by whoever wants to end that session.
	live atomic.Pointer[session]

	// work is held by whoever changes something on the node, so that healing
	// is never in the middle of an injection. It guards what follows.
	work   sync.Mutex
	cuts   cutter
	clock  clock
	paused bool        // whether somebody of the server may be stopped
	killed bool        // whether a controller wants the server to be dead
	last   Command     // that started the server
	sick   bool        // the last healing failed and has to be tried again
	orphan *time.Timer // runs while there is no controller

	eventMu sync.Mutex
	events  []Event // not delivered yet, oldest first
}

var (
	errOrphan   = errors.New("no controller")
	errShutdown = errors.New("a controller asked for it")
)

// closeTimeout bounds the cleaning up at the end of an agent.
const closeTimeout = 5 * time.Second

// Serve is the agent. It returns when ctx is done, when a controller asked for
// it, or when no controller was there for too long, and leaves no fault and no
// process of the server behind. An error says that it could not serve at all,
// or not clean up.
func Serve(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	listener, err := net.Listen("unix", cfg.Socket)
	if err != nil {
		return fmt.Errorf("agent: %w: does another agent run in this network namespace?", err)
	}
	defer listener.Close()
	ctx, shutdown := context.WithCancelCause(ctx)
	defer shutdown(nil)
	a, err := newAgent(cfg, shutdown)
	if err != nil {
		return err
	}
	go a.accept(ctx, listener)
	go a.keep(ctx)
	<-ctx.Done()
	cfg.Log.Info("agent ends", "cause", context.Cause(ctx))
	return a.close(context.WithoutCancel(ctx))
}

func newAgent(cfg Config, shutdown context.CancelCauseFunc) (*agent, error) {
	responder, err := NewResponder(netip.AddrPortFrom(netip.IPv6Unspecified(), cfg.ProbePort))
	if err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	a := &agent{cfg: cfg, responder: responder, shutdown: shutdown, looking: make(chan struct{}, 1)}
	a.cuts.table.Name, a.cuts.probe = cfg.Table, cfg.ProbePort
	if a.server, err = newServer(cfg, func(e Exit) { a.deliver(Event{Exit: &e}) }); err != nil {
		responder.Close()
		return nil, err
	}
	a.orphan = time.AfterFunc(cfg.Attach, func() { shutdown(errOrphan) })
	return a, nil
}

// accept serves connections until the listener is closed. An abstract socket
// has no permissions, so it is looked at who is at the other end.
func (a *agent) accept(ctx context.Context, listener net.Listener) {
	tokens := make(chan struct{}, maxSessions)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if !trusted(conn) {
			conn.Close()
			continue
		}
		select {
		case tokens <- struct{}{}:
			go func() {
				defer func() { <-tokens }()
				newSession(ctx, a, conn).serve()
			}()
		default:
			conn.Close()
		}
	}
}

// attach gives the lease to s, after what another session did has been healed.
func (a *agent) attach(s *session) error {
	if old := a.live.Load(); old != nil {
		old.stop(errTaken) // before the lock: it may be at work
	}
	a.work.Lock()
	defer a.work.Unlock()
	if old := a.live.Load(); old != nil {
		old.stop(errTaken)
	}
	if err := a.heal(); err != nil {
		return fmt.Errorf("faults of an earlier controller are still there: %w", err)
	}
	a.orphan.Stop()
	a.live.Store(s)
	a.cfg.Log.Info("controller attached")
	return nil
}

// detach heals when the session that holds the lease has ended.
func (a *agent) detach(s *session) {
	a.work.Lock()
	defer a.work.Unlock()
	if a.live.Load() != s {
		return
	}
	a.cfg.Log.Info("controller lost", "cause", context.Cause(s.ctx))
	a.live.Store(nil)
	_ = a.heal() // logged, and tried again
	a.revive()
	a.orphan.Reset(a.cfg.Orphan)
}

// revive starts a server again that the controller had killed and can start no
// more. One that ended by itself is left as it is. It is called with work held.
func (a *agent) revive() {
	if !a.killed {
		return
	}
	if _, err := a.start(a.last); err != nil {
		a.cfg.Log.Error("the server that was killed could not be started again", "error", err)
	}
}

// healTimeout bounds one try to heal.
const healTimeout = 2 * time.Second

// heal undoes every fault but a kill, whatever is believed to be in force. It
// goes on after an error, and keep tries again. It is called with work held.
func (a *agent) heal() error {
	ctx, cancel := context.WithTimeout(context.Background(), healTimeout)
	defer cancel()
	cutErr := a.cuts.heal()
	var resumeErr error
	if a.paused {
		if _, resumeErr = a.server.resume(ctx); resumeErr == nil {
			a.paused = false
		}
	}
	_ = a.clock.set(0, 0) // zero is always allowed
	err := errors.Join(cutErr, resumeErr, a.applyClock(ctx))
	if a.sick = err != nil; a.sick {
		a.cfg.Log.Error("healing failed, will try again", "error", err)
	}
	return err
}

// applyClock patches or restores all processes. It is called with work held.
func (a *agent) applyClock(ctx context.Context) error {
	tree, err := a.server.sup.Tree()
	if err != nil {
		return err
	}
	return a.clock.apply(ctx, tree)
}

// keep moves drifting clocks on, patches the processes that the server starts,
// and heals again what could not be healed.
func (a *agent) keep(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.keepOnce(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (a *agent) keepOnce(ctx context.Context) {
	a.work.Lock()
	defer a.work.Unlock()
	if a.sick {
		_ = a.heal() // logged
		return
	}
	if err := a.applyClock(ctx); err != nil && ctx.Err() == nil {
		a.cfg.Log.Warn("clock", "error", err)
	}
}

// close heals, kills the server and closes what is open.
func (a *agent) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	a.orphan.Stop()
	a.work.Lock()
	defer a.work.Unlock()
	a.killed = false // nothing is to be started any more
	return errors.Join(a.heal(), a.server.close(ctx), a.responder.Close())
}

// deliver hands an event to the controller, or keeps it for the next one.
func (a *agent) deliver(e Event) {
	a.eventMu.Lock()
	defer a.eventMu.Unlock()
	const most = 64
	if len(a.events) < most {
		a.events = append(a.events, e)
	}
	a.flush()
}

func (a *agent) flushEvents() {
	a.eventMu.Lock()
	defer a.eventMu.Unlock()
	a.flush()
}

func (a *agent) flush() {
	s := a.live.Load()
	if s == nil || s.ctx.Err() != nil {
		return
	}
	for _, e := range a.events {
		s.push(frame{Event: &e})
	}
	a.events = nil
}

func (a *agent) hello() Hello {
	return Hello{
		Protocol:  Protocol,
		Name:      a.cfg.Name,
		PID:       os.Getpid(),
		Mono:      Mono(),
		Heartbeat: a.cfg.Heartbeat,
		Lease:     a.cfg.Lease,
		ProbePort: a.cfg.ProbePort,
	}
}
