package ap

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ordeal-dev/ordeal/targets/store/kv"
)

// frames returns a log of a few frames, where each of them begins, and the
// records in them.
func frames() (log []byte, starts []int, records []record) {
	for i := range 4 {
		starts = append(starts, len(log))
		frame := beginFrame(nil)
		for j := range i + 1 {
			e := entry{key: fmt.Sprint("k", j), value: strings.Repeat("v", 10*i), ver: version{stamp(100*i + j), 3}, dead: j == 2}
			for _, x := range []record{
				{kind: recordItem, entry: e}, {kind: recordHint, node: 2, entry: e},
				{kind: recordDelivered, node: 4, entry: e}, {kind: recordCeiling, ceiling: stamp(i)},
			} {
				frame = x.append(frame)
				records = append(records, x)
			}
		}
		sealFrame(frame)
		log = append(log, frame...)
	}
	return log, starts, records
}

func readAll(log []byte) (records []record, end int, err error) {
	end, err = readLog(log, func(x *record) { records = append(records, *x) })
	return records, end, err
}

func TestLogRoundTrip(t *testing.T) {
	t.Parallel()
	log, _, want := frames()
	got, end, err := readAll(log)
	if err != nil || end != len(log) || !reflect.DeepEqual(got, want) {
		t.Errorf("read %d records up to byte %d of %d, error %v; wrote %d", len(got), end, len(log), err, len(want))
	}
}

// A log that ends anywhere is good up to its last whole frame.
func TestLogTornAtEveryByte(t *testing.T) {
	t.Parallel()
	log, starts, records := frames()
	for size := range len(log) {
		last := 0
		for _, s := range append(starts, len(log)) {
			if s <= size {
				last = s
			}
		}
		got, end, err := readAll(log[:size])
		if err != nil || end != last || !slices.Equal(got, records[:len(got)]) {
			t.Fatalf("cut at byte %d: read up to %d, want %d; error %v", size, end, last, err)
		}
		// Blocks that never reached the disk read as zeros.
		zeros := slices.Concat(log[:size], make([]byte, len(log)-size))
		if _, end, err = readAll(zeros); err != nil || end < last {
			t.Fatalf("zeros from byte %d: read up to %d, want at least %d; error %v", size, end, last, err)
		}
	}
}

// A bit that flipped anywhere but in the last frame is no torn write.
func TestLogCorruptInTheMiddle(t *testing.T) {
	t.Parallel()
	log, starts, _ := frames()
	for at := range log {
		for bit := range 8 {
			bad := slices.Clone(log)
			bad[at] ^= 1 << bit
			_, end, err := readAll(bad)
			if inLast := at >= starts[len(starts)-1]; inLast && (err != nil || end != starts[len(starts)-1]) || !inLast && err == nil {
				t.Fatalf("bit %d of byte %d flipped: read up to %d of %d, error %v", bit, at, end, len(log), err)
			}
		}
	}
}

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
		if p := fmt.Sprint(recover()); !strings.Contains(p, "corrupt log") {
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
	n := c.hosts[0].node.(*node)
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
		key, value := fmt.Sprint("k", i%3), fmt.Sprint(i)
		c.call(0, put(uint64(i), key, value), func(r kv.Response) {
			if r.Code == kv.OK {
				acked[key] = value
			}
		})
		if i%4 == 3 {
			n.journal.size = compactMin * compactRatio // as if there had been a lot
		}
		c.until(c.now+5*ms, step)
	}
	crash(c, 0)
	c.start(0)
	c.run(int64(moment%20) * ms / 10)
	crash(c, 0)
	c.start(0)
	c.settle(2000 * ms)
	for i := range 3 {
		key := fmt.Sprint("k", i)
		got := c.do(0, get(key))
		if acked[key] != "" && got.Value < acked[key] && len(got.Value) <= len(acked[key]) {
			t.Fatalf("crash after %d events: %s was acknowledged as %s and is %+v", moment, key, acked[key], got)
		}
	}
	return crashed
}

// A log that was in the making when the node crashed is thrown away.
func TestStrayNewLog(t *testing.T) {
	t.Parallel()
	c := booted(t, 1, 1, available)
	expect(t, c.do(0, put(1, "a", "1")), kv.OK, "")
	c.kill(0)
	d := c.hosts[0].disk
	d.files[newFile] = &file{data: []byte("half a log")}
	c.start(0)
	c.settle(2000 * ms)
	if d.files[newFile] != nil {
		t.Errorf("%s is still there", newFile)
	}
	expect(t, c.do(0, get("a")), kv.OK, "1")
}

func FuzzLog(f *testing.F) {
	log, starts, _ := frames()
	f.Add(log)
	f.Add(log[:starts[2]+5])
	f.Fuzz(func(t *testing.T, log []byte) {
		if _, end, _ := readAll(log); end < 0 || end > len(log) {
			t.Errorf("read up to %d of %d", end, len(log))
		}
		frame := append(beginFrame(nil), log...)
		sealFrame(frame)
		_, _, _ = readAll(frame)
	})
}

// What a killed process left in the page cache is synced before it is shown.
func TestPageCacheIsSyncedAtStart(t *testing.T) {
	t.Parallel()
	for _, conflict := range []Conflict{HLC, LWW} {
		c := booted(t, 1, 1, Config{N: 1, R: 1, W: 1, Conflict: conflict})
		c.kill(0)
		f := c.hosts[0].disk.files[logFile]
		x := record{kind: recordItem, entry: entry{key: "a", value: "1", ver: version{1, 0}}}
		frame := x.append(beginFrame(nil))
		sealFrame(frame)
		f.data = append(f.data, frame...)
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
