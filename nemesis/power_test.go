package nemesis

import (
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Disks sag before some cuts and not before others, or as the parameter says,
// and a replay takes from the record what the run had drawn.
func TestSag(t *testing.T) {
	t.Parallel()
	aim := func(seed uint64, sag string, record *history.Value) *powerCut {
		w, err := aimPower(&Scene{
			Control: newFake(5), Params: Params{"targets": "all", "sag": sag, "sync": "mix"},
			Draw: choice.New(seed).Stream("test"), Taken: make([]bool, 5), Record: record, Deck: deck,
		})
		if err != nil {
			t.Fatal(err)
		}
		return w.(*powerCut)
	}
	without := 0
	for seed := range uint64(100) {
		w := aim(seed, "mix", nil)
		if w.sag.For == 0 {
			without++
		}
		record := history.Map(append(w.Plan(), str("nodes"), names(w.nodes))...)
		if again := aim(seed+1000, "mix", &record); again.sag != w.sag || len(again.nodes) != 5 {
			t.Fatalf("a sag of %v became %v", w.sag, again.sag)
		}
	}
	if without < 10 || without > 40 {
		t.Errorf("no sag in %d of 100 windows", without)
	}
	if w := aim(1, "150ms", nil); w.sag.For != 150*time.Millisecond {
		t.Errorf("a sag of 150ms became %v", w.sag)
	}
	for _, sag := range []string{"long", "1h", "1500µs"} {
		if _, err := NewUse(Power(), map[string]string{"sag": sag}, 5); err == nil {
			t.Errorf("sag=%s is taken", sag)
		}
	}
}
