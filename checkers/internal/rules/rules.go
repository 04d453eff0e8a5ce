// Package rules is for checkers that judge a history by a list of rules, each of
// which can be broken many times: it counts how often each was, keeps the first
// few with their operations, and turns them into a result with its certificate.
package rules

import (
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
)

// Finding is one time that a rule was broken.
type Finding struct {
	Rule  string // the name of the anomaly
	Ops   []int  // indices of invocations, in the order of the roles that the rule gives them
	Also  []int  // of others that a reader has to see too
	Item  string // what it is about, where the operations are about several things
	Key   string
	Why   string
	Edges []checkers.Edge
}

// Proof is the evidence for an invalid verdict: what has to be looked at to see
// that a rule was broken.
type Proof struct {
	Anomaly string `json:"anomaly"`
	Ops     []int  `json:"ops"` // in the order of their roles
	Item    string `json:"item,omitempty"`
}

// Book is what was found, rule by rule. The zero Book is empty and ready for use.
type Book struct {
	counts map[string]int
	kept   map[string][]Finding
}

// Add takes in a finding.
func (b *Book) Add(f Finding) {
	if b.counts == nil {
		b.counts, b.kept = make(map[string]int), make(map[string][]Finding)
	}
	b.counts[f.Rule]++
	if b.counts[f.Rule] <= checkers.MaxAnomalies {
		b.kept[f.Rule] = append(b.kept[f.Rule], f)
	}
}

// Full reports whether a rule was broken so often that no more of it is kept. Then
// it is counted, and its finding need not be put into words.
func (b *Book) Full(rule string) bool {
	if b.counts[rule] < checkers.MaxAnomalies {
		return false
	}
	b.counts[rule]++
	return true
}

// Counts returns how often each rule was broken: none of those that never were.
func (b *Book) Counts() map[string]int {
	if b.counts == nil {
		return map[string]int{}
	}
	return b.counts
}

// Broken reports whether any rule was.
func (b *Book) Broken() bool { return len(b.counts) > 0 }

// Result is invalid if a rule of the list was broken, and OK otherwise. The
// anomalies are in the order of the list; its certificate claims the definition.
// The evidence for OK is what proof returns; nil if the definition needs none.
func (b *Book) Result(order []string, definition string, parameters map[string]string, proof func() (any, error)) checkers.Result {
	claim := checkers.Claim{Definition: definition, Parameters: parameters}
	var found []Finding
	for _, rule := range order {
		found = append(found, b.kept[rule]...)
	}
	if len(found) == 0 {
		return checkers.Result{Certify: func() (checkers.Claim, error) {
			if proof == nil {
				return claim, nil
			}
			var err error
			claim.Evidence, err = proof()
			return claim, err
		}}
	}
	r := checkers.Result{Verdict: checkers.Invalid}
	for _, f := range found {
		r.Anomalies = append(r.Anomalies, checkers.Anomaly{Name: f.Rule, Explanation: f.Why, Ops: inOrder(append(f.Also, f.Ops...)), Key: f.Key, Edges: f.Edges})
	}
	r.Anomalies = checkers.Some(r.Anomalies)
	r.Certify = func() (checkers.Claim, error) {
		claim.Verdict, claim.Evidence = checkers.Invalid, Proof{found[0].Rule, found[0].Ops, found[0].Item}
		return claim, nil
	}
	return r
}

// inOrder returns indices in order and once each.
func inOrder(ops []int) []int {
	ops = slices.Sorted(slices.Values(ops))
	return slices.Compact(ops)
}
