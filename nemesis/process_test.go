package nemesis

import (
	"slices"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// aimKill opens a window of kill at one node.
func aimKill(t *testing.T, f *fake, seed uint64, again string, record *history.Value) *process {
	t.Helper()
	w, err := Kill().Aim(&Scene{
		Control: f, Params: Params{"targets": "one", "again": again},
		Draw: choice.New(seed).Stream("test"), Taken: make([]bool, f.Nodes()), Record: record, Deck: deck,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w.(*process)
}

// Half of the nodes die again after their restart, or as the parameter says, and a
// replay takes from the record what the run had drawn.
func TestAgain(t *testing.T) {
	t.Parallel()
	once := 0
	for seed := range uint64(100) {
		w := aimKill(t, newFake(5), seed, "mix", nil)
		if w.again == 0 {
			once++
		}
		record := history.Map(append(w.Plan(), str("nodes"), names(w.nodes))...)
		if replayed := aimKill(t, newFake(5), seed+1000, "mix", &record); replayed.again != w.again {
			t.Fatalf("again after %v became %v", w.again, replayed.again)
		}
	}
	if once < 30 || once > 70 {
		t.Errorf("once in %d of 100 windows", once)
	}
	for _, again := range []string{"soon", "1h", "1500ns"} {
		if _, err := NewUse(Kill(), map[string]string{"again": again}, 5); err == nil {
			t.Errorf("again=%s is taken", again)
		}
	}
}

// Healing starts the node, kills it when it is time, and leaves it running.
func TestHealKillsAgain(t *testing.T) {
	t.Parallel()
	f := newFake(1)
	w := aimKill(t, f, 1, "3ms", nil)
	if err := w.Inject(f); err != nil {
		t.Fatal(err)
	}
	began := f.now
	if err := w.Heal(f); err != nil {
		t.Fatal(err)
	}
	want := []string{"Process 0", "Kill 0", "Start 0", "Kill 0", "Start 0"}
	if !slices.Equal(f.calls, want) || f.now-began != 3*time.Millisecond || f.procs[0].State != "running" {
		t.Errorf("%q within %v, then %+v", f.calls, f.now-began, f.procs[0])
	}
}
