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
		Fault:   "kill", Checker: "log", Anomaly: "truncation",
		Command: log("partition,kill", "Q1"),
	},
	{
		ID: "Q2", Target: "queue",
		Summary: "a leader stops waiting for followers that fall behind before the metadata have a smaller ISR, and asks for no min-insync",
		Mirrors: "Kafka 0.8 beta (the ISR shrinks to the leader, which goes on acknowledging, Jepsen 2013); KIP-497",
		Fault:   "partition", Checker: "log", Anomaly: "truncation",
		Command: log("partition", "Q2"),
	},
	{
		ID: "Q3", Target: "queue",
		Summary: "records count as being on disk when they were handed to a buffer that is written about once a second",
		Mirrors: "NATS JetStream 2.12.1 (acknowledged messages lost with the power of several nodes)",
		Fault:   "power", Checker: "log", Anomaly: "truncation",
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
		Summary: "the poll of a member of a group commits what it is about to return, before the member has it or its transaction has ended",
		Mirrors: "offsets that are committed automatically before messages are processed (Kafka's consumers, Jepsen's tests of Bufstream 2024)",
		Fault:   "none", Checker: "log", Anomaly: "commit-ahead",
		Command: log("partition", "Q5"),
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
		Fault:   "none", Checker: "log", Anomaly: "G1a",
		Command: log("pause", "Q7"),
	},
	{
		ID: "Q8", Target: "queue",
		Summary: "a follower of a new leader cuts its log at its own high water mark and goes on from there, without a look at epochs",
		Mirrors: "Kafka before 0.11 (logs that lose messages or diverge when leaders change quickly, KIP-101)",
		Fault:   "kill", Checker: "log", Anomaly: "truncation",
		Command: log("partition,kill", "Q8"),
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
		Summary: "the generation in which a member of a group commits is not compared with the newest one",
		Mirrors: "zombie consumers that commit after a rebalance (Kafka before generations were checked, KIP-62; Jepsen's tests of Redpanda 2022)",
		Fault:   "pause", Checker: "log", Anomaly: "zombie-commit",
		Command: log("partition,pause", "Q12"),
	},
	{
		ID: "Q13", Target: "queue",
		Summary: "a send whose time is over is said to have failed, although a leader may have it",
		Mirrors: "timeouts that are reported as definite failures (several of Jepsen's reports)",
		Fault:   "partition", Checker: "log", Anomaly: "G1a",
		Command: log("partition", "Q13"),
	},
	{
		ID: "Q14", Target: "queue",
		Summary: "a transaction that is aborted because of a rebalance commits the offsets that it had polled up to",
		Mirrors: "offsets that are committed apart from the transaction that sends what was made of them (exactly-once processing that skips messages)",
		Fault:   "pause", Checker: "log", Anomaly: "commit-ahead",
		Command: log("partition,pause", "Q14"),
	},
	{
		ID: "Q15", Target: "queue",
		Summary: "consumers are shown all that the leader of a partition has, whether it is committed or not",
		Mirrors: "reads beyond the high water mark, whose messages vanish with the leader (Kafka before KIP-207)",
		Fault:   "partition", Checker: "log", Anomaly: "int-poll-skip",
		Command: log("partition", "Q15"),
	},
}

