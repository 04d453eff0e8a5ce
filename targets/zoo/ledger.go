package zoo

import "github.com/ordeal-dev/ordeal/targets"

// ledger is the bugs of the ledger. Those of consensus (PW1, PW4, PW5, PW10, PW12, PW14
// to PW16) need forks, which a partition makes; those of validation (PW6, PW7, PW13) need
// a block that is not valid, which a Byzantine miner makes.
var ledger = []targets.Bug{
	{
		ID: "PW1", Target: "ledger",
		Summary: "of two chains a node takes the one with more blocks, whatever the work in them",
		Mirrors: "Bitcoin before 0.3.3 (the longest chain rule compared heights, not work)",
		Fault:   "partition", Checker: "ledger", Anomaly: "lighter-chain",
		Command: command("ledger", "finality=depth", "transfer", "partition", "PW1") + " --fault partition.every=20s --fault partition.for=15s",
	},
	{
		ID: "PW2", Target: "ledger",
		Summary: "a reorganisation does not put the transfers that it takes out of the chain back into the pool",
		Mirrors: "transactions that wallets lost in reorganisations (btcd 1.x, Ethereum clients after the Shanghai forks of 2016)",
		Fault:   "partition", Checker: "ledger", Anomaly: "lost-transfer",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW2"),
	},
	{
		ID: "PW3", Target: "ledger",
		Summary: "a block may have a transfer whose nonce the chain has used before",
		Mirrors: "CVE-2018-17144 (Bitcoin Core 0.14 to 0.16.2 left out the check for duplicate inputs)",
		Fault:   "partition", Checker: "ledger", Anomaly: "double-spend",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW3"),
	},
	{
		ID: "PW4", Target: "ledger",
		Summary: "a transfer counts as confirmed when the highest block is deep enough above the first one seen with it, on whichever chain",
		Mirrors: "merchants and exchanges that lost to private chains (Bitcoin Gold 2018, Ethereum Classic 2019)",
		Fault:   "partition", Checker: "ledger", Anomaly: "vanished-transfer",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW4"),
	},
	{
		ID: "PW5", Target: "ledger",
		Summary: "after a reorganisation a node votes again for a height for which it has voted",
		Mirrors: "CometBFT 6031 and tendermint 10108 (validators sign twice when they forget what they signed)",
		Fault:   "partition", Checker: "ledger", Anomaly: "double-sign",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW5"),
	},
	{
		ID: "PW6", Target: "ledger",
		Summary: "a block may pay its miner whatever it says",
		Mirrors: "CVE-2010-5139 (a block made 184 billion bitcoins)",
		Fault:   "byzantine", Checker: "ledger", Anomaly: "inflation",
		Command: command("ledger", "kind=pow", "transfer", "byzantine", "PW6"),
	},
	{
		ID: "PW7", Target: "ledger",
		Summary: "signatures are checked when a transfer comes from a client, and not when it comes in a block",
		Mirrors: "CVE-2010-5141 (anybody could spend anybody's bitcoins)",
		Fault:   "byzantine", Checker: "ledger", Anomaly: "altered-transfer",
		Command: command("ledger", "kind=pow", "transfer", "byzantine", "PW7"),
	},
	{
		ID: "PW8", Target: "ledger",
		Summary: "a reorganisation takes back the transfers of a block, and not what the block paid its miner",
		Mirrors: "balances that clients and indexers got wrong after reorganisations (Parity 2017, Polygon's indexers 2023)",
		Fault:   "partition", Checker: "ledger", Anomaly: "conservation",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW8"),
	},
	{
		ID: "PW9", Target: "ledger",
		Summary: "a transfer is accepted, and goes to the disk within a second",
		Mirrors: "NATS JetStream 2.12.1 (acknowledged messages lost with the power), at the door of a mempool",
		Fault:   "power", Checker: "ledger", Anomaly: "lost-transfer",
		Command: command("ledger", "kind=pow", "transfer", "partition,power", "PW9"),
	},
	{
		ID: "PW10", Target: "ledger",
		Summary: "a block whose parent is missing is dropped, and nobody is asked for the parent",
		Mirrors: "nodes that stay behind for good once they missed a block (Bitcoin Core 10554 class)",
		Fault:   "partition", Checker: "converge", Anomaly: "divergence",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW10"),
	},
	{
		ID: "PW11", Target: "ledger",
		Summary: "a block from a time that the node's own clock has not reached is invalid, and stays so when the clock is right again",
		Mirrors: "Bitcoin timejacking (2011), and nodes with a slow clock that left the chain",
		Fault:   "clock", Checker: "converge", Anomaly: "divergence",
		Command: command("ledger", "kind=pow", "transfer", "clock", "PW11"),
	},
	{
		ID: "PW12", Target: "ledger",
		Summary: "votes are counted, and not who cast them: a vote that comes twice counts twice",
		Mirrors: "Tendermint 0.10.2 (a validator with two entries counted twice)",
		Fault:   "partition", Checker: "ledger", Anomaly: "finality-fork",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW12"),
	},
	{
		ID: "PW13", Target: "ledger",
		Summary: "a block may take more from an account than it has",
		Mirrors: "CVE-2010-5139 and its kin (sums of a block that nobody checked)",
		Fault:   "byzantine", Checker: "ledger", Anomaly: "negative-balance",
		Command: command("ledger", "kind=pow", "transfer", "byzantine", "PW13"),
	},
	{
		ID: "PW14", Target: "ledger",
		Summary: "a checkpoint is justified by two thirds of the votes, and not by more than that: by 3 of 5",
		Mirrors: "the threshold of Byzantine agreement (2f instead of 2f+1)",
		Fault:   "partition", Checker: "ledger", Anomaly: "false-finality",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW14"),
	},
	{
		ID: "PW15", Target: "ledger",
		Summary: "a node sends its votes and does not write them down",
		Mirrors: "CometBFT 6031 and tendermint 10108 (what was signed last is not durable)",
		Fault:   "kill", Checker: "ledger", Anomaly: "early-status",
		Command: command("ledger", "kind=pow", "transfer", "partition,kill", "PW15"),
	},
	{
		ID: "PW16", Target: "ledger",
		Summary: "transfers expire when the chain is high enough, although that end of it may still be replaced by one that has them",
		Mirrors: "Radix DLT 2021 (transactions that were said to have failed were committed later)",
		Fault:   "partition", Checker: "ledger", Anomaly: "early-status",
		Command: command("ledger", "kind=pow", "transfer", "partition", "PW16"),
	},
}
