package sim_test

import (
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// careless is a node that answers a request once its bytes are written; the
// sync comes afterwards.
func careless(env actor.Env) actor.Node {
	return &puppet{serve: func(req actor.RequestID, body []byte) {
		env.Disk().Append("a", body, func(error) {
			env.Reply(req, body)
			env.Disk().Sync("a", func(error) {})
			env.Disk().SyncDir(func(error) {})
		})
	}}
}

// outageOfAll has three careless nodes acknowledge something after the given
// time, while they lose their power 50 ms after the start. It returns how many
// have acknowledged, and how many still have it.
func outageOfAll(t *testing.T, seed uint64, sag world.Sag, at time.Duration) (acknowledged, kept int) {
	c := deploy(t, sim.Config{}, seed, 3, careless)
	nemesis := c.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
		ctl.Sleep(50*time.Millisecond - sag.For)
		if err := ctl.PowerOff([]int{0, 1, 2}, sag); err != nil {
			t.Error(err)
		}
		for n := range 3 {
			found, err := ctl.Disk(n)
			if err != nil || !found.Synced {
				t.Errorf("canaries %+v, %v", found, err)
			}
			if found.Lost == 0 {
				kept++
			}
		}
		return op
	})
	c.Start(nemesis, history.Op{Process: history.Nemesis})
	c.Next(int64(at))
	for n := range 3 {
		c.Start(c.AddClient(n, ask), history.Op{Value: history.String("x")})
	}
	for {
		e, ok := c.Next(second)
		if !ok {
			return acknowledged, kept
		}
		if e.Op.Process != history.Nemesis && e.Op.Type == history.OK {
			acknowledged++
		}
	}
}

// While no sync ends, what was acknowledged too early stays in danger, and
// when several nodes lose their power together it happens that all lose it.
func TestSag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sag         world.Sag
		least, most int // of 60 times nobody keeps what all have acknowledged
	}{
		{world.Sag{}, 0, 0},
		{world.Sag{For: 30 * time.Millisecond, Sync: time.Millisecond}, 0, 0},
		{world.Sag{For: 30 * time.Millisecond, Sync: 31 * time.Millisecond}, 20, 50},
	} {
		lost := 0
		for seed := range uint64(60) {
			acknowledged, kept := outageOfAll(t, seed, c.sag, 35*time.Millisecond)
			if acknowledged != 3 {
				t.Fatalf("sag %+v, seed %d: %d have acknowledged", c.sag, seed, acknowledged)
			}
			if kept == 0 {
				lost++
			}
		}
		if lost < c.least || lost > c.most {
			t.Errorf("sag %+v: all lose it %d times of 60", c.sag, lost)
		}
	}
}
