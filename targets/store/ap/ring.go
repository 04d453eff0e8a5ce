package ap

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// virtual is the number of points that each node has on the ring.
const virtual = 8

// nodeSet is a set of nodes.
type nodeSet uint64

func (s nodeSet) has(id actor.NodeID) bool { return s>>uint(id)&1 != 0 }
func (s *nodeSet) add(id actor.NodeID)     { *s |= 1 << uint(id) }
func (s *nodeSet) drop(id actor.NodeID)    { *s &^= 1 << uint(id) }

// ring maps keys to shards and shards to nodes. It follows from the names of
// the nodes alone, so all nodes have the same one.
type ring struct {
	tokens []uint64         // where shards end, sorted
	walks  [][]actor.NodeID // of each shard, all nodes in order of preference: the first n own it
	owners []nodeSet        // of each shard
	n      int
}

type point struct {
	token uint64
	node  actor.NodeID
}

func newRing(nodes, n int) *ring {
	points := make([]point, 0, nodes*virtual)
	for id := range actor.NodeID(nodes) {
		for i := range virtual {
			points = append(points, point{position(fmt.Sprintf("%v/%d", id, i)), id})
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.token, b.token), cmp.Compare(a.node, b.node))
	})
	r := &ring{n: n}
	for i, p := range points {
		walk, owners := walkFrom(points, i, nodes, n)
		r.tokens = append(r.tokens, p.token)
		r.walks = append(r.walks, walk)
		r.owners = append(r.owners, owners)
	}
	return r
}

// walkFrom goes around the ring once from a point and notes every node when it
// is met for the first time.
func walkFrom(points []point, from, nodes, n int) ([]actor.NodeID, nodeSet) {
	walk := make([]actor.NodeID, 0, nodes)
	var met, owners nodeSet
	for i := range points {
		id := points[(from+i)%len(points)].node
		if met.has(id) {
			continue
		}
		met.add(id)
		if len(walk) < n {
			owners.add(id)
		}
		walk = append(walk, id)
	}
	return walk, owners
}

// position is where a name lies on the ring.
func position(name string) uint64 { return xxhash.Sum64String(name) }

// shardAt returns the shard of a position: the first that ends at or after it.
func (r *ring) shardAt(pos uint64) int {
	i, _ := slices.BinarySearch(r.tokens, pos)
	return i % len(r.tokens)
}

// shardOf returns the shard of a key.
func (r *ring) shardOf(key string) int { return r.shardAt(position(key)) }
