package nemesis

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Runner takes the steps of a schedule on a cluster. It is used from one
// worker, and acts on one window at a time while several may be open.
type Runner struct {
	uses    map[string]Use
	choices choice.Source
	open    []*live          // in the order of injection
	turns   map[string]int   // windows of each kind so far
	failed  map[int64]string // windows that never opened, and why
	records map[int64]history.Value
}

// live is a window that has been aimed and not yet healed.
type live struct {
	Window
	id        int64
	use       Use
	exercised bool // by what an early look back saw
}

// NewRunner returns a runner for the given faults.
func NewRunner(uses []Use, choices choice.Source) *Runner {
	r := &Runner{uses: map[string]Use{}, choices: choices, failed: map[int64]string{}, turns: map[string]int{}}
	for _, u := range uses {
		r.uses[u.Kind] = u
	}
	return r
}

// Follow has the runner take the aim that an earlier run recorded for a window
// instead of choosing anew. value is that of the record of step "aim".
func (r *Runner) Follow(value history.Value) {
	id, _ := value.Get("id").Int()
	if r.records == nil {
		r.records = map[int64]history.Value{}
	}
	r.records[id] = value
}

// Invoke takes the step that op asks for and returns its completion. What is
// about to be done is passed to record before it is done.
func (r *Runner) Invoke(ctl world.Control, op history.Op, record func(history.Op)) history.Op {
	id, _ := op.Value.Get("id").Int()
	switch op.Value.Get("step").Text() {
	case "heal":
		return r.heal(ctl, op, id)
	case "heal-all":
		r.healAll(ctl, record)
		return op
	default:
		return r.inject(ctl, op, id, record)
	}
}

// inject aims, injects and witnesses a window.
func (r *Runner) inject(ctl world.Control, op history.Op, id int64, record func(history.Op)) history.Op {
	kind := op.Value.Get("kind").Text()
	use, ok := r.uses[kind]
	if !ok {
		return r.skip(op, id, fmt.Errorf("the plan has no fault %q", kind))
	}
	r.lookBackEarly(ctl)
	scene := Scene{
		Control: ctl,
		Params:  use.Params,
		Draw:    r.choices.Stream("fault."+use.Kind, uint64(id)),
		Taken:   r.taken(ctl.Nodes()),
		Liars:   r.liars(),
		Cast:    r.cast(),
		Cut:     r.isOpen(world.Partition),
		Turn:    r.turns[kind],
		Deck:    func(round int) *choice.Stream { return r.choices.Stream("deck."+kind, uint64(round)) },
	}
	r.turns[kind]++
	if rec, ok := r.records[id]; ok {
		scene.Record = &rec
	}
	w, err := use.Aim(&scene)
	if err != nil {
		return r.skip(op, id, err)
	}
	l := &live{Window: w, id: id, use: use}
	r.open = append(r.open, l)
	record(step(op, "aim", nil, l, Finding{}))
	if err := w.Inject(ctl); err != nil {
		return step(op, "injected", fmt.Errorf("inject: %w", err), l, Finding{Witness: history.Inconclusive})
	}
	f, err := w.Witness(ctl)
	return step(op, "injected", err, l, f)
}

// skip notes that a window never opened, and why.
func (r *Runner) skip(op history.Op, id int64, why error) history.Op {
	r.failed[id] = why.Error()
	return step(op, "skipped", why, nil, Finding{Witness: history.Inconclusive})
}

// heal looks back on a window, heals it and looks again.
func (r *Runner) heal(ctl world.Control, op history.Op, id int64) history.Op {
	l := r.take(id)
	if l == nil {
		return step(op, "skipped", errors.New(cmp.Or(r.failed[id], "there is no such window")), nil, Finding{Witness: history.Inconclusive})
	}
	past, err := l.LookBack(ctl)
	past.Exercised = past.Exercised || l.exercised
	if err != nil {
		past.Evidence = append(past.Evidence, str("look-back-error"), str(err.Error()))
	}
	if err := retry(ctl, l.Heal); err != nil {
		return step(op, "healed", fmt.Errorf("heal: %w", err), l, past)
	}
	gone, err := r.recheck(ctl, l)
	past.Evidence = append(past.Evidence, str("after"), history.Map(append(gone.Evidence, str("healed"), history.Bool(gone.Witness == history.Confirmed))...))
	if err == nil && gone.Witness == history.Ineffective {
		err = fmt.Errorf("healed, but a probe still sees the fault")
	}
	return step(op, "healed", err, l, past)
}

