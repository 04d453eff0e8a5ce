// Package linearizable confirms claims that the operations on an object were
// linearizable, or were not: for ok by an order of them, for invalid by a proof that
// there is none.
//
// A claim about linearizability has the parameters
//
//	model    the object, one of those in models.go
//	nil      any: a read that returned nil says nothing, as in Knossos
//	initial, permits, limit, owner   as the models say that have them
//
// Each key is an object of its own, and a history is linearizable if the
// operations on each key are (Herlihy and Wing).
//
// The evidence for ok is an order of the operations on each key:
//
//	{"orders": [{"order": [3, 0, 7, …], "took": [[7, 3], …]}, …]}
//
// in which each operation that is ok is there once, and each info one at most
// once. took says of the info dequeues of an unordered queue which element they
// took, by its enqueue; those of which it says nothing took none.
//
// The evidence for invalid is one of these proofs:
//
//	{"proof": "unwritten", "op": 5}           a value was read that nobody can have written (cycle.go)
//	{"proof": "cycle", "edges": […]}          values of a register would have to come before themselves (cycle.go)
//	{"proof": "excess", "op": 5}              more was taken from a queue than was put there (queue.go)
//	{"proof": "passed", "pairs": [[3, 7]…]}   elements were left behind by later ones (queue.go)
//	{"proof": "covered", "op": 5, "by": […]}  a queue was called empty that never was (queue.go)
//	{"proof": "set", "op": 5}                 a set that never was (set.go)
//	{"proof": "search", "rule": "prefix", "until": 90}         there is no order (search.go)
//	{"proof": "search", "rule": "closed", "ops": [3, 7, …]}    there is no order (search.go)
//
// A search may have "time": [[3, 7], …], the pairs of operations of which the first
// ended before the second began that it takes. Then it keeps to no other real time.
package linearizable

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"linearizable": linearizable,
}
