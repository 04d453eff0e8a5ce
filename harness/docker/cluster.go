package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/internal/proc"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// cluster is a deployment at work: goroutines for the operations of workers,
// one for the events of each agent, and a queue that puts what they bring in
// the order in which it came.
type cluster struct {
	*deployment
	ctx    context.Context // ends with the cluster
	cancel context.CancelFunc
	tasks  sync.WaitGroup // what watches the agents

	events  queue
	workers []*worker
	probes  *agent.Responder // stands for the clients
	nonces  atomic.Uint64    // of probes, no two the same
}

var _ world.Cluster = (*cluster)(nil)

func newCluster(d *deployment) (*cluster, error) {
	probes, err := agent.NewResponder(netip.AddrPortFrom(d.subnet.gateway(), 0))
	if err != nil {
		return nil, environment("%w", err)
	}
	c := &cluster{deployment: d, probes: probes}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.events.more = make(chan struct{}, 1)
	c.events.now = c.Now
	for _, m := range d.members {
		c.tasks.Go(func() { c.watch(m) })
	}
	return c, nil
}

// Now implements world.Cluster.
func (c *cluster) Now() int64 { return proc.Mono() - c.origin }

// Next implements world.Cluster.
func (c *cluster) Next(until int64) (world.Event, bool) {
	for {
		if e, ok := c.events.pop(); ok {
			return e, true
		}
		wait := until - c.Now()
		if wait <= 0 {
			return world.Event{}, false
		}
		t := time.NewTimer(time.Duration(wait))
		select {
		case <-c.events.more:
		case <-t.C:
		}
		t.Stop()
	}
}

// Do implements world.Cluster. Everything goes on by itself meanwhile.
func (c *cluster) Do(f func(ctl world.Control) error) error { return f((*control)(c)) }

// Digest implements world.Cluster: real processes never repeat themselves exactly.
func (c *cluster) Digest() string { return "" }

// Close implements world.Cluster.
func (c *cluster) Close(ctx context.Context) error {
	c.cancel()
	err := c.down(ctx)
	c.tasks.Wait()
	_ = c.probes.Close()
	return err
}

// watch brings what an agent reports without being asked, to the end of its session.
func (c *cluster) watch(m *member) {
	for e := range m.agent.Events() {
		if e.Exit != nil && !e.Exit.Provoked {
			c.events.push(world.Event{Died: true, Node: m.id, Cause: e.Exit.Cause, Lines: e.Exit.Lines})
		}
	}
	if c.ctx.Err() == nil {
		c.lost(m)
	}
}

// lost finds out why the session with an agent ended by itself. A container
// that ended took the server with it; a stream that broke is our own trouble.
func (c *cluster) lost(m *member) {
	ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
	defer cancel()
	how, err := c.engine.ending(ctx, m.container)
	if err != nil || how == "" {
		c.events.push(world.Event{Lost: errors.Join(fmt.Errorf("lost the agent of %s: %w", m.name(), m.agent.Err()), err)})
		return
	}
	cause := "the container of the node ended: " + how
	c.events.push(world.Event{Died: true, Node: m.id, Cause: cause})
}

// queue holds events in the order in which they came.
type queue struct {
	now  func() int64
	more chan struct{} // has room for one: something came

	mu   sync.Mutex
	list []world.Event
}

func (q *queue) push(e world.Event) {
	q.mu.Lock()
	e.Time = q.now() // under the lock, so that times are in the order of the list
	q.list = append(q.list, e)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) pop() (world.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) == 0 {
		return world.Event{}, false
	}
	e := q.list[0]
	q.list = q.list[1:]
	return e, true
}

// grace is what an operation has beyond its deadline to come back by itself.
const grace = 500 * time.Millisecond

// worker does one operation at a time, each on a goroutine of its own. A
// goroutine that does not come back is left behind: what it does afterwards
// belongs to an operation that is over, and is dropped.
type worker struct {
	id    world.Worker
	limit time.Duration // after which an operation is given up; 0: never
	do    func(ctx context.Context, op history.Op) history.Op

	mu    sync.Mutex
	job   uint64 // counts the operations
	busy  bool
	timer *time.Timer
}

// AddClient implements world.Cluster.
func (c *cluster) AddClient(node int, do func(env client.Env, op history.Op) history.Op) world.Worker {
	timeout := c.spec.OpTimeout
	return c.add(timeout+grace, func(ctx context.Context, op history.Op) history.Op {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return do(&env{cluster: c, node: node, ctx: ctx}, op)
	})
}

// AddNemesis implements world.Cluster.
func (c *cluster) AddNemesis(do func(ctl world.Control, op history.Op) history.Op) world.Worker {
	return c.add(0, func(_ context.Context, op history.Op) history.Op { return do((*control)(c), op) })
}

func (c *cluster) add(limit time.Duration, do func(context.Context, history.Op) history.Op) world.Worker {
	w := &worker{id: world.Worker(len(c.workers)), limit: limit, do: do}
	c.workers = append(c.workers, w)
	return w.id
}

// Start implements world.Cluster.
func (c *cluster) Start(id world.Worker, op history.Op) {
	w := c.workers[id]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy {
		panic(fmt.Sprintf("docker world: worker %d is given an operation while it does another", id))
	}
	w.busy = true
	w.job++
	job := w.job
	if w.limit > 0 {
		w.timer = time.AfterFunc(w.limit, func() {
			c.finish(w, job, client.Info(op, "timeout: the client did not come back"))
		})
	}
	go func() { c.finish(w, job, perform(c.ctx, c.log, w, op)) }()
}

// perform does an operation. A client that panics has broken off somewhere.
func perform(ctx context.Context, log *slog.Logger, w *worker, op history.Op) (done history.Op) {
	defer func() {
		if v := recover(); v != nil {
			done = client.Info(op, fmt.Sprintf("panic: %v", v))
			log.Error("a client panicked", "f", op.F, "process", op.Process, "panic", v, "stack", stack())
		}
	}()
	return w.do(ctx, op)
}

// finish completes an operation, unless it has been completed already.
func (c *cluster) finish(w *worker, job uint64, op history.Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busy || w.job != job {
		return
	}
	w.busy = false
	if w.timer != nil {
		w.timer.Stop()
	}
	c.events.push(world.Event{Worker: w.id, Op: op})
}

// env is what a client sees during one operation.
type env struct {
	cluster *cluster
	node    int
	ctx     context.Context // ends at the deadline of the operation
}

func (e *env) Node() int          { return e.node }
func (e *env) Nodes() int         { return len(e.cluster.members) }
func (e *env) Now() time.Duration { return time.Duration(e.cluster.Now()) }

func (e *env) Sleep(d time.Duration) { sleep(e.cluster.ctx, d) }

func (e *env) Call(node int, body []byte) ([]byte, error) {
	if node < 0 || node >= len(e.cluster.members) {
		return nil, fmt.Errorf("%w: there is no node %d", client.ErrUnavailable, node)
	}
	if e.ctx.Err() != nil {
		return nil, client.ErrTimeout
	}
	return e.cluster.members[node].conn.Call(e.ctx, body)
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
