// Package session judges histories of reads and writes of registers by what
// clients can rely on where there is no single order for everybody: the session
// guarantees, PRAM and causal consistency; and by sequential consistency, where
// there is.
//
// Values are written to a key only once, so a read names its write (rf). The
// operations of one process are a session, in their order (so). A read of nil found
// the initial state, which is before all writes. A delete is a write of what nobody
// can be seen to read: a read of nil that ended after one of its key had begun found
// the initial state or a delete, and nobody can say which. See Reads of nothing.
//
// # Session guarantees
//
// They are those of Terry and others (PDIS 1994), in the form that a client can
// observe. A guarantee says which writes a read r of a session has to see:
//
//	read-your-writes     the earlier writes of its session
//	monotonic-reads      the writes that its session read earlier
//	monotonic-writes     for each write that its session has read, also with r itself,
//	                     the writes before that one in the session that wrote it
//	writes-follow-reads  for each such write, the writes that had been read before it
//	                     in the session that wrote it
//
// It holds if each session can put all writes into an order in which no read has to
// see a write to its key that comes after the one it found. In that order come,
// for read-your-writes, the session's own writes in their order; for
// monotonic-writes those of every session; for writes-follow-reads what a session
// read before what it wrote then.
//
// # Stronger models
//
//	pram               each session can put its operations and the writes of all others into
//	                   one order, with those of every session in their order, in which each read
//	                   finds the last write (Lipton and Sandberg, 1988)
//	causal             so and rf have no circle, and no read finds a write that was overwritten
//	                   in its causal past, which is all that leads to it by so and rf
//	causal-convergent  besides, all agree on one order of all writes, and a read finds the last
//	                   one of its causal past
//	causal-memory      as pram, where the order of each session keeps to so and rf of everything
//	                   (Ahamad and others, 1995)
//	sequential         one order of all operations, with those of every session in their order, in
//	                   which each read finds the last write (Lamport, 1979)
//
// Causal is the weakest of its kind: it allows a session to change its mind about
// the order of writes that do not depend on each other, even back and forth. Each
// of causal-convergent and causal-memory implies the guarantees and causal, and
// neither the other; causal-memory implies pram, and sequential all of them.
//
// Names of the anomalies are those of Bouajjani, Enea, Guerraoui and Hamza (POPL
// 2017), where they have one:
//
//	ThinAirRead      read what nobody wrote
//	AbortedRead      read what was written by an operation that failed
//	CyclicCO         so and rf go in a circle
//	WriteCOInitRead  read nil, with a write to the key in its causal past, and no
//	                 delete that it can have found
//	WriteCORead      read a write that was overwritten in its causal past
//	CyclicCF         reads of different sessions disagree on the order of writes
//	WriteHBInitRead  read nil, with a write to the key before it in every order of its session
//	CyclicHB         the session has no order
//	CyclicSC         there is no order of everything
//
// and otherwise the name of the guarantee that is broken.
//
// # What is known of the order of writes
//
// Nothing, unless Options say that values are increasing versions, or that each
// names the one it replaced. Then every order has to agree with that, and causal is
// judged as causal-convergent. Only sequential may need it: without, the question is
// NP-complete, and a history may remain unknown.
//
// # Reads of nothing
//
// Let n be a read of nil of key k that may have found a delete, and w a write of k
// that is before n: in the causal past of n, or for pram and monotonic-reads what the
// session of n read before, and for pram also what it wrote. Two things follow
// whichever delete n found.
//
//	ResurrectedRead  a read r finds w, and is after n: in the same session or, for
//	                 causal-convergent and sequential, n is in its causal past
//
// Proof. In the order by which n is judged w is before n, and n found the last write
// of k, or must not have to see a later one; so it found a delete d after w. For
// pram, causal-memory and sequential r comes later in that same order, in which the
// last write is d or after it. For monotonic-reads r has to see d, which its session
// read. For causal-convergent d, being read by n, is in the past of r, and after w in
// the order that all agree on. So r cannot have found w. The other guarantees allow
// it: causal lets r have another order than n, and to the rest what n found is
// nothing that r has to see.
//
//	WriteCOInitRead  w is in the causal past of n, and each delete of k either began
//	                 after n had ended, or was overwritten in the causal past of n
//
// Proof. For causal, causal-convergent, causal-memory and sequential n did not find
// the initial state, since w is in its past; it cannot have found what had not begun;
// and to find what was overwritten in its past is a WriteCORead.
//
// Nothing else is concluded from n. For causal-convergent nothing else follows from n
// being after some delete of its own: if there is an order of all other operations,
// put that delete right after the last write m of k in the past of n. A read r after n
// finds the last write of its past, which is m or after it, and not m, or it would be
// a ResurrectedRead; so that delete is before what r found. That n may have to share
// its delete with others is what is not looked into.
//
// # Uncertainty
//
// A write whose outcome is unknown happened if somebody read it, and otherwise is
// left out, which breaks no rule; nothing is after it in its session. Reads that
// were not ok are not used.
//
// # Algorithms
//
// Most histories of a store without faults have one order of everything, in which
// writes took effect about when they ended; that is good for each guarantee, and
// nothing else is done. Otherwise, which writes a read has to see is a clock for
// each session, as in AWDIT (Møldrup and Pavlogiannis, PLDI 2025); each such write is
// put before the one that was read, and the graph is sorted. For pram and
// causal-memory, what is before a read may thereby come to be before earlier reads
// too; going through the reads of the session from the last to the first finds all
// of it at once. That is O(n k) for k sessions, and the orders are the certificate.
package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/harness/history"
)

