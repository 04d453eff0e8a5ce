package workloads

import (
	"github.com/ordeal-dev/ordeal/checkers"
	"github.com/ordeal-dev/ordeal/checkers/linear"
	"github.com/ordeal-dev/ordeal/internal/suggest"
)

// Model returns the workload that judges linearizability by a model, for
// histories that were recorded elsewhere. It has no generator.
func Model(name string) (Workload, error) {
	m, err := linear.ModelNamed(name)
	if err != nil {
		return Workload{}, suggest.Unknown("model", name, ModelNames())
	}
	return Workload{
		Name: m.Name, Doc: m.Doc, Level: Linearizable, Levels: []string{Linearizable},
		Checkers: func(string, Options) []checkers.Checker {
			return []checkers.Checker{linear.New(linear.Options{Model: m})}
		},
	}, nil
}

// ModelNames returns the names of all models.
func ModelNames() []string {
	var names []string
	for _, m := range linear.Models() {
		names = append(names, m.Name)
	}
	return names
}

// CheckerDocs returns the name of every checker and what it looks for.
func CheckerDocs() [][2]string {
	return [][2]string{
		{"linear", "linearizability of registers: zones in n log n where values are unique, Porcupine in a budget elsewhere"},
		{"set", "elements lost, stale, duplicated or from nowhere, with how long they took to be stable or lost"},
		{"converge", "whether all replicas hold the same once faults are healed"},
		{"causal", "acknowledged writes that were lost to writes that they causally follow"},
		{"health", "nodes that died by themselves, and fatal lines in their logs"},
		{"worth", "whether the run was worth anything: enough operations, of every kind, under every fault"},
		{"perf", "availability and latency before, during and after each fault, by side (informs)"},
		{"stats", "operations by kind and outcome, errors by name (informs)"},
	}
}
