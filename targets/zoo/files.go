package zoo

import "github.com/ordeal-dev/ordeal/targets"

// files is the bugs of the filesystem.
var files = []targets.Bug{
	{
		ID: "FS1", Target: "files",
		Summary: "a data node writes on for a writer whose lease was taken over, under a generation stamp that is not in force any more",
		Mirrors: "HDFS leases and generation stamps (what they are for); HBase 2012 (region servers that come back write on)",
		Fault:   "pause", Checker: "append", Anomaly: "lost-record",
		Command: command("files", "read=latest", "append", "pause", "FS1"),
	},
	{
		ID: "FS2", Target: "files",
		Summary: "a packet is acknowledged once the first data node of the pipeline has it, and recovery keeps what all have",
		Mirrors: "HDFS-4387 and its kind (bytes that hflush acknowledged are cut off when the pipeline is recovered)",
		Fault:   "kill", Checker: "append", Anomaly: "lost-record",
		Command: command("files", "read=latest", "append", "kill,partition", "FS2"),
	},
	{
		ID: "FS3", Target: "files",
		Summary: "the journal of the name nodes is acknowledged before it was synced",
		Mirrors: "NATS JetStream 2.12.1 (acknowledged messages lost with the power); the edit log of HDFS without sync",
		Fault:   "power", Checker: "files", Anomaly: "lost-file",
		Command: command("files", "read=latest", "files", "power,kill", "FS3"),
	},
	{
		ID: "FS4", Target: "files",
		Summary: "a rename is two entries of the journal, a delete and a create",
		Mirrors: "ALICE (Pillai et al., OSDI 2014): renames that are not atomic; object stores used as filesystems",
		Fault:   "none", Checker: "files", Anomaly: "lost-file",
		Command: command("files", "read=latest", "files", "kill", "FS4"),
	},
	{
		ID: "FS5", Target: "files",
		Summary: "whether a replica is one too many is decided by counting the latest reports, so that all holders of a block are told to drop it at once",
		Mirrors: "NEAT (Alquraan et al., OSDI 2018): data consolidation after a partition removes the only good copy",
		Fault:   "partition", Checker: "converge", Anomaly: "divergence",
		Command: command("files", "read=latest", "files", "partition", "FS5"),
	},
	{
		ID: "FS6", Target: "files",
		Summary: "the generation stamp of a replica is looked at neither when it is reported nor when it is read",
		Mirrors: "HDFS-1060 and its kind (stale replicas are served after a data node comes back)",
		Fault:   "partition", Checker: "converge", Anomaly: "divergence",
		Command: command("files", "read=latest", "append", "partition,kill", "FS6"),
	},
	{
		ID: "FS7", Target: "files",
		Summary: "a data node syncs the file of a new replica, but not the directory that has its name",
		Mirrors: "HDFS-5042 (completed files lost after a power failure); ALICE (Pillai et al., OSDI 2014)",
		Fault:   "power", Checker: "append", Anomaly: "lost-record",
		Command: command("files", "read=latest", "append", "power", "FS7"),
	},
	{
		ID: "FS8", Target: "files",
		Summary: "an active name node that was replaced goes on: it answers from its own namespace, and data nodes obey it",
		Mirrors: "NEAT (split brain); HDFS high availability without fencing",
		Fault:   "partition", Checker: "files", Anomaly: "stale-name",
		Command: command("files", "read=latest", "files", "partition", "FS8"),
	},
	{
		ID: "FS9", Target: "files",
		Summary: "data nodes acknowledge what is in the page cache, and sync nothing",
		Mirrors: "HDFS-1539 (dfs.datanode.synconclose is off: closed files are empty after a loss of power)",
		Fault:   "power", Checker: "append", Anomaly: "lost-record",
		Command: command("files", "read=latest", "append", "power", "FS9"),
	},
	{
		ID: "FS10", Target: "files",
		Summary: "a reader of a block that is being written is shown bytes that were not acknowledged, and that a recovery may cut off",
		Mirrors: "HDFS-3222 and its kind (the visible length of a block under construction)",
		Fault:   "kill", Checker: "append", Anomaly: "diverged",
		Command: command("files", "read=latest", "append", "kill,partition", "FS10"),
	},
	{
		ID: "FS11", Target: "files",
		Summary: "a name node that restarts from an image of the namespace has forgotten the leases in it",
		Mirrors: "HDFS-5428 and its kind (files under construction are lost between checkpoint and restart); etcd 13766",
		Fault:   "kill", Checker: "converge", Anomaly: "divergence",
		Command: command("files", "read=latest", "append", "kill", "FS11"),
	},
	{
		ID: "FS12", Target: "files",
		Summary: "whoever takes over the lease of a file drops its last block, whose length nobody wrote down, instead of recovering it",
		Mirrors: "HDFS-8406 and its kind (lease recovery takes the last block for empty)",
		Fault:   "kill", Checker: "append", Anomaly: "lost-record",
		Command: command("files", "read=latest", "append", "kill", "FS12"),
	},
}
