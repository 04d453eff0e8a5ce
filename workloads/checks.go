package workloads

import (
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/bank"
	"github.com/ordeal-dev/ordeal/checkers/causalreverse"
	"github.com/ordeal-dev/ordeal/checkers/counter"
	"github.com/ordeal-dev/ordeal/checkers/eventlog"
	"github.com/ordeal-dev/ordeal/checkers/longfork"
	"github.com/ordeal-dev/ordeal/checkers/monotonic"
	"github.com/ordeal-dev/ordeal/checkers/queue"
	"github.com/ordeal-dev/ordeal/checkers/txn"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/checkers/uniqueids"
)

// The levels of workloads that ask for one thing only, by its name in the field.
const (
	snapshots    = "snapshot-reads"
	unique       = "unique"
	atLeastOnce  = "at-least-once"
	exactlyOnce  = "exactly-once"
	atMostOnce   = "at-most-once"
	prefix       = "parallel-snapshot-isolation"
	strictInsert = "strong-serializable"
	monotonicity = "monotonic"
	logOrder     = "log"
)

// Checks returns the workloads that judge histories that were recorded
// elsewhere, under the names that the field uses.
func Checks() []Workload {
	return []Workload{
		transactions(txn.ListAppend, "transactions that append to lists and read them (Elle's list-append)"),
		transactions(txn.RWRegister, "transactions that write registers and read them (Elle's rw-register)",
			Flag("linearizable-keys", "take each key by itself for linearizable, and infer the order of its versions from that"),
			Flag("sequential-keys", "take each key by itself for sequentially consistent, and infer the order of its versions from that"),
			Flag("wfr-keys", "take what a transaction writes to come after what it read of the same key")),
		transactions(txn.LinkedRegister, "transactions on registers whose every value names the one it replaced: {value, previous}"),
		setFull(), queues(), uniqueIDs(), counters(), pnCounters(), banks(), longForks(), monotonics(), causalReverse(), logs(),
	}
}

// only makes what Workload.Checkers wants of a checker that does not depend on
// the level.
func only(c func(Options) checkers.Checker) func(string, Options) []checkers.Checker {
	return func(_ string, o Options) []checkers.Checker { return []checkers.Checker{c(o)} }
}

func transactions(kind txn.Workload, doc string, more ...Option) Workload {
	return Workload{
		Name: kind.String(), Doc: doc, Level: levels.Default, Levels: ofTransactions(), Alias: levels.Of, Fs: []string{"txn"},
		Options: append([]Option{
			List("anomalies", "anomalies that must not occur either, whatever the level"),
			Flag("process", "look for anomalies in the order of each process too, even if the level does not need it"),
			Flag("realtime", "look for anomalies in real time too, even if the level does not need it"),
		}, more...),
		Checkers: func(level string, o Options) []checkers.Checker {
			return []checkers.Checker{txn.New(txn.Options{
				Workload: kind, Models: []string{level}, Anomalies: o.List("anomalies"),
				Process: o.On("process"), Realtime: o.On("realtime"),
				LinearizableKeys: o.On("linearizable-keys"), SequentialKeys: o.On("sequential-keys"), WFRKeys: o.On("wfr-keys"),
			})}
		},
	}
}

// ofTransactions returns the levels that transactions can be judged by: all but
// those of single operations, which would forbid nothing here.
func ofTransactions() []string {
	single := []string{
		"linearizable", "sequential", "causal", "PRAM", "writes-follow-reads", "monotonic-reads", "monotonic-writes", "read-your-writes",
	}
	return slices.DeleteFunc(levels.Names(), func(l string) bool { return slices.Contains(single, l) })
}

func queues() Workload {
	return Workload{
		Name: queue.Name, Fs: []string{"enqueue", "dequeue", "drain"}, Doc: "elements that are enqueued once each and dequeued, until the queue is drained",
		Level: atLeastOnce, Levels: []string{exactlyOnce, atLeastOnce, atMostOnce},
		Checkers: func(level string, _ Options) []checkers.Checker {
			return []checkers.Checker{queue.New(queue.Options{ExactlyOnce: level == exactlyOnce, AtMostOnce: level == atMostOnce})}
		},
	}
}