// Name is what the checker is called.
const Name = "sessions"

// Definition is what its certificates claim.
const Definition = "sessions"

// Guarantee is what a store promises.
type Guarantee uint8

// The guarantees and models.
const (
	ReadYourWrites Guarantee = iota
	MonotonicReads
	MonotonicWrites
	WritesFollowReads
	PRAM
	Causal
	CausalConvergent
	CausalMemory
	Sequential
)

// Names are those of the guarantees, in their order.
var Names = []string{
	"read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads", "pram",
	"causal", "causal-convergent", "causal-memory", "sequential",
}

// String returns the name of the guarantee.
func (g Guarantee) String() string { return Names[g] }

// MarshalText writes the name of the guarantee.
func (g Guarantee) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// ParseGuarantee returns the guarantee with a name, as in "monotonic-reads".
func ParseGuarantee(name string) (Guarantee, error) {
	at := slices.Index(Names, name)
	if at < 0 {
		return 0, fmt.Errorf("unknown guarantee %q: want one of %v", name, Names)
	}
	return Guarantee(at), nil
}

// Names of the anomalies that are not those of a guarantee.
const (
	ThinAirRead     = "ThinAirRead"
	AbortedRead     = "AbortedRead"
	CyclicCO        = "CyclicCO"
	WriteCOInitRead = "WriteCOInitRead"
	WriteCORead     = "WriteCORead"
	CyclicCF        = "CyclicCF"
	WriteHBInitRead = "WriteHBInitRead"
	CyclicHB        = "CyclicHB"
	CyclicSC        = "CyclicSC"
	ResurrectedRead = "ResurrectedRead"
)

// Versions say what values show about the order of writes to a key.
type Versions uint8

// What values show.
const (
	Hidden     Versions = iota // nothing
	Increasing                 // they are integers, and greater ones are later
	Linked                     // they are {"value": v, "previous": p}, and replaced the one with value p
)

var versionNames = [...]string{"hidden", "increasing", "linked"}

// String returns the name of what values show.
func (v Versions) String() string { return versionNames[v] }

// ParseVersions returns what values show, by its name.
func ParseVersions(name string) (Versions, error) {
	for v, n := range versionNames {
		if n == name {
			return Versions(v), nil
		}
	}
	return 0, fmt.Errorf("unknown versions %q: want hidden, increasing or linked", name)
}

