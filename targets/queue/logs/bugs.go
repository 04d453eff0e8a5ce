package logs

import (
	"slices"

	"github.com/ordeal-dev/ordeal/targets/kit/replog"
)

// Bugs lists all bugs of the log.
func Bugs() []Bug { return []Bug{Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8, Q10, Q11, Q12, Q13, Q14, Q15} }

// Facts lists what a sound campaign must have met now and then. Where nothing is
// removed, nobody meets what comes of that.
func Facts(cfg Config) []string {
	all := slices.Concat(replog.Facts(), []string{
		factElection, factDuplicate, factCut, factRebalance, factFenced, factExpired,
		factShrunk, factGrew, factAhead, factJoining, factBehind, factCrossed,
		factHeld, factAgain, factOutdated, factEarly, factLate, factStale, factAnew,
	})
	if cfg.Retention > 0 || cfg.Compaction {
		all = append(all, factCleaned)
	}
	return all
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
	factHeld      = "a message waited for a follower that may be in the ISR by now"
	factAgain     = "a node led what it had led before it was restarted"
	factOutdated  = "a leader was spoken to in an epoch that was over"
	factEarly     = "a message came before its transaction was known to send there"
	factLate      = "a message came after its transaction had ended"
	factStale     = "a member of a group spoke for a generation that was over"
	factCleaned   = "a log let go what it need not keep"
	factAnew      = "the journal was written anew"
	factRebalance = "a rebalance inside a transaction"
	factFenced    = "a transaction was aborted by fencing"
	factExpired   = "a transaction was aborted because it took too long"
)
