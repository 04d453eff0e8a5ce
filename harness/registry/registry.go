// Package registry lists what there is: targets, workloads, faults and worlds.
//
// There is one explicit list and no registration behind the scenes. A program
// of its own that tests a target of its own, and is controller and node agent
// at once, is
//
//	func main() { ordeal.Main(registry.With(mytarget.New())) }
package registry

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/docker"
	"github.com/ordeal-dev/ordeal/harness/sim"
	"github.com/ordeal-dev/ordeal/harness/world"
	"github.com/ordeal-dev/ordeal/internal/suggest"
	"github.com/ordeal-dev/ordeal/nemesis"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/files"
	"github.com/ordeal-dev/ordeal/targets/ledger"
	"github.com/ordeal-dev/ordeal/targets/queue"
	"github.com/ordeal-dev/ordeal/targets/store"
	"github.com/ordeal-dev/ordeal/workloads"
)

// Registry lists what there is, each kind in the order in which it is shown.
type Registry struct {
	Targets   []targets.Target
	Workloads []workloads.Workload
	Faults    []nemesis.Fault
	Worlds    []world.World
}

// Builtin returns what comes with Ordeal.
func Builtin() *Registry {
	return &Registry{
		Targets:   []targets.Target{store.New(), queue.New(), files.New(), ledger.New()},
		Workloads: append([]workloads.Workload{workloads.Register(), workloads.Set(), workloads.Transfer(), workloads.Notary()}, workloads.Checks()...),
		Faults: []nemesis.Fault{
			nemesis.Partition(), nemesis.Kill(), nemesis.Pause(), nemesis.Clock(), nemesis.Packet(), nemesis.Power(), nemesis.Byzantine(),
		},
		Worlds: []world.World{sim.New(sim.Config{}), docker.New(docker.Config{})},
	}
}

// With returns what comes with Ordeal and the given parts besides: values of
// type targets.Target, workloads.Workload, nemesis.Fault or world.World. It
// panics on anything else and on a name that is taken, since both are mistakes
// in the program that calls it.
func With(parts ...any) *Registry {
	r := Builtin()
	for _, part := range parts {
		switch p := part.(type) {
		case targets.Target:
			mustBeNew("target", p.Name(), r.TargetNames())
			r.Targets = append(r.Targets, p)
		case workloads.Workload:
			mustBeNew("workload", p.Name, r.WorkloadNames())
			r.Workloads = append(r.Workloads, p)
		case nemesis.Fault:
			mustBeNew("fault", p.Kind, r.FaultNames())
			r.Faults = append(r.Faults, p)
		case world.World:
			mustBeNew("world", p.Name(), r.WorldNames())
			r.Worlds = append(r.Worlds, p)
		default:
			panic(fmt.Sprintf("registry: a %T is no target, workload, fault or world", part))
		}
	}
	return r
}

func mustBeNew(what, name string, taken []string) {
	if slices.Contains(taken, name) {
		panic(fmt.Sprintf("registry: there are two %ss named %q", what, name))
	}
}

// Target returns the target of the given name.
func (r *Registry) Target(name string) (targets.Target, error) {
	return find("target", name, r.Targets, targets.Target.Name)
}

// Workload returns the workload of the given name.
func (r *Registry) Workload(name string) (workloads.Workload, error) {
	return find("workload", name, r.Workloads, workloadName)
}

// Fault returns the fault of the given kind.
func (r *Registry) Fault(kind string) (nemesis.Fault, error) {
	return find("fault", kind, r.Faults, faultKind)
}

// World returns the world of the given name.
func (r *Registry) World(name string) (world.World, error) {
	return find("world", name, r.Worlds, world.World.Name)
}

// TargetNames returns the names of all targets.
func (r *Registry) TargetNames() []string { return names(r.Targets, targets.Target.Name) }

// WorkloadNames returns the names of all workloads.
func (r *Registry) WorkloadNames() []string { return names(r.Workloads, workloadName) }

// FaultNames returns the kinds of all faults.
func (r *Registry) FaultNames() []string { return names(r.Faults, faultKind) }

// WorldNames returns the names of all worlds.
func (r *Registry) WorldNames() []string { return names(r.Worlds, world.World.Name) }

// Bugs returns the seeded bugs of all targets.
func (r *Registry) Bugs() []targets.Bug {
	var bugs []targets.Bug
	for _, t := range r.Targets {
		bugs = append(bugs, t.Bugs()...)
	}
	return bugs
}

func workloadName(w workloads.Workload) string { return w.Name }
func faultKind(f nemesis.Fault) string         { return f.Kind }

func names[T any](things []T, name func(T) string) []string {
	out := make([]string, len(things))
	for i, t := range things {
		out[i] = name(t)
	}
	return out
}

func find[T any](what, wanted string, things []T, name func(T) string) (T, error) {
	for _, t := range things {
		if name(t) == wanted {
			return t, nil
		}
	}
	var none T
	return none, suggest.Unknown(what, wanted, names(things, name))
}
