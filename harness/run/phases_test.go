package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis"
)

// asked is a cluster of which only the status is asked for. It is ready after
// some time.
type asked struct {
	world.Control
	now     time.Duration
	status  func(now time.Duration, node int) (actor.Status, error)
	dead    []int
	queries int
}

func (c *asked) Nodes() int            { return 3 }
func (c *asked) Now() time.Duration    { return c.now }
func (c *asked) Sleep(d time.Duration) { c.now += d }

func (c *asked) Status(node int) (actor.Status, error) {
	c.queries++
	return c.status(c.now, node)
}

func (c *asked) Process(node int) (world.Process, error) {
	if slices.Contains(c.dead, node) {
		return world.Process{State: "dead"}, nil
	}
	return world.Process{State: "running"}, nil
}

func readyAt(at ...time.Duration) func(time.Duration, int) (actor.Status, error) {
	return func(now time.Duration, node int) (actor.Status, error) {
		return actor.Status{Ready: now >= at[node], Role: "follower"}, nil
	}
}

func TestWaitReady(t *testing.T) {
	t.Parallel()
	c := &asked{status: readyAt(0, 2*time.Second, time.Second)}
	if err := waitReady(c); err != nil || c.now != 2*time.Second {
		t.Errorf("ready at %v: %v", c.now, err)
	}
	c = &asked{status: readyAt(0, time.Hour, time.Second)}
	err := waitReady(c)
	if err == nil || !strings.Contains(err.Error(), `n2 is not ready, its role is "follower"`) || strings.Contains(err.Error(), "n3") {
		t.Errorf("after %v: %v", c.now, err)
	}
	if c.now < readyWithin || c.now > readyWithin+time.Second {
		t.Errorf("gave up after %v", c.now)
	}
	c = &asked{status: func(_ time.Duration, node int) (actor.Status, error) {
		return actor.Status{Ready: true}, map[int]error{1: errors.New("it is dead")}[node]
	}}
	if err := waitReady(c); err == nil || err.Error() != "n2 does not answer: it is dead" {
		t.Errorf("a node that does not answer: %v", err)
	}
}

// A cluster has recovered when all nodes are ready and hold the same.
func TestObserveRecovery(t *testing.T) {
	t.Parallel()
	agreeAt := func(at time.Duration) *asked {
		return &asked{status: func(now time.Duration, node int) (actor.Status, error) {
			digest := "same"
			if now < at {
				digest = fmt.Sprint("of ", node)
			}
			shards := map[string]string{"s1": "x", "s2": digest}
			if node == 2 {
				delete(shards, "s1") // not every node holds every shard
			}
			return actor.Status{Ready: true, Digests: shards}, nil
		}}
	}
	c := agreeAt(3 * time.Second)
	op := observeRecovery(c, history.Op{F: history.FReplicas})
	if op.Error != "" || c.now != 3*time.Second {
		t.Errorf("at %v: %q", c.now, op.Error)
	}
	want := `{"n1" {"s1" "x" "s2" "same"} "n2" {"s1" "x" "s2" "same"} "n3" {"s2" "same"}}`
	if got := op.Value.String(); got != want {
		t.Errorf("replicas: %s\nwant      %s", got, want)
	}
	c = agreeAt(time.Hour)
	op = observeRecovery(c, history.Op{F: history.FReplicas})
	if want := "no recovery within 30s: n1 and n2 differ in shard s2"; op.Error != want {
		t.Errorf("error %q, want %q", op.Error, want)
	}
	if got := op.Value.Get("n3").Get("s2").Text(); got != "of 2" {
		t.Errorf("the cluster is described as %v", op.Value)
	}
}

// A node that does not answer, or holds nothing, is no replica.
func TestReplicasLeavesOutTheDead(t *testing.T) {
	t.Parallel()
	c := &asked{status: func(_ time.Duration, node int) (actor.Status, error) {
		if node == 1 {
			return actor.Status{}, errors.New("dead")
		}
		return actor.Status{Ready: true, Digests: map[string]string{"all": "x"}}, nil
	}}
	op := observeRecovery(c, history.Op{})
	if got, want := op.Value.String(), `{"n1" {"all" "x"} "n3" {"all" "x"}}`; got != want {
		t.Errorf("replicas: %s, want %s", got, want)
	}
	if strings.Contains(op.Error, "\n") || c.now < recoverWithin {
		t.Errorf("an error of several lines, or soon after %v: %q", c.now, op.Error)
	}
	c.now, c.dead = 0, []int{1}
	op = observeRecovery(c, history.Op{})
	if want := "no recovery within 0s: n2 does not answer: dead"; op.Error != want || c.now != 0 {
		t.Errorf("waited %v for a node that is dead: %q", c.now, op.Error)
	}
}

