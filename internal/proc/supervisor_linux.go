package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Supervisor runs one server at a time, with all the processes that it starts.
type Supervisor struct {
	reapAll  bool
	spawn    chan func()    // run on the thread that is the parent of all servers
	children chan os.Signal // SIGCHLD
	stopped  chan struct{}  // closed by Close

	// mu is held while processes are started, signalled and reaped, so that no
	// PID changes its owner meanwhile.
	mu       sync.Mutex
	pid      int           // of the server, 0 if none
	ended    chan struct{} // closed when that one is reaped
	provoked bool          // it was killed by us
	sessions []int         // of all servers so far: what they left behind is ours
	exited   func(Ended)
}

// NewSupervisor starts supervising. If reapAll is true this process adopts and
// reaps whatever its descendants leave behind, so it must have no children but
// the servers; PID 1 of a container has to. The function exited is called for
// every server that ended, on a goroutine of its own.
func NewSupervisor(reapAll bool, exited func(Ended)) (*Supervisor, error) {
	if reapAll {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("proc: become a subreaper: %w", err)
		}
	}
	s := &Supervisor{
		reapAll:  reapAll,
		spawn:    make(chan func()),
		children: make(chan os.Signal, 1),
		stopped:  make(chan struct{}),
		exited:   exited,
	}
	signal.Notify(s.children, syscall.SIGCHLD)
	go s.spawner()
	go s.reaper()
	return s, nil
}

// Close kills what is left and stops supervising.
func (s *Supervisor) Close(ctx context.Context) error {
	_, err := s.Kill(ctx)
	signal.Stop(s.children)
	close(s.stopped)
	return err
}

// spawner keeps one thread for the life of the supervisor: Linux takes the end
// of the thread that started a child for the death of its parent, and a tracer
// is a thread as well.
func (s *Supervisor) spawner() {
	runtime.LockOSThread()
	for {
		select {
		case f := <-s.spawn:
			f()
		case <-s.stopped:
			return
		}
	}
}

// Start starts a server in a session of its own; it dies with this process. It
// is an error if one is running. If Prepare failed, the PID of the process that
// was killed for it is returned with the error.
func (s *Supervisor) Start(c Command) (Stat, error) {
	var stat Stat
	var err error
	done := make(chan struct{})
	start := func() {
		defer close(done)
		s.mu.Lock()
		defer s.mu.Unlock()
		stat, err = s.start(c)
	}
	select {
	case s.spawn <- start:
		<-done
		return stat, err
	case <-s.stopped:
		return Stat{}, errors.New("proc: the supervisor was closed")
	}
}

func (s *Supervisor) start(c Command) (Stat, error) {
	if s.pid != 0 {
		return Stat{}, fmt.Errorf("proc: the server runs already, as process %d: kill it first", s.pid)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return Stat{}, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	for i, f := range []*os.File{c.Stdout, c.Stderr} {
		if f != nil {
			files[i+1] = f.Fd()
		}
	}
	pid, err := syscall.ForkExec(c.Path, c.Argv, &syscall.ProcAttr{
		Dir: c.Dir, Env: c.Env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Ptrace: c.Prepare != nil},
	})
	if err != nil {
		return Stat{}, fmt.Errorf("proc: start %s: %w", c.Path, err)
	}
	s.pid, s.ended, s.provoked = pid, make(chan struct{}), false
	s.sessions = append(s.sessions, pid)
	if c.Prepare != nil {
		if err := prepare(pid, c.Prepare); err != nil {
			s.provoked = true
			return Stat{PID: pid}, errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
		}
	}
	return Look(pid)
}

// prepare calls f on a child that asked to be traced: it stops when it has
// executed its program, and goes on when it is let go.
func prepare(pid int, f func(int) error) error {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return fmt.Errorf("proc: wait for process %d: %w", pid, err)
	}
	if !status.Stopped() {
		return fmt.Errorf("proc: process %d did not stop at its start: status %#x", pid, status)
	}
	if err := f(pid); err != nil {
		return errors.Join(err, syscall.Kill(pid, syscall.SIGKILL)) // while it is stopped: let go, it would run until it is killed
	}
	return syscall.PtraceDetach(pid)
}

// reaper collects the exit status of children whenever one has changed.
func (s *Supervisor) reaper() {
	for {
		select {
		case <-s.children:
			s.reap()
		case <-s.stopped:
			return
		}
	}
}

