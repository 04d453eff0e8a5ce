package run

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// StallError says that a run made no progress for too long.
type StallError struct {
	After  time.Duration // how long nothing had happened, in real time
	Open   []history.Op  // the invocations that were open; nil if the loop itself was stuck
	Stacks string        // of all goroutines at that moment
}

// Error names what the run was waiting for, without the stacks.
func (e *StallError) Error() string {
	if len(e.Open) == 0 {
		return fmt.Sprintf("run: no progress for %v: the scheduler itself is stuck; see the stacks", e.After)
	}
	var waits []string
	for _, op := range e.Open[:min(3, len(e.Open))] {
		waits = append(waits, fmt.Sprintf("%s of process %v, begun at %v", op.F, op.Process, time.Duration(op.Time)))
	}
	return fmt.Sprintf("run: no progress for %v while %d operations are open (%s); see the stacks",
		e.After, len(e.Open), strings.Join(waits, "; "))
}

// The watchdog looks this often, and gives a loop that is still alive this
// long to say itself what it waits for.
const (
	watchEvery = 100 * time.Millisecond
	tickEvery  = 500 * time.Millisecond
	watchGrace = 2 * time.Second
)

// supervise runs the loop on a goroutine of its own and watches over it, so
// that a run ends even when the world, the generator or a client in the
// simulator never returns.
func (l *loop) supervise() (LoopStats, error) {
	ended := make(chan error, 1)
	go func() { ended <- l.guard() }()
	w := watchdog{loop: l, every: min(watchEvery, max(l.cfg.Stall/4, time.Millisecond)), last: time.Now()}
	every := time.NewTicker(w.every)
	defer every.Stop()
	for {
		select {
		case err := <-ended:
			l.journal.end()
			return l.snapshot(), err
		case now := <-every.C:
			if w.look(now) {
				return l.abandon(ended)
			}
		}
	}
}

// guard runs the loop and turns a panic, as of a generator, into an error.
func (l *loop) guard() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("run: panic in the scheduler: %v\n%s", p, debug.Stack())
		}
	}()
	return l.run()
}

type watchdog struct {
	loop  *loop
	every time.Duration
	last  time.Time // when it looked last
	beat  int64     // what it saw then
	quiet time.Duration
	tick  time.Time // when progress was last asked for
}

// look reports whether the loop has stalled. Time in which the watchdog itself
// did not run, as when the whole process was stopped, is not held against the
// loop, which could not run either.
func (w *watchdog) look(now time.Time) bool {
	if now.Sub(w.tick) >= tickEvery {
		w.tick = now
		w.loop.tick.Store(true)
	}
	w.quiet += min(now.Sub(w.last), 2*w.every)
	w.last = now
	if beat := w.loop.beat.Load(); beat != w.beat {
		w.beat, w.quiet = beat, 0
	}
	return w.quiet >= w.loop.cfg.Stall
}

// abandon ends a loop that has stalled. If it is alive it says what it waits
// for; if not it is left where it is, and can record nothing any more.
func (l *loop) abandon(ended <-chan error) (LoopStats, error) {
	stacks := allStacks()
	l.stalled.Store(true)
	grace := time.NewTimer(watchGrace)
	defer grace.Stop()
	select {
	case err := <-ended:
		l.journal.end()
		var stall *StallError
		if errors.As(err, &stall) {
			stall.Stacks = stacks
		}
		return l.snapshot(), err
	case <-grace.C:
		l.journal.end()
		return LoopStats{Records: l.journal.len()}, &StallError{After: l.cfg.Stall, Stacks: stacks}
	}
}

// stallError says which operations are open.
func (l *loop) stallError() error {
	e := &StallError{After: l.cfg.Stall}
	for i := range l.threads {
		if l.threads[i].busy {
			e.Open = append(e.Open, l.threads[i].op)
		}
	}
	if l.nemesis.busy {
		e.Open = append(e.Open, l.nemesis.op)
	}
	return e
}

func allStacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
