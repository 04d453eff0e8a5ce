package ap

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// cluster is a small deterministic world: virtual time, links that can be cut,
// clocks that can be moved, disks that lose what was not synced.
type cluster struct {
	tb     testing.TB
	cfg    Config
	now    int64
	seq    uint64
	queue  eventHeap
	hosts  []*host
	cut    map[[2]int]bool
	loss   int64 // messages in a thousand
	dup    int64
	source choice.Source
	rand   *choice.Stream
	sent   map[byte]int // messages by kind
	events int
}

type event struct {
	at  int64
	seq uint64
	do  func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// epoch is the true time on the wall when a test begins.
const epoch = int64(1_700_000_000) * 1e9

func newCluster(tb testing.TB, seed uint64, nodes int, cfg Config) *cluster {
	c := &cluster{tb: tb, cfg: cfg, cut: make(map[[2]int]bool), source: choice.New(seed), sent: make(map[byte]int), now: 1}
	c.rand = c.source.Stream("test")
	for i := range nodes {
		c.hosts = append(c.hosts, &host{c: c, id: actor.NodeID(i), disk: newDisk()})
	}
	for i := range nodes {
		c.start(i)
	}
	return c
}

// after does something later.
func (c *cluster) after(delay int64, do func()) {
	c.seq++
	heap.Push(&c.queue, event{c.now + delay, c.seq, do})
}

// run lets time pass.
func (c *cluster) run(d int64) { c.until(c.now+d, func() bool { return false }) }

// until lets time pass until something is true, and reports whether it is.
func (c *cluster) until(end int64, ok func() bool) bool {
	for !ok() {
		if len(c.queue) == 0 || c.queue[0].at > end {
			c.now = end
			return ok()
		}
		e := heap.Pop(&c.queue).(event)
		c.now = e.at
		c.events++
		e.do()
	}
	return true
}

// host is the machine of a node: it outlives the process.
type host struct {
	c      *cluster
	id     actor.NodeID
	node   actor.Node // nil while dead
	life   uint64
	paused bool
	held   []func() // what came while paused
	wake   int64
	offset int64 // of the wall clock
	disk   *disk
	calls  map[actor.RequestID]func(kv.Response)
	lastID actor.RequestID
	logs   []string
}

func (c *cluster) start(i int) {
	h := c.hosts[i]
	if h.node != nil {
		return
	}
	h.life++
	h.paused, h.held, h.wake = false, nil, 0
	h.calls = make(map[actor.RequestID]func(kv.Response))
	h.node = New(&env{h, h.life}, c.cfg)
}

// kill ends the process: disk operations under way may or may not happen.
func (c *cluster) kill(i int) {
	h := c.hosts[i]
	if h.node == nil {
		return
	}
	h.life++
	h.node, h.paused, h.held = nil, false, nil
	h.disk.crash(c.rand)
}

// powerOff also loses what was not synced.
func (c *cluster) powerOff(i int) {
	c.kill(i)
	c.hosts[i].disk.losePower(c.rand)
}

func (c *cluster) pause(i int) {
	if h := c.hosts[i]; h.node != nil {
		h.paused = true
	}
}

func (c *cluster) resume(i int) {
	h := c.hosts[i]
	held := h.held
	h.paused, h.held = false, nil
	for _, do := range held {
		do()
	}
}

// isolate cuts all links between the given nodes and the others.
func (c *cluster) isolate(nodes ...int) {
	for i := range c.hosts {
		for j := range c.hosts {
			if slices.Contains(nodes, i) != slices.Contains(nodes, j) {
				c.cut[[2]int{i, j}] = true
			}
		}
	}
}

func (c *cluster) heal() { clear(c.cut) }

// deliver gives something to a process, now or when it is resumed.
func (h *host) deliver(life uint64, do func()) {
	switch {
	case h.node == nil || h.life != life:
	case h.paused:
		h.held = append(h.held, func() { h.deliver(life, do) })
	default:
		do()
	}
}

// call sends a request to a node; done hears the answer, if there is one.
func (c *cluster) call(i int, r kv.Request, done func(kv.Response)) {
	h := c.hosts[i]
	c.after(50_000+c.rand.Int64N(50_000), func() {
		h.deliver(h.life, func() {
			h.lastID++
			h.calls[h.lastID] = done
			h.node.Serve(h.lastID, r.AppendTo(nil))
		})
	})
}

// do sends a request and waits for the answer; Code is 0 if there is none
// within a second.
func (c *cluster) do(i int, r kv.Request) kv.Response {
	var got kv.Response
	c.call(i, r, func(r kv.Response) { got = r })
	c.until(c.now+1000*ms, func() bool { return got.Code != 0 })
	return got
}

// env is what one life of a node sees.
type env struct {
	h    *host
	life uint64
}

func (e *env) Self() actor.NodeID { return e.h.id }
func (e *env) Nodes() int         { return len(e.h.c.hosts) }
func (e *env) Mono() int64        { return e.h.c.now }
func (e *env) Wall() int64        { return epoch + e.h.c.now + e.h.offset }
func (e *env) Disk() actor.Disk   { return &mount{e.h, e.life} }

func (e *env) WakeAt(t int64) {
	h := e.h
	h.wake = t
	h.c.after(max(0, t-h.c.now), func() {
		h.deliver(e.life, func() {
			if h.wake == t {
				h.wake = 0
				h.node.Wake()
			}
		})
	})
}

func (e *env) Send(to actor.NodeID, msg []byte) {
	c := e.h.c
	if to == e.h.id {
		panic("message to itself")
	}
	c.sent[msg[0]]++
	if c.loss > 0 && c.rand.Chance(c.loss, 1000) {
		return
	}
	times := 1
	if c.dup > 0 && c.rand.Chance(c.dup, 1000) {
		times = 2
	}
	for range times {
		delay := 300_000 + c.rand.Int64N(1_000_000)
		if c.rand.Chance(1, 200) {
			delay += c.rand.Int64N(30_000_000)
		}
		c.after(delay, func() { c.arrive(e.h.id, to, msg) })
	}
}

func (c *cluster) arrive(from, to actor.NodeID, msg []byte) {
	h := c.hosts[to]
	if !c.cut[[2]int{int(from), int(to)}] {
		h.deliver(h.life, func() { h.node.Receive(from, msg) })
	}
}

func (e *env) Reply(req actor.RequestID, body []byte) {
	h := e.h
	done := h.calls[req]
	delete(h.calls, req)
	r, err := kv.ParseResponse(body)
	if err != nil {
		panic(err)
	}
	if done != nil {
		h.c.after(50_000+h.c.rand.Int64N(50_000), func() { done(r) })
	}
}

func (e *env) Choices(purpose string) *choice.Stream {
	return e.h.c.source.Stream(purpose, uint64(e.h.id), e.life)
}

func (e *env) Logf(format string, args ...any) {
	e.h.logs = append(e.h.logs, fmt.Sprintf(format, args...))
}

// disk keeps files and what of them is durable.
type disk struct {
	files   map[string]*file
	durable map[string]*file // the names as of the last SyncDir
	pending []operation      // under way, in order
	err     error            // of the next operations
}

type file struct {
	data   []byte
	synced int
}

// operation has its effect when it completes.
type operation struct {
	effect func() error
	done   func(error)
	cost   int64
}

func newDisk() *disk {
	return &disk{files: make(map[string]*file), durable: make(map[string]*file)}
}

// crash has some of the operations under way happen, unseen by anybody.
func (d *disk) crash(r *choice.Stream) {
	for _, op := range d.pending[:r.IntN(len(d.pending)+1)] {
		_ = op.effect()
	}
	d.pending = nil
}

// losePower keeps what is durable and a random part of what is not: the older
// or the newer names, and of each file a prefix of the tail, which may be torn.
func (d *disk) losePower(r *choice.Stream) {
	if r.Chance(1, 2) {
		d.files = maps.Clone(d.durable)
	}
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		keep := f.synced + r.IntN(len(f.data)-f.synced+1)
		f.data = slices.Clone(f.data[:keep])
		if keep > f.synced && r.Chance(1, 2) {
			for i := f.synced + r.IntN(keep-f.synced); i < keep; i++ {
				f.data[i] = 0
			}
		}
		f.synced = len(f.data)
	}
	d.durable = maps.Clone(d.files)
}

