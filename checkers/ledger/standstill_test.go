package ledger

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules/rulestest"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// standstill makes up what two nodes say of a chain A, B, C, D and of a fork of it,
// with the transfer t somewhere, before the final phase and in it.
func standstill(rng *rand.Rand) *history.History {
	with := rng.IntN(6)
	on := []string{"g", "A", "B", "C"}[rng.IntN(4)]
	var blocks []history.Value
	for i, b := range []struct{ id, parent string }{{"g", ""}, {"A", "g"}, {"B", "A"}, {"C", "B"}, {"D", "C"}, {"Z", on}} {
		fields := []any{"id", text(b.id), "height", history.Int(int64(i))}
		if b.id == "Z" {
			fields[3] = history.Int(int64(1 + map[string]int{"g": 0, "A": 1, "B": 2, "C": 3}[on]))
		}
		if b.parent != "" {
			fields = append(fields, "parent", text(b.parent))
		}
		if i == with {
			fields = append(fields, "txs", history.List(pay("t", "a", 0, 1)))
		}
		blocks = append(blocks, rulestest.Fields(fields...))
	}
	s := &rulestest.Steps{}
	look := func(f, tip string) history.Value {
		final := []string{"A", "A", "A", "A", "B", "B", "C", "Z"}[rng.IntN(8)]
		if f == "balances" {
			return rulestest.Fields("tip", text(tip), "accounts", history.Map())
		}
		return rulestest.Fields("tip", text(tip), "finalized", text(final), "blocks", history.List(blocks...))
	}
	for i := range 3 + rng.IntN(6) {
		op := history.Op{Node: nodes[rng.IntN(2)], F: []string{"observe", "observe", "balances", "status"}[rng.IntN(4)], Final: i > 2}
		if op.F == "status" {
			op.Value = text("t")
			s.Call(op, text([]string{"confirmed", "confirmed", "pending", "pending", "unknown"}[rng.IntN(5)]))
			continue
		}
		s.Call(op, look(op.F, []string{"B", "C", "D", "Z"}[rng.IntN(4)]))
	}
	return &s.H
}

// TestStandstill compares with the definitions where finality stands still, and has
// every pair of operations claimed to show what they may only show where it does not.
func TestStandstill(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 2))
	opts := Options{Depth: -1, Inclusion: time.Millisecond}
	excused := map[string]int{}
	for i := range rulestest.Rounds() / 15 {
		h := standstill(rng)
		report, err := Check(t.Context(), h, opts)
		if err != nil {
			t.Fatal(err)
		}
		r, want := report.result(opts.filled(h)), byDefinition(h, opts)
		if r.Verdict == checkers.Unknown {
			continue
		}
		for _, rule := range Anomalies() {
			hidden := rule == FinalityReversal && report.Broken[FinalityFork] > 0 // the fork says it already
			if got := report.Broken[rule] > 0; got != want[rule] && !(hidden && !got) {
				t.Fatalf("%s: we say %v, want %v\n%v", rule, got, want[rule], rulestest.Show(h))
			}
		}
		rulestest.Confirm(t, h, r)
		if report.Broken[StalledFinality] > 0 && i%20 == 0 {
			claimPairs(t, h, r, opts)
		}
		patient := opts
		patient.Inclusion = time.Hour // by which nothing stands still
		for rule := range byDefinition(h, patient) {
			if (rule == FinalityReversal || rule == VanishedTransfer) && !want[rule] {
				excused[rule]++
				if !want[StalledFinality] {
					t.Fatalf("nothing says why there is no %s\n%v", rule, rulestest.Show(h))
				}
			}
		}
	}
	rulestest.Enough(t, excused, []string{FinalityReversal, VanishedTransfer})
}

// claimPairs sees that those two operations are taken for evidence, and no others, that
// show by the definitions what a node that stands still may be blamed for.
func claimPairs(t *testing.T, h *history.History, r checkers.Result, opts Options) {
	t.Helper()
	claim, err := r.Claim()
	if err != nil {
		t.Fatal(err)
	}
	n := readNaively(h, opts)
	for _, c := range n.calls {
		for _, d := range n.calls {
			n.broken = map[string]bool{}
			n.pair(c, d)
			for rule, item := range map[string]string{FinalityReversal: "", VanishedTransfer: "t"} {
				claim.Evidence = rules.Proof{Anomaly: rule, Ops: []int{c.Invoke.Index, d.Invoke.Index}, Item: item}
				if err := rulestest.Try(t, h, claim); (err == nil) != n.broken[rule] {
					t.Fatalf("%s for %d and %d: we say %v, the verifier %v\n%v", rule, c.Invoke.Index, d.Invoke.Index, n.broken[rule], err, rulestest.Show(h))
				}
			}
		}
	}
}
