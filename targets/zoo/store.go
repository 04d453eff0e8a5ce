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
}
