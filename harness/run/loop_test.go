package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

func reads() gen.Gen {
	return gen.Func(choice.New(1), "reads", func(t gen.Turn) history.Op {
		return history.Op{F: "read", Key: history.Int(t.N % 3), Value: history.Int(t.N)}
	})
}

func ops(fs ...string) gen.Gen {
	var all []history.Op
	for _, f := range fs {
		all = append(all, history.Op{F: f})
	}
	return gen.Ops(all...)
}

// An invocation is on record before anything of it can happen. Recorded later,
// its effect could be seen before it seems to have begun.
func TestLoopRecordsInvocationsFirst(t *testing.T) {
	t.Parallel()
	r := newRig(3, ok)
	r.Gen = gen.Limit(20, reads())
	r.cluster.started = func(op history.Op) {
		last := r.memory.ops[len(r.memory.ops)-1]
		if last.Type != history.Invoke || last.Process != op.Process || last.Index != op.Index {
			t.Errorf("%+v is handed over when the last record is %+v", op, last)
		}
	}
	if _, err := r.run(); err != nil {
		t.Fatal(err)
	}
}

// drained is a generator that fails the test if it is asked while completions
// wait: the operation that it then gives would seem concurrent with them.
type drained struct {
	t     *testing.T
	c     *fakeCluster
	inner gen.Gen
}

func (g *drained) Next(ctx *gen.Context) (gen.Result, gen.Gen) {
	next, _ := g.c.first()
	if len(g.c.events) > 0 || next <= g.c.now {
		g.t.Errorf("at %d the generator is asked while %d completions wait and one comes at %d", g.c.now, len(g.c.events), next)
	}
	r, in := g.inner.Next(ctx)
	return r, &drained{g.t, g.c, in}
}

func (g *drained) Update(ctx *gen.Context, ev *history.Op) gen.Gen {
	return &drained{g.t, g.c, g.inner.Update(ctx, ev)}
}

func TestLoopDrainsCompletionsFirst(t *testing.T) {
	t.Parallel()
	r := newRig(5, func(env client.Env, op history.Op) history.Op {
		if op.Index%3 > 0 { // many end at the same time, some at once
			env.Sleep(time.Millisecond)
		}
		return client.OK(op, op.Value)
	})
	r.Gen = &drained{t, r.cluster, gen.Limit(100, reads())}
	if _, err := r.run(); err != nil {
		t.Fatal(err)
	}
}

// After an info the process is retired and its client with it: what the client
// still holds, such as a connection on which the late reply comes, must not
// serve another operation.
func TestLoopRetiresProcesses(t *testing.T) {
	t.Parallel()
	var made, closed []history.Process
	r := newRig(2, nil)
	r.NewClient = func(p history.Process, node int) client.Client {
		made = append(made, p)
		if want := int(p) % 2 % 3; node != want {
			t.Errorf("process %v is on node %d, want %d", p, node, want)
		}
		return &fakeClient{process: p, closed: func(p history.Process) { closed = append(closed, p) },
			do: func(env client.Env, op history.Op) history.Op {
				if op.Process != p {
					t.Errorf("the client of process %v gets an operation of process %v", p, op.Process)
				}
				env.Sleep(time.Millisecond)
				if op.F == "lost" {
					return client.Info(op, "timeout")
				}
				return client.OK(op, op.Value)
			}}
	}
	r.Gen = gen.OnThreads(func(t int) bool { return t == 1 }, ops("a", "lost", "b", "lost", "c"))
	stats, err := r.run()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 invoke a", "1 ok a", "1 invoke lost", "1 info lost",
		"3 invoke b", "3 ok b", "3 invoke lost", "3 info lost",
		"5 invoke c", "5 ok c",
	}
	if diff := cmp.Diff(want, r.memory.fs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]history.Process{0, 1, 3, 5}, made); diff != "" {
		t.Errorf("clients made: %s", diff)
	}
	slices.Sort(closed)
	if diff := cmp.Diff(made, closed); diff != "" {
		t.Errorf("clients closed: %s", diff)
	}
	if stats.OK != 3 || stats.Info != 2 || stats.Started != 5 || stats.Offered != 5 || stats.Records != 10 {
		t.Errorf("statistics: %+v", stats)
	}
}

