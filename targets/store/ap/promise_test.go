package ap

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/harness/choice"
	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// A load has processes read and write a few keys, each through its own node,
// and keeps book of what causally follows what.
type load struct {
	c      *cluster
	stop   bool
	busy   int
	keys   int
	writes []*wrote
	values map[string]*wrote
	procs  uint64
	old    int // reads of what was overwritten in their causal past
}

// wrote is a write of a value or a delete.
type wrote struct {
	n     int
	key   string
	value string
	dead  bool
	past  set // the writes that it causally follows
	acked bool
	never bool // it failed definitely
}

// set is a set of writes.
type set []uint64

func (s set) has(n int) bool { return n/64 < len(s) && s[n/64]>>(n%64)&1 != 0 }

func (s set) with(n int) set {
	s = slices.Clone(s)
	for n/64 >= len(s) {
		s = append(s, 0)
	}
	s[n/64] |= 1 << (n % 64)
	return s
}

func (s set) union(t set) set {
	s = slices.Clone(s)
	for i, w := range t {
		if i >= len(s) {
			s = append(s, 0)
		}
		s[i] |= w
	}
	return s
}

// process is one thread of requests through one node.
type process struct {
	l     *load
	id    uint64
	node  int
	know  set
	seq   uint64
	rand  *choice.Stream
	pause int64
}

func (l *load) spawn(node int, pause int64) {
	l.procs++
	p := &process{l: l, id: l.procs, node: node, rand: l.c.source.Stream("process", l.procs), pause: pause}
	l.c.after(p.rand.Int64N(pause), p.next)
}

func (p *process) next() {
	if p.l.stop {
		return
	}
	key := fmt.Sprint("k", p.rand.IntN(p.l.keys))
	p.seq++
	switch p.rand.IntN(10) {
	case 0:
		p.write(kv.Request{Op: kv.Delete, Client: p.id, Seq: p.seq, Key: key})
	case 1, 2, 3, 4, 5:
		p.write(kv.Request{Op: kv.Put, Client: p.id, Seq: p.seq, Key: key, Value: fmt.Sprintf("%d.%d", p.id, p.seq)})
	default:
		p.invoke(kv.Request{Op: kv.Get, Client: p.id, Seq: p.seq, Key: key}, func(got kv.Response) { p.read(key, got) })
	}
}

// invoke calls end once: with the answer, or with code 0 after a second. Then
// the process is gone, and another takes its place.
func (p *process) invoke(r kv.Request, end func(kv.Response)) {
	p.l.busy++
	over := false
	finish := func(got kv.Response) {
		if over {
			return
		}
		over = true
		p.l.busy--
		end(got)
		if got.Code == 0 || got.Code == kv.Unknown {
			p.l.spawn(p.node, p.pause)
			return
		}
		p.l.c.after(p.pause/2+p.rand.Int64N(p.pause), p.next)
	}
	p.l.c.call(p.node, r, finish)
	p.l.c.after(1000*ms, func() { finish(kv.Response{}) })
}

func (p *process) write(r kv.Request) {
	w := &wrote{n: len(p.l.writes), key: r.Key, value: r.Value, dead: r.Op == kv.Delete, past: p.know}
	p.l.writes = append(p.l.writes, w)
	if !w.dead {
		p.l.values[w.value] = w
	}
	p.invoke(r, func(got kv.Response) {
		w.acked = got.Code == kv.OK
		w.never = got.Code == kv.Unavailable
		if w.acked {
			p.know = p.know.with(w.n)
		}
	})
}

func (p *process) read(key string, got kv.Response) {
	if got.Code != kv.OK {
		return
	}
	w := p.l.values[got.Value]
	for _, later := range p.l.writes {
		if later.key == key && p.know.has(later.n) && later.past.has(w.n) {
			p.l.old++
			break
		}
	}
	p.know = p.know.union(w.past).with(w.n)
}

