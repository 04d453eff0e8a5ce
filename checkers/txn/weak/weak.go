// Package weak judges histories of transactions by the isolation levels that do
// not need one order for everything: read committed, read atomic and causal
// consistency. What databases promise when they stay available is among them, and
// unlike stronger levels they can be decided exactly, without knowing the order of
// versions, in far less than quadratic time.
//
// # Levels
//
// Transactions read and write registers, and write every value to a key only once,
// so each read names the transaction that it read from (wr). Transactions of one
// process are in the order of its session (so). A history has a level if there is
// one order of all transactions, the commit order, that so and wr agree with and in
// which the following holds (Biswas and Enea, OOPSLA 2019). Say T3 reads x from T1,
// and T2 writes x too. If T3 can see T2, then T2 comes before T1, for otherwise T3
// should have read what T2 wrote. It can see T2
//
//	read-committed  if it read something from T2 before it read x
//	read-atomic     if it reads something from T2, or T2 is earlier in its session
//	causal          if a chain of so and wr leads from T2 to it
//
// The initial state was written by a transaction that comes before all others. A
// transaction that has written x reads its own last write of x; nobody reads what
// was overwritten in the same transaction, or what never committed.
//
// # Anomalies
//
// Names are those of Plume (Liu, Gu, Wei and Basin, OOPSLA 2024). Explanations call
// a transaction T and the index of its invocation.
//
//	ThinAirRead        reads what nobody wrote
//	AbortedRead        reads what was written by a transaction that failed
//	FutureRead         reads what it writes itself later
//	NotMyOwnWrite      has written x, and reads x from elsewhere
//	NotMyLastWrite     reads what it wrote itself, but wrote x again since
//	IntermediateRead   reads what its writer overwrote in the same transaction
//	CyclicCO           so and wr alone go in a circle
//	NonMonoReadCO      T3 sees T2 by an earlier read, but reads what is before T2 by so and wr
//	NonRepeatableRead  reads x twice and gets what two transactions wrote
//	FracturedReadCO    the same as NonMonoReadCO, if T3 sees T2 as read-atomic says
//	COConflictAO       the same, if it does so as causal says
//
// and NonMonoReadAO, FracturedReadAO, ConflictAO where only several such reads
// together cannot be ordered. Read committed forbids all down to NonMonoRead, read
// atomic NonRepeatableRead and FracturedRead too, and causal all of them. A history
// is searched for the anomalies of the weakest level that it breaks.
//
// # Uncertainty
//
// A transaction whose outcome is unknown happened as a whole if one of its writes
// was read, and not at all otherwise: leaving it out breaks no rule. What it read
// is not used, and nothing is after it in its session. Reads of transactions that
// failed are not used either.
//
// With lists, a read is taken for a read of the last element. What is invalid for
// such a register is invalid for the list; the checker of list-append (package txn)
// looks at the other elements.
//
// # Algorithms
//
// They are those of AWDIT (Møldrup and Pavlogiannis, PLDI 2025): which T2 have to
// come before which T1 is found by intersecting the smaller with the larger of what
// T3 reads and T2 writes, and for causal by vector clocks; then the graph is sorted.
// That is O(n^1.5) for the first two levels, and O(n k) for causal with k sessions
// at a time. The order is the certificate.
package weak

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "weak-isolation"

// Definition is what its certificates claim.
const Definition = "weak-isolation"

// Level is an isolation level.
type Level uint8

// The levels, each of which implies those before it.
const (
	ReadCommitted Level = iota
	ReadAtomic
	Causal
)

var levelNames = [...]string{"read-committed", "read-atomic", "causal"}

// String returns the name of the level.
func (l Level) String() string { return levelNames[l] }

// ParseLevel returns the level with a name, as in "read-atomic".
func ParseLevel(name string) (Level, error) {
	for l, n := range levelNames {
		if n == name {
			return Level(l), nil
		}
	}
	return 0, fmt.Errorf("unknown level %q: want read-committed, read-atomic or causal", name)
}

