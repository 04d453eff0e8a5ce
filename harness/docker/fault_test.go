package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis/agent"
)

// One cluster goes through all faults, one after the other, and each is looked
// at from the outside as well: by what the nodes hear of each other, and by
// what clients get.
func TestFaults(t *testing.T) {
	t.Parallel()
	c := deployNodes(t, 3)
	untilReady(t, c)
	for _, f := range []struct {
		name string
		test func(*testing.T, *cluster)
	}{
		{"Partition", testPartition},
		{"ClientsCut", testClientsCut},
		{"Kill", testKill},
		{"Pause", testPause},
		{"Clock", testClock},
		{"Deaths", testDeaths},
		{"Logs", testLogs},
		{"Unsupported", testUnsupported},
		{"ContainerEnds", testContainerEnds}, // the last: it takes a node away
	} {
		if !t.Run(f.name, func(t *testing.T) { f.test(t, c) }) {
			return
		}
	}
}

// say makes a call that has to succeed soon.
func say(t *testing.T, c *cluster, node int, words string) string {
	t.Helper()
	var answer []byte
	eventually(t, func() (err error) {
		answer, err = call(c, node, words)
		return err
	})
	return string(answer)
}

func call(c *cluster, node int, words string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(c.ctx, 300*time.Millisecond)
	defer cancel()
	return c.members[node].conn.Call(ctx, []byte(words))
}

// heard returns how many messages a node has heard from another.
func heard(t *testing.T, c *cluster, at, from int) int {
	t.Helper()
	s := say(t, c, at, "heard")
	var counts []int
	if err := json.Unmarshal([]byte(s), &counts); err != nil {
		t.Fatal(err)
	}
	return counts[from]
}

