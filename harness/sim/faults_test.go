package sim_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// chatter boots nodes that note the messages they get, and that send to each
// other node what a request says.
func chatter(heard *[]string) actor.Boot {
	return func(env actor.Env) actor.Node {
		return &puppet{
			serve: func(req actor.RequestID, body []byte) {
				for to := range actor.NodeID(env.Nodes()) {
					if to != env.Self() {
						env.Send(to, body)
					}
				}
				env.Reply(req, body)
			},
			receive: func(from actor.NodeID, msg []byte) {
				*heard = append(*heard, fmt.Sprintf("%v→%v %s", from, env.Self(), msg))
			},
		}
	}
}

// settle lets a tenth of a second pass.
func settle(c *sim.Cluster) { c.Next(c.Now() + 100*ms) }

func wantHeard(t *testing.T, heard *[]string, want ...string) {
	t.Helper()
	slices.Sort(*heard)
	if !slices.Equal(*heard, want) {
		t.Errorf("heard %q, want %q", *heard, want)
	}
	*heard = nil
}

// A cut is one way, is seen by probes, and counts what it drops of the
// target's. A probe is not counted.
func TestCut(t *testing.T) {
	t.Parallel()
	var heard []string
	c := deploy(t, sim.Config{}, 1, 3, chatter(&heard))
	links := []world.Link{{From: 0, To: 1}, {From: 1, To: 0}, {From: 2, To: 1}, {From: world.Clients, To: 1}, {From: 1, To: world.Clients}}
	probe := func(want ...bool) {
		t.Helper()
		do(t, c, func(ctl world.Control) error {
			got, err := ctl.Probe(links)
			if !slices.Equal(got, want) {
				t.Errorf("probes arrived: %v, want %v", got, want)
			}
			return err
		})
	}
	probe(true, true, true, true, true)
	do(t, c, func(ctl world.Control) error { return ctl.Cut(links[:1]) })
	probe(false, true, true, true, true)
	echoes(t, c, 0, "a")
	echoes(t, c, 1, "b")
	settle(c)
	wantHeard(t, &heard, "n1→n3 a", "n2→n1 b", "n2→n3 b")

	do(t, c, func(ctl world.Control) error { return ctl.Cut(links[2:3]) }) // and not the one before
	probe(true, true, false, true, true)
	echoes(t, c, 2, "c")
	settle(c)
	wantHeard(t, &heard, "n3→n1 c")

	do(t, c, func(ctl world.Control) error {
		dropped, err := ctl.Dropped()
		if len(dropped) != 2 || dropped[links[0]] != 1 || dropped[links[2]] != 1 {
			t.Errorf("dropped %v, want one packet on each of the links that were cut", dropped)
		}
		return errors.Join(err, ctl.Cut(nil))
	})
	probe(true, true, true, true, true)
}

// A cut kills what is under way: a message that was sent before or during the
// cut arrives neither then nor after it.
func TestCutInFlight(t *testing.T) {
	t.Parallel()
	var heard []string
	slow := sim.Config{Net: sim.Net{Link: sim.Latency{Base: 20 * time.Millisecond}}}
	c := deploy(t, slow, 1, 2, chatter(&heard))
	echoes(t, c, 0, "late")
	link := world.Link{From: 0, To: 1}
	do(t, c, func(ctl world.Control) error {
		if err := ctl.Cut([]world.Link{link}); err != nil {
			return err
		}
		if dropped, err := ctl.Dropped(); len(dropped) != 0 || err != nil {
			t.Errorf("dropped %v before anything arrived, %v", dropped, err)
		}
		ctl.Sleep(30 * time.Millisecond)
		dropped, err := ctl.Dropped()
		if dropped[link] != 1 {
			t.Errorf("dropped %v", dropped)
		}
		return errors.Join(err, ctl.Cut(nil))
	})
	do(t, c, func(ctl world.Control) error { return ctl.Cut([]world.Link{link}) })
	echoes(t, c, 0, "early")
	do(t, c, func(ctl world.Control) error { return ctl.Cut(nil) }) // before it could arrive
	settle(c)
	wantHeard(t, &heard)
}

