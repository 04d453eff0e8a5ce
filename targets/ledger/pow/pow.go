// Package pow is the proof-of-work ledger: a chain of blocks in the manner of
// Bitcoin (Nakamoto, 2008), written as an actor, with a finality that no
// partition breaks laid over it.
//
// # The chain
//
// Every node mines. It collects transfers in a pool, and when its power makes it
// find a block, puts what fits the accounts into it and tells all others. Nodes
// keep all blocks that they hear of as a tree, and take for their chain the one
// with the most work in it, of several with as much the one they saw first. When
// another chain gets ahead, the node leaves its own: it takes back block by
// block what they did to the accounts, does the blocks of the other chain, and
// transfers that are in none of these wait in the pool again.
//
// Hashing is real, but does not set the pace, or a test would depend on the
// machine: when a node finds its next block is drawn from the distribution that
// its share of the power and the work give, and then it looks for a nonce that
// meets the work, which is small. Work follows the pace of the chain, so that a
// chain that few miners extend is soon made of lighter blocks.
//
// # What is final
//
// Work alone promises nothing: a side of a partition mines as many blocks as it
// has time for, and loses them when it meets a heavier chain. With
// finality=depth a node takes a block for final anyway when so many blocks are
// on top of it, and a partition that is long enough breaks that word.
//
// With finality=quorum, the default, nodes vote on the blocks at every fourth
// height, the checkpoints, as in Casper (Buterin and Griffith, 2017). A vote
// names two checkpoints of one chain: a source that is justified, and a later
// target. A target with the votes of more than two thirds of all nodes from one
// source is justified as well; if it is the next checkpoint after its source, the
// source is final. Nodes prefer the chain with the highest justified checkpoint
// to all others, whatever their work, and vote for ever higher targets from
// ever higher sources only. Two final blocks that are not on one chain would
// take a third of the nodes to break that rule. So what is final stays, through
// any partition of any length, any number of crashes and up to a third of
// Byzantine nodes; what suffers is when blocks become final.
//
// # What is on disk
//
// A node acts on nothing that it could forget: blocks, votes and transfers go
// into a journal first, and take effect when they are durable, those from others
// as well as its own. A restart does the journal again, and has the same state
// as before.
package pow

import (
	"fmt"
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

const (
	ms     int64 = 1e6
	second int64 = 1e9
)

// Epoch is the distance between two checkpoints.
const Epoch = 4

// Bug is a defect that was put in on purpose.
type Bug string

// The bugs. Table zoo says what they are like and how they are found.
const (
	LongestChain  Bug = "PW1"  // the chain with the most blocks wins, whatever their work
	DropReorged   Bug = "PW2"  // what a reorganisation takes out of the chain is not put back into the pool
	SpendTwice    Bug = "PW3"  // blocks are not searched for transfers whose nonce was used
	FirstSeen     Bug = "PW4"  // confirmations are counted from the first block seen with a transfer
	VoteAgain     Bug = "PW5"  // after a reorganisation a node votes for a height once more
	AnyPay        Bug = "PW6"  // what a block pays its miner is not looked at
	NoSignatures  Bug = "PW7"  // signatures are looked at in the pool only, not in blocks
	KeepBalances  Bug = "PW8"  // a reorganisation does not take back what was paid to the miners
	LazyTransfers Bug = "PW9"  // a transfer is accepted before it is durable
	NoOrphans     Bug = "PW10" // a block whose parent is missing is dropped, and the parent not asked for
	OwnClock      Bug = "PW11" // a block from beyond the node's own clock is invalid for good
	AnyVote       Bug = "PW12" // votes are counted, not voters
	Overdraft     Bug = "PW13" // blocks may take more from an account than it has
	FewVotes      Bug = "PW14" // two thirds of the votes are enough, and not more than that
	ForgetVotes   Bug = "PW15" // a node's own votes are not written down
	HastyExpiry   Bug = "PW16" // transfers expire by the tip of the chain, not by what is final
)

// Bugs returns all bugs.
func Bugs() []Bug {
	return []Bug{LongestChain, DropReorged, SpendTwice, FirstSeen, VoteAgain, AnyPay, NoSignatures,
		KeepBalances, LazyTransfers, NoOrphans, OwnClock, AnyVote, Overdraft,
		FewVotes, ForgetVotes, HastyExpiry}
}

// Config shapes a ledger. All nodes have the same one.
type Config struct {
	Interval int64    // mean nanoseconds between two blocks, when all mine
	Depth    uint64   // confirmations: before a node votes, or until a block is final
	Quorum   bool     // blocks are final by votes, not by depth
	Power    []uint64 // the miners' shares; the last is that of all nodes beyond
	Reward   uint64   // money that a block makes
	Accounts int      // a1, a2, and so on, which have money from the beginning
	Money    uint64   // that each of them has
	Bugs     map[Bug]bool
}

func (c *Config) has(b Bug) bool { return c.Bugs[b] }

// power returns the share of a node, and that of all nodes together.
func (c *Config) power(self actor.NodeID, nodes int) (own, all uint64) {
	for i := range nodes {
		p := c.Power[min(i, len(c.Power)-1)]
		all += p
		if i == int(self) {
			own = p
		}
	}
	return own, all
}

// Account returns the name of an account that has money from the beginning.
func Account(i int) string { return fmt.Sprintf("a%d", i+1) }

// The facts that the nodes note.
const (
	factReorg    = "a reorganisation of depth 2 or more"
	factOrphan   = "an orphan was adopted later"
	factReturned = "a transfer returned to the pool and was mined again"
	factCatchUp  = "a node started again and found its chain behind by 2 blocks or more"
	factSkipped  = "a checkpoint was justified from one that is not the last before it"
	factConflict = "a transfer expired because another used its nonce"
	factLeft     = "a node left a chain that it had voted for"
	factRival    = "a node voted for one of several checkpoints of a height"
	factBound    = "a node left a heavier chain for a justified one"
)

// Facts returns what a campaign should meet.
func Facts(quorum bool) []string {
	facts := []string{factReorg, factOrphan, factReturned, factCatchUp}
	if quorum {
		facts = append(facts, factSkipped, factBound, factLeft, factRival)
	}
	return slices.Clip(facts)
}
