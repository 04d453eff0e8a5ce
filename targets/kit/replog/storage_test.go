package replog

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

func logEntry(index, term uint64) *raftpb.Entry {
	return &raftpb.Entry{Term: &term, Index: &index, Type: raftpb.EntryNormal.Enum(), Data: fmt.Appendf(nil, "entry %d", index)}
}

// sampleLog is a log file with an image of three entries and eight records
// after it, of which all but the last two are known to be durable. It also
// returns where each record ends, and how many entries there are by then.
func sampleLog() (content []byte, ends, entries []int) {
	image := logImage{hard: hardState{term: 2, commit: 101}, base: 100, term: 1}
	for i := range uint64(3) {
		image.ents = append(image.ents, logEntry(101+i, 2))
	}
	content, records := image.encode(1)
	ends, entries = append(ends, len(content)), append(entries, 3)
	for i := range uint64(8) {
		h := recordHead{file: 1, seq: records + 1 + i, synced: records + max(i, 1) - 1, hard: hardState{term: 2, vote: 1, commit: 102 + i}}
		if i == 7 {
			h.synced = 6
		}
		content = appendRecord(content, h, []*raftpb.Entry{logEntry(104+i, 2)})
		ends, entries = append(ends, len(content)), append(entries, 4+int(i))
	}
	return content, ends, entries
}

// TestLogTornAtEveryByte: what a crash leaves of the unsynced end of a log
// file is read as the records that are whole.
func TestLogTornAtEveryByte(t *testing.T) {
	t.Parallel()
	content, ends, entries := sampleLog()
	for cut := ends[0]; cut <= len(content); cut++ {
		whole := 0
		for whole+1 < len(ends) && ends[whole+1] <= cut {
			whole++
		}
		l, torn, err := parseLog(content[:cut])
		if err != nil || len(l.ents) != entries[whole] || torn != ends[whole] {
			t.Fatalf("cut at %d: %d entries, torn at %d, %v; want %d, %d", cut, len(l.ents), torn, err, entries[whole], ends[whole])
		}
	}
	for cut := range ends[0] {
		if _, _, err := parseLog(content[:cut]); err == nil {
			t.Fatalf("cut at %d, inside of what was synced before the file got its name: no error", cut)
		}
	}
}

// TestLogBeforeAnOlderOne: records that an older file has left in the blocks of
// this one are none of it, and prove nothing.
func TestLogBeforeAnOlderOne(t *testing.T) {
	t.Parallel()
	older, ends, _ := sampleLog()
	image, _, err := parseLog(older[:ends[0]])
	if err != nil {
		t.Fatal(err)
	}
	log, _ := image.encode(2)
	for _, from := range ends {
		l, torn, err := parseLog(slices.Concat(log, older[from:]))
		if err != nil || torn != len(log) || len(l.ents) != 3 || l.file != 2 {
			t.Errorf("with what is older from %d on: %d entries of file %d, torn at %d of %d, %v", from, len(l.ents), l.file, torn, len(log), err)
		}
	}
}

// TestLogDamagedAtEveryByte: a flipped bit in what was synced is an error; in
// the last records, which nobody was told of, it is a torn tail.
func TestLogDamagedAtEveryByte(t *testing.T) {
	t.Parallel()
	content, ends, entries := sampleLog()
	proven := ends[len(ends)-4] // the last record says so
	for at := range content {
		damaged := bytes.Clone(content)
		damaged[at] ^= 0x10
		l, _, err := parseLog(damaged)
		switch {
		case at < proven && err == nil:
			t.Fatalf("byte %d: damage of what was synced is not seen", at)
		case at >= proven && (err != nil || len(l.ents) >= entries[len(entries)-1]):
			t.Fatalf("byte %d: %d entries, %v", at, len(l.ents), err)
		}
	}
}

// TestLogImage: a log of any length and any shape is read as it was written.
func TestLogImage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := logImage{base: rapid.Uint64Max(1<<40).Draw(t, "base"), term: 3, hard: hardState{9, 8, 7}}
		for i := range rapid.Uint64Max(3*pageEntries).Draw(t, "entries") {
			l.ents = append(l.ents, logEntry(l.base+1+i, 3))
		}
		content, _ := l.encode(1)
		got, torn, err := parseLog(content)
		if err != nil || torn != len(content) || len(got.ents) != len(l.ents) || got.base != l.base || got.hard != l.hard {
			t.Fatalf("%+v, torn %d of %d, %v", got, torn, len(content), err)
		}
	})
}

