package zoo

import (
	"slices"

	"github.com/ordeal-dev/ordeal/targets"
)

// queue is the bugs of the queue: Q1 and what follows it are bugs of the
// partitioned log, W1 and what follows it of the work queue.
var queue = slices.Concat(partitioned, working)

// log is the command that finds a bug of the partitioned log.
func log(faults, id string) string { return command("queue", "kind=log", "log", faults, id) }

var partitioned = []targets.Bug{
	{
		ID: "Q1", Target: "queue",
		Summary: "a partition that needs a leader gets the first replica that is alive, although unclean=off and another one is in sync",
		Mirrors: "Kafka 0.8 beta (acknowledged messages lost by unclean elections, Jepsen 2013)",
		Fault:   "kill", Checker: "log", Anomaly: "lost-write",
		Command: log("partition,kill", "Q1"),
	},
	{
		ID: "Q2", Target: "queue",
		Summary: "a leader stops waiting for followers that fall behind before the metadata have a smaller ISR, and asks for no min-insync",
		Mirrors: "Kafka 0.8 beta (the ISR shrinks to the leader, which goes on acknowledging, Jepsen 2013); KIP-497",
		Fault:   "partition", Checker: "log", Anomaly: "lost-write",
		Command: log("partition", "Q2"),
	},
	{
		ID: "Q3", Target: "queue",
		Summary: "records count as being on disk when they were handed to a buffer that is written about once a second",
		Mirrors: "NATS JetStream 2.12.1 (acknowledged messages lost with the power of several nodes)",
		Fault:   "power", Checker: "log", Anomaly: "lost-write",
		Command: log("power", "Q3"),
	},
	{
		ID: "Q4", Target: "queue",
		Summary: "a new leader does not take the sequence numbers of producers over from its log, so that a retry is appended again",
		Mirrors: "Redpanda 21.10 (duplicates in spite of idempotence, Jepsen 2022)",
		Fault:   "partition", Checker: "log", Anomaly: "duplicate",
		Command: log("partition,kill", "Q4"),
	},
	{
		ID: "Q5", Target: "queue",
		Summary: "the poll of a member of a group commits what it is about to return, before the member has it",
		Mirrors: "offsets that are committed automatically before messages are processed (Kafka's consumers, Jepsen's tests of Bufstream 2024)",
		Fault:   "pause", Checker: "log", Anomaly: "commit-ahead",
		Command: log("partition,pause", "Q5"),
	},
	{
		ID: "Q6", Target: "queue",
		Summary: "consumers are shown everything up to the high water mark, whatever transactions are open below it",
		Mirrors: "Redpanda 21.10 (aborted reads under read-committed, Jepsen 2022)",
		Fault:   "none", Checker: "log", Anomaly: "G1a",
		Command: log("partition", "Q6"),
	},
	{
		ID: "Q7", Target: "queue",
		Summary: "nobody compares the epoch of a producer with the newest one, so that what a zombie sends joins the transaction of its successor",
		Mirrors: "Bufstream 0.1.0 and Kafka's transaction protocol (late messages join the next transaction, Jepsen 2024); KIP-890",
		Fault:   "none", Checker: "log", Anomaly: "zombie-write",
		Command: log("pause", "Q7"),
	},
	{
		ID: "Q8", Target: "queue",
		Summary: "a follower of a new leader cuts its log at its own high water mark and goes on from there, without a look at epochs",
		Mirrors: "Kafka before 0.11 (logs that lose messages or diverge when leaders change quickly, KIP-101)",
		Fault:   "kill", Checker: "log", Anomaly: "lost-write",
		Command: log("kill,partition", "Q8"),
	},
	{
		ID: "Q10", Target: "queue",
		Summary: "the partitions of a member that is gone are given to the others without beginning a new generation",
		Mirrors: "consumers of which two own a partition after a rebalance (Kafka's zombie consumers, KIP-62)",
		Fault:   "pause", Checker: "log", Anomaly: "double-assignment",
		Command: log("pause", "Q10"),
	},
	{
		ID: "Q11", Target: "queue",
		Summary: "a send whose time is over is acknowledged at offset 0",
		Mirrors: "Bufstream 0.1.0 (acknowledgements with a spurious offset of 0 after a timeout, Jepsen 2024)",
		Fault:   "partition", Checker: "log", Anomaly: "inconsistent-offsets",
		Command: log("partition", "Q11"),
	},
	{
		ID: "Q12", Target: "queue",
		Summary: "a follower joins the ISR once it has reached the high water mark that a new leader knows of, which may be behind what was committed",
		Mirrors: "Kafka before 2.0 (committed messages lost when the ISR grows right after an election, KAFKA-7128)",
		Fault:   "kill", Checker: "log", Anomaly: "lost-write",
		Command: log("partition,kill", "Q12"),
	},
}

// working is the bugs of the work queue.
var working []targets.Bug
