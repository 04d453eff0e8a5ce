package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ordeal-dev/ordeal/harness/world"
)

// World deploys simulated clusters. It implements world.World, and any number
// of clusters may run at once.
type World struct{ cfg Config }

// New returns the simulated world. What is wrong with cfg is said by Deploy.
func New(cfg Config) *World { return &World{cfg} }

// Config returns the configuration of the world, so that the same world with a
// recorder or an observer can be made with New.
func (w *World) Config() Config { return w.cfg }

// Name implements world.World.
func (w *World) Name() string { return "sim" }

// Doc implements world.World.
func (w *World) Doc() string {
	return "one goroutine in virtual time, with a simulated network, clocks and disks: same seed, same bytes"
}

// Support implements world.World.
func (w *World) Support(_ context.Context, c world.Capability) error {
	switch c {
	case world.Partition, world.Kill, world.Pause, world.Clock, world.Power, world.Packet, world.Byzantine:
		return nil
	default:
		return fmt.Errorf("world sim has no fault %q: leave it out or choose another --world", c)
	}
}

// Deploy implements world.World. The cluster is a [*Cluster].
func (w *World) Deploy(ctx context.Context, spec world.Spec) (world.Cluster, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cfg, err := w.cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := complete(&spec); err != nil {
		return nil, err
	}
	c := newCluster(cfg, spec)
	for _, n := range c.nodes {
		n.boot()
	}
	return c, nil
}

// complete fills what spec leaves open, and says what it lacks.
func complete(spec *world.Spec) error {
	switch {
	case spec.Nodes < 1:
		return fmt.Errorf("sim: a cluster of %d nodes: ask for at least 1", spec.Nodes)
	case spec.Nodes > maxNodes:
		return fmt.Errorf("sim: a cluster of %d nodes: ask for at most %d", spec.Nodes, maxNodes)
	case spec.Boot == nil:
		return errors.New("sim: no Boot: the target has no actor that could run in the simulator")
	case spec.OpTimeout < 0:
		return fmt.Errorf("sim: op timeout %v: give a time above 0", spec.OpTimeout)
	}
	if spec.OpTimeout == 0 {
		spec.OpTimeout = time.Second
	}
	if spec.Log == nil {
		spec.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// maxNodes keeps the square of the number of nodes, which is the number of
// links, within reason.
const maxNodes = 1024
