package run

import (
	"time"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/plan"
)

// Result is what a run, a replay or a check came to. Its JSON form is what
// --json prints and what result.json holds.
type Result struct {
	Verdict checkers.Verdict `json:"verdict"`
	Seed    uint64           `json:"seed"`
	Digest  string           `json:"digest"`
	// Run is the directory of the run, or the history that was checked.
	Run string `json:"run"`
	Ops Counts `json:"ops"`
	// Consistency is the level that the history was judged by.
	Consistency string  `json:"consistency"`
	Promise     Promise `json:"promise"`
	// Checkers holds the results by name. Those under Judged made the verdict,
	// together with the errors of the harness; the others only inform.
	Checkers map[string]checkers.Result `json:"checkers"`
	Judged   []string                   `json:"judged"`
	Faults   []FaultResult              `json:"faults"`
	// Replay is the command that does it again.
	Replay string `json:"replay"`

	Bugs     []string `json:"bugs,omitempty"`     // that were seeded
	Facts    []string `json:"facts,omitempty"`    // rare paths that the nodes took, see actor.Sometimes
	Errors   []string `json:"errors,omitempty"`   // what the harness could not do
	Warnings []string `json:"warnings,omitempty"` // what a reader should know
	Load     *Load    `json:"load,omitempty"`
	// Recovered is how long the cluster took, after all faults were healed,
	// until it was seen to have recovered.
	Recovered plan.Duration `json:"recovered,omitzero"`
	Took      plan.Duration `json:"took,omitzero"` // real time
}

// Counts counts the operations of clients by how they ended.
type Counts struct {
	OK   int `json:"ok"`
	Fail int `json:"fail"`
	Info int `json:"info"`
}

// Promise is what the target says that its settings give, and whether the
// history bears it out. Kept is nil if nobody can tell.
type Promise struct {
	Level string `json:"level,omitempty"`
	Doc   string `json:"doc,omitempty"`
	Kept  *bool  `json:"kept"`
}

// FaultResult is one fault window.
type FaultResult struct {
	ID        int64           `json:"id"`
	Kind      string          `json:"kind"`
	Nodes     []string        `json:"nodes"`
	Witness   history.Witness `json:"witness"`
	Exercised bool            `json:"exercised"`
	Start     int64           `json:"start"` // nanoseconds since the start of the run
	End       int64           `json:"end"`
	Shape     string          `json:"shape,omitempty"`
}

// Load is how much was asked for and how much of it could be offered.
type Load struct {
	Rate     int64         `json:"rate"`    // asked for, operations per second
	Due      int64         `json:"due"`     // operations that were to be started
	Started  int64         `json:"started"` // operations that were
	LateMean plan.Duration `json:"late-mean"`
	LateMax  plan.Duration `json:"late-max"` // how late operations were started, all clients being busy
}

// counts counts the calls of a history.
func counts(calls []history.Call) Counts {
	var c Counts
	for _, call := range calls {
		switch call.Type() {
		case history.OK:
			c.OK++
		case history.Fail:
			c.Fail++
		default:
			c.Info++
		}
	}
	return c
}

// faultResults returns the windows of a history as results.
func faultResults(windows []history.Window) []FaultResult {
	results := make([]FaultResult, 0, len(windows))
	for _, w := range windows {
		results = append(results, FaultResult{
			ID: w.ID, Kind: w.Kind, Nodes: w.Nodes, Witness: w.Witness, Exercised: w.Exercised,
			Start: w.Start, End: w.End, Shape: w.Injected.Get("shape").Text(),
		})
	}
	return results
}

// since is the real time that has passed, rounded for people.
func since(start time.Time) plan.Duration {
	return plan.Duration(time.Since(start).Round(time.Millisecond))
}
