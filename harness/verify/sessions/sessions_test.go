package sessions_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/verify"
)

// inTurn makes a history of operations that follow each other, written as process,
// function, key and value, with what they returned: "0 w x 1" and "1 r x 1". One
// that ends with ? has an unknown outcome, one that ends with ! failed.
func inTurn(t *testing.T, lines ...string) *history.History {
	t.Helper()
	h := new(history.History)
	for _, line := range lines {
		typ := history.OK
		switch {
		case strings.HasSuffix(line, "?"):
			typ = history.Info
		case strings.HasSuffix(line, "!"):
			typ = history.Fail
		}
		var p, v int
		var f, k string
		if _, err := fmt.Sscanf(line, "%d %s %s %d", &p, &f, &k, &v); err != nil {
			t.Fatal(line, err)
		}
		value := history.Int(int64(v))
		if v == 0 {
			value = history.Nil
		}
		op := history.Op{Index: len(h.Ops), Process: history.Process(p), F: f, Key: history.String(k), Value: value}
		done := op
		done.Index, done.Type = op.Index+1, typ
		h.Ops = append(h.Ops, op, done)
	}
	return h
}

// asTransactions makes of each operation a transaction of one step.
func asTransactions(h *history.History) *history.History {
	txns := new(history.History)
	for _, op := range h.Ops {
		op.Value = history.List(history.List(history.String(op.F), op.Key, op.Value))
		op.F, op.Key = "txn", history.Value{}
		txns.Ops = append(txns.Ops, op)
	}
	return txns
}