// A probe that is under way when its link is cut does not arrive either.
func TestCutProbeInFlight(t *testing.T) {
	t.Parallel()
	slow := sim.Config{Net: sim.Net{Link: sim.Latency{Base: 20 * time.Millisecond}}}
	c := deploy(t, slow, 1, 2, bootEcho)
	links := []world.Link{{From: 0, To: 1}}
	var arrived []bool
	c.Start(c.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
		var err error
		if arrived, err = ctl.Probe(links); err != nil {
			t.Error(err)
		}
		return op
	}), history.Op{})
	do(t, c, func(ctl world.Control) error { return ctl.Cut(links) })
	if _, ok := c.Next(c.Now() + second); !ok || !slices.Equal(arrived, []bool{false}) {
		t.Errorf("arrived: %v", arrived)
	}
}

// A client that is cut off gets no news, and gives up at its deadline: what it
// sent may have arrived. Of its own node it shares the side.
func TestCutOffClients(t *testing.T) {
	t.Parallel()
	for _, cut := range []struct {
		name string
		own  int
		link world.Link
		lost bool
	}{
		{"Request", 0, world.Link{From: world.Clients, To: 0}, true},
		{"Reply", 0, world.Link{From: 0, To: world.Clients}, true},
		{"OtherNode", 0, world.Link{From: world.Clients, To: 1}, false},
		{"RequestToOtherNode", 1, world.Link{From: 1, To: 0}, true},
		{"ReplyOfOtherNode", 1, world.Link{From: 0, To: 1}, true},
	} {
		t.Run(cut.name, func(t *testing.T) {
			t.Parallel()
			c := deploy(t, sim.Config{}, 1, 2, bootEcho)
			do(t, c, func(ctl world.Control) error { return ctl.Cut([]world.Link{cut.link}) })
			w := c.AddClient(cut.own, askFirst)
			op, took := finish(t, c, w, history.Op{Value: history.String("x")})
			if cut.lost && (op.Type != history.Info || op.Error != "timeout" || took != time.Second) {
				t.Errorf("ended as %v %q after %v, want a timeout after 1s", op.Type, op.Error, took)
			}
			if !cut.lost && op.Type != history.OK {
				t.Errorf("ended as %v %q", op.Type, op.Error)
			}
		})
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	var heard []string
	c := deploy(t, sim.Config{}, 1, 2, chatter(&heard))
	do(t, c, func(ctl world.Control) error { return errors.Join(ctl.Kill(1), ctl.Kill(1)) })
	echoes(t, c, 0, "to the dead")
	op, took := echoes(t, c, 1, "hello?")
	if op.Type != history.Fail || op.Error != "unavailable" || took > 10*time.Millisecond {
		t.Errorf("a request to a dead node ended as %v %q after %v", op.Type, op.Error, took)
	}
	settle(c)
	wantHeard(t, &heard)
	do(t, c, func(ctl world.Control) error {
		p, err := ctl.Process(1)
		if p.State != "dead" || p.PID != 0 || p.Starts != 1 || p.Refused != 2 {
			t.Errorf("process %+v, want a dead one that refused a message and a request", p)
		}
		if _, err := ctl.Status(1); err == nil || !strings.Contains(err.Error(), "dead") {
			t.Errorf("status of a dead node: %v", err)
		}
		if _, err := ctl.Clock(1); err == nil {
			t.Error("a dead node read its clock")
		}
		if err := ctl.Pause(1); err == nil {
			t.Error("a dead node was paused")
		}
		return errors.Join(err, ctl.Resume(1), ctl.Start(1), ctl.Start(1))
	})
	if op, _ := echoes(t, c, 1, "hello!"); op.Type != history.OK {
		t.Errorf("after the restart: %v %q", op.Type, op.Error)
	}
	do(t, c, func(ctl world.Control) error {
		p, err := ctl.Process(1)
		if p.State != "running" || p.Starts != 2 || p.Started == 0 || p.PID == 0 {
			t.Errorf("process %+v, want one that was started twice", p)
		}
		return err
	})
}

// mute is a node that never answers.
func mute(actor.Env) actor.Node { return &puppet{} }

// A node that is killed with a request in its hands, or in its socket while it
// was paused, breaks the connection: the client knows at once that it will
// never know.
func TestKillBreaksConnections(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} {
		c := deploy(t, sim.Config{}, 1, 1, mute)
		if paused {
			do(t, c, func(ctl world.Control) error { return ctl.Pause(0) })
		}
		w := c.AddClient(0, ask)
		began := c.Now()
		c.Start(w, history.Op{Value: history.String("x")})
		settle(c)
		do(t, c, func(ctl world.Control) error { return ctl.Kill(0) })
		e, ok := c.Next(forever)
		if took := time.Duration(e.Time - began); !ok || e.Op.Type != history.Info || e.Op.Error != "timeout" || took > 150*time.Millisecond {
			t.Errorf("paused %v: ended as %v %q after %v", paused, e.Op.Type, e.Op.Error, took)
		}
	}
}

