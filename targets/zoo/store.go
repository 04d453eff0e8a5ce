package zoo

import "github.com/ordeal-dev/ordeal/targets"

// store is the bugs of the key-value store: CP1 and what follows it are bugs of
// the replicated log and what is built on it, AP1 and what follows it of the
// replicas that find together later.
var store = []targets.Bug{
	{
		ID: "CP1", Target: "store",
		Summary: "the leader answers reads from its own state without asking a quorum whether it still leads",
		Mirrors: "etcd 0.4.1 and Consul 2014 (stale reads from a leader that was cut off)",
		Fault:   "partition", Checker: "linear", Anomaly: "stale-read",
		Command: command("store", "mode=cp", "register", "partition", "CP1"),
	},
	{
		ID: "CP4", Target: "store",
		Summary: "entries, terms and votes are acknowledged once written, and synced about once a second",
		Mirrors: "NATS JetStream 2.12.1 (acknowledged messages lost with the power); etcd 14370",
		Fault:   "power", Checker: "set-full", Anomaly: "lost",
		Command: command("store", "mode=cp", "set", "power", "CP4"),
	},
	{
		ID: "AP1", Target: "store",
		Summary: "under conflict=hlc a write is stamped by the wall clock alone",
		Mirrors: "Riak 1.2.1 and Cassandra 2.0 (last write wins under skewed clocks loses acknowledged writes)",
		Fault:   "clock", Checker: "causal", Anomaly: "lost-causal-write",
		Command: command("store", "mode=ap", "register", "clock", "AP1"),
	},
	{
		ID: "AP2", Target: "store",
		Summary: "with strict quorums the copy of a stand-in counts as that of an owner, and reads do not ask stand-ins",
		Mirrors: "Dynamo and Riak (sloppy quorums: r+w > n says nothing about them)",
		Fault:   "partition", Checker: "sessions", Anomaly: "WriteCORead",
		Command: command("store", "mode=ap --set quorum=strict", "register", "partition,kill", "AP2"),
	},
	{
		ID: "AP3", Target: "store",
		Summary: "a stand-in keeps its hints in memory, and acknowledges them",
		Mirrors: "hinted handoff class (what only stand-ins hold dies with them)",
		Fault:   "partition, kill", Checker: "set-full", Anomaly: "lost",
		Command: command("store", "mode=ap --set r=1 --set w=1", "set", "partition,kill", "AP3"),
	},
	{
		ID: "AP5", Target: "store",
		Summary: "what a read spreads to owners that are behind gets a version as if it were written then",
		Mirrors: "Cassandra and Scylla class (a repair with a fresh timestamp buries newer writes)",
		Fault:   "packet", Checker: "sessions", Anomaly: "WriteCORead",
		Command: command("store", "mode=ap --set quorum=strict --set r=1 --set w=3", "register", "packet", "AP5"),
	},
	{
		ID: "AP9", Target: "store",
		Summary: "anti-entropy leaves out the last range of each level of the trees",
		Mirrors: "convergence class (repair that never gets to some of the keys)",
		Fault:   "partition, kill", Checker: "converge", Anomaly: "divergence",
		Command: command("store", "mode=ap", "set", "partition,kill,pause", "AP9"),
	},
	{
		ID: "AP10", Target: "store",
		Summary: "records are acknowledged once they are written, and never synced",
		Mirrors: "NATS JetStream 2.12.1 (acknowledged messages lost with the power)",
		Fault:   "power", Checker: "set-full", Anomaly: "lost",
		Command: command("store", "mode=ap", "set", "power", "AP10"),
	},
	{
		ID: "AP11", Target: "store",
		Summary: "a stand-in forgets hints when it has sent them, and not when the owner has them",
		Mirrors: "hinted handoff class",
		Fault:   "partition, kill", Checker: "set-full", Anomaly: "lost",
		Command: command("store", "mode=ap --set r=1 --set w=1", "set", "partition,kill", "AP11"),
	},
	{
		ID: "AP12", Target: "store",
		Summary: "hints are handed over with versions as if they were written then",
		Mirrors: "hinted handoff class (a replayed hint buries newer writes)",
		Fault:   "partition", Checker: "causal", Anomaly: "lost-causal-write",
		Command: command("store", "mode=ap --set r=1 --set w=1", "register --opt keys=200 --opt active=10", "partition", "AP12"),
	},
	{
		ID: "AP13", Target: "store",
		Summary: "the hybrid clock takes no notice of the stamps of other nodes",
		Mirrors: "hybrid logical clocks without their rule for messages",
		Fault:   "clock", Checker: "causal", Anomaly: "lost-causal-write",
		Command: command("store", "mode=ap", "register", "clock", "AP13"),
	},
	{
		ID: "AP14", Target: "store",
		Summary: "a write that did not reach its quorum in time ends as failed, although copies of it are around",
		Mirrors: "several of Jepsen's reports (a timeout is reported as a failure)",
		Fault:   "partition", Checker: "set-full", Anomaly: "dirty-read",
		Command: command("store", "mode=ap", "set", "partition", "AP14"),
	},
	{
		ID: "AP15", Target: "store",
		Summary: "anti-entropy looks at which keys there are, and not at their versions",
		Mirrors: "convergence class",
		Fault:   "partition", Checker: "converge", Anomaly: "divergence",
		Command: command("store", "mode=ap --set r=1 --set w=1", "register --opt keys=200 --opt active=10", "partition", "AP15"),
	},
	{
		ID: "AP16", Target: "store",
		Summary: "with strict quorums a read returns what it found on one owner, and leaves it to the background to bring it to others",
		Mirrors: "Cassandra 4.0 with read_repair = NONE (quorum reads that are not monotonic)",
		Fault:   "partition", Checker: "sessions", Anomaly: "WriteCORead",
		Command: command("store", "mode=ap --set quorum=strict --set r=1 --set w=3", "register", "partition,kill", "AP16"),
	},
	{
		ID: "AP17", Target: "store",
		Summary: "with strict quorums an owner answers reads from its own replica",
		Mirrors: "Dynamo class (R+W <= N)",
		Fault:   "partition", Checker: "sessions", Anomaly: "WriteCORead",
		Command: command("store", "mode=ap --set quorum=strict", "register", "partition,kill", "AP17"),
	},
	{
		ID: "AP18", Target: "store",
		Summary: "a stand-in keeps ten hints for an owner, and acknowledges those that come after them without keeping them",
		Mirrors: "Cassandra (no hints are kept for a node that is down for longer than max_hint_window)",
		Fault:   "partition", Checker: "set-full", Anomaly: "lost",
		Command: command("store", "mode=ap --set r=1 --set w=1", "set", "partition", "AP18"),
	},
}