// mount is the disk as one life of a node sees it.
type mount struct {
	h    *host
	life uint64
}

func (m *mount) do(cost int64, effect func() error, done func(error)) {
	d, c := m.h.disk, m.h.c
	d.pending = append(d.pending, operation{effect, done, cost + c.rand.Int64N(cost)})
	if len(d.pending) == 1 {
		c.after(d.pending[0].cost, func() { m.complete() })
	}
}

func (m *mount) complete() {
	d := m.h.disk
	if m.h.life != m.life || len(d.pending) == 0 {
		return
	}
	op := d.pending[0]
	d.pending = d.pending[1:]
	if len(d.pending) > 0 {
		m.h.c.after(d.pending[0].cost, func() { m.complete() })
	}
	err := d.err
	if err == nil {
		err = op.effect()
	}
	m.h.deliver(m.life, func() { op.done(err) })
}

func (m *mount) Append(name string, data []byte, done func(error)) {
	m.do(15_000, func() error {
		f := m.h.disk.files[name]
		if f == nil {
			f = &file{}
			m.h.disk.files[name] = f
		}
		f.data = append(f.data, data...)
		return nil
	}, done)
}

func (m *mount) Sync(name string, done func(error)) {
	m.do(300_000, func() error {
		f := m.h.disk.files[name]
		if f == nil {
			return actor.ErrNotExist
		}
		f.synced = len(f.data)
		return nil
	}, done)
}

