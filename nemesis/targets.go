package nemesis

import (
	"fmt"
	"slices"
	"time"
)

// targetParam says which nodes a fault that acts on single nodes goes for.
func targetParam() Param {
	return Param{"targets", "mix", "which nodes: one, minority, majority, all, leader, moment (one that has just come to a rare place in its code; the leader where nobody can tell), or mix (each of some of these by turns, in a seeded order)"}
}

var targetNames = []string{"one", "minority", "majority", "all", "leader", "moment", "mix"}

// checkTargets refuses targets that a cluster of that size does not have.
func checkTargets(p Params, nodes int) error {
	if err := p.Oneof("targets", targetNames...); err != nil {
		return err
	}
	if p["targets"] == "minority" && nodes < 3 {
		return fmt.Errorf("targets=minority: %d nodes have no minority; take at least 3 nodes or targets=one", nodes)
	}
	return nil
}

// pickTargets chooses nodes among those that are not taken, at most so many
// that the size of the target set is what was asked for. It returns none if
// no node is left.
func pickTargets(s *Scene, mix []string) []int {
	chosen := s.chooseTargets(mix)
	if s.Record != nil {
		return nodeNumbers(s.Record.Get("nodes"))
	}
	return sorted(chosen)
}

func (s *Scene) chooseTargets(mix []string) []int {
	what := s.Params["targets"]
	if what == "mix" {
		what = s.deal(mix)
	}
	if what == "moment" {
		if n := s.moment(); n >= 0 && !s.Taken[n] {
			return []int{n}
		}
		what = "leader"
	}
	var free []int
	taken := 0
	for n := range s.Nodes() {
		if s.Taken[n] {
			taken++
			continue
		}
		free = append(free, n)
	}
	s.Draw.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	slices.SortStableFunc(free, func(a, b int) int { return s.cast(a) - s.cast(b) })
	if what == "leader" {
		if l := s.leaders(); len(l) > 0 {
			return l[:1]
		}
		what = "one" // nobody leads: an election is as good a moment
	}
	return free[:min(len(free), s.size(what, taken))]
}

// cast is 1 for a node that is Byzantine in some window of the run, and 0 for others.
func (s *Scene) cast(n int) int {
	if slices.Contains(s.Cast, n) {
		return 1
	}
	return 0
}

// size returns how many nodes a target set has. A minority, together with what
// is already taken, leaves a majority standing if there is still one to spare
// (it is one node otherwise, so that no window is lost); while links are cut it is a
// single node, because most cuts take one away. Otherwise overlapping windows
// could keep a system from doing anything for as long as they last, and a run
// in which nothing happens shows nothing.
func (s *Scene) size(what string, taken int) int {
	n := s.Nodes()
	switch what {
	case "minority":
		if s.Cut {
			return 1
		}
		return max(1, (n-1)/2-taken)
	case "majority":
		return n/2 + 1
	case "all":
		return n
	default:
		return 1
	}
}

// How long a window waits for a moment, and how long after that it may strike.
const (
	momentWait     = time.Second
	momentShortest = 16 // 66 µs, in nanoseconds, are two to this
	momentLongest  = 26 // 67 ms
)

// moment waits for one of the facts that nodes have noted before to be noted again,
// for as long as the moment may be expected, and returns the node that did, or -1.
// How common it may be is drawn, and whatever is rarer will do as well: it may not
// come again for long, and most that goes wrong goes wrong where a node seldom is.
// Whoever has just lost a lead, or grown a set of replicas, is where a fault
// matters most, for some milliseconds; how many is drawn, short times as often as
// long ones.
func (s *Scene) moment() int {
	later := s.Draw.Int64N(1 << s.Draw.Between(momentShortest, momentLongest))
	which := s.Draw.Uint64()
	facts, err := s.Noted()
	if err != nil || len(facts) == 0 {
		return -1
	}
	node, err := s.Await(facts[:1+which%uint64(len(facts))], momentWait)
	if err != nil || node < 0 {
		return -1
	}
	s.Sleep(time.Duration(later))
	return node
}