// A completion that does not fit its invocation cannot be believed: the
// operation is recorded as info, under its own process and name.
func TestLoopDoubtsCompletionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*history.Op){
		"process": func(op *history.Op) { op.Process = 7 },
		"f":       func(op *history.Op) { op.F = "write" },
		"type":    func(op *history.Op) { op.Type = history.Invoke },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(1, func(env client.Env, op history.Op) history.Op {
				op.Type = history.OK
				spoil(&op)
				return op
			})
			r.Gen = gen.Limit(2, reads())
			stats, err := r.run()
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"0 invoke read", "0 info read", "1 invoke read", "1 info read"}
			if diff := cmp.Diff(want, r.memory.fs()); diff != "" {
				t.Error(diff)
			}
			if stats.BadCompletion == nil || stats.Info != 2 || !strings.HasPrefix(r.memory.ops[1].Error, "bad-completion: ") {
				t.Errorf("nobody is told: %+v, %q", stats, r.memory.ops[1].Error)
			}
		})
	}
}

// A completion carries what identifies its operation, whatever the client did
// to it, and an unknown write keeps its value.
func TestLoopKeepsWhatIdentifiesAnOperation(t *testing.T) {
	t.Parallel()
	r := newRig(3, func(env client.Env, op history.Op) history.Op {
		return history.Op{Process: op.Process, F: op.F, Type: history.Info, Error: "timeout"}
	})
	r.Gen = gen.Final(gen.Limit(3, reads()))
	if _, err := r.run(); err != nil {
		t.Fatal(err)
	}
	calls, err := (&history.History{Ops: r.memory.ops}).Calls()
	if err != nil || len(calls) != 3 {
		t.Fatalf("%d calls, %v", len(calls), err)
	}
	for i, c := range calls {
		got, want := c.Complete, c.Invoke
		if !got.Key.Equal(want.Key) || !got.Value.Equal(want.Value) || !got.Final || got.Node != fmt.Sprintf("n%d", i+1) || got.Node != want.Node {
			t.Errorf("%+v completes %+v", *got, *want)
		}
	}
}

