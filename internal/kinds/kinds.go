// Package kinds lists the kinds of the reference targets: what a target is under
// its safe settings, with the workload that is about its promise. Every kind
// keeps its promise for a thousand seeds under all faults, and meets the facts
// that the target says such a campaign must meet; the sweep in harness/run tries
// it, and the benchmark says how long it takes. A target that has no kind in this
// list is not tried, and a test says so.
package kinds

import (
	"maps"
	"slices"
	"strings"
)

// Kind is a target under some settings, with a workload.
type Kind struct {
	Name     string // in a word or two
	Target   string
	Settings map[string]string // those that are not the target's defaults
	Workload string
}

// All returns the kinds, those of one target together.
func All() []Kind {
	return []Kind{
		{"store cp", "store", map[string]string{"mode": "cp"}, "register"},
		{"store ap", "store", map[string]string{"mode": "ap"}, "register"},
		{"store ap strict", "store", map[string]string{"mode": "ap", "quorum": "strict"}, "register"},
		{"queue log", "queue", map[string]string{"kind": "log"}, "log"},
		{"queue work", "queue", map[string]string{"kind": "work"}, "queue"},
		{"files", "files", nil, "files"},
		{"files append", "files", nil, "append"},
		{"ledger transfer", "ledger", map[string]string{"kind": "pow"}, "transfer"},
		{"ledger notary", "ledger", map[string]string{"kind": "pow"}, "notary"},
	}
}

// Faults are the faults under which a kind is tried, all of them at once.
func Faults() []string { return []string{"partition", "kill", "pause", "clock", "packet", "power"} }

// Args are the arguments of the program that run a minute of a kind in the
// simulator under all faults, judged by what the target promises. They lack a
// seed; everything else is what `ordeal run` takes for granted.
func (k Kind) Args() []string {
	args := []string{"run", "--target", k.Target}
	for _, name := range slices.Sorted(maps.Keys(k.Settings)) {
		args = append(args, "--set", name+"="+k.Settings[name])
	}
	return append(args, "--workload", k.Workload, "--nemesis", strings.Join(Faults(), ","),
		"--consistency", "promised", "--world", "sim", "--time", "60s")
}
