// Package queue is Ordeal's reference queue, of which there are kinds that
// promise different things, chosen with the setting kind. What all kinds have
// in common is that a log replicated by Raft (package replog of the kit) holds
// what was acknowledged, and that they run as actors, unchanged, in the
// simulator and on real nodes.
//
// Each kind has a file of its own here, which says what can be set, what is
// promised then, how a node is started and what its clients are; what its
// nodes do is in a package of its own below.
//
// The queue comes with defects from Ordeal's collection, off by default, each
// of which mirrors one that was published: see Bugs of [New].
package queue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/zoo"
)

// New returns the queue.
func New() targets.Target { return queue{} }

// queue has no state of its own: everything is in the settings.
type queue struct{}

// kind is one of the queues that there are. Its functions are those of
// [targets.Target], asked only under settings that chose this kind.
type kind struct {
	name, doc string
	settings  []targets.Setting // its own; a name may not be that of another kind
	promise   func(s targets.Settings) targets.Promise
	boot      func(s targets.Settings, bugs []string) (actor.Boot, error)
	clients   map[string]func(s targets.Settings) func() client.Client // by workload
	supports  func(s targets.Settings, f string) bool
	facts     func(s targets.Settings) []string
}

// kinds lists all, the first of which is the one that is meant when none is named.
func kinds() []kind { return []kind{workKind(), logKind()} }

func (queue) Name() string { return "queue" }

func (queue) Doc() string {
	var docs []string
	for _, k := range kinds() {
		docs = append(docs, k.doc+" (kind="+k.name+")")
	}
	return "a replicated queue: " + strings.Join(docs, "; ")
}

// Settings lists what can be set. Those of one kind have no effect on another.
func (queue) Settings() []targets.Setting {
	names := kindNames()
	all := []targets.Setting{
		{Name: "kind", Default: names[0], Values: names, Doc: "which of the queues it is"},
		{Name: "snapshot-every", Default: "200", Doc: "entries of the replicated log between two snapshots"},
		{Name: "sessions", Default: "4096", Doc: "how many clients are remembered, so that a retry is applied once"},
	}
	for _, k := range kinds() {
		for _, s := range k.settings {
			s.Doc = k.name + ": " + s.Doc
			all = append(all, s)
		}
	}
	return all
}

func kindNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// chosen returns the kind that the settings name.
func chosen(s targets.Settings) (kind, error) {
	all := kinds()
	if i := slices.IndexFunc(all, func(k kind) bool { return k.name == s["kind"] }); i >= 0 {
		return all[i], nil
	}
	return kind{}, fmt.Errorf("setting kind=%s: want one of %s", s["kind"], strings.Join(kindNames(), ", "))
}

// Bugs lists the defects of all kinds.
func (queue) Bugs() []targets.Bug { return zoo.Of("queue") }

// Promise says what the settings promise, as one of the levels of package
// workloads; nothing if they name no kind.
func (queue) Promise(s targets.Settings) targets.Promise {
	k, err := chosen(s)
	if err != nil {
		return targets.Promise{}
	}
	return k.promise(s)
}

// Boot returns what starts a node.
func (queue) Boot(s targets.Settings, bugs []string) (actor.Boot, error) {
	k, err := chosen(s)
	if err != nil {
		return nil, err
	}
	return k.boot(s, bugs)
}

// Client returns a constructor of clients for a workload.
func (queue) Client(s targets.Settings, workload string) (func() client.Client, error) {
	k, err := chosen(s)
	if err != nil {
		return nil, err
	}
	made, ok := k.clients[workload]
	if !ok {
		var known []string
		for name := range k.clients {
			known = append(known, name)
		}
		slices.Sort(known)
		return nil, fmt.Errorf("target queue, kind=%s, has no client for workload %q, only for %s: %w",
			k.name, workload, strings.Join(known, ", "), targets.ErrUnsupported)
	}
	return made(s), nil
}

// Supports reports whether the kind has an operation.
func (queue) Supports(s targets.Settings, f string) bool {
	k, err := chosen(s)
	return err == nil && k.supports(s, f)
}

// Facts lists what a sound campaign must have met now and then.
func (queue) Facts(s targets.Settings) []string {
	k, err := chosen(s)
	if err != nil {
		return nil
	}
	return k.facts(s)
}

// number reads a setting that is a whole number.
func number(s targets.Settings, name string, least, most int) (int, error) {
	v, err := strconv.Atoi(s[name])
	if err != nil || v < least || v > most {
		return 0, fmt.Errorf("setting %s=%s: want a whole number from %d to %d", name, s[name], least, most)
	}
	return v, nil
}

// length reads a setting that is a length of time.
func length(s targets.Settings, name string, least, most time.Duration) (time.Duration, error) {
	v, err := time.ParseDuration(s[name])
	if err != nil || v < least || v > most {
		return 0, fmt.Errorf("setting %s=%s: want a time from %v to %v, as 500ms or 2s", name, s[name], least, most)
	}
	return v, nil
}
