// Package logs confirms claims about logs that groups of consumers poll, as in Kafka.
//
// A claim about a log has the parameters sub-via, ww-deps, rw-deps, compaction and
// retention, and allow: names of anomalies that are allowed, with commas between them.
//
// Keys are logs. Offsets hold what sends that took effect, and polls, say. A send
// took effect if it was ok, or is unknown and a poll that was ok returned something
// that the same operation sent. The rules are stated where they are looked at, below
// in walk.go and in group.go. All anomalies that are not allowed are violations.
//
// The evidence for ok is, unless all cycles are allowed, an order of the operations
// in which each that sent something is before those who polled it, with rw-deps each
// that polled before those who sent what is next in the log, and, unless cycles with
// real time are allowed, each before those that began after its end:
//
//	{"order": [3, 0, 7, …]}
//
// The evidence for invalid is a violation (see claim.Violation). One whose name begins with
// G1c, G-single or G2 is a cycle of edges, each of them of one of the kinds wr, rw
// and rt, as above, or ww, from one that sent something to one that sent what is next.
package logs

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"log": isLog,
}
