package ap

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

var available = Config{N: 3, R: 1, W: 1}

func put(seq uint64, key, value string) kv.Request {
	return kv.Request{Op: kv.Put, Client: 1, Seq: seq, Key: key, Value: value}
}

func get(key string) kv.Request { return kv.Request{Op: kv.Get, Key: key} }

func expect(t *testing.T, got kv.Response, code kv.Code, value string) {
	t.Helper()
	if got.Code != code || got.Value != value {
		t.Fatalf("got code %d, value %q; want code %d, value %q", got.Code, got.Value, code, value)
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, Config{N: 3, R: 2, W: 2})
	expect(t, c.do(0, get("a")), kv.NotFound, "")
	expect(t, c.do(0, put(1, "a", "1")), kv.OK, "")
	expect(t, c.do(1, get("a")), kv.OK, "1")
	expect(t, c.do(2, put(2, "a", "2")), kv.OK, "")
	expect(t, c.do(3, put(3, "ab", "3")), kv.OK, "")
	expect(t, c.do(3, put(4, "b", "4")), kv.OK, "")
	expect(t, c.do(4, get("a")), kv.OK, "2")
	expect(t, c.do(4, kv.Request{Op: kv.CAS, Key: "a", Old: "2", Value: "3"}), kv.Unsupported, "")
	expect(t, c.do(4, kv.Request{Op: 77, Key: "a"}), kv.BadRequest, "")
	c.settle(5000 * ms)
	for i := range c.hosts {
		if got := c.do(i, kv.Request{Op: kv.Keys, Key: "a"}); !slices.Equal(got.Keys, []string{"a", "ab"}) {
			t.Errorf("node %d: keys %v", i, got.Keys)
		}
	}
	expect(t, c.do(4, kv.Request{Op: kv.Delete, Client: 1, Seq: 5, Key: "a"}), kv.OK, "")
	expect(t, c.do(0, get("a")), kv.NotFound, "")
	if got := c.do(1, kv.Request{Op: kv.Keys}); !slices.Equal(got.Keys, []string{"ab", "b"}) {
		t.Errorf("keys %v", got.Keys)
	}
}

func TestRequestIsAppliedOnce(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 3, available)
	expect(t, c.do(0, put(1, "a", "old")), kv.OK, "")
	c.settle(5000 * ms)
	expect(t, c.do(1, put(2, "a", "new")), kv.OK, "")
	expect(t, c.do(0, put(1, "a", "old")), kv.OK, "")
	c.settle(5000 * ms)
	expect(t, c.do(0, get("a")), kv.OK, "new")
}

// An isolated node goes on with quorums of one, whoever owns the key, and what
// it took gets to the owners after the network has healed.
func TestIsolatedNodeServes(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, available)
	c.isolate(4)
	c.run(600 * ms)
	for i := range 20 {
		key := fmt.Sprint("k", i)
		expect(t, c.do(4, put(uint64(i), key, "v")), kv.OK, "")
		expect(t, c.do(4, get(key)), kv.OK, "v")
		expect(t, c.do(0, get(key)), kv.NotFound, "")
	}
	if got := c.do(4, kv.Request{Op: kv.Keys}); len(got.Keys) != 20 {
		t.Errorf("the isolated node lists %v", got.Keys)
	}
	c.heal()
	took := c.settle(5000 * ms)
	t.Logf("converged in %d ms", took/ms)
	for i := range 20 {
		for node := range c.hosts {
			expect(t, c.do(node, get(fmt.Sprint("k", i))), kv.OK, "v")
		}
	}
}

// Nodes that know that they cannot reach a quorum refuse definitely, and what
// they refused never happens.
func TestMinorityRefusesDefinitely(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, Config{N: 5, R: 3, W: 3})
	c.isolate(0, 1)
	c.run(600 * ms)
	expect(t, c.do(0, put(1, "a", "1")), kv.Unavailable, "")
	expect(t, c.do(0, get("a")), kv.Unavailable, "")
	expect(t, c.do(2, put(2, "b", "2")), kv.OK, "")
	c.heal()
	c.settle(5000 * ms)
	expect(t, c.do(3, get("a")), kv.NotFound, "")
	expect(t, c.do(0, get("b")), kv.OK, "2")
}

// Before a node suspects others it sends the write to them, and then nobody
// knows what became of it.
func TestLostQuorumIsUnknown(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, Config{N: 5, R: 3, W: 3})
	c.isolate(0)
	expect(t, c.do(0, put(1, "a", "1")), kv.Unknown, "")
	expect(t, c.do(0, get("a")), kv.Unavailable, "")
	c.heal()
	c.settle(5000 * ms)
	expect(t, c.do(3, get("a")), kv.OK, "1")
}

