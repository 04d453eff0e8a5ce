package sim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

var (
	firstLink  = world.Link{From: 0, To: 1}
	secondLink = world.Link{From: 0, To: 2}
)

// train measures two links, of which the first is shaped.
func train(t *testing.T, p world.Packets, wait time.Duration) (hit, control world.Passage, c *sim.Cluster) {
	t.Helper()
	c = deploy(t, sim.Config{}, 1, 3, bootEcho)
	do(t, c, func(ctl world.Control) error {
		if err := ctl.Shape([]world.Link{firstLink}, p); err != nil {
			return err
		}
		seen, err := ctl.Measure([]world.Link{firstLink, secondLink}, world.Train{Packets: 1000, Over: time.Second, Wait: wait})
		hit, control = seen[0], seen[1]
		return err
	})
	return hit, control, c
}

// A train shows what a link does to packets, and that the other one does nothing.
func TestShape(t *testing.T) {
	t.Parallel()
	near := func(got, want int) bool { return got > want*4/5 && got < want*6/5 }
	for name, c := range map[string]struct {
		packets world.Packets
		is      func(p world.Passage) bool
	}{
		"delay": {world.Packets{Delay: 100 * time.Millisecond, Jitter: 20 * time.Millisecond}, func(p world.Passage) bool {
			return near(int(p.Delay), int(110*time.Millisecond)) && p.Arrived == 1000 && p.Twice+p.Overtaken == 0
		}},
		"loss": {world.Packets{Loss: 300_000}, func(p world.Passage) bool { return near(p.Arrived, 700) && p.Twice == 0 }},
		"dup": {world.Packets{Dup: 300_000, Behind: 200 * time.Millisecond}, func(p world.Passage) bool {
			return near(p.Twice, 300) && p.Arrived == 1000 && p.Overtaken == 0
		}},
		"reorder": {world.Packets{Reorder: 300_000, Behind: 400 * time.Millisecond}, func(p world.Passage) bool {
			return near(p.Overtaken, 260) && p.Arrived == 1000 && p.Twice == 0
		}},
		"all": {world.Packets{Delay: 50 * time.Millisecond, Loss: 500_000, Dup: 500_000, Reorder: 500_000, Behind: 400 * time.Millisecond}, func(p world.Passage) bool {
			return near(p.Arrived, 500) && near(p.Twice, 250) && near(p.Overtaken, 220) && p.Delay > 50*time.Millisecond
		}},
	} {
		hit, control, _ := train(t, c.packets, time.Second)
		if !c.is(hit) {
			t.Errorf("%s: %+v", name, hit)
		}
		if control.Arrived != 1000 || control.Twice+control.Overtaken != 0 || control.Delay > 5*time.Millisecond {
			t.Errorf("%s, and the control group: %+v", name, control)
		}
	}
}

// Messages of the target fare as probes do, are counted by link, and fare as
// ever on all other links and after it is over.
func TestShapedMessages(t *testing.T) {
	t.Parallel()
	var heard []string
	c := deploy(t, sim.Config{}, 1, 3, chatter(&heard))
	do(t, c, func(ctl world.Control) error {
		return ctl.Shape([]world.Link{firstLink}, world.Packets{Dup: 1_000_000, Behind: 50 * time.Millisecond})
	})
	echoes(t, c, 0, "a")
	settle(c)
	wantHeard(t, &heard, "n1→n2 a", "n1→n2 a", "n1→n3 a")
	do(t, c, func(ctl world.Control) error {
		return ctl.Shape([]world.Link{firstLink}, world.Packets{Loss: 1_000_000})
	})
	echoes(t, c, 0, "b")
	settle(c)
	wantHeard(t, &heard, "n1→n3 b")
	do(t, c, func(ctl world.Control) error {
		shaped, err := ctl.Shaped()
		if len(shaped) != 1 || shaped[firstLink] != 2 {
			t.Errorf("shaped %v", shaped)
		}
		if err != nil {
			return err
		}
		return ctl.Shape(nil, world.Packets{})
	})
	echoes(t, c, 0, "c")
	settle(c)
	wantHeard(t, &heard, "n1→n2 c", "n1→n3 c")
}

