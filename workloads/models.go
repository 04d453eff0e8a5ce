package workloads

import (
	"time"

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
	w := Workload{Name: m.Name, Doc: m.Doc, Level: Linearizable, Levels: []string{Linearizable}}
	for _, option := range m.Options {
		switch {
		case option != "initial":
			w.Options = append(w.Options, modelOptions[option])
		case m.Name == linear.Counter().Name:
			w.Options = append(w.Options, Integer("initial", "what the counter is before everything; none: 0"))
		case m.Name != linear.MultiRegister().Name: // whose map has no form on a command line
			w.Options = append(w.Options, Text("initial", "what is there before everything: a number, true, false, nil or a text"))
		}
	}
	w.Checkers = only(func(o Options) checkers.Checker {
		return linear.New(linear.Options{Model: o.model(m), Timeout: patience})
	})
	return w, nil
}

// patience is longer than anyone waits: what ends a search is the context.
const patience = 1000 * time.Hour

// modelOptions are the options that models have, by name.
var modelOptions = map[string]Option{
	"nil":     OneOf("nil", "a read of nil: any, its result is unknown, as Knossos has it; or value, there was none", "any", "value"),
	"permits": Number("permits", 1, 1, 1<<20, "how many may hold it at the same time"),
	"limit":   Number("limit", 0, 0, 1<<20, "how often its owner may hold it; 0: without limit"),
	"owner":   OneOf("owner", "who may release: none, anyone; or process, only who acquired", "none", "process"),
}

// model returns a model with the options that were set. Fill has seen to it
// that they are what the model takes.
func (o Options) model(m linear.Model) linear.Model {
	set := map[string]string{}
	for _, name := range m.Options {
		if o.Has(name) {
			set[name] = o[name]
		}
	}
	with, err := m.With(set)
	if err != nil {
		panic("workloads: " + err.Error())
	}
	return with
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
	docs := [][2]string{
		{"linear", "linearizability by a model: in n log n where values are unique, along the frontier or by Porcupine in a budget elsewhere"},
		{"set", "elements that the last read of a set lacks, or has and should not"},
		{"converge", "whether all replicas hold the same once faults are healed"},
		{"causal", "acknowledged writes that were lost to writes that they causally follow"},
		{"health", "nodes that died by themselves, and fatal lines in their logs"},
		{"worth", "whether the run was worth anything: enough operations, of every kind, under every fault"},
		{"perf", "availability and latency before, during and after each fault, by side (informs)"},
		{"stats", "operations by kind and outcome, errors by name (informs)"},
	}
	for _, w := range Checks() {
		docs = append(docs, [2]string{w.Name, w.Doc})
	}
	return docs
}
