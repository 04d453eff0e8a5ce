// Package ledger is Ordeal's reference ledger: a chain of blocks that no node
// owns, in which accounts pay each other and texts are stamped.
//
// There is one kind, pow (package [pow]): proof of work, with gossip, forks and
// reorganisations, as Bitcoin has them. What differs between settings is what it
// takes for a block to be final. With finality=quorum the nodes vote, and what is
// final stays for ever, as long as no more than a third of them are Byzantine. With
// finality=depth a block is final under so many others, and a partition that is
// longer than that makes it vanish.
//
// Nodes and clients speak the language of package [coin], and nodes run as
// actors, unchanged, in the simulator and on real machines.
//
// The ledger comes with defects from Ordeal's collection, off by default, each
// of which mirrors one that was published: see Bugs of [New].
package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/internal/suggest"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/ledger/pow"
	"github.com/ordeal-dev/ordeal/targets/zoo"
)

// New returns the ledger.
func New() targets.Target { return ledger{} }

// ledger has no state of its own: everything is in the settings.
type ledger struct{}

func (ledger) Name() string { return "ledger" }

func (ledger) Doc() string {
	return "a ledger of signed transfers: proof of work with forks and reorganisations, and blocks that are final by votes or by depth (kind=pow)"
}

// Settings lists what can be set.
func (ledger) Settings() []targets.Setting {
	return []targets.Setting{
		{Name: "kind", Default: "pow", Values: []string{"pow"}, Doc: "how nodes agree on a chain: by proof of work"},
		{Name: "finality", Default: "quorum", Values: []string{"quorum", "depth"},
			Doc: "when a block is final: once more than two thirds of the nodes have voted for what builds on it, or once it is deep enough"},
		{Name: "depth", Default: "3", Doc: "confirmations, its own block counted: that a block needs to be final (finality=depth), or before nodes vote for it (finality=quorum)"},
		{Name: "power", Default: "4,2,2,1,1", Doc: "the hash power of the nodes, one after the other; the last number is that of all nodes beyond"},
		{Name: "interval", Default: "500ms", Doc: "mean time between two blocks when all nodes mine"},
		{Name: "reward", Default: "10", Doc: "money that a block makes for its miner"},
		{Name: "accounts", Default: "10", Doc: "how many accounts have money from the beginning: a1, a2, and so on"},
		{Name: "money", Default: "500", Doc: "how much each of them has"},
	}
}

// Bugs returns what the zoo has for the ledger.
func (ledger) Bugs() []targets.Bug { return zoo.Of("ledger") }

// Promise says what the settings promise, as one of the levels of package
// workloads.
func (ledger) Promise(s targets.Settings) targets.Promise {
	if s["finality"] == "quorum" {
		return targets.Promise{Level: "finality",
			Doc: "what is final or confirmed stays so, through every partition; nothing is spent twice, and nothing that was accepted is lost"}
	}
	return targets.Promise{Level: "eventual",
		Doc: "nodes converge on the chain with the most work; nothing is spent twice in a chain, and nothing that was accepted is lost; but any block may leave the chain"}
}

// Facts returns what a campaign must meet.
func (ledger) Facts(s targets.Settings) []string { return pow.Facts(s["finality"] == "quorum") }

// Boot returns what starts a node.
func (ledger) Boot(s targets.Settings, bugs []string) (actor.Boot, error) {
	cfg, err := config(s)
	if err != nil {
		return nil, err
	}
	cfg.Bugs = map[pow.Bug]bool{}
	for _, id := range bugs {
		if !slices.Contains(pow.Bugs(), pow.Bug(id)) {
			return nil, fmt.Errorf("the ledger has no bug %s: see `ordeal list bugs`", id)
		}
		cfg.Bugs[pow.Bug(id)] = true
	}
	return func(env actor.Env) actor.Node { return pow.New(env, cfg) }, nil
}

func config(s targets.Settings) (cfg pow.Config, err error) {
	cfg.Quorum = s["finality"] == "quorum"
	for _, q := range []struct {
		name        string
		least, most uint64
		to          *uint64
	}{
		{"depth", 1, 1000, &cfg.Depth},
		{"reward", 0, 1_000_000, &cfg.Reward},
		{"money", 0, 1_000_000_000, &cfg.Money},
	} {
		if *q.to, err = number(s, q.name, q.least, q.most); err != nil {
			return cfg, err
		}
	}
	accounts, err := number(s, "accounts", 1, 10_000)
	if err != nil {
		return cfg, err
	}
	cfg.Accounts = int(accounts)
	interval, err := time.ParseDuration(s["interval"])
	if err != nil || interval < 10*time.Millisecond || interval > time.Hour {
		return cfg, fmt.Errorf("setting interval=%s: want a time from 10ms to 1h", s["interval"])
	}
	cfg.Interval = interval.Nanoseconds()
	cfg.Power, err = powers(s["power"])
	return cfg, err
}

// powers reads numbers with commas between, of which one at least is not zero.
func powers(text string) (list []uint64, err error) {
	sum := uint64(0)
	for _, word := range strings.Split(text, ",") {
		p, err := strconv.ParseUint(word, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("setting power=%s: want whole numbers up to 65535 with commas between, as 4,2,2,1,1", text)
		}
		list, sum = append(list, p), sum+p
	}
	if list[0] == 0 || sum == 0 {
		return nil, fmt.Errorf("setting power=%s: the first node has to have some power, or a cluster of one would never find a block", text)
	}
	return list, nil
}

// number reads a setting that is a whole number.
func number(s targets.Settings, name string, least, most uint64) (uint64, error) {
	v, err := strconv.ParseUint(s[name], 10, 63)
	if err != nil || v < least || v > most {
		return 0, fmt.Errorf("setting %s=%s: want a whole number from %d to %d", name, s[name], least, most)
	}
	return v, nil
}

// Client returns a constructor of clients for the workloads transfer and notary.
func (ledger) Client(s targets.Settings, workload string) (func() client.Client, error) {
	rules, err := config(s)
	if err != nil {
		return nil, err
	}
	switch workload {
	case "transfer":
		return func() client.Client { return &payer{judge: newJudge(rules)} }, nil
	case "notary":
		return func() client.Client { return &stamper{judge: newJudge(rules)} }, nil
	default:
		return nil, fmt.Errorf("target ledger: %w: %w", suggest.Unknown("workload", workload, []string{"transfer", "notary"}), targets.ErrUnsupported)
	}
}

// Supports reports whether there is such an operation.
func (ledger) Supports(_ targets.Settings, f string) bool {
	return slices.Contains([]string{"observe", "transfer", "status", "balances", "stamp", "proof"}, f)
}