// simulated runs a generator with operations that take a while.
func simulated(t *testing.T, g gen.Gen, clients int, takes time.Duration) []history.Op {
	t.Helper()
	r := newRig(clients, ok)
	r.Gen = g
	r.Nemesis = func(ctl world.Control, op history.Op, _ func(history.Op)) history.Op {
		ctl.Sleep(takes)
		return op
	}
	if _, err := r.run(); err != nil {
		t.Fatal(err)
	}
	return r.memory.ops
}

// Steps are taken at their times, counted from when the timetable was first
// asked; one that is due while another is being taken follows at once.
func TestTimetable(t *testing.T) {
	t.Parallel()
	steps := []nemesis.Step{
		{At: time.Second, ID: 1, Kind: "kill"}, {At: 1100 * time.Millisecond, ID: 2, Kind: "pause"},
		{At: 3 * time.Second, ID: 1, Kind: "kill", Heal: true},
	}
	g := gen.Phases(gen.OnNemesis(gen.Sleep(time.Minute)), gen.OnNemesis(timetableOf(steps)))
	var got []string
	for i, op := range simulated(t, g, 1, 300*time.Millisecond) {
		if i%2 == 0 { // each step begins and ends
			got = append(got, fmt.Sprintf("%v %s %s", time.Duration(op.Time), op.Value.Get("step").Text(), op.Value.Get("kind").Text()))
		}
	}
	want := []string{"1m1s inject kill", "1m1.3s inject pause", "1m3s heal kill"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInterruptible(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	reads := gen.Delay(time.Second, gen.Repeat(0, gen.Ops(history.Op{F: "read"})))
	g := gen.Gen(&interruptible{ctx: ctx, gen: reads})
	r := newRig(1, ok)
	r.Gen = gen.Phases(g, gen.OnClients(gen.Ops(history.Op{F: "last"})))
	r.cluster.started = func(op history.Op) {
		if r.cluster.now >= int64(5*time.Second) {
			cancel()
		}
	}
	if _, err := r.run(); err != nil {
		t.Fatal(err)
	}
	fs := r.memory.fs()
	if n := len(r.memory.only("read")); n != 12 || !slices.Equal(fs[12:], []string{"0 invoke last", "0 ok last"}) {
		t.Errorf("%d records of reads, then %v", n, fs[min(n, len(fs)):])
	}
}

// A recording is followed at its own times; clients that are still busy are
// waited for, and a cluster that was ready later shifts it all.
func TestScriptFollowsTimes(t *testing.T) {
	t.Parallel()
	at := func(ms int64, thread history.Process) history.Op {
		return history.Op{Time: ms * int64(time.Millisecond), Process: thread, Type: history.Invoke, F: "read"}
	}
	ops := []history.Op{at(100, 0), at(100, 1), at(200, 2), at(200, 6), at(201, 0)}
	for _, late := range []int64{0, 40, 1000} {
		script := &script{ops: ops, first: ops[0].Time, end: 500 * int64(time.Millisecond), clients: 4}
		g := gen.Phases(gen.OnClients(gen.Sleep(time.Duration(late)*time.Millisecond)), gen.OnClients(script),
			gen.OnNemesis(gen.Ops(history.Op{F: "end"})))
		if late == 0 {
			g = gen.Phases(gen.OnClients(script), gen.OnNemesis(gen.Ops(history.Op{F: "end"})))
		}
		shift := max(0, late-100)
		var got []string
		for _, op := range simulated(t, g, 4, 0) {
			if op.Type == history.Invoke || op.F == "end" {
				got = append(got, fmt.Sprintf("%d %v %s", op.Time/int64(time.Millisecond)-shift, op.Process, op.F))
			}
		}
		want := []string{"100 0 read", "100 1 read", "200 2 read", "201 2 read", "201 0 read", "500 nemesis end", "500 nemesis end"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("asked %d ms after the start: %s", late, diff)
		}
	}
}
