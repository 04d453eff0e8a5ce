// Package logs is the partitioned log of the reference queue: topics cut into
// partitions, each of them a replicated log that producers append to and
// consumers poll, in the manner of Kafka (Kreps et al., NetDB 2011, and the
// improvement proposals that are named where they are followed).
//
// # What there is
//
//	metadata     one state on every node, changed by the entries of one
//	             Raft log (kit/replog): which nodes are alive, who leads
//	             each partition in which epoch with which in-sync replicas
//	             (ISR), producers and their transactions, groups with
//	             their members, generations and committed offsets
//	partition    a log on a few nodes (its replicas), which does not go
//	             through Raft: the leader appends, followers fetch
//	record       offset, leader epoch, producer (id, epoch, sequence),
//	             value; or a marker that says how a transaction ended
//	high water   the offset up to which all in-sync replicas have the log
//	             on disk, synced: what is below it is committed
//	stable       the offset up to which every transaction has ended; the
//	             last one a consumer sees
//
// Every node applies the metadata, and acts on what it sees: the leader of a
// partition needs nobody to tell it that it leads, or that a transaction has
// ended and its marker is to be written.
//
// # A send
//
// The node that a client belongs to hands the message to the leader of the
// partition, in the epoch in which it believes it to lead, and again when it
// hears nothing. The leader appends it unless it has it already: the producer
// numbers its messages, and the numbers stand in the log, so that the next
// leader knows them too. Under acks=all it is acknowledged when the high water
// mark has passed it, under acks=1 when the leader has it on disk, under acks=0
// by the client's own node before anybody has it.
//
// # Replication
//
// A follower asks its leader for what comes after the end of its log, and says
// of which epoch its last record is. If the leader has no such record there, the
// two logs differ, and the leader answers where they may still agree; the
// follower drops what is beyond and asks again (KIP-101, KIP-595). What a
// follower asks for is also what it has on disk, so that the leader knows how
// far it is. One that falls behind for too long is taken out of the ISR, and
// taken in again once it has all that was committed when the leader's epoch
// began. The ISR changes in the metadata first: until then the leader waits for
// whoever may be in it (KIP-497), and while it has fewer members than
// min-insync the high water mark stands still (KIP-966).
//
// A leader is elected from the ISR, and under unclean=on from whoever is alive
// if nobody of the ISR is. A node that was restarted registers anew, which gives
// a new epoch to what it led: all that a leader remembers of an epoch is then
// remembered by one process.
//
// # Transactions
//
// A producer with a name gets an epoch from the metadata, and each transaction
// raises it (KIP-890): a transaction is known by producer and epoch, and what
// comes late belongs to none that is open. The partitions of a transaction are
// in the metadata before anything is sent to them; the leader of a partition
// takes no record of a transaction that is not. The transaction ends in the
// metadata by one entry, together with the offsets that it commits for a group.
// The leaders of its partitions see that and write markers.
//
// # Groups
//
// Members of a group share all partitions. Every change of the members begins
// a generation with a new assignment, and offsets are committed in a generation,
// or not at all. A member belongs to the node of its client, which reports it
// gone when it was not heard of for a while; with a node that is not alive go
// all its members.
//
// # What a client may conclude
//
// Polls fail definitely. A send fails definitely if it never left its node, or
// if the leader refused it: a refusal holds for the rest of the epoch, and a
// request is for one epoch. Everything else without an answer is unknown. A
// transaction that was not asked to commit certainly does not.
package logs

