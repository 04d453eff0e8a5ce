package gen

import (
	"container/heap"
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Sim says how [Simulate] runs a generator.
type Sim struct {
	Clients int
	Nodes   int  // at least 1 is assumed
	Nemesis bool // whether there is a nemesis
	// Latency says how long an operation takes and how it ends; nil means a
	// millisecond, and ok.
	Latency func(op history.Op) (time.Duration, history.Type)
	// MaxOps ends the simulation of an endless generator after that many
	// records; 0 means 10,000.
	MaxOps int
	// MaxTime ends it at that time; 0 means an hour.
	MaxTime time.Duration
}

// Simulate runs a generator in virtual time against clients that only wait,
// and returns the history. It keeps the same order as the real scheduler:
// completions before new operations. It is an error if the generator waits for
// an event when nothing is under way, or uses a process that is not free; the
// history up to there is returned as well.
func Simulate(g Gen, s Sim) ([]history.Op, error) {
	sim := newSimulation(g, s)
	for sim.now <= int64(s.MaxTime) || s.MaxTime == 0 && sim.now <= int64(time.Hour) {
		if len(sim.ops) >= sim.MaxOps {
			return sim.ops, nil
		}
		if sim.complete() {
			continue
		}
		more, err := sim.ask()
		if !more || err != nil {
			return sim.ops, err
		}
	}
	return sim.ops, nil
}

type simulation struct {
	Sim
	gen    Gen
	roster *Roster
	now    int64
	open   opHeap // completions to come
	ops    []history.Op
	done   bool
}

func newSimulation(g Gen, s Sim) *simulation {
	if s.Latency == nil {
		s.Latency = func(history.Op) (time.Duration, history.Type) { return time.Millisecond, history.OK }
	}
	if s.MaxOps == 0 {
		s.MaxOps = 10_000
	}
	return &simulation{Sim: s, gen: orNothing(g), roster: NewRoster(s.Clients, s.Nodes, s.Nemesis)}
}

// complete records the next completion that is due, if any.
func (s *simulation) complete() bool {
	if len(s.open) == 0 || s.open[0].Time > s.now {
		return false
	}
	op := heap.Pop(&s.open).(history.Op)
	s.roster.End(op.Process, op.Type == history.Info)
	s.record(op)
	return true
}

// ask asks the generator once, and reports whether there is more to come.
func (s *simulation) ask() (bool, error) {
	if s.done {
		return s.advance(Never)
	}
	r, next := s.gen.Next(s.roster.Context(s.now))
	switch r.Kind {
	case Ready:
		s.gen = next
		return true, s.start(r.Op)
	case Pending:
		s.gen = next
		return s.advance(r.Wake)
	default:
		s.done = true
		return s.advance(Never)
	}
}

// advance goes on to the next thing that happens, not beyond wake.
func (s *simulation) advance(wake int64) (bool, error) {
	if len(s.open) > 0 {
		wake = min(wake, s.open[0].Time)
	}
	switch {
	case wake == Never && s.done:
		return false, nil
	case wake == Never:
		return false, ErrStuck
	case wake <= s.now:
		return false, fmt.Errorf("gen: at %v the generator is pending until %v, which is not later",
			time.Duration(s.now), time.Duration(wake))
	}
	s.now = wake
	return true, nil
}

func (s *simulation) start(op history.Op) error {
	if !s.roster.IsFree(op.Process) {
		return fmt.Errorf("gen: the generator gives %s to process %v, which is not free", op.F, op.Process)
	}
	latency, end := s.Latency(op)
	s.roster.Begin(op.Process)
	op.Time, op.Node = s.now, s.node(op.Process)
	invoked := s.record(op)
	op.Type, op.Time, op.Index = end, s.now+int64(latency), invoked
	if op.Process == history.Nemesis {
		s.ops[invoked].Type, op.Type = history.Info, history.Info
	}
	heap.Push(&s.open, op)
	return nil
}

// record appends op to the history, shows it to the generator, and returns its
// index.
func (s *simulation) record(op history.Op) int {
	op.Index = len(s.ops)
	s.ops = append(s.ops, op)
	s.gen = s.gen.Update(s.roster.Context(s.now), &op)
	return op.Index
}

func (s *simulation) node(p history.Process) string {
	if p == history.Nemesis {
		return ""
	}
	return fmt.Sprintf("n%d", s.roster.Thread(p)%s.roster.nodes+1)
}

// opHeap orders completions by time, then by the order of their invocations.
type opHeap []history.Op

func (h opHeap) Len() int { return len(h) }
func (h opHeap) Less(i, j int) bool {
	if h[i].Time != h[j].Time {
		return h[i].Time < h[j].Time
	}
	return h[i].Index < h[j].Index
}
func (h opHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *opHeap) Push(op any)  { *h = append(*h, op.(history.Op)) }
func (h *opHeap) Pop() any {
	last := len(*h) - 1
	op := (*h)[last]
	*h = (*h)[:last]
	return op
}
