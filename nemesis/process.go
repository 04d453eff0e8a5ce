package nemesis

import (
	"errors"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Kill kills the processes of nodes and starts them again when it heals. The
// page cache survives: what was written is there, synced or not. In half of the
// windows they are killed once more while they are starting: who cleans up after a
// crash has to survive the next one, too.
func Kill() Fault {
	return Fault{
		Kind:   "kill",
		Doc:    "kills the server on nodes (SIGKILL to the whole process tree) and starts it again; the page cache survives",
		Needs:  world.Kill,
		Brief:  true,
		Params: []Param{targetParam(), againParam()},
		Check:  checkKill,
		Aim: aimProcess(process{
			down: world.Control.Kill, up: world.Control.Start, want: "dead",
		}, "one", "leader", "moment", "minority"),
	}
}

// againParam says when nodes that were started again die once more.
func againParam() Param {
	return Param{"again", "mix", "how long after their restart nodes are killed once more, and started; 0s: never; mix: up to 134ms in half of the windows"}
}

// A restart is over in about the longest time that is drawn, two to the power of
// againLongest nanoseconds; short times are as likely as long ones.
const (
	againShortest = 16
	againLongest  = 27
	longestAgain  = 5 * time.Second
)

func checkKill(p Params, nodes int) error {
	if p["again"] != "mix" {
		d, err := p.Duration("again")
		if err != nil {
			return err
		}
		if d > longestAgain || d%time.Microsecond != 0 {
			return fmt.Errorf("again=%v is not whole microseconds of at most %v: the nemesis does nothing else for so long", d, longestAgain)
		}
	}
	return checkTargets(p, nodes)
}

// drawAgain chooses in whole microseconds, as they are written down.
func drawAgain(s *Scene) time.Duration {
	most := int64(1) << s.Draw.Between(againShortest, againLongest)
	again := time.Duration(s.Draw.Int64N(most)) * time.Duration(s.Draw.IntN(2))
	if given, err := s.Params.Duration("again"); err == nil {
		again = given
	}
	if s.Record != nil {
		us, _ := s.Record.Get("again-us").Int()
		return time.Duration(us) * time.Microsecond
	}
	return again.Truncate(time.Microsecond)
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
	again    time.Duration // after the restart they are killed once more; 0: they are not
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
	if _, dies := s.Params["again"]; dies {
		w.again = drawAgain(s)
	}
	return nil
}

func (w *process) Nodes() []int { return w.nodes }

func (w *process) Plan() []history.Value {
	if w.again == 0 {
		return nil
	}
	return []history.Value{str("again-us"), history.Int(w.again.Microseconds())}
}

func (w *process) Inject(ctl world.Control) error { return w.each(ctl, w.down) }

// Heal acts on all nodes of the window, whatever became of the injection.
func (w *process) Heal(ctl world.Control) error {
	err := w.each(ctl, w.up)
	if err != nil || w.again == 0 {
		return err
	}
	ctl.Sleep(w.again)
	return errors.Join(w.each(ctl, world.Control.Kill), w.each(ctl, w.up))
}

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
