package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// opTimeout bounds every operation. A controller gives up long before.
const opTimeout = 10 * time.Second

// handle carries out one request.
func (a *agent) handle(s *session, f frame) (any, error) {
	ctx, cancel := context.WithTimeout(s.ctx, opTimeout)
	defer cancel()
	switch f.Op {
	case opBeat:
		return none{}, nil
	case opProcess:
		return a.process(ctx)
	case opProbe:
		return decodeThen(f, func(r probeRequest) (any, error) {
			return none{}, a.responder.Send(r.To, r.Nonce)
		})
	case opArrival:
		return decodeThen(f, func(r arrivalRequest) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, r.Wait)
			defer cancel()
			return a.responder.Arrived(ctx, r.Nonce), nil
		})
	case opExchange:
		return decodeThen(f, func(e Exchange) (any, error) { return a.exchange(ctx, e) })
	}
	return a.exclusive(s, func() (any, error) { return a.change(ctx, f) })
}

// process looks at the server. Looks take turns, and a session that has ended
// gives up its place: a flood of them must not hold up healing.
func (a *agent) process(ctx context.Context) (any, error) {
	select {
	case a.looking <- struct{}{}:
		defer func() { <-a.looking }()
		return a.server.process()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// exclusive runs f while nobody else changes anything, and only for the session
// that holds the lease: what it injects is healed when that session ends.
func (a *agent) exclusive(s *session, f func() (any, error)) (any, error) {
	a.work.Lock()
	defer a.work.Unlock()
	if s.ctx.Err() != nil || a.live.Load() != s {
		return nil, fmt.Errorf("the lease has ended: %w", context.Cause(s.ctx))
	}
	return f()
}

// change carries out a request that changes something or looks at what others
// change. It is called with work held.
func (a *agent) change(ctx context.Context, f frame) (any, error) {
	switch f.Op {
	case opStart:
		return decodeThen(f, a.start)
	case opKill:
		a.killed = true
		return a.server.kill(ctx)
	case opPause:
		a.paused = true
		return a.server.pause(ctx)
	case opResume:
		return a.resume(ctx)
	case opCut:
		return decodeThen(f, func(c Cut) (any, error) { return a.cuts.cut(c) })
	case opRules:
		return a.cuts.read()
	case opSetClock:
		return decodeThen(f, func(r clockRequest) (any, error) { return a.setClock(ctx, r) })
	case opClock:
		return a.readClock()
	case opHeal:
		return none{}, a.heal()
	case opShutdown:
		err := a.heal()
		_, killErr := a.server.kill(ctx)
		a.shutdown(errShutdown)
		return none{}, errors.Join(err, killErr)
	}
	return nil, fmt.Errorf("unknown operation %.40q: use one build of ordeal for controller and agent", f.Op)
}

func decodeThen[T any](f frame, do func(T) (any, error)) (any, error) {
	var request T
	if err := json.Unmarshal(f.Body, &request); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return do(request)
}

// start starts the server with the clock that was set.
func (a *agent) start(c Command) (any, error) {
	a.last, a.killed = c, false
	if !a.clock.moved() {
		return a.server.start(c, nil)
	}
	a.clock.dirty = true
	return a.server.start(c, func(pid int) error {
		return a.clock.one(context.Background(), pid)
	})
}

func (a *agent) resume(ctx context.Context) (any, error) {
	s, err := a.server.resume(ctx)
	if err == nil {
		a.paused = false
	}
	return s, err
}

func (a *agent) setClock(ctx context.Context, r clockRequest) (any, error) {
	if err := a.clock.set(r.Offset, r.Rate); err != nil {
		return nil, err
	}
	if err := a.applyClock(ctx); err != nil {
		return nil, err
	}
	return a.readClock()
}

func (a *agent) readClock() (any, error) {
	tree, err := a.server.sup.Tree()
	if err != nil {
		return nil, err
	}
	return a.clock.read(tree)
}

// exchange talks to a server that can answer. A dead one would answer with a
// reset, and the request would wait in the sockets of a stopped one: both would
// count as refused messages of the target.
func (a *agent) exchange(ctx context.Context, e Exchange) (any, error) {
	if stat, running := a.server.sup.Server(); !running || stat.Stopped() {
		return nil, errors.New("the server is dead or stopped and cannot answer")
	}
	data, err := exchange(ctx, e)
	return exchangeReply{Data: data}, err
}
