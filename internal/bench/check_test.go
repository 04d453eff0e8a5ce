package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// TestGeneratedHistoriesAreValid makes small ones of each kind. They are the same
// each time, and ok by each check.
func TestGeneratedHistoriesAreValid(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]func(rng *rand.Rand) object{
		"register": func(rng *rand.Rand) object { return newRegister(rng, 7) },
		"queue":    func(rng *rand.Rand) object { return &fifo{rng: rng} },
		"lists":    func(rng *rand.Rand) object { return newDatabase(rng, "list-append") },
		"linked":   func(rng *rand.Rand) object { return newDatabase(rng, "linked-register") },
		"values":   func(rng *rand.Rand) object { return newDatabase(rng, "rw-register") },
	} {
		h, again := small(kind), small(kind)
		for i := range h.Ops {
			a, b := history.AppendJSON(nil, &h.Ops[i]), history.AppendJSON(nil, &again.Ops[i])
			if string(a) != string(b) {
				t.Fatalf("%s: %s and %s", name, a, b)
			}
		}
		for _, j := range judgedHistories {
			for _, c := range j.checks {
				if r := checkers.Run(context.Background(), c.with(), h); r.Verdict == checkers.Invalid {
					t.Errorf("%s: %s %s: %v", name, j.what, c.what, r.Anomalies[0])
				}
			}
		}
	}
}

func small(kind func(rng *rand.Rand) object) *history.History {
	rng := rand.New(rand.NewPCG(1, 2))
	return play(rng, 2000, 7, 10, kind(rng))
}

// TestPorcupineAgrees judges small duels with both.
func TestPorcupineAgrees(t *testing.T) {
	t.Parallel()
	for _, d := range duels {
		d.ops, d.clients = min(d.ops, 500), min(d.clients, 4)
		if f, err := d.measure(); err != nil || f.value == "" {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

// TestHistoriesAreWrittenAndRead writes a history in both formats and judges what
// is read back.
func TestHistoriesAreWrittenAndRead(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	h := play(rng, 500, 7, 5, newDatabase(rng, "linked-register"))
	for _, name := range []string{"h.jsonl", "h.edn"} {
		path := filepath.Join(t.TempDir(), name)
		if err := writeHistory(path, h); err != nil {
			t.Fatal(err)
		}
		back, err := history.Open(path)
		if err != nil || len(back.Ops) != len(h.Ops) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := judge(judgedHistories[3].checks[0], back); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
