// Package checkers judges histories.
//
// A [Checker] looks at a history and nothing else, and comes to one of four
// verdicts. OK has to be earned: a checker that found nothing to judge, ran out
// of time or memory, or crashed says Unknown, with the reason. Invalid comes
// with the anomalies it found, each under the name that the field gives it,
// with the fewest operations that prove it and a sentence that says why they
// cannot be explained.
//
// The checkers themselves are in the packages below this one. They depend on
// the history package and on nothing else of this project.
package checkers

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	"github.com/ordeal-dev/ordeal/harness/history"
)

// Verdict is the outcome of a check. Verdicts are ordered from best to worst,
// so that merging means to take the greatest.
type Verdict uint8

// The verdicts.
const (
	OK Verdict = iota
	Unknown
	HarnessError
	Invalid
)

var verdictNames = [...]string{"ok", "unknown", "harness-error", "invalid"}

// String returns the name of the verdict as reports print it.
func (v Verdict) String() string { return verdictNames[v] }

// MarshalText writes the name of the verdict.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the name of a verdict.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("unknown verdict %q", text)
}

// Merge returns the worst of the verdicts, and OK for none.
func Merge(verdicts ...Verdict) Verdict {
	worst := OK
	for _, v := range verdicts {
		worst = max(worst, v)
	}
	return worst
}

// Anomaly is a proof that a history breaks a promise.
type Anomaly struct {
	Name        string `json:"name"`            // in the field's terms: "stale-read", "lost-write"
	Explanation string `json:"explanation"`     // why the operations cannot be explained
	Ops         []int  `json:"ops"`             // indices of their invocations: the fewest that prove it
	Key         string `json:"key,omitempty"`   // the object it happened to, where there are many
	Edges       []Edge `json:"edges,omitempty"` // the steps of the proof, where it is one of order
}

// Result is what a checker has to say.
type Result struct {
	Verdict   Verdict         `json:"verdict"`
	Reason    string          `json:"reason,omitempty"` // why it is unknown
	Anomalies []Anomaly       `json:"anomalies"`        // the first ones found, if invalid
	Details   json.RawMessage `json:"details,omitempty"`

	// Certify returns the evidence for an OK or an Invalid, if there can be any;
	// see [Result.Claim].
	Certify func() (Claim, error) `json:"-"`
}

// Checker judges histories. It is safe for concurrent use.
type Checker interface {
	// Name is how results and the command line call the checker.
	Name() string
	// Check judges h, which it must not change. It stops when ctx ends, with
	// Unknown and what it had established by then.
	Check(ctx context.Context, h *history.History) Result
}

// Run has c judge h. A crash of the checker is Unknown with its stack as the
// reason, never the end of the program and never OK.
func Run(ctx context.Context, c Checker, h *history.History) (result Result) {
	defer func() {
		if p := recover(); p != nil {
			result = Result{Verdict: Unknown, Reason: fmt.Sprintf("checker %s crashed: %v\n%s", c.Name(), p, debug.Stack())}
		}
	}()
	return c.Check(ctx, h)
}
