// Package polygraph decides whether transactions on registers are serializable,
// or keep snapshot isolation, when nobody knows in which order the versions of a
// register came.
//
// # The problem
//
// A read names the transaction that it read from, because every value is written
// once. Which of two writes of a key came first is seen by nobody: "blind" writes
// leave it open. Papadimitriou (1979) showed that the question is NP-complete,
// and called what has to be oriented a polygraph: for each key and each two of
// its writers s and t, either s comes before t, and then everybody who read s
// comes before t as well, or the mirror image. A history is serializable if the
// choices can be made so that nothing comes before itself. For snapshot isolation
// the same is asked of a graph in which each transaction has two nodes, where it
// begins and where it commits (Zhang et al., EuroSys 2023: Viper); Cobra (Tan et
// al., OSDI 2020) and PolySI (Huang et al., VLDB 2023) are other takes on it.
//
// # What is done
//
//  1. Known order: of sessions, of real time (through nodes that stand for
//     moments, so that it costs O(n) edges), and from each writer to its readers.
//  2. Chains: who reads a version and writes the key comes right after its
//     writer. Chains of such versions are never torn apart, so that only which of
//     two chains came first is left open; the chain of the initial version is
//     first.
//  3. An order that keeps what is known, as near to the order of completions as
//     can be, is made and looked at: if each read finds what it returned, it is
//     the proof, and no choice ever had to be written down. Where a read finds
//     something else, the choice between the chains of the two versions is one
//     that matters.
//  4. Such choices go to a solver, which keeps an order of the growing graph
//     (Pearce and Kelly, 2007), learns from each cycle which choices do not go
//     together (conflict-driven clause learning, Marques-Silva and Sakallah,
//     1999), and looks at the order again when all of them are made.
//
// So histories whose real-time order is close to the true one cost little more
// than a topological sort, and only choices that matter are ever considered:
// the pruning of the tools above, the other way round.
//
// # What comes out
//
// An order of the transactions that explains all reads, or a [Proof] that there
// is none: cycles, each of which shows that some choices do not go together, and
// the steps by which nothing is left to choose. It is reduced to few transactions
// and can be checked in time linear in its size; harness/verify does.
package polygraph

import (
	"context"
	"math"

	"github.com/ordeal-dev/ordeal/checkers"
)

// Initial is the writer of the versions that were there at the beginning.
const Initial = -1

// Never is the end of a transaction of which nobody knows when it was over.
const Never = math.MaxInt

// Level is what the order of the transactions has to keep.
type Level uint8

// The levels. Those of a session keep the order of each session, the strong ones
// and StrictSerializable real time, which includes it.
const (
	Serializable Level = iota
	SessionSerializable
	StrictSerializable
	SnapshotIsolation
	SessionSnapshotIsolation
	StrongSnapshotIsolation
)

var levelNames = [...]string{"serializable", "strong-session-serializable", "strong-serializable",
	"snapshot-isolation", "strong-session-snapshot-isolation", "strong-snapshot-isolation"}

// String returns the usual name of the level.
func (l Level) String() string { return levelNames[l] }

// Snapshot reports whether transactions have a beginning and a commit instead of
// one moment.
func (l Level) Snapshot() bool { return l >= SnapshotIsolation }

func (l Level) sessions() bool { return l == SessionSerializable || l == SessionSnapshotIsolation }
func (l Level) realtime() bool { return l == StrictSerializable || l == StrongSnapshotIsolation }

// Txn is a transaction as others can see it.
type Txn struct {
	Session    int32 // who did it; those of one session follow each other, from 0 on
	Begin, End int   // ranks of its records, all different; Never if its end is not known
	Reads      []Read
	Writes     []int32 // keys, each once
}

// Read is what a transaction read of a key before it wrote it. A key is read
// once: what is read again must be the same, and is not for this package.
type Read struct {
	Key  int32
	From int32 // the transaction that wrote it, or Initial
}

// History is what has to be explained. Every transaction in it happened. They are
// in the order in which they began, and keys are numbered from 0.
type History struct {
	Keys int
	Txns []Txn
}

// Pair says that one transaction comes before another.
type Pair struct{ First, Second int32 }

// Kind says why one transaction comes before another.
type Kind uint8

// The kinds of edges.
const (
	Session  Kind = iota // the session did it later
	Realtime             // it began after the other had ended
	WR                   // it read what the other wrote
	WW                   // it wrote a later version of the key
	RW                   // it wrote a version later than the one that the other read
)

var kindNames = [...]string{"process", "rt", "wr", "ww", "rw"}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// Edge says that From comes before To.
type Edge struct {
	From, To int32
	Kind     Kind
	Key      int32 // for WR, WW and RW
	Version  int32 // for RW, whose version From read: a transaction, or Initial
	// If is what WW and RW assume of the order of versions, where it is a choice:
	// Chosen is true, and the chain of If.First comes before that of If.Second.
	If     Pair
	Chosen bool
}

// Cycle is a list of edges, each of which begins where the one before it ends. It
// cannot be, so one of the choices that it assumes is the other way round; if it
// assumes none, the history cannot be explained. For levels with snapshots no two
// RW follow each other, not even from the end to the beginning.
type Cycle []Edge

// Step is a clause that follows from others: one of the pairs holds.
type Step struct {
	Clause []Pair
	From   []int32 // numbers of what it follows from, in the order in which each leaves one pair
}

// Proof shows that a history cannot be explained. Its clauses are numbered: first
// those of the cycles, that one of what a cycle assumes is the other way round,
// then those of the steps. A step follows because, if none of its pairs held, each
// clause that it names would leave just one way to choose, and the last one none.
// The clause of the last step, or of the only cycle, is empty.
type Proof struct {
	Cycles []Cycle
	Steps  []Step
}

// Options are the limits of a solution.
type Options struct {
	// Conflicts is how many times a choice may turn out wrong before the solver
	// gives up. 0 means a million.
	Conflicts int
	// Raw leaves a proof as the solver found it, without looking for a smaller one.
	Raw bool
}

// Stats is what it took.
type Stats struct {
	Nodes, Edges int // of the graph of what is known
	Choices      int // that had to be considered
	Conflicts    int
	Rounds       int // how many orders were looked at
}

// Result is what was found.
type Result struct {
	Verdict checkers.Verdict // OK, Invalid, or Unknown
	Reason  string           // why it is unknown
	// Order has the transactions in an order that explains all reads. For levels
	// with snapshots each is in it twice: where it begins, and where it commits.
	Order []int32
	Proof *Proof // that there is none
	Stats Stats
}

// Solve decides whether h keeps the level. It stops with Unknown when ctx ends or
// the limit is reached.
func Solve(ctx context.Context, h *History, level Level, opts Options) Result {
	if opts.Conflicts == 0 {
		opts.Conflicts = 1_000_000
	}
	n := build(h, level, nil)
	if p := n.torn(); p != nil {
		return Result{Verdict: checkers.Invalid, Proof: p}
	}
	r, ok := guided(ctx, h, level)
	if !ok {
		r = solve(ctx, n, opts.Conflicts)
	}
	if r.Verdict == checkers.Invalid && !opts.Raw {
		r.Proof = reduce(ctx, h, level, r.Proof)
	}
	return r
}

func solve(ctx context.Context, n *network, conflicts int) Result {
	s := &solver{ctx: ctx, limit: conflicts, network: n}
	r := s.run()
	r.Stats = Stats{Nodes: s.nodes(), Edges: len(s.out.to), Choices: len(s.vars), Conflicts: s.conflicts, Rounds: s.rounds}
	return r
}
