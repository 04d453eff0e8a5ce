package nemesis

import (
	"errors"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Clock moves the wall clock of nodes, each by its own offset, and puts it back.
// The monotonic clock and the clocks of all others stay.
func Clock() Fault {
	return Fault{
		Kind:  "clock",
		Doc:   "moves the wall clock that the server on a node sees, by a jump and optionally a drift; the host's clock never moves",
		Needs: world.Clock,
		Params: []Param{
			targetParam(),
			{"offset", "mix", "how far the clock jumps, like 30s or -500ms, or mix: a seeded choice from 100ms to 100s in either direction"},
			{"drift", "0s", "how much further it goes in every second, like 10ms or -1ms"},
		},
		Check: checkClock,
		Aim:   aimClock,
	}
}

func checkClock(p Params, nodes int) error {
	if p["offset"] != "mix" {
		if d, err := time.ParseDuration(p["offset"]); err != nil || d == 0 {
			return fmt.Errorf("offset=%q is not a jump: write it like 30s or -500ms, or mix", p["offset"])
		}
	}
	if _, err := time.ParseDuration(p["drift"]); err != nil {
		return fmt.Errorf("drift=%q is not a duration: write it like 10ms or -1ms", p["drift"])
	}
	return checkTargets(p, nodes)
}

// clock is one window of it.
type clock struct {
	nodes   []int
	offsets []time.Duration
	drift   time.Duration
	before  []world.ClockReading
	since   time.Duration
}

func aimClock(s *Scene) (Window, error) {
	w := &clock{nodes: pickTargets(s, []string{"one", "leader", "minority", "all"})}
	if len(w.nodes) == 0 {
		return nil, errors.New("no node runs whose clock could be moved; let the faults that act on processes overlap less")
	}
	w.drift, _ = time.ParseDuration(s.Params["drift"])
	for _, n := range w.nodes {
		r, err := s.Clock(n)
		if err != nil {
			return nil, err
		}
		w.before = append(w.before, r)
		offset := drawOffset(s.Params["offset"], s.Draw)
		if s.Record != nil {
			offset, err = time.ParseDuration(s.Record.Get("offsets").Get(nodeName(n)).Text())
			if err != nil {
				return nil, fmt.Errorf("the recorded choice has no offset for %s: %w", nodeName(n), err)
			}
		}
		w.offsets = append(w.offsets, offset)
	}
	return w, nil
}

// drawOffset draws from 100 ms, 200 ms, 400 ms and so on to 102.4 s, with some
// jitter, in either direction.
func drawOffset(param string, draw *choice.Stream) time.Duration {
	if d, err := time.ParseDuration(param); err == nil {
		return d
	}
	d := 100 * time.Millisecond << draw.IntN(11)
	d += time.Duration(draw.Int64N(int64(d) / 2))
	if draw.Chance(1, 2) {
		return -d
	}
	return d
}

func (w *clock) Nodes() []int { return w.nodes }

func (w *clock) Plan() []history.Value {
	var offsets []history.Value
	for i, n := range w.nodes {
		offsets = append(offsets, str(nodeName(n)), str(w.offsets[i].String()))
	}
	return []history.Value{str("offsets"), history.Map(offsets...), str("drift-per-second"), str(w.drift.String())}
}

func (w *clock) Inject(ctl world.Control) error {
	w.since = ctl.Now()
	return w.each(ctl, func(i int) (time.Duration, int64) { return w.offsets[i], int64(w.drift) })
}

func (w *clock) Heal(ctl world.Control) error {
	return w.each(ctl, func(int) (time.Duration, int64) { return 0, 0 })
}

func (w *clock) each(ctl world.Control, to func(i int) (time.Duration, int64)) error {
	var errs []error
	for i, n := range w.nodes {
		offset, rate := to(i)
		if err := ctl.SetClock(n, offset, rate); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", nodeName(n), err))
		}
	}
	return errors.Join(errs...)
}

// tolerance is how far a clock may be from where it was put: reading takes time.
const tolerance = 50 * time.Millisecond

// Witness has the servers read their clocks.
func (w *clock) Witness(ctl world.Control) (Finding, error) {
	return w.read(ctl, func(i int) time.Duration { return w.moved(ctl, i) })
}

// Recheck has the servers read their clocks again: all must be back.
func (w *clock) Recheck(ctl world.Control) (Finding, error) {
	return w.read(ctl, func(int) time.Duration { return 0 })
}

// moved is how far the clock of the i-th node should be from where it was.
func (w *clock) moved(ctl world.Control, i int) time.Duration {
	return w.offsets[i] + time.Duration(int64(w.drift)*int64((ctl.Now()-w.since)/time.Millisecond)/1000)
}

// LookBack tells whether the target itself read a clock that was wrong.
func (w *clock) LookBack(ctl world.Control) (Finding, error) {
	f, err := w.Witness(ctl)
	if err != nil {
		return f, err
	}
	var reads []history.Value
	for i, n := range w.nodes {
		r, err := ctl.Clock(n)
		if err != nil {
			continue // Witness has told of it
		}
		more := r.Reads
		if r.Reads >= w.before[i].Reads { // it was not restarted meanwhile
			more -= w.before[i].Reads
		}
		f.Exercised = f.Exercised || more > 0
		reads = append(reads, str(nodeName(n)), history.Int(int64(more)))
	}
	f.Evidence = append(f.Evidence, str("reads"), history.Map(reads...))
	return f, nil
}

// read compares every clock with where it should be. The clocks of nodes that
// are dead or stopped because of another fault cannot be read; it is enough
// that the others are where they should be.
func (w *clock) read(ctl world.Control, want func(i int) time.Duration) (Finding, error) {
	ok, readable := true, 0
	var seen []history.Value
	for i, n := range w.nodes {
		p, err := ctl.Process(n)
		if err != nil {
			return Finding{Witness: history.Inconclusive}, err
		}
		if p.State != "running" {
			seen = append(seen, str(nodeName(n)), str(p.State))
			continue
		}
		r, err := ctl.Clock(n)
		if err != nil {
			seen = append(seen, str(nodeName(n)), str(err.Error()))
			continue
		}
		readable++
		moved := time.Duration((r.Wall - r.True) - (w.before[i].Wall - w.before[i].True))
		ok = ok && (moved-want(i)).Abs() <= tolerance+w.drift.Abs()
		seen = append(seen, str(nodeName(n)), history.Map(
			str("wall"), history.Int(r.Wall), str("true"), history.Int(r.True), str("moved"), str(moved.String())))
	}
	f := found(ok, str("clocks"), history.Map(seen...))
	if readable == 0 {
		f.Witness = history.Inconclusive
	}
	return f, nil
}
