// Package ap is the available half of the reference store: a key-value store
// in the manner of Dynamo (DeCandia et al., SOSP 2007), written as an actor.
//
// Keys are spread over a ring by consistent hashing with virtual nodes. Every
// range of the ring, a shard, has a preference list: N distinct nodes that own
// it, followed by all others in the order in which they stand in for owners.
// Any node coordinates the requests of its clients:
//
//   - a write gets a version and goes to all owners. It is acknowledged once W
//     nodes have it on disk, synced. Where an owner is suspected or does not
//     answer in time, the next node of the preference list takes the write
//     together with a hint for whom it is (a sloppy quorum), and hands it over
//     when the owner is back;
//   - a read gathers the answers of R nodes, owners first, and the newest
//     version wins. Owners that were seen to be behind are repaired;
//   - a delete is a write of a tombstone. Tombstones are kept for good: a store
//     that purges them must first know that every replica has them, and the
//     failure to know it is a classic (deleted data come back).
//
// Replicas of a shard compare Merkle trees about once a second and exchange
// what differs, so that they converge whatever was lost on the way.
//
// # Quorums
//
// In a sloppy quorum a copy counts, whoever has it, so that reads and writes go on
// as long as R or W nodes reach each other, and need not meet even if R+W > N.
// With [Config.Strict] only owners count. Stand-ins still keep hints, and a read
// returns nothing before W owners hold it: those that are behind are repaired
// first. If R+W > N every read then finds what was acknowledged, or returned by a
// read, before it began. With [HLC] that makes keys causally consistent, and
// convergent in the sense of Bouajjani et al. (POPL 2017): a write wins over those
// that it follows, and whoever has seen one finds it, or a later one, for good.
//
// # Conflicts
//
// Of two versions of a key one wins for good, on every replica, whatever the
// order of arrival. Under [HLC] versions are stamps of a hybrid logical clock
// (Kulkarni et al., OPODIS 2014), which never falls behind what the node has
// served, restarts included: replicas converge, and no acknowledged write is
// lost to one that it causally follows. Causality is that of the requests of
// one node, of what they read, and of all that follows from these two. Under
// [LWW] versions are readings of the wall clock, and all that is promised is
// that replicas converge.
//
// # What a client may conclude
//
// Reads fail definitely. A write fails definitely only if the node refused it
// before anything left the node; once a copy is on the way, a write that does
// not reach W nodes ends as unknown.
package ap

import (
	"fmt"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// Conflict says how versions are made, and so which of two of them wins.
type Conflict uint8

// The ways to settle conflicts.
const (
	// HLC stamps writes with a hybrid logical clock.
	HLC Conflict = iota
	// LWW stamps writes with the wall clock and nothing else.
	LWW
)

// Config is what a store is set to. All nodes of a cluster have the same.
type Config struct {
	// N is the number of owners of each key, at least 1. A cluster that has
	// fewer nodes caps it, and R and W with it.
	N int
	// R is the number of answers that a read waits for, W the number of nodes
	// that must have a write on disk before it is acknowledged. Both are from
	// 1 to N; reads are sure to meet writes only if R+W > N and no stand-in
	// counted.
	R, W int
	// Strict counts owners only, and has a read make sure that W of them hold
	// what it returns. Without it stand-ins count as well.
	Strict bool
	// Conflict says which of two versions wins.
	Conflict Conflict
	// Bugs are the defects to run with.
	Bugs Bugs
}

// maxNodes is how many nodes fit into the bit sets that operations keep.
const maxNodes = 64

// Validate says what is wrong with the settings.
func (c Config) Validate() error {
	switch {
	case c.N < 1 || c.N > maxNodes:
		return fmt.Errorf("n=%d: the number of owners of a key must be from 1 to %d", c.N, maxNodes)
	case c.R < 1 || c.R > c.N:
		return fmt.Errorf("r=%d: the read quorum must be from 1 to n=%d", c.R, c.N)
	case c.W < 1 || c.W > c.N:
		return fmt.Errorf("w=%d: the write quorum must be from 1 to n=%d", c.W, c.N)
	case c.Conflict > LWW:
		return fmt.Errorf("conflict=%d: must be HLC or LWW", c.Conflict)
	}
	return c.checkBugs()
}

// capped returns the settings as a cluster of the given size can keep them.
func (c Config) capped(nodes int) Config {
	c.N = min(c.N, nodes)
	c.R = min(c.R, c.N)
	c.W = min(c.W, c.N)
	return c
}

// New boots a node of the store. It panics on settings that [Config.Validate]
// refuses and on clusters of more than 64 nodes.
func New(env actor.Env, cfg Config) actor.Node {
	if err := cfg.Validate(); err != nil {
		panic("ap: " + err.Error())
	}
	if env.Nodes() > maxNodes {
		panic(fmt.Sprintf("ap: %d nodes: the store has room for %d", env.Nodes(), maxNodes))
	}
	n := newNode(env, cfg.capped(env.Nodes()))
	n.journal.Open(n.replay, n.begin)
	return n
}
