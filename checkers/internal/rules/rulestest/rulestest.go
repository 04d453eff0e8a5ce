// Package rulestest helps the tests of checkers that judge by rules: it has
// their certificates confirmed, and sees that damaged ones are refused.
package rulestest

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/rules"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// Confirm has the certificate of a result confirmed, if the verdict is one that
// has one, and returns the claim.
func Confirm(t testing.TB, h *history.History, r checkers.Result) checkers.Claim {
	t.Helper()
	if r.Verdict != checkers.OK && r.Verdict != checkers.Invalid {
		return checkers.Claim{}
	}
	claim, err := r.Claim()
	if err != nil {
		t.Fatalf("%v, but %v", r.Verdict, err)
	}
	if err := Try(t, h, claim); err != nil {
		text, _ := json.Marshal(claim)
		t.Fatalf("refused: %v\n%s\n%+v\n%v", err, text, r.Anomalies, h.Ops)
	}
	return claim
}

// Try has a claim confirmed and returns why it was not.
func Try(t testing.TB, h *history.History, claim checkers.Claim) error {
	t.Helper()
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.Claim(h, raw)
	return err
}

// Refuse damages the claim of a result in every way that leaves no proof, and
// sees each refused. Rules are the names of all anomalies.
func Refuse(t testing.TB, h *history.History, r checkers.Result, names []string) {
	t.Helper()
	claim := Confirm(t, h, r)
	flipped := claim
	flipped.Verdict = map[checkers.Verdict]checkers.Verdict{checkers.OK: checkers.Invalid, checkers.Invalid: checkers.OK}[claim.Verdict]
	refused(t, h, "another verdict", flipped)
	flipped.Evidence = nil
	refused(t, h, "another verdict, no evidence", flipped)
	proof, ok := claim.Evidence.(rules.Proof)
	if !ok {
		for _, name := range names {
			flipped.Evidence = rules.Proof{Anomaly: name, Ops: []int{h.Ops[0].Index}}
			refused(t, h, "another verdict, made up evidence", flipped)
		}
		return
	}
	try := func(what string, p rules.Proof) {
		t.Helper()
		bad := claim
		bad.Evidence = p
		refused(t, h, what, bad)
	}
	for i := range proof.Ops {
		try("an operation less", rules.Proof{Anomaly: proof.Anomaly, Ops: slices.Delete(slices.Clone(proof.Ops), i, i+1), Item: proof.Item})
		no := slices.Clone(proof.Ops)
		no[i] = len(h.Ops)
		try("an operation that is none", rules.Proof{Anomaly: proof.Anomaly, Ops: no, Item: proof.Item})
	}
	try("an operation more", rules.Proof{Anomaly: proof.Anomaly, Ops: append(slices.Clone(proof.Ops), proof.Ops[0]), Item: proof.Item})
	try("an unknown anomaly", rules.Proof{Anomaly: "oddity", Ops: proof.Ops, Item: proof.Item})
	if proof.Item != "" {
		try("another item", rules.Proof{Anomaly: proof.Anomaly, Ops: proof.Ops, Item: "nothing of the kind"})
	}
	claim.Evidence = "because"
	refused(t, h, "no evidence of the form", claim)
}

func refused(t testing.TB, h *history.History, what string, claim checkers.Claim) {
	t.Helper()
	if err := Try(t, h, claim); err == nil {
		text, _ := json.Marshal(claim)
		t.Fatalf("%s was confirmed: %s\n%v", what, text, h.Ops)
	}
}

// MadeUp sees that no evidence that is made up, of the given anomalies, about the
// given items, turns a result that is OK into one that is invalid.
func MadeUp(t testing.TB, rng *rand.Rand, h *history.History, r checkers.Result, names, items []string) {
	t.Helper()
	if r.Verdict != checkers.OK {
		return
	}
	claim := Confirm(t, h, r)
	claim.Verdict = checkers.Invalid
	for range 100 {
		p := rules.Proof{Anomaly: names[rng.IntN(len(names))], Item: items[rng.IntN(len(items))]}
		for range 1 + rng.IntN(4) {
			p.Ops = append(p.Ops, h.Ops[rng.IntN(len(h.Ops))].Index)
		}
		claim.Evidence = p
		refused(t, h, "made up evidence", claim)
	}
}

// Rand returns random numbers that are made from bytes, as fuzzing hands them
// out; when there are no more, it goes on with numbers of its own.
func Rand(data []byte) *rand.Rand { return rand.New(&source{data, rand.NewPCG(1, 1)}) }

type source struct {
	data []byte
	rest *rand.PCG
}

// Uint64 makes a word from the next byte, which decides its high bits: what draws
// numbers looks at those first.
func (s *source) Uint64() uint64 {
	word := s.rest.Uint64()
	if len(s.data) > 0 {
		word = word>>8 | uint64(s.data[0])<<56
		s.data = s.data[1:]
	}
	return word
}