// judge compares the final state of every key with what was acknowledged, and
// returns what is wrong. lost counts acknowledged writes that lost to one that
// they causally follow.
func (l *load) judge() (lost int, wrong []string) {
	for i := range l.keys {
		key := fmt.Sprint("k", i)
		final := l.c.do(0, get(key))
		for node := range l.c.hosts {
			if got := l.c.do(node, get(key)); got.Code != final.Code || got.Value != final.Value {
				wrong = append(wrong, fmt.Sprintf("%s: node 0 says %+v, node %d %+v", key, final, node, got))
			}
		}
		lost += l.judgeKey(key, final, &wrong)
	}
	return lost, wrong
}

func (l *load) judgeKey(key string, final kv.Response, wrong *[]string) (lost int) {
	if final.Code == kv.OK {
		winner := l.values[final.Value]
		if winner == nil || winner.never || winner.key != key {
			*wrong = append(*wrong, fmt.Sprintf("%s: nobody wrote %q there", key, final.Value))
			return 0
		}
		return len(l.followers(winner))
	}
	// Any delete may have won, or nothing was ever written.
	fewest := -1
	for _, w := range l.writes {
		if w.key == key && w.dead && !w.never {
			if n := len(l.followers(w)); fewest < 0 || n < fewest {
				fewest = n
			}
		}
	}
	if fewest >= 0 {
		return fewest
	}
	for _, w := range l.writes {
		if w.key == key && w.acked {
			lost++
		}
	}
	return lost
}

// followers returns the acknowledged writes of the same key that causally
// follow w.
func (l *load) followers(w *wrote) (found []*wrote) {
	for _, x := range l.writes {
		if x.key == w.key && x.acked && x.past.has(w.n) {
			found = append(found, x)
		}
	}
	return found
}

// fault is something that goes wrong for a while.
type fault struct {
	kind string
	node int
	at   int64 // ms
	long int64 // ms
}

func (f fault) inject(c *cluster) {
	c.after(f.at*ms, func() {
		switch f.kind {
		case "isolate":
			c.isolate(f.node)
		case "halves":
			c.isolate(f.node, (f.node+1)%len(c.hosts))
		case "one-way":
			for i := range c.hosts {
				c.cut[[2]int{f.node, i}] = true
			}
		case "kill":
			c.kill(f.node)
		case "power":
			c.powerOff(f.node)
		case "pause":
			c.pause(f.node)
		case "ahead":
			c.hosts[f.node].offset = 3600_000 * ms
		case "behind":
			c.hosts[f.node].offset = -3600_000 * ms
		case "far":
			c.hosts[f.node].offset = 100 * 365 * 24 * 3600_000 * ms
		}
	})
	c.after((f.at+f.long)*ms, func() {
		switch f.kind {
		case "isolate", "halves", "one-way":
			c.heal()
		case "kill", "power":
			c.start(f.node)
		case "pause":
			c.resume(f.node)
		default:
			c.hosts[f.node].offset = 0
		}
	})
}

var faultKinds = []string{"isolate", "halves", "one-way", "kill", "power", "pause", "ahead", "behind", "far"}

func drawFaults(rt *rapid.T, nodes int) []fault {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) fault {
		return fault{
			kind: rapid.SampledFrom(faultKinds).Draw(rt, "kind"),
			node: rapid.IntRange(0, nodes-1).Draw(rt, "node"),
			at:   int64(rapid.IntRange(0, 3000).Draw(rt, "at")),
			long: int64(rapid.IntRange(1, 1500).Draw(rt, "long")),
		}
	}), 0, 8).Draw(rt, "faults")
}