// Options say how to judge.
type Options struct {
	Guarantee Guarantee
	Versions  Versions
	// PerServer takes what one process does through one node for a session, for
	// stores that promise something only to those who stay with a server.
	PerServer bool
}

// Report is what was judged.
type Report struct {
	Guarantee Guarantee `json:"guarantee"`
	Reads     int       `json:"reads"`          // that were ok
	Writes    int       `json:"writes"`         // that were ok
	Unknown   int       `json:"info-committed"` // writes whose outcome was unknown, but that were read
	Sessions  int       `json:"sessions"`
	Keys      int       `json:"keys"`
	Forced    int       `json:"forced"`    // orders of two operations that reads made necessary
	Anomalies int       `json:"anomalies"` // found, also beyond those that are shown
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
	if s.report.Reads == 0 {
		return checkers.Unknownf("there is nothing to judge: no read was ok").Detail(s.report)
	}
	o := s.judge(ctx)
	switch {
	case len(o.found) > 0:
		return s.invalid(o.found).Detail(s.report)
	case o.unknown != nil:
		return checkers.Unknownf("%v", o.unknown).Detail(s.report)
	default:
		result := checkers.Result{}.Detail(s.report)
		result.Certify = func() (checkers.Claim, error) {
			e, err := o.certify()
			return s.claim(checkers.OK, e), err
		}
		return result
	}
}

// outcome is what the search for orders came to.
type outcome struct {
	found   []finding
	unknown error                      // why nobody knows
	certify func() (okEvidence, error) // the orders, if there is nothing wrong
}

// okEvidence is one order for all, or one for each session.
type okEvidence struct {
	Order []int  `json:"order,omitempty"`
	Views []view `json:"views,omitempty"`
}

// roomForViews fails if an order for each session would take too much room.
func (s *study) roomForViews() error {
	const room = 1 << 26
	if n := s.report.Writes + s.report.Unknown; len(s.lines)*n+len(s.ops) > room {
		return checkers.NoClaimf("it would take an order of %d writes for each of %d sessions", n, len(s.lines))
	}
	return nil
}

// view is the order of a session, which is known by its first operation.
type view struct {
	Session int   `json:"session"`
	Order   []int `json:"order"`
}

// badEvidence is a read that is wrong in itself, or a proof that there is no order:
// what reads make necessary, each from what was given or was necessary before, and
// a circle. If the last one comes before the initial state, that is enough.
type badEvidence struct {
	Anomaly string `json:"anomaly,omitempty"`
	Read    int    `json:"read,omitempty"`
	Session int    `json:"session,omitempty"` // whose order it is, by one of its operations
	Forced  []rule `json:"forced,omitempty"`
	Cycle   []int  `json:"cycle,omitempty"`
	Path    []int  `json:"path,omitempty"` // of a ResurrectedRead
}

// rule says that From has to be before To. As a rule, Path leads from From, a
// write, to a read of the same key that found To; but if After is set From is that
// read, and Path leads from what it found to To.
type rule struct {
	From  int   `json:"from"`
	To    int   `json:"to"` // -1 for the initial state
	Path  []int `json:"path"`
	After bool  `json:"after,omitempty"`
}

func (s *study) claim(v checkers.Verdict, evidence any) checkers.Claim {
	p := map[string]string{"guarantee": s.opts.Guarantee.String(), "versions": s.opts.Versions.String()}
	if s.opts.PerServer {
		p["per-server"] = "true"
	}
	return checkers.Claim{Definition: Definition, Verdict: v, Parameters: p, Evidence: evidence}
}

// invalid puts what was found into a result.
func (s *study) invalid(found []finding) checkers.Result {
	result := checkers.Result{Verdict: checkers.Invalid}
	for _, f := range found {
		result.Anomalies = append(result.Anomalies, f.anomaly)
	}
	result.Certify = func() (checkers.Claim, error) {
		if found[0].evidence == nil {
			return checkers.Claim{}, checkers.NoClaimf("all orders were tried, and that there is none has no short proof")
		}
		return s.claim(checkers.Invalid, found[0].evidence), nil
	}
	return result
}
