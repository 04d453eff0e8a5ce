package nemesis

import (
	"errors"
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Kill kills the processes of nodes and starts them again when it heals. The
// page cache survives: what was written is there, synced or not.
func Kill() Fault {
	return Fault{
		Kind:   "kill",
		Doc:    "kills the server on nodes (SIGKILL to the whole process tree) and starts it again; the page cache survives",
		Needs:  world.Kill,
		Brief:  true,
		Params: []Param{targetParam()},
		Check:  checkTargets,
		Aim: aimProcess(process{
			down: world.Control.Kill, up: world.Control.Start, want: "dead",
		}, "one", "leader", "moment", "minority"),
	}
}

// Pause stops the processes of nodes where they are, as a long garbage
// collection or a migrating virtual machine does, and lets them go on.
func Pause() Fault {
	return Fault{
		Kind:   "pause",
		Doc:    "stops the server on nodes (SIGSTOP to the whole process tree) and lets it go on",
		Needs:  world.Pause,
		Params: []Param{targetParam()},
		Check:  checkTargets,
		Aim: aimProcess(process{
			down: world.Control.Pause, up: world.Control.Resume, want: "stopped",
		}, "one", "leader", "moment", "minority"),
	}
}

// process is one window of a fault that acts on processes.
type process struct {
	nodes    []int
	down, up func(world.Control, int) error
	want     string // the state of the processes while the fault is in force
	before   []world.Process
}

// aimProcess returns the Aim of a fault. mix is what targets=mix chooses from.
func aimProcess(kind process, mix ...string) func(*Scene) (Window, error) {
	return func(s *Scene) (Window, error) {
		w := kind
		if err := w.aim(s, mix); err != nil {
			return nil, err
		}
		return &w, nil
	}
}

// aim chooses the nodes.
func (w *process) aim(s *Scene, mix []string) error {
	w.nodes = pickTargets(s, mix)
	if len(w.nodes) == 0 {
		return errors.New("no node is left to aim at, others being dead or stopped already; let the faults that act on processes overlap less (--fault KIND.every=…)")
	}
	for _, n := range w.nodes {
		p, err := s.Process(n)
		if err != nil {
			return err
		}
		w.before = append(w.before, p)
	}
	return nil
}

func (w *process) Nodes() []int          { return w.nodes }
func (w *process) Plan() []history.Value { return nil }

func (w *process) Inject(ctl world.Control) error { return w.each(ctl, w.down) }

// Heal acts on all nodes of the window, whatever became of the injection.
func (w *process) Heal(ctl world.Control) error { return w.each(ctl, w.up) }

func (w *process) each(ctl world.Control, do func(world.Control, int) error) error {
	var errs []error
	for _, n := range w.nodes {
		if err := do(ctl, n); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", nodeName(n), err))
		}
	}
	return errors.Join(errs...)
}

// Witness looks at the processes from outside.
func (w *process) Witness(ctl world.Control) (Finding, error) { return w.states(ctl, w.want) }

// Recheck looks whether the processes run, and none that should not was restarted.
func (w *process) Recheck(ctl world.Control) (Finding, error) { return w.states(ctl, "running") }

func (w *process) states(ctl world.Control, want string) (Finding, error) {
	ok := true
	var seen []history.Value
	for _, n := range w.nodes {
		p, err := ctl.Process(n)
		if err != nil {
			return Finding{Witness: history.Inconclusive}, err
		}
		ok = ok && p.State == want
		seen = append(seen, str(nodeName(n)), history.Map(
			str("state"), str(p.State), str("pid"), history.Int(int64(p.PID)), str("starts"), history.Int(int64(p.Starts))))
	}
	return found(ok, str("processes"), history.Map(seen...)), nil
}

// LookBack counts what the target sent to the processes while they could not answer.
func (w *process) LookBack(ctl world.Control) (Finding, error) {
	f, err := w.states(ctl, w.want)
	if err != nil {
		return f, err
	}
	var met []history.Value
	for i, n := range w.nodes {
		p, err := ctl.Process(n)
		if err != nil {
			return Finding{Witness: history.Inconclusive}, err
		}
		if p.Refused > w.before[i].Refused {
			f.Exercised = true
			met = append(met, str(nodeName(n)), history.Int(int64(p.Refused-w.before[i].Refused)))
		}
	}
	f.Evidence = append(f.Evidence, str("refused"), history.Map(met...))
	return f, nil
}
