package checkers

import "fmt"

// Edge is one step of a proof: in every order that would explain the history,
// From comes before To.
type Edge struct {
	From int    `json:"from"` // index of an invocation
	To   int    `json:"to"`   // index of an invocation
	Kind string `json:"kind"` // "rt" (real time), "process", "ww", "wr", "rw", …
	Key  string `json:"key,omitempty"`
	Via  []int  `json:"via,omitempty"` // invocations of other operations that show it
	Why  string `json:"why"`           // a sentence that a reader can verify by eye
}

// Claim says that a history meets a definition, or that it does not, and holds
// the evidence from which somebody who does not trust the checker can confirm
// it. The package harness/verify does so, and says what evidence each
// definition takes.
type Claim struct {
	Definition string            `json:"definition"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Verdict    Verdict           `json:"verdict"`            // OK or Invalid
	Evidence   any               `json:"evidence,omitempty"` // a value that JSON can hold
}

// NoClaimError says why there is no evidence for a verdict.
type NoClaimError struct{ Reason string }

// Error gives the reason.
func (e *NoClaimError) Error() string { return "no certificate: " + e.Reason }

// NoClaimf returns a NoClaimError.
func NoClaimf(format string, args ...any) error {
	return &NoClaimError{fmt.Sprintf(format, args...)}
}

// Claim returns the verdict with its evidence, which takes time and memory that
// only who asks for it should pay. It fails with a [NoClaimError] if the verdict
// is unknown, or if no evidence of a reasonable size is known for it.
func (r Result) Claim() (Claim, error) {
	switch {
	case r.Verdict != OK && r.Verdict != Invalid:
		return Claim{}, NoClaimf("the verdict is %v", r.Verdict)
	case r.Certify == nil:
		return Claim{}, NoClaimf("this checker has none")
	default:
		return r.Certify()
	}
}