// trial runs a load under faults, heals everything, waits until the replicas
// have converged, and judges what is left.
func trial(tb testing.TB, seed uint64, nodes, keys int, cfg Config, faults []fault) (l *load, took int64, lost int, wrong []string) {
	c := booted(tb, seed, nodes, cfg)
	c.loss, c.dup = 5, 20
	l = &load{c: c, keys: keys, values: make(map[string]*wrote)}
	for i := range 2 * nodes {
		l.spawn(i%nodes, 20*ms)
	}
	for _, f := range faults {
		f.inject(c)
	}
	c.run(5000 * ms)
	l.stop = true
	c.until(c.now+2000*ms, func() bool { return l.busy == 0 })
	c.heal()
	c.loss, c.dup = 0, 0
	for i, h := range c.hosts {
		h.offset = 0
		c.start(i)
		c.resume(i)
	}
	took = c.settle(5000 * ms)
	lost, wrong = l.judge()
	return l, took, lost, wrong
}

// Whatever happens, replicas converge, and under HLC no acknowledged write is
// lost to one that it causally follows. With strict quorums that overlap, no
// read finds what was overwritten in its causal past either.
func TestPromise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		nodes := rapid.IntRange(1, 6).Draw(rt, "nodes")
		cfg := Config{N: rapid.IntRange(1, 5).Draw(rt, "n")}
		cfg.R = rapid.IntRange(1, cfg.N).Draw(rt, "r")
		cfg.W = rapid.IntRange(1, cfg.N).Draw(rt, "w")
		cfg.Conflict = Conflict(rapid.IntRange(0, 1).Draw(rt, "conflict"))
		cfg.Strict = rapid.Bool().Draw(rt, "strict")
		seed := rapid.Uint64().Draw(rt, "seed")
		l, _, lost, wrong := trial(t, seed, nodes, 4, cfg, drawFaults(rt, nodes))
		if len(wrong) > 0 {
			rt.Fatalf("replicas do not agree: %v", wrong)
		}
		if cfg.Conflict == HLC && lost > 0 {
			rt.Fatalf("%d acknowledged writes lost to one that they causally follow", lost)
		}
		if cfg.Conflict == HLC && cfg.Strict && cfg.R+cfg.W > cfg.N && l.old > 0 {
			rt.Fatalf("%d reads of what was overwritten in their causal past", l.old)
		}
	})
}

// clockFaults moves the clocks of a run of five nodes.
func clockFaults(seed uint64) []fault {
	r := choice.New(seed).Stream("faults")
	var faults []fault
	for i := range 4 {
		kind := choice.Pick(r, []string{"ahead", "behind"})
		faults = append(faults, fault{kind, r.IntN(5), int64(500 + 1000*i), 800})
	}
	return faults
}

// losses counts the runs with moved clocks that lose writes.
func losses(t *testing.T, runs uint64, cfg Config) (bad int) {
	for seed := range runs {
		_, _, lost, wrong := trial(t, seed, 5, 4, cfg, clockFaults(seed))
		if len(wrong) > 0 {
			t.Errorf("seed %d: replicas do not agree: %v", seed, wrong)
		}
		if lost > 0 {
			bad++
		}
	}
	return bad
}

// Clocks that jump cost writes unless a hybrid clock makes up for them: the
// seeded bug and the weaker setting lose, and the sound setting does not.
func TestClocksLoseWrites(t *testing.T) {
	t.Parallel()
	const runs = 10
	for _, tt := range []struct {
		name  string
		cfg   Config
		loses bool
	}{
		{"hlc", Config{N: 3, R: 1, W: 1}, false},
		{"hlc with bug AP1", Config{N: 3, R: 1, W: 1, Bugs: wallStamps}, true},
		{"hlc with bug AP1, quorums", Config{N: 3, R: 2, W: 2, Bugs: wallStamps}, true},
		{"lww", Config{N: 3, R: 1, W: 1, Conflict: LWW}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := losses(t, runs, tt.cfg)
			t.Logf("%d of %d runs lost writes", bad, runs)
			if (bad > 0) != tt.loses {
				t.Errorf("%d of %d runs lost writes", bad, runs)
			}
		})
	}
}