// MarshalText writes the name of the level.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Names of the anomalies.
const (
	ThinAirRead       = "ThinAirRead"
	AbortedRead       = "AbortedRead"
	FutureRead        = "FutureRead"
	NotMyOwnWrite     = "NotMyOwnWrite"
	NotMyLastWrite    = "NotMyLastWrite"
	IntermediateRead  = "IntermediateRead"
	CyclicCO          = "CyclicCO"
	NonMonoReadCO     = "NonMonoReadCO"
	NonMonoReadAO     = "NonMonoReadAO"
	NonRepeatableRead = "NonRepeatableRead"
	FracturedReadCO   = "FracturedReadCO"
	FracturedReadAO   = "FracturedReadAO"
	COConflictAO      = "COConflictAO"
	ConflictAO        = "ConflictAO"
)

// Options say how to judge.
type Options struct {
	Level Level
	// Lists: values are lists that transactions append to, [append k e] and
	// [r k [e …]]. Without it they are registers, [w k v] and [r k v].
	Lists bool
}

// Report is what was judged.
type Report struct {
	Level        Level  `json:"level"`
	Transactions int    `json:"transactions"`         // that were ok
	Unknown      int    `json:"info-committed"`       // whose outcome was unknown, but a write of theirs was read
	Reads        int    `json:"reads"`                // of those that were ok, from others
	Keys         int    `json:"keys"`                 // that were read or written
	Forced       int    `json:"forced"`               // orders of two transactions that reads made necessary
	Broken       string `json:"broken,omitempty"`     // the weakest level that does not hold, of those up to Level
	Anomalies    int    `json:"anomalies"`            // found, also beyond those that are shown
	Stopped      string `json:"stopped-in,omitempty"` // what was going on when time was up
}

// New returns a checker.
func New(opts Options) checkers.Checker {
	return checkers.New(Name, func(ctx context.Context, h *history.History) checkers.Result {
		calls, err := checkers.Paired(h)
		if err != nil {
			return checkers.Unknownf("%v", err)
		}
		return check(ctx, calls, opts)
	})
}

func check(ctx context.Context, calls []history.Call, opts Options) checkers.Result {
	s, err := newStudy(ctx, calls, opts)
	if err != nil {
		return checkers.Unknownf("%v", err)
	}
	r := s.report
	if r.Transactions == 0 {
		return checkers.Unknownf("no transaction was ok: there is nothing to judge").Detail(r)
	}
	order, found, err := s.judge(ctx)
	r = s.report
	switch {
	case err != nil:
		return checkers.Unknownf("stopped while looking for %s: %v", r.Stopped, err).Detail(r)
	case len(found) > 0:
		return invalid(s, found).Detail(r)
	default:
		result := checkers.Result{}.Detail(r)
		result.Certify = func() (checkers.Claim, error) {
			return s.claim(checkers.OK, okEvidence{s.indices(order)}), nil
		}
		return result
	}
}

// invalid puts what was found into a result.
func invalid(s *study, found []finding) checkers.Result {
	result := checkers.Result{Verdict: checkers.Invalid}
	for _, f := range found {
		result.Anomalies = append(result.Anomalies, f.anomaly)
	}
	result.Certify = func() (checkers.Claim, error) {
		return s.claim(checkers.Invalid, found[0].evidence), nil
	}
	return result
}

// okEvidence is the commit order: indices of invocations.
type okEvidence struct {
	Order []int `json:"order"`
}

// badEvidence is a read that is wrong in itself, or a cycle.
type badEvidence struct {
	Anomaly string    `json:"anomaly,omitempty"` // the name of the read's pattern
	Txn     int       `json:"txn,omitempty"`     // who read
	Step    int       `json:"step,omitempty"`    // the place of the read in the transaction, from 0
	Cycle   []badEdge `json:"cycle,omitempty"`
}

// badEdge says that From comes before To in every commit order. To is -1 for the
// initial state.
type badEdge struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Kind string `json:"kind"`           // so, wr, or forced
	Path []int  `json:"path,omitempty"` // forced: from From to who read from To
	Step int    `json:"step,omitempty"` // forced: the place of that read in its transaction
}

func (s *study) claim(v checkers.Verdict, evidence any) checkers.Claim {
	workload := "rw-register"
	if s.opts.Lists {
		workload = "list-append"
	}
	return checkers.Claim{Definition: Definition, Verdict: v, Evidence: evidence,
		Parameters: map[string]string{"level": s.opts.Level.String(), "workload": workload}}
}
