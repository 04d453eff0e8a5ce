package sim_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// How operations end, whatever a client does.
func TestEndings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		do    func(env client.Env, op history.Op) history.Op
		typ   history.Type
		error string
		took  time.Duration
	}{
		{"AtOnce", func(_ client.Env, op history.Op) history.Op { return client.OK(op, op.Value) }, history.OK, "", 0},
		{"Sleeps", func(env client.Env, op history.Op) history.Op {
			env.Sleep(250 * time.Millisecond)
			return client.Fail(op, "tired")
		}, history.Fail, "tired", 250 * time.Millisecond},
		{"NobodyAnswers", ask, history.Info, "timeout", time.Second},
		{"CallsAfterDeadline", func(env client.Env, op history.Op) history.Op {
			_, first := env.Call(0, nil)
			_, second := env.Call(0, nil)
			return client.Info(op, fmt.Sprint(first, second))
		}, history.Info, "timeout timeout", time.Second + time.Millisecond},
		{"CallsForEver", func(env client.Env, _ history.Op) history.Op {
			for {
				_, _ = env.Call(0, nil)
			}
		}, history.Info, abandoned, 1100 * time.Millisecond},
		{"SleepsForEver", func(env client.Env, _ history.Op) history.Op {
			for {
				env.Sleep(0)
			}
		}, history.Info, abandoned, 1100 * time.Millisecond},
		{"SleepsTooLong", func(env client.Env, op history.Op) history.Op {
			env.Sleep(time.Hour)
			return op
		}, history.Info, abandoned, 1100 * time.Millisecond},
		{"Stubborn", func(env client.Env, op history.Op) history.Op {
			defer func() {
				_ = recover()
				_, _ = env.Call(0, nil)
			}()
			env.Sleep(time.Hour)
			return op
		}, history.Info, abandoned, 1100 * time.Millisecond},
		{"Panics", func(env client.Env, _ history.Op) history.Op {
			env.Sleep(time.Millisecond)
			panic("what now")
		}, history.Info, "panic: what now", time.Millisecond},
		{"NoSuchNode", func(env client.Env, op history.Op) history.Op {
			_, _ = env.Call(7, nil)
			return op
		}, history.Info, "panic: client calls node 7: the nodes of this cluster are 0 to 0", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := deploy(t, sim.Config{}, 1, 1, mute)
			w := cluster.AddClient(0, c.do)
			for range 2 { // the worker must be as good as new
				op, took := finish(t, cluster, w, history.Op{Process: 3, F: "read", Value: history.String("v")})
				if op.Type != c.typ || op.Error != c.error || took != c.took {
					t.Errorf("ended as %v %q after %v, want %v %q after %v", op.Type, op.Error, took, c.typ, c.error, c.took)
				}
				if op.Process != 3 || op.F != "read" || op.Value.Text() != "v" {
					t.Errorf("the operation came back altered: %+v", op)
				}
			}
		})
	}
}

const abandoned = "abandoned: the client did not come back after its deadline"

// The stack of a client that panicked is in the log, and not in the history.
func TestPanicOfClientIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := deploySpec(t, sim.Config{}, world.Spec{
		Nodes: 1, Boot: mute, Choices: choice.New(1), Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	w := c.AddClient(0, func(client.Env, history.Op) history.Op { panic("what now") })
	op, _ := finish(t, c, w, history.Op{})
	if strings.Contains(op.Error, "worker_test.go") || !strings.Contains(log.String(), "worker_test.go") {
		t.Errorf("error %q, log %q", op.Error, log.String())
	}
}

// A reply that comes after the deadline of its operation is dropped, even when
// the client has a new operation under way.
func TestLateReply(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 1, func(env actor.Env) actor.Node {
		var waiting []actor.RequestID
		return &puppet{
			serve: func(req actor.RequestID, _ []byte) {
				if waiting = append(waiting, req); len(waiting) == 1 {
					env.WakeAt(env.Mono() + 1500*ms)
				}
			},
			wake: func() {
				for i, req := range waiting {
					env.Reply(req, fmt.Appendf(nil, "answer %d", i))
				}
			},
		}
	})
	w := c.AddClient(0, ask)
	if op, _ := finish(t, c, w, history.Op{}); op.Error != "timeout" {
		t.Fatalf("first operation: %+v", op)
	}
	c.Next(c.Now() + 450*ms)
	if op, _ := finish(t, c, w, history.Op{}); op.Type != history.OK || op.Value.Text() != "answer 1" {
		t.Errorf("second operation: %+v", op)
	}
}

// Nothing happens by itself, but time passes.
func TestTimePasses(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 1, mute)
	if e, ok := c.Next(5 * second); ok || c.Now() != 5*second {
		t.Errorf("at %d came %v", c.Now(), e)
	}
	if c.Next(second); c.Now() != 5*second {
		t.Errorf("time went back to %d", c.Now())
	}
}

