package replog

import (
	"container/heap"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

const ms = int64(1_000_000)

// world is a cluster in virtual time with a network and disks that the tests
// hold in their hands.
type world struct {
	now, seq int64
	events   eventHeap
	hosts    []*host
	src      choice.Source
	rand     *choice.Stream
	cut      map[[2]int]bool
	loss     int64 // of messages, percent
	dup      int64 // of messages, percent
	slow     int64 // the longest that a message takes, ns
	replies  func(host int, req actor.RequestID, r reply)
	sent     int
	died     []string // panics of nodes
	log      []string
}

// host is a place for a node, with a disk that outlives it.
type host struct {
	w       *world
	id      int
	cfg     Config
	node    *Group // nil while it is down
	boots   uint64
	wakeAt  int64
	wall    int64 // offset of the wall clock, which only a defect reads
	disk    *disk
	slow    int64 // what every disk operation takes longer, ns
	crashIn int   // disk operations until the power fails, or until the process is killed; 0 for never
	killed  bool  // it is killed
}

type event struct {
	at, seq int64
	do      func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func newWorld(seed uint64, nodes int, cfg Config) *world {
	w := &world{src: choice.New(seed), cut: map[[2]int]bool{}, slow: 2 * ms}
	w.rand = w.src.Stream("world")
	for i := range nodes {
		h := &host{w: w, id: i, cfg: cfg}
		h.disk = &disk{h: h, names: map[string]*inode{}, durable: map[string]*inode{}}
		w.hosts = append(w.hosts, h)
	}
	for _, h := range w.hosts {
		h.boot()
	}
	return w
}

func (w *world) at(t int64, do func()) {
	w.seq++
	heap.Push(&w.events, event{t, w.seq, do})
}

func (w *world) after(d int64, do func()) { w.at(w.now+d, do) }

// run lets time pass.
func (w *world) run(d int64) { w.runUntil(w.now+d, func() bool { return false }) }

// runUntil lets time pass until cond holds, and reports whether it did.
func (w *world) runUntil(end int64, cond func() bool) bool {
	for !cond() {
		if len(w.events) == 0 || w.events[0].at > end {
			w.now = end
			return cond()
		}
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	return true
}

func (w *world) leader() *host {
	for _, h := range w.hosts {
		if h.node != nil && h.node.rn != nil && h.node.Leading() {
			return h
		}
	}
	return nil
}

// ready reports whether all nodes are up and ready.
func (w *world) ready() bool {
	for _, h := range w.hosts {
		if h.node == nil || !h.node.Status().Ready {
			return false
		}
	}
	return w.leader() != nil
}

func (w *world) converged() bool {
	for _, h := range w.hosts {
		a, b := h.node, w.hosts[0].node
		if a == nil || a.state.applied != b.state.applied || a.state.machine.Digest() != b.state.machine.Digest() {
			return false
		}
	}
	return w.ready()
}

// isolate cuts a node off from the others.
func (w *world) isolate(id int) {
	for i := range w.hosts {
		if i != id {
			w.cut[[2]int{i, id}], w.cut[[2]int{id, i}] = true, true
		}
	}
}

func (w *world) heal() { clear(w.cut) }

// call has a node do something. A panic is its death, and the test's business.
func (h *host) call(what func(n *Group)) {
	if h.node == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			h.node = nil
			h.w.died = append(h.w.died, fmt.Sprintf("n%d: %v\n%s", h.id+1, p, debug.Stack()))
		}
	}()
	what(h.node)
}

func (h *host) boot() {
	h.boots++
	h.wakeAt = never
	defer func() {
		if p := recover(); p != nil {
			h.w.died = append(h.w.died, fmt.Sprintf("n%d: %v", h.id+1, p))
		}
	}()
	h.cfg.Name = "test"
	h.node = New((*env)(h), h.cfg, &list{})
}

// kill ends the process; what it wrote stays.
func (h *host) kill() {
	h.node = nil
	h.boots++
	h.disk.abandon()
}

// powerOff ends the process, and all that was not synced may be gone.
func (h *host) powerOff() {
	h.kill()
	h.disk.losePower()
}

func (h *host) crash() {
	if h.killed {
		h.kill()
	} else {
		h.powerOff()
	}
}

// request sends a request to the node, as a client does.
func (h *host) request(id actor.RequestID, req request.Request) {
	h.w.after(h.w.rand.Between(ms/10, ms), func() { h.call(func(n *Group) { n.Serve(id, req) }) })
}

type env host

func (e *env) Self() actor.NodeID { return actor.NodeID(e.id) }
func (e *env) Nodes() int         { return len(e.w.hosts) }
func (e *env) Mono() int64        { return e.w.now }

func (e *env) Wall() int64 {
	if e.cfg.Lease != WallLease {
		panic("the wall clock is read")
	}
	return e.w.now + e.wall
}
func (e *env) Disk() actor.Disk { return e.disk }

func (e *env) Choices(purpose string) *choice.Stream {
	return e.w.src.Stream(purpose, uint64(e.id), e.boots)
}

func (e *env) Logf(format string, args ...any) {
	e.w.log = append(e.w.log, fmt.Sprintf("%d n%d ", e.w.now/ms, e.id+1)+fmt.Sprintf(format, args...))
}

func (e *env) WakeAt(t int64) {
	h, boots := (*host)(e), e.boots
	h.wakeAt = t
	h.w.at(max(t, h.w.now), func() {
		if h.boots == boots && h.wakeAt == t {
			h.wakeAt = never
			h.call(func(n *Group) { n.Wake() })
		}
	})
}

func (e *env) Send(to actor.NodeID, msg []byte) {
	w := e.w
	w.sent++
	copies := 1
	if w.dup > 0 && w.rand.Chance(w.dup, 100) {
		copies = 2
	}
	for range copies {
		if w.loss > 0 && w.rand.Chance(w.loss, 100) {
			continue
		}
		w.after(w.rand.Between(ms/5, w.slow), func() {
			if !w.cut[[2]int{e.id, int(to)}] {
				w.hosts[to].call(func(n *Group) { n.Receive(actor.NodeID(e.id), msg) })
			}
		})
	}
}

func (e *env) Reply(req actor.RequestID, body []byte) {
	code, answer, err := request.ParseAnswer(body)
	if err != nil {
		panic(err)
	}
	e.w.after(e.w.rand.Between(ms/10, ms), func() {
		if e.w.replies != nil {
			e.w.replies(e.id, req, parsed(code, answer))
		}
	})
}

// disk keeps what was synced apart from what was only written.
type disk struct {
	h       *host
	names   map[string]*inode // as the processes see them
	durable map[string]*inode // as they are after a loss of power
	queue   []func()          // effects of operations under way, in order
	last    int64             // when the last of them completes
	ops     int               // completed since the beginning
	broken  error             // what every operation fails with
}

type inode struct {
	data   []byte
	synced int
}

// do starts an operation: effect happens, and done is called, in the order of the calls.
func (d *disk) do(effect func() func()) {
	boots := d.h.boots
	d.last = max(d.last, d.h.w.now) + d.h.slow + d.h.w.rand.Between(ms/20, ms/2)
	var done func()
	d.queue = append(d.queue, func() { done = effect() })
	d.h.w.at(d.last, func() {
		if d.h.boots != boots {
			return
		}
		run := d.queue[0]
		d.queue = d.queue[1:]
		run()
		d.ops++
		if d.h.crashIn > 0 {
			if d.h.crashIn--; d.h.crashIn == 0 {
				d.h.crash()
				return
			}
		}
		d.h.call(func(*Group) { done() })
	})
}

// abandon has a random prefix of the operations under way happen, and forgets the rest.
func (d *disk) abandon() {
	for _, effect := range d.queue[:d.h.w.rand.IntN(len(d.queue)+1)] {
		effect()
	}
	d.queue, d.last = nil, 0
}

// losePower brings back the names of the last SyncDir, and cuts each file
// somewhere after what was synced. What is left of the rest may be torn.
func (d *disk) losePower() {
	d.names = map[string]*inode{}
	for _, name := range slices.Sorted(maps.Keys(d.durable)) {
		f := d.durable[name]
		kept := f.synced + d.h.w.rand.IntN(len(f.data)-f.synced+1)
		f.data = slices.Clone(f.data[:kept])
		if kept > f.synced && d.h.w.rand.Chance(1, 3) {
			f.data[f.synced+d.h.w.rand.IntN(kept-f.synced)] ^= 0xff
		}
		f.synced = kept
		d.names[name] = f
	}
	d.durable = maps.Clone(d.names)
}

func (d *disk) Append(name string, data []byte, done func(error)) {
	d.do(func() func() {
		if d.names[name] == nil {
			d.names[name] = &inode{}
		}
		d.names[name].data = append(d.names[name].data, data...)
		return func() { done(d.broken) }
	})
}

func (d *disk) Sync(name string, done func(error)) {
	d.do(func() func() {
		f := d.names[name]
		if f == nil {
			return func() { done(actor.ErrNotExist) }
		}
		f.synced = len(f.data)
		return func() { done(d.broken) }
	})
}

func (d *disk) SyncDir(done func(error)) {
	d.do(func() func() {
		d.durable = maps.Clone(d.names)
		return func() { done(d.broken) }
	})
}

func (d *disk) Read(name string, done func([]byte, error)) {
	d.do(func() func() {
		f := d.names[name]
		if f == nil {
			return func() { done(nil, actor.ErrNotExist) }
		}
		content := slices.Clone(f.data)
		return func() { done(content, d.broken) }
	})
}

func (d *disk) List(done func([]string, error)) {
	d.do(func() func() {
		names := slices.Sorted(maps.Keys(d.names))
		return func() { done(names, d.broken) }
	})
}

func (d *disk) Rename(from, to string, done func(error)) {
	d.do(func() func() {
		f := d.names[from]
		if f == nil {
			return func() { done(actor.ErrNotExist) }
		}
		delete(d.names, from)
		d.names[to] = f
		return func() { done(d.broken) }
	})
}

func (d *disk) Remove(name string, done func(error)) {
	d.do(func() func() {
		if d.names[name] == nil {
			return func() { done(actor.ErrNotExist) }
		}
		delete(d.names, name)
		return func() { done(d.broken) }
	})
}
