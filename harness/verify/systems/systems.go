// Package systems confirms claims about whole systems, each of which has rules of its
// own: blockchains, file systems, jobs, locks.
//
//	ledger  what is final or deep enough stays, nothing is spent twice, the money
//	        adds up, and what was accepted is there
//	notary  what was stamped stays stamped, in the block where it was stamped
//	files   closes, creates, renames and deletes of files each happen at one moment
//	append  what readers of a growing file see is a beginning of what was appended,
//	        and what was durable stays
//	batch   the output of jobs has every record of the input exactly once, and all
//	        or nothing of each epoch
//	lease   locks, leases on messages and the leadership of terms have one holder at
//	        a time, and tokens and terms grow
//
// The functions of these names say what parameters there are. Each definition is
// decided by looking at all operations, so an ok takes no evidence. The evidence for
// invalid is the rule that is broken, and the operations that break it, in the order
// of the roles that the rule gives them, with what they are about:
//
//	{"anomaly": "deep-reorg", "ops": [0, 4], "item": "b7"}
//
// Each definition can be read by itself: with roles.go, and idOf and plainID in
// ledger.go, which read names.
package systems

import "github.com/ordeal-dev/ordeal/harness/verify/claim"

// Definitions has what confirms the claims of each definition of this package.
var Definitions = claim.Definitions{
	"ledger": ledger,
	"notary": notary,
	"files":  files,
	"append": appends,
	"batch":  batch,
	"lease":  lease,
}
