package run

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Recorder keeps the records of a run. The loop hands it every record in
// order, with Index and Time already set; it must not keep op itself, which is
// used again. An error, as from a full disk, ends the loop. Record is never
// called twice at the same time, but not always from the same goroutine.
type Recorder interface {
	Record(op *history.Op) error
}

// LoopConfig is all that [Loop] works on.
type LoopConfig struct {
	Cluster  world.Cluster // required
	Gen      gen.Gen       // what to do; required
	Recorder Recorder      // where it is written down; required

	Clients int // how many operations clients do at once; at least 1
	Nodes   int // how many nodes the cluster has; at least 1

	// NewClient makes the client of a process that belongs to a node; required.
	// It must not block. A client that is an io.Closer is closed after its last
	// operation.
	NewClient func(process history.Process, node int) client.Client

	// Nemesis does an operation of the nemesis, on the nemesis's worker, and
	// returns what to record as its end; F "" records nothing. Whatever it
	// gives to record on the way is recorded at once, with the time of that
	// moment. Nil if there is no nemesis.
	Nemesis func(ctl world.Control, op history.Op, record func(history.Op)) history.Op

	// Died is called when a node died that nobody had killed, after that was
	// recorded. It may be nil.
	Died func(world.Event)

	// Progress is called about every half second of real time, from the loop;
	// it must not block. It may be nil.
	Progress func(LoopStats)

	// Stall ends the loop with a [StallError] after so much real time in which
	// operations were under way and none began or ended; it should be several
	// times the time limit of an operation. 0 means a minute.
	Stall time.Duration
}

// LoopStats says what the loop did. Operations are those of clients.
type LoopStats struct {
	Offered int64 // how many were due: Started and those that never got a client
	Started int64
	OK      int64
	Fail    int64
	Info    int64
	Nemesis int64 // steps that the nemesis was asked to do
	Died    int64 // deaths of nodes that nobody had killed
	Records int   // records in the history

	// How much later than they were due operations began, because all clients
	// were busy or the loop could not keep up.
	Late     int64         // how many began over a millisecond late
	LateSum  time.Duration // over all that were started
	LateMax  time.Duration
	MaxQueue int // the most operations that were due at once

	// BadCompletion says what was wrong with the first completion that did not
	// fit its invocation; nil if all did. Such operations are recorded as info.
	BadCompletion error
}

// Loop runs a generator against a cluster until it is done and all operations
// have ended. It is the one scheduler of a run, and the soundness of all
// checking rests on its order of doing things:
//
//   - an invocation is recorded before its worker gets it, and a completion
//     after it came back: the recorded interval of an operation holds the true
//     one;
//   - all completions that came back are recorded before the generator is asked
//     for more: no operation seems concurrent with another that it came after;
//   - indices are dense, and times, from the cluster's clock, never go back;
//   - after an info the process is never used again, and its client neither.
//
// Client thread i belongs to node i mod Nodes.
//
// When ctx ends, nothing new is started, what is under way is left to end, and
// the cause is returned. Whatever the error, all that was recorded before it
// is in the Recorder.
func Loop(ctx context.Context, cfg LoopConfig) (LoopStats, error) {
	if err := cfg.fill(); err != nil {
		return LoopStats{}, err
	}
	l := newLoop(cfg)
	stop := context.AfterFunc(ctx, func() { l.cancelled.Store(true) })
	defer stop()
	stats, err := l.supervise()
	if err == nil && l.cut {
		err = context.Cause(ctx)
	}
	return stats, err
}

func (cfg *LoopConfig) fill() error {
	switch {
	case cfg.Cluster == nil, cfg.Gen == nil, cfg.Recorder == nil, cfg.NewClient == nil:
		return errors.New("run: Loop needs a Cluster, a Gen, a Recorder and NewClient")
	case cfg.Clients < 1 || cfg.Nodes < 1:
		return fmt.Errorf("run: Loop needs at least 1 client and 1 node, not %d and %d", cfg.Clients, cfg.Nodes)
	}
	if cfg.Stall <= 0 {
		cfg.Stall = time.Minute
	}
	return nil
}

// slice bounds how long the loop waits for an event before it looks whether it
// was cancelled, on the clock of the cluster.
const slice = int64(100 * time.Millisecond)

// loop is the state of a running Loop. Only its goroutine touches it, except
// for the journal and what is atomic.
type loop struct {
	cfg     LoopConfig
	journal *journal
	gen     gen.Gen
	done    bool // the generator is
	cut     bool // the generator was not asked to its end, because of ctx
	queue   int  // what the generator last said about its backlog
	roster  *gen.Roster

	threads     []thread
	nemesis     thread
	byWorker    []int // the thread of each worker, +2; 0 if it is not ours
	outstanding int
	scratch     history.Op
	stats       LoopStats

	cancelled atomic.Bool
	tick      atomic.Bool // Progress is due
	stalled   atomic.Bool
	beat      atomic.Int64 // changes whenever something goes on
}

// thread is the place of one client, or of the nemesis.
type thread struct {
	worker world.Worker
	node   string
	busy   bool
	op     history.Op // the invocation that is open, if busy
	seat   *seat
}

