package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// drain lets everything happen that does until then.
func drain(c *sim.Cluster, until int64) {
	for ok := true; ok; {
		_, ok = c.Next(until)
	}
}

// Whoever waits for a fact hears of it in the instant in which a node notes it,
// and of none that it does not wait for.
func TestAwait(t *testing.T) {
	t.Parallel()
	c := deploy(t, sim.Config{}, 1, 3, func(env actor.Env) actor.Node {
		return &puppet{serve: func(req actor.RequestID, body []byte) {
			actor.Sometimes(env, string(body))
			env.Reply(req, body)
		}}
	})
	var node, none int
	var at, late time.Duration
	var noted []string
	nemesis := c.AddNemesis(func(ctl world.Control, op history.Op) history.Op {
		node, _ = ctl.Await([]string{"rarer", "rare"}, time.Second)
		at = ctl.Now()
		none, _ = ctl.Await([]string{"rare"}, time.Second)
		late = ctl.Now() - at
		noted, _ = ctl.Noted()
		return op
	})
	c.Start(nemesis, history.Op{Process: history.Nemesis})
	for n, fact := range []string{"often", "often", "rare"} {
		drain(c, int64(n+1)*int64(100*time.Millisecond))
		c.Start(c.AddClient(n, ask), history.Op{Value: history.String(fact)})
	}
	drain(c, 5*second)
	if node != 2 || at < 300*time.Millisecond || at > 310*time.Millisecond {
		t.Errorf("node %d at %v", node, at)
	}
	if none != -1 || late != time.Second {
		t.Errorf("node %d, after %v", none, late)
	}
	if !slices.Equal(noted, []string{"rare", "often"}) {
		t.Errorf("noted: %q", noted)
	}
}
