package nemesis

import (
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

func byzantineScene(t *testing.T, f *fake, params map[string]string) *Scene {
	t.Helper()
	use, err := NewUse(Byzantine(), params, f.Nodes())
	if err != nil {
		t.Fatal(err)
	}
	return &Scene{Control: f, Params: use.Params, Draw: choice.New(1).Stream("test"), Taken: make([]bool, f.Nodes()), Deck: deck}
}

func TestByzantineWindow(t *testing.T) {
	t.Parallel()
	f := newFake(5)
	w, err := aimByzantine(byzantineScene(t, f, map[string]string{"deed": "forge", "node": "n2"}))
	if err != nil || !slices.Equal(w.Nodes(), []int{1}) {
		t.Fatal(w, err)
	}
	steps := []struct {
		name      string
		do        func() (Finding, error)
		want      history.Witness
		exercised bool
	}{
		{"before", func() (Finding, error) { return w.Witness(f) }, history.Ineffective, false},
		{"during", func() (Finding, error) { must(t, w.Inject(f)); return w.Witness(f) }, history.Confirmed, false},
		{"idle", func() (Finding, error) { return w.LookBack(f) }, history.Confirmed, false},
		{"busy", func() (Finding, error) { f.conduct[1].Done = 2; return w.LookBack(f) }, history.Confirmed, true},
		{"still there", func() (Finding, error) { return w.Recheck(f) }, history.Ineffective, false},
		{"healed", func() (Finding, error) { must(t, w.Heal(f)); return w.Recheck(f) }, history.Confirmed, false},
	}
	for _, s := range steps {
		if got, err := s.do(); err != nil || got.Witness != s.want || got.Exercised != s.exercised {
			t.Errorf("%s: %+v %v", s.name, got, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A node that is dead cannot hear that it is over.
func TestByzantineLeavesTakenNodesAlone(t *testing.T) {
	t.Parallel()
	s := byzantineScene(t, newFake(5), nil)
	s.Taken[0] = true
	if w, err := aimByzantine(s); err == nil {
		t.Error(w)
	}
}

func TestByzantineIsRestored(t *testing.T) {
	t.Parallel()
	s := byzantineScene(t, newFake(5), nil)
	record := history.Map(str("deed"), str("overdraw"), str("nodes"), names([]int{0}))
	s.Record = &record
	if w, err := aimByzantine(s); err != nil || w.(*byzantine).deed != "overdraw" {
		t.Error(w, err)
	}
}

// A mix has every kind of deed by turns, so that each run has some that double votes.
func TestDeedsAreDealt(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for round := range 60 {
		kinds := map[string]bool{}
		for turn := range len(byzantineMix) {
			s := byzantineScene(t, newFake(5), nil)
			s.Turn, s.Draw = round*len(byzantineMix)+turn, choice.New(uint64(round)).Stream("test", uint64(turn))
			w, err := aimByzantine(s)
			if err != nil {
				t.Fatal(err)
			}
			deed := w.(*byzantine).deed
			seen[deed] = true
			for kind, of := range byzantineMix {
				if slices.ContainsFunc(of, func(d choice.Weighted) bool { return d.Name == deed }) {
					kinds[kind] = true
				}
			}
		}
		if len(kinds) != len(byzantineMix) {
			t.Errorf("round %d: only %v", round, kinds)
		}
	}
	for deed := range seen {
		if !slices.Contains(byzantineDeeds, deed) {
			t.Errorf("nobody knows the deed %s", deed)
		}
	}
	if len(seen) != 7 {
		t.Errorf("a mix has %v", seen)
	}
}
