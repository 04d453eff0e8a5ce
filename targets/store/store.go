// Package store is Ordeal's reference store: a replicated key-value store that
// is built to be tested, in two modes that promise different things.
//
// In mode cp (package [cp]) one log is replicated by Raft, and every operation
// is linearizable; a minority of nodes that is cut off refuses to serve. In
// mode ap (package [ap]) any node serves whatever it can reach, and replicas
// find together later; what is promised then is that they converge and, under
// conflict=hlc, that no acknowledged write is lost to one that it causally
// follows. With quorum=strict only owners count, and where every quorum of reads
// meets every quorum of writes, keys are causally consistent: a client that has
// seen a write, or something that follows from it, never sees what was before.
//
// Both modes speak the language of package [kv] with their clients, and both
// run as actors, unchanged, in the simulator and on real nodes.
//
// The store comes with defects from Ordeal's collection, off by default,
// each of which mirrors one that was published: see Bugs of [New].
package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/kit/replog"
	"github.com/ordeal-dev/ordeal/targets/store/ap"
	"github.com/ordeal-dev/ordeal/targets/store/cp"
	"github.com/ordeal-dev/ordeal/targets/zoo"
)

// New returns the store.
func New() targets.Target { return store{} }

// store has no state of its own: everything is in the settings.
type store struct{}

func (store) Name() string { return "store" }

func (store) Doc() string {
	return "a replicated key-value store: linearizable by Raft (mode=cp), or always available with quorums (mode=ap)"
}

// Settings lists what can be set. Those of one mode have no effect in the other.
func (store) Settings() []targets.Setting {
	return []targets.Setting{
		{Name: "mode", Default: "cp", Values: []string{"cp", "ap"},
			Doc: "cp: linearizable, and unavailable without a majority; ap: available, and convergent"},
		{Name: "n", Default: "3", Doc: "ap: how many nodes hold each key"},
		{Name: "r", Default: "2", Doc: "ap: how many of them a read asks; r+w > n lets a read see every acknowledged write while no stand-in is in play"},
		{Name: "w", Default: "2", Doc: "ap: how many nodes must have a write before it is acknowledged"},
		{Name: "quorum", Default: "sloppy", Values: []string{"sloppy", "strict"},
			Doc: "ap: who counts towards r and w: whoever holds a copy, stand-ins too, or owners only; then a read makes sure that w of them hold what it returns"},
		{Name: "conflict", Default: "hlc", Values: []string{"hlc", "lww"},
			Doc: "ap: which of two writes wins: the later by a hybrid logical clock, or by the wall clock alone"},
		{Name: "snapshot-every", Default: "200", Doc: "cp: entries of the log between two snapshots"},
		{Name: "sessions", Default: "4096", Doc: "cp: how many clients are remembered, so that a retry is applied once"},
	}
}

// Bugs returns the rows of the zoo that are the store's.
func (store) Bugs() []targets.Bug { return zoo.Of("store") }

// Facts returns what must have happened in a campaign that has shown something.
func (store) Facts(s targets.Settings) []string {
	if s["mode"] == "cp" {
		return replog.Facts()
	}
	cfg, err := apConfig(s, nil)
	if err != nil {
		return nil // there is no such store
	}
	return cfg.Facts()
}

// Promise says what the settings promise, as one of the levels of package
// workloads. In mode ap quorums make a difference only if stand-ins do not count.
func (store) Promise(s targets.Settings) targets.Promise {
	switch {
	case s["mode"] == "cp":
		return targets.Promise{Level: "linearizable",
			Doc: "linearizable: every operation takes effect at one instant between its call and its answer"}
	case s["conflict"] == "hlc" && overlapping(s):
		return targets.Promise{Level: "causal-convergent",
			Doc: "keys are causally consistent and converge: a client sees what it wrote and what it has seen, and so does whoever follows from it"}
	case s["conflict"] == "hlc":
		return targets.Promise{Level: "causal-writes",
			Doc: "converges, and no acknowledged write is lost to one that it causally follows"}
	default:
		return targets.Promise{Level: "eventual", Doc: "converges"}
	}
}

// overlapping reports whether every quorum of a read meets every quorum of a write.
func overlapping(s targets.Settings) bool {
	cfg, err := apConfig(s, nil)
	return err == nil && cfg.Strict && cfg.R+cfg.W > cfg.N
}

