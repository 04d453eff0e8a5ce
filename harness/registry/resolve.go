package registry

import (
	"encoding/json"
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/run"
	"github.com/ordeal-dev/ordeal/targets"
)

// Resolve looks up the names in a plan and returns the test it describes. It
// completes the plan with the defaults of what it names.
func (r *Registry) Resolve(p *plan.Plan) (*run.Test, error) {
	var parts run.Parts
	var err error
	if parts.Target, err = r.Target(p.Target); err != nil {
		return nil, err
	}
	if parts.Workload, err = r.Workload(p.Workload); err != nil {
		return nil, err
	}
	if parts.World, err = r.World(p.World); err != nil {
		return nil, err
	}
	for _, f := range p.Faults {
		fault, err := r.Fault(f.Kind)
		if err != nil {
			return nil, err
		}
		parts.Faults = append(parts.Faults, fault)
	}
	return run.NewTest(p, parts)
}

// Boot returns what starts a node that is a process of its own, from the
// configuration that the runner gave it.
func (r *Registry) Boot(config json.RawMessage) (actor.Boot, error) {
	var c run.NodeConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("the configuration of the node cannot be read: %w", err)
	}
	t, err := r.Target(c.Target)
	if err != nil {
		return nil, err
	}
	return t.Boot(c.Settings, c.Bugs)
}

// Bug returns the bug of the given id, whatever target it is in.
func (r *Registry) Bug(id string) (targets.Bug, error) {
	return find("bug", id, r.Bugs(), func(b targets.Bug) string { return b.ID })
}
