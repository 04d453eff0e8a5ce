// Package targets says what a system under test is to the harness. The targets
// themselves are in the packages below this one.
package targets

import (
	"errors"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
)

// Target is a system under test. Its methods are pure.
type Target interface {
	// Name is how plans and the command line call the target; Doc is a
	// sentence on what it is.
	Name() string
	Doc() string
	// Settings lists what can be set with --set, Bugs what can be seeded with --bug.
	Settings() []Setting
	Bugs() []Bug
	// Promise says what the target promises under the given settings.
	Promise(s Settings) Promise
	// Boot returns what starts a node, or says what is wrong with the settings.
	// bugs holds ids of Bugs.
	Boot(s Settings, bugs []string) (actor.Boot, error)
	// Client returns a constructor of clients for a workload, or an error that
	// wraps ErrUnsupported and names the workloads that the target has.
	Client(s Settings, workload string) (func() client.Client, error)
	// Supports reports whether the target has an operation under these
	// settings: AP has no "cas", say.
	Supports(s Settings, f string) bool
}

// Facts is what a target implements that notes rare paths by actor.Sometimes.
type Facts interface {
	// Facts returns the facts that a campaign of a thousand runs under the
	// given settings must have met: one that was never met names a path that no
	// run took, and about which the campaign has shown nothing.
	Facts(s Settings) []string
}

// ErrUnsupported is wrapped by errors about what a target does not have.
var ErrUnsupported = errors.New("not supported by the target")

// Setting describes one setting of a target.
type Setting struct {
	Name    string
	Default string
	Values  []string // all that are allowed; empty if any text that Boot accepts is
	Doc     string
}

// Settings holds a value for every setting of a target: those that were not
// given have their defaults.
type Settings map[string]string

// Promise is what a target promises under some settings, in the field's terms.
type Promise struct {
	Level string // a consistency level, see workloads
	Doc   string // the promise in a sentence
	// Options are defaults for options of workloads that say what else is promised, as
	// a number. A workload that does not have one of them is not concerned.
	Options map[string]string
}

// Bug is a defect that was put into a target on purpose, to see that it is found.
type Bug struct {
	ID      string `json:"id"`
	Target  string `json:"target"`
	Summary string `json:"summary"` // what the code does wrong, in a sentence
	Mirrors string `json:"mirrors"` // the published failure it is like
	Fault   string `json:"fault"`   // what triggers it
	Checker string `json:"checker"` // what must find it
	Anomaly string `json:"anomaly"` // under which name
	Command string `json:"command"` // the command that finds it, without a seed
	// Seed is the first seed, from 1 on, with which the command finds the bug; 0 if
	// nobody has hunted it yet.
	Seed uint64 `json:"seed,omitempty"`
}