// What reaches a paused node waits, in order, and so do its timers and disk.
func TestPause(t *testing.T) {
	t.Parallel()
	var story []string
	c := deploy(t, sim.Config{}, 1, 2, func(env actor.Env) actor.Node {
		tell := func(what string) {
			if env.Self() == 1 {
				story = append(story, what)
			}
		}
		return &puppet{
			serve: func(req actor.RequestID, body []byte) {
				tell(string(body))
				env.WakeAt(env.Mono() + 5*ms)
				env.Disk().Append("f", body, func(error) { tell("appended") })
				env.Send(1-env.Self(), body)
				env.Reply(req, body)
			},
			receive: func(_ actor.NodeID, msg []byte) { tell("message " + string(msg)) },
			wake:    func() { tell("woken") },
		}
	})
	echoes(t, c, 1, "before") // its disk operation, timer and answer are under way
	do(t, c, func(ctl world.Control) error { return ctl.Pause(1) })
	settle(c)
	quiet := len(story)
	for _, text := range []string{"m1", "m2", "m3"} {
		echoes(t, c, 0, text)
		settle(c)
	}
	op, took := echoes(t, c, 1, "r1")
	if op.Error != "timeout" || took != time.Second {
		t.Errorf("a request to a paused node ended as %v %q after %v", op.Type, op.Error, took)
	}
	do(t, c, func(ctl world.Control) error {
		p, err := ctl.Process(1)
		if p.State != "stopped" || p.Refused != 4 || len(story) != quiet {
			t.Errorf("process %+v, and it did %q", p, story[quiet:])
		}
		began := ctl.Now()
		if _, err := ctl.Status(1); err == nil || ctl.Now()-began != time.Second {
			t.Errorf("status of a paused node after %v: %v", ctl.Now()-began, err)
		}
		return errors.Join(err, ctl.Pause(1), ctl.Resume(1), ctl.Resume(1))
	})
	settle(c)
	want := []string{"before", "appended", "woken", "message m1", "message m2", "message m3", "r1", "appended", "woken"}
	if !slices.Equal(story, want) {
		t.Errorf("the node saw %q, want %q", story, want)
	}
}