func newLoop(cfg LoopConfig) *loop {
	return &loop{
		cfg:     cfg,
		journal: &journal{rec: cfg.Recorder},
		gen:     cfg.Gen,
		roster:  gen.NewRoster(cfg.Clients, cfg.Nodes, cfg.Nemesis != nil),
		threads: make([]thread, cfg.Clients),
	}
}

// run is the loop itself.
func (l *loop) run() error {
	l.addWorkers()
	defer l.closeClients()
	for {
		if err := l.drain(); err != nil {
			return err
		}
		wake, err := l.ask()
		if err != nil {
			return err
		}
		if l.done && l.outstanding == 0 {
			return nil
		}
		if err := l.wait(wake); err != nil {
			return err
		}
	}
}

func (l *loop) addWorkers() {
	for t := range l.threads {
		node := t % l.cfg.Nodes
		th := &l.threads[t]
		th.node = actor.NodeID(node).String()
		th.seat = newSeat(l.cfg.NewClient, history.Process(t), node)
		th.worker = l.cfg.Cluster.AddClient(node, th.seat.do)
		l.own(th.worker, t)
	}
	if l.cfg.Nemesis != nil {
		l.nemesis.worker = l.cfg.Cluster.AddNemesis(l.doNemesis)
		l.own(l.nemesis.worker, gen.NemesisThread)
	}
}

// own notes which thread a worker is.
func (l *loop) own(w world.Worker, t int) {
	for int(w) >= len(l.byWorker) {
		l.byWorker = append(l.byWorker, 0)
	}
	l.byWorker[w] = t + 2
}

func (l *loop) closeClients() {
	for i := range l.threads {
		l.threads[i].seat.retire()
	}
}

// drain takes all events that have come, without waiting.
func (l *loop) drain() error {
	for {
		ev, ok := l.cfg.Cluster.Next(l.cfg.Cluster.Now())
		if !ok {
			return nil
		}
		if err := l.take(&ev); err != nil {
			return err
		}
	}
}

// wait waits for an event until the time wake, and takes it.
func (l *loop) wait(wake int64) error {
	now := l.cfg.Cluster.Now()
	if wake <= now {
		return nil
	}
	if l.outstanding == 0 {
		l.beat.Add(1) // nothing is under way: it may take as long as it takes
	}
	ev, ok := l.cfg.Cluster.Next(min(wake, now+slice))
	if l.stalled.Load() {
		return l.stallError()
	}
	if !ok {
		return nil
	}
	return l.take(&ev)
}

// ask asks the generator once. It returns when to look again.
func (l *loop) ask() (wake int64, err error) {
	if l.tick.Load() {
		l.progress()
	}
	if l.cancelled.Load() && !l.done {
		l.done, l.cut = true, true
	}
	if l.done {
		return gen.Never, nil
	}
	now := l.cfg.Cluster.Now()
	r, next := l.gen.Next(l.roster.Context(now))
	if r.Kind != gen.Done {
		l.gen = next
	}
	l.queue = r.Queue // if Ready, start takes the operation itself out
	l.stats.MaxQueue = max(l.stats.MaxQueue, r.Queue)
	switch {
	case r.Kind == gen.Ready:
		return now, l.start(&r.Op, now)
	case r.Kind == gen.Done:
		l.done = true
		return gen.Never, nil
	case r.Wake <= now:
		return 0, fmt.Errorf("run: at %v the generator is pending until %v, which is not later",
			time.Duration(now), time.Duration(r.Wake))
	case r.Wake == gen.Never && l.outstanding == 0:
		return 0, gen.ErrStuck
	default:
		return r.Wake, nil
	}
}

// start records an invocation and hands it to its worker.
func (l *loop) start(op *history.Op, now int64) error {
	if !l.roster.IsFree(op.Process) {
		return fmt.Errorf("run: the generator gives %q to process %v, which is not free", op.F, op.Process)
	}
	if op.F == "" {
		return fmt.Errorf("run: the generator gives process %v an operation without a name", op.Process)
	}
	th := l.threadOf(op.Process)
	th.op = *op
	th.op.Type, th.op.Node, th.op.Error = history.Invoke, th.node, ""
	if op.Process == history.Nemesis {
		l.stats.Nemesis++
		th.op.Type = history.Info
	} else {
		l.stats.Started++
		l.queue = max(l.queue-1, 0)
		l.late(time.Duration(now - op.Time))
	}
	if err := l.journal.record(&th.op, now); err != nil {
		return err
	}
	th.busy = true
	l.outstanding++
	l.beat.Add(1)
	l.roster.Begin(op.Process)
	l.cfg.Cluster.Start(th.worker, th.op)
	l.scratch = th.op
	l.scratch.Type = history.Invoke
	l.gen = l.gen.Update(l.roster.Context(th.op.Time), &l.scratch)
	return nil
}

func (l *loop) threadOf(p history.Process) *thread {
	if p == history.Nemesis {
		return &l.nemesis
	}
	return &l.threads[l.roster.Thread(p)]
}

