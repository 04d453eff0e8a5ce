// Package work is a work queue, as SQS and RabbitMQ's quorum queues are: what
// producers put in is handed out to one consumer after the other until one of
// them says that it is done.
//
// # What happens to a message
//
// Every queue is a line of messages that wait to be handed out. A receive takes
// the first and leases it: it comes with a receipt, a token that only grows, and
// stays out of sight for the length of the lease. The consumer then acknowledges
// it, and it is gone; or says that it is not done, and it waits again; or extends
// the lease; or is silent, and it waits again when the lease is over. Whoever
// comes with the receipt of a lease that is over is refused: the message may be
// somebody else's by now. What was handed out too often goes to the dead letters,
// a queue of its own.
//
//	enqueue ──▶ waiting ──receive──▶ leased ──ack──▶ gone
//	               ▲                   │
//	               └──nack, time over──┤
//	                                   └──too often──▶ dead letters
//
// That delivers at least once. A queue that is told to deliver at most once
// forgets a message when it hands it out: no leases, no receipts, and a message
// whose consumer, or whose answer, is lost on the way is lost.
//
// With order=fifo nothing is handed out while the message before it is leased,
// and what comes back takes the place that it had. With order=any all that waits
// is handed out, and what comes back goes to the end.
//
// # Who agrees on that
//
// All of it is one state, which every node has (package replog of the kit), and
// each of the steps above is a command in its log: a receive is a change, and a
// queue that two nodes find empty is empty. A receive that finds nothing can wait
// (delivery=push): it is noted in the state as a consumer, and the command that
// makes a message ready hands it to the first of those. The node at which that
// one waits sees it when it applies the command, and answers.
//
// # Time
//
// The state knows no time. That a lease is over is a command as well, and the
// leader submits it when, by its own monotonic clock, the length of the lease has
// passed since it applied the command that began or extended it, or since it
// became the leader if that was later. A new leader thus grants every lease its
// full time once more: leases may last longer than they should, and never end
// early, whatever clocks do.
package work

import (
	"time"

	"github.com/ordeal-dev/ordeal/targets/kit/replog"
)

// Config holds the settings of a node, the same on all nodes of a cluster.
type Config struct {
	AtMostOnce    bool // messages are forgotten when they are handed out
	FIFO          bool
	Push          bool // receives wait
	Visibility    time.Duration
	MaxDeliveries uint64 // after which a message is a dead letter; 0: never
	SnapshotEvery uint64 // entries of the log between two snapshots; 0: as replog has it
	Sessions      int    // clients that are remembered; 0: as replog has it
	Bugs          map[Bug]bool
}

// Bug names a defect that can be switched on.
type Bug string

// The bugs. What they mirror is in package zoo.
const (
	W1  Bug = "W1"  // leases end by the leader's clock on the wall
	W2  Bug = "W2"  // receipts are not looked at: whoever names a message settles it
	W3  Bug = "W3"  // what is not acknowledged explicitly is dropped
	W4  Bug = "W4"  // a node that starts from a snapshot forgets who has what
	W5  Bug = "W5"  // acks are confirmed at once, and kept in memory for a while
	W6  Bug = "W6"  // an enqueue is confirmed before anybody else has it
	W7  Bug = "W7"  // a node that waits too long enqueues again, under another name
	W8  Bug = "W8"  // what is handed out too often is dropped, not set aside
	W9  Bug = "W9"  // a new leader takes all leases for lost
	W10 Bug = "W10" // what comes back goes to the end, whatever the order
	W11 Bug = "W11" // extending a lease does not keep it from ending
	W12 Bug = "W12" // a node says by itself that a queue is empty
	W13 Bug = "W13" // a consumer that gave up still counts as waiting
)

// Bugs returns all that can be switched on.
func Bugs() []Bug { return []Bug{W1, W2, W3, W4, W5, W6, W7, W8, W9, W10, W11, W12, W13} }

// Facts are what happens to messages now and then: a campaign in which one of
// these never did has not tried hard.
func (c Config) Facts() []string {
	facts := replog.Facts()
	if c.Push {
		facts = append(facts, factPush)
	}
	if c.AtMostOnce {
		return facts
	}
	facts = append(facts, factExpired, factAgain, factStale, factInherited)
	if c.MaxDeliveries > 0 {
		facts = append(facts, factDead)
	}
	return facts
}

const (
	factPush      = "a message met a consumer that waited"
	factExpired   = "a lease was ended by time"
	factAgain     = "a message was handed out again"
	factStale     = "a receipt of a lease that was over was refused"
	factDead      = "a message became a dead letter"
	factInherited = "a new leader took over leases"
)