// The nemesis records its intent before it acts and what came of it, with the
// times of those moments, in one order with the operations of clients.
func TestLoopRecordsTheStepsOfTheNemesis(t *testing.T) {
	t.Parallel()
	r := newRig(1, ok)
	r.Gen = gen.ClientsAndNemesis(gen.Limit(3, reads()), gen.Ops(history.Op{F: "fault"}, history.Op{F: "silent"}))
	r.Nemesis = func(ctl world.Control, op history.Op, record func(history.Op)) history.Op {
		ctl.Sleep(500 * time.Microsecond)
		if op.F == "silent" {
			return history.Op{}
		}
		record(history.Op{F: "step", Type: history.OK, Process: 5})
		ctl.Sleep(time.Millisecond)
		return op
	}
	stats, err := r.run()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range r.memory.ops {
		got = append(got, fmt.Sprintf("%v %v %v %s", time.Duration(op.Time), op.Process, op.Type, op.F))
	}
	want := []string{
		"0s 0 invoke read", "0s nemesis info fault",
		"500µs nemesis info step",
		"1ms 0 ok read", "1ms 0 invoke read",
		"1.5ms nemesis info fault", "1.5ms nemesis info silent",
		"2ms 0 ok read", "2ms 0 invoke read", "3ms 0 ok read",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if stats.Nemesis != 2 || stats.Started != 3 {
		t.Errorf("statistics: %+v", stats)
	}
}

// In real time the nemesis records from a goroutine of its own.
func TestLoopOrdersRecordsOfTwoGoroutines(t *testing.T) {
	t.Parallel()
	c, m := newRealCluster(), &memory{}
	_, err := Loop(t.Context(), LoopConfig{
		Cluster: c, Recorder: m, Clients: 8, Nodes: 3,
		Gen: gen.ClientsAndNemesis(gen.Limit(3000, reads()), gen.Limit(50, gen.Repeat(0, ops("fault")))),
		NewClient: func(p history.Process, _ int) client.Client {
			return &fakeClient{do: func(_ client.Env, op history.Op) history.Op {
				if op.Index%10 == 0 {
					return client.Info(op, "lost")
				}
				return client.OK(op, op.Value)
			}}
		},
		Nemesis: func(_ world.Control, op history.Op, record func(history.Op)) history.Op {
			for range 20 {
				record(history.Op{F: "step"})
			}
			return op
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.only("step")); n != 1000 {
		t.Errorf("%d steps of 1000 are on record", n)
	}
	checkHistory(t, m.ops)
}

func checkHistory(t interface{ Errorf(string, ...any) }, ops []history.Op) {
	if _, err := (&history.History{Ops: ops}).Calls(); err != nil {
		t.Errorf("%v", err)
	}
	var last int64
	retired := map[history.Process]bool{}
	for i, op := range ops {
		if op.Index != i || op.Time < last {
			t.Errorf("record %d has index %d and time %d after %d", i, op.Index, op.Time, last)
		}
		last = op.Time
		if op.Process == history.Nemesis {
			continue
		}
		if retired[op.Process] {
			t.Errorf("index %d: process %v goes on after an info", i, op.Process)
		}
		retired[op.Process] = op.Type == history.Info
	}
}

// Whatever clients and the nemesis do, the history is one that can be judged.
func TestLoopHistoriesAreSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clients := rapid.IntRange(1, 7).Draw(t, "clients")
		limit := rapid.IntRange(0, 60).Draw(t, "limit")
		rate := rapid.Int64Range(50, 5000).Draw(t, "rate")
		script := rapid.SliceOfN(rapid.IntRange(0, 20), 1, 30).Draw(t, "script")
		ends := []history.Type{history.OK, history.Fail, history.Info, history.Invoke}
		r := newRig(clients, func(env client.Env, op history.Op) history.Op {
			s := script[op.Index%len(script)]
			for range s % 3 {
				env.Sleep(time.Duration(s) * 100 * time.Microsecond)
			}
			op.Type = ends[s%len(ends)]
			return op
		})
		r.Nemesis = func(ctl world.Control, op history.Op, record func(history.Op)) history.Op {
			ctl.Sleep(time.Duration(script[0]) * time.Millisecond)
			record(op)
			return op
		}
		for i := range script[0] % 4 {
			r.cluster.deaths = append(r.cluster.deaths, world.Event{Died: true, Time: int64(i) * 1e6})
		}
		r.Gen = gen.Phases(
			gen.Shortest(gen.OnClients(gen.Limit(limit, gen.Rate(choice.New(1), "rate", rate, reads()))), gen.OnNemesis(gen.Delay(3*time.Millisecond, gen.Repeat(9, ops("fault"))))),
			gen.Final(gen.EachNode(ops("read"))),
		)
		stats, err := r.run()
		if err != nil {
			t.Fatal(err)
		}
		checkHistory(t, r.memory.ops)
		calls, _ := (&history.History{Ops: r.memory.ops}).Calls()
		for _, c := range calls {
			if c.Complete == nil {
				t.Errorf("%+v was not completed, though the loop ended well", *c.Invoke)
			}
		}
		if int(stats.Started) != len(calls) || stats.OK+stats.Fail+stats.Info != stats.Started || stats.Records != len(r.memory.ops) {
			t.Errorf("%d calls, %d records, statistics %+v", len(calls), len(r.memory.ops), stats)
		}
	})
}

