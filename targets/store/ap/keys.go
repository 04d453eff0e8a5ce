package ap

import (
	"slices"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// scanSlow is how much more time than a read a scan has for each of its stages.
const scanSlow = 2

// scan is a request for all keys that have a prefix: a read of every shard.
type scan struct {
	id     uint64
	req    actor.RequestID
	prefix string

	start  int64
	stage  stage
	asked  []nodeSet // by shard
	got    []nodeSet // by shard
	closed []bool    // by shard: the answers suffice
	done   bool

	found []entry          // the newest entry of each key
	index map[string]int32 // into found
	last  stamp            // the newest of all versions
}

// keys gathers the keys that begin with prefix and have a value.
func (n *node) keys(req actor.RequestID, prefix string) {
	alive, shards := n.alive(), len(n.ring.walks)
	for shard := range shards {
		if n.counted(shard, alive) < n.quorum(shard) {
			n.reply(req, kv.Response{Code: kv.Unavailable})
			return
		}
	}
	n.ids++
	s := &scan{id: n.ids, req: req, prefix: prefix, start: n.env.Mono(),
		asked: make([]nodeSet, shards), got: make([]nodeSet, shards), closed: make([]bool, shards),
		index: make(map[string]int32, len(n.table.items)), found: make([]entry, 0, len(n.table.items))}
	n.scans[s.id] = s
	n.askShards(s, func(shard int) nodeSet { return n.few(shard, n.quorum(shard), alive) })
	n.timers.Set(s.start+scanSlow*after[stageOwners], s)
}

// askShards asks nodes about the shards that are still open, each node for all
// of its shards at once.
func (n *node) askShards(s *scan, whom func(shard int) nodeSet) {
	ask := make([][]int, n.env.Nodes())
	for shard := range s.asked {
		if n.suffices(s, shard) {
			continue
		}
		nodes := whom(shard) &^ s.got[shard]
		s.asked[shard] = s.got[shard] | nodes
		for id := range ask {
			if nodes.has(actor.NodeID(id)) {
				ask[id] = append(ask[id], shard)
			}
		}
	}
	for id, shards := range ask {
		if m := (scanMsg{s.id, s.prefix, shards}); len(shards) > 0 && actor.NodeID(id) != n.self {
			n.env.Send(actor.NodeID(id), m.append(nil))
		}
	}
	for _, shard := range ask[n.self] {
		n.scanShard(shard, s.prefix, s.merge)
		s.got[shard].add(n.self)
	}
	n.progressScan(s)
}

// scanShard calls f for all that the node holds of a shard.
func (n *node) scanShard(shard int, prefix string, f func(*entry)) {
	if own := n.table.shards[shard]; own != nil {
		own.scan(prefix, f)
	}
	n.hints.scan(shard, prefix, f)
}

// scanFor answers another node.
func (n *node) scanFor(from actor.NodeID, m *scanMsg) {
	answer := scannedMsg{id: m.id, shards: m.shards, found: make([]entry, 0, n.scanLast)}
	for _, shard := range m.shards {
		if shard < len(n.ring.walks) {
			n.scanShard(shard, m.prefix, func(e *entry) { answer.found = append(answer.found, *e) })
		}
	}
	n.scanLast = len(answer.found)
	n.env.Send(from, answer.append(make([]byte, 0, 32+24*len(answer.found))))
}

// scanned takes the answer of another node.
func (n *node) scanned(from actor.NodeID, m *scannedMsg) {
	for i := range m.found {
		n.clock.hear(m.found[i].ver.at)
	}
	s := n.scans[m.id]
	if s == nil {
		return
	}
	for i := range m.found {
		s.merge(&m.found[i])
	}
	for _, shard := range m.shards {
		if shard < len(s.got) {
			s.got[shard].add(from)
		}
	}
	n.progressScan(s)
}

func (s *scan) merge(e *entry) {
	s.last = max(s.last, e.ver.at)
	if i, seen := s.index[e.key]; !seen {
		s.index[e.key] = int32(len(s.found))
		s.found = append(s.found, *e)
	} else if e.compare(&s.found[i]) > 0 {
		s.found[i] = *e
	}
}

// suffices reports whether the answers about one shard are what a read of it
// would wait for.
func (n *node) suffices(s *scan, shard int) bool {
	if !s.closed[shard] {
		s.closed[shard] = n.enough(shard, s.got[shard], s.asked[shard], s.stage)
	}
	return s.closed[shard]
}

// progressScan answers the client when no shard is open any more.
func (n *node) progressScan(s *scan) {
	for shard := range s.got {
		if !n.suffices(s, shard) {
			return
		}
	}
	n.endScan(s)
	n.clock.await(s.last, func() { n.reply(s.req, kv.Response{Code: kv.OK, Keys: s.result()}) })
}

func (n *node) endScan(s *scan) {
	s.done = true
	delete(n.scans, s.id)
}

func (s *scan) result() []string {
	keys := make([]string, 0, len(s.found))
	for i := range s.found {
		if e := &s.found[i]; !e.dead {
			keys = append(keys, e.key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Over implements [timers.Alarm].
func (s *scan) Over() bool { return s.done }

// Ring implements [timers.Alarm]: the scan asks more nodes, or ends.
func (s *scan) Ring(n *node) {
	s.stage++
	if s.stage == stageOver {
		n.endScan(s)
		n.reply(s.req, kv.Response{Code: kv.Unavailable})
		return
	}
	n.askShards(s, func(shard int) nodeSet { return n.whom(shard, s.stage) })
	if !s.done {
		n.timers.Set(s.start+scanSlow*after[s.stage+1], s)
	}
}
