package logs

import (
	"slices"

	"github.com/ordeal-dev/ordeal/targets/kit/replog"
)

// Bugs lists all bugs of the log.
func Bugs() []Bug { return []Bug{Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8, Q10, Q11, Q12, Q13, Q14, Q15} }

// Facts lists what a sound campaign must have met now and then.
func Facts() []string {
	return slices.Concat(replog.Facts(), []string{
		factElection, factDuplicate, factCut, factRebalance, factFenced, factExpired,
		factShrunk, factGrew, factAhead, factJoining, factBehind, factCrossed,
	})
}

// What happens now and then.
const (
	factElection  = "an election while sends waited"
	factDuplicate = "a producer's retry was answered as a duplicate"
	factCut       = "a follower cut off what its leader does not have"
	factShrunk    = "the ISR shrank"
	factGrew      = "the ISR grew again"
	factAhead     = "a new leader had more than was known to be committed"
	factJoining   = "a leader asked for a follower to be taken into the ISR"
	factBehind    = "a follower had all that was known to be committed, and not all that may be"
	factCrossed   = "the ISR changed while its leader asked for a change"
	factRebalance = "a rebalance inside a transaction"
	factFenced    = "a transaction was aborted by fencing"
	factExpired   = "a transaction was aborted because it took too long"
)
