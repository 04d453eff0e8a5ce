package workloads

import (
	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/bank"
	"github.com/ordeal-dev/ordeal/checkers/causalreverse"
	"github.com/ordeal-dev/ordeal/checkers/counter"
	"github.com/ordeal-dev/ordeal/checkers/longfork"
	"github.com/ordeal-dev/ordeal/checkers/monotonic"
	"github.com/ordeal-dev/ordeal/checkers/queue"
	"github.com/ordeal-dev/ordeal/checkers/uniqueids"
)

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
		Level: parallelSI, Levels: []string{parallelSI},
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
		Name: causalreverse.Name, Fs: []string{"read", "write"}, Doc: "inserts, where a read that has one has all that were acknowledged before it began", Level: strictSerial, Levels: []string{strictSerial},
		Checkers: only(func(Options) checkers.Checker { return causalreverse.New(causalreverse.Options{}) }),
	}
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
