package nemesis

import (
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// nodes is a cluster of which only the size is asked for.
type nodes struct {
	world.Control
	n int
}

func (c nodes) Nodes() int { return c.n }

// How many nodes a fault goes for depends on what else is in force: windows
// that overlap must not add up to a cluster that can do nothing.
func TestSizeOfTargetSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		nodes int
		taken []int
		cut   bool
		want  int
	}{
		{"one", 5, nil, false, 1},
		{"minority", 5, nil, false, 2},
		{"minority", 5, []int{3}, false, 1},
		{"minority", 5, []int{0, 3}, false, 1},
		{"minority", 7, []int{1}, false, 2},
		{"minority", 5, nil, true, 1},
		{"minority", 7, nil, true, 1},
		{"majority", 5, nil, true, 3},
		{"all", 5, []int{2}, false, 4}, // those that are left
	} {
		s := &Scene{
			Control: nodes{n: c.nodes}, Params: Params{"targets": c.what},
			Draw: choice.New(1).Stream("test"), Taken: make([]bool, c.nodes), Cut: c.cut,
		}
		for _, n := range c.taken {
			s.Taken[n] = true
		}
		got := pickTargets(s, nil)
		if len(got) != c.want {
			t.Errorf("%s of %d nodes, taken %v, cut %v: aims at %v, want %d", c.what, c.nodes, c.taken, c.cut, got, c.want)
		}
		for _, n := range got {
			if s.Taken[n] {
				t.Errorf("%s aims at node %d, which is taken", c.what, n)
			}
		}
	}
}

// Who is to be Byzantine is left alone as long as there are others.
func TestTheCastIsSpared(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		s := &Scene{
			Control: newFake(5), Params: Params{"targets": "minority"}, Draw: choice.New(seed).Stream("test"),
			Taken: make([]bool, 5), Cast: []int{2},
		}
		if got := pickTargets(s, nil); slices.Contains(got, 2) {
			t.Fatalf("seed %d: %v", seed, got)
		}
		s.Params = Params{"targets": "all"}
		if got := pickTargets(s, nil); len(got) != 5 {
			t.Fatalf("seed %d: all are %v", seed, got)
		}
	}
}
