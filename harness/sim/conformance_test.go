package sim_test

import (
	"testing"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/actor/actortest"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	actortest.Run(t, func(t *testing.T, nodes int, boot actor.Boot) actortest.Cluster {
		return suiteCluster{deploy(t, sim.Config{}, 1, nodes, boot)}
	})
}

// suiteCluster lets the conformance suite of runtimes work on a cluster.
type suiteCluster struct{ c *sim.Cluster }

func (s suiteCluster) Call(node int, body []byte) (answer []byte, err error) {
	w := s.c.AddClient(node, func(env client.Env, op history.Op) history.Op {
		answer, err = env.Call(node, body)
		return op
	})
	s.c.Start(w, history.Op{})
	for {
		if e, ok := s.c.Next(forever); !ok || !e.Died {
			return answer, err
		}
	}
}

func (s suiteCluster) Kill(node int) error {
	return s.c.Do(func(ctl world.Control) error { return ctl.Kill(node) })
}

func (s suiteCluster) Start(node int) error {
	return s.c.Do(func(ctl world.Control) error { return ctl.Start(node) })
}