func uniqueIDs() Workload {
	return Workload{
		Name: uniqueids.Name, Fs: []string{"generate"}, Doc: "identifiers, of which no two may be equal", Level: unique, Levels: []string{unique},
		Checkers: only(func(Options) checkers.Checker { return uniqueids.New(uniqueids.Options{}) }),
	}
}

func counters() Workload {
	return Workload{
		Name: "counter", Fs: []string{"add", "increment", "decrement", "read"}, Doc: "a counter that is added to and read: reads are between what was certainly and what was possibly added",
		Level: Linearizable, Levels: []string{Linearizable},
		Checkers: only(func(Options) checkers.Checker { return counter.New(counter.Options{}) }),
	}
}

func pnCounters() Workload {
	return Workload{
		Name: counter.PNName, Fs: []string{"add", "increment", "decrement", "read"}, Doc: "a counter whose final reads have everything that was acknowledged", Level: Eventual, Levels: []string{Eventual},
		Checkers: only(func(Options) checkers.Checker { return counter.New(counter.Options{Eventual: true}) }),
	}
}

func banks() Workload {
	return Workload{
		Name: bank.Name, Fs: []string{"read", "transfer"}, Doc: "transfers between accounts, whose balances always add up to the same", Level: snapshots, Levels: []string{snapshots},
		Options: []Option{
			List("accounts", "the accounts; none: any account may be read"),
			Integer("total-amount", "the sum of all balances; none: that of the first read"),
			Flag("negative-balances", "balances may be below zero"),
		},
		Checkers: only(func(o Options) checkers.Checker {
			opts := bank.Options{Accounts: o.List("accounts"), NegativeBalances: o.On("negative-balances")}
			if o.Has("total-amount") {
				total := o.Int("total-amount")
				opts.TotalAmount = &total
			}
			return bank.New(opts)
		}),
	}
}

func longForks() Workload {
	return Workload{
		Name: longfork.Name, Fs: []string{"read", "write"}, Doc: "single writes, and reads of groups of keys that have to agree on the order of the writes",
		Level: prefix, Levels: []string{prefix},
		Options: []Option{Number("group-size", 0, 0, 1000, "how many keys every read has; 0: any number")},
		Checkers: only(func(o Options) checkers.Checker {
			return longfork.New(longfork.Options{GroupSize: int(o.Int("group-size"))})
		}),
	}
}

func monotonics() Workload {
	return Workload{
		Name: monotonic.Name, Fs: []string{"add", "read"}, Doc: "values that rise with each insert, in the order that the database gave them", Level: monotonicity, Levels: []string{monotonicity},
		Options: []Option{
			Flag("per-client", "the order matters within each process only"),
			Flag("realtime", "the order has to follow that of time"),
		},
		Checkers: only(func(o Options) checkers.Checker {
			return monotonic.New(monotonic.Options{PerClient: o.On("per-client"), Realtime: o.On("realtime")})
		}),
	}
}

func causalReverse() Workload {
	return Workload{
		Name: causalreverse.Name, Fs: []string{"read", "write"}, Doc: "inserts, where a read that has one has all that were acknowledged before it began", Level: strictInsert, Levels: []string{strictInsert},
		Checkers: only(func(Options) checkers.Checker { return causalreverse.New(causalreverse.Options{}) }),
	}
}

func logs() Workload {
	return Workload{
		Name: eventlog.Name, Fs: []string{"send", "poll", "txn", "assign", "subscribe"}, Doc: "a partitioned log as Kafka's: sends, polls, transactions of both, assign and subscribe", Level: logOrder, Levels: []string{logOrder},
		Options: []Option{
			OneOf("sub-via", "how processes get what they poll; none: as the history shows", "", "assign", "subscribe"),
			Flag("ww-deps", "the order of what transactions sent is part of the order between them"),
			List("allow", "more types of errors that are allowed"),
		},
		Checkers: only(func(o Options) checkers.Checker {
			return eventlog.New(eventlog.Options{SubVia: o["sub-via"], WWDeps: o.On("ww-deps"), Allow: o.List("allow")})
		}),
	}
}