func TestLoopRecordsDeaths(t *testing.T) {
	t.Parallel()
	r := newRig(1, ok)
	r.cluster.deaths = []world.Event{{Died: true, Time: 1_500_000, Node: 1, Cause: "exit status 2", Lines: []string{"panic: no"}}}
	told := 0
	r.Died = func(ev world.Event) { told += ev.Node + 1 }
	r.Gen = gen.Limit(3, reads())
	stats, err := r.run()
	if err != nil {
		t.Fatal(err)
	}
	died := r.memory.only(history.FDied)
	if len(died) != 1 || stats.Died != 1 || told != 2 {
		t.Fatalf("%d records, told of %d, statistics %+v", len(died), told, stats)
	}
	want := `{"node" "n2" "reason" "exit status 2" "lines" ["panic: no"]}`
	if got := died[0]; got.Value.String() != want || got.Process != history.Nemesis || got.Time != 1_500_000 {
		t.Errorf("%+v with %v, want %s", got, got.Value, want)
	}
}

// A harness that has lost its hold on a node ends the run, and what was
// recorded until then stays.
func TestLoopEndsWhenANodeIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(1, ok)
	lost := errors.New("lost the agent of n2")
	r.cluster.deaths = []world.Event{{Lost: lost, Time: 35e6}}
	r.Gen = gen.TimeLimit(time.Second, gen.Delay(10*time.Millisecond, reads()))
	stats, err := r.run()
	if !errors.Is(err, lost) {
		t.Errorf("ended with %v", err)
	}
	if stats.Started == 0 || stats.Started > 5 || stats.Records != len(r.memory.ops) || len(r.memory.ops) == 0 {
		t.Errorf("statistics %+v, %d records", stats, len(r.memory.ops))
	}
}

// When all clients are busy operations wait, and it is known how long.
func TestLoopMeasuresLateness(t *testing.T) {
	t.Parallel()
	r := newRig(1, func(env client.Env, op history.Op) history.Op {
		env.Sleep(35 * time.Millisecond)
		return client.OK(op, op.Value)
	})
	r.Gen = gen.TimeLimit(time.Second, gen.Delay(10*time.Millisecond, reads()))
	stats, err := r.run()
	if err != nil {
		t.Fatal(err)
	}
	// Operation k is due at 10k ms and begins at 35k ms; the last is number 28.
	want := LoopStats{
		Offered: 100, Started: 29, OK: 29, Records: 58,
		Late: 28, LateMax: 28 * 25 * time.Millisecond, LateSum: 28 * 29 / 2 * 25 * time.Millisecond, MaxQueue: 71,
	}
	if diff := cmp.Diff(want, stats); diff != "" {
		t.Error(diff)
	}
}

// What waits while the run is cut short counts as offered as well.
func TestLoopCountsWhatWaits(t *testing.T) {
	t.Parallel()
	r := newRig(1, func(env client.Env, op history.Op) history.Op {
		env.Sleep(35 * time.Millisecond)
		return client.OK(op, op.Value)
	})
	r.memory.full = 4 // two operations; at 70 ms the third begins and the eighth is due
	r.Gen = gen.Delay(10*time.Millisecond, reads())
	stats, err := r.run()
	if !errors.Is(err, errFull) || stats.Offered != 8 || stats.Started != 3 {
		t.Errorf("error %v, statistics %+v", err, stats)
	}
}

// A stopped process that goes on hours later has not stalled.
func TestWatchdogForgivesAStoppedProcess(t *testing.T) {
	t.Parallel()
	l := &loop{cfg: LoopConfig{Stall: time.Minute}}
	now := time.Unix(0, 0)
	w := watchdog{loop: l, every: 100 * time.Millisecond, last: now}
	if now = now.Add(time.Hour); w.look(now) {
		t.Error("it was not running, nor was the loop")
	}
	looks := 1
	for ; !w.look(now); looks++ {
		now = now.Add(100 * time.Millisecond)
	}
	if looks < 590 || looks > 610 {
		t.Errorf("it ends a loop that does nothing after %d looks in place of a minute", looks)
	}
}

