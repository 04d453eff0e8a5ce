package faulttest_test

import (
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/registry"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis/faulttest"
)

// Every fault there is, in the simulator, on a network that is as it should be
// and on one that loses, repeats and delays.
func TestSim(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]sim.Config{
		"good network": {},
		"slow network": {Net: sim.Net{Link: sim.Latency{Base: 20 * time.Millisecond, Half: 5 * time.Millisecond}, Dup: 100_000, Delay: 100_000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, registry.Builtin().Faults, func(t *testing.T, nodes int) world.Cluster {
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
