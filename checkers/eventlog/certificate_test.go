package eventlog

import (
	"encoding/json"
	"testing"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// judged checks h and has the certificate verified.
func judged(t testing.TB, h *history.History, opts Options) checkers.Result {
	t.Helper()
	r := New(opts).Check(t.Context(), h)
	certified(t, h, r)
	return r
}

// certified has the certificate of a result verified.
func certified(t testing.TB, h *history.History, r checkers.Result) {
	t.Helper()
	if r.Verdict == checkers.Unknown {
		return
	}
	claim, err := r.Claim()
	if err != nil {
		t.Fatalf("%v: %v\n%v", r.Verdict, err, h.Ops)
	}
	if err := confirm(t, h, claim); err != nil {
		text, _ := json.Marshal(claim)
		t.Fatalf("%v\n%s\n%+v\n%v", err, text, r.Anomalies, h.Ops)
	}
}

func confirm(t testing.TB, h *history.History, claim checkers.Claim) error {
	t.Helper()
	raw, err := json.Marshal(claim)
	if err != nil {
		t.Fatal(err)
	}
	_, err = verify.Claim(h, raw)
	return err
}
