package sim

import (
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// worker is a coroutine that does one operation after the other. The loop of
// the cluster resumes it, and it yields whenever it has to wait.
type worker struct {
	c     *Cluster
	id    int32
	name  string
	node  int32 // that the client belongs to
	do    func(op history.Op) history.Op
	quiet bool // its completions are nobody's business but its starter's

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool

	latency choice.Stream // of its packets, both ways
	op      history.Op    // what it does, then how that ended
	busy    bool
	timer   timer
	limit   time.Duration // how long an operation may take, 0 for ever

	deadline  int64 // when the calls of the operation end
	giveUp    int64 // when the operation does
	abandoned bool

	call    uint64 // number of the last call or question
	waiting bool   // for its answer
	reply   []byte
	err     error
	ask     func(p *process)
}

// unwound is the panic that takes an abandoned worker out of whatever it does.
type unwound struct{}

// grace is how long an operation whose calls were ended may go on.
const grace = 100 * time.Millisecond

// newWorker makes the worker that is number ordinal of its sort.
func (c *Cluster) newWorker(sort string, ordinal int) *worker {
	w := &worker{c: c, id: int32(len(c.workers)), name: fmt.Sprintf("%s %d", sort, ordinal), node: world.Clients, timer: newTimer()}
	w.latency = *c.spec.Choices.Stream("sim/"+sort, uint64(ordinal))
	w.next, w.stop = iter.Pull(w.loop)
	c.workers = append(c.workers, w)
	return w
}

// String returns the name of the worker in traces: "client 0".
func (w *worker) String() string { return w.name }

// AddClient implements world.Cluster.
func (c *Cluster) AddClient(node int, do func(env client.Env, op history.Op) history.Op) world.Worker {
	if node < 0 || node >= len(c.nodes) {
		panic(fmt.Sprintf("sim: a client of node %d in a cluster of %d", node, len(c.nodes)))
	}
	w := c.newWorker("client", c.clients)
	c.clients++
	w.node, w.limit = int32(node), c.spec.OpTimeout
	w.do = func(op history.Op) history.Op { return do(clientEnv{w}, op) }
	return world.Worker(w.id)
}

// AddNemesis implements world.Cluster.
func (c *Cluster) AddNemesis(do func(ctl world.Control, op history.Op) history.Op) world.Worker {
	w := c.newWorker("nemesis", c.nemeses)
	c.nemeses++
	w.do = func(op history.Op) history.Op { return do(control{w}, op) }
	return world.Worker(w.id)
}

// Start implements world.Cluster. The worker runs at once, until it waits.
func (c *Cluster) Start(id world.Worker, op history.Op) { c.workers[id].start(op) }

// Do implements world.Cluster. A panic of f becomes an error.
func (c *Cluster) Do(f func(ctl world.Control) error) error {
	if c.harness == nil {
		c.harness = c.newWorker("harness", 0)
		c.harness.quiet = true
	}
	w, err := c.harness, errors.New("sim: the cluster was closed")
	w.do = func(op history.Op) history.Op {
		err = f(control{w})
		return op
	}
	w.start(history.Op{})
	for w.busy {
		c.step()
	}
	if w.op.Type == history.Info {
		return errors.New(w.op.Error)
	}
	return err
}

func (w *worker) start(op history.Op) {
	if w.busy {
		panic(fmt.Sprintf("sim: %s was started while it was busy", w.name))
	}
	w.op, w.busy, w.abandoned = op, true, false
	w.deadline, w.giveUp = never, never
	if w.limit > 0 {
		w.deadline = w.c.now + int64(w.limit)
		w.giveUp = w.deadline + int64(grace)
	}
	w.next()
}

// loop is the coroutine.
func (w *worker) loop(yield func(struct{}) bool) {
	w.yield = yield
	for {
		w.op = w.attempt(w.op)
		w.finish()
		if !yield(struct{}{}) {
			return
		}
	}
}

// attempt does op. Whatever happens to it, it comes back.
func (w *worker) attempt(op history.Op) (done history.Op) {
	defer func() {
		switch v := recover(); v.(type) {
		case nil:
		case unwound:
			done = client.Info(op, "abandoned: the client did not come back after its deadline")
		default:
			done = client.Info(op, fmt.Sprintf("panic: %v", v))
			w.c.spec.Log.Error("a worker panicked", "worker", w.name, "f", op.F, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	return w.do(op)
}

func (w *worker) finish() {
	w.busy, w.waiting, w.reply, w.ask = false, false, nil, nil
	w.timer.due = never
	if !w.quiet && !w.c.closed {
		w.c.emit(world.Event{Worker: world.Worker(w.id), Op: w.op})
	}
}

// wait yields until the given time, or until somebody resumes the worker.
func (w *worker) wait(until int64) {
	w.c.set(&w.timer, max(w.c.now, min(until, w.giveUp)), kTurn, w.id)
	if w.abandoned || !w.yield(struct{}{}) || w.abandoned {
		panic(unwound{})
	}
}

// turn is what the timer of the worker calls.
func (w *worker) turn() {
	w.abandoned = w.c.now >= w.giveUp
	w.next()
}

// nudge resumes the worker at the time given, if it still waits then.
func (w *worker) nudge(at int64) {
	if at < w.timer.due {
		w.c.set(&w.timer, at, kTurn, w.id)
	}
}

// sleep waits for at least a microsecond, so that a loop of naps ends.
func (w *worker) sleep(d time.Duration) {
	until := w.c.now + int64(max(d, time.Microsecond))
	for w.c.now < until {
		w.wait(until)
	}
}

// expect gives a number to a call whose answer the worker is going to wait for.
func (w *worker) expect() uint64 {
	w.call++
	w.waiting, w.reply, w.err = true, nil, nil
	return w.call
}

// await waits for the answer, and reports whether it came in time.
func (w *worker) await(until int64) bool {
	for w.waiting && w.c.now < until {
		w.wait(until)
	}
	answered := !w.waiting
	w.waiting = false
	return answered
}

// answered takes the answer to a call. One that comes too late is dropped.
func (w *worker) answered(e *event) {
	if !w.waiting || e.id != w.call {
		return
	}
	switch e.kind {
	case kReply:
		w.reply = e.body
	case kRefused:
		w.err = client.ErrUnavailable
	case kReset:
		w.err = client.ErrTimeout
	}
	w.waiting = false
	w.next()
}

// clientEnv is the client.Env of a worker.
type clientEnv struct{ w *worker }

// Node implements client.Env.
func (e clientEnv) Node() int { return int(e.w.node) }

// Nodes implements client.Env.
func (e clientEnv) Nodes() int { return len(e.w.c.nodes) }

// Now implements client.Env.
func (e clientEnv) Now() time.Duration { return time.Duration(e.w.c.now) }

// Sleep implements client.Env.
func (e clientEnv) Sleep(d time.Duration) { e.w.sleep(d) }

// Call implements client.Env. After the deadline nothing is sent any more, but
// since a client may have sent the same request before, this is a timeout too.
func (e clientEnv) Call(node int, body []byte) ([]byte, error) {
	w, c := e.w, e.w.c
	if node < 0 || node >= len(c.nodes) {
		panic(fmt.Sprintf("client calls node %d: the nodes of this cluster are 0 to %d", node, len(c.nodes)-1))
	}
	if c.now >= w.deadline {
		w.sleep(time.Millisecond)
		return nil, client.ErrTimeout
	}
	call, latency := w.expect(), c.clientLatency(w, int32(node), true)
	if !c.net.lostForClient(w.node, int32(node), true) {
		c.queue.push(c.now+latency, event{kind: kRequest, from: w.id, to: int32(node), id: call, body: body})
	}
	if !w.await(w.deadline) {
		return nil, client.ErrTimeout
	}
	return w.reply, w.err
}
