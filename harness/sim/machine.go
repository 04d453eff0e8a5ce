package sim

import (
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// machine is what a node runs on: it outlives the processes that run on it.
type machine struct {
	c       *Cluster
	id      actor.NodeID
	proc    *process // nil while none runs
	paused  bool
	held    []event // what waits for the process to be resumed, in order
	backlog []int   // bytes of messages in held, by sender, clients first
	starts  int
	started int64
	refused uint64
	timer   timer
	disk    disk
	clock   clock
	log     nodeLog
	crash   choice.Stream // what becomes of what is under way when a process dies
}

func newMachine(c *Cluster, id actor.NodeID) *machine {
	src, i := c.spec.Choices, uint64(id)
	n := &machine{c: c, id: id, timer: newTimer(), backlog: make([]int, c.spec.Nodes+1)}
	n.crash = *src.Stream("sim/crash", i)
	skew := int64(c.cfg.Skew)
	n.clock.skew = src.Stream("sim/skew", i).Between(-skew, skew)
	n.disk = newDisk(n, *src.Stream("sim/disk", i))
	return n
}

// mark notes something that happens to the node without an event of its own.
func (n *machine) mark(k kind, text string) {
	n.c.note(&event{kind: k, to: int32(n.id), id: uint64(n.starts), body: []byte(text)})
}

// boot starts a process.
func (n *machine) boot() {
	n.starts++
	n.started = n.c.now
	p := newProcess(n)
	n.proc = p
	n.mark(kBoot, "")
	defer n.catch()
	if p.actor = n.c.spec.Boot(p); p.actor == nil {
		panic("Boot returned no node")
	}
}

// accept takes what reaches the boundary of the node.
func (n *machine) accept(e *event) {
	n.c.note(e)
	switch {
	case n.proc == nil:
		n.refuse(e)
	case n.paused:
		n.hold(e)
	default:
		n.deliver(e)
	}
}

// deliver hands e to the actor. A panic of the actor is the end of its process.
func (n *machine) deliver(e *event) {
	defer n.catch()
	p := n.proc
	switch e.kind {
	case kMessage:
		p.actor.Receive(actor.NodeID(e.from), e.body)
	case kRequest:
		p.actor.Serve(p.admit(e), e.body)
	case kWake:
		// A wake that waited while what came before it set the timer anew is void.
		if !e.held || n.timer.due == never {
			p.actor.Wake()
		}
	case kDisk:
		n.disk.completed.pop().call()
	case kAsk:
		n.c.workers[e.from].question(n, e)
	}
}

// refuse says of what meets a dead process what becomes of it.
func (n *machine) refuse(e *event) {
	switch e.kind {
	case kMessage:
		n.refused++
	case kRequest:
		n.refused++
		n.c.tellClient(kRefused, int32(n.id), n.c.workers[e.from], e.id, nil)
	case kAsk:
		n.c.workers[e.from].unanswered(n, e)
	}
}

// hold keeps e until the process is resumed, in a buffer that has an end.
func (n *machine) hold(e *event) {
	if e.kind == kMessage || e.kind == kRequest {
		n.refused++
		sender := 0
		if e.kind == kMessage {
			sender = int(e.from) + 1
		}
		if n.backlog[sender]+len(e.body) > n.c.net.cfg.Buffer {
			return
		}
		n.backlog[sender] += len(e.body)
	}
	n.held = append(n.held, *e)
}

// pause stops the process where it is.
func (n *machine) pause() {
	n.mark(kPause, "")
	n.paused = true
}

// resume lets the process go on: it finds what waited for it, in order.
func (n *machine) resume() {
	n.mark(kResume, "")
	n.paused = false
	p, held := n.proc, n.held
	n.held = nil
	clear(n.backlog)
	for i := range held {
		e := &held[i]
		if n.proc != p { // it died of what it found
			n.sever(e)
			continue
		}
		e.held = true
		n.c.note(e)
		n.deliver(e)
	}
}

// sever ends what was in a socket when the process died.
func (n *machine) sever(e *event) {
	switch e.kind {
	case kRequest:
		n.c.tellClient(kReset, int32(n.id), n.c.workers[e.from], e.id, nil)
	case kAsk:
		n.c.workers[e.from].unanswered(n, e)
	}
}

// end ends the process: its state is gone, its connections break, and of its
// disk operations under way some first part was done.
func (n *machine) end() {
	p, held := n.proc, n.held
	n.proc, n.held, n.paused = nil, nil, false
	n.timer.due = never
	clear(n.backlog)
	for _, r := range p.open {
		if r.id != 0 {
			n.c.tellClient(kReset, int32(n.id), r.client, r.call, nil)
		}
	}
	for i := range held {
		n.sever(&held[i])
	}
	n.disk.interrupt(&n.crash)
}

func (n *machine) kill() {
	if n.proc == nil {
		return
	}
	n.mark(kKill, "")
	n.end()
}

// powerOff ends the process and loses what was not synced: all of it if the
// loss is harsh, else all but what happened to be written.
func (n *machine) powerOff(harsh bool) {
	n.mark(kPowerOff, "")
	if harsh {
		n.disk.pending = fifo[operation]{}
	}
	if n.proc != nil {
		n.end()
	}
	if harsh {
		n.disk.powerOff(nil)
	} else {
		n.disk.powerOff(&n.crash)
	}
}

// catch turns a panic of the actor into the death of its process.
func (n *machine) catch() {
	if v := recover(); v != nil {
		n.die(fmt.Sprintf("panic: %v", v), panicFrames())
	}
}

// die records that the process ended by itself.
func (n *machine) die(cause string, frames []string) {
	n.log.add(n.c.now, cause)
	for _, f := range frames {
		n.log.add(n.c.now, "\t"+f)
	}
	n.mark(kDied, cause)
	n.end()
	n.c.emit(world.Event{
		Died: true, Node: int(n.id), Lines: n.log.tail(lastLines),
		Cause: strings.Join(append([]string{cause}, frames...), "\n\t"),
	})
}

const (
	lastLines = 20 // of a log, shown when a node died
	maxFrames = 16 // of a stack, likewise
)

// panicFrames returns the places that led to the panic that is being recovered,
// innermost first. They are named by file and line, because all else differs
// from build to build and from machine to machine: addresses, arguments,
// folders, and the names of functions that were inlined.
func panicFrames() []string {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	var lines []string
	panicked := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			lines, panicked = nil, true
		case !panicked || strings.HasPrefix(f.Function, "runtime."):
		case ours(f.File):
			if len(lines) > 0 {
				return lines
			}
		case len(lines) < maxFrames:
			lines = append(lines, fmt.Sprintf("%s:%d", lastElements(f.File, 2), f.Line))
		}
		if !more {
			return lines
		}
	}
}

