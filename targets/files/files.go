// Package files is Ordeal's reference filesystem, in the manner of HDFS (Shvachko
// et al., MSST 2010): name nodes that know which files there are, and data nodes
// that hold the blocks of which files consist.
//
// The namespace (package [namespace]) is a journal replicated by Raft. The leader
// is the active name node, its term is the epoch by which others are fenced off.
// Blocks are written through a pipeline of data nodes, under generation stamps;
// a file has one writer at a time, who holds its lease. Package [node] says how
// all of it works together; package [blocks] is what is on the disks.
//
// # What is promised
//
// With read=latest and standby-reads=off a file that was closed is what the next
// one who opens it reads (close-to-open), and what was appended and acknowledged
// is on the disks of all replicas: it survives every crash and every loss of
// power, and all readers see beginnings of one stream (durable-prefix). With
// read=any a read takes what the nearest replica has, and with standby-reads=on
// it asks the nearest name node for what there is; both answer while others
// cannot, and both may be behind. What is promised then is that nobody reads
// what was not written, and that all is in order once the faults are over.
//
// The filesystem comes with defects from Ordeal's collection, off by default,
// each of which mirrors one that was published: see Bugs of [New].
package files

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/harness/client"
	"github.com/ordeal-dev/ordeal/targets"
	"github.com/ordeal-dev/ordeal/targets/files/node"
	"github.com/ordeal-dev/ordeal/targets/zoo"
)

// New returns the filesystem.
func New() targets.Target { return files{} }

// files has no state of its own: everything is in the settings.
type files struct{}

func (files) Name() string { return "files" }

func (files) Doc() string {
	return "a distributed filesystem: name nodes whose journal is replicated by Raft, data nodes with pipelines of block replicas, leases and generation stamps"
}

// Settings lists what can be set.
func (files) Settings() []targets.Setting {
	return []targets.Setting{
		{Name: "replication", Default: "3", Doc: "how many data nodes hold each block"},
		{Name: "read", Default: "latest", Values: []string{"latest", "any"},
			Doc: "latest: only replicas with the generation stamp that the name node says; any: what the nearest replica has"},
		{Name: "standby-reads", Default: "off", Values: []string{"off", "on"},
			Doc: "on: lists and reads ask the name node of their own node, active or not"},
		{Name: "snapshot-every", Default: "200", Doc: "entries of the journal between two images of the namespace"},
		{Name: "sessions", Default: "4096", Doc: "how many clients the journal remembers, so that a retry is applied once"},
	}
}

func (files) Bugs() []targets.Bug { return zoo.Of("files") }

// The levels of package workloads that the filesystem can promise.
const (
	strong = "close-to-open"
	weak   = "eventual"
)

// Promise says what the settings promise, as one of the levels of package
// workloads.
func (files) Promise(s targets.Settings) targets.Promise {
	if s["read"] == "any" || s["standby-reads"] == "on" {
		return targets.Promise{Level: weak, Doc: "nobody reads what was not written, and all that was acknowledged is there once the faults are over"}
	}
	return targets.Promise{Level: strong,
		Doc: "an open sees all that was closed before, names change in one step, and what was acknowledged survives every crash"}
}

// Boot returns what starts a node.
func (files) Boot(s targets.Settings, bugs []string) (actor.Boot, error) {
	cfg := node.Config{Near: s["read"] == "any", StandbyReads: s["standby-reads"] == "on", Bugs: map[node.Bug]bool{}}
	var err error
	if cfg.Replication, err = number(s, "replication", 1, 64); err != nil {
		return nil, err
	}
	every, err := number(s, "snapshot-every", 10, 1_000_000_000)
	if err != nil {
		return nil, err
	}
	cfg.SnapshotEvery = uint64(every)
	if cfg.Sessions, err = number(s, "sessions", 1, 1_000_000); err != nil {
		return nil, err
	}
	for _, id := range bugs {
		if !slices.ContainsFunc(zoo.Of("files"), func(b targets.Bug) bool { return b.ID == id }) {
			return nil, fmt.Errorf("bug %s is not one of target files: see ordeal list bugs, or leave the bug out", id)
		}
		cfg.Bugs[node.Bug(id)] = true
	}
	return func(env actor.Env) actor.Node { return node.New(env, cfg) }, nil
}

// number reads a setting that is a whole number.
func number(s targets.Settings, name string, least, most int) (int, error) {
	v, err := strconv.Atoi(s[name])
	if err != nil || v < least || v > most {
		return 0, fmt.Errorf("setting %s=%s: want a whole number from %d to %d", name, s[name], least, most)
	}
	return v, nil
}

// operations lists what the clients of each workload do.
var operations = map[string][]string{
	"files":  {"read", "write", "create", "rename", "delete", "list", "move"},
	"append": {"append", "sync", "read", "remove", "cut", "move"},
}

// Client returns a constructor of clients for the workloads files and append.
func (files) Client(_ targets.Settings, workload string) (func() client.Client, error) {
	switch workload {
	case "files":
		return func() client.Client { return &filesClient{} }, nil
	case "append":
		return func() client.Client { return &appendClient{} }, nil
	default:
		return nil, fmt.Errorf("target files has no client for workload %q, only for files and append: %w", workload, targets.ErrUnsupported)
	}
}

// Supports reports whether the filesystem has an operation.
func (files) Supports(_ targets.Settings, f string) bool {
	return slices.Contains(operations["files"], f) || slices.Contains(operations["append"], f)
}

// Facts lists what a sound campaign must have met now and then.
func (files) Facts(targets.Settings) []string { return node.Facts() }
