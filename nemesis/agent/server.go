package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/internal/proc"
)

// lastWords is how long the agent waits for the log of a server that has ended.
const lastWords = 500 * time.Millisecond

// server is the system under test on this node.
type server struct {
	sup *proc.Supervisor
	log *serverLog
	// died is called for each end that nobody asked for.
	died func(Exit)

	mu      sync.Mutex
	ports   []uint16
	starts  int
	started int64
	exit    *Exit
	noted   chan struct{} // closed when the end of the last one was noted; nil before the first
	streams *sync.WaitGroup
	refused refusals
}

func newServer(cfg Config, died func(Exit)) (*server, error) {
	log, err := openLog(cfg.LogFile, cfg.LogLimit)
	if err != nil {
		return nil, err
	}
	v := &server{log: log, died: died}
	if v.sup, err = proc.NewSupervisor(cfg.Subreaper || os.Getpid() == 1, v.exited); err != nil {
		return nil, fmt.Errorf("agent: %w", err)
	}
	return v, nil
}

// start starts the server; prepare, if not nil, is called before its first instruction.
func (v *server) start(c Command, prepare func(int) error) (Process, error) {
	if len(c.Argv) == 0 {
		return Process{}, errors.New("there is no command to start")
	}
	if _, running := v.sup.Server(); running {
		return Process{}, errors.New("the server runs already: kill it first")
	}
	out, errOut, err := v.pipes()
	if err != nil {
		return Process{}, err
	}
	defer out.Close()
	defer errOut.Close()
	path, argv, env, dir := c.Argv[0], c.Argv, c.Env, c.Dir
	if path == "self" {
		path = "/proc/self/exe"
	}
	if env == nil {
		env = os.Environ()
	}
	setDefault(&dir, "/")
	v.log.forget()
	v.begin(c.Ports)
	stat, err := v.sup.Start(proc.Command{Path: path, Argv: argv, Env: env, Dir: dir, Stdout: out, Stderr: errOut, Prepare: prepare})
	if err != nil {
		v.failed(stat.PID, err)
		return Process{}, err
	}
	v.log.add(StreamAgent, fmt.Sprintf("started process %d", stat.PID))
	return v.process()
}

// pipes returns the writing ends of two pipes that the log reads.
func (v *server) pipes() (out, errOut *os.File, err error) {
	readOut, out, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	readErr, errOut, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, readOut.Close(), out.Close())
	}
	streams := new(sync.WaitGroup)
	streams.Go(func() { v.log.capture(StreamOut, readOut) })
	streams.Go(func() { v.log.capture(StreamErr, readErr) })
	v.mu.Lock()
	defer v.mu.Unlock()
	v.streams = streams
	return out, errOut, nil
}

// begin notes a start before it happens: the server may end at once.
func (v *server) begin(ports []uint16) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refused.alive()
	v.ports = ports
	v.starts++
	v.started = Mono()
	v.noted = make(chan struct{})
}

// failed notes a start that came to nothing. If there was a process, its end
// will be noted as any other.
func (v *server) failed(pid int, err error) {
	v.log.add(StreamAgent, "start failed: "+err.Error())
	if pid != 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.starts--
	close(v.noted)
}

// exited notes the end of a server.
func (v *server) exited(e proc.Ended) {
	v.mu.Lock()
	streams, noted := v.streams, v.noted
	v.refused.dead()
	v.mu.Unlock()
	v.drain(streams)
	exit := Exit{PID: e.PID, Cause: e.Cause, Code: e.Code, Provoked: e.Provoked, Mono: e.Mono, Lines: v.log.last()}
	v.log.add(StreamAgent, e.String())
	v.mu.Lock()
	v.exit = &exit
	close(noted)
	v.mu.Unlock()
	if !exit.Provoked {
		v.died(exit)
	}
}

// drain waits for the rest of the log: not for ever, because a process that the
// server left behind may keep the pipes open.
func (v *server) drain(streams *sync.WaitGroup) {
	done := make(chan struct{})
	go func() { streams.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(lastWords):
	}
}

