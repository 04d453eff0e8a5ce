// Package node runs an [actor.Boot] as a real process: messages travel over
// TCP, files lie in a directory, clocks are those of the operating system. It
// is the counterpart of the simulator, and runs the very same actors.
//
// [Run] is a loop on one goroutine that calls the actor, one event at a time.
// Everything else feeds that loop: connections from other nodes and from
// clients, a worker for the disk, a timer. Queues are bounded. What comes in
// waits in the socket when the loop is slow; what goes out to a node that
// cannot be reached is dropped, as the contract of messages allows.
//
// A partition that drops packets leaves TCP connections behind whose
// retransmissions back off for longer than anybody wants to wait after the
// heal. So connections carry heartbeats, a connection whose data is not
// acknowledged for [Stale] is given up, and dials are short and repeated: nodes
// talk again well within a second after a heal.
//
// Clients use [Conn], which knows for certain whether a request was handed over.
// The same port answers [StatusRequest], by which the harness learns how the
// node sees itself and what its clocks say.
package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/internal/proc"
)

// Config says how a node is run.
type Config struct {
	// Self is the node, from 0 to len(Peers)-1.
	Self actor.NodeID
	// Peers holds the addresses on which the nodes of the cluster listen for
	// each other, in the order of their ids; Peers[Self] is listened on.
	Peers []string
	// ClientAddr is the address to listen on for clients.
	ClientAddr string
	// DataDir is the directory of the node's own files. It is created if it is
	// not there; what is in it from an earlier start is what the actor finds.
	DataDir string
	// Seed is the randomness of the run; streams are keyed by node and start.
	Seed choice.Source
	// Boot makes the actor.
	Boot actor.Boot
	// Log takes the lines that the actor logs, one Write per line, see [LogLine].
	Log io.Writer

	// PeerListener and ClientListener replace the listeners on Peers[Self] and
	// ClientAddr, for those who have to know their ports beforehand.
	PeerListener, ClientListener net.Listener
}

func (c *Config) validate() error {
	switch {
	case len(c.Peers) == 0:
		return errors.New("node: no peers: give the addresses of all nodes, this one included")
	case int(c.Self) < 0 || int(c.Self) >= len(c.Peers):
		return fmt.Errorf("node: self is %d, but there are peers 0 to %d", c.Self, len(c.Peers)-1)
	case c.Boot == nil:
		return errors.New("node: nothing to run: Boot is nil")
	case c.DataDir == "":
		return errors.New("node: no data directory given")
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	return nil
}

// PanicError is the end of a node whose actor panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("node: the actor panicked: %v", e.Value) }

// inboxSize bounds the events that wait for the loop.
const inboxSize = 1024

// Run runs a node until ctx ends, and then returns nil. It returns an error if
// the node cannot start, and a [*PanicError] if the actor panicked, which it
// has also written to the log with the stack by then.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	disk, boot, err := openDisk(cfg.DataDir)
	if err != nil {
		return err
	}
	peers, clients, err := listen(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := newRuntime(ctx, cfg, disk, boot)
	r.mesh.listen(peers)
	r.server.listen(clients)
	r.tasks.Go(func() { disk.work(ctx, r.post) })
	err = r.loop()
	cancel()
	r.tasks.Wait()
	return err
}

func listen(cfg Config) (peers, clients net.Listener, err error) {
	peers, clients = cfg.PeerListener, cfg.ClientListener
	if peers == nil {
		if peers, err = net.Listen("tcp", cfg.Peers[cfg.Self]); err != nil {
			return nil, nil, fmt.Errorf("node: listen for peers: %w", err)
		}
	}
	if clients == nil {
		if clients, err = net.Listen("tcp", cfg.ClientAddr); err != nil {
			_ = peers.Close()
			return nil, nil, fmt.Errorf("node: listen for clients: %w", err)
		}
	}
	return peers, clients, nil
}

// runtime is a running node. Its fields belong to the loop's goroutine, but
// for those that say otherwise.
type runtime struct {
	cfg    Config
	ctx    context.Context // read by all
	inbox  chan func()     // events for the loop, sent by all
	tasks  sync.WaitGroup  // all other goroutines
	boot   uint64          // how often the node has been started, this time included
	node   actor.Node
	disk   *disk
	mesh   *mesh
	server *server

	timer     *time.Timer
	wakeAt    int64 // on the monotonic clock
	rearm     bool  // the timer is still to be set to wakeAt
	wallReads uint64
	streams   map[string]*choice.Stream
}

func newRuntime(ctx context.Context, cfg Config, d *disk, boot uint64) *runtime {
	r := &runtime{
		cfg: cfg, ctx: ctx, boot: boot, disk: d,
		inbox:   make(chan func(), inboxSize),
		timer:   time.NewTimer(time.Hour),
		streams: make(map[string]*choice.Stream),
	}
	r.timer.Stop()
	r.mesh = newMesh(r)
	r.server = newServer(r)
	return r
}

// post hands an event to the loop, and reports false if the node is ending.
func (r *runtime) post(f func()) bool {
	select {
	case r.inbox <- f:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// loop boots the actor and feeds it until the node ends.
func (r *runtime) loop() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = r.panicked(v)
		}
	}()
	defer r.timer.Stop()
	r.node = r.cfg.Boot((*env)(r))
	for {
		r.setTimer()
		select {
		case <-r.ctx.Done():
			return nil
		case f := <-r.inbox:
			f()
		case <-r.timer.C:
			r.wake()
		}
	}
}

