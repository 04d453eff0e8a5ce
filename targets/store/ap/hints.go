package ap

import (
	"strings"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// hint is an entry that the node keeps for owners that could not be reached.
type hint struct {
	entry
	owners nodeSet // who is still to get it; a hint without any is gone
	shard  int
}

// hints is all that the node keeps for others. Of each key it keeps the newest
// entry, which is what every owner should get that misses an older one.
type hints struct {
	keys     map[string]*hint
	order    []*hint // oldest first; may contain some that are gone
	perShard []int
	perOwner []int
	bytes    int
}

func newHints(shards, nodes int) *hints {
	return &hints{keys: make(map[string]*hint), perShard: make([]int, shards), perOwner: make([]int, nodes)}
}

// add keeps e for an owner.
func (h *hints) add(owner actor.NodeID, e entry, shard int) {
	x := h.keys[e.key]
	if x == nil {
		x = &hint{entry: e, shard: shard}
		h.keys[e.key] = x
		h.order = append(h.order, x)
		h.perShard[shard]++
		h.bytes += e.size()
	} else if e.compare(&x.entry) > 0 {
		h.bytes += e.size() - x.size()
		x.entry = e
	}
	if !x.owners.has(owner) {
		x.owners.add(owner)
		h.perOwner[owner]++
	}
}

// delivered notes that the owner has version v of key, and forgets the hint if
// it held nothing newer.
func (h *hints) delivered(owner actor.NodeID, key string, v version) bool {
	x := h.keys[key]
	if x == nil || !x.owners.has(owner) || x.ver.compare(v) > 0 {
		return false
	}
	x.owners.drop(owner)
	h.perOwner[owner]--
	if x.owners == 0 {
		h.forget(x)
	}
	return true
}

func (h *hints) forget(x *hint) {
	delete(h.keys, x.key)
	h.perShard[x.shard]--
	h.bytes -= x.size()
	if len(h.order) > 2*len(h.keys)+16 {
		h.order = h.live()
	}
}

// live returns the hints that are not gone, oldest first.
func (h *hints) live() []*hint {
	live := make([]*hint, 0, len(h.keys))
	for _, x := range h.order {
		if x.owners != 0 {
			live = append(live, x)
		}
	}
	return live
}

// get returns the entry that is kept for others under a key, or nil.
func (h *hints) get(key string) *entry {
	if x := h.keys[key]; x != nil {
		return &x.entry
	}
	return nil
}

// scan calls f for all entries of a shard whose keys begin with prefix.
func (h *hints) scan(shard int, prefix string, f func(*entry)) {
	if h.perShard[shard] == 0 {
		return
	}
	for _, x := range h.order {
		if x.owners != 0 && x.shard == shard && strings.HasPrefix(x.key, prefix) {
			f(&x.entry)
		}
	}
}

// batch returns hints for an owner, oldest first, up to a number of bytes but
// at least one if there is any.
func (h *hints) batch(owner actor.NodeID, bytes int) []entry {
	var batch []entry
	for _, x := range h.order {
		if bytes <= 0 {
			break
		}
		if x.owners.has(owner) {
			batch = append(batch, x.entry)
			bytes -= x.size()
		}
	}
	return batch
}
