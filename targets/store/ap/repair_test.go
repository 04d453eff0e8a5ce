package ap

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/actor"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// All nodes own about as much, and every shard has n distinct owners.
func TestRing(t *testing.T) {
	t.Parallel()
	for nodes := 1; nodes <= 9; nodes++ {
		n := min(3, nodes)
		r := newRing(nodes, n)
		load := make([]int, nodes)
		for i := range 10_000 {
			shard := r.shardOf(fmt.Sprint("key ", i))
			walk := slices.Clone(r.walks[shard])
			for _, id := range walk[:n] {
				load[id]++
				if !r.owners[shard].has(id) {
					t.Errorf("%v is first on the walk of shard %d and no owner", id, shard)
				}
			}
			slices.Sort(walk)
			if walk = slices.Compact(walk); len(walk) != nodes {
				t.Fatalf("the walk of shard %d meets %d of %d nodes", shard, len(walk), nodes)
			}
		}
		for id, got := range load {
			if fair := 10_000 * n / nodes; got < fair/3 || got > fair*3 {
				t.Errorf("%d nodes: %v owns %d keys, a fair share is %d", nodes, actor.NodeID(id), got, fair)
			}
		}
	}
}

// Trees are equal if and only if what is below them is.
func TestTreeFollowsEntries(t *testing.T) {
	t.Parallel()
	r := newRing(1, 1)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := newTable(r, 1), newTable(r, 1)
		draw := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) entry {
			return entry{
				key:   fmt.Sprint(rapid.IntRange(0, 20).Draw(rt, "key")),
				value: fmt.Sprint(rapid.IntRange(0, 2).Draw(rt, "value")),
				ver:   version{stamp(rapid.IntRange(1, 4).Draw(rt, "at")), actor.NodeID(rapid.IntRange(0, 1).Draw(rt, "node"))},
				dead:  rapid.Bool().Draw(rt, "dead"),
			}
		}), 0, 60).Draw(rt, "entries")
		for _, e := range draw {
			a.put(e)
		}
		order := rapid.Permutation(draw).Draw(rt, "order")
		for _, e := range order[:rapid.IntRange(0, len(order)).Draw(rt, "some")] {
			b.put(e)
		}
		if got, want := sameTrees(a, b), sameEntries(a, b); got != want {
			rt.Fatalf("trees equal: %v; entries equal: %v", got, want)
		}
		for _, e := range order {
			b.put(e)
		}
		if !sameTrees(a, b) || !sameEntries(a, b) {
			rt.Fatalf("the order of arrival shows: %v and %v", dump(a), dump(b))
		}
	})
}

func sameTrees(a, b *table) bool {
	for i := range a.shards {
		if a.shards[i].tree.root() != b.shards[i].tree.root() {
			return false
		}
	}
	return true
}

func dump(t *table) map[string]entry {
	m := make(map[string]entry)
	for k, it := range t.items {
		m[k] = it.entry
	}
	return m
}

func sameEntries(a, b *table) bool { return maps.Equal(dump(a), dump(b)) }

// Anti-entropy finds the one key among thousands that differs, and looks at
// little else.
func TestOneKeyDiffers(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 3, available)
	at := func(i int) *table { return c.hosts[i].node.(*node).table }
	for i := range 5000 {
		for j := range c.hosts {
			at(j).put(entry{key: fmt.Sprint(i), value: "v", ver: version{1, 0}})
		}
	}
	if !c.converged() {
		t.Fatal("equal tables have different digests")
	}
	for round, odd := range []entry{
		{key: "4711", value: "newer", ver: version{2, 0}},
		{key: "4711", dead: true, ver: version{3, 0}},
		{key: "more", value: "new", ver: version{1, 0}},
		{key: "4712", value: "w", ver: version{1, 0}}, // as two nodes with the same wall clock may do
	} {
		at(round % 3).put(odd)
		if c.converged() {
			t.Fatal("different tables have equal digests")
		}
		clear(c.sent)
		took := c.settle(5000 * ms)
		for j := range c.hosts {
			if got := *at(j).get(odd.key); got != odd {
				t.Errorf("node %d has %+v, want %+v", j, got, odd)
			}
		}
		stores := c.sent[msgStore]
		t.Logf("round %d: %d ms, messages by kind %v", round, took/ms, c.sent)
		if stores > 6 {
			t.Errorf("%d messages with entries to repair one", stores)
		}
	}
	c.run(2000 * ms)
	clear(c.sent)
	c.run(5000 * ms)
	if c.sent[msgTree] > 5*3*2*5/4 || c.sent[msgLeaf] > 0 || c.sent[msgStore] > 0 {
		t.Errorf("equal replicas exchange too much in five seconds: %v", c.sent)
	}
}

