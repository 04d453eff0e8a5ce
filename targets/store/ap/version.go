package ap

import (
	"cmp"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/ordeal-dev/ordeal/harness/actor"
)

// stamp is a reading of a clock in units of 2^-16 ms since 1970: 48 bits of
// milliseconds, then 16 bits that a hybrid clock counts in. It lasts for
// millennia and takes all that fits into a wall clock of nanoseconds.
type stamp uint64

// second is the number of stamps in one second.
const second stamp = 1000 << 16

// wallStamp converts a reading of the wall clock. Times before 1970 are 1970.
func wallStamp(ns int64) stamp {
	if ns < 0 {
		return 0
	}
	return stamp(ns/1e6)<<16 | stamp(ns%1e6<<16/1e6)
}

// version says which of two entries of a key is the newer one.
type version struct {
	at   stamp
	node actor.NodeID // the coordinator that made it
}

// entry is one version of one key: a value, or the tombstone of a delete.
type entry struct {
	key   string
	value string
	ver   version
	dead  bool
}

// compare orders the entries of one key; the greater one wins. Coordinators
// under LWW may give one version to two values: then the values decide, so that
// the order is total and replicas agree even there.
func (e *entry) compare(f *entry) int {
	if c := e.ver.compare(f.ver); c != 0 {
		return c
	}
	if e.dead != f.dead {
		if e.dead {
			return 1
		}
		return -1
	}
	return strings.Compare(e.value, f.value)
}

func (v version) compare(w version) int {
	return cmp.Or(cmp.Compare(v.at, w.at), cmp.Compare(v.node, w.node))
}

// hash covers all of the entry; pos is the position of its key.
func (e *entry) hash(pos uint64) uint64 {
	h := mix(pos ^ mix(uint64(e.ver.at)))
	h = mix(h ^ uint64(e.ver.node)<<1 ^ xxhash.Sum64String(e.value))
	if e.dead {
		h = ^h
	}
	return h
}

// size is about what the entry takes in the log.
func (e *entry) size() int { return len(e.key) + len(e.value) + 14 }

// mix is the output function of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
