// Package workloads says what clients do and what must hold.
//
// A [Workload] is one value that ties together what belongs together: the
// operations that clients do under load, those of the final phase (after all
// faults were healed and the cluster was seen to have recovered), and the
// checkers that judge the history, for each level of consistency that the
// workload can be judged by. It names no target: a target says by its client
// whether it can do the operations.
package workloads

import (
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/gen"
	"github.com/ordeal-dev/ordeal/internal/suggest"
)

// Levels of consistency that histories are judged by, from strong to weak.
const (
	// Linearizable: every operation takes effect at one instant between its
	// invocation and its completion (Herlihy and Wing, 1990).
	Linearizable = "linearizable"
	// CausalConvergent: besides what CausalWrites says, no read of a key finds a
	// write that was overwritten in its causal past, and all agree on one order
	// of all writes (Bouajjani et al., 2017). It implies the four guarantees of
	// sessions: to read one's own writes, and so on.
	CausalConvergent = "causal-convergent"
	// CausalWrites: replicas converge, and no acknowledged write is lost to
	// one that it causally follows, where the causal order is that of
	// processes and of reads-from (Ahamad et al., 1995).
	CausalWrites = "causal-writes"
	// Eventual: replicas converge once faults are healed and writes have
	// stopped, and what was acknowledged and not overwritten is there.
	Eventual = "eventual"
)

// Workload is what clients do and what must hold.
type Workload struct {
	Name    string
	Doc     string
	Level   string   // that it is about: the default of --consistency
	Levels  []string // that it can be judged by
	Options []Option
	// Alias returns the level that has another name too, as "PL-3" is
	// serializable, and fails on names that nobody knows. It may be nil.
	Alias func(name string) (string, error)

	// Fs lists the kinds of operations that it needs, Optional those that it
	// does only with targets that have them. Of what only judges they are the
	// operations that it looks at.
	Fs       []string
	Optional []string
	// Rare lists those of which a short run has too few to ask for a number that
	// were ok.
	Rare []string

	// Generator returns what clients do under load, without a rate or an end;
	// Final what they do after recovery. A workload without a generator judges
	// histories that were recorded elsewhere.
	Generator func(p Params) gen.Gen
	Final     func(p Params) gen.Gen
	// Checkers returns what judges a history by a level. Recovered returns what
	// judges, besides, how things stood after recovery; it is not asked of
	// histories that were recorded without a final phase. It may be nil.
	Checkers  func(level string, o Options) []checkers.Checker
	Recovered func(level string, o Options) []checkers.Checker
}

// Params is what a generator may depend on.
type Params struct {
	Options Options
	Fs      []string // the kinds of operations to do: those of the workload that the target has
	Choices choice.Source
}

// LevelNamed returns the level of the workload that is called name.
func (w *Workload) LevelNamed(name string) (string, error) {
	if w.Alias != nil {
		if level, err := w.Alias(name); err == nil && slices.Contains(w.Levels, level) {
			return level, nil
		}
	}
	if slices.Contains(w.Levels, name) {
		return name, nil
	}
	return "", suggest.Unknown("level of workload "+w.Name, name, w.Levels)
}
