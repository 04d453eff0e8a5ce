package run

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// fakeCluster is a world without nodes, in virtual time: workers are
// coroutines, and all they can do is sleep.
type fakeCluster struct {
	world.Cluster // what the loop never calls

	now     int64
	workers []*fakeWorker
	events  []world.Event // that came and were not taken
	started func(op history.Op)
	deaths  []world.Event // to come, by time
}

type fakeWorker struct {
	world.Control // what the tests never call
	client.Env
	c      *fakeCluster
	do     func(history.Op) history.Op
	resume func() (int64, bool)
	yield  func(int64) bool
	wake   int64 // -1 if idle
}

func (c *fakeCluster) Now() int64 { return c.now }

func (c *fakeCluster) AddClient(_ int, do func(client.Env, history.Op) history.Op) world.Worker {
	return c.add(func(w *fakeWorker, op history.Op) history.Op { return do(fakeEnv{w}, op) })
}

func (c *fakeCluster) AddNemesis(do func(world.Control, history.Op) history.Op) world.Worker {
	return c.add(func(w *fakeWorker, op history.Op) history.Op { return do(fakeControl{w}, op) })
}

func (c *fakeCluster) add(do func(*fakeWorker, history.Op) history.Op) world.Worker {
	w := &fakeWorker{c: c, wake: -1}
	w.do = func(op history.Op) history.Op { return do(w, op) }
	c.workers = append(c.workers, w)
	return world.Worker(len(c.workers) - 1)
}

// Start runs the worker at once, until it sleeps for the first time.
func (c *fakeCluster) Start(id world.Worker, op history.Op) {
	if c.started != nil {
		c.started(op)
	}
	w := c.workers[id]
	w.resume, _ = iter.Pull(func(yield func(int64) bool) {
		w.yield = yield
		done := w.do(op)
		c.events = append(c.events, world.Event{Time: c.now, Worker: id, Op: done})
	})
	w.step()
}

func (w *fakeWorker) step() {
	wake, more := w.resume()
	if w.wake = wake; !more {
		w.wake = -1
	}
}

func (w *fakeWorker) sleep(d time.Duration) { w.yield(w.c.now + int64(d)) }

func (c *fakeCluster) Next(until int64) (world.Event, bool) {
	for len(c.events) == 0 {
		next, w := c.first()
		if next > until {
			c.now = max(c.now, until)
			return world.Event{}, false
		}
		c.now = max(c.now, next)
		if w == nil {
			c.events = append(c.events, c.deaths[0])
			c.deaths = c.deaths[1:]
			break
		}
		w.step()
	}
	ev := c.events[0]
	c.events = c.events[1:]
	return ev, true
}

// first returns what happens next: a worker wakes, or a node dies.
func (c *fakeCluster) first() (int64, *fakeWorker) {
	next, first := int64(1<<62), (*fakeWorker)(nil)
	if len(c.deaths) > 0 {
		next = c.deaths[0].Time
	}
	for _, w := range c.workers {
		if w.wake >= 0 && w.wake < next {
			next, first = w.wake, w
		}
	}
	return next, first
}

type fakeEnv struct{ *fakeWorker }

func (e fakeEnv) Sleep(d time.Duration) { e.sleep(d) }
func (e fakeEnv) Now() time.Duration    { return time.Duration(e.c.now) }
func (e fakeEnv) Nodes() int            { return 1 }

type fakeControl struct{ *fakeWorker }

func (e fakeControl) Sleep(d time.Duration) { e.sleep(d) }
func (e fakeControl) Now() time.Duration    { return time.Duration(e.c.now) }
func (e fakeControl) Nodes() int            { return 1 }

// realCluster is a world without nodes in real time: workers are goroutines.
type realCluster struct {
	world.Cluster

	begun   time.Time
	events  chan world.Event
	workers []func(history.Op) history.Op
	running sync.WaitGroup
}

func newRealCluster() *realCluster {
	return &realCluster{begun: time.Now(), events: make(chan world.Event, 1000)}
}

func (c *realCluster) Now() int64 { return int64(time.Since(c.begun)) }

func (c *realCluster) AddClient(_ int, do func(client.Env, history.Op) history.Op) world.Worker {
	c.workers = append(c.workers, func(op history.Op) history.Op { return do(nil, op) })
	return world.Worker(len(c.workers) - 1)
}

func (c *realCluster) AddNemesis(do func(world.Control, history.Op) history.Op) world.Worker {
	c.workers = append(c.workers, func(op history.Op) history.Op { return do(realControl{c: c}, op) })
	return world.Worker(len(c.workers) - 1)
}

type realControl struct {
	world.Control
	c *realCluster
}

func (r realControl) Now() time.Duration { return time.Duration(r.c.Now()) }

func (c *realCluster) Start(w world.Worker, op history.Op) {
	c.running.Go(func() {
		done := c.workers[w](op)
		c.events <- world.Event{Time: c.Now(), Worker: w, Op: done}
	})
}

func (c *realCluster) Next(until int64) (world.Event, bool) {
	select {
	case ev := <-c.events:
		return ev, true
	default:
	}
	wait := until - c.Now()
	if wait <= 0 {
		return world.Event{}, false
	}
	timer := time.NewTimer(time.Duration(wait))
	defer timer.Stop()
	select {
	case ev := <-c.events:
		return ev, true
	case <-timer.C:
		return world.Event{}, false
	}
}

// memory is a recorder that keeps everything, up to a number of records.
type memory struct {
	ops  []history.Op
	full int // 0 for no limit
}

func (m *memory) Record(op *history.Op) error {
	if m.full > 0 && len(m.ops) == m.full {
		return errFull
	}
	m.ops = append(m.ops, *op)
	return nil
}

type fullError struct{}

func (fullError) Error() string { return "no space left on device" }

var errFull = fullError{}

// fakeClient sleeps as long as, and ends as, a script says.
type fakeClient struct {
	process history.Process
	do      func(env client.Env, op history.Op) history.Op
	closed  func(p history.Process)
}

func (c *fakeClient) Invoke(env client.Env, op history.Op) history.Op { return c.do(env, op) }

func (c *fakeClient) Close() error {
	if c.closed != nil {
		c.closed(c.process)
	}
	return nil
}

// rig is a loop on a fake cluster, ready to be changed by a test.
type rig struct {
	LoopConfig
	cluster *fakeCluster
	memory  *memory
}

// newRig gives every operation to do.
func newRig(clients int, do func(env client.Env, op history.Op) history.Op) *rig {
	r := &rig{cluster: &fakeCluster{}, memory: &memory{}}
	r.LoopConfig = LoopConfig{
		Cluster: r.cluster, Recorder: r.memory, Clients: clients, Nodes: 3,
		NewClient: func(p history.Process, _ int) client.Client { return &fakeClient{process: p, do: do} },
	}
	return r
}

func (r *rig) run() (LoopStats, error) { return Loop(context.Background(), r.LoopConfig) }

// ok takes a millisecond and succeeds.
func ok(env client.Env, op history.Op) history.Op {
	env.Sleep(time.Millisecond)
	return client.OK(op, op.Value)
}

func (m *memory) fs() []string {
	var fs []string
	for _, op := range m.ops {
		fs = append(fs, op.Process.String()+" "+op.Type.String()+" "+op.F)
	}
	return fs
}

func (m *memory) only(f string) []history.Op {
	return slices.DeleteFunc(slices.Clone(m.ops), func(op history.Op) bool { return op.F != f })
}