func (l *loop) late(by time.Duration) {
	l.stats.LateSum += by
	l.stats.LateMax = max(l.stats.LateMax, by)
	if by > time.Millisecond {
		l.stats.Late++
	}
}

// take records an event.
func (l *loop) take(ev *world.Event) error {
	l.beat.Add(1)
	switch {
	case ev.Died:
		return l.died(ev)
	case ev.Lost != nil:
		return ev.Lost
	}
	t := gen.NemesisThread - 1
	if int(ev.Worker) < len(l.byWorker) {
		t = l.byWorker[ev.Worker] - 2
	}
	switch {
	case t == gen.NemesisThread && l.nemesis.busy:
		return l.completeNemesis(ev)
	case t >= 0 && l.threads[t].busy:
		return l.complete(ev, &l.threads[t])
	default:
		return fmt.Errorf("run: the world completes %q for worker %d, which has nothing to do", ev.Op.F, ev.Worker)
	}
}

// complete records the completion of a client's operation.
func (l *loop) complete(ev *world.Event, th *thread) error {
	op := &l.scratch
	*op = ev.Op
	if bad := misfit(&th.op, op); bad != nil {
		if l.stats.BadCompletion == nil {
			l.stats.BadCompletion = bad
		}
		*op = client.Info(th.op, "bad-completion: "+bad.Error())
	}
	op.Process, op.Key, op.Node, op.Final = th.op.Process, th.op.Key, th.op.Node, th.op.Final
	if op.Type == history.Info && op.Value.IsAbsent() {
		op.Value = th.op.Value
	}
	if err := l.journal.record(op, l.cfg.Cluster.Now()); err != nil {
		return err
	}
	th.busy = false
	l.outstanding--
	l.count(op.Type)
	l.roster.End(op.Process, op.Type == history.Info)
	if op.Type == history.Info {
		l.reseat(th)
	}
	l.gen = l.gen.Update(l.roster.Context(op.Time), op)
	return nil
}

// reseat gives the thread the client of its new process.
func (l *loop) reseat(th *thread) {
	t := l.roster.Thread(th.op.Process)
	th.seat.replace(l.roster.Process(t))
}

func (l *loop) count(t history.Type) {
	switch t {
	case history.OK:
		l.stats.OK++
	case history.Fail:
		l.stats.Fail++
	default:
		l.stats.Info++
	}
}

// misfit says what is wrong with a completion; nil if nothing is.
func misfit(inv, op *history.Op) error {
	switch {
	case op.Process != inv.Process:
		return fmt.Errorf("process %v completed %s of process %v", op.Process, inv.F, inv.Process)
	case op.F != inv.F:
		return fmt.Errorf("process %v completed %s as %q", inv.Process, inv.F, op.F)
	case op.Type != history.OK && op.Type != history.Fail && op.Type != history.Info:
		return fmt.Errorf("process %v completed %s with type %v", inv.Process, inv.F, op.Type)
	default:
		return nil
	}
}

// completeNemesis records the end of an operation of the nemesis.
func (l *loop) completeNemesis(ev *world.Event) error {
	op := &l.scratch
	*op = ev.Op
	if op.F != "" {
		op.Process, op.Type = history.Nemesis, history.Info
		if err := l.journal.record(op, l.cfg.Cluster.Now()); err != nil {
			return err
		}
	} else {
		*op = l.nemesis.op
	}
	l.nemesis.busy = false
	l.outstanding--
	l.roster.End(history.Nemesis, false)
	l.gen = l.gen.Update(l.roster.Context(l.cfg.Cluster.Now()), op)
	return nil
}

// doNemesis runs on the worker of the nemesis.
func (l *loop) doNemesis(ctl world.Control, op history.Op) history.Op {
	return l.cfg.Nemesis(ctl, op, func(step history.Op) {
		l.beat.Add(1)
		step.Process, step.Type = history.Nemesis, history.Info
		// An error stays in the journal, and the loop meets it there.
		_ = l.journal.record(&step, int64(ctl.Now()))
	})
}

// died records that a node died that nobody had killed.
func (l *loop) died(ev *world.Event) error {
	lines := make([]history.Value, len(ev.Lines))
	for i, line := range ev.Lines {
		lines[i] = history.String(line)
	}
	op := history.Op{
		Process: history.Nemesis,
		Type:    history.Info,
		F:       history.FDied,
		Value: history.Map(
			history.String("node"), history.String(actor.NodeID(ev.Node).String()),
			history.String("reason"), history.String(ev.Cause),
			history.String("lines"), history.List(lines...),
		),
	}
	l.stats.Died++
	if err := l.journal.record(&op, l.cfg.Cluster.Now()); err != nil {
		return err
	}
	if l.cfg.Died != nil {
		l.cfg.Died(*ev)
	}
	return nil
}

func (l *loop) progress() {
	l.tick.Store(false)
	if l.cfg.Progress != nil {
		l.cfg.Progress(l.snapshot())
	}
}

// snapshot completes the statistics with what is derived.
func (l *loop) snapshot() LoopStats {
	s := l.stats
	s.Offered = s.Started + int64(l.queue)
	s.Records = l.journal.len()
	return s
}