// A node that is killed and whose clock then goes back an hour must not stamp
// below what it served before, be it written here or only read.
func TestClockNeverFallsBehindWhatWasServed(t *testing.T) {
	t.Parallel()
	for _, crash := range []func(*cluster, int){(*cluster).kill, (*cluster).powerOff} {
		c := booted(t, 1, 5, available)
		c.hosts[1].offset = 24 * 3600_000 * ms
		for i := range 10 {
			key := fmt.Sprint("k", i)
			expect(t, c.do(1, put(uint64(i), key, "future")), kv.OK, "")
			c.settle(3000 * ms)
			expect(t, c.do(0, get(key)), kv.OK, "future")
			crash(c, 0)
			c.hosts[0].offset -= 3600_000 * ms
			c.start(0)
			c.settle(3000 * ms)
			expect(t, c.do(0, put(uint64(100+i), key, "later")), kv.OK, "")
			c.settle(3000 * ms)
			expect(t, c.do(3, get(key)), kv.OK, "later")
		}
	}
}

// Quorums that do not overlap, or are said to and do not, lead to reads of what
// was overwritten in their causal past.
func TestOldReads(t *testing.T) {
	t.Parallel()
	faults := []fault{{"isolate", 0, 500, 800}, {"kill", 1, 1000, 500}, {"one-way", 2, 2000, 900}, {"halves", 3, 3000, 700}, {"pause", 4, 4000, 400}}
	for _, tt := range []struct {
		name string
		cfg  Config
		old  bool
	}{
		{"strict", Config{N: 3, R: 2, W: 2, Strict: true}, false},
		{"write to all, read one", Config{N: 3, R: 1, W: 3, Strict: true}, false},
		{"sloppy", Config{N: 3, R: 1, W: 1}, true},
		{"AP16", Config{N: 3, R: 1, W: 3, Strict: true, Bugs: noWriteBack}, true},
		{"AP17", Config{N: 3, R: 2, W: 2, Strict: true, Bugs: localReads}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old := 0
			for seed := uint64(0); seed < 20 && old == 0 && (tt.old || seed < 5); seed++ {
				l, _, _, _ := trial(t, seed, 5, 4, tt.cfg, faults)
				old = l.old
			}
			if (old > 0) != tt.old {
				t.Errorf("%d old reads", old)
			}
		})
	}
}

// After a fault of minutes with thousands of keys the replicas are equal again
// within seconds.
func TestConvergenceOfManyKeys(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 5, available)
	c.isolate(3, 4)
	c.run(600 * ms)
	const count = 4000
	for i := range count {
		c.call(i%5, put(uint64(i), fmt.Sprint("element/", i), "x"), func(kv.Response) {})
		c.run(ms / 2)
	}
	c.run(1000 * ms)
	c.heal()
	took := c.settle(5000 * ms)
	t.Logf("%d keys, converged %d ms after heal", count, took/ms)
	for i := range c.hosts {
		if got := c.do(i, kv.Request{Op: kv.Keys, Key: "element/"}); len(got.Keys) != count {
			t.Errorf("node %d lists %d of %d keys", i, len(got.Keys), count)
		}
	}
}

// A node that owns nothing of what it reads knows the future from the read
// alone. It must not show it to a client before it can be sure to remember.
func TestReadIsRememberedBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	tested := 0
	for i := range 20 {
		c := booted(t, uint64(i), 5, available)
		key := fmt.Sprint("k", i)
		if r := c.hosts[0].node.(*node).ring; r.owners[r.shardOf(key)].has(0) {
			continue
		}
		tested++
		c.hosts[1].offset = 24 * 3600_000 * ms
		expect(t, c.do(1, put(1, key, "future")), kv.OK, "")
		c.settle(3000 * ms)
		expect(t, c.do(0, get(key)), kv.OK, "future")
		c.powerOff(0)
		c.start(0)
		c.settle(3000 * ms)
		expect(t, c.do(0, put(2, key, "later")), kv.OK, "")
		c.settle(3000 * ms)
		expect(t, c.do(3, get(key)), kv.OK, "later")
	}
	if tested == 0 {
		t.Error("node 0 owns all keys: nothing was tested")
	}
}
