package ap

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// A node panics rather than serve from a log that lost something in the middle.
func TestCorruptLogPanics(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 1, available)
	for i := range 10 {
		expect(t, c.do(0, put(uint64(i), fmt.Sprint("k", i), "v")), kv.OK, "")
	}
	c.kill(0)
	log := c.hosts[0].disk.files[logFile].data
	log[len(log)/2] ^= 4
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, "ap: file ap.log is corrupt") {
			t.Errorf("panicked with %q", p)
		}
	}()
	c.start(0)
	c.run(100 * ms)
	t.Error("the node started")
}

// A torn log is written anew, so that what is appended next can be read.
func TestTornLogGoesOn(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 1, available)
	expect(t, c.do(0, put(1, "a", "1")), kv.OK, "")
	for i := range 3 {
		c.kill(0)
		f := c.hosts[0].disk.files[logFile]
		f.data = append(f.data, make([]byte, 5+20*i)...)
		c.start(0)
		c.settle(2000 * ms)
		expect(t, c.do(0, get("a")), kv.OK, fmt.Sprint(i+1))
		expect(t, c.do(0, put(uint64(i+2), "a", fmt.Sprint(i+2))), kv.OK, "")
	}
}

// A crash at any moment costs nothing that was acknowledged, compactions and
// crashes while starting included.
func TestCrashAtEveryMoment(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(*cluster, int){"kill": (*cluster).kill, "power": (*cluster).powerOff} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for moment := 1; crashAt(t, moment, crash); moment++ {
			}
		})
	}
}

// crashAt runs a script on one node and crashes it twice: after some number of
// events, and while it starts again. It reports whether the script was longer.
func crashAt(t *testing.T, moment int, crash func(*cluster, int)) bool {
	c := newCluster(t, uint64(moment), 1, available)
	acked := make(map[string]string)
	crashed := false
	step := func() bool {
		crashed = c.events >= moment
		return crashed
	}
	c.until(c.now+100*ms, step)
	for i := range 12 {
		if crashed {
			break
		}
		key, value := fmt.Sprint("k", i%2), fmt.Sprintf("%02d", i)+strings.Repeat(".", 40<<10) // so much that the log is rewritten
		c.call(0, put(uint64(i), key, value), func(r kv.Response) {
			if r.Code == kv.OK {
				acked[key] = value
			}
		})
		c.until(c.now+5*ms, step)
	}
	crash(c, 0)
	c.start(0)
	c.run(int64(moment%20) * ms / 10)
	crash(c, 0)
	c.start(0)
	c.settle(2000 * ms)
	for i := range 2 {
		key := fmt.Sprint("k", i)
		if got := c.do(0, get(key)); got.Value < acked[key] {
			t.Fatalf("crash after %d events: %s was acknowledged as %.2s and is %.2s, code %d", moment, key, acked[key], got.Value, got.Code)
		}
	}
	return crashed
}

// A record is read as it was written, and nothing else is read.
func FuzzRecord(f *testing.F) {
	e := entry{key: "k", value: "v", ver: version{100, 3}}
	for _, x := range []record{
		{kind: recordItem, entry: e}, {kind: recordHint, node: 2, entry: e},
		{kind: recordDelivered, node: 4, entry: e}, {kind: recordCeiling, ceiling: 7},
	} {
		f.Add(x.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var x, again record
		if r := (reader{b: b}); !take(&r, &x) {
			return
		}
		if r := (reader{b: x.append(nil)}); !take(&r, &again) || !reflect.DeepEqual(x, again) {
			t.Errorf("%+v became %+v", x, again)
		}
	})
}

// What a killed process left in the page cache is synced before it is shown.
func TestPageCacheIsSyncedAtStart(t *testing.T) {
	t.Parallel()
	for _, conflict := range []Conflict{HLC, LWW} {
		c := booted(t, 1, 1, Config{N: 1, R: 1, W: 1, Conflict: conflict})
		f := c.hosts[0].disk.files[logFile]
		synced := f.synced
		expect(t, c.do(0, put(1, "a", "1")), kv.OK, "")
		c.kill(0)
		f.synced = synced
		c.start(0)
		c.settle(2000 * ms)
		expect(t, c.do(0, get("a")), kv.OK, "1")
		for range 4 {
			c.powerOff(0)
			c.start(0)
			c.settle(2000 * ms)
			expect(t, c.do(0, get("a")), kv.OK, "1")
		}
	}
}

// An ack that arrives after a restart must not be taken for that of another write.
func TestOperationIDsDifferBetweenLives(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 1, available)
	first := c.hosts[0].node.(*node).ids
	c.kill(0)
	c.start(0)
	second := c.hosts[0].node.(*node).ids
	if second-first < 1<<32 || first-second < 1<<32 {
		t.Errorf("operations are numbered from %d, and after a restart from %d", first, second)
	}
}
