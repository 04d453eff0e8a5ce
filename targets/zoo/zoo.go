// Package zoo is the one table of the bugs that were put into the reference
// targets on purpose. A harness that says that it finds lost writes, stale reads
// and double spends has to show that it does, and the only way to show it is on
// systems of which somebody knows what is wrong with them.
//
// A bug is one decision changed in code that is right otherwise, off unless a
// plan asks for it. Its row says what the changed code does, which published
// failure that is like, which fault triggers it, which checker must find it
// under which name, and the one command that shows it. The rows of a target are
// what its Bugs returns; `ordeal list bugs`, `ordeal zoo`, docs/zoo.md and the
// tests that hunt the bugs are all made from this table, so that what is said
// and what is tried cannot differ.
//
// The mechanism stays with the targets: each knows what its bugs are by their
// ids, and takes those that it is given at its start.
package zoo

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/ordeal-dev/ordeal/targets"
)

// hunted has a line for each bug: its id and the first seed that shows it. The
// test that hunts the bugs writes it, and nobody else:
//
//	go test ./harness/cli -run TestListedBugsAreFound -update
//
//go:embed seeds.txt
var hunted string

// All returns the bugs of all targets, those of one target together.
func All() []targets.Bug {
	seeds := map[string]uint64{}
	for line := range strings.Lines(hunted) {
		var id string
		var seed uint64
		if _, err := fmt.Sscan(line, &id, &seed); err != nil {
			panic(fmt.Sprintf("zoo: seeds.txt: %q: %v", line, err))
		}
		seeds[id] = seed
	}
	all := slices.Concat(store, queue, files, ledger)
	for i := range all {
		all[i].Seed = seeds[all[i].ID]
	}
	return all
}

// Of returns the bugs of a target, by its name.
func Of(target string) []targets.Bug {
	return slices.DeleteFunc(All(), func(b targets.Bug) bool { return b.Target != target })
}

// command is the command that finds a bug: everything that is not said has the
// defaults of `ordeal run`, and the verdict is on what the target promises.
func command(target, kind, workload, faults, id string) string {
	return "ordeal run --target " + target + " --set " + kind + " --workload " + workload + " --nemesis " + faults +
		" --bug " + id + " --consistency promised --world sim --rate 100 --time 60s"
}
