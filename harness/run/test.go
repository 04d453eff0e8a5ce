package run

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/harness/plan"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Promised is the level of consistency that the target promises.
const Promised = "promised"

// Test is a plan whose names have been looked up: everything that is needed to
// run it.
type Test struct {
	Plan     *plan.Plan
	Target   targets.Target
	Workload workloads.Workload
	World    world.World
	Faults   []nemesis.Use
	Promise  targets.Promise
	Level    string   // that the history is judged by
	Fs       []string // the kinds of operations that are done

	boot      actor.Boot
	newClient func() client.Client
	options   workloads.Options
	fatal     *regexp.Regexp // matches what nodes should never log
}

// NodeConfig is what a node that is a process needs to know to be what it is.
type NodeConfig struct {
	Target   string            `json:"target"`
	Settings map[string]string `json:"settings"`
	Bugs     []string          `json:"bugs,omitempty"`
}

// Parts are the things that the names in a plan mean.
type Parts struct {
	Target   targets.Target
	Workload workloads.Workload
	World    world.World
	Faults   []nemesis.Fault // in the order of the plan's
}

// NewTest puts a test together. It completes the plan with the defaults of
// what it names, and refuses, with the reason, what cannot be run.
func NewTest(p *plan.Plan, parts Parts) (*Test, error) {
	t := &Test{Plan: p, Target: parts.Target, Workload: parts.Workload, World: parts.World}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if parts.Workload.Generator == nil {
		return nil, fmt.Errorf("workload %s has no clients: it judges histories that were recorded elsewhere, as in `ordeal check --workload %s HISTORY`",
			parts.Workload.Name, parts.Workload.Name)
	}
	steps := []func() error{
		t.fillSettings,
		t.fillOptions,
		t.chooseLevel,
		t.chooseKinds,
		func() error { return t.planFaults(parts.Faults) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Test) fillSettings() error {
	settings, err := targets.Fill(t.Target, t.Plan.Settings)
	if err != nil {
		return err
	}
	t.Plan.Settings = settings
	if err := targets.CheckBugs(t.Target, t.Plan.Bugs); err != nil {
		return err
	}
	if t.boot, err = t.Target.Boot(settings, t.Plan.Bugs); err != nil {
		return err
	}
	if t.fatal, err = fatalPattern(t.Target); err != nil {
		return err
	}
	t.Promise = t.Target.Promise(settings)
	t.newClient, err = t.Target.Client(settings, t.Workload.Name)
	return err
}

// fillOptions completes the options: by what the target promises, as far as nothing
// was said about it, and by defaults.
func (t *Test) fillOptions() (err error) {
	given := map[string]string{}
	for _, o := range t.Workload.Options {
		if v, promised := t.Promise.Options[o.Name]; promised {
			given[o.Name] = v
		}
	}
	maps.Copy(given, t.Plan.Options)
	t.options, err = t.Workload.Fill(given)
	t.Plan.Options = t.options
	return err
}

func (t *Test) chooseLevel() error {
	switch t.Plan.Consistency {
	case "":
		t.Plan.Consistency = t.Workload.Level
		t.Level = t.Workload.Level
	case Promised:
		t.Level = t.Promise.Level
	default:
		t.Level = t.Plan.Consistency
	}
	level, err := t.Workload.LevelNamed(t.Level)
	if err != nil {
		return fmt.Errorf("%w (or %s)", err, Promised)
	}
	t.Level = level
	return nil
}

// chooseKinds leaves out what the target does not have under its settings.
func (t *Test) chooseKinds() error {
	for _, f := range t.Workload.Fs {
		if !t.Target.Supports(t.Plan.Settings, f) {
			return fmt.Errorf("workload %s needs %q, which target %s does not have under these settings", t.Workload.Name, f, t.Target.Name())
		}
		t.Fs = append(t.Fs, f)
	}
	for _, f := range t.Workload.Optional {
		if t.Target.Supports(t.Plan.Settings, f) {
			t.Fs = append(t.Fs, f)
		}
	}
	return nil
}

// planFaults fills in the parameters of faults. They are in a slice of their own then:
// whoever has copied the plan shares the one that was given.
func (t *Test) planFaults(faults []nemesis.Fault) error {
	t.Plan.Faults = slices.Clone(t.Plan.Faults)
	for i, f := range faults {
		use, err := nemesis.NewUse(f, t.Plan.Faults[i].Params, t.Plan.Nodes)
		if err != nil {
			return err
		}
		t.Plan.Faults[i].Params = use.Params
		t.Faults = append(t.Faults, use)
	}
	_, err := t.schedule()
	return err
}

func (t *Test) schedule() ([]nemesis.Step, error) {
	return nemesis.Schedule(t.Faults, time.Duration(t.Plan.Time), choice.New(t.Plan.Seed))
}

// Supported asks the world, before anything is started, whether it can do all
// that the plan asks for.
func (t *Test) Supported(ctx context.Context) error {
	for _, f := range t.Faults {
		if err := t.World.Support(ctx, f.Needs); err != nil {
			return fmt.Errorf("world %s cannot do the fault %s: %w", t.World.Name(), f.Kind, err)
		}
	}
	return nil
}

// nodeConfig is what nodes that are processes get told.
func (t *Test) nodeConfig() (json.RawMessage, error) {
	return json.Marshal(NodeConfig{Target: t.Target.Name(), Settings: t.Plan.Settings, Bugs: t.Plan.Bugs})
}

// faultKinds lists the kinds of the faults that the plan asks for.
func (t *Test) faultKinds() []string {
	kinds := make([]string, len(t.Faults))
	for i, f := range t.Faults {
		kinds[i] = f.Kind
	}
	return kinds
}