// Cancelling starts nothing more and lets what is under way end.
func TestLoopCancelled(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	r := newRig(4, func(env client.Env, op history.Op) history.Op {
		env.Sleep(time.Millisecond)
		if op.Value.Equal(history.Int(10)) {
			cancel(cause)
			<-ctx.Done()
		}
		return client.OK(op, op.Value)
	})
	r.Gen = reads()
	stats, err := Loop(ctx, r.LoopConfig)
	if !errors.Is(err, cause) {
		t.Fatalf("error %v, want %v", err, cause)
	}
	calls, err := (&history.History{Ops: r.memory.ops}).Calls()
	if err != nil || calls[len(calls)-1].Complete == nil || stats.OK != stats.Started {
		t.Errorf("%v; last call %+v; statistics %+v", err, calls[len(calls)-1], stats)
	}
}

// When the disk is full, the loop ends and says so, and what was recorded
// before is there.
func TestLoopEndsWhenTheDiskIsFull(t *testing.T) {
	t.Parallel()
	for full := 1; full < 12; full++ {
		r := newRig(3, ok)
		r.memory.full = full
		r.Gen = gen.ClientsAndNemesis(reads(), gen.Delay(time.Millisecond, gen.Repeat(0, ops("fault"))))
		r.Nemesis = func(ctl world.Control, op history.Op, record func(history.Op)) history.Op {
			record(op)
			ctl.Sleep(time.Millisecond)
			return op
		}
		stats, err := r.run()
		if !errors.Is(err, errFull) || len(r.memory.ops) != full || stats.Records != full {
			t.Errorf("room for %d: error %v, %d records, statistics %+v", full, err, len(r.memory.ops), stats)
		}
	}
}

// misbehaving is a generator that answers whatever it is told to.
type misbehaving struct {
	next func(ctx *gen.Context) gen.Result
}

func (g *misbehaving) Next(ctx *gen.Context) (gen.Result, gen.Gen) { return g.next(ctx), g }
func (g *misbehaving) Update(*gen.Context, *history.Op) gen.Gen    { return g }
func ready(p history.Process, f string) func(*gen.Context) gen.Result {
	return func(ctx *gen.Context) gen.Result {
		return gen.Result{Kind: gen.Ready, Op: history.Op{Process: p, F: f, Time: ctx.Time}}
	}
}