// Boot returns what starts a node.
func (store) Boot(s targets.Settings, bugs []string) (actor.Boot, error) {
	switch s["mode"] {
	case "cp":
		cfg, err := cpConfig(s, bugs)
		return func(env actor.Env) actor.Node { return cp.New(env, cfg) }, err
	case "ap":
		cfg, err := apConfig(s, bugs)
		return func(env actor.Env) actor.Node { return ap.New(env, cfg) }, err
	default:
		return nil, fmt.Errorf("setting mode=%s: want cp or ap", s["mode"])
	}
}

func cpConfig(s targets.Settings, bugs []string) (cp.Config, error) {
	every, err := number(s, "snapshot-every", 10, 1_000_000_000)
	if err != nil {
		return cp.Config{}, err
	}
	sessions, err := number(s, "sessions", 1, 1_000_000)
	if err != nil {
		return cp.Config{}, err
	}
	cfg := cp.Config{SnapshotEvery: uint64(every), Sessions: sessions, Bugs: map[cp.Bug]bool{}}
	for _, id := range bugs {
		if !slices.Contains(cp.Bugs(), cp.Bug(id)) {
			return cfg, noSuchBug(id, "cp")
		}
		cfg.Bugs[cp.Bug(id)] = true
	}
	return cfg, nil
}

func apConfig(s targets.Settings, bugs []string) (cfg ap.Config, err error) {
	for _, q := range []struct {
		name string
		to   *int
	}{{"n", &cfg.N}, {"r", &cfg.R}, {"w", &cfg.W}} {
		if *q.to, err = number(s, q.name, 1, 64); err != nil {
			return cfg, err
		}
	}
	switch s["conflict"] {
	case "hlc":
		cfg.Conflict = ap.HLC
	case "lww":
		cfg.Conflict = ap.LWW
	default:
		return cfg, fmt.Errorf("setting conflict=%s: want hlc or lww", s["conflict"])
	}
	cfg.Strict = s["quorum"] == "strict"
	for _, id := range bugs {
		bug, found := ap.BugNamed(id)
		if !found {
			return cfg, noSuchBug(id, "ap")
		}
		cfg.Bugs |= bug
	}
	return cfg, quorums(cfg)
}

// quorums refuses quorums that no number of nodes could reach.
func quorums(cfg ap.Config) error {
	if cfg.R > cfg.N {
		return fmt.Errorf("setting r=%d: a read cannot ask more nodes than the n=%d that hold a key; lower r or raise n", cfg.R, cfg.N)
	}
	if cfg.W > cfg.N {
		return fmt.Errorf("setting w=%d: a write cannot wait for more nodes than the n=%d that hold a key; lower w or raise n", cfg.W, cfg.N)
	}
	return cfg.Validate()
}

// noSuchBug says which bugs a mode has: those whose ids begin with its name.
func noSuchBug(id, mode string) error {
	var has []string
	for _, b := range zoo.Of("store") {
		if strings.HasPrefix(b.ID, strings.ToUpper(mode)) {
			has = append(has, b.ID)
		}
	}
	return fmt.Errorf("bug %s is not one of mode=%s, which has %s: set another mode, or leave the bug out", id, mode, strings.Join(has, ", "))
}

// number reads a setting that is a whole number.
func number(s targets.Settings, name string, least, most int) (int, error) {
	v, err := strconv.Atoi(s[name])
	if err != nil || v < least || v > most {
		return 0, fmt.Errorf("setting %s=%s: want a whole number from %d to %d", name, s[name], least, most)
	}
	return v, nil
}

// Client returns a constructor of clients for the workloads register and set.
func (store) Client(_ targets.Settings, workload string) (func() client.Client, error) {
	switch workload {
	case "register":
		return func() client.Client { return &registerClient{} }, nil
	case "set":
		return func() client.Client { return &setClient{} }, nil
	default:
		return nil, fmt.Errorf("target store has no client for workload %q, only for register and set: %w", workload, targets.ErrUnsupported)
	}
}

// Supports reports whether the mode has an operation: there is no agreement in
// mode ap, and so no compare-and-set.
func (store) Supports(s targets.Settings, f string) bool {
	switch f {
	case "read", "write", "delete", "add":
		return true
	case "cas":
		return s["mode"] == "cp"
	default:
		return false
	}
}
