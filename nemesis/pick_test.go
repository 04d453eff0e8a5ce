package nemesis

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Whatever is already taken: targets are nodes that are there and not taken,
// each once and in order; there are some as long as one is left; the leader is
// hit if it can be; and a minority leaves a majority standing while it can.
func TestPickTargets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		nodes := rapid.IntRange(1, 9).Draw(rt, "nodes")
		f := newFake(nodes)
		f.leader = rapid.IntRange(-1, nodes-1).Draw(rt, "leader")
		s := &Scene{
			Control: f, Params: Params{"targets": rapid.SampledFrom(targetNames).Draw(rt, "targets")},
			Draw:  choice.New(rapid.Uint64().Draw(rt, "seed")).Stream("test"),
			Taken: rapid.SliceOfN(rapid.Bool(), nodes, nodes).Draw(rt, "taken"),
			Cut:   rapid.Bool().Draw(rt, "cut"),
			Turn:  rapid.IntRange(0, 20).Draw(rt, "turn"),
			Deck:  deck,
		}
		if rapid.Bool().Draw(rt, "facts") {
			f.facts, f.noting = []string{"this", "that"}, rapid.IntRange(-1, nodes-1).Draw(rt, "noting")
		}
		taken := 0
		for _, is := range s.Taken {
			if is {
				taken++
			}
		}
		got := pickTargets(s, []string{"one", "leader", "minority", "all"})
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			rt.Fatalf("targets %v", got)
		}
		for _, n := range got {
			if n < 0 || n >= nodes || s.Taken[n] {
				rt.Fatalf("targets %v, taken %v", got, s.Taken)
			}
		}
		if (len(got) == 0) != (taken == nodes) {
			rt.Fatalf("targets %v though %d of %d nodes are taken", got, taken, nodes)
		}
		if n := f.noting; s.Params["targets"] == "moment" && f.facts != nil && n >= 0 && !s.Taken[n] && !slices.Equal(got, []int{n}) {
			rt.Fatalf("targets %v, though n%d came to the moment", got, n+1)
		}
		if why := fits(s, f.leader, got, taken); why != "" {
			rt.Fatalf("%s: targets %v, taken %v, leader %d", why, got, s.Taken, f.leader)
		}
	})
}

// fits says what is wrong with the size of a target set, by its name.
func fits(s *Scene, leader int, got []int, taken int) string {
	left := s.Nodes() - taken
	minority := (s.Nodes() - 1) / 2
	switch s.Params["targets"] {
	case "one":
		if len(got) != min(1, left) {
			return "not one"
		}
	case "leader":
		if leader >= 0 && !s.Taken[leader] && !slices.Equal(got, []int{leader}) {
			return "not the leader"
		}
	case "minority":
		if taken < minority && taken+len(got) > minority || taken >= minority && len(got) > 1 {
			return "no minority"
		}
	case "majority":
		if len(got) != min(left, s.Nodes()/2+1) {
			return "no majority"
		}
	case "all":
		if len(got) != left {
			return "not all that are left"
		}
	}
	return ""
}

// What is dealt comes once before it comes again, in another order each time.
func TestDeal(t *testing.T) {
	t.Parallel()
	orders := map[string]bool{}
	for round := range 20 {
		var dealt []string
		for turn := range 4 {
			s := &Scene{Turn: 4*round + turn, Deck: deck}
			dealt = append(dealt, s.deal([]string{"a", "b", "c", "d"}))
		}
		orders[strings.Join(dealt, " ")] = true
		slices.Sort(dealt)
		if !slices.Equal(dealt, []string{"a", "b", "c", "d"}) {
			t.Fatalf("dealt %v", dealt)
		}
	}
	if len(orders) < 5 {
		t.Errorf("orders %v", orders)
	}
}

// The first target set of a run leaves a majority standing.
func TestDealBeginsMild(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		s := &Scene{Deck: func(int) *choice.Stream { return choice.New(seed).Stream("deck") }}
		if first := s.deal([]string{"all", "majority", "one"}); first != "one" {
			t.Fatalf("seed %d: %s", seed, first)
		}
	}
}

// A replay takes its targets from the record and still makes the same draws.
func TestPickTargetsFollows(t *testing.T) {
	t.Parallel()
	draws := func(record *history.Value) ([]int, uint64) {
		s := &Scene{
			Control: newFake(5), Params: Params{"targets": "mix"}, Draw: choice.New(1).Stream("test"),
			Taken: make([]bool, 5), Record: record, Deck: deck,
		}
		return pickTargets(s, []string{"one", "minority"}), s.Draw.Uint64()
	}
	_, next := draws(nil)
	record := history.Map(str("nodes"), names([]int{4, 1}))
	got, nextToo := draws(&record)
	if !slices.Equal(got, []int{4, 1}) || next != nextToo {
		t.Errorf("targets %v; next draws %d and %d", got, next, nextToo)
	}
}