// Two values of one version are settled by their order, the same everywhere.
func TestSameVersionConverges(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 3, Config{N: 3, R: 1, W: 1, Conflict: LWW})
	for i, h := range c.hosts {
		e := entry{key: "k", value: fmt.Sprint("v", i), ver: version{9, 0}}
		h.node.(*node).table.put(e)
	}
	c.settle(5000 * ms)
	expect(t, c.do(0, get("k")), kv.OK, "v2")
}

// A read that finds an owner behind repairs it without waiting for more.
func TestReadRepair(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 3, Config{N: 3, R: 3, W: 1})
	old := c.hosts[2].node.(*node)
	for i := range 2 {
		c.hosts[i].node.(*node).table.put(entry{key: "k", value: "v", ver: version{5, 1}})
	}
	expect(t, c.do(0, get("k")), kv.OK, "v")
	c.run(5 * ms)
	if e := old.table.get("k"); e == nil || e.value != "v" {
		t.Errorf("the owner that was behind has %+v", e)
	}
}

// Hints are forgotten one by one, and what is newer than what was handed over stays.
func TestHints(t *testing.T) {
	t.Parallel()
	h := newHints(4, 5)
	e := func(key string, at stamp) entry { return entry{key: key, value: "v", ver: version{at, 0}} }
	h.add(1, e("a", 5), 2)
	h.add(2, e("a", 4), 2)
	h.add(1, e("b", 1), 3)
	if got := h.batch(2, 1000); len(got) != 1 || got[0].ver.at != 5 {
		t.Errorf("an owner gets %+v, want the newest entry", got)
	}
	if h.add(1, e("a", 9), 2); h.delivered(1, "a", version{5, 0}) {
		t.Error("a newer entry was forgotten with an older one")
	}
	if got := h.batch(1, 1); len(got) != 1 || got[0].key != "a" {
		t.Errorf("a batch of one byte is %+v, want one entry", got)
	}
	for _, owner := range []actor.NodeID{1, 2} {
		h.delivered(owner, "a", version{9, 0})
	}
	h.delivered(1, "b", version{1, 0})
	if len(h.keys) != 0 || h.bytes != 0 || h.perShard[2]+h.perShard[3]+h.perOwner[1]+h.perOwner[2] != 0 {
		t.Errorf("what is left: %+v", h)
	}
}

// Replicas have not converged while somebody holds a hint, or does not hear
// a node that is up.
func TestStatusTellsWhatIsOutstanding(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, available)
	n := c.hosts[0].node.(*node)
	key := "k"
	for n.ring.owners[n.ring.shardOf(key)].has(0) {
		key += "k"
	}
	shard := n.ring.shardOf(key)
	owner := n.ring.walks[shard][0]
	n.hints.add(owner, entry{key: key, ver: version{1, 0}}, shard)
	if c.converged() {
		t.Error("converged while there is a hint")
	}
	c.settle(5000 * ms)
	if c.hosts[owner].node.(*node).table.get(key) == nil {
		t.Error("converged, and the owner did not get the hint")
	}
	c.cut[[2]int{1, 2}] = true
	c.run(1000 * ms)
	if c.converged() {
		t.Error("converged while a link is cut")
	}
	c.heal()
	c.settle(1000 * ms)
}
