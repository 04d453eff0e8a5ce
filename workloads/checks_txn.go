package workloads

import (
	"slices"

	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/adya"
	"github.com/ordeal-dev/ordeal/checkers/txn"
	"github.com/ordeal-dev/ordeal/checkers/txn/levels"
	"github.com/ordeal-dev/ordeal/checkers/txn/weak"
)

func transactions(kind txn.Workload, doc string, more ...Option) Workload {
	return Workload{
		Name: kind.String(), Doc: doc, Level: levels.Default, Levels: ofTransactions(), Alias: levels.Of, Fs: []string{"txn"},
		Options: append([]Option{
			List("anomalies", "anomalies that must not occur either, whatever the level"),
			Flag("process", "look for anomalies in the order of each process too, even if the level does not need it"),
			Flag("realtime", "look for anomalies in real time too, even if the level does not need it"),
		}, more...),
		Checkers: func(level string, o Options) []checkers.Checker {
			all := []checkers.Checker{txn.New(txn.Options{
				Workload: kind, Models: []string{level}, Anomalies: o.List("anomalies"),
				Process: o.On("process"), Realtime: o.On("realtime"),
				LinearizableKeys: o.On("linearizable-keys"), SequentialKeys: o.On("sequential-keys"), WFRKeys: o.On("wfr-keys"),
			})}
			if implied, ok := withoutCycles[level]; ok && kind != txn.LinkedRegister {
				all = append(all, weak.New(weak.Options{Level: implied, Lists: kind == txn.ListAppend}))
			}
			return all
		},
	}
}

// withoutCycles are the levels of which the dependencies between transactions
// do not show every violation, with the strongest that is decided otherwise and
// that they imply.
var withoutCycles = map[string]weak.Level{
	"read-atomic": weak.ReadAtomic, "update-atomic": weak.ReadAtomic,
	"causal-cerone": weak.Causal, "prefix": weak.Causal, "parallel-snapshot-isolation": weak.Causal,
}

// weakIsolation judges transactions by the levels of systems that stay available.
func weakIsolation() Workload {
	return Workload{
		Name: weak.Name, Doc: "transactions on registers or lists, by the levels that need no one order for everything",
		Level: weak.Causal.String(), Levels: []string{weak.ReadCommitted.String(), weak.ReadAtomic.String(), weak.Causal.String()},
		Fs:      []string{"txn"},
		Options: []Option{Flag("lists", "transactions append to lists, and do not write registers")},
		Checkers: func(level string, o Options) []checkers.Checker {
			return []checkers.Checker{weak.New(weak.Options{Level: must(weak.ParseLevel(level)), Lists: o.On("lists")})}
		},
	}
}

func adyaInserts() Workload {
	return Workload{
		Name: adya.Name, Doc: "pairs of inserts, each guarded by a predicate read that the other one makes false: at most one may succeed",
		Level: serializable, Levels: []string{serializable}, Fs: []string{"insert"},
		Checkers: only(func(Options) checkers.Checker { return adya.New(adya.Options{}) }),
	}
}

func predicates() Workload {
	return Workload{
		Name: adya.PredicateName, Doc: "transactions with predicate reads over keys that are written once",
		Level: serializable, Levels: []string{serializable}, Fs: []string{"init", "txn"},
		Checkers: only(func(Options) checkers.Checker { return adya.NewPredicate() }),
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