func (m *mount) SyncDir(done func(error)) {
	m.do(300_000, func() error {
		m.h.disk.durable = maps.Clone(m.h.disk.files)
		return nil
	}, done)
}

func (m *mount) Read(name string, done func([]byte, error)) {
	var data []byte
	m.do(30_000, func() error {
		f := m.h.disk.files[name]
		if f == nil {
			return actor.ErrNotExist
		}
		data = slices.Clone(f.data)
		return nil
	}, func(err error) { done(data, err) })
}

func (m *mount) List(done func([]string, error)) {
	var names []string
	m.do(30_000, func() error {
		names = slices.Sorted(maps.Keys(m.h.disk.files))
		return nil
	}, func(err error) { done(names, err) })
}

func (m *mount) Rename(from, to string, done func(error)) {
	m.do(30_000, func() error {
		files := m.h.disk.files
		if files[from] == nil {
			return actor.ErrNotExist
		}
		files[to] = files[from]
		delete(files, from)
		return nil
	}, done)
}

func (m *mount) Remove(name string, done func(error)) {
	m.do(30_000, func() error {
		if m.h.disk.files[name] == nil {
			return actor.ErrNotExist
		}
		delete(m.h.disk.files, name)
		return nil
	}, done)
}

// converged reports whether all nodes are ready and agree on all digests.
func (c *cluster) converged() bool {
	agreed := make(map[string]string)
	for _, h := range c.hosts {
		if h.node == nil || h.paused {
			return false
		}
		s := h.node.Status()
		if !s.Ready {
			return false
		}
		for name, hash := range s.Digests {
			if agreed[name] == "" {
				agreed[name] = hash
			}
			if agreed[name] != hash {
				return false
			}
		}
	}
	return true
}

// settle waits until the cluster has converged and returns how long it took.
func (c *cluster) settle(limit int64) int64 {
	c.tb.Helper()
	began := c.now
	for end := c.now + limit; !c.converged(); {
		if c.now > end {
			for _, h := range c.hosts {
				c.tb.Logf("%v: %+v", h.id, h.node.Status())
			}
			c.tb.Fatalf("no convergence within %d ms", limit/ms)
		}
		c.run(10 * ms)
	}
	return c.now - began
}

// booted returns a cluster whose nodes know each other.
func booted(tb testing.TB, seed uint64, nodes int, cfg Config) *cluster {
	tb.Helper()
	c := newCluster(tb, seed, nodes, cfg)
	c.settle(2000 * ms)
	return c
}
