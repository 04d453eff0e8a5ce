// Package nemesis injects faults and proves that they took effect.
//
// A fault is a contract, not a command. Each [Window], one use of a fault, goes
// through the same life:
//
//	aim      choose the nodes, which may depend on who leads just now
//	inject   do it
//	witness  look, by a probe of the harness's own, whether it is in force
//	look back   at the end of the window: did the target itself meet it?
//	heal     undo it
//	recheck  look whether it is undone
//
// Every step goes into the history before it is taken and again, with the
// evidence, after it: what was planned can be healed even if nobody knows
// whether it was applied. A window ends as confirmed, ineffective or
// inconclusive, and as exercised or not; only confirmed windows count as
// coverage.
//
// The faults are values in a registry. Whoever adds one fills in a [Fault].
package nemesis

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/harness/history"
	"github.com/ordeal-dev/ordeal/harness/world"
)

// Fault is a kind of fault.
type Fault struct {
	Kind   string           // how plans and the command line call it
	Doc    string           // what it does, in a sentence
	Needs  world.Capability // what a world must be able to do
	Brief  bool             // some windows end after a moment, see [Schedule]
	Params []Param          // beyond "every", "for" and "after", which all faults have
	// Check says what is wrong with the parameters for a cluster of that many
	// nodes: a fault that could find no target is refused when it is planned.
	Check func(p Params, nodes int) error
	// Aim chooses the targets of one window and prepares it. It changes nothing.
	// If the scene has a Record, it looks at the cluster all the same, so that a
	// replay does what the run did, and then takes the targets from there.
	Aim func(s *Scene) (Window, error)
}

// Param describes a parameter of a fault.
type Param struct {
	Name    string
	Default string
	Doc     string
}

// Timing is the parameters that every fault has. An empty default depends on
// the length of the run, see [Schedule].
var Timing = []Param{
	{"every", "", "from the start of one window to the start of the next (10s, less in short runs)"},
	{"for", "", "the length of a window (half of every)"},
	{"after", "", "the start of the first window (staggered over the faults of a run)"},
	{"vary", "", "how much later windows begin and end, at most: a seeded choice (a tenth of for; 0 if one of the others is given)"},
}

// Params holds the values of a fault's parameters.
type Params map[string]string

// longest bounds every duration of a fault, far from where sums overflow.
const longest = 10_000 * time.Hour

// Duration returns a parameter as a duration of at most 10000 hours.
func (p Params) Duration(name string) (time.Duration, error) {
	d, err := time.ParseDuration(p[name])
	switch {
	case err != nil || d < 0:
		return 0, fmt.Errorf("%s=%q is not a duration: write it like 500ms, 10s or 1m", name, p[name])
	case d > longest:
		return 0, fmt.Errorf("%s=%s is too long: at most 10000h", name, p[name])
	}
	return d, nil
}

// Oneof returns an error unless the parameter has one of the given values.
func (p Params) Oneof(name string, values ...string) error {
	if slices.Contains(values, p[name]) {
		return nil
	}
	return fmt.Errorf("%s=%q is not known: want one of %s", name, p[name], strings.Join(values, ", "))
}

// Scene is what a fault sees when it takes aim.
type Scene struct {
	world.Control
	Params Params
	Draw   *choice.Stream // the randomness of this window
	// Taken tells which nodes are dead, stopped or Byzantine because of another
	// window: faults that act on processes leave them alone.
	Taken []bool
	// Liars are the nodes that are Byzantine just now.
	Liars []int
	// Cast are the nodes that are Byzantine in some windows of the run. Faults that
	// act on processes take others where they can: who is dead tells no lies.
	Cast []int
	// Cut tells that another window cuts links just now.
	Cut bool
	// Turn is how many windows of this fault there were before; Deck is randomness
	// for a number of them in a row.
	Turn int
	Deck func(round int) *choice.Stream
	// Record is what an earlier run wrote down when it had taken aim; nil
	// unless that run is replayed.
	Record *history.Value
}

// nodeNumbers is the inverse of names; what is not a node is left out.
func nodeNumbers(v history.Value) []int {
	var nodes []int
	for _, e := range v.Elems() {
		if n, ok := nodeNumber(e.Text()); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func nodeNumber(name string) (int, bool) {
	if name == "clients" {
		return world.Clients, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "n"))
	return n - 1, err == nil && n > 0
}

// Window is one use of a fault. Its methods are called in the order in which
// they stand here, Heal even if one of those before it failed.
type Window interface {
	// Nodes are the nodes aimed at; Plan describes the window further, as
	// keys and values by turns.
	Nodes() []int
	Plan() []history.Value

	Inject(ctl world.Control) error
	// Witness looks whether the fault is in force.
	Witness(ctl world.Control) (Finding, error)
	// LookBack looks, at the end of the window, whether the target met it.
	LookBack(ctl world.Control) (Finding, error)
	Heal(ctl world.Control) error
	// Recheck looks whether the fault is gone: Confirmed means that it is.
	Recheck(ctl world.Control) (Finding, error)
}

// Finding is what somebody who looked has seen.
type Finding struct {
	Witness   history.Witness
	Exercised bool
	Evidence  []history.Value // keys and values by turns
}

// found returns a finding from what was expected and what was seen.
func found(ok bool, evidence ...history.Value) Finding {
	if ok {
		return Finding{Witness: history.Confirmed, Evidence: evidence}
	}
	return Finding{Witness: history.Ineffective, Evidence: evidence}
}

// names returns the names of nodes as they stand in histories.
func names(nodes []int) history.Value {
	vs := make([]history.Value, len(nodes))
	for i, n := range nodes {
		vs[i] = history.String(nodeName(n))
	}
	return history.List(vs...)
}

func nodeName(n int) string {
	if n == world.Clients {
		return "clients"
	}
	return fmt.Sprintf("n%d", n+1)
}

// leaders returns the nodes that say that they lead, those of the highest term
// first. Nodes that cannot answer are passed over.
func (s *Scene) leaders() []int {
	type seat struct {
		node int
		term uint64
	}
	var seats []seat
	for n := range s.Nodes() {
		if s.Taken[n] {
			continue // asking would only wait for the time-out
		}
		if st, err := s.Status(n); err == nil && st.Role == "leader" {
			seats = append(seats, seat{n, st.Term})
		}
	}
	slices.SortStableFunc(seats, func(a, b seat) int { return cmp.Compare(b.term, a.term) })
	nodes := make([]int, len(seats))
	for i, s := range seats {
		nodes[i] = s.node
	}
	return nodes
}

// deal returns one of the given things by turns: in a seeded order, each comes once
// before one comes again. So a run has some of each, and not by bad luck only what
// stops everything, or only what harms nobody. Of target sets, the first one leaves a
// majority standing, as there may be no second one in a short run.
func (s *Scene) deal(from []string) string {
	order := s.Deck(s.Turn / len(from)).Perm(len(from))
	for range order {
		if first := from[order[0]]; first != "majority" && first != "all" {
			break
		}
		order = append(order[1:], order[0])
	}
	return from[order[s.Turn%len(from)]]
}

// str makes a key of evidence readable where it is written down.
func str(s string) history.Value { return history.String(s) }