// working is the bugs of the work queue.
var working = []targets.Bug{
	{
		ID: "W1", Target: "queue",
		Summary: "leases end when the leader's clock on the wall says so, which may jump",
		Mirrors: "locks and leases that rest on wall clocks (Kleppmann on Redlock, 2016; CockroachDB and Yugabyte under clock skew)",
		Fault:   "clock", Checker: "lease", Anomaly: "overlap",
		Command: work("", "clock,kill", "W1"),
	},
	{
		ID: "W2", Target: "queue",
		Summary: "the receipt of an ack, a nack or an extend is not looked at: whoever names a message settles it, whoever has it now",
		Mirrors: "consumers without fencing, as Hazelcast 3.8's locks (Jepsen 2017): whoever was too slow still has a say",
		Fault:   "pause, or slow consumers", Checker: "lease", Anomaly: "stale-ack",
		Command: work("", "pause", "W2"),
	},
	{
		ID: "W3", Target: "queue",
		Summary: "what a consumer gives back is dropped, as if it had been acknowledged",
		Mirrors: "RabbitMQ's basic.reject without requeue and without a dead letter exchange (messages that nobody processed are discarded)",
		Fault:   "none", Checker: "total-queue", Anomaly: "lost",
		Command: work("", "kill", "W3"),
	},
	{
		ID: "W4", Target: "queue",
		Summary: "a node that starts from a snapshot has forgotten who leases what, and hands it out anew",
		Mirrors: "the class of state that is in the log and not in the snapshot",
		Fault:   "kill", Checker: "lease", Anomaly: "acked-again",
		Command: work(" --set snapshot-every=100", "kill,partition", "W4"),
	},
	{
		ID: "W5", Target: "queue",
		Summary: "a node confirms an ack at once, and hands it to the others half a second later",
		Mirrors: "the class of acknowledgements in memory: Kafka's enable.auto.commit, ActiveMQ's optimizeAcknowledge",
		Fault:   "kill", Checker: "lease", Anomaly: "acked-again",
		Command: work("", "kill", "W5"),
	},
	{
		ID: "W6", Target: "queue",
		Summary: "a node confirms an enqueue before any other node has it",
		Mirrors: "RabbitMQ without publisher confirms, and Kafka's acks=0: what the broker took and did not replicate is gone",
		Fault:   "partition, kill", Checker: "total-queue", Anomaly: "lost",
		Command: work("", "partition,kill", "W6"),
	},
	{
		ID: "W7", Target: "queue",
		Summary: "a node that waits too long for the answer to an enqueue sends it again under another name",
		Mirrors: "Redpanda 21.10 and producers without idempotence (Jepsen 2022: duplicates after a retry)",
		Fault:   "partition, pause", Checker: "lease", Anomaly: "overlap",
		Command: work("", "partition,pause", "W7"),
	},
	{
		ID: "W8", Target: "queue",
		Summary: "a message that was handed out too often is dropped and not set aside",
		Mirrors: "RabbitMQ's at-most-once dead lettering of quorum queues: dead letters are lost on the way",
		Fault:   "none", Checker: "total-queue", Anomaly: "lost",
		Command: work(" --set max-deliveries=1", "kill", "W8"),
	},
	{
		ID: "W9", Target: "queue",
		Summary: "a new leader takes all leases for lost, and hands out what others work on",
		Mirrors: "RabbitMQ's classic mirrored queues: when a mirror is promoted, all unacknowledged messages are requeued",
		Fault:   "kill, partition", Checker: "lease", Anomaly: "overlap",
		Command: work("", "kill,partition", "W9"),
	},
	{
		ID: "W10", Target: "queue",
		Summary: "what comes back goes to the end of the queue, although the order is to be kept",
		Mirrors: "RabbitMQ before 2.7: what was requeued went to the back of the queue",
		Fault:   "none", Checker: "total-queue", Anomaly: "reordered",
		Command: work(" --set order=fifo", "kill", "W10"),
	},
	{
		ID: "W11", Target: "queue",
		Summary: "an extend is confirmed and does not keep the lease from ending",
		Mirrors: "the class of heartbeats that do not reach the node that counts",
		Fault:   "none", Checker: "lease", Anomaly: "overlap",
		Command: work("", "kill", "W11"),
	},
	{
		ID: "W12", Target: "queue",
		Summary: "a node that sees nothing in its own replica says that the queue is empty, without asking the others",
		Mirrors: "etcd 0.4.1 and Consul 2014: answers from a replica that is behind",
		Fault:   "partition, pause", Checker: "linear", Anomaly: "false-empty",
		Command: work(" --set guarantee=at-most-once --set order=fifo", "partition,pause", "W12"),
	},
	{
		ID: "W13", Target: "queue",
		Summary: "a consumer that gave up still counts as waiting, and is given messages that it never gets",
		Mirrors: "the class of messages that are dispatched to consumers that have gone, and count as delivered",
		Fault:   "none", Checker: "linear", Anomaly: "false-empty",
		Command: work(" --set guarantee=at-most-once --set order=fifo --set delivery=push", "kill", "W13"),
	},
	{
		ID: "W14", Target: "queue",
		Summary: "a node that is cut off from the others goes on with queues of its own, and drops them when it is not any more",
		Mirrors: "RabbitMQ 3.3.0 (both sides of a partition go on, and what one of them took is discarded when it heals, Jepsen 2014)",
		Fault:   "partition", Checker: "total-queue", Anomaly: "lost",
		Command: work("", "partition", "W14"),
	},
	{
		ID: "W15", Target: "queue",
		Summary: "how often a message was handed out is not in the snapshot, so that a node that starts from one counts anew",
		Mirrors: "the class of state that is in the log and not in the snapshot: poison messages that go round for ever, because each restart forgets how often they did",
		Fault:   "kill", Checker: "total-queue", Anomaly: "over-delivered",
		Command: work(" --set snapshot-every=100", "kill,partition", "W15"),
	},
	{
		ID: "W16", Target: "queue",
		Summary: "what is not acknowledged is a dead letter one delivery too soon",
		Mirrors: "the class of limits that are off by one: attempts, as SQS's maxReceiveCount, or retries, as Celery's max_retries",
		Fault:   "none", Checker: "total-queue", Anomaly: "dead-too-soon",
		Command: work("", "kill", "W16"),
	},
	{
		ID: "W17", Target: "queue",
		Summary: "a receipt settles whatever message is named along with it",
		Mirrors: "the class of receipts that are looked up and not compared, as delivery tags that are numbers of a channel and mean another message on the next one",
		Fault:   "none", Checker: "lease", Anomaly: "foreign-ack",
		Command: work("", "kill", "W17"),
	},
	{
		ID: "W18", Target: "queue",
		Summary: "what a consumer gives back stays out of sight until its lease is over, and the receipt is good until then",
		Mirrors: "the class of negative acknowledgements that are taken and do nothing",
		Fault:   "none", Checker: "lease", Anomaly: "spent-ack",
		Command: work("", "kill", "W18"),
	},
}

// work is the command that finds a bug of the work queue, with more settings.
func work(settings, faults, id string) string {
	return command("queue", "kind=work"+settings, "queue", faults, id)
}
