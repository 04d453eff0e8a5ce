// Package transactions confirms claims that transactions keep the levels of
// consistency models, or do not.
//
// # Transactions
//
// The definition "transactions": a history of transactions is one that a
// consistency model allows.
//
// Parameters:
//
//	workload            list-append: [append k element] and [r k list]
//	                    rw-register: [w k value] and [r k value]
//	                    linked-register: the same, values are {value: v, previous: p}: p is the value that v replaced
//	consistency-models  names of models, with commas between them: all of them have to hold
//	anomalies           names of anomalies that must not occur either
//	linearizable-keys   "true": each key by itself behaves like one that is linearizable
//	sequential-keys     "true": each process meets the versions of a key in their order
//	wfr-keys            "true": what a transaction writes to a key comes after what it read there
//
// A transaction that failed did not happen, and what one of unknown outcome read
// shows nothing. Evidence for ok is one of
//
//	{"serial":   [i, …]}  the transactions one after the other on an empty database: each read finds
//	                      the state that those before it left
//	{"snapshot": [i, …]}  their beginnings and commits (a transaction appears twice): each read finds the
//	                      state that was committed when its transaction began, and what this wrote itself;
//	                      no two that write the same key overlap
//	{"order":    [i, …]}  transactions by their dependencies ww and wr, for levels that ask no more
//
// with all transactions that were ok, and those of unknown outcome that took
// effect. Levels that are called strong ask that these orders keep real time,
// those called strong-session that of each process.
//
// Evidence for invalid is an anomaly that the level forbids: a cycle
//
//	{"anomaly": "G-single-item", "cycle": [{"kind": "wr", "from": 0, "to": 1, "steps": [0, 1]}, …]}
//
// in which steps are the places, in the two transactions, of the micro-operations
// that depend on each other, or another one by the transactions and their steps
//
//	{"anomaly": "G1a", "ops": [4, 0], "steps": [0, 0]}
//
// as anomaly.go says. The order of the versions of a list is that of the
// longest read of it, and what no read shows came later. That of a linked
// register is what its values say. An edge between versions of a plain register
// has "via": the transactions that show their order, by what the parameters
// assume.
//
// # Isolated registers
//
// The definition "isolated-registers": transactions that read and write registers
// keep an isolation level, whatever the order of the versions was, which nobody
// saw. Each value is written to a key once.
//
// Parameters: level is one of
//
//	serializable, strong-session-serializable, strong-serializable
//	snapshot-isolation, strong-session-snapshot-isolation, strong-snapshot-isolation
//
// Evidence for ok is that of "transactions" with such a consistency model.
// Evidence for invalid is a proof that any order leads to a contradiction:
//
//	{"cycles": [[{"from": 0, "to": 2, "kind": "ww", "key": "x", "if": [0, 2]}, …], …],
//	 "steps":  [{"clause": [[2, 0]], "from": [0, 1]}, …]}
//
// Transactions are those that were ok, and those of unknown outcome one of whose
// versions was read: they happened. A version is what a transaction wrote to a
// key last. Say that the level is kept. Then of any two transactions that write a
// common key one came before the other, which a pair [a, b] says of a and b. Who
// reads a version and writes the key comes right after its writer: all versions of
// a key that follow from one another in this way are a chain (two cannot be made
// of one version: of their transactions the second would have seen the first). So
// if a came before b, then so did the chain of a's version before that of b's, and
// the chain that begins with the initial version came before all others. From this
// each edge of a cycle follows:
//
//	process  from was over, and the same process began to later
//	rt       from was over before to began
//	wr       to read the version of key that from wrote
//	ww       both wrote key, to in a later place of the same chain, or in a later chain
//	rw       from read the version of key of "version" (of the initial one if that is
//	         not there), and to wrote one in a later place, as for ww
//
// Where chains are compared, "if" is a pair that wrote the key and says that the
// chain of its first came before that of its second; or it is from and to of ww,
// or version and to of rw, and says so itself; or the chains say that it cannot be. The transactions of a cycle
// would each come before the next one, and so before itself. With snapshots an rw
// says only that from began before to committed, the others that from committed
// before to began: there no two rw may follow each other. So what a cycle assumes
// is not all true: of the opposites of its pairs, one holds.
//
// That is the clause of the cycle. A step is a clause that follows from others, by
// their numbers, cycles first: say that none of its pairs holds; then each clause
// named leaves one pair, which therefore holds, and the last one none. If the last
// clause of all is empty, the level was not kept.
package transactions

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"transactions":       transactions,
	"isolated-registers": isolatedRegisters,
}