// A hint is worth as much as a replica: it survives the loss of power.
func TestHintsSurviveRestart(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, available)
	c.isolate(4)
	c.run(600 * ms)
	for i := range 20 {
		expect(t, c.do(4, put(uint64(i), fmt.Sprint("k", i), "v")), kv.OK, "")
	}
	n := c.hosts[4].node.(*node)
	before := len(n.hints.keys)
	if before == 0 {
		t.Fatal("the isolated node owns everything")
	}
	c.powerOff(4)
	c.start(4)
	c.run(100 * ms)
	if after := len(c.hosts[4].node.(*node).hints.keys); after != before {
		t.Fatalf("%d hints before the loss of power, %d after", before, after)
	}
	c.heal()
	c.settle(5000 * ms)
	if left := len(c.hosts[4].node.(*node).hints.keys); left != 0 {
		t.Errorf("%d hints are left after they were handed over", left)
	}
	for i := range 20 {
		expect(t, c.do(0, get(fmt.Sprint("k", i))), kv.OK, "v")
	}
}

func TestRestartServesWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 1, available)
	for i := range 3000 {
		expect(t, c.do(0, put(uint64(i), fmt.Sprint("k", i%7), fmt.Sprint("a value of some length ", i))), kv.OK, "")
	}
	if size := len(c.hosts[0].disk.files[logFile].data); size > 256<<10 {
		t.Errorf("the log of seven keys has grown to %d bytes", size)
	}
	c.powerOff(0)
	c.start(0)
	expect(t, c.do(0, get("k3")), kv.Unavailable, "")
	c.settle(2000 * ms)
	for i := 2993; i < 3000; i++ {
		expect(t, c.do(0, get(fmt.Sprint("k", i%7))), kv.OK, fmt.Sprint("a value of some length ", i))
	}
}

func TestFailedDiskTakesNodeOutOfService(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 3, available)
	c.hosts[0].disk.err = fmt.Errorf("input/output error")
	expect(t, c.do(0, put(1, "a", "1")), 0, "") // nobody will ever say
	expect(t, c.do(0, get("a")), kv.Unavailable, "")
	if c.hosts[0].node.Status().Ready {
		t.Error("the node calls itself ready")
	}
	c.kill(0)
	c.hosts[0].disk.err = nil
	c.start(0)
	c.settle(5000 * ms)
	expect(t, c.do(0, put(2, "a", "2")), kv.OK, "")
}

// A node that hears all others and is heard by none knows it from them.
func TestUnheardNodeRefuses(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, Config{N: 5, R: 3, W: 3})
	for i := range c.hosts {
		c.cut[[2]int{0, i}] = true
	}
	c.run(1000 * ms)
	expect(t, c.do(0, put(1, "a", "1")), kv.Unavailable, "")
}

// On the side of a cut that has no owner of a key, a read finds what a
// stand-in took, whichever node was asked.
func TestReadFindsStandIn(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, Config{N: 2, R: 1, W: 1})
	r := c.hosts[0].node.(*node).ring
	for i := range 10 {
		key := fmt.Sprint("k", i)
		walk := r.walks[r.shardOf(key)]
		near, far := int(walk[4]), int(walk[3])
		c.isolate(int(walk[0]), int(walk[1]))
		c.run(600 * ms)
		expect(t, c.do(far, put(uint64(i), key, "v")), kv.OK, "")
		expect(t, c.do(near, get(key)), kv.OK, "v")
		if got := c.do(near, kv.Request{Op: kv.Keys, Key: key}); len(got.Keys) != 1 {
			t.Errorf("the side of the stand-in lists %v", got.Keys)
		}
		c.heal()
		c.settle(5000 * ms)
	}
}

// Owners that are slow are waited for, and not taken for gone: whoever owns nothing
// answers at once, and knows nothing.
func TestReadWaitsForOwnersThatAreUp(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, Config{N: 2, R: 1, W: 1})
	r := c.hosts[0].node.(*node).ring
	walk := r.walks[r.shardOf("k")]
	expect(t, c.do(0, put(1, "k", "v")), kv.OK, "")
	c.settle(5000 * ms)
	var got kv.Response
	owners, answered := walk[:2], false
	for _, o := range owners {
		c.pause(int(o))
	}
	c.call(int(walk[2]), get("k"), func(r kv.Response) { got, answered = r, true })
	c.run(2 * settleAfter)
	if answered {
		t.Errorf("the read was answered with %+v while its owners did nothing", got)
	}
	for _, o := range owners {
		c.resume(int(o))
	}
	c.run(readGiveUp - 2*settleAfter)
	expect(t, got, kv.OK, "v")
}

// Lost messages are sent again while there is time.
func TestLostMessagesAreRepeated(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 3, Config{N: 3, R: 3, W: 3})
	c.loss = 250
	for i := range 20 {
		key := fmt.Sprint("k", i)
		expect(t, c.do(i%3, put(uint64(i), key, "v")), kv.OK, "")
	}
	c.loss = 100
	ok := 0
	for i := range 20 {
		if c.do(i%3, get(fmt.Sprint("k", i))).Code == kv.OK {
			ok++
		}
	}
	if ok < 19 {
		t.Errorf("%d of 20 reads ended well", ok)
	}
}

// A process that was stopped heard nobody, which says nothing about the others.
func TestResumedNodeSuspectsNobody(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 3, Config{N: 3, R: 3, W: 3})
	c.pause(0)
	c.run(10_000 * ms)
	c.resume(0)
	expect(t, c.do(0, put(1, "a", "1")), kv.OK, "")
}
