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
