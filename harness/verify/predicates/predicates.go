// Package predicates confirms claims about transactions that read by a predicate, after
// Adya: what was not there counts as much as what was.
//
// # Inserts that exclude each other
//
// The definition "adya" is about inserts that exclude each other: at most one of each key
// is ok; two are a violation, called G2. It has no parameters. An ok takes no evidence;
// for invalid it is a violation (see claim.Violation).
//
// # Predicate reads
//
// The definition "predicate" is about transactions with predicate reads over keys that
// have at most two versions: the one of an init, or nil, and the one of the only write.
// A predicate read that does not have a key, but holds for one of its versions, saw the
// other one. From the reads of transactions that are ok follow the edges wr and wrp, of a
// write to a read, or a predicate read, that saw what it made, and rw and rwp, of one that
// saw what was at first to the write. After a transaction wrote a key, it has to read that.
//
// The evidence for ok is an order of the transactions in which all edges lead forward,
// {"order": [3, 0, …]}. For invalid it is a violation (see claim.Violation), which is one of
//
//	G1a                  a read of what a failed transaction wrote
//	unexpected-read      a read of a value that is none of the two
//	internal             a read of what the same transaction writes later, or, after it wrote
//	                     the key, of anything else
//	predicate-mismatch   a predicate read with a value for which it does not hold
//	predicate-read-miss  one that lacks a key although it holds for all its versions
//
// or a cycle, called G1c, G-single or G2-item by how many rw and rwp it has, or, if it has
// a wrp or rwp, G1-predicate, G-single-predicate or G2-predicate.
package predicates

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"adya":      isAdya,
	"predicate": isPredicate,
}
