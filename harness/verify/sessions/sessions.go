// Package sessions confirms claims about what a session, or a transaction of one, has
// to see: guarantees of sessions, and levels of isolation that need no order of the
// versions. The first are decided with the means of the second.
//
// # Sessions
//
// The definition "sessions": reads and writes of registers, with unique values for
// each key, keep a guarantee.
//
// Parameters: guarantee, one of those below; versions, which is hidden, increasing
// (greater integers are later) or linked ({"value": v, "previous": p} replaced the
// one with value p); per-server, "true" if a session is what a process does through
// one node, and not all that it does.
//
// Writes that were ok happened, and so did those that were read or, with links, are
// named by one that happened. Operations of a session are in their order (so), but
// nothing follows one of unknown outcome; who read from whom the values say (rf).
// The initial state is before all writes. Versions that are known are in their order
// in every order below.
//
// A delete is a write of a value that nobody reads. A read of nil that ended after a
// delete of its key had begun, and that did not fail, is none of the operations: it
// found that or another delete, or the initial state. All that it shows is this:
//
//	ResurrectedRead  no read that ends and comes after it finds a write that was before
//	                 it. After it is what is later in its session or, for
//	                 causal-convergent and sequential, has it in its past. Before it
//	                 is what is in its past; for pram what its session has read or
//	                 written until then, for monotonic-reads what it has read; for the
//	                 other guarantees nothing.
//	WriteCOInitRead  for the causal ones and sequential, if there is a write of its key
//	                 in its past, there is a delete that began before it ended, and
//	                 that has no write of the key between them in its past
//
// read-your-writes, monotonic-reads, monotonic-writes, writes-follow-reads: for each
// session there is an order of all writes in which no read of the session has to see
// a write to its key that is after the one it found. It has to see
//
//	read-your-writes     the writes before it in its session, which are in order
//	monotonic-reads      what the session read before
//	monotonic-writes     the writes before any that the session read, in the session of that
//	                     one; the writes of every session are in order
//	writes-follow-reads  what was read before any that the session read, in the session of that
//	                     one; what a session read is before what it wrote later
//
// pram, causal-memory: for each session there is an order of its operations and all
// writes, in which each read finds the last write. It keeps so of the session and of
// writes, and for causal-memory so and rf of everything. sequential: there is one for
// all operations. causal: so and rf have no circle, and nothing in the past of a read
// by so and rf writes its key after what it found. causal-convergent: there is one
// order of everything that keeps so and rf, and a read finds the last write of its
// past; so also causal where versions are known.
//
// Evidence for ok is one order, of the operations that the definition is about, or
// one for each session, which is named by an operation of its own. For pram and
// causal-memory, one order of everything is as good:
//
//	{"order": [index, …]}
//	{"views": [{"session": index, "order": [index, …]}, …]}
//
// Evidence for invalid is a read of what was not there (ThinAirRead, AbortedRead), or
// what has to be before what in the order of a session, each from what was given or
// found before, and a circle (or the last one is before the initial state, -1):
//
//	{"anomaly": "ThinAirRead", "read": index}
//	{"anomaly": "WriteCOInitRead", "read": index}
//	{"anomaly": "ResurrectedRead", "read": index, "path": [w, …, index, …, r]}
//	{"session": index, "forced": [{"from": w, "to": v, "path": [w, …, r]}], "cycle": [v, …, w]}
//
// where r found v and has to see w, by the path; with "after": true it is from, a
// read, that is before to, because what it found is, by the path.
//
// # Weak isolation
//
// The definition "weak-isolation": transactions on registers, with unique values
// for each key, have a level that needs no order of versions.
//
// Parameters: level is read-committed, read-atomic or causal; workload is
// rw-register, [w key value] and [r key value], or list-append, [append key
// element] and [r key list], where a list counts as its last element.
//
// Whoever was ok happened, and whoever one of these read from. Transactions of a
// process are in the order of its session (so), but nothing follows one of unknown
// outcome. Who read from whom (wr) the values say. A read is wrong in itself if
//
//	ThinAirRead       nobody wrote the value
//	AbortedRead       only one that failed did
//	FutureRead        it did so itself, later
//	NotMyLastWrite    it did so itself before, but wrote the key again since
//	NotMyOwnWrite     others did or it is the initial one, and it wrote the key before
//	IntermediateRead  its writer wrote the key again
//
// The level holds if no read is wrong, and there is a commit order in which so and
// wr go forward, and T2 is before T1 wherever T3 reads a key from T1 that T2 writes
// too, and T3 sees T2: in read-committed by an earlier read from T2, in read-atomic
// by any read from T2 or because T2 is earlier in the session, in causal by a chain
// of so and wr. The initial state is before everything. Evidence for ok is such an
// order, and for invalid a read that is wrong or a cycle of what has to be before
// what (to is -1 for the initial state):
//
//	{"order": [index, …]}
//	{"anomaly": "ThinAirRead", "txn": index, "step": 0}
//	{"cycle": [{"from": i, "to": k, "kind": "so"},
//	           {"from": k, "to": i, "kind": "forced", "path": [k, …, reader], "step": 1}]}
//
// where step is the place of the read in its transaction.
package sessions

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"sessions":       sessionGuarantee,
	"weak-isolation": weakIsolation,
}