// The buffer in which messages wait at a paused node has an end.
func TestPauseDropsWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	var heard []string
	c := deploy(t, sim.Config{Net: sim.Net{Buffer: 10}}, 1, 3, chatter(&heard))
	do(t, c, func(ctl world.Control) error { return ctl.Pause(2) })
	for _, text := range []string{"12345", "67890", "x"} {
		echoes(t, c, 0, text)
		settle(c)
	}
	echoes(t, c, 1, "other") // another sender has a buffer of its own
	settle(c)
	heard = nil
	do(t, c, func(ctl world.Control) error { return ctl.Resume(2) })
	settle(c)
	wantHeard(t, &heard, "n1→n3 12345", "n1→n3 67890", "n2→n3 other")
	do(t, c, func(ctl world.Control) error { return ctl.Pause(2) })
	echoes(t, c, 0, "still room")
	settle(c)
	heard = nil
	do(t, c, func(ctl world.Control) error { return ctl.Resume(2) })
	wantHeard(t, &heard, "n1→n3 still room")
}

// A timer that rang during a pause does not ring after it, if a message that
// waited as well has set it anew.
func TestPauseVoidsTimer(t *testing.T) {
	t.Parallel()
	var woken []int64
	c := deploy(t, sim.Config{}, 1, 2, func(env actor.Env) actor.Node {
		start := env.Mono()
		env.WakeAt(start + 50*ms)
		return &puppet{
			serve:   func(req actor.RequestID, body []byte) { env.Send(1-env.Self(), body); env.Reply(req, body) },
			receive: func(actor.NodeID, []byte) { env.WakeAt(start + second) },
			wake: func() {
				if env.Self() == 1 {
					woken = append(woken, env.Mono()-start)
				}
			},
		}
	})
	do(t, c, func(ctl world.Control) error { return ctl.Pause(1) })
	echoes(t, c, 0, "set it anew")
	settle(c)
	do(t, c, func(ctl world.Control) error { return ctl.Resume(1) })
	c.Next(5 * second)
	if !slices.Equal(woken, []int64{second}) {
		t.Errorf("woken at %v, want once after a second", woken)
	}
}

// Nothing of an earlier life reaches a process: no timer, and no completion of
// a disk operation.
func TestNewLife(t *testing.T) {
	t.Parallel()
	var story []string
	life := 0
	c := deploy(t, sim.Config{}, 1, 1, func(env actor.Env) actor.Node {
		life++
		mine := life
		tell := func(what string) { story = append(story, fmt.Sprintf("%s of life %d", what, mine)) }
		if life == 1 {
			env.WakeAt(env.Mono() + 20*ms)
			for range 50 {
				env.Disk().Sync("f", func(error) { tell("sync") })
			}
			return &puppet{wake: func() { tell("wake") }}
		}
		story = nil
		for range 5 {
			env.Disk().Sync("f", func(error) { tell("sync") })
		}
		return &puppet{wake: func() { tell("wake") }}
	})
	do(t, c, func(ctl world.Control) error { return errors.Join(ctl.Kill(0), ctl.Start(0)) })
	settle(c)
	if want := slices.Repeat([]string{"sync of life 2"}, 5); !slices.Equal(story, want) {
		t.Errorf("in its second life the node saw %q, want %q", story, want)
	}
}

// A question that waited at a paused node is answered when it is resumed.
func TestStatusOfResumed(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 1, bootEcho)
	w := c.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
		if s, err := ctl.Status(0); err != nil || !s.Ready {
			op.Error = fmt.Sprint(s, err)
		}
		return op
	})
	do(t, c, func(ctl world.Control) error { return ctl.Pause(0) })
	c.Start(w, history.Op{})
	settle(c)
	do(t, c, func(ctl world.Control) error { return ctl.Resume(0) })
	if e, ok := c.Next(c.Now() + 100*ms); !ok || e.Op.Error != "" {
		t.Errorf("the question came back: %v, with error %q", ok, e.Op.Error)
	}
}

