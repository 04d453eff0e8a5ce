// Package coretest helps the tests of checkers whose anomalies are cut down to a
// core: it has their certificates confirmed, and sees that damaged ones are refused.
package coretest

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// Confirm has the certificate of a result confirmed, if the verdict is one that has
// one.
func Confirm(t testing.TB, h *history.History, r checkers.Result) {
	t.Helper()
	if r.Verdict == checkers.Unknown {
		return
	}
	claim, err := r.Claim()
	if err != nil {
		t.Fatalf("%v, but %v\n%v", r.Verdict, err, h.Ops)
	}
	if err := try(t, h, claim); err != nil {
		text, _ := json.Marshal(claim)
		t.Fatalf("refused: %v\n%s\n%+v\n%v", err, text, r.Anomalies, h.Ops)
	}
}

func try(t testing.TB, h *history.History, claim checkers.Claim) error {
	t.Helper()
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.Claim(h, raw)
	return err
}

// Refuse damages the claim of a result in every way that leaves no proof, and sees
// each refused. Names are those of all anomalies.
func Refuse(t testing.TB, h *history.History, r checkers.Result, names []string) {
	t.Helper()
	if r.Verdict == checkers.Unknown {
		return
	}
	claim, err := r.Claim()
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, c checkers.Claim) {
		t.Helper()
		if err := try(t, h, c); err == nil {
			text, _ := json.Marshal(c)
			t.Fatalf("%s was confirmed: %s\n%v", what, text, h.Ops)
		}
	}
	flipped := claim
	flipped.Verdict = checkers.OK + checkers.Invalid - claim.Verdict
	refused("another verdict", flipped)
	if claim.Verdict == checkers.OK {
		for _, name := range names {
			flipped.Evidence = map[string]any{"anomaly": name, "key": "", "ops": []int{h.Ops[0].Index}}
			refused("made up evidence", flipped)
		}
		return
	}
	flipped.Evidence = nil
	refused("another verdict, no evidence", flipped)
	old := claim.Evidence.(map[string]any)
	with := func(what, field string, v any) {
		bad := claim
		e := map[string]any{"anomaly": old["anomaly"], "key": old["key"], "ops": old["ops"]}
		e[field] = v
		bad.Evidence = e
		refused(what, bad)
	}
	ops := old["ops"].([]int)
	for i := range ops {
		with("an operation less", "ops", slices.Delete(slices.Clone(ops), i, i+1))
		no := slices.Clone(ops)
		no[i] = len(h.Ops)
		with("an operation that is none", "ops", no)
	}
	if len(ops) > 1 {
		swapped := slices.Clone(ops)
		swapped[0], swapped[1] = ops[1], ops[0]
		with("two operations swapped", "ops", swapped)
	}
	with("an operation twice", "ops", append(slices.Clone(ops), ops[len(ops)-1]))
	with("an unknown anomaly", "anomaly", "oddity")
	with("another key", "key", "nothing of the kind")
	claim.Evidence = "because"
	refused("no evidence of the form", claim)
}

// Tape is a source of the bytes that a fuzzer gives, and then of others.
type Tape struct {
	left []byte
	then *rand.PCG
}

// NewTape returns a source that begins with the given bytes.
func NewTape(bytes []byte) *Tape { return &Tape{bytes, rand.NewPCG(1, 2)} }

// Uint64 returns the next byte at all places of a number.
func (s *Tape) Uint64() uint64 {
	if len(s.left) == 0 {
		return s.then.Uint64()
	}
	b := uint64(s.left[0])
	s.left = s.left[1:]
	return b * 0x0101010101010101
}

// Shuffle replaces, swaps, drops or repeats values among the completions of a
// history, as a fuzzer of valid ones does.
func Shuffle(rng *rand.Rand, h *history.History) {
	done := []int{}
	for i := range h.Ops {
		if h.Ops[i].Type == history.OK {
			done = append(done, i)
		}
	}
	if len(done) < 2 {
		return
	}
	a, b := &h.Ops[done[rng.IntN(len(done))]], &h.Ops[done[rng.IntN(len(done))]]
	switch rng.IntN(4) {
	case 0:
		a.Value, b.Value = b.Value, a.Value
	case 1:
		a.Value = b.Value
	case 2:
		a.Type = history.Fail
	default:
		a.Type = history.Info
	}
}
