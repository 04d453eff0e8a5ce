package faulttest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/nemesis/faulttest"
)

// Every fault there is, in the simulator, on a network that is as it should be
// and on one that loses, repeats and delays. But for byzantine: the nodes of the
// suite obey nobody, and those of the ledger, which do, are tried with it there.
func TestSim(t *testing.T) {
	t.Parallel()
	faults := slices.DeleteFunc(registry.Builtin().Faults, func(f nemesis.Fault) bool { return f.Needs == world.Byzantine })
	for name, cfg := range map[string]sim.Config{
		"good network": {},
		"slow network": {Net: sim.Net{Link: sim.Latency{Base: 20 * time.Millisecond, Half: 5 * time.Millisecond}, Dup: 100_000, Delay: 100_000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, faults, func(t *testing.T, nodes int) world.Cluster {
				return deploy(t, cfg, nodes)
			})
		})
	}
}

func deploy(t *testing.T, cfg sim.Config, nodes int) world.Cluster {
	t.Helper()
	c, err := sim.New(cfg).Deploy(t.Context(), world.Spec{
		Run: "faulttest", Nodes: nodes, Choices: choice.New(1), Boot: faulttest.Boot, OpTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return c
}