func (r *runtime) panicked(v any) error {
	e := &PanicError{Value: v, Stack: debug.Stack()}
	_, _ = fmt.Fprintf(r.cfg.Log, "panic: %v\n\n%s", e.Value, e.Stack) // as the Go runtime puts it
	return e
}

func (r *runtime) setTimer() {
	if !r.rearm {
		return
	}
	r.rearm = false
	r.timer.Reset(time.Duration(r.wakeAt - proc.Mono()))
}

func (r *runtime) wake() {
	if proc.Mono() < r.wakeAt {
		r.rearm = true
		return
	}
	r.node.Wake()
}

// env is the runtime as the actor sees it.
type env runtime

func (e *env) Self() actor.NodeID { return e.cfg.Self }
func (e *env) Nodes() int         { return len(e.cfg.Peers) }
func (e *env) Mono() int64        { return proc.Mono() }
func (e *env) Disk() actor.Disk   { return e.disk }

func (e *env) Wall() int64 {
	e.wallReads++
	return wall()
}

func (e *env) WakeAt(t int64) { e.wakeAt, e.rearm = t, true }

func (e *env) Send(to actor.NodeID, msg []byte) {
	if to == e.cfg.Self || to < 0 || int(to) >= len(e.cfg.Peers) {
		panic(fmt.Sprintf("actor: %v sends a message to %d: other nodes of this cluster are 0 to %d", e.cfg.Self, int32(to), len(e.cfg.Peers)-1))
	}
	e.mesh.send(to, msg)
}

func (e *env) Reply(req actor.RequestID, body []byte) { e.server.reply(req, body) }

func (e *env) Choices(purpose string) *choice.Stream {
	s := e.streams[purpose]
	if s == nil {
		s = e.cfg.Seed.Stream("actor/"+purpose, uint64(e.cfg.Self), e.boot)
		e.streams[purpose] = s
	}
	return s
}

func (e *env) Logf(format string, args ...any) {
	_, _ = io.WriteString(e.cfg.Log, formatLine(proc.Mono(), wall(), fmt.Sprintf(format, args...)))
}

// wall reads the wall clock as any Go program does: by clock_gettime in the
// vDSO of the process, which is where faults move it.
func wall() int64 { return time.Now().UnixNano() }

// LogLine is a line of a node's log. Lines of the actor say when they were
// written; those of a Go runtime that gives up do not.
type LogLine struct {
	Mono int64     // CLOCK_MONOTONIC, nanoseconds; 0 if the line does not say
	Wall time.Time // as the node saw it; zero if the line does not say
	Text string
}

func formatLine(mono, wall int64, text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n\t")
	return fmt.Sprintf("@%d %s %s\n", mono, time.Unix(0, wall).UTC().Format(time.RFC3339Nano), text)
}

// ParseLogLine takes a line of a node's log apart. A line without times is all text.
func ParseLogLine(line string) LogLine {
	plain := LogLine{Text: line}
	rest, ok := strings.CutPrefix(line, "@")
	if !ok {
		return plain
	}
	fields := strings.SplitN(rest, " ", 3)
	if len(fields) != 3 {
		return plain
	}
	mono, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return plain
	}
	wall, err := time.Parse(time.RFC3339Nano, fields[1])
	if err != nil {
		return plain
	}
	return LogLine{Mono: mono, Wall: wall, Text: fields[2]}
}
