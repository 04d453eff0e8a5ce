package ap

import (
	"fmt"
	"slices"
	"strings"
)

// item is the newest entry of a key, where the table keeps it.
type item struct {
	entry
	hash uint64
	next *item // in the same leaf
}

// shard is the replica of one shard. Entries are never removed, only replaced.
type shard struct {
	name  string
	items []*item // in the order in which the keys were first written
	leafs [fan * fan]*item
	tree  tree

	digest     string // of digestRoot, as text
	digestRoot uint64
}

// table is what the node's replicas hold: only what is synced to disk.
type table struct {
	ring    *ring
	items   map[string]*item
	shards  []*shard // by number; nil where the node is not an owner
	names   []string // of all shards
	applied uint64
	bytes   int  // about what all entries take in the log
	bare    bool // the bug bareDeletes
}

func newTable(r *ring, self nodeSet) *table {
	t := &table{ring: r, items: make(map[string]*item), shards: make([]*shard, len(r.walks)), names: make([]string, len(r.walks))}
	for i := range r.walks {
		t.names[i] = fmt.Sprintf("r%02d", i)
		if r.owners[i]&self != 0 {
			t.shards[i] = &shard{name: t.names[i]}
		}
	}
	return t
}

// put keeps e if it is newer than what is there.
func (t *table) put(e entry) {
	it := t.items[e.key]
	if it != nil && it.compare(&e) >= 0 {
		return
	}
	if e.dead && t.bare {
		if it != nil {
			t.drop(it)
		}
		return
	}
	pos := position(e.key)
	s := t.shards[t.ring.shardAt(pos)]
	if s == nil {
		panic(fmt.Sprintf("ap: entry of key %q in the replica of a node that does not own it", e.key))
	}
	leaf := leafAt(pos)
	if it == nil {
		it = &item{next: s.leafs[leaf]}
		s.leafs[leaf] = it
		s.items = append(s.items, it)
		t.items[e.key] = it
	} else {
		t.bytes -= it.size()
	}
	before := it.hash
	it.entry, it.hash = e, e.hash(pos)
	t.bytes += e.size()
	s.tree.change(leaf, before, it.hash)
	t.applied++
}

// drop removes an item without a trace, for the bug bareDeletes.
func (t *table) drop(it *item) {
	pos := position(it.key)
	s, leaf := t.shards[t.ring.shardAt(pos)], leafAt(pos)
	at := &s.leafs[leaf]
	for *at != it {
		at = &(*at).next
	}
	*at = it.next
	s.items = slices.DeleteFunc(s.items, func(x *item) bool { return x == it })
	s.tree.change(leaf, it.hash, 0)
	delete(t.items, it.key)
	t.bytes -= it.size()
	t.applied++
}

// get returns the entry of a key, or nil.
func (t *table) get(key string) *entry {
	if it := t.items[key]; it != nil {
		return &it.entry
	}
	return nil
}

// has reports whether the table holds e or something newer.
func (t *table) has(e *entry) bool {
	it := t.items[e.key]
	return it != nil && it.compare(e) >= 0
}

// scan calls f for all entries of the shard whose keys begin with prefix.
func (s *shard) scan(prefix string, f func(*entry)) {
	for _, it := range s.items {
		if strings.HasPrefix(it.key, prefix) {
			f(&it.entry)
		}
	}
}

// text returns the hash of the shard as a digest.
func (s *shard) text() string {
	if root := s.tree.root(); s.digest == "" || root != s.digestRoot {
		s.digest, s.digestRoot = fmt.Sprintf("%016x", root), root
	}
	return s.digest
}