// To a client a bad network is a slow one, in either direction.
func TestShapedClients(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]world.Packets{
		"delay": {Delay: 200 * time.Millisecond},
		"loss":  {Loss: 1_000_000},
		"dup":   {Dup: 1_000_000, Reorder: 1_000_000, Behind: 300 * time.Millisecond},
	} {
		for _, l := range []world.Link{{From: world.Clients, To: 0}, {From: 0, To: world.Clients}} {
			c := deploy(t, sim.Config{}, 1, 2, bootEcho)
			do(t, c, func(ctl world.Control) error { return ctl.Shape([]world.Link{l}, p) })
			op, took := echoes(t, c, 0, "a")
			if op.Value.Text() != "a" || took < 10*time.Millisecond {
				t.Errorf("%s on %v: %v after %v", name, l, op, took)
			}
			if op, took := echoes(t, c, 1, "b"); op.Value.Text() != "b" || took > 10*time.Millisecond {
				t.Errorf("%s on %v: a client of another node has %v after %v", name, l, op, took)
			}
		}
	}
}

// What happens to one link changes nothing on another: its packets arrive at
// the same times, whether or not the first is shaped.
func TestShapeDisturbsNoOther(t *testing.T) {
	t.Parallel()
	arrivals := func(p world.Packets) []string {
		var seen []string
		c := deploy(t, sim.Config{Observe: func(o sim.Occurrence) {
			if o.Kind == "message" && o.To == "n3" {
				seen = append(seen, fmt.Sprintf("%d %s %s", o.Time, o.From, o.Bytes))
			}
		}}, 1, 3, chatter(new([]string)))
		do(t, c, func(ctl world.Control) error { return ctl.Shape([]world.Link{firstLink}, p) })
		for i := range 50 {
			echoes(t, c, 0, fmt.Sprint(i))
		}
		settle(c)
		return seen
	}
	well, ill := arrivals(world.Packets{}), arrivals(world.Packets{Delay: time.Millisecond, Loss: 300_000, Dup: 300_000, Behind: time.Second})
	if len(well) != 50 || !slices.Equal(well, ill) {
		t.Errorf("%d messages arrived, of others %d, at other times", len(well), len(ill))
	}
}

// A link that loses most packets is alive to a probe, and one that is cut is not.
func TestProbeOnBadLinks(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		c := deploy(t, sim.Config{}, seed, 3, bootEcho)
		links := []world.Link{firstLink, secondLink, {From: 1, To: 2}}
		do(t, c, func(ctl world.Control) error {
			if err := ctl.Shape(links[:2], world.Packets{Loss: 500_000, Delay: 300 * time.Millisecond}); err != nil {
				return err
			}
			if err := ctl.Cut(links[1:2]); err != nil {
				return err
			}
			alive, err := ctl.Probe(links)
			if !slices.Equal(alive, []bool{true, false, true}) {
				t.Errorf("seed %d: alive: %v", seed, alive)
			}
			return err
		})
	}
}

// What makes no sense is refused.
func TestShapeRefuses(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 2, bootEcho)
	refused := func(what string, order func(ctl world.Control) error) {
		t.Helper()
		if c.Do(order) == nil {
			t.Errorf("%s is taken", what)
		}
	}
	nowhere := []world.Link{{From: 0, To: 2}}
	for name, p := range map[string]world.Packets{
		"a negative delay": {Delay: -1}, "too much jitter": {Jitter: 2 * time.Hour}, "a negative hold": {Behind: -1},
		"a share above all": {Loss: 1_000_001}, "a negative share": {Dup: -1},
	} {
		refused(name, func(ctl world.Control) error { return ctl.Shape([]world.Link{firstLink}, p) })
	}
	refused("a link that is not there", func(ctl world.Control) error { return ctl.Shape(nowhere, world.Packets{}) })
	for name, tr := range map[string]world.Train{
		"no packet": {}, "too many packets": {Packets: 1 << 24}, "a negative time": {Packets: 1, Over: -1}, "a negative wait": {Packets: 1, Wait: -1},
	} {
		refused(name, func(ctl world.Control) error { _, err := ctl.Measure([]world.Link{firstLink}, tr); return err })
	}
	refused("a train to nowhere", func(ctl world.Control) error { _, err := ctl.Measure(nowhere, world.Train{Packets: 1}); return err })
}