func TestLoopRefusesBadGenerators(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		next func(ctx *gen.Context) gen.Result
		want string
	}{
		"two open on one process": {ready(0, "read"), "not free"},
		"a process of the future": {ready(2, "read"), "not free"},
		"a nemesis there is not":  {ready(history.Nemesis, "kill"), "not free"},
		"an operation unnamed":    {ready(0, ""), "without a name"},
		"pending until now":       {func(ctx *gen.Context) gen.Result { return gen.Wait(ctx.Time) }, "not later"},
		"pending for ever":        {func(*gen.Context) gen.Result { return gen.Wait(gen.Never) }, gen.ErrStuck.Error()},
		"a panic":                 {func(*gen.Context) gen.Result { panic("oops") }, "panic in the scheduler: oops"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(2, ok)
			r.Gen = &misbehaving{c.next}
			_, err := r.run()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestLoopRefusesEventsOfIdleWorkers(t *testing.T) {
	t.Parallel()
	r := newRig(2, ok)
	r.cluster.deaths = []world.Event{{Worker: 1, Op: history.Op{F: "read"}}}
	r.Gen = gen.At(1000, ops("read"))
	if _, err := r.run(); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Errorf("error %v", err)
	}
}

func TestLoopConfigIsChecked(t *testing.T) {
	t.Parallel()
	r := newRig(0, ok)
	r.Gen = reads()
	if _, err := r.run(); err == nil || !strings.Contains(err.Error(), "0 and 3") {
		t.Errorf("no clients: error %v", err)
	}
	if _, err := Loop(t.Context(), LoopConfig{}); err == nil {
		t.Error("an empty configuration is taken")
	}
}

// A client that never returns is named, with the stacks.
func TestLoopWatchdogNamesWhatIsOpen(t *testing.T) {
	t.Parallel()
	c, release := newRealCluster(), make(chan struct{})
	_, err := Loop(t.Context(), LoopConfig{
		Cluster: c, Recorder: &memory{}, Clients: 1, Nodes: 1, Gen: ops("hang"), Stall: 30 * time.Millisecond,
		NewClient: func(history.Process, int) client.Client {
			return &fakeClient{do: func(_ client.Env, op history.Op) history.Op { <-release; return op }}
		},
	})
	close(release)
	c.running.Wait()
	var stall *StallError
	if !errors.As(err, &stall) || len(stall.Open) != 1 || stall.Open[0].F != "hang" || !strings.Contains(err.Error(), "hang of process 0") {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(stall.Stacks, "TestLoopWatchdogNamesWhatIsOpen") {
		t.Errorf("the stacks do not show where it hangs:\n%s", stall.Stacks)
	}
}

// A world, or a client in the simulator, that blocks the scheduler itself does
// not block the run; and it can record nothing when it comes back.
func TestLoopWatchdogSurvivesABlockedScheduler(t *testing.T) {
	t.Parallel()
	release, back := make(chan struct{}), make(chan struct{})
	r := newRig(1, func(env client.Env, op history.Op) history.Op { return op })
	r.Stall = 20 * time.Millisecond
	r.Gen = &misbehaving{func(ctx *gen.Context) gen.Result {
		<-release
		defer close(back)
		return ready(0, "late")(ctx)
	}}
	_, err := r.run()
	close(release)
	<-back
	var stall *StallError
	if !errors.As(err, &stall) || len(stall.Open) != 0 || !strings.Contains(err.Error(), "itself is stuck") {
		t.Errorf("error %v", err)
	}
	if len(r.memory.ops) != 0 {
		t.Errorf("recorded after the end: %+v", r.memory.ops)
	}
}

// Waiting is no stall, as long as nothing is under way.
func TestLoopWatchdogLetsGeneratorsWait(t *testing.T) {
	t.Parallel()
	_, err := Loop(t.Context(), LoopConfig{
		Cluster: newRealCluster(), Recorder: &memory{}, Clients: 1, Nodes: 1, Stall: 250 * time.Millisecond,
		Gen:       gen.Sleep(600 * time.Millisecond),
		NewClient: func(history.Process, int) client.Client { return &fakeClient{} },
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLoopReportsProgress(t *testing.T) {
	t.Parallel()
	var once sync.Once
	told := make(chan LoopStats, 1)
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(3, ok)
	r.Gen = reads()
	r.Progress = func(s LoopStats) { once.Do(func() { told <- s; cancel() }) }
	if _, err := Loop(ctx, r.LoopConfig); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s := <-told; s.Offered < s.Started || s.Records < int(s.Started) {
		t.Errorf("statistics do not fit together: %+v", s)
	}
}

// An operation that the world gave up on keeps its client; the next one gets
// another. Each client is closed once, when it is not in use.
func TestSeatOfAnAbandonedOperation(t *testing.T) {
	t.Parallel()
	release, entered := make(chan struct{}), make(chan struct{})
	closed := make(chan history.Process, 3)
	s := newSeat(func(p history.Process, _ int) client.Client {
		return &fakeClient{process: p, closed: func(p history.Process) { closed <- p },
			do: func(_ client.Env, op history.Op) history.Op {
				if p == 0 {
					close(entered)
					<-release
				}
				op.Type, op.Process = history.OK, p
				return op
			}}
	}, 0, 0)
	done := make(chan history.Op)
	go func() { done <- s.do(nil, history.Op{}) }()
	<-entered
	s.replace(4)
	if op := s.do(nil, history.Op{}); op.Process != 4 {
		t.Errorf("the next operation is done by the client of process %v", op.Process)
	}
	if len(closed) != 0 {
		t.Error("a client was closed while it was in use")
	}
	close(release)
	<-done
	if p := <-closed; p != 0 {
		t.Errorf("the client of process %v was closed", p)
	}
	s.retire()
	s.retire()
	if p := <-closed; p != 4 || len(closed) != 0 {
		t.Errorf("the client of process %v was closed, and %d more", p, len(closed))
	}
}
