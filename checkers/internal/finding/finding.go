// Package finding makes the certificates of checkers that decide an object from
// its definition: an ok needs no evidence, for whoever doubts it can look as well,
// and an invalid needs the operations that show the anomaly.
package finding

import (
	"github.com/ordeal-dev/ordeal/checkers"
)

// Finding is the evidence of an invalid, as harness/verify takes it.
type Finding struct {
	Anomaly string `json:"anomaly"`
	Ops     []int  `json:"ops"` // indices of invocations, in their order
}

// Certified returns r with a certificate. The first anomaly is the one that it
// shows, by the operations that prove picks, or by all that it has if prove is nil.
func Certified(r checkers.Result, definition string, parameters map[string]string, prove func(a checkers.Anomaly) []int) checkers.Result {
	r.Certify = func() (checkers.Claim, error) {
		claim := checkers.Claim{Definition: definition, Parameters: parameters, Verdict: r.Verdict}
		if r.Verdict == checkers.Invalid {
			a := r.Anomalies[0]
			ops := a.Ops
			if prove != nil {
				ops = prove(a)
			}
			claim.Evidence = Finding{a.Name, ops}
		}
		return claim, nil
	}
	return r
}

// Flags returns parameters for options that are set, and nil if none is.
func Flags(on map[string]bool) map[string]string {
	var parameters map[string]string
	for name, set := range on {
		if set && parameters == nil {
			parameters = map[string]string{}
		}
		if set {
			parameters[name] = "true"
		}
	}
	return parameters
}
