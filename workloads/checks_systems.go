package workloads

import (
	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/batch"
	"github.com/ordeal-dev/ordeal/checkers/lease"
	"github.com/ordeal-dev/ordeal/checkers/ledger"
	"github.com/ordeal-dev/ordeal/checkers/session"
	"github.com/ordeal-dev/ordeal/checkers/staleness"
	"github.com/ordeal-dev/ordeal/checkers/stream"
	"github.com/ordeal-dev/ordeal/checkers/watch"
)

func sessions() Workload {
	return Workload{
		Name: session.Name, Doc: "reads and writes of keys, every value written once, by what a store promises to each session",
		Level: session.Causal.String(), Levels: session.Names, Fs: []string{"read", "write"},
		Options: []Option{
			OneOf("versions", "what values show of their order: hidden, nothing; increasing, greater is later; linked, {value, previous}", "hidden", "increasing", "linked"),
			Flag("per-server", "take what one process does through one node for a session"),
		},
		Checkers: func(level string, o Options) []checkers.Checker {
			return []checkers.Checker{session.New(session.Options{
				Guarantee: must(session.ParseGuarantee(level)), Versions: must(session.ParseVersions(o["versions"])), PerServer: o.On("per-server"),
			})}
		},
	}
}

func staleReads() Workload {
	return Workload{
		Name: staleness.Name, Doc: "how old what reads return is, in time and in versions, and after faults; invalid only if a bound that was set is broken",
		Level: bounded, Levels: []string{bounded}, Fs: []string{"read", "write", "cas"},
		Options: []Option{
			Length("bound", "no read is older"),
			Number("k", 0, 0, 1<<30, "every read returns one of the last k versions; 0: any"),
			Parsed("slo", "a share of the reads that are no older than some time", "a share and a time like 0.999@500ms",
				func(s string) error { _, err := staleness.ParseSLO(s); return err }),
			Length("recovery", "so long after the last fault was healed no read is stale any more"),
			Flag("calm-only", "leave out the reads during faults"),
		},
		Checkers: only(func(o Options) checkers.Checker {
			opts := staleness.Options{Bound: o.Length("bound"), K: int(o.Int("k")), Recovery: o.Length("recovery"), CalmOnly: o.On("calm-only")}
			if o.Has("slo") {
				opts.SLO = must(staleness.ParseSLO(o["slo"]))
			}
			return staleness.New(opts)
		}),
	}
}

func strongEventualConsistency() Workload {
	return Workload{
		Name: staleness.StrongName, Doc: "reads of replicas with the updates that they had: who has the same updates is in the same state",
		Level: strongEventual, Levels: []string{strongEventual}, Fs: []string{"read"},
		Checkers: only(func(Options) checkers.Checker { return staleness.NewStrong() }),
	}
}

func watches() Workload {
	return Workload{
		Name: watch.Name, Doc: "watches over a store with revisions, as etcd's: ordered, unique, atomic, reliable, resumable, with bookmarks",
		Level: Linearizable, Levels: []string{Linearizable}, Fs: []string{"put", "delete", "txn", "watch"},
		Checkers: only(func(Options) checkers.Checker { return watch.New(watch.Options{}) }),
	}
}

func ledgers() Workload {
	return Workload{
		Name: ledger.Name, Doc: "observations of a ledger and transfers: finality, conservation, no double spend, common prefix, accountability",
		Level: finality, Levels: []string{finality}, Fs: []string{"observe", "transfer", "status", "balances"},
		Options: []Option{
			Number("depth", ledger.DefaultDepth, -1, 1<<20, "after how many confirmations a block stays; -1: never"),
			Length("delta", "after what time every honest node must know of a confirmed block"),
			Length("inclusion", "how long an accepted transfer may take to be included"),
			Number("reward", 0, 0, 1<<62, "how much money a block may make"),
			Flag("closed", "clients submit every transfer that there is"),
			List("byzantine", "nodes, miners and validators that may lie"),
		},
		Checkers: only(func(o Options) checkers.Checker {
			return ledger.New(ledger.Options{
				Depth: int(o.Int("depth")), Delta: o.Length("delta"), Inclusion: o.Length("inclusion"),
				Reward: o.Int("reward"), Closed: o.On("closed"), Byzantine: o.List("byzantine"),
			})
		}),
	}
}

func streams() Workload {
	return Workload{
		Name: stream.Name, Doc: "numbered messages of producers, fetched from every node: lost at the beginning, in the middle or at the end",
		Level: exactlyOnce, Levels: []string{exactlyOnce, atLeastOnce}, Fs: []string{"publish", "fetch"},
		Checkers: func(level string, _ Options) []checkers.Checker {
			return []checkers.Checker{stream.New(stream.Options{AtLeastOnce: level == atLeastOnce})}
		},
	}
}

func batches() Workload {
	return Workload{
		Name: batch.Name, Doc: "the output of a job over records with identifiers: none missing, twice, wrong, or from nowhere",
		Level: exactlyOnce, Levels: []string{exactlyOnce}, Fs: []string{"input", "output", "watermark"},
		Checkers: only(func(Options) checkers.Checker { return batch.New() }),
	}
}

func leases() Workload {
	return Workload{
		Name: lease.Name, Doc: "locks, leases and leaders: one holder at a time, and tokens that rise and fence off the others",
		Level: exclusive, Levels: []string{exclusive}, Fs: []string{"acquire", "renew", "release", "write", "receive", "extend", "ack", "nack", "leader"},
		Options: []Option{
			Length("drift", "how much earlier a lease may end than it should, because clocks differ"),
			Flag("redelivery", "a message may be delivered after it was acknowledged"),
		},
		Checkers: only(func(o Options) checkers.Checker {
			return lease.New(lease.Options{Drift: o.Length("drift"), Redelivery: o.On("redelivery")})
		}),
	}
}