// Do runs while the cluster goes on, and what happens meanwhile is kept.
func TestDo(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 1, bootEcho)
	w := c.AddClient(0, ask)
	c.Start(w, history.Op{Value: history.String("x")})
	do(t, c, func(ctl world.Control) error {
		ctl.Sleep(time.Minute)
		return nil
	})
	if c.Now() != 60*second {
		t.Errorf("it took %v", time.Duration(c.Now()))
	}
	if e, ok := c.Next(c.Now()); !ok || e.Op.Type != history.OK || e.Time > second {
		t.Errorf("the operation came back as %+v", e)
	}
	sad := errors.New("sad")
	if err := c.Do(func(world.Control) error { return sad }); !errors.Is(err, sad) {
		t.Errorf("error %v", err)
	}
	if err := c.Do(func(world.Control) error { panic("mad") }); err == nil || err.Error() != "panic: mad" {
		t.Errorf("error %v", err)
	}
	if e, ok := c.Next(c.Now() + second); ok {
		t.Errorf("Do left an event behind: %v", e)
	}
}

// Close ends workers wherever they are, and lets them clean up.
func TestCloseUnwindsWorkers(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 1, mute)
	unwound := 0
	for range 3 {
		c.Start(c.AddClient(0, func(env client.Env, op history.Op) history.Op {
			defer func() { unwound++ }()
			return ask(env, op)
		}), history.Op{})
	}
	c.AddClient(0, ask) // one that never did anything
	settle(c)
	for range 2 {
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if unwound != 3 {
		t.Errorf("%d of 3 workers were unwound", unwound)
	}
}

// What cannot be deployed is said in one line, with what to do.
func TestDeployRefuses(t *testing.T) {
	t.Parallel()
	good := world.Spec{Nodes: 1, Boot: mute}
	for want, c := range map[string]struct {
		cfg  sim.Config
		spec world.Spec
	}{
		"a cluster of 0 nodes":      {spec: world.Spec{Boot: mute}},
		"a cluster of 1025 nodes":   {spec: world.Spec{Nodes: 1025, Boot: mute}},
		"no Boot":                   {spec: world.Spec{Nodes: 1}},
		"op timeout -1s":            {spec: world.Spec{Nodes: 1, Boot: mute, OpTimeout: -time.Second}},
		"latency -1ns + 0s":         {sim.Config{Net: sim.Net{Link: sim.Latency{Base: -1}}}, good},
		"counts in a million":       {sim.Config{Net: sim.Net{Loss: 1_000_001}}, good},
		"skew must not be negative": {sim.Config{Skew: -1}, good},
	} {
		_, err := sim.New(c.cfg).Deploy(t.Context(), c.spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
}

func TestSupport(t *testing.T) {
	t.Parallel()
	w := sim.New(sim.Config{})
	for _, c := range []world.Capability{world.Partition, world.Kill, world.Pause, world.Clock, world.Power, world.Packet} {
		if err := w.Support(t.Context(), c); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
	if err := w.Support(t.Context(), "locusts"); err == nil || !strings.Contains(err.Error(), "locusts") {
		t.Errorf("got %v", err)
	}
}

// A rough network loses, doubles and delays about as many messages as it was
// told to, and no more than that of probes and calls.
func TestRoughNetwork(t *testing.T) {
	t.Parallel()
	var heard []string
	cfg := sim.Config{Net: sim.Net{Loss: 100_000, Dup: 100_000, Delay: 100_000, DelayBy: time.Second}}
	c := deploy(t, cfg, 1, 2, chatter(&heard))
	const sent = 2000
	w, slow := c.AddClient(0, ask), 0
	for i := range sent {
		op, took := finish(t, c, w, history.Op{Value: history.String(fmt.Sprint(i))})
		if op.Type != history.OK {
			t.Fatalf("call %d ended as %+v", i, op)
		}
		if took >= 200*time.Millisecond {
			slow++
		}
	}
	c.Next(c.Now() + 2*second)
	count := map[string]int{}
	for _, text := range heard {
		count[text]++
	}
	twice := len(heard) - len(count)
	for what, n := range map[string]int{"lost": sent - len(count), "twice": twice, "slow calls": slow / 2} {
		if n < sent*7/100 || n > sent*13/100 {
			t.Errorf("%s: %d of %d", what, n, sent)
		}
	}
	links := []world.Link{{From: 0, To: 1}}
	do(t, c, func(ctl world.Control) error {
		arrived := 0
		for range 200 {
			got, err := ctl.Probe(links)
			if err != nil {
				return err
			}
			if got[0] {
				arrived++
			}
		}
		if arrived < 195 {
			t.Errorf("%d of 200 probes arrived", arrived)
		}
		return nil
	})
}

// Log lines come with the time and the node.
func TestLogs(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 2, func(env actor.Env) actor.Node {
		env.WakeAt(env.Mono() + 5*ms)
		return &puppet{wake: func() { env.Logf("woken as %v", env.Self()) }}
	})
	settle(c)
	lines, err := c.Logs(t.Context())
	want := []world.LogLine{{Time: 5 * ms, Node: 0, Text: "woken as n1"}, {Time: 5 * ms, Node: 1, Text: "woken as n2"}}
	if err != nil || fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("got %v, %v", lines, err)
	}
}