func (v *server) kill(ctx context.Context) (Signalled, error) {
	v.mu.Lock()
	v.refused.dying()
	noted := v.noted
	v.mu.Unlock()
	pids, err := v.sup.Kill(ctx)
	if err != nil {
		return Signalled{}, err
	}
	if noted != nil {
		select {
		case <-noted:
		case <-ctx.Done():
			return Signalled{}, ctx.Err()
		}
	}
	return v.signalled("SIGKILL", pids)
}

func (v *server) pause(ctx context.Context) (Signalled, error) {
	if _, running := v.sup.Server(); !running {
		return Signalled{}, errors.New("the server is dead: there is nothing to pause")
	}
	pids, err := v.sup.Stop(ctx)
	if err != nil {
		return Signalled{}, err
	}
	v.mu.Lock()
	v.refused.stopped(v.ports)
	v.mu.Unlock()
	return v.signalled("SIGSTOP", pids)
}

func (v *server) resume(ctx context.Context) (Signalled, error) {
	v.mu.Lock()
	v.refused.going(v.ports)
	v.mu.Unlock()
	pids, err := v.sup.Continue(ctx)
	if err != nil {
		return Signalled{}, err
	}
	return v.signalled("SIGCONT", pids)
}

func (v *server) signalled(name string, pids []int) (Signalled, error) {
	p, err := v.process()
	return Signalled{Signal: name, PIDs: pids, Process: p}, err
}

// process looks at the server.
func (v *server) process() (Process, error) {
	tree, err := v.sup.Tree()
	if err != nil {
		return Process{}, err
	}
	stat, running := v.sup.Server()
	v.mu.Lock()
	defer v.mu.Unlock()
	p := Process{State: Dead, Starts: v.starts, Started: v.started, Exit: v.exit, Refused: v.refused.count(v.ports)}
	stopped := true
	for _, s := range tree {
		stopped = stopped && s.Stopped()
		p.Tree = append(p.Tree, Task{PID: s.PID, PPID: s.PPID, State: string(s.State), Start: s.Start, Name: s.Name})
	}
	if running {
		p.PID, p.State = stat.PID, Running
		if stopped {
			p.State = Stopped
		}
	}
	return p, nil
}

// close kills what is left.
func (v *server) close(ctx context.Context) error {
	return errors.Join(v.sup.Close(ctx), v.log.file.Close())
}

// refusals counts what met a dead or stopped server, over all such times: the
// counters of the kernel also count what happened at other times.
type refusals struct {
	total uint64
	mode  byte   // 'd' dead, 's' stopped, 0 neither
	base  uint64 // of the kernel's counter, when mode began
}

func (r *refusals) begin(mode byte, value uint64, err error) {
	if err != nil {
		mode = 0 // then nothing is counted, which is no evidence of anything
	}
	r.mode, r.base = mode, value
}

func (r *refusals) dying() {
	r.settle(nil)
	resets, err := proc.Resets()
	r.begin('d', resets, err)
}

func (r *refusals) dead() {
	if r.mode != 'd' {
		r.dying()
	}
}

func (r *refusals) alive() { r.settle(nil) }

func (r *refusals) stopped(ports []uint16) {
	if r.mode != 's' {
		waiting, err := proc.Waiting(ports)
		r.begin('s', waiting, err)
	}
}

func (r *refusals) going(ports []uint16) {
	if r.mode == 's' {
		r.settle(ports)
	}
}

func (r *refusals) settle(ports []uint16) { r.total, r.mode = r.count(ports), 0 }

func (r *refusals) count(ports []uint16) uint64 {
	var now uint64
	var err error
	switch r.mode {
	case 'd':
		now, err = proc.Resets()
	case 's':
		now, err = proc.Waiting(ports)
	}
	if r.mode == 0 || err != nil || now < r.base {
		return r.total
	}
	return r.total + now - r.base
}