// A clock fault moves the wall clock of one node, through a restart, and leaves
// the monotonic clock alone. The witness reads what the node reads.
func TestClock(t *testing.T) {
	t.Parallel()
	var wall, mono [2]int64
	c := deploy(t, sim.Config{}, 1, 2, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, body []byte) {
			wall[env.Self()], mono[env.Self()] = env.Wall(), env.Mono()
			env.Reply(req, body)
		}}
	})
	off := func(node int) (time.Duration, uint64) {
		t.Helper()
		var r world.ClockReading
		do(t, c, func(ctl world.Control) (err error) {
			r, err = ctl.Clock(node)
			return err
		})
		return time.Duration(r.Wall - r.True), r.Reads
	}
	wantOff := func(node int, want time.Duration, wantReads uint64) {
		t.Helper()
		got, reads := off(node)
		if d := got - want; max(d, -d) > 10*time.Millisecond || reads != wantReads {
			t.Errorf("the clock of n%d is off by %v after %d reads, want about %v and %d", node+1, got, reads, want, wantReads)
		}
	}
	echoes(t, c, 0, "x")
	before, monoBefore, began := wall[0], mono[0], c.Now()
	wantOff(0, 0, 1)
	do(t, c, func(ctl world.Control) error { return ctl.SetClock(0, -time.Hour, second/2) })
	wantOff(0, -time.Hour, 1)
	c.Next(c.Now() + 10*second)
	wantOff(0, -time.Hour+5*time.Second, 1)
	wantOff(1, 0, 0)
	echoes(t, c, 0, "x")
	passed := c.Now() - began
	if d := time.Duration(wall[0] - before - passed); d > -time.Hour+6*time.Second || d < -time.Hour+4*time.Second {
		t.Errorf("the node saw its clock move by %v more than it should", d)
	}
	if d := mono[0] - monoBefore - passed; max(d, -d) > ms {
		t.Errorf("the monotonic clock moved by %v more than it should", time.Duration(d))
	}
	do(t, c, func(ctl world.Control) error { return errors.Join(ctl.Kill(0), ctl.Start(0)) })
	wantOff(0, -time.Hour+5*time.Second, 0)
	do(t, c, func(ctl world.Control) error { return ctl.SetClock(0, 0, 0) })
	wantOff(0, 0, 0)
}

// A panic anywhere in the code of a node is the death of its process, with the
// place where it happened and nothing that differs from machine to machine.
func TestDied(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"boot", "receive", "serve", "wake", "disk", "status", "send"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			c := deploy(t, sim.Config{}, 1, 2, fragile(where))
			w := c.AddClient(0, ask)
			c.Start(w, history.Op{Value: history.String("x")})
			n := c.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
				if _, err := ctl.Status(0); err == nil && (where == "boot" || where == "status") {
					t.Error("a dead node has a status")
				}
				return op
			})
			c.Start(n, history.Op{})
			died := 0
			for e, ok := c.Next(5 * second); ok; e, ok = c.Next(5 * second) {
				if e.Died {
					died++
					checkDeath(t, where, e)
				}
			}
			if died != 1 {
				t.Errorf("%d nodes died", died)
			}
			do(t, c, func(ctl world.Control) error {
				p, err := ctl.Process(0)
				if p.State != "dead" {
					t.Errorf("process %+v", p)
				}
				return errors.Join(err, ctl.Start(0))
			})
		})
	}
}

func checkDeath(t *testing.T, where string, e world.Event) {
	t.Helper()
	cause := "panic: broken in " + where
	if where == "send" {
		cause = "panic: actor: n1 sends a message to 0: "
	}
	if e.Node != 0 || !strings.HasPrefix(e.Cause, cause) || !strings.Contains(e.Cause, "\n\tsim/faults_test.go:") {
		t.Errorf("n%d died of %q", e.Node+1, e.Cause)
	}
	if strings.Contains(e.Cause, "0x") || strings.Contains(e.Cause, "machine.go") || strings.Contains(e.Cause, "harness/") {
		t.Errorf("the cause tells too much: %q", e.Cause)
	}
	if len(e.Lines) < 3 || e.Lines[0] != "about to break" || !strings.HasPrefix(e.Lines[1], cause) {
		t.Errorf("last lines %q", e.Lines)
	}
}