import (
	"fmt"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Acks says when a send is acknowledged.
type Acks uint8

// The ways to acknowledge.
const (
	AcksNone   Acks = iota // when it was handed over
	AcksLeader             // when the leader has it on disk
	AcksAll                // when all in-sync replicas have it on disk
)

// Bug names a defect that can be switched on.
type Bug string

// The bugs of the log.
const (
	// Q1: a partition that needs a leader gets the first replica that is
	// alive, in sync or not.
	Q1 Bug = "Q1"
	// Q2: the leader leaves followers that fall behind out of account at once,
	// before the metadata have a smaller ISR, and asks for no min-insync.
	Q2 Bug = "Q2"
	// Q3: records count as on disk when they were written, and are synced about
	// once a second.
	Q3 Bug = "Q3"
	// Q4: a new leader does not take the sequence numbers of producers over
	// from its log.
	Q4 Bug = "Q4"
	// Q5: the poll of a member of a group commits what it is about to return, in
	// a transaction too, and not what the poll before had returned.
	Q5 Bug = "Q5"
	// Q6: the last stable offset is the high water mark, whatever transactions
	// are open below it.
	Q6 Bug = "Q6"
	// Q7: the epoch of a producer is not compared with the newest one.
	Q7 Bug = "Q7"
	// Q8: a follower of a new leader cuts its log at its own high water mark
	// and goes on from there, whatever the epochs of its records.
	Q8 Bug = "Q8"
	// Q10: when a member of a group is gone its partitions are given to the
	// others in the generation that was.
	Q10 Bug = "Q10"
	// Q11: a send whose time is over is acknowledged, at offset 0.
	Q11 Bug = "Q11"
	// Q12: the generation in which a member of a group commits is not compared
	// with the newest one.
	Q12 Bug = "Q12"
	// Q13: a send whose time is over is said to have failed.
	Q13 Bug = "Q13"
	// Q14: a transaction that cannot commit keeps the offsets that it was to
	// commit.
	Q14 Bug = "Q14"
	// Q15: consumers are shown what the leader has, committed or not.
	Q15 Bug = "Q15"
)

// Config is what a log is set to. All nodes of a cluster have the same.
type Config struct {
	Topics, Partitions int  // topics, and partitions of each
	Replicas           int  // of each partition; a cluster with fewer nodes caps it
	MinISR             int  // members of the ISR without which nothing is committed
	Acks               Acks // when a send is acknowledged
	Idempotent         bool // producers number their messages
	Unclean            bool // replicas that are not in sync may be elected
	Retention          int  // records kept of a partition, 0 for all
	Compaction         bool // only the last record of each key is kept
	SnapshotEvery      int  // entries of the metadata log between two snapshots
	Sessions           int  // clients remembered by the metadata
	Bugs               map[Bug]bool
}

// Times on the monotonic clock.
const (
	ms          = int64(time.Millisecond)
	tickEvery   = 100 * ms  // between two looks at what has become of replicas, members and transactions
	lagLimit    = 1000 * ms // a follower that was not at the end of the log for so long leaves the ISR
	fetchPark   = 200 * ms  // how long a leader keeps a fetch that it has nothing for
	fetchLimit  = 450 * ms  // after which a follower asks again
	txnLimit    = 3000 * ms // a transaction that takes longer is aborted
	memberLimit = 2000 * ms // a member that does not poll for so long has left its group
	routeWait   = 300 * ms  // how long a request waits for a leader that can be reached
	resendEvery = 150 * ms  // between two attempts to hand a request to the same leader
	sendLimit   = 900 * ms  // how long a send waits for its answer
	pollLimit   = 400 * ms  // how long a poll waits for the partitions
	ownLimit    = 800 * ms  // a leader that has seen no leader of the metadata for so long takes nothing new
)

// PartitionName returns the name of a partition, by its number.
func (c *Config) PartitionName(p int) string {
	return fmt.Sprintf("t%d-%d", p/c.Partitions+1, p%c.Partitions)
}

func (c *Config) partitions() int { return c.Topics * c.Partitions }

// replicasOf returns the nodes that hold a partition, in the order in which they
// are preferred as leaders.
func (c *Config) replicasOf(p, nodes int) []actor.NodeID {
	var list []actor.NodeID
	for i := range min(c.Replicas, nodes) {
		list = append(list, actor.NodeID((p+i)%nodes))
	}
	return list
}

// minISR returns the least size of an ISR that commits anything.
func (c *Config) minISR(nodes int) int { return min(c.MinISR, c.Replicas, nodes) }