func TestSessionClaims(t *testing.T) {
	t.Parallel()
	stale := inTurn(t, "0 w x 1", "0 w x 2", "1 r x 2", "1 r x 1") // indices 0, 2, 4, 6
	fine := inTurn(t, "0 w x 1", "0 w x 2", "1 r x 1", "1 r x 2")
	buffers := inTurn(t, "0 w x 1", "0 r y 0", "1 w y 2", "1 r x 0")
	maybe := inTurn(t, "0 w x 1?", "0 w x 2!", "1 r x 1")
	foul := inTurn(t, "0 w x 2!", "1 r x 2")
	seen := `{"session":4,"forced":[{"from":2,"to":0,"path":[2,4,6]}],"cycle":[0,2]}`
	for _, c := range []struct {
		h                  *history.History
		guarantee, verdict string
		evidence           string
		ok                 bool
	}{
		{fine, "sequential", "ok", `{"order":[0,4,2,6]}`, true},
		{fine, "sequential", "ok", `{"order":[0,2,4,6]}`, false},
		{fine, "sequential", "ok", `{"order":[0,4,2]}`, false},
		{fine, "sequential", "ok", `{"order":[4,0,2,6]}`, false},
		{fine, "pram", "ok", `{"views":[{"session":0,"order":[0,2]},{"session":4,"order":[0,4,2,6]}]}`, true},
		{fine, "pram", "ok", `{"views":[{"session":4,"order":[0,4,2,6]}]}`, false},
		{fine, "causal-memory", "ok", `{"views":[{"session":0,"order":[0,2]},{"session":4,"order":[2,4,0,6]}]}`, false},
		{fine, "causal", "ok", `{"order":[0,2,4,6]}`, true},
		{fine, "monotonic-reads", "ok", `{"order":[0,2]}`, true},
		{fine, "monotonic-reads", "ok", `{"order":[2,0]}`, false},
		{fine, "monotonic-writes", "ok", `{"order":[2,0]}`, false},
		{stale, "causal", "ok", `{"order":[0,2,4,6]}`, false},
		{stale, "causal", "invalid", seen, true},
		{stale, "pram", "invalid", seen, true},
		{stale, "sequential", "invalid", seen, true},
		{stale, "monotonic-reads", "invalid", seen, false}, // nothing there puts 0 before 2
		{stale, "monotonic-reads", "ok", `{"order":[2,0]}`, true},
		{fine, "causal", "invalid", seen, false},
		{stale, "causal", "invalid", `{"session":4,"forced":[{"from":2,"to":0,"path":[2,6]}],"cycle":[0,2]}`, false},
		{stale, "causal", "invalid", `{"session":4,"cycle":[0,2]}`, false},
		{stale, "causal", "invalid", `{"session":4}`, false},
		{buffers, "causal-memory", "ok", `{"views":[{"session":0,"order":[0,2,4]},{"session":4,"order":[4,6,0]}]}`, true},
		{buffers, "sequential", "invalid", `{"session":0,"forced":[{"from":2,"to":4,"path":[4],"after":true},{"from":6,"to":0,"path":[0],"after":true}],"cycle":[0,2,4,6]}`, true},
		{buffers, "causal-convergent", "invalid", `{"session":0,"forced":[{"from":2,"to":4,"path":[4],"after":true},{"from":6,"to":0,"path":[0],"after":true}],"cycle":[0,2,4,6]}`, false},
		{maybe, "causal", "ok", `{"order":[0,4]}`, true},
		{maybe, "causal", "ok", `{"order":[0,2,4]}`, false},
		{foul, "causal", "invalid", `{"anomaly":"AbortedRead","read":2}`, true},
		{foul, "causal", "invalid", `{"anomaly":"ThinAirRead","read":2}`, false},
		{foul, "causal", "ok", `{"order":[2]}`, false},
		{fine, "linearizable", "ok", `{"order":[0,4,2,6]}`, false},
	} {
		raw := fmt.Sprintf(`{"definition":"sessions","parameters":{"guarantee":%q,"versions":"hidden"},"verdict":%q,"evidence":%s}`, c.guarantee, c.verdict, c.evidence)
		if _, err := verify.Claim(c.h, []byte(raw)); (err == nil) != c.ok {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// What is known of versions counts.
func TestSessionVersions(t *testing.T) {
	t.Parallel()
	h := inTurn(t, "0 w x 2", "1 w x 1", "2 r x 2", "2 r x 1")
	seen := `{"session":4,"forced":[{"from":0,"to":2,"path":[0,4,6]}],"cycle":[2,0]}`
	for versions, ok := range map[string]bool{"increasing": true, "hidden": false} {
		raw := fmt.Sprintf(`{"definition":"sessions","parameters":{"guarantee":"monotonic-reads","versions":%q},"verdict":"invalid","evidence":%s}`, versions, seen)
		if _, err := verify.Claim(h, []byte(raw)); (err == nil) != ok {
			t.Errorf("%s: %v", raw, err)
		}
		raw = fmt.Sprintf(`{"definition":"sessions","parameters":{"guarantee":"monotonic-reads","versions":%q},"verdict":"ok","evidence":{"order":[0,2]}}`, versions)
		if _, err := verify.Claim(h, []byte(raw)); (err == nil) == ok {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestWeakIsolationClaims(t *testing.T) {
	t.Parallel()
	stale := asTransactions(inTurn(t, "0 w x 1", "0 w x 2", "1 r x 2", "1 r x 1")) // indices 0, 2, 4, 6
	cycle := `{"cycle":[{"from":0,"to":2,"kind":"so"},{"from":2,"to":0,"kind":"forced","path":[2,4,6],"step":0}]}`
	for _, c := range []struct {
		level, verdict, evidence string
		ok                       bool
	}{
		{"read-atomic", "ok", `{"order":[0,2,4,6]}`, true},
		{"read-atomic", "ok", `{"order":[0,4,2,6]}`, false},
		{"read-atomic", "ok", `{"order":[0,2,6,4]}`, false},
		{"read-atomic", "ok", `{"order":[0,2,4]}`, false},
		{"causal", "ok", `{"order":[0,2,4,6]}`, false},
		{"causal", "invalid", cycle, true},
		{"read-atomic", "invalid", cycle, false},
		{"causal", "invalid", `{"cycle":[{"from":0,"to":2,"kind":"so"}]}`, false},
		{"causal", "invalid", `{"cycle":[]}`, false},
		{"causal", "invalid", `{"anomaly":"ThinAirRead","txn":6,"step":0}`, false},
		{"serializable", "ok", `{"order":[0,2,4,6]}`, false},
	} {
		raw := fmt.Sprintf(`{"definition":"weak-isolation","parameters":{"level":%q,"workload":"rw-register"},"verdict":%q,"evidence":%s}`, c.level, c.verdict, c.evidence)
		if _, err := verify.Claim(stale, []byte(raw)); (err == nil) != c.ok {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
