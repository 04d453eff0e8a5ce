// Package bank judges accounts that clients move money between and read all at
// once: is there always the same amount of money, and no debt?
//
// A transfer takes an amount from one account and adds it to another, so it
// changes balances and never their sum. A read that finds another sum has seen
// half of a transfer, or one that was applied once and taken back once: it is no
// snapshot. That every read is a snapshot is what snapshot isolation promises,
// and all that is stronger. These are the rules of Jepsen's bank test.
//
//	wrong-total     the balances of a read do not add up to the total
//	negative-value  a balance is below zero, although transfers must not overdraw
//	unexpected-key  a read has an account that does not exist
//	nil-balance     a read has an account without a balance
//	missing-key     a read lacks an account
//
// The last one is not Jepsen's: an account whose balance is zero can vanish from
// a read without changing the sum. Where nobody says what the total is, that of
// the first read is it, and a violation is two reads that disagree.
//
// A history in which no read was ok shows nothing and is unknown. One pass over
// the reads decides.
package bank

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/internal/finding"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "bank"

// Names of the anomalies.
const (
	WrongTotal    = "wrong-total"
	NegativeValue = "negative-value"
	UnexpectedKey = "unexpected-key"
	NilBalance    = "nil-balance"
	MissingKey    = "missing-key"
)

// Options say what the bank looks like. The names in parentheses are Jepsen's.
type Options struct {
	// Accounts are the names of all accounts (accounts); none means that any
	// account may be read.
	Accounts []string
	// TotalAmount is the sum of all balances (total-amount); nil means that of
	// the first read.
	TotalAmount *int64
	// NegativeBalances allows balances below zero (negative-balances).
	NegativeBalances bool
}

// Error is a read that cannot be.
type Error struct {
	Type  string   `json:"type"`
	Index int      `json:"index"`              // of the completion of the read
	Total int64    `json:"total"`              // of its balances
	Keys  []string `json:"accounts,omitempty"` // the accounts that it is about
	Debt  int64    `json:"debt,omitempty"`     // the sum of negative balances, without the sign

	Unexpected []string        `json:"unexpected,omitempty"` // accounts that do not exist
	Nils       map[string]*int `json:"nils,omitempty"`       // accounts without a balance, and nothing for each
	Negative   []int64         `json:"negative,omitempty"`   // balances below zero

	badness float64
}

// Errors are all errors of one type.
type Errors struct {
	Count   int    `json:"count"`
	First   Error  `json:"first"`
	Worst   Error  `json:"worst"`
	Last    Error  `json:"last"`
	Lowest  *Error `json:"lowest,omitempty"`  // of wrong totals only
	Highest *Error `json:"highest,omitempty"` // of wrong totals only
}

// Report has the results of Jepsen's bank checker under their names.
type Report struct {
	Reads      int                `json:"read-count"`
	ErrorCount int                `json:"error-count"`
	FirstError *Error             `json:"first-error"`
	Errors     map[string]*Errors `json:"errors"` // by type

	Anomalies []checkers.Anomaly `json:"-"` // at most MaxAnomalies
}

// New returns a checker of banks.
func New(opts Options) checkers.Checker {
	parameters := opts.parameters()
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		report, err := Check(ctx, h, opts)
		result := checkers.Result{}
		switch {
		case err != nil:
			return checkers.Unknownf("%v", err)
		case report.ErrorCount > 0:
			result = checkers.Result{Verdict: checkers.Invalid, Anomalies: report.Anomalies}
		case report.Reads == 0:
			return checkers.Unknownf("the accounts were never read: no read was ok").Detail(report)
		}
		return finding.Certified(result.Detail(report), Name, parameters, nil)
	})
}

// parameters are the options as certificates have them.
func (o Options) parameters() map[string]string {
	p := map[string]string{}
	if len(o.Accounts) > 0 {
		names, _ := json.Marshal(o.Accounts)
		p["accounts"] = string(names)
	}
	if o.TotalAmount != nil {
		p["total-amount"] = strconv.FormatInt(*o.TotalAmount, 10)
	}
	if o.NegativeBalances {
		p["negative-balances"] = "true"
	}
	return p
}

// Check judges the reads of h. Where operations have keys, each key is a bank
// of its own, and the report is that of all of them together. It is an error if
// a read does not return a map of accounts to integers, or if ctx ends.
func Check(ctx context.Context, h *history.History, opts Options) (Report, error) {
	calls, err := checkers.Paired(h)
	if err != nil {
		return Report{}, err
	}
	j := newJudge(calls, opts)
	reads := byCompletion(calls)
	for i, c := range reads {
		if i%1024 == 0 && context.Cause(ctx) != nil {
			return j.Report, fmt.Errorf("stopped after %d of %d reads, with %d errors: %w", i, len(reads), j.ErrorCount, context.Cause(ctx))
		}
		if err := j.read(c); err != nil {
			return j.Report, err
		}
	}
	return j.Report, nil
}

// byCompletion returns the reads that were ok in the order in which they ended.
func byCompletion(calls []history.Call) []history.Call {
	var reads []history.Call
	for _, c := range calls {
		if c.Invoke.F == "read" && c.Type() == history.OK {
			reads = append(reads, c)
		}
	}
	slices.SortFunc(reads, func(a, b history.Call) int { return a.Complete.Index - b.Complete.Index })
	return reads
}

// note counts an error and keeps an anomaly for it.
func (r *Report) note(e Error, a checkers.Anomaly) {
	r.ErrorCount++
	if r.FirstError == nil {
		r.FirstError = &e
	}
	if len(r.Anomalies) < checkers.MaxAnomalies {
		r.Anomalies = append(r.Anomalies, a)
	}
	all := r.Errors[e.Type]
	if all == nil {
		all = &Errors{First: e, Worst: e}
		r.Errors[e.Type] = all
	}
	all.Count++
	all.Last = e
	if e.badness > all.Worst.badness {
		all.Worst = e
	}
	if e.Type == WrongTotal {
		all.extremes(e)
	}
}

func (all *Errors) extremes(e Error) {
	if all.Lowest == nil || e.Total < all.Lowest.Total {
		all.Lowest = &e
	}
	if all.Highest == nil || e.Total > all.Highest.Total {
		all.Highest = &e
	}
}

// malformed is the error for a value that is not what a bank returns.
func malformed(c history.Call, what string, v history.Value) error {
	return fmt.Errorf("index %d: a read of a bank has to return a map of accounts to integers, but %s is %v; see what the client records",
		c.Complete.Index, what, v)
}
