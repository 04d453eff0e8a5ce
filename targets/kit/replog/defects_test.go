package replog

import (
	"bytes"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/ordeal-dev/ordeal/targets/kit/request"
)

// electedWith returns a world whose nodes have a leader and some settings.
func electedWith(t *testing.T, cfg Config) *world {
	t.Helper()
	w := newWorld(11, 3, cfg)
	if !w.runUntil(3000*ms, w.ready) {
		t.Fatal("no leader")
	}
	return w
}

// TestLeases: a leader that was cut off goes on to read for as long as its lease
// lasts, and it may last for ever.
func TestLeases(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lease Lease
		jump  int64 // of the wall clock, when the lease has begun
		wait  int64 // until the next read
		want  request.Code
	}{
		"none":                        {NoLease, 0, 10 * ms, request.Unavailable},
		"wall, in time":               {WallLease, 0, 300 * ms, request.OK},
		"wall, too late":              {WallLease, 0, electionBase, request.Unavailable},
		"wall, with a clock put back": {WallLease, -5000 * ms, electionBase, request.OK},
		"wall, with a clock put on":   {WallLease, 5000 * ms, 10 * ms, request.Unavailable},
		"endless":                     {EndlessLease, 0, electionBase, request.OK},
	} {
		w := electedWith(t, Config{Lease: c.lease})
		h := w.leader()
		if r, _ := ask(t, w, h.id, look(1, 0)); r.code != request.OK {
			t.Fatalf("%s: the first read ended in %v", name, r.code)
		}
		w.isolate(h.id)
		h.wall = c.jump
		w.run(c.wait)
		if !h.node.Leading() {
			t.Fatalf("%s: it has stepped down", name)
		}
		if r, _ := ask(t, w, h.id, look(1, 0)); r.code != c.want {
			t.Errorf("%s: a read ended in %v, want %v", name, r.code, c.want)
		}
	}
}

// TestForgetful: what arrives twice is applied twice.
func TestForgetful(t *testing.T) {
	t.Parallel()
	w := electedWith(t, Config{Forgetful: true})
	first, other := add(1, 1, "first"), add(2, 1, "other")
	for _, req := range []request.Request{first, other, first} {
		if r, _ := ask(t, w, 0, req); r.code != request.OK {
			t.Fatalf("%v: %v", req, r)
		}
	}
	if r, _ := ask(t, w, 1, look(3, 1)); r.place != 3 || r.cmd != "first" {
		t.Errorf("the last command is %v", r)
	}
}

// TestDefinite: a command on its way to a leader that was cut off is said to
// have failed.
func TestDefinite(t *testing.T) {
	t.Parallel()
	w := electedWith(t, Config{Definite: true})
	alone := w.follower()
	w.isolate(alone)
	if r, _ := ask(t, w, alone, add(1, 1, "v")); r.code != request.Unavailable {
		t.Errorf("the write ended in %v", r.code)
	}
}

// TestBareSnapshots: a node that starts from a snapshot knows what the machine
// holds, and not who was answered.
func TestBareSnapshots(t *testing.T) {
	t.Parallel()
	for _, bare := range []bool{false, true} {
		s := newState(&list{}, Config{Sessions: 5, BareSnapshots: bare})
		s.apply(1, add(1, 1, "v"))
		again := newState(&list{}, Config{Sessions: 5})
		if err := again.restore(1, s.encode()); err != nil {
			t.Fatal(err)
		}
		_, known := again.sessions.lookup(name{1, 1})
		if known == bare || (again.sessions.digest == s.sessions.digest) == bare || !bytes.Equal(again.machine.Encode(), s.machine.Encode()) {
			t.Errorf("bare %v: the request is known %v, digests are %x and %x", bare, known, s.sessions.digest, again.sessions.digest)
		}
	}
}

// TestEarlySnapshots: a snapshot is labelled with an entry that is not in it.
func TestEarlySnapshots(t *testing.T) {
	t.Parallel()
	for _, early := range []bool{false, true} {
		w := electedWith(t, Config{SnapshotEvery: 1000, EarlySnapshots: early})
		g := w.leader().node
		for i := range uint64(3) {
			ask(t, w, w.leader().id, add(1, i+1, "v"))
		}
		g.log.append([]*raftpb.Entry{logEntry(g.log.last()+1, g.term)}) // not yet committed
		g.cfg.SnapshotEvery = 1
		g.snapshot()
		if ahead := g.disk.snap.index - g.state.applied; (ahead == 1) != early || ahead > 1 {
			t.Errorf("early %v: the label is %d ahead of what was applied", early, ahead)
		}
	}
}

// TestLazy: entries are acknowledged although the disk has not confirmed them.
func TestLazy(t *testing.T) {
	t.Parallel()
	for _, lazy := range []bool{false, true} {
		w := electedWith(t, Config{Lazy: lazy})
		if r, _ := ask(t, w, 0, add(1, 1, "v")); r.code != request.OK {
			t.Fatal(r)
		}
		synced := 0
		for _, h := range w.hosts {
			if f := h.disk.names[walFile]; f.synced == len(f.data) {
				synced++
			}
		}
		if lazy == (synced >= 2) {
			t.Errorf("lazy %v: the log is durable on %d of 3 nodes", lazy, synced)
		}
	}
}

// TestHasty: a snapshot that has its name is not yet there for good.
func TestHasty(t *testing.T) {
	t.Parallel()
	for _, hasty := range []bool{false, true} {
		w := electedWith(t, Config{Hasty: hasty, SnapshotEvery: 3})
		for i := range uint64(4) {
			ask(t, w, 0, add(1, i+1, "v"))
		}
		w.run(100 * ms)
		f := w.leader().disk.names[snapFile]
		if f == nil || (f.synced == len(f.data)) == hasty {
			t.Errorf("hasty %v: the snapshot is %+v", hasty, f)
		}
	}
}