func TestSnapshotDamagedAtEveryByte(t *testing.T) {
	t.Parallel()
	f := &snapshotFile{index: 1000, term: 3, data: []byte("the state")}
	content := f.encode()
	if got, err := parseSnapshot(content); err != nil || got.index != f.index || got.term != f.term || !bytes.Equal(got.data, f.data) {
		t.Fatal(got, err)
	}
	for at := range content {
		damaged := bytes.Clone(content)
		damaged[at] ^= 1
		if _, err := parseSnapshot(damaged); err == nil {
			t.Fatalf("byte %d: damage is not seen", at)
		}
		if _, err := parseSnapshot(content[:at]); err == nil {
			t.Fatalf("cut at %d: no error", at)
		}
	}
}

// TestCrashAtEveryDiskOperation cuts the power of a node, or kills it, after
// each of its disk operations in turn, snapshots and compaction included, and
// once more soon after it came back.
func TestCrashAtEveryDiskOperation(t *testing.T) {
	t.Parallel()
	for op := 1; op <= 60; op++ {
		w := newWorld(7, 3, Config{SnapshotEvery: 10})
		h := w.hosts[op%3]
		h.crashIn, h.killed = op, op%2 == 0
		l := startLoad(w, 3, 5*ms)
		w.runUntil(2000*ms, func() bool { return h.node == nil })
		if h.node == nil {
			h.crashIn = 1 + op%9
			h.boot()
		}
		w.run(2000 * ms)
		settle(t, w, l)
		l.check(t)
		if l.codes[request.OK] < 30 {
			t.Fatalf("operation %d: too little was done: %v", op, l.codes)
		}
	}
}

// TestSlowDiskOfLeader: entries are committed by the others before the leader
// has them on its own disk. Reads wait until it has applied them.
func TestSlowDiskOfLeader(t *testing.T) {
	t.Parallel()
	w := newWorld(2, 3, Config{})
	w.runUntil(3000*ms, w.ready)
	w.leader().slow = 15 * ms
	l := startLoad(w, 9, 3*ms)
	w.run(2000 * ms)
	settle(t, w, l)
	l.check(t)
	if l.codes[request.OK] < 200 {
		t.Fatalf("too little was done: %v", l.codes)
	}
}

// TestAllLosePower: what was acknowledged is there although every node lost
// what it had not synced, at once.
func TestAllLosePower(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		w := newWorld(seed, 3, Config{SnapshotEvery: 50})
		l := startLoad(w, 6, 10*ms)
		for range 3 {
			w.run(1500 * ms)
			for _, h := range w.hosts {
				h.powerOff()
			}
			for _, h := range w.hosts {
				h.boot()
			}
		}
		settle(t, w, l)
		l.check(t)
	}
}

// TestSnapshotReachesLaggard: a node that was away for longer than the log
// reaches back gets a snapshot, also when the first one is lost.
func TestSnapshotReachesLaggard(t *testing.T) {
	t.Parallel()
	w := newWorld(3, 3, Config{SnapshotEvery: 20})
	l := startLoad(w, 3, 5*ms)
	w.run(1500 * ms)
	away := w.hosts[(w.leader().id+1)%3]
	w.isolate(away.id)
	w.run(1500 * ms)
	w.heal()
	w.cut[[2]int{w.leader().id, away.id}] = false
	w.loss = 60
	w.run(1500 * ms)
	settle(t, w, l)
	l.check(t)
	if !strings.Contains(strings.Join(w.log, "\n"), "took over the leader's snapshot") {
		t.Fatal("no snapshot was sent")
	}
}

// TestDamageStopsTheNode: a node does not start on what was silently damaged.
func TestDamageStopsTheNode(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct {
		do   func(d *disk)
		want string
	}{
		"log":        {func(d *disk) { d.names[walFile].data[20] ^= 1 }, "file wal is corrupt"},
		"snapshot":   {func(d *disk) { d.names[snapFile].data[20] ^= 1 }, "file snap is corrupt"},
		"no log":     {func(d *disk) { delete(d.names, walFile) }, "file wal is corrupt: it is not there"},
		"no snap":    {func(d *disk) { delete(d.names, snapFile) }, "file snap is corrupt: it reaches up to entry 0"},
		"disk error": {func(d *disk) { d.broken = fmt.Errorf("input/output error") }, "input/output error; the node stops"},
	} {
		w := newWorld(5, 3, Config{SnapshotEvery: 20})
		l := startLoad(w, 3, 5*ms)
		w.run(2000 * ms)
		l.stopped = true
		h := w.hosts[0]
		h.kill()
		damage.do(h.disk)
		h.boot()
		w.run(100 * ms)
		if len(w.died) != 1 || !strings.Contains(w.died[0], damage.want) {
			t.Errorf("%s: %v", name, w.died)
		}
	}
}