func (s *Supervisor) reap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		which := -1
		if !s.reapAll {
			if which = s.pid; which == 0 {
				return
			}
		}
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(which, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid == s.pid {
			s.end(status)
		}
	}
}

func (s *Supervisor) end(status syscall.WaitStatus) {
	killed := status.Signaled() && status.Signal() == syscall.SIGKILL
	e := Ended{PID: s.pid, Mono: Mono(), Code: status.ExitStatus(), Cause: cause(status), Provoked: s.provoked && killed}
	s.pid = 0
	close(s.ended)
	go s.exited(e)
}

func cause(status syscall.WaitStatus) string {
	if !status.Signaled() {
		return fmt.Sprintf("exit status %d", status.ExitStatus())
	}
	core := ""
	if status.CoreDump() {
		core = " (core dumped)"
	}
	return "signal: " + status.Signal().String() + core
}

// Server is the process that was started last, while it has not ended.
func (s *Supervisor) Server() (Stat, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pid == 0 {
		return Stat{}, false
	}
	stat, err := Look(s.pid)
	return stat, err == nil && !stat.Dead()
}

// Tree lists the living processes of the server: itself, what descends from it,
// what is in its session, and, when this process reaps all, every orphan.
func (s *Supervisor) Tree() ([]Stat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tree()
}

func (s *Supervisor) tree() ([]Stat, error) {
	table, err := Table()
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	members := Tree(table, func(p Stat) bool {
		return p.PID != self && (slices.Contains(s.sessions, p.Session) || s.reapAll && p.PPID == self)
	})
	return slices.DeleteFunc(members, Stat.Dead), nil
}

// Kill sends SIGKILL to the whole tree until nothing of it is left, and returns
// the processes that were hit.
func (s *Supervisor) Kill(ctx context.Context) ([]int, error) {
	s.mu.Lock()
	s.provoked = true
	ended := s.ended
	s.mu.Unlock()
	hit, err := s.until(ctx, syscall.SIGKILL, func(Stat) bool { return false })
	if err != nil || ended == nil {
		return hit, err
	}
	select {
	case <-ended:
		return hit, nil
	case <-ctx.Done():
		return hit, fmt.Errorf("proc: the server was killed but not reaped: %w", ctx.Err())
	}
}

// Stop sends SIGSTOP to the whole tree until all of it is stopped.
func (s *Supervisor) Stop(ctx context.Context) ([]int, error) {
	return s.until(ctx, syscall.SIGSTOP, Stat.Stopped)
}

// Continue sends SIGCONT to the whole tree until nothing of it is stopped.
func (s *Supervisor) Continue(ctx context.Context) ([]int, error) {
	return s.until(ctx, syscall.SIGCONT, func(p Stat) bool { return p.State != 'T' })
}

// until signals all processes of the tree that are not as they should be, and
// looks again, until two looks in a row find every one of them so: a process
// that was forked while the first look went on is seen by the second.
func (s *Supervisor) until(ctx context.Context, sig syscall.Signal, good func(Stat) bool) ([]int, error) {
	var hit []int
	for quiet := 0; ; {
		bad, err := s.signal(sig, good)
		if err != nil {
			return hit, err
		}
		for _, pid := range bad {
			if !slices.Contains(hit, pid) {
				hit = append(hit, pid)
			}
		}
		if quiet++; len(bad) > 0 {
			quiet = 0
		}
		if quiet == 2 {
			return hit, nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return hit, fmt.Errorf("proc: processes %v do not obey signal %q: %w", bad, sig, ctx.Err())
		}
	}
}

func (s *Supervisor) signal(sig syscall.Signal, good func(Stat) bool) ([]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	members, err := s.tree()
	if err != nil {
		return nil, err
	}
	// The server first: it must not see its helpers die.
	if i := slices.IndexFunc(members, func(p Stat) bool { return p.PID == s.pid }); i > 0 {
		members[0], members[i] = members[i], members[0]
	}
	var bad []int
	for _, p := range members {
		if good(p) {
			continue
		}
		bad = append(bad, p.PID)
		if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return bad, fmt.Errorf("proc: %v to process %d: %w", sig, p.PID, err)
		}
	}
	return bad, nil
}
