package workloads

import (
	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/txn"
)

// The levels of workloads that ask for one thing only, by its name in the field.
const (
	snapshots      = "snapshot-reads"
	unique         = "unique"
	fromSomewhere  = "no-phantoms"
	atLeastOnce    = "at-least-once"
	exactlyOnce    = "exactly-once"
	atMostOnce     = "at-most-once"
	parallelSI     = "parallel-snapshot-isolation"
	strictSerial   = "strong-serializable"
	monotonicity   = "monotonic"
	logOrder       = "log"
	bounded        = "bounded-staleness"
	strongEventual = "strong-eventual"
	closeToOpen    = "close-to-open"
	durablePrefix  = "durable-prefix"
	finality       = "finality"
	serializable   = "serializable"
	exclusive      = "mutual-exclusion"
	existence      = "proof-of-existence"
)

// Checks returns the workloads that judge histories that were recorded
// elsewhere, under the names that the field uses. Some have clients as well.
func Checks() []Workload {
	return []Workload{
		transactions(txn.ListAppend, "transactions that append to lists and read them (Elle's list-append)"),
		transactions(txn.RWRegister, "transactions that write registers and read them (Elle's rw-register)",
			Flag("linearizable-keys", "take each key by itself for linearizable, and infer the order of its versions from that"),
			Flag("sequential-keys", "take each key by itself for sequentially consistent, and infer the order of its versions from that"),
			Flag("wfr-keys", "take what a transaction writes to come after what it read of the same key")),
		transactions(txn.LinkedRegister, "transactions on registers whose every value names the one it replaced: {value, previous}"),
		weakIsolation(), adyaInserts(), predicates(), sessions(),
		setFull(), queues(), Queue(), uniqueIDs(), counters(), pnCounters(),
		banks(), longForks(), monotonics(), causalReverse(), Log(), streams(),
		staleReads(), strongEventualConsistency(), watches(),
		Files(), Append(), leases(), ledgers(), batches(),
	}
}

// only makes what Workload.Checkers wants of a checker that does not depend on
// the level.
func only(c func(Options) checkers.Checker) func(string, Options) []checkers.Checker {
	return func(_ string, o Options) []checkers.Checker { return []checkers.Checker{c(o)} }
}

// must is for what an option was seen to be when it was filled in.
func must[T any](v T, err error) T {
	if err != nil {
		panic("workloads: " + err.Error())
	}
	return v
}