// ours reports whether a file is one of this package, whose functions stand in
// a stack below the actor, and above it where the panic is theirs.
func ours(file string) bool {
	return lastElements(path.Dir(file), 2) == "harness/sim" && !strings.HasSuffix(file, "_test.go")
}

// lastElements returns the last n elements of a path.
func lastElements(file string, n int) string {
	elements := strings.Split(file, "/")
	return strings.Join(elements[max(0, len(elements)-n):], "/")
}

// clock is the wall clock of a node.
type clock struct {
	skew   int64 // from the start, never healed
	offset int64 // of a fault
	rate   int64 // nanoseconds per second by which offset grows
	since  int64 // when the fault was set
}

// epoch is what the wall clock of the harness shows when a run begins: the
// first of January 2026.
const epoch = 1_767_225_600_000_000_000

const second = 1_000_000_000

func (k *clock) set(now, offset, rate int64) { k.offset, k.rate, k.since = offset, rate, now }

// wall reads the clock.
func (k *clock) wall(now int64) int64 {
	t := now - k.since
	drift := t/second*k.rate + t%second*k.rate/second
	return epoch + now + k.skew + k.offset + drift
}

// nodeLog keeps the first and the last lines of a node's log.
type nodeLog struct {
	first []world.LogLine
	last  []world.LogLine // a ring, once it is full
	next  int             // where the oldest line of the ring is
	gone  int             // how many lines fell out of the ring
}

const keepLines = 8192 // at either end of a log

func (l *nodeLog) add(now int64, text string) {
	line := world.LogLine{Time: now, Text: text}
	switch {
	case len(l.first) < keepLines:
		l.first = append(l.first, line)
	case len(l.last) < keepLines:
		l.last = append(l.last, line)
	default:
		l.last[l.next] = line
		l.next = (l.next + 1) % keepLines
		l.gone++
	}
}

// appendTo appends the lines that were kept, in order.
func (l *nodeLog) appendTo(lines []world.LogLine, node int) []world.LogLine {
	from := len(lines)
	lines = append(lines, l.first...)
	if l.gone > 0 {
		at := l.first[len(l.first)-1].Time
		lines = append(lines, world.LogLine{Time: at, Text: fmt.Sprintf("(%d lines were left out here)", l.gone)})
	}
	lines = append(lines, l.last[l.next:]...)
	lines = append(lines, l.last[:l.next]...)
	for i := from; i < len(lines); i++ {
		lines[i].Node = node
	}
	return lines
}

// tail returns the text of the last n lines.
func (l *nodeLog) tail(n int) []string {
	lines := l.appendTo(nil, 0)
	var texts []string
	for _, line := range lines[max(0, len(lines)-n):] {
		texts = append(texts, line.Text)
	}
	return texts
}