// hears waits until a node has heard from another once more.
func hears(t *testing.T, c *cluster, at, from int) {
	t.Helper()
	before := heard(t, c, at, from)
	eventually(t, func() error {
		if heard(t, c, at, from) == before {
			return fmt.Errorf("n%d hears nothing of n%d", at+1, from+1)
		}
		return nil
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func probes(t *testing.T, c *cluster, links []world.Link, want ...bool) {
	t.Helper()
	got, err := (*control)(c).Probe(links)
	must(t, err)
	for i, l := range links {
		if got[i] != want[i] {
			t.Errorf("probe from %d to %d arrived: %v, want %v", l.From, l.To, got[i], want[i])
		}
	}
}

func testPartition(t *testing.T, c *cluster) {
	ctl := (*control)(c)
	hears(t, c, 0, 2)
	links := []world.Link{{From: 0, To: 2}, {From: 2, To: 0}, {From: 0, To: 1}, {From: 1, To: 2}}
	probes(t, c, links, true, true, true, true)
	must(t, ctl.Cut(links[:2]))
	probes(t, c, links, false, false, true, true)
	dropped := func(l world.Link) uint64 {
		d, err := ctl.Dropped()
		must(t, err)
		return d[l]
	}
	eventually(t, func() error {
		if dropped(links[0]) == 0 {
			return errors.New("no packet of the nodes' own was dropped")
		}
		return nil
	})
	before := heard(t, c, 0, 2)
	hears(t, c, 0, 1) // the others are heard while the cut one is not
	if after := heard(t, c, 0, 2); after != before {
		t.Errorf("n1 heard n3 %d times across the cut", after-before)
	}
	must(t, ctl.Cut(links[:1]))
	probes(t, c, links, false, true, true, true)
	must(t, ctl.Cut(nil))
	began := time.Now()
	hears(t, c, 0, 2)
	hears(t, c, 2, 0)
	t.Logf("n1 and n3 hear each other %v after the heal", time.Since(began))
	probes(t, c, links, true, true, true, true)
	if dropped(links[0]) == 0 {
		t.Error("the heal took the count of dropped packets with it")
	}
	if err := ctl.Cut([]world.Link{{From: 0, To: 7}}); err == nil {
		t.Error("cut a link to a node that is not there")
	}
}

func testClientsCut(t *testing.T, c *cluster) {
	ctl := (*control)(c)
	links := []world.Link{{From: world.Clients, To: 0}, {From: 0, To: world.Clients}, {From: world.Clients, To: 1}}
	probes(t, c, links, true, true, true)
	say(t, c, 0, "echo x")
	must(t, ctl.Cut(links[:2]))
	probes(t, c, links, false, false, true)
	if _, err := call(c, 0, "echo x"); !errors.Is(err, client.ErrTimeout) {
		t.Errorf("call on an open connection across the cut: %v, want a timeout", err)
	}
	eventually(t, func() error { // until the connection is given up
		if _, err := call(c, 0, "echo x"); !errors.Is(err, client.ErrUnavailable) {
			return fmt.Errorf("call across the cut: %w, want unavailable", err)
		}
		return nil
	})
	if _, err := ctl.Status(0); err != nil {
		t.Errorf("status goes past all cuts, but: %v", err)
	}
	must(t, ctl.Cut(links[1:2]))
	probes(t, c, links, true, false, true)
	must(t, ctl.Cut(nil))
	say(t, c, 0, "echo x")
}

func process(t *testing.T, c *cluster, node int) world.Process {
	t.Helper()
	p, err := (*control)(c).Process(node)
	must(t, err)
	return p
}

func testKill(t *testing.T, c *cluster) {
	ctl := (*control)(c)
	say(t, c, 1, "add")
	say(t, c, 1, "add")
	first := process(t, c, 1)
	if first.State != agent.Running || first.Starts != 1 || first.Started < 0 || first.Started > c.Now() {
		t.Errorf("process before: %+v", first)
	}
	must(t, ctl.Kill(1))
	if p := process(t, c, 1); p.State != agent.Dead {
		t.Errorf("process after the kill: %+v", p)
	}
	if _, err := call(c, 1, "add"); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("call of a dead node: %v, want unavailable", err)
	}
	if s, err := ctl.Status(1); err == nil {
		t.Errorf("a dead node has status %+v", s)
	}
	eventually(t, func() error {
		if p := process(t, c, 1); p.Refused == 0 {
			return errors.New("nothing met the dead node")
		}
		return nil
	})
	must(t, ctl.Start(1))
	if got := say(t, c, 1, "add"); got != "3" {
		t.Errorf("count after the restart is %s, want 3: what was synced survives", got)
	}
	if p := process(t, c, 1); p.State != agent.Running || p.Starts != 2 || p.Started <= first.Started {
		t.Errorf("process after the start: %+v, was %+v", p, first)
	}
	hears(t, c, 0, 1)
}

func testPause(t *testing.T, c *cluster) {
	ctl := (*control)(c)
	must(t, ctl.Pause(2))
	if p := process(t, c, 2); p.State != agent.Stopped {
		t.Errorf("process: %+v", p)
	}
	if _, err := call(c, 2, "echo x"); !errors.Is(err, client.ErrTimeout) {
		t.Errorf("call of a paused node: %v, want a timeout", err)
	}
	if s, err := ctl.Status(2); err == nil {
		t.Errorf("a paused node has status %+v", s)
	}
	must(t, ctl.Resume(2))
	say(t, c, 2, "echo x")
	hears(t, c, 0, 2)
	if p := process(t, c, 2); p.State != agent.Running || p.Refused == 0 {
		t.Errorf("process: %+v, want it running, and something refused", p)
	}
}

// skew returns how far a node's wall clock is off, as its process sees it.
func skew(t *testing.T, c *cluster, node int) time.Duration {
	t.Helper()
	var r world.ClockReading
	eventually(t, func() (err error) {
		r, err = (*control)(c).Clock(node)
		return err
	})
	return time.Duration(r.Wall - r.True)
}

func near(d, want time.Duration) bool { return (d - want).Abs() < 50*time.Millisecond }

func testClock(t *testing.T, c *cluster) {
	ctl := (*control)(c)
	if s := skew(t, c, 0); !near(s, 0) {
		t.Errorf("skew before: %v", s)
	}
	must(t, ctl.SetClock(0, time.Hour, 0))
	if s := skew(t, c, 0); !near(s, time.Hour) {
		t.Errorf("skew is %v, want an hour", s)
	}
	if s := skew(t, c, 1); !near(s, 0) {
		t.Errorf("another node's skew is %v", s)
	}
	before, err := ctl.Clock(0)
	must(t, err)
	say(t, c, 0, "wall")
	if after, err := ctl.Clock(0); err != nil || after.Reads != before.Reads+1 {
		t.Errorf("the actor read its clock once, counted are %d, then %d: %v", before.Reads, after.Reads, err)
	}
	must(t, ctl.Kill(0))
	must(t, ctl.Start(0))
	if s := skew(t, c, 0); !near(s, time.Hour) {
		t.Errorf("skew after a restart is %v, want an hour", s)
	}
	must(t, ctl.SetClock(0, -time.Minute, 0))
	if s := skew(t, c, 0); !near(s, -time.Minute) {
		t.Errorf("skew is %v, want minus a minute", s)
	}
	must(t, ctl.SetClock(0, 0, int64(time.Second))) // twice as fast
	eventually(t, func() error {
		if s := skew(t, c, 0); s < 100*time.Millisecond {
			return fmt.Errorf("the clock has gained %v", s)
		}
		return nil
	})
	must(t, ctl.SetClock(0, 0, 0))
	if s := skew(t, c, 0); !near(s, 0) {
		t.Errorf("skew after: %v", s)
	}
}

// nextDeath waits for the news that a node died by itself.
func nextDeath(t *testing.T, c *cluster) world.Event {
	t.Helper()
	for {
		if e := next(t, c); e.Died {
			return e
		}
	}
}

func testDeaths(t *testing.T, c *cluster) {
	if e, ok := c.Next(c.Now()); ok {
		t.Fatalf("a death that the test did not cause: %+v", e)
	}
	w := c.AddClient(1, func(env client.Env, op history.Op) history.Op {
		_, err := env.Call(env.Node(), []byte(op.F))
		return client.Broken(op, err, false)
	})
	for _, d := range []struct{ words, cause, line string }{
		{"die", "exit status 7", "told to die"},
		{"panic", "exit status 2", "panic: told to"},
	} {
		c.Start(w, history.Op{F: d.words})
		e := nextDeath(t, c)
		if e.Node != 1 || e.Cause != d.cause || !strings.Contains(strings.Join(e.Lines, "\n"), d.line) {
			t.Errorf("death by %s: node %d, %s, lines %q", d.words, e.Node, e.Cause, e.Lines)
		}
		must(t, c.Do(func(ctl world.Control) error { return ctl.Start(1) }))
		say(t, c, 1, "echo x")
		for { // the operation that caused it
			if e, ok := c.Next(c.Now()); !ok || e.Op.Type == history.Info {
				break
			}
		}
	}
}

func testLogs(t *testing.T, c *cluster) {
	lines, err := c.Logs(t.Context())
	must(t, err)
	again, err := c.Logs(t.Context())
	must(t, err)
	if len(again) != len(lines) {
		t.Errorf("%d lines, then %d, though nothing happened", len(lines), len(again))
	}
	var boots, panics int
	for i, l := range lines {
		boots += strings.Count(l.Text, "booted as n")
		panics += strings.Count(l.Text, "panic: told to")
		if l.Time < 0 || l.Time > c.Now() {
			t.Errorf("line at %d, now is %d: %s", l.Time, c.Now(), l.Text)
		}
		if i > 0 && lines[i-1].Node == l.Node && lines[i-1].Time > l.Time {
			t.Errorf("lines out of order: %+v, %+v", lines[i-1], l)
		}
	}
	if boots != 3+4 || panics != 1 {
		t.Errorf("%d lines of a start, want 7; %d of a panic, want 1: %v", boots, panics, lines)
	}
}

func testUnsupported(t *testing.T, c *cluster) {
	ctl := (*control)(c)
	if err := ctl.PowerOff([]int{0}, world.Sag{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("power off: %v", err)
	}
	if _, err := ctl.Disk(0); !errors.Is(err, ErrUnsupported) {
		t.Errorf("canaries: %v", err)
	}
	if err := ctl.Kill(9); err == nil {
		t.Error("killed a node that is not there")
	}
}

// A container that ends is the death of a node, and its log is still there.
func testContainerEnds(t *testing.T, c *cluster) {
	must(t, c.engine.api.ContainerKill(t.Context(), c.members[2].container, "KILL"))
	if e := nextDeath(t, c); e.Node != 2 || !strings.Contains(e.Cause, "container of the node ended: exit status 137") {
		t.Errorf("death: %+v", e)
	}
	if err := (*control)(c).Kill(2); !errors.Is(err, agent.ErrClosed) {
		t.Errorf("kill of a node without an agent: %v", err)
	}
	c.members[2].logs = nodeLog{}
	lines, err := c.Logs(t.Context())
	must(t, err)
	if !slices.ContainsFunc(lines, func(l world.LogLine) bool { return l.Text == "booted as n3 of 3" }) {
		t.Errorf("the log of the container that ended is not among these lines: %v", lines)
	}
}