// fragile boots nodes of which the first panics at the given place, once.
func fragile(where string) actor.Boot {
	var broken bool
	return func(env actor.Env) actor.Node {
		at := func(place string) {
			if where == place && env.Self() == 0 && !broken {
				broken = true
				env.Logf("about to %s", "break")
				if where == "send" {
					env.Send(0, nil)
				}
				panic("broken in " + place)
			}
		}
		at("boot")
		if env.Self() == 1 {
			env.Send(0, []byte("x"))
		}
		env.WakeAt(env.Mono() + ms)
		env.Disk().Append("f", nil, func(error) { at("disk") })
		return &puppet{
			receive: func(actor.NodeID, []byte) { at("receive"); at("send") },
			serve:   func(req actor.RequestID, body []byte) { at("serve"); env.Reply(req, body) },
			wake:    func() { at("wake") },
			status: func() actor.Status {
				at("status")
				return actor.Status{}
			},
		}
	}
}

// Links and nodes that do not exist are errors of the harness.
func TestControlRefuses(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 2, bootEcho)
	for _, l := range []world.Link{{From: 0, To: 2}, {From: -2, To: 0}, {From: 1, To: 1}} {
		if c.Do(func(ctl world.Control) error { return ctl.Cut([]world.Link{l}) }) == nil {
			t.Errorf("the link %v was cut", l)
		}
		if c.Do(func(ctl world.Control) error { _, err := ctl.Probe([]world.Link{l}); return err }) == nil {
			t.Errorf("the link %v was probed", l)
		}
	}
	for _, node := range []int{-1, 2} {
		if c.Do(func(ctl world.Control) error { return ctl.Kill(node) }) == nil {
			t.Errorf("node %d was killed", node)
		}
		if c.Do(func(ctl world.Control) error { _, err := ctl.Status(node); return err }) == nil {
			t.Errorf("node %d has a status", node)
		}
	}
	if c.Do(func(ctl world.Control) error { _, err := ctl.Disk(0); return err }) == nil {
		t.Error("there are canaries where the power never went")
	}
}

// Orders take time, as they do elsewhere.
func TestControlTakesTime(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 2, bootEcho)
	links := []world.Link{{From: 0, To: 1}}
	for name, order := range map[string]func(ctl world.Control) error{
		"cut":     func(ctl world.Control) error { return ctl.Cut(links) },
		"probe":   func(ctl world.Control) error { _, err := ctl.Probe(links); return err },
		"shape":   func(ctl world.Control) error { return ctl.Shape(links, world.Packets{}) },
		"shaped":  func(ctl world.Control) error { _, err := ctl.Shaped(); return err },
		"measure": func(ctl world.Control) error { _, err := ctl.Measure(links, world.Train{Packets: 1}); return err },
		"dropped": func(ctl world.Control) error { _, err := ctl.Dropped(); return err },
		"status":  func(ctl world.Control) error { _, err := ctl.Status(0); return err },
		"clock":   func(ctl world.Control) error { _, err := ctl.Clock(0); return err },
		"set":     func(ctl world.Control) error { return ctl.SetClock(0, 1, 1) },
		"pause":   func(ctl world.Control) error { return ctl.Pause(0) },
		"resume":  func(ctl world.Control) error { return ctl.Resume(0) },
		"power":   func(ctl world.Control) error { return ctl.PowerOff([]int{0}, world.Sag{}) },
		"disk":    func(ctl world.Control) error { _, err := ctl.Disk(0); return err },
		"start":   func(ctl world.Control) error { return ctl.Start(0) },
	} {
		began := c.Now()
		if err := c.Do(order); err != nil && name != "disk" && name != "status" && name != "clock" && name != "pause" {
			t.Errorf("%s: %v", name, err)
		}
		if c.Now()-began < 200_000 {
			t.Errorf("%s took %v", name, time.Duration(c.Now()-began))
		}
	}
}