// recheck gives a healed fault a moment to be seen gone.
func (r *Runner) recheck(ctl world.Control, l *live) (Finding, error) {
	for try := 0; ; try++ {
		f, err := l.Recheck(ctl)
		if (err == nil && f.Witness != history.Ineffective) || try == 4 {
			return f, err
		}
		ctl.Sleep(200 * time.Millisecond)
	}
}

// retry does what has to succeed: a fault that is not healed spoils the rest.
func retry(ctl world.Control, do func(world.Control) error) error {
	for try := 0; ; try++ {
		err := do(ctl)
		if err == nil || try == 4 {
			return err
		}
		ctl.Sleep(time.Duration(try+1) * 100 * time.Millisecond)
	}
}

// lookBackEarly asks all open windows what they met so far: what comes next
// may kill the processes that could tell.
func (r *Runner) lookBackEarly(ctl world.Control) {
	for _, l := range r.open {
		if !l.exercised {
			f, err := l.LookBack(ctl)
			l.exercised = err == nil && f.Exercised
		}
	}
}

// taken tells which nodes are dead, stopped or Byzantine by an open window: one
// that is Byzantine has to hear when that is over.
func (r *Runner) taken(nodes int) []bool {
	taken := make([]bool, nodes)
	for _, l := range r.open {
		switch l.use.Needs {
		case world.Kill, world.Pause, world.Power, world.Byzantine:
			for _, n := range l.Nodes() {
				taken[n] = true
			}
		}
	}
	return taken
}

func (r *Runner) liars() (nodes []int) {
	for _, l := range r.open {
		if l.use.Needs == world.Byzantine {
			nodes = append(nodes, l.Nodes()...)
		}
	}
	return nodes
}

// cast returns the nodes that are Byzantine in some window of the run.
func (r *Runner) cast() (nodes []int) {
	for _, use := range r.uses {
		if node, ok := nodeNumber(use.Params["node"]); ok && use.Needs == world.Byzantine {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// isOpen tells whether a window is open of a fault that needs c.
func (r *Runner) isOpen(c world.Capability) bool {
	return slices.ContainsFunc(r.open, func(l *live) bool { return l.use.Needs == c })
}

func (r *Runner) take(id int64) *live {
	for i, l := range r.open {
		if l.id == id {
			r.open = append(r.open[:i:i], r.open[i+1:]...)
			return l
		}
	}
	return nil
}

// HealAllOp returns the operation that has the nemesis heal whatever is still
// open, as when a run is interrupted.
func HealAllOp() history.Op {
	return history.Op{F: history.FFault, Value: history.Map(str("step"), str("heal-all"))}
}

func (r *Runner) healAll(ctl world.Control, record func(history.Op)) {
	for len(r.open) > 0 {
		op := Step{ID: r.open[0].id, Kind: r.open[0].use.Kind, Heal: true}.Op()
		record(op)
		record(r.heal(ctl, op, r.open[0].id))
	}
}

// step completes op with what happened.
func step(op history.Op, name string, err error, l *live, f Finding) history.Op {
	kvs := []history.Value{
		str("id"), op.Value.Get("id"),
		str("kind"), op.Value.Get("kind"),
		str("step"), str(name),
	}
	if l != nil {
		kvs = append(kvs, str("nodes"), names(l.Nodes()))
		kvs = append(kvs, l.Plan()...)
	}
	if f.Witness != "" {
		kvs = append(kvs, str("witness"), str(string(f.Witness)))
	}
	if name == "healed" {
		kvs = append(kvs, str("exercised"), history.Bool(f.Exercised))
	}
	if len(f.Evidence) > 0 {
		kvs = append(kvs, str("evidence"), history.Map(f.Evidence...))
	}
	op.Value = history.Map(kvs...)
	if err != nil {
		op.Error = err.Error()
	}
	return op
}
